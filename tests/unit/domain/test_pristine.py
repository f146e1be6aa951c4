"""What a build removes, and the times that it leaves."""

import pytest

from reprov.domain.pristine import UNNAMED_INITIATOR, Cleaning, cleaning_of, identity_in, settled_mtime_ns
from tests.builders import a_file

REMOVED = [
    "etc/ssh/ssh_host_rsa_key",
    "etc/ssh/ssh_host_ed25519_key.pub",
    "etc/hostname",
    "etc/lvm/devices/system.devices",
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


@pytest.mark.parametrize(
    ("path", "content", "found"),
    [
        pytest.param("etc/ssh/ssh_host_rsa_key", "key", True, id="a host key"),
        pytest.param("etc/lvm/devices/system.devices", "IDTYPE=", True, id="the disks that LVM may see"),
        pytest.param("root/.ssh/authorized_keys", "key", True, id="who logs in as root"),
        pytest.param("var/lib/systemd/random-seed", "", False, id="a seed of nothing"),
        pytest.param("etc/hostname", "golden\n", False, id="a name, which every node has and keeps"),
        pytest.param("etc/machine-id", "0" * 32 + "\n", True, id="a machine id"),
        pytest.param("etc/machine-id", "", False, id="an empty machine id"),
        pytest.param("etc/machine-id", "uninitialized\n", False, id="a machine id that is yet to be made"),
        pytest.param("etc/iscsi/initiatorname.iscsi", "InitiatorName=iqn.x\n", True, id="the name of an initiator"),
        pytest.param("etc/iscsi/initiatorname.iscsi", UNNAMED_INITIATOR.decode(), False, id="an initiator that is to name itself"),
        pytest.param("usr/bin/sh", "x", False, id="any other file"),
    ],
)
def test_who_a_tree_says_that_a_node_is(path: str, content: str, found: bool) -> None:
    assert identity_in({path: a_file(path, content)}) == ((path,) if found else ())


def test_what_the_build_wrote_gets_the_epoch_and_what_packages_shipped_keeps_its_time() -> None:
    assert settled_mtime_ns(999, started_ns=1000, epoch_s=0) == 999
    assert settled_mtime_ns(1000, started_ns=1000, epoch_s=5) == 5_000_000_000
