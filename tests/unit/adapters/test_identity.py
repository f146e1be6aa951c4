"""Who a node is, from small roots; no program runs, because none of them has an sshd."""

import os
from pathlib import Path

import pytest

from reprov.adapters.identity import look
from reprov.domain.identity import Identity, new_problems

ID = "3d1219c7c4c5404aaa1f6d2a48adfda4"
FILES = {
    "etc/machine-id": f"{ID}\n",
    "etc/hostname": "node-17\n",
    "etc/hosts": "127.0.1.1 node-17\n",
    "etc/iscsi/initiatorname.iscsi": "InitiatorName=iqn.a\n",
    "etc/nvme/hostnqn": "nqn.a\n",
    "etc/nvme/hostid": "a\n",
    "etc/lvm/lvm.conf": 'filter = [ "a|.*|" ]\n',
    "etc/lvm/devices/system.devices": "IDTYPE=sys_wwid\n",
    "etc/ssh/ssh_host_rsa_key": "secret\n",
    "root/.ssh/authorized_keys": "ssh-ed25519 AAAA\n",
    "etc/fstab": "tmpfs /mnt/scratch tmpfs\n/srv/data /data none bind\n/swapfile none swap\n",
    "etc/crypttab": "backup /srv/image /etc/luks/key\n",
    "etc/luks/key": "secret\n",
    "srv/image": "",
    "swapfile": "",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for path, content in FILES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    (root / "etc/ssh/ssh_host_rsa_key").chmod(0o600)
    for directory in ("mnt/scratch", "srv/data", "data"):
        (root / directory).mkdir(parents=True)
    return root


def test_a_root_that_has_none_of_it(tmp_path: Path) -> None:
    assert look(tmp_path, live=False) == Identity()


def test_everything_is_found(root: Path) -> None:
    found = look(root, live=False)
    assert found.machine_id == ID
    assert sorted(found.digests) == sorted(path for path in FILES if path not in ("etc/luks/key", "srv/image", "swapfile"))
    assert found.names == {("127.0.1.1", "node-17")}
    assert found.lvm == {'filter = [ "a|.*|" ]'}
    assert [fact.trouble for fact in found.mounts] + [fact.trouble for fact in found.crypts] == [""] * 4
    assert found.open_keys == frozenset()
    assert found.sshd is None
    assert new_problems(found, look(root, live=False)) == ()


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("etc/machine-id", "/etc/machine-id: is gone"),
        ("etc/hostname", "/etc/hostname: is gone"),
        ("etc/hosts", "/etc/hosts: does not say any more that node-17 is 127.0.1.1"),
        ("etc/iscsi/initiatorname.iscsi", "/etc/iscsi/initiatorname.iscsi: is gone"),
        ("etc/nvme/hostnqn", "/etc/nvme/hostnqn: is gone"),
        ("etc/nvme/hostid", "/etc/nvme/hostid: is gone"),
        ("etc/lvm/lvm.conf", "/etc/lvm/lvm.conf: filter would make LVM see other disks than now"),
        ("etc/lvm/devices/system.devices", "/etc/lvm/devices/system.devices: is gone"),
        ("etc/ssh/ssh_host_rsa_key", "/etc/ssh/ssh_host_rsa_key: is gone"),
        ("root/.ssh/authorized_keys", "/root/.ssh/authorized_keys: is gone"),
        ("etc/luks/key", "/etc/crypttab: the key /etc/luks/key for backup is not there"),
        ("etc/crypttab", "/etc/crypttab: the entry for backup is gone"),
        ("srv/image", "/etc/crypttab: /srv/image for backup is not there"),
        ("srv/data", "/etc/fstab: /srv/data for /data is not there"),
        ("mnt/scratch", "/etc/fstab: the mount point /mnt/scratch is not there"),
        ("swapfile", "/etc/fstab: swap on /swapfile is not there"),
    ],
)
def test_each_that_goes_is_missed(root: Path, path: str, problem: str) -> None:
    before = look(root, live=False)
    gone = root / path
    gone.rmdir() if gone.is_dir() else gone.unlink()
    assert problem in [str(found) for found in new_problems(before, look(root, live=False))]


def test_a_private_key_that_is_no_longer_private(root: Path) -> None:
    before = look(root, live=False)
    (root / "etc/ssh/ssh_host_rsa_key").chmod(0o644)
    assert [str(found) for found in new_problems(before, look(root, live=False))] == ["/etc/ssh/ssh_host_rsa_key: others can read it"]


def test_a_link_that_leads_out_of_the_root_leads_nowhere(root: Path, tmp_path: Path) -> None:
    (tmp_path / "other").write_text(f"{ID}\n")
    (root / "etc/machine-id").unlink()
    (root / "etc/machine-id").symlink_to(tmp_path / "other")
    assert look(root, live=False).machine_id is None


def test_directories_and_pipes_in_the_place_of_files(root: Path) -> None:
    for path in FILES:
        (root / path).unlink()
        os.mkfifo(root / path) if path.startswith("etc") else (root / path).mkdir()
    assert look(root, live=False) == Identity()
