"""What a hop leaves on a node is what apt leaves that brings the same node to the same packages, path by path."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from bench.apt import packages_between, unexplained, upgrade_by_apt
from tests.system.filesystems import Filesystems
from tests.system.node import Node, Run, Store
from tests.system.trees import RealTrees, Tree, role_trees

pytestmark = [
    pytest.mark.system,
    pytest.mark.commands,
    pytest.mark.needs("mkfs.ext4", "mount", "rsync", "mmdebstrap", "dpkg-deb"),
]

SIZES_MIB = {"base": 3000, "ceph-osd": 6000}
"""By role; `make bench` does the same with compute, which takes a quarter of an hour to build."""


def role_store(trees: RealTrees, role: str, folder: Path, reprov: Run) -> Store:
    """A store in which both releases of a role are published as `reprov build` has left them."""
    store = Store(folder, reprov)
    for version, tree in (("1.0", trees.old), ("1.1", trees.new)):
        built = folder / "build" / role / version
        built.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-al", tree.parent, built], check=True)
        ran = reprov("publish", role, version, "--store", folder)
        assert ran.status == 0, ran.stderr
    return store


def live(root: Path) -> None:
    """What a year of use leaves on a node."""
    tree = Tree.over(root)
    tree.file("etc/hostname", "node7\n").file("etc/machine-id", "0123456789abcdef0123456789abcdef\n", mode=0o444)
    tree.file("etc/fstab", "UUID=0b1e / ext4 errors=remount-ro 0 1\n")
    subprocess.run(
        ["chroot", root, "useradd", "--create-home", "--uid", "1001", "--shell", "/bin/bash", "--password", "$6$x$y", "alice"], check=True
    )
    tree.file("home/alice/work", "alice's\n", owner=1001, group=1001)
    tree.file("etc/deluser.conf", tree.at("etc/deluser.conf").read_text() + "# ours\n")
    tree.file("etc/ssh/sshd_config.d/site.conf", "PermitRootLogin prohibit-password\n", mode=0o600)
    tree.file("etc/cron.d/site", "0 3 * * * root /usr/bin/true\n")
    tree.file("var/lib/site/state", "the node's\n")


@pytest.mark.parametrize("role", SIZES_MIB)
def test_a_hop_leaves_what_apt_leaves(role: str, tmp_path: Path, filesystems: Filesystems, reprov: Run) -> None:
    trees = role_trees(role)
    store = role_store(trees, role, tmp_path / "store", reprov)
    root, twin = (filesystems.make("ext4", tmp_path / name, size_mib=SIZES_MIB[role]) for name in ("node", "twin"))
    node = Node(root, store, reprov)
    node.install("1.0", role=role)
    live(root)
    subprocess.run(["cp", "-a", f"{root}/.", twin], check=True)

    upgrade_by_apt(twin, packages_between(*trees))
    node.runs_scripts = True
    after = json.loads(node.install("1.1", "--json", role=role).stdout)["after"]

    assert after["steps"] > 20
    assert unexplained(root, twin) == []
    shutil.rmtree(tmp_path / "store")
