"""Three-way: what becomes of every path that the installed release, the node and the new release may each have changed."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import pytest

from reprov.domain.comparison import compare
from reprov.domain.entry import Entry, Kind
from reprov.domain.merge import find_merges
from reprov.domain.merged import Merged, apply_merges
from reprov.domain.ownership import Ownership
from reprov.domain.placement import How, find_placements
from reprov.domain.units import find_swaps
from reprov.errors import Refused
from tests.builders import MTIME_NS, NEVER, a_dir, a_file, a_link, a_tree, owning, scan_of

LATER_NS = MTIME_NS + 7
LINES = b"merge=text /etc/lines\n/etc/***\n"
"""Everything in /etc is merged, one file by its lines."""


class World(NamedTuple):
    """What the installed release had, what the node has, what the new release has; and what is to come of them."""

    base: dict[str, Entry] | None
    live: dict[str, Entry]
    target: dict[str, Entry]
    expected: dict[str, str]
    """What is said by path: a change by "action: reason", what stays by "node's: reason", a conflict by "conflict: reason"."""
    text: bytes | None = None
    """What the line merges of this world give."""
    keep: bytes = NEVER
    merge: bytes = LINES
    fenced: tuple[str, ...] = ()
    decided: tuple[str, ...] = ()


class Done(NamedTuple):
    """What a plan made of a world."""

    merged: Merged
    said: dict[str, str]
    after: dict[str, Entry]
    """The node as the plan leaves it, in path order."""


def content_of(entry: Entry) -> bytes:
    """The content that a builder gave a file: the tests' contents are single letters, or "merged"."""
    known = [*(chr(letter) for letter in range(ord("a"), ord("z") + 1)), ""]
    return next(text.encode() for text in known if hashlib.sha256(text.encode()).hexdigest() == entry.digest)


def pristine(tree: Mapping[str, Entry]) -> dict[str, bytes]:
    return {path: content_of(entry) for path, entry in tree.items() if entry.kind is Kind.FILE}


def planned(world: World) -> Done:
    """Merge and compare as a plan does. The comparison knows nothing of merging: without the merge list everything is the image's."""
    lists = owning(world.keep)
    scan = scan_of(world.live, lists, world.target, fenced=world.fenced, base=world.base or ())
    merging = Ownership.parse([("k", world.keep)], [("a", NEVER)], [("m", world.merge)])
    found = find_merges(world.target, scan, merging, world.base, decided=world.decided)
    texts = {text.path: world.text for text in found.texts}
    merged = apply_merges(world.target, scan, found, texts, pristine(world.target))
    comparison = compare(merged.target, merged.scan, lists)
    assert comparison.blockers == ()
    said = {change.path: f"{change.action}: {change.reason}" for change in comparison.changes}
    said |= {path: f"node's: {stays.reason}" for path, stays in {**merged.nodes, **merged.removed}.items()}
    said |= {conflict.path: f"conflict: {conflict.reason}" for conflict in merged.conflicts}
    after = dict(world.live)
    for change in comparison.changes:
        after.pop(change.path, None)
        if change.after:
            after[change.path] = change.after
    swaps = find_swaps({change.path: change for change in comparison.changes}, merged.target, merged.scan, {})
    for placement in find_placements(swaps, comparison, merged.target, merged.scan, {"": False}):
        if placement.how is How.FETCH and placement.entry.digest not in merged.contents:
            assert world.target[placement.source].digest == placement.entry.digest, "the server has no such path"
    return Done(merged, said, dict(sorted(after.items())))


def etc(*entries: Entry) -> dict[str, Entry]:
    return a_tree(a_dir("etc"), *entries)


def f(content: str, mode: int = 0o644, name: str = "etc/f") -> dict[str, Entry]:
    return etc(a_file(name, content, mode))


NOTHING = etc()
READ_WHOLE = "etc/x.d/f"
LONG = "etc/" + "n" * 250

WORLDS = {
    "nobody changed it": World(f("b"), f("b"), f("b"), {}),
    "only the release changed it": World(f("b"), f("b"), f("r"), {"etc/f": "replace: content differs"}),
    "only the node changed it": World(f("b"), f("n"), f("b"), {"etc/f": "node's: changed on the node"}),
    "both changed it to the same": World(f("b"), f("r"), f("r"), {}),
    "both changed it, and not to the same": World(
        f("b"), f("n"), f("r"), {"etc/f": "conflict: changed on both sides", "etc/f.reprov-new": "create: new in the release"}
    ),
    "both changed it where every file is read": World(
        f("b", name=READ_WHOLE),
        f("n", name=READ_WHOLE),
        f("r", name=READ_WHOLE),
        {READ_WHOLE: "conflict: changed on both sides", "etc/x.d%f.reprov-new": "create: new in the release"},
    ),
    "what lies beside such a directory stays while the release has it": World(
        f("r", name=READ_WHOLE),
        etc(a_dir("etc/x.d"), a_file(READ_WHOLE, "n"), a_file("etc/x.d%f.reprov-new", "r")),
        f("r", name=READ_WHOLE),
        {READ_WHOLE: "node's: changed on the node", "etc/x.d%f.reprov-new": "node's: the release's, beside what stays the node's"},
    ),
    "and goes when the path is as the release has it": World(
        f("r", name=READ_WHOLE),
        etc(a_dir("etc/x.d"), a_file(READ_WHOLE, "r"), a_file("etc/x.d%f.reprov-new", "r")),
        f("r", name=READ_WHOLE),
        {"etc/x.d%f.reprov-new": "delete: not in the release"},
    ),
    "nothing lies beside a directory that the node removed": World(
        f("b", name=READ_WHOLE),
        NOTHING,
        f("r", name=READ_WHOLE),
        {"etc/x.d": "node's: removed on the node", READ_WHOLE: "conflict: removed on the node, changed in the release"},
    ),
    "the release drops what the node did not touch": World(f("b"), f("b"), NOTHING, {"etc/f": "delete: not in the release"}),
    "the release drops what the node only made private": World(f("b"), f("b", 0o600), NOTHING, {"etc/f": "delete: not in the release"}),
    "the release drops what the node changed": World(
        f("b"), f("n"), NOTHING, {"etc/f": "node's: changed on the node, gone from the release"}
    ),
    "the node removed it": World(f("b"), NOTHING, f("b"), {"etc/f": "node's: removed on the node"}),
    "the node removed it, and the release changed it": World(
        f("b"),
        NOTHING,
        f("r"),
        {"etc/f": "conflict: removed on the node, changed in the release", "etc/f.reprov-new": "create: new in the release"},
    ),
    "both removed it": World(f("b"), NOTHING, NOTHING, {}),
    "only the node has it": World(NOTHING, f("n"), NOTHING, {"etc/f": "node's: only the node has it"}),
    "only the new release has it": World(NOTHING, NOTHING, f("r"), {"etc/f": "create: new in the release"}),
    "the node had it, and the same, before the release": World(NOTHING, f("r"), f("r"), {}),
    "the node had it, and another, before the release": World(
        NOTHING,
        f("n"),
        f("r"),
        {"etc/f": "conflict: the node had it before the release brought it", "etc/f.reprov-new": "create: new in the release"},
    ),
    "a node that was never managed keeps what differs": World(
        None,
        f("n"),
        etc(a_file("etc/f", "r"), a_file("etc/g", "r")),
        {
            "etc/f": "conflict: the node had it before the release brought it",
            "etc/f.reprov-new": "create: new in the release",
            "etc/g": "create: new in the release",
        },
    ),
    "what package managers left is the node's like anything else": World(
        NOTHING, f("n", name="etc/f.dpkg-dist"), NOTHING, {"etc/f.dpkg-dist": "node's: only the node has it"}
    ),
    "a time is no difference": World(
        f("b"), etc(a_file("etc/f", "b", mtime_ns=LATER_NS)), etc(a_file("etc/f", "b", mtime_ns=LATER_NS + 1)), {}
    ),
    "paths that are merged otherwise are left alone": World(
        f("b", name="etc/passwd"),
        f("n", name="etc/passwd"),
        f("r", name="etc/passwd"),
        {"etc/passwd": "replace: content differs"},
        decided=("etc/passwd",),
    ),
    "what a list keeps is no matter of merging": World(f("b"), f("n"), f("r"), {}, keep=b"/etc/f\n"),
    "a rule for a directory is also one for the link that the node has instead": World(
        etc(a_dir("etc/d")), etc(a_link("etc/d")), etc(a_dir("etc/d")), {"etc/d": "node's: changed on the node"}, merge=b"/etc/d/\n"
    ),
    "what is not in the merge lists is the image's": World(
        a_tree(a_file("usr/f", "b")), a_tree(a_file("usr/f", "n")), a_tree(a_file("usr/f", "r")), {"usr/f": "replace: content differs"}
    ),
    # Mode, owner and attributes, by themselves.
    "the release changed the content, the node the mode": World(f("b"), f("b", 0o600), f("r"), {"etc/f": "replace: content differs"}),
    "the node changed the content, the release the mode": World(
        f("b"), f("n"), f("b", 0o600), {"etc/f": "metadata: mode 0644 becomes 0600"}
    ),
    "only the node changed the mode": World(f("b"), f("b", 0o600), f("b"), {}),
    "only the release changed the mode": World(f("b"), f("b"), f("b", 0o600), {"etc/f": "metadata: mode 0644 becomes 0600"}),
    "both changed the mode, and not to the same": World(
        f("b"), f("b", 0o600), f("b", 0o640), {"etc/f": "conflict: mode, owner or attributes changed on both sides; the node's stay"}
    ),
    "the node changed the content, and both the mode": World(
        f("b"), f("n", 0o600), f("b", 0o640), {"etc/f": "conflict: mode, owner or attributes changed on both sides; the node's stay"}
    ),
    "the release changed the content, and both the mode": World(
        f("b"), f("b", 0o600), f("r", 0o640), {"etc/f": "conflict: mode, owner or attributes changed on both sides; the node's stay"}
    ),
    "what a path of another kind had is no base for the mode": World(
        etc(a_dir("etc/f", 0o700)),
        f("r", 0o700),
        f("r", 0o600),
        {"etc/f": "conflict: mode, owner or attributes changed on both sides; the node's stay"},
    ),
    "the mode of a link means nothing": World(
        etc(a_link("etc/f")), etc(a_link("etc/f")._replace(mode=0o700)), etc(a_link("etc/f")._replace(mode=0o755)), {}
    ),
    # Lines.
    "both changed different lines": World(
        f("b", name="etc/lines"),
        f("n", name="etc/lines"),
        f("r", name="etc/lines"),
        {"etc/lines": "replace: content differs"},
        text=b"merged",
    ),
    "both changed the same lines": World(
        f("b", name="etc/lines"),
        f("n", name="etc/lines"),
        f("r", name="etc/lines"),
        {
            "etc/lines": "conflict: changed on both sides, and not by separate lines",
            "etc/lines.reprov-new": "create: new in the release",
        },
    ),
    "both changed different lines, and the mode": World(
        f("b", name="etc/lines"),
        f("n", 0o600, name="etc/lines"),
        f("r", 0o640, name="etc/lines"),
        {"etc/lines": "conflict: mode, owner or attributes changed on both sides; the node's stay"},
        text=b"merged",
    ),
    "lines cannot be merged without a base": World(
        NOTHING,
        f("n", name="etc/lines"),
        f("r", name="etc/lines"),
        {
            "etc/lines": "conflict: the node had it before the release brought it",
            "etc/lines.reprov-new": "create: new in the release",
        },
        text=b"merged",
    ),
    # Kinds.
    "the node has a link where the release has a file": World(
        f("b"), etc(a_link("etc/f")), f("b"), {"etc/f": "node's: changed on the node"}
    ),
    "the node has a link where the release changed its file": World(
        f("b"),
        etc(a_link("etc/f")),
        f("r"),
        {"etc/f": "conflict: changed on both sides", "etc/f.reprov-new": "create: new in the release"},
    ),
    "the release makes a link of an untouched file": World(f("b"), f("b"), etc(a_link("etc/f")), {"etc/f": "replace: file becomes link"}),
    "the release makes a link of a changed file": World(
        f("b"),
        f("n"),
        etc(a_link("etc/f", "r")),
        {"etc/f": "conflict: changed on both sides", "etc/f.reprov-new": "create: new in the release"},
    ),
    "the node and the release point a link elsewhere": World(
        etc(a_link("etc/f", "b")),
        etc(a_link("etc/f", "n")),
        etc(a_link("etc/f", "r")),
        {"etc/f": "conflict: changed on both sides", "etc/f.reprov-new": "create: new in the release"},
    ),
    # Directories.
    "only the node has the directory": World(
        NOTHING, etc(a_file("etc/d/f", "n"), a_file("etc/d/e/g", "n")), NOTHING, {"etc/d": "node's: only the node has it"}
    ),
    "the release drops a directory that holds what the node changed": World(
        etc(a_file("etc/d/f", "b"), a_file("etc/d/g", "b")),
        etc(a_file("etc/d/f", "b"), a_file("etc/d/g", "n")),
        NOTHING,
        {"etc/d/f": "delete: not in the release", "etc/d/g": "node's: changed on the node, gone from the release"},
    ),
    "the release drops a directory that the node only made private": World(
        etc(a_dir("etc/d")), etc(a_dir("etc/d", 0o700)), NOTHING, {"etc/d": "delete: not in the release"}
    ),
    "a directory that the node made private": World(etc(a_dir("etc/d")), etc(a_dir("etc/d", 0o700)), etc(a_dir("etc/d")), {}),
    "a directory that the release made private": World(
        etc(a_dir("etc/d")), etc(a_dir("etc/d")), etc(a_dir("etc/d", 0o700)), {"etc/d": "metadata: mode 0755 becomes 0700"}
    ),
    "a directory that the node removed stays away, and so does what was in it": World(
        etc(a_file("etc/d/f", "b")),
        NOTHING,
        etc(a_file("etc/d/f", "b")),
        {"etc/d": "node's: removed on the node", "etc/d/f": "node's: removed on the node"},
    ),
    "what the release changed in a directory that the node removed is not laid there": World(
        etc(a_file("etc/d/f", "b")),
        NOTHING,
        etc(a_file("etc/d/f", "r")),
        {"etc/d": "node's: removed on the node", "etc/d/f": "conflict: removed on the node, changed in the release"},
    ),
    "a directory that the node removed comes back for what is new in it": World(
        etc(a_file("etc/d/e/f", "b"), a_file("etc/d/g", "b")),
        NOTHING,
        etc(a_file("etc/d/e/f", "b"), a_file("etc/d/g", "b"), a_file("etc/d/e/new", "r")),
        {
            "etc/d": "create: new in the release",
            "etc/d/e": "create: new in the release",
            "etc/d/e/f": "node's: removed on the node",
            "etc/d/e/new": "create: new in the release",
            "etc/d/g": "node's: removed on the node",
        },
    ),
    "the node has a link for a directory that the release left alone": World(
        etc(a_file("etc/d/f", "b")),
        etc(a_link("etc/d", "/srv/d")),
        etc(a_file("etc/d/f", "b")),
        {"etc/d": "node's: changed on the node"},
    ),
    "the node has a link for a directory in which the release changed a file": World(
        etc(a_file("etc/d/e/f", "b")),
        etc(a_link("etc/d", "/srv/d")),
        etc(a_file("etc/d/e/f", "r")),
        {"etc/d": "conflict: a link on the node, a directory in the release, which has changed /etc/d/e/f"},
    ),
    "the node has a link for a directory in which the release brings a file": World(
        etc(a_dir("etc/d")),
        etc(a_link("etc/d", "/srv/d")),
        etc(a_file("etc/d/f", "r")),
        {"etc/d": "conflict: a link on the node, a directory in the release, which has changed /etc/d/f"},
    ),
    "the node has a file where the release brings a directory": World(
        NOTHING,
        etc(a_file("etc/d", "n")),
        etc(a_file("etc/d/f", "r")),
        {"etc/d": "conflict: the node had it before the release brought it"},
    ),
    "the release makes a file of a directory that holds nothing of the node's": World(
        etc(a_file("etc/d/f", "b")),
        etc(a_file("etc/d/f", "b")),
        etc(a_file("etc/d", "r")),
        {"etc/d": "replace: dir becomes file", "etc/d/f": "delete: not in the release"},
    ),
    "the release makes a file of a directory that holds what the node changed": World(
        etc(a_file("etc/d/f", "b"), a_file("etc/d/g", "b")),
        etc(a_file("etc/d/f", "b"), a_file("etc/d/g", "n")),
        etc(a_file("etc/d", "r")),
        {
            "etc/d": "conflict: would become a file, and holds what is the node's (/etc/d/g)",
            "etc/d.reprov-new": "create: new in the release",
        },
    ),
    "the release makes a link of a directory that holds what a list keeps": World(
        etc(a_file("etc/d/k", "b")),
        etc(a_file("etc/d/k", "b")),
        etc(a_link("etc/d", "e")),
        {
            "etc/d": "conflict: would become a link, and holds what is the node's (/etc/d/k)",
            "etc/d.reprov-new": "create: new in the release",
        },
        keep=b"/etc/d/k\n",
    ),
    "the release makes a directory of an untouched file": World(
        f("b", name="etc/d"),
        f("b", name="etc/d"),
        etc(a_file("etc/d/f", "r")),
        {"etc/d": "replace: file becomes dir", "etc/d/f": "create: new in the release"},
    ),
    "the release makes a directory of a file that the node removed": World(
        f("b", name="etc/d"),
        NOTHING,
        etc(a_file("etc/d/f", "r")),
        {"etc/d": "create: new in the release", "etc/d/f": "create: new in the release"},
    ),
    "the release has the directory of a mount that is not its own": World(
        etc(a_dir("etc/d/e/f")), etc(a_dir("etc/d")), etc(a_dir("etc/d/e/f")), {}, fenced=("etc/d",)
    ),
    # Names of one inode.
    "names of one file are merged each by itself": World(
        etc(a_file("etc/f", "b", group=1), a_file("etc/g", "b", group=1)),
        etc(a_file("etc/f", "n"), a_file("etc/g", "b")),
        etc(a_file("etc/f", "b", group=1), a_file("etc/g", "b", group=1)),
        {"etc/f": "node's: changed on the node"},
    ),
    # What earlier upgrades laid beside a path.
    "an earlier .reprov-new stays while the path differs from the installed release": World(
        f("r"),
        etc(a_file("etc/f", "n"), a_file("etc/f.reprov-new", "r")),
        f("r"),
        {"etc/f": "node's: changed on the node", "etc/f.reprov-new": "node's: the release's, beside what stays the node's"},
    ),
    "an earlier .reprov-new is replaced by the next one": World(
        f("b"),
        etc(a_file("etc/f", "n"), a_file("etc/f.reprov-new", "b")),
        f("r"),
        {"etc/f": "conflict: changed on both sides", "etc/f.reprov-new": "replace: content differs"},
    ),
    "an earlier .reprov-new that is the next one's already stays as it is": World(
        f("b"), etc(a_file("etc/f", "n"), a_file("etc/f.reprov-new", "r")), f("r"), {"etc/f": "conflict: changed on both sides"}
    ),
    "an earlier .reprov-new goes when the node has taken it": World(
        f("r"), etc(a_file("etc/f", "r"), a_file("etc/f.reprov-new", "r")), f("r"), {"etc/f.reprov-new": "delete: not in the release"}
    ),
    "an earlier .reprov-new goes when the node has taken it and the release goes on": World(
        f("b"),
        etc(a_file("etc/f", "b"), a_file("etc/f.reprov-new", "b")),
        f("r"),
        {"etc/f": "replace: content differs", "etc/f.reprov-new": "delete: not in the release"},
    ),
    "an earlier .reprov-new goes when the release drops the path": World(
        f("b"),
        etc(a_file("etc/f", "n"), a_file("etc/f.reprov-new", "b")),
        NOTHING,
        {"etc/f": "node's: changed on the node, gone from the release", "etc/f.reprov-new": "delete: not in the release"},
    ),
    "an earlier .reprov-new goes when the lines can be merged now": World(
        f("b", name="etc/lines"),
        etc(a_file("etc/lines", "n"), a_file("etc/lines.reprov-new", "b")),
        f("r", name="etc/lines"),
        {"etc/lines": "replace: content differs", "etc/lines.reprov-new": "delete: not in the release"},
        text=b"merged",
    ),
    "an earlier .reprov-new of a path that the node removed stays": World(
        f("r"),
        f("r", name="etc/f.reprov-new"),
        f("r"),
        {"etc/f": "node's: removed on the node", "etc/f.reprov-new": "node's: the release's, beside what stays the node's"},
    ),
    "a name that leaves no room for another beside it": World(
        f("b", name=LONG),
        f("n", name=LONG),
        f("r", name=LONG),
        {LONG: "conflict: changed on both sides, and its name leaves no room for the release's beside it"},
    ),
    "a .reprov-new that somebody edited is the node's": World(
        f("b"),
        etc(a_file("etc/f", "n"), a_file("etc/f.reprov-new", "x")),
        f("r"),
        {
            "etc/f": "conflict: changed on both sides, and /etc/f.reprov-new is taken, so the release's is not written",
            "etc/f.reprov-new": "node's: only the node has it",
        },
    ),
    "a .reprov-new that the release has itself is a path like any other": World(
        f("b", name="etc/f.reprov-new"),
        etc(a_file("etc/f", "n"), a_file("etc/f.reprov-new", "b")),
        etc(a_file("etc/f", "r"), a_file("etc/f.reprov-new", "x")),
        {
            "etc/f": "conflict: the node had it before the release brought it, "
            "and /etc/f.reprov-new is taken, so the release's is not written",
            "etc/f.reprov-new": "replace: content differs",
        },
    ),
}


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_every_path_is_decided(world: World) -> None:
    assert planned(world).said == world.expected


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_a_second_time_there_is_nothing_to_do_and_nothing_in_conflict(world: World) -> None:
    after = planned(world).after
    again = planned(world._replace(base=world.target, live=after))
    assert again.merged.conflicts == ()
    assert again.after == after
    assert all(said.startswith("node's: ") for said in again.said.values())


RESULTS = {
    "the release's content with the node's mode": (World(f("b"), f("b", 0o600), f("r"), {}), a_file("etc/f", "r", 0o600)),
    "with the node's owner and attributes, and as a file of its own": (
        World(
            f("b"),
            etc(a_file("etc/f", "b")._replace(uid=1, gid=2, xattrs=(("user.x", b"1"),))),
            etc(a_file("etc/f", "r", group=1), a_file("etc/g", "r", group=1)),
            {},
        ),
        a_file("etc/f", "r")._replace(uid=1, gid=2, xattrs=(("user.x", b"1"),)),
    ),
    "the node's content with the release's mode": (
        World(f("b"), etc(a_file("etc/f", "n", mtime_ns=LATER_NS)), f("b", 0o600), {}),
        a_file("etc/f", "n", 0o600, mtime_ns=LATER_NS),
    ),
    "the lines of both with the mode that holds, as young as the younger": (
        World(
            f("b", name="etc/lines"),
            etc(a_file("etc/lines", "n", mtime_ns=LATER_NS)),
            f("r", 0o600, name="etc/lines"),
            {},
            text=b"merged",
        ),
        a_file("etc/lines", "merged", 0o600, mtime_ns=LATER_NS),
    ),
    "the release's beside the node's, with its mode, but no more than permissions and no attributes": (
        World(f("b"), f("n"), etc(a_file("etc/f", "r", 0o4755)._replace(uid=7, xattrs=(("user.x", b"1"),))), {}),
        a_file("etc/f.reprov-new", "r", 0o644)._replace(uid=7),
    ),
    "the release's beside a private one is as private": (
        World(f("b"), f("n", 0o640), f("r"), {}),
        a_file("etc/f.reprov-new", "r", 0o600),
    ),
    "a private one of the release's stays private": (
        World(f("b"), f("n"), f("r", 0o640), {}),
        a_file("etc/f.reprov-new", "r", 0o600),
    ),
    "a link of the release's beside a private file": (
        World(f("b"), f("n", 0o600), etc(a_link("etc/f")), {}),
        a_link("etc/f.reprov-new"),
    ),
}


@pytest.mark.parametrize(("world", "expected"), RESULTS.values(), ids=RESULTS)
def test_what_is_written(world: World, expected: Entry) -> None:
    done = planned(world)
    assert done.after[expected.path] == expected


def test_the_content_of_what_no_tree_has_is_given_along() -> None:
    merged = planned(World(f("b", name="etc/lines"), f("n", name="etc/lines"), f("r", name="etc/lines"), {}, text=b"merged")).merged
    assert merged.contents == {a_file("x", "merged").digest: b"merged"}
    beside = planned(World(f("b"), f("n"), f("r"), {})).merged
    assert beside.contents == {a_file("x", "r").digest: b"r"}


def test_a_conflict_says_what_both_have_and_where_the_releases_is() -> None:
    (conflict,) = planned(World(f("b"), f("n"), f("r"), {})).merged.conflicts
    assert (conflict.ours, conflict.theirs, conflict.new) == (a_file("etc/f", "n"), a_file("etc/f", "r"), "etc/f.reprov-new")
    (conflict,) = planned(WORLDS["a .reprov-new that somebody edited is the node's"]).merged.conflicts
    assert conflict.new == ""


def test_no_path_that_is_merged_is_a_name_of_a_shared_inode() -> None:
    tree = etc(a_file("etc/f", "b", group=1), a_file("etc/g", "b", group=1))
    scan = scan_of(tree, owning(), tree)
    shared = {**scan.entries} | {path: tree[path] for path in ("etc/f", "etc/g")}  # as from the stat cache: the release's very entries
    merging = Ownership.parse([("k", NEVER)], [("a", NEVER)], [("m", LINES)])
    found = find_merges(tree, replace(scan, entries=shared), merging, tree)
    assert {path: entry.link_group for path, entry in found.written.items()} == {"etc/f": 0, "etc/g": 0}


def test_a_name_that_would_be_too_long_is_not_made() -> None:
    name = "etc/" + "é" * 123 + "n"
    (conflict,) = planned(World(f("b", name=name), f("n", name=name), f("r", name=name), {})).merged.conflicts
    assert conflict.new == ""


def test_a_directory_of_the_nodes_is_not_looked_into() -> None:
    merged = planned(WORLDS["only the node has the directory"]).merged
    assert sorted(merged.scan.entries) == sorted(merged.scan.signatures) == ["", "etc", "etc/d"]
    assert [merged.stays(path) for path in ("etc/d", "etc/d/e/g", "etc/dd", "etc", "")] == [True, True, False, False, False]


def test_an_untouched_node_is_compared_with_the_release_itself() -> None:
    done = planned(World(f("b"), f("b"), f("r"), {}))
    assert done.merged.target == f("r")
    assert (done.merged.nodes, done.merged.removed, done.merged.conflicts) == ({}, {}, ())


@pytest.mark.parametrize("theirs", [{}, {"etc/f": b"something else"}])
def test_a_release_without_the_content_that_is_to_be_laid_beside_is_refused(theirs: dict[str, bytes]) -> None:
    world = World(f("b"), f("n"), f("r"), {})
    scan = scan_of(world.live, owning(), world.target)
    merging = Ownership.parse([("k", NEVER)], [("a", NEVER)], [("m", LINES)])
    with pytest.raises(Refused) as refused:
        apply_merges(world.target, scan, find_merges(world.target, scan, merging, world.base), {}, theirs)
    assert refused.value.message == "the release comes without the content of /etc/f"
    assert refused.value.hint == "publish the release again"
