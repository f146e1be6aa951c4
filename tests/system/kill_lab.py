"""Nodes on several filesystems that are cut off at every instant of a verb, and what their disks had by then."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from reprov.adapters import kernel
from reprov.adapters.files import opened_directory
from reprov.domain.scan import volume_holding
from reprov.errors import ReprovError
from tests.conftest import Ran
from tests.system.hazard_lab import NEW, OLD, Lab, add_node_data, around_exchanges, make_release, once
from tests.system.kill_points import Stop, count_from_here, trace
from tests.system.node import Hooks, Node, Store
from tests.system.owner_lab import GROUP, NEW_GROUP, A, B, fill
from tests.system.snapshot import OWN_DIRECTORY, Seen, Snapshot, difference, marked, snapshot, timeless
from tests.system.trees import Tree, make_library

Images = dict[str, Path]
"""The image of each volume."""
Layout = dict[str, str]
"""The filesystem of each volume."""

EXCLUDE = """\
/etc/hostname
/etc/resolv.conf
/etc/ssh/
/etc/node.d/
/opt/app/data/
/opt/app/log/*.log
/var/lib/node/
/srv/data/
/boot/local/
/usr/lib/site/
lost+found/
"""
ADD_ONLY = "- /var/lib/dpkg/\n/var/\n"
_GENERATOR = "usr/lib/systemd/system-generators/systemd-system-update-generator"
"""With it, a boot without an initramfs can commit."""
_TREES = ("previous/", "staged/")
"""In reprov's own directory, what is compared to the byte."""


def make_mixed_release(folder: Path, version: str) -> Path:
    """The release of the hazards' lab with accounts that move, and on either side of a mount point what swaps whole and what does not."""
    make_release(folder, version)
    a, b, group = (A, B, GROUP) if version == OLD else (B, A, NEW_GROUP)
    tree = Tree.over(folder)
    users = [("root", 0, 0), ("a", a, group), ("b", b, group)]
    tree.file("etc/passwd", "".join(f"{name}:x:{uid}:{gid}::/:/bin/sh\n" for name, uid, gid in users))
    tree.file("etc/group", f"root:x:0:\ng:x:{group}:\n")
    tree.file("etc/shadow", "".join(f"{name}:!:19000::::::\n" for name, *_ in users), mode=0o640)
    tree.file("etc/gshadow", "root:*::\ng:!::\n", mode=0o640)
    tree.file("usr/lib/a", version, owner=a, group=group)
    tree.file(_GENERATOR, "#!/bin/sh\n", mode=0o755).file("etc/systemd/system/x.service")
    tree.file("srv/settings", "same in both\n", mode=0o644 if version == OLD else 0o600)
    tree.directory("srv", mode=0o755 if version == OLD else 0o750)
    tree.file(f"boot/config-{version}", version).file("boot/grub/menu", f"menu of {version}\n").file("boot/grub/same", "same in both\n")
    return tree.done()


def publish_mixed(store: Store) -> None:
    """Both releases, with lists that merge nothing."""
    make_library(store.library, exclude=EXCLUDE, add_only=ADD_ONLY)
    for version in (OLD, NEW):
        store.publish(make_mixed_release(store.folder.parent / version, version), version)


def furnish_mixed(node: Node) -> None:
    """What is the node's own: linked along, carried, rebuilt, or never moved; some of it is of accounts that move."""
    add_node_data(node)
    fill(node.path("var/lib/node/home"), files=1)
    for name in ("etc/ssh/a.key", "srv/data/file", "boot/local/file", "usr/lib/site/file"):
        os.chown(node.write(name, name, mode=0o640), A, GROUP)


class Whole(NamedTuple):
    """Everything that a commit could leave."""

    tree: Snapshot
    own: Snapshot
    """reprov's own directories: what is there, and what the tree in `previous` is."""


class Cut(NamedTuple):
    """The disks at an instant."""

    when: str
    images: Images


class Found(NamedTuple):
    """What a node is after it has been cut off."""

    outcome: str
    """old, new or mixed."""
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Hop:
    """A verb on a node, and everything that the node may be afterwards."""

    verb: str
    images: Images
    """The node before."""
    carry_out: Callable[[Node], int]
    counted: Callable[[Node], int]
    """The same in a traced process."""
    cuts: tuple[Cut, ...]
    old: Whole
    new: Whole
    given_up: tuple[Snapshot, ...]
    """reprov's own directories after runs that ended in an orderly way, and with the old tree."""


@dataclass(frozen=True)
class KillLab:
    """A lab whose nodes have several filesystems."""

    lab: Lab
    layout: Layout

    def blank(self) -> Images:
        """Empty filesystems."""
        return {volume: self.lab.blank(filesystem) for volume, filesystem in self.layout.items()}

    def clone(self, images: Images) -> Images:
        """The disks as they are at this instant."""
        return {volume: self.lab.clone(image) for volume, image in images.items()}

    @contextmanager
    def mounted(self, images: Images) -> Iterator[Node]:
        """A node with these disks."""
        with self.lab.mounted(images[""]) as disk:
            for volume in sorted(images.keys() - {""}):
                disk.node.path(volume).mkdir(exist_ok=True)
                subprocess.run(("mount", "-o", "loop", images[volume], disk.node.path(volume)), check=True)
            yield disk.node

    @contextmanager
    def copy(self, images: Images) -> Iterator[Node]:
        """A node with copies of these disks, which go with it."""
        images = self.clone(images)
        with self.mounted(images) as node:
            yield node
        discard(images)

    def look(self, node: Node) -> Whole:
        """What there is, on all filesystems."""
        own: Snapshot = {}
        for volume in self.layout:
            directory = node.path(volume) / OWN_DIRECTORY
            if directory.exists():
                found = timeless(snapshot(directory))
                own.update({f"{volume}/{path}": _lasting(path, seen) for path, seen in found.items() if not _is_placeholder(seen)})
        return Whole({path: self._without_times_of_xfs(path, seen) for path, seen in node.snapshot().items()}, own)

    def cuts(self, images: Images, action: Callable[[Node], object]) -> list[Cut]:
        """Do something to a node, which must go well, and cut it off before each call that changes a file, and at the end."""
        cuts: list[Cut] = []
        with self.mounted(images) as node, ExitStack() as stack:
            volume_fds = [stack.enter_context(opened_directory(node.path(volume))) for volume in images]

            def cut(when: str) -> None:
                for fd in volume_fds:
                    kernel.syncfs(fd)  # what a process has written is not lost with it
                cuts.append(Cut(when, self.clone(images)))

            def at(stop: Stop) -> bool:
                cut(f"before call {stop.number}, {stop.call}")
                return False

            assert trace(lambda: action(node), node.root, at) == 0
            cut("at the end")
        return cuts

    def killed(self, images: Images, action: Callable[[Node], object], number: int) -> int:
        """Do something to a node in a process that is killed before that call; how it ended."""
        with self.mounted(images) as node:
            return trace(lambda: action(node), node.root, lambda stop: stop.number == number)

    def hop(
        self,
        verb: str,
        images: Images,
        carry_out: Callable[[Node], int],
        counted: Callable[[Node], int],
        old: Whole,
        given_up: tuple[Snapshot, ...],
    ) -> Hop:
        """Carry out a verb with the disks cut off at every instant."""
        last = self.clone(images)
        cuts = self.cuts(last, counted)
        with self.mounted(last) as node:
            new = self.look(node)
        return Hop(verb, images, carry_out, counted, tuple(cuts), old, new, given_up)

    def judge(self, cut: Cut, hop: Hop, recover: Callable[[Node], Ran], *, goes_on: bool = False) -> Found:
        """Recover a node that was cut off, and look at all of it; with `goes_on` the verb must then do what it did not do before."""
        with self.copy(cut.images) as node:
            ran = recover(node)
            found = self.look(node)
            again = node.run("recover")
            marks = marked(node.root)
            if goes_on and difference(hop.new.tree, found.tree):
                assert hop.carry_out(node) == 0, cut.when
                assert difference(timeless(hop.new.tree), timeless(self.look(node).tree)) == [], cut.when
        to_old, to_new = difference(hop.old.tree, found.tree), difference(hop.new.tree, found.tree)
        outcome = "old" if not to_old else "new" if not to_new else "mixed"
        fine = (hop.new.own,) if outcome == "new" else (hop.old.own, *hop.given_up)
        problems = [f"recover: {ran}"] if ran.status else []
        problems += [f"recover, again: {again}"] if again != Ran(0, "nothing to do\n", "") else []
        problems += [f"marks: {marks}"] if marks else []
        problems += [f"against old: {to_old[:4]}; against new: {to_new[:4]}"] if outcome == "mixed" else []
        if outcome != "mixed" and found.own not in fine:
            problems.append(f"left of reprov's own: {min((difference(own, found.own) for own in fine), key=len)[:4]}")
        return Found(outcome, tuple(f"{hop.verb}, {cut.when}: {problem}" for problem in problems))

    def _without_times_of_xfs(self, path: str, seen: Seen) -> Seen:
        """A directory whose parent is another one gets a new time there."""
        on_xfs = self.layout[volume_holding(path, self.layout)] == "xfs"
        return seen._replace(mtime_ns=0) if on_xfs and seen.kind == "directory" else seen


def discard(images: Images) -> None:
    """Forget disks."""
    for image in images.values():
        image.unlink()


def command(*words: object, counted_from: str | None = None) -> Callable[[Node], int]:
    """A command line on a node; in a process that is traced, what comes from the start of that phase on counts ("": everything)."""

    def run(node: Node) -> int:
        with pytest.MonkeyPatch.context() as patched:
            if counted_from:
                Hooks(patched).at_start(counted_from, count_from_here)
            elif counted_from is not None:
                count_from_here()
            ran = node.run(*map(str, words))
        sys.stderr.write(ran.stderr)
        return ran.status

    return run


@contextmanager
def giving_up() -> Iterator[None]:
    """Whatever commits in the block fails, and undoes everything, when it has exchanged almost all."""

    def fail() -> None:
        raise ReprovError("no more of this")

    with pytest.MonkeyPatch.context() as patched:
        around_exchanges(patched, after=once(fail, path="etc"))
        yield


def _lasting(path: str, seen: Seen) -> Seen:
    """Without what each run writes anew: a file with its time, its transaction, or inode numbers."""
    return seen if path.startswith(_TREES) else seen._replace(size=0, mtime_ns=0, content="", same_as="")


def _is_placeholder(seen: Seen) -> bool:
    """The next commit makes a new one, wherever it needs it."""
    return (seen.kind, seen.mode, seen.size) == ("file", 0, 0)
