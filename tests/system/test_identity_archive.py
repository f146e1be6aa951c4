"""Who a node is, carried from one filesystem to another with everything that root can give a file, and into an upgrade."""

import os
import socket
import stat
import struct
import subprocess
from pathlib import Path

import pytest

from reprov.adapters.files import opened_directory
from reprov.adapters.identity_archive import restore, save
from reprov.adapters.node_state import NodeState
from reprov.domain.release import ReleaseId
from reprov.events import NullMonitor
from reprov.workflows.publish import DEFAULT_CONCERNS, Candidate, publish
from tests.system.filesystems import Filesystems
from tests.system.node import Node, Store
from tests.system.snapshot import snapshot
from tests.system.trees import Tree

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("mkfs.ext4", "mkfs.xfs", "mount", "setfacl", "getfacl", "tar")]

HUMANS = "ann:x:1000:1000:Ann:/home/ann:/bin/bash\nops:x:1001:1000::/home/ops:/bin/sh\n"
FILES = {
    "etc/hostname": "node7\n",
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "etc/hosts": "127.0.1.1 node7\n",
    "etc/passwd": f"root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:/usr/sbin/nologin\nagent:x:150:150::/:/usr/sbin/nologin\n{HUMANS}",
    "etc/group": "root:x:0:\ndaemon:x:1:\nsudo:x:27:ann\nagent:x:150:\nann:x:1000:\n",
    "etc/shadow": "root:$y$old:19000:0:99999:7:::\ndaemon:*:19000::::::\nagent:!:19000::::::\nann:$y$ann:19000::::::\nops:!:19000::::::\n",
    "etc/gshadow": "root:*::\ndaemon:*::\nsudo:*::ann\nagent:!::\nann:!::\n",
    "etc/subuid": "ann:100000:65536\n",
    "etc/ssh/ssh_host_ed25519_key": "the node's own\n",
    "etc/fstab": "UUID=data /srv/data xfs defaults 0 2\n",
    "etc/netplan/50-site.yaml": "network: {}\n",
    "etc/default/grub": 'GRUB_CMDLINE_LINUX="console=ttyS1"\n',
    "etc/systemd/system/ceph-1b9e4f02-0000-4000-8000-000000000000@.service": "[Service]\n",
    "home/ann/.ssh/authorized_keys": "ssh-ed25519 AAAA ann\n",
    "root/.ssh/authorized_keys": "ssh-ed25519 AAAA root\n",
    "var/lib/ceph/osd/ceph-0/whoami": "0\n",
    "var/lib/ceph/osd/ceph-0/keyring": "[osd.0]\n",
}


def make_old(root: Path) -> Path:
    """A node with what a plain copy would lose."""
    tree = Tree.over(root)
    for path, content in FILES.items():
        tree.file(path, content)
    tree.at("etc/shadow").chmod(0o640)
    os.chown(tree.at("etc/shadow"), 0, 42)
    tree.at("etc/ssh/ssh_host_ed25519_key").chmod(0o600)
    os.chown(tree.at("home/ann"), 1000, 1000)
    tree.at("home/ann").chmod(0o700)
    tree.file("etc/ceph/secret", "s" * 100_000, mode=0o4750, owner=64045, group=64045)
    tree.directory("etc/ceph/shared", mode=0o2770, owner=64045, group=27).file("etc/ceph/shared/x")
    tree.xattr("etc/ceph/secret", "user.note", bytes(range(256))).xattr("etc/ceph/shared", "trusted.site", b"a=b\nc")
    subprocess.run(["setfacl", "-m", "u:1000:r,g:27:rw", tree.at("etc/ceph/secret")], check=True)
    subprocess.run(["setfacl", "-d", "-m", "u:1000:rwx", tree.at("etc/ceph/shared")], check=True)
    tree.xattr("var/lib/ceph/osd/ceph-0/whoami", "security.capability", struct.pack("<IQQ", 0x02000001, 0x2000, 0))
    tree.device("var/lib/ceph/osd/ceph-0/block", stat.S_IFBLK, (259, 77), mode=0o660).fifo("etc/ceph/fifo", mode=0o620)
    tree.symlink("etc/ceph/-link\n\udcff", "nowhere/\udcfe")
    os.utime(tree.at("etc/ceph/-link\n\udcff"), ns=(1, 999_999_999_999_999_999), follow_symlinks=False)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.fspath(tree.at("etc/ceph/socket")))
    tree.file("srv/data", "not identity").file("usr/bin/true", "not identity").file("var/lib/systemd/random-seed", "used")
    return root


def carry(old: Path, archive: Path, new: Path) -> tuple[str, ...]:
    with opened_directory(old) as root_fd:
        paths = save(root_fd, archive)
    with opened_directory(new) as root_fd:
        assert restore(archive, root_fd) == paths
    return paths


@pytest.mark.parametrize("kinds", [("ext4", "xfs"), ("xfs", "ext4")], ids=["from ext4 to xfs", "from xfs to ext4"])
def test_everything_that_root_can_give_a_file_comes_back(tmp_path: Path, filesystems: Filesystems, kinds: tuple[str, str]) -> None:
    old = make_old(filesystems.make(kinds[0], tmp_path / "old"))
    filesystems.remount(old, "ro")
    new = filesystems.make(kinds[1], tmp_path / "new")
    before = snapshot(old)
    paths = carry(old, tmp_path / "identity.tar", new)
    found = snapshot(new)
    assert snapshot(old) == before
    assert {path for path in found if path and not path.startswith("lost+found")} == set(paths)
    assert {path: found[path] for path in paths} == {path: before[path] for path in paths}
    assert set(FILES) <= set(paths)
    assert not {"etc/ceph/socket", "srv/data", "usr/bin/true", "var/lib/systemd/random-seed"} & set(paths)


def test_tar_gives_the_same(tmp_path: Path, filesystems: Filesystems) -> None:
    """An operator without reprov at hand is not lost."""
    old, new = make_old(tmp_path / "old"), tmp_path / "new"
    new.mkdir()
    with opened_directory(old) as root_fd:
        paths = save(root_fd, tmp_path / "identity.tar")
    unpack = ("tar", "--extract", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--same-permissions", "--same-owner")
    subprocess.run([*unpack, "--file", tmp_path / "identity.tar", "--directory", new], check=True)
    before, found = snapshot(old), snapshot(new)
    assert {path: found[path] for path in paths} == {path: before[path] for path in paths}


def test_what_is_mounted_below_the_root_is_its_own_filesystem(tmp_path: Path, filesystems: Filesystems) -> None:
    old, new = filesystems.make("ext4", tmp_path / "old"), filesystems.make("ext4", tmp_path / "new")
    filesystems.make("xfs", old / "var")
    filesystems.make("xfs", new / "var")
    make_old(old)
    carry(old, tmp_path / "identity.tar", new)
    assert (new / "var/lib/ceph/osd/ceph-0/whoami").stat().st_dev == (new / "var").stat().st_dev
    filesystems.unmount(new / "var")
    assert list((new / "var").iterdir()) == []


def test_after_an_upgrade_on_a_restored_root_the_node_is_who_it_was(
    tmp_path: Path, filesystems: Filesystems, store: Store, node: Node
) -> None:
    """The release brings its own system accounts and an empty identity; people, their passwords and ids are the node's."""
    old = make_old(filesystems.make("ext4", tmp_path / "old"))
    release = Tree(tmp_path / "release")
    release.file("etc/passwd", "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/usr/sbin/nologin\n_new:x:101:102::/:/usr/sbin/nologin\n")
    release.file("etc/group", "root:x:0:\ndaemon:x:1:\nsudo:x:27:\n_new:x:102:\n")
    release.file("etc/shadow", "root:*:20000:0:99999:7:::\ndaemon:*:20000::::::\n_new:!:20000::::::\n", mode=0o640, group=42)
    release.file("etc/gshadow", "root:*::\ndaemon:*::\nsudo:*::\n_new:!::\n", mode=0o640, group=42)
    release.file("etc/machine-id", "").file("etc/hostname", "image\n").file("etc/hosts", "127.0.0.1 localhost\n").file("etc/subuid", "")
    publish(store.folder, None, Candidate(ReleaseId("base", "1.0"), release.done(), DEFAULT_CONCERNS, ()), NullMonitor())
    NodeState(node.root).create()
    paths = carry(old, tmp_path / "identity.tar", node.root)
    restored = snapshot(node.root)
    node.install("1.0")
    passwd, shadow = node.path("etc/passwd").read_text(), node.path("etc/shadow").read_text()
    assert HUMANS in passwd
    assert "_new:x:101:102:" in passwd
    assert "agent:x:150:150:" in passwd
    assert "root:$y$old:" in shadow
    assert "ann:$y$ann:" in shadow
    assert "sudo:x:27:ann\n" in node.path("etc/group").read_text()
    assert node.path("etc/subuid").read_text() == "ann:100000:65536\n"
    now = snapshot(node.root)
    merged = {"etc/passwd", "etc/group", "etc/shadow", "etc/gshadow"}
    assert [path for path in paths if path not in merged and not node.path(path).is_dir() and now[path] != restored[path]] == []
    assert (node.root / "usr/bin/sh").exists()
