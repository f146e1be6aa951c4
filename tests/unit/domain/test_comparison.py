"""What an upgrade changes, what stays and why, and what forbids it."""

from collections.abc import Collection
from typing import NamedTuple

import pytest

from reprov.domain.comparison import Blocker, Change, Comparison, compare, covers
from reprov.domain.entry import Entry, Kind
from reprov.domain.ownership import Ownership, Promises
from tests.builders import MTIME_NS, NEVER, a_dir, a_file, a_link, a_tree, owning, scan_of

LATER_NS = MTIME_NS + 1


class World(NamedTuple):
    """A node, a release and its lists, and what is to come of them."""

    live: dict[str, Entry]
    target: dict[str, Entry]
    expected: dict[str, str]
    """By path: "action: reason" of a change, "kept: reason" of what stays."""
    ownership: Ownership = owning()
    base: Collection[str] = ()
    """The paths of the installed release."""
    promised: Promises = Promises()
    """What its lists keep."""
    fenced: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()


def compared(world: World) -> Comparison:
    scan = scan_of(
        world.live,
        world.ownership,
        world.target,
        volumes=world.volumes,
        fenced=world.fenced,
        promised=world.promised,
        base=world.base,
    )
    return compare(world.target, scan, world.ownership)


def said(comparison: Comparison) -> dict[str, str]:
    changes = {change.path: f"{change.action}: {change.reason}" for change in comparison.changes}
    return changes | {item.path: f"kept: {item.reason}" for item in comparison.kept}


USR = a_tree(a_file("usr/a", "1"))
OLD_LISTS = Promises([owning(b"/usr/kept\n/usr/kept.d/\n")])

WORLDS = {
    "the same tree needs nothing": World(USR, USR, {}),
    "another content": World(USR, a_tree(a_file("usr/a", "2")), {"usr/a": "replace: content differs"}),
    "another mode": World(USR, a_tree(a_file("usr/a", "1", 0o4755)), {"usr/a": "metadata: mode 0644 becomes 4755"}),
    "another owner and time": World(
        USR,
        a_tree(a_file("usr/a", "1", mtime_ns=LATER_NS)._replace(gid=7)),
        {"usr/a": "metadata: owner 0:0 becomes 0:7, time differs"},
    ),
    "other attributes": World(
        USR,
        a_tree(a_file("usr/a", "1")._replace(xattrs=(("security.capability", b"x"), ("user.y", b"")))),
        {"usr/a": "metadata: attributes differ (security.capability, user.y)"},
    ),
    "the time of a directory is no difference": World(a_tree(a_dir("usr", mtime_ns=LATER_NS)), a_tree(a_dir("usr")), {}),
    "the time and the mode of a symlink are none either": World(
        a_tree(a_link("usr/l")), a_tree(a_link("usr/l")._replace(mtime_ns=LATER_NS, mode=0o755)), {}
    ),
    "another target": World(a_tree(a_link("lib", "x")), a_tree(a_link("lib", "y")), {"lib": "replace: link target differs"}),
    "another device number": World(
        a_tree(Entry("usr/n", Kind.CHAR, 0o600, 0, 0, 0, device=(1, 3))),
        a_tree(Entry("usr/n", Kind.CHAR, 0o600, 0, 0, 0, device=(1, 5))),
        {"usr/n": "replace: device number differs"},
    ),
    "a new path and one that has gone": World(
        USR, a_tree(a_file("usr/b")), {"usr/a": "delete: not in the release", "usr/b": "create: new in the release"}
    ),
    "a directory becomes a symlink (usrmerge)": World(
        a_tree(a_file("usr/lib/x", "1"), a_file("lib/x", "1")),
        a_tree(a_file("usr/lib/x", "1"), a_link("lib", "usr/lib")),
        {"lib": "replace: dir becomes link", "lib/x": "delete: not in the release"},
    ),
    "a symlink becomes a directory with content": World(
        a_tree(a_link("lib")), a_tree(a_file("lib/x")), {"lib": "replace: link becomes dir", "lib/x": "create: new in the release"}
    ),
    "a kept file stays whatever the release has": World(
        a_tree(a_file("etc/k", "mine")), a_tree(a_file("etc/k", "theirs")), {"etc/k": "kept: keep: the node's stays"}, owning(b"/etc/k\n")
    ),
    "a kept path that is missing is made: keep protects what is there": World(
        a_tree(a_dir("etc")), a_tree(a_file("etc/k")), {"etc/k": "create: missing; keep once it is there"}, owning(b"/etc/k\n")
    ),
    "nothing is made in a kept directory that is there": World(
        a_tree(a_dir("etc/k")), a_tree(a_file("etc/k/new")), {"etc/k": "kept: keep: the node's stays"}, owning(b"/etc/k/\n")
    ),
    "what is missing in an add-only directory is made": World(
        a_tree(a_file("var/old", "mine")),
        a_tree(a_file("var/old"), a_file("var/new")),
        {
            "var": "kept: add-only: the node's stays",
            "var/old": "kept: add-only: the node's stays",
            "var/new": "create: missing; add-only once it is there",
        },
        owning(NEVER, b"/var/\n"),
    ),
    "nothing is made below a symlink that the node has for an add-only directory": World(
        a_tree(a_link("var", "/data/var")), a_tree(a_file("var/new")), {"var": "kept: add-only: the node's stays"}, owning(NEVER, b"/var\n")
    ),
    "nor for a directory that only a directory's rule keeps": World(
        a_tree(a_link("srv/db", "/data/db")),
        a_tree(a_file("srv/db/new")),
        {"srv/db": "kept: keep: the node's stays"},
        owning(b"/srv/db/\n"),
    ),
    "a directory without content of its own goes, except what is kept and what leads there": World(
        a_tree(a_file("opt/d/k"), a_file("opt/d/x"), a_file("opt/y")),
        a_tree(a_dir("opt")),
        {
            "opt/d": "kept: not in the release, but it holds what is kept",
            "opt/d/k": "kept: keep: the node's",
            "opt/d/x": "delete: not in the release",
            "opt/y": "delete: not in the release",
        },
        owning(b"/opt/d/k\n"),
    ),
    "a name in the root directory that no release brought stays with all that it holds": World(
        a_tree(a_file("usr/a", "1"), a_file("data/deep/x"), a_file("core")),
        USR,
        dict.fromkeys(["data", "core"], "kept: in the root directory, and no release brought it"),
        base=USR,
    ),
    "what no image ships is the node's there as anywhere": World(
        a_tree(a_file("usr/a", "1"), Entry("initctl", Kind.FIFO, 0o600, 0, 0, 0)), USR, {"initctl": "kept: keep: the node's"}
    ),
    "a name in the root directory that the installed release brought goes": World(
        a_tree(a_file("usr/a", "1"), a_file("old/x")),
        USR,
        {"old": "delete: not in the release", "old/x": "delete: not in the release"},
        base=["", "old", "old/x"],
    ),
    "what the lists of the installed release kept stays when the role changes": World(
        a_tree(a_file("usr/a", "1"), a_file("usr/kept"), a_file("usr/kept.d/x")),
        USR,
        dict.fromkeys(["usr/kept", "usr/kept.d"], "kept: kept by the installed release, unknown to this one"),
        base=USR,
        promised=OLD_LISTS,
    ),
    "unless the next release has the path": World(
        a_tree(a_file("usr/a", "1"), a_file("usr/kept", "mine")),
        a_tree(a_file("usr/a", "1"), a_file("usr/kept", "theirs")),
        {"usr/kept": "replace: content differs"},
        base=USR,
        promised=OLD_LISTS,
    ),
    "a mount that is none of the release's stays, and nothing is made behind it": World(
        a_tree(a_file("usr/a", "1"), a_dir("usr/mnt")),
        a_tree(a_file("usr/a", "1"), a_dir("usr/mnt/empty")),
        {},
        fenced=("usr/mnt",),
    ),
    "a mount that the release does not know": World(
        a_tree(a_file("usr/a", "1"), a_dir("usr/mnt")), USR, {"usr/mnt": "kept: another filesystem, not the release's"}, fenced=("usr/mnt",)
    ),
    "hard links that a change of one name would part are renewed together": World(
        a_tree(a_file("usr/a", "1", group=1), a_file("usr/b", "1", group=1)),
        a_tree(a_file("usr/a", "2", group=1), a_file("usr/b", "2", group=1), a_file("usr/c", "2", group=1)),
        {"usr/a": "replace: content differs", "usr/b": "replace: content differs", "usr/c": "create: new in the release"},
    ),
    "a new name of an unchanged file renews the others": World(
        a_tree(a_file("usr/a", "1")),
        a_tree(a_file("usr/a", "1", group=1), a_file("usr/b", "1", group=1)),
        {"usr/a": "replace: hard link to a path that changes", "usr/b": "create: new in the release"},
    ),
    "two files that the release has as one": World(
        a_tree(a_file("usr/a", "1"), a_file("usr/b", "1")),
        a_tree(a_file("usr/a", "1", group=1), a_file("usr/b", "1", group=1)),
        dict.fromkeys(["usr/a", "usr/b"], "replace: the release has these as one file with several names"),
    ),
    "one file that the release has as two": World(
        a_tree(a_file("usr/a", "1", group=1), a_file("usr/b", "1", group=1)),
        a_tree(a_file("usr/a", "1"), a_file("usr/b", "1")),
        dict.fromkeys(["usr/a", "usr/b"], "replace: shares its inode with a path that it should not share it with"),
    ),
    "names of one file are as the release wants them when another of its names is the node's": World(
        a_tree(a_file("usr/a", "1", group=1), a_file("usr/b", "1", group=1), a_file("usr/k", "mine")),
        a_tree(a_file("usr/a", "1", group=1), a_file("usr/b", "1", group=1), a_file("usr/k", "1", group=1)),
        {"usr/k": "kept: keep: the node's stays"},
        owning(b"/usr/k\n"),
    ),
    "a file with names on two filesystems is as good as it can be when each has its own": World(
        a_tree(a_file("usr/a", "1"), a_file("boot/b", "1")),
        a_tree(a_file("usr/a", "1", group=1), a_file("boot/b", "1", group=1)),
        {},
        volumes=("boot",),
    ),
}


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_every_path_is_decided(world: World) -> None:
    comparison = compared(world)
    assert said(comparison) == world.expected
    assert comparison.blockers == ()


def test_a_change_carries_what_was_and_what_will_be() -> None:
    target = a_tree(a_file("usr/a", "2"))
    (change,) = compared(World(USR, target, {})).changes
    assert (change.before, change.after) == (USR["usr/a"], target["usr/a"])


BLOCKED = {
    "a directory that holds what is kept would become a symlink": (
        World(a_tree(a_file("lib/mine/k")), a_tree(a_link("lib", "usr/lib")), {}, owning(b"/lib/mine/\n")),
        Blocker(
            "lib",
            "is a directory that holds what is kept (/lib/mine) and would become a link",
            "move /lib/mine away, or take it out of the lists",
        ),
    ),
    "a directory that holds much that is kept would become a file": (
        World(
            a_tree(a_file("opt/d/b"), a_file("opt/d/a/x"), a_file("opt/d/a/y"), a_file("opt/d/gone")),
            a_tree(a_file("opt/d")),
            {},
            owning(b"/opt/d/a/*\n/opt/d/b\n"),
        ),
        Blocker(
            "opt/d",
            "is a directory that holds what is kept (/opt/d/a/x and 2 more) and would become a file",
            "move /opt/d/a/x and 2 more away, or take them out of the lists",
        ),
    ),
    "the release has content behind a mount that it does not manage": (
        World(a_tree(a_dir("usr/mnt")), a_tree(a_file("usr/mnt/d/x"), a_file("usr/mnt/y")), {}, fenced=("usr/mnt",)),
        Blocker(
            "usr/mnt",
            "is a mount that the release does not manage, and the release has content there (/usr/mnt/d/x)",
            "unmount it, keep /usr/mnt by a *.exclude list, or name it under `filesystems` of the role",
        ),
    ),
    "a file is bind-mounted over one of the release's": (
        World(a_tree(a_file("etc/hosts")), a_tree(a_file("etc/hosts", "x")), {}, fenced=("etc/hosts",)),
        Blocker(
            "etc/hosts",
            "is a mount that the release does not manage, and the release has content there (/etc/hosts)",
            "unmount it, keep /etc/hosts by a *.exclude list, or name it under `filesystems` of the role",
        ),
    ),
}


@pytest.mark.parametrize(("world", "blocker"), BLOCKED.values(), ids=BLOCKED)
def test_what_cannot_be_done_is_said_once_and_before_anything_is_staged(world: World, blocker: Blocker) -> None:
    assert compared(world).blockers == (blocker,)


def test_each_directory_that_cannot_become_something_else_is_said() -> None:
    live = a_tree(*(a_file(f"{top}/mine/{number}") for top in ("lib", "sbin") for number in range(30)))
    world = World(live, a_tree(a_link("lib", "usr/lib"), a_link("sbin", "usr/sbin")), {}, owning(b"/*/mine/*\n"))
    assert [(blocker.path, blocker.hint) for blocker in compared(world).blockers] == [
        (top, f"move /{top}/mine/0 and 29 more away, or take them out of the lists") for top in ("lib", "sbin")
    ]


def test_content_behind_a_mount_that_is_kept_by_a_list_is_no_obstacle() -> None:
    world = World(a_tree(a_dir("srv")), a_tree(a_file("srv/x")), {}, owning(b"/srv/***\n"), fenced=("srv",))
    assert compared(world) == Comparison((), (), ())


def test_what_a_symlink_or_a_bare_directory_covers() -> None:
    target = a_tree(a_dir("boot/efi"), a_link("var/run"), a_file("varnish"))
    assert [covers(target, path) for path in ("boot", "var", "varnish", "srv", "")] == [False, True, False, False, True]


def test_lists_are_in_path_order() -> None:
    target = a_tree(*(a_file(f"usr/{name}") for name in ("b", "a", "a-")), a_dir("usr/a.d"))
    changes: tuple[Change, ...] = compared(World(a_tree(a_dir("usr")), target, {})).changes
    assert [change.path for change in changes] == ["usr/a", "usr/a-", "usr/a.d", "usr/b"]
