"""Nodes to be tortured: two small releases, disks that are cloned in no time, and processes that die.

All images lie on one XFS of the lab's own, because a clone of a loop device's backing file (FICLONE) is the disk as it
was at one instant: every write that had been issued by then, and none after it. Power cuts are in `power_lab`.
"""

import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reprov.adapters import exchange, kernel, node_state
from reprov.adapters.volumes import Volumes
from reprov.domain.units import Op
from tests.system.node import Node, Store, run_here
from tests.system.snapshot import Snapshot, difference, snapshot
from tests.system.trees import CAP_NET_RAW, Tree, make_library

OLD, NEW = "1.0", "1.1"
FILESYSTEMS = ("ext4", "xfs", "btrfs")
EVIL = "-new\nline *?[x] \udce9"
DATA = (
    "etc/hostname",
    "etc/resolv.conf",
    "etc/ssh",
    "etc/node.d",
    "opt/app/data",
    "opt/app/log/app.log",
    "var/lib/node",
    "unknown",
)
"""What is the node's own: kept files in directories that swap, kept directories to be rebuilt (/etc) and to be carried."""

_EXCLUDE = """\
/etc/hostname
/etc/resolv.conf
/etc/ssh/
/etc/node.d/
/opt/app/data/
/opt/app/log/*.log
/var/lib/node/
lost+found/
"""
_ADD_ONLY = "- /var/lib/dpkg/\n/var/\n"
_IMAGE_BYTES, _HOST_BYTES = 512 << 20, 64 << 30  # sparse, both
_BUSY_FOR_S = 10
_MKFS = {
    "ext4": ("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard"),
    "xfs": ("mkfs.xfs", "-q", "-f", "-K"),
    "btrfs": ("mkfs.btrfs", "-q", "-f", "-K"),
}


def make_release(folder: Path, version: str) -> Path:
    """The tree of a release: in the second one everything that can happen to a path has happened to one."""
    tree = Tree(folder, version)
    tree.file("usr/bin/same", "same in both\n").file("usr/local/bin/tool", "same in both\n")
    tree.file("usr/bin/passwd", "setuid\n", mode=0o4755).file("usr/bin/ping", "capability\n")
    tree.xattr("usr/bin/ping", "security.capability", CAP_NET_RAW)
    tree.file(f"usr/share/doc/{EVIL}", version)
    tree.file("etc/app.conf", f"release {version}\n").file("etc/crontab", "# same in both\n").file("etc/resolv.conf", "")
    tree.file("etc/twin-a", "twins\n").hard_link("etc/twin-b", "etc/twin-a")
    tree.file("opt/app/bin/app", f"app {version}\n" * 3000).file("opt/app/same", "same in both\n").directory("opt/app/log")
    tree.file("boot/vmlinuz", f"kernel {version}\n" * 3000).file("notes", f"release {version}\n")
    for number in range(20):
        tree.file(f"usr/lib/app/{number}", f"{number} {version if number % 2 else 'same'}\n" * (200 * number + 1))
    if version == OLD:
        tree.file("etc/old.conf", "old\n").file("usr/lib/gone/file", "old\n").file("usr/lib/turned", "a file still\n")
        tree.file("legacy/file", "the next release has no such directory\n")
    else:
        tree.file("etc/new.conf", "new\n").file("usr/lib/new/sub/file", "new\n").file("usr/lib/turned/file", "a directory now\n")
        tree.file("extra/file", "the release brought this directory\n")
    return tree.done()


def add_node_data(node: Node) -> None:
    """What the operator and the services of a node have put there."""
    node.write("etc/hostname", "node-17\n")
    node.write("etc/resolv.conf", "nameserver 192.0.2.1\n")
    node.write("etc/ssh/host_key", "secret\n", mode=0o600)
    node.write(f"etc/ssh/more/{EVIL}", "evil name\n")
    node.write("etc/node.d/a", "a\n")
    node.write("opt/app/data/db", "data " * 40_000)
    os.chown(node.path("opt/app/data/db"), 64045, 64045)
    node.path("opt/app/data").chmod(0o750)
    node.write("opt/app/log/app.log", "line\n")
    node.write("var/lib/node/state", "state " * 40_000)
    node.write("unknown/thing", "an operator put this into /\n")


def data_of(found: Snapshot) -> Snapshot:
    """The part of a snapshot that no commit may touch."""
    return {path: seen for path, seen in found.items() if any(path == kept or path.startswith(kept + "/") for kept in DATA)}


@dataclass(frozen=True)
class Disk:
    """A mounted root and the image that it is on."""

    node: Node
    image: Path


@dataclass
class Lab:
    """Where the images are, and the store with both releases."""

    folder: Path
    """On a filesystem that clones."""
    store: Store
    furnish: Callable[[Node], None] = add_node_data
    """Puts into a fresh node what is its own."""
    image_bytes: int = _IMAGE_BYTES
    _golden: dict[str, Path] = field(default_factory=dict)
    _made: int = 0

    def new_path(self, suffix: str) -> Path:
        """A name that nothing has yet."""
        self._made += 1
        return self.folder / f"{self._made}{suffix}"

    def blank(self, filesystem: str, *mkfs_options: str, size_bytes: int = 0) -> Path:
        """The image of an empty filesystem."""
        image = self.new_path(f".{filesystem}")
        with image.open("wb") as file:
            file.truncate(size_bytes or self.image_bytes)
        subprocess.run((*_MKFS[filesystem], *mkfs_options, image), check=True, capture_output=True)
        return image

    def installed(self, filesystem: str) -> Path:
        """The image of a node with the first release and data of its own; made once, to be cloned."""
        if filesystem not in self._golden:
            image = self.blank(filesystem)
            with self.mounted(image) as disk:
                disk.node.install(OLD)
                self.furnish(disk.node)
            self._golden[filesystem] = image
        return self._golden[filesystem]

    def clone(self, image: Path) -> Path:
        """The disk as it is at this instant."""
        copy = self.new_path(".cut")
        with image.open("rb") as source, copy.open("wb") as target:
            kernel.clone(source.fileno(), target.fileno())
        return copy

    @contextmanager
    def mounted(self, image: Path, options: str = "loop") -> Iterator[Disk]:
        """Mount an image; it may be the only one of its filesystem's clones that is. What was mounted in it goes with it."""
        root = self.new_path(".root")
        root.mkdir()
        subprocess.run(("mount", "-o", options, image, root), check=True)
        try:
            yield Disk(Node(root, self.store, run_here), image)
        finally:
            unmount(root)
            root.rmdir()

    @contextmanager
    def node(self, filesystem: str = "ext4") -> Iterator[Disk]:
        """A fresh node with the first release."""
        image = self.clone(self.installed(filesystem))
        with self.mounted(image) as disk:
            yield disk
        image.unlink()


def unmount(root: Path) -> None:
    """Unmount a root and what is mounted in it; the rsync of a run that was killed may need a moment to notice."""
    deadline = time.monotonic() + _BUSY_FOR_S
    while subprocess.run(("umount", "--recursive", root), check=False, capture_output=True).returncode:
        assert time.monotonic() < deadline, f"something keeps {root} busy"
        time.sleep(0.05)


def publish_both(store: Store, *options: str) -> None:
    """Both releases, with lists that merge nothing."""
    make_library(store.library, exclude=_EXCLUDE, add_only=_ADD_ONLY)
    for version in (OLD, NEW):
        store.publish(make_release(store.folder.parent / version, version), version, "base", *options)


@contextmanager
def open_lab(
    folder: Path,
    publish: Callable[[Store], None] = publish_both,
    furnish: Callable[[Node], None] = add_node_data,
    image_bytes: int = _IMAGE_BYTES,
) -> Iterator[Lab]:
    """The lab's own filesystem, mounted while the block lasts, and a store with both releases."""
    host, image = folder / "host", folder / "host.xfs"
    host.mkdir()
    with image.open("wb") as file:
        file.truncate(_HOST_BYTES)
    subprocess.run((*_MKFS["xfs"], "-m", "reflink=1", image), check=True, capture_output=True)
    subprocess.run(("mount", "-o", "loop", image, host), check=True)
    try:
        store = Store(folder / "store", run_here)
        publish(store)
        yield Lab(host, store, furnish, image_bytes)
    finally:
        subprocess.run(("umount", host), check=True)
        image.unlink()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The lab of a module; import it by name."""
    with open_lab(tmp_path_factory.mktemp("lab")) as opened:
        yield opened


def forked(action: Callable[[], object]) -> int:
    """Begin something in a process of its own; returns its id. It ends with the action's status, or 70 after an error."""
    child = os.fork()
    if not child:
        status = 70
        try:
            status = int(action() or 0)  # type: ignore[call-overload]
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return child


def in_child(action: Callable[[], object]) -> int:
    """Do something in a process of its own, which it may kill; returns its status as `subprocess` gives it."""
    _, ended = os.waitpid(forked(action), 0)
    return os.waitstatus_to_exitcode(ended)


def die() -> None:
    """The end of this process, without any of its cleaning up."""
    os.kill(os.getpid(), signal.SIGKILL)


class Instants:
    """Counts the instants at which a commit may be cut off, and does something at them: after each exchange and each state write."""

    def __init__(self, patched: pytest.MonkeyPatch, action: Callable[[int], object]) -> None:
        self.count = 0
        self._action = action
        self.add(patched, kernel, "exchange")
        self.add(patched, node_state, "write_durably")
        self.add(patched, node_state, "sync_directory")

    def add(self, patched: pytest.MonkeyPatch, module: object, name: str) -> None:
        """Count the calls of another function, too."""
        really = getattr(module, name)

        def wrapped(*arguments: object, **options: object) -> None:
            really(*arguments, **options)
            self.count += 1
            self._action(self.count)

        patched.setattr(module, name, wrapped)


def assert_old_or_new(found: Snapshot, old: Snapshot, new: Snapshot, when: object) -> str:
    """The whole tree is the one or the other; which one it is."""
    if not difference(old, found):
        return "old"
    to_new = difference(new, found)
    assert to_new == [], f"{when}: neither old nor new:\n  against old: {difference(old, found)[:8]}\n  against new: {to_new[:8]}"
    return "new"


def look(disk: Disk) -> Snapshot:
    """The whole tree of a node, directories without their times: those move with every neighbour, and on XFS with every exchange."""
    return {path: seen._replace(mtime_ns=0) if seen.kind == "directory" else seen for path, seen in snapshot(disk.node.root).items()}


def around_exchanges(
    patched: pytest.MonkeyPatch, *, before: Callable[[str], object] | None = None, after: Callable[[str], object] | None = None
) -> None:
    """Do something before or after each exchange of a commit (and of its undo) with the path that is exchanged."""
    really = exchange.exchange

    def wrapped(volumes: Volumes, op: Op) -> None:
        if before:
            before(op.path)
        really(volumes, op)
        if after:
            after(op.path)

    patched.setattr(exchange, "exchange", wrapped)


def once(action: Callable[[], object], *, path: str) -> Callable[[str], None]:
    """For `around_exchanges`: do it at the first exchange of this path."""
    done: list[str] = []

    def maybe(exchanged: str) -> None:
        if exchanged == path and not done:
            done.append(path)
            action()

    return maybe
