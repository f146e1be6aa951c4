"""What a hop leaves on a node is what apt leaves that brings the same node to the same packages, path by path."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.apt import packages_between, upgrade_by_apt
from tests.system.filesystems import Filesystems
from tests.system.node import Node, Run, Store
from tests.system.snapshot import Seen, Snapshot, difference, snapshot
from tests.system.trees import RealTrees, Tree, role_trees

pytestmark = [
    pytest.mark.system,
    pytest.mark.commands,
    pytest.mark.needs("mkfs.ext4", "mount", "rsync", "mmdebstrap", "dpkg-deb"),
]

SIZES_MIB = {"base": 3000, "ceph-osd": 6000, "compute": 9000}


class Reason(NamedTuple):
    """Why a path may differ."""

    paths: str
    """A regular expression for all of a path."""
    why: str


NOT_COMPARED = (
    Reason(r"\.reprov(/.*)?|lost\+found", "reprov's own, and the filesystem's"),
    Reason(r"usr/lib/reprov(/.*)?", "the client, which comes with a build and is no package"),
    Reason(r"var/log/.*", "logs"),
    Reason(r"var/cache/.*", "caches"),
    Reason(r".*/__pycache__/.*", "caches: those of a build are valid by content, those that apt makes by time"),
    Reason(r"(tmp|var/tmp|run)/.*", "temporary"),
)
DIFFERENT = (
    Reason(r"var/lib/apt/(extended_states|lists.*)", "apt's own notes: the release has those of its build"),
    Reason(r"var/lib/dpkg/(.*-old|lock|lock-frontend|triggers/Lock)", "dpkg's backups and locks, which a build takes away"),
    Reason(r"boot/initrd\.img-.*", "made on the node, and no two runs of cpio give the same times"),
    Reason(r"etc/ca-certificates\.conf\.dpkg-old", "a backup that its script makes of the file that it writes anew"),
)


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


def compared(found: Snapshot) -> Snapshot:
    """Without what is not compared, and without times: a script that ran leaves its own."""
    left = re.compile("|".join(f"(?:{reason.paths})" for reason in NOT_COMPARED))
    return {path: timeless(seen) for path, seen in found.items() if not left.fullmatch(path)}


def timeless(seen: Seen) -> Seen:
    """What is compared of a path. The size of a directory is the filesystem's affair."""
    return seen._replace(mtime_ns=0, size=0 if seen.kind == "directory" else seen.size)


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
    node.install("1.1", role=role)

    by_reprov, by_apt = compared(snapshot(root)), compared(snapshot(twin))
    found = difference(by_apt, by_reprov)
    unexplained = [line for line in found if not explained(line)]
    assert unexplained == []
    idle = [reason for reason in DIFFERENT if not any(re.match(rf"'(?:{reason.paths})'", line) for line in found)]
    assert role != "compute" or idle == [], "reasons for what does not differ any more"
    shutil.rmtree(tmp_path / "store")


def explained(line: str) -> bool:
    """Whether a difference has a reason."""
    return any(re.match(rf"'(?:{reason.paths})'", line) for reason in DIFFERENT)
