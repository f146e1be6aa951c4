"""What a build removes, and the times that it leaves."""

import pytest

from reprov.domain.pristine import Cleaning, cleaning_of, settled_mtime_ns

REMOVED = [
    "etc/ssh/ssh_host_rsa_key",
    "etc/ssh/ssh_host_ed25519_key.pub",
    "etc/hostname",
    "etc/passwd-",
    "etc/cron.d/x.dpkg-old",
    "usr/bin/perl.dpkg-new",
    "usr/sbin/policy-rc.d",
    "var/cache/debconf/config.dat-old",
    "var/cache/ldconfig/aux-cache",
    "var/lib/dbus/machine-id",
    "var/lib/dpkg/status-old",
    "var/lib/rabbitmq/.erlang.cookie",
    "var/lib/systemd/random-seed",
    "var/log/apt/term.log",
    "var/log/dpkg.log",
    "var/log/journal/0123",
    "root/.ssh/authorized_keys",
]
KEPT = [
    "",
    "etc/ssh/sshd_config",
    "etc/passwd",
    "etc/machine-info",
    "home/x/.dpkg-old",
    "usr/share/doc/x.dpkg-dist",
    "usr/lib/x.log",
    "var/lib/dpkg/status",
    "var/log/journal",
    "var/log/README",
    "opt/etc/hostname",
]


@pytest.mark.parametrize("path", REMOVED)
def test_removed(path: str) -> None:
    assert cleaning_of(path) is Cleaning.REMOVE


@pytest.mark.parametrize("path", KEPT)
def test_kept(path: str) -> None:
    assert cleaning_of(path) is Cleaning.KEEP


@pytest.mark.parametrize("path", ["etc/machine-id", "var/log/wtmp", "var/log/lastlog"])
def test_emptied(path: str) -> None:
    assert cleaning_of(path) is Cleaning.EMPTY


def test_what_the_build_wrote_gets_the_epoch_and_what_packages_shipped_keeps_its_time() -> None:
    assert settled_mtime_ns(999, started_ns=1000, epoch_s=0) == 999
    assert settled_mtime_ns(1000, started_ns=1000, epoch_s=5) == 5_000_000_000
