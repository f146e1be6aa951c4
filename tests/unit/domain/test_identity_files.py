"""What a reinstall carries over: everything that the shipped lists call identity, and no data."""

from pathlib import Path

import pytest

from reprov.domain.account_files import ACCOUNT_PATHS
from reprov.domain.identity_files import IDENTITY, LEFT_BEHIND, is_identity, may_hold_identity
from reprov.domain.rules import RuleList

LIBRARY = Path(__file__).parents[3] / "excludes"


@pytest.mark.parametrize("concern", ["identity", "network", "ssh", "ceph"])
def test_every_rule_of_the_lists_is_carried_over_or_left_behind_on_purpose(concern: str) -> None:
    rules = RuleList.parse((LIBRARY / f"{concern}.exclude").read_bytes(), concern).rules
    assert [rule.pattern for rule in rules if rule.pattern not in IDENTITY and rule.pattern not in LEFT_BEHIND] == []


def test_what_is_left_behind_is_in_the_lists_and_not_carried_over() -> None:
    concerns = ("identity", "network", "ssh", "ceph")
    listed = {rule.pattern for concern in concerns for rule in RuleList.parse((LIBRARY / f"{concern}.exclude").read_bytes(), concern).rules}
    assert listed >= LEFT_BEHIND
    assert not LEFT_BEHIND & set(IDENTITY)


CARRIED = """
    etc/hostname etc/machine-id etc/hosts etc/resolv.conf etc/fstab etc/crypttab etc/passwd etc/shadow etc/group etc/gshadow
    etc/subuid etc/subgid
    etc/ssh/ssh_host_rsa_key etc/ssh/ssh_host_rsa_key.pub root/.ssh/ home/ann/.ssh/authorized_keys
    etc/network/interfaces etc/network/interfaces.d/ etc/netplan/ etc/systemd/network/ etc/NetworkManager/system-connections/
    etc/ceph/ var/lib/ceph/osd/ var/lib/ceph/bootstrap-osd/ var/lib/ceph/1b9e4f02-0000-4000-8000-000000000000/ var/lib/cephadm/
    etc/systemd/system/ceph.target etc/systemd/system/ceph.target.wants/ etc/systemd/system/multi-user.target.wants/ceph.target
    etc/systemd/system/ceph-1b9e4f02-0000-4000-8000-000000000000@.service etc/logrotate.d/ceph-1b9e4f02-0000-4000-8000-000000000000
    etc/lvm/devices/ etc/lvm/backup/ etc/lvm/archive/ etc/lvm/lvmlocal.conf etc/iscsi/ etc/nvme/ etc/udev/rules.d/
    etc/chrony/ etc/ntp.conf etc/systemd/timesyncd.conf etc/containers/registries.conf.d/ root/.docker/config.json
    etc/krb5.keytab etc/security/host.keytab etc/default/grub etc/default/grub.d/
"""
LEFT = """
    usr/ etc/ var/lib/ var/lib/ceph/ root/ root/.bashrc home/ann/ home/ann/.ssh/ home/ann/.ssh/id_rsa srv/ var/lib/docker/ var/lib/mysql/
    var/lib/systemd/random-seed etc/os-release etc/ssh/sshd_config etc/logrotate.d/ceph-common var/log/ceph/ etc/login.defs
    etc/systemd/system/mine.service var/lib/dpkg/status etc/sysctl.d/99-mine.conf
"""


@pytest.mark.parametrize("path", CARRIED.split())
def test_carried_over(path: str) -> None:
    assert is_identity(path.rstrip("/"), is_dir=path.endswith("/"))


@pytest.mark.parametrize("path", LEFT.split())
def test_left_behind(path: str) -> None:
    assert not is_identity(path.rstrip("/"), is_dir=path.endswith("/"))


def test_accounts_are_carried_over_whole() -> None:
    assert all(is_identity(path, is_dir=False) for path in ACCOUNT_PATHS)


@pytest.mark.parametrize(("directory", "may"), [("etc/apt", True), ("home/ann", True), ("usr", False), ("var/log", False), ("srv", False)])
def test_where_one_has_to_look(directory: str, may: bool) -> None:
    assert may_hold_identity(directory) is may
