"""Two releases between which accounts move: the node's files follow when the operator says so, and nothing happens when not."""

import json
import os
from pathlib import Path

import pytest

from tests.system.node import Node, Store
from tests.system.owner_lab import GROUP, NEW_GROUP, A, B, fill
from tests.system.snapshot import Snapshot, difference, timeless
from tests.system.trees import Tree, make_library

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("mkfs.ext4", "mount", "rsync")]

EXCLUDE = "/srv/data/\n/etc/a.key\nlost+found/\n/var/lib/node/\n"
TOPS = ("srv/data", "var/lib/node", "unknown", "var/cache/made")


def release(folder: Path, version: str) -> Tree:
    """A release; from the first to the second, two accounts exchange their ids and a group gets another one."""
    a, b, group = (A, B, GROUP) if version == "1.0" else (B, A, NEW_GROUP)
    tree = Tree(folder, version)
    users = [("root", 0, 0), ("a", a, group), ("b", b, group)]
    tree.file("etc/passwd", "".join(f"{name}:x:{uid}:{gid}::/:/bin/sh\n" for name, uid, gid in users))
    tree.file("etc/group", f"root:x:0:\ng:x:{group}:\n")
    tree.file("etc/shadow", "".join(f"{name}:!:19000::::::\n" for name, *_ in users), mode=0o640)
    tree.file("etc/gshadow", "root:*::\ng:!::\n", mode=0o640)
    tree.file("usr/lib/a", version, owner=a, group=group).directory("var/lib/a", owner=a, group=group)
    tree.directory("var/cache/made")
    return tree


@pytest.fixture
def moving(node: Node, store: Store, tmp_path: Path) -> Node:
    """A node with the first release, and files of its accounts in all places that are its own."""
    make_library(store.library, exclude=EXCLUDE, add_only="- /var/lib/dpkg/\n/var/\n")
    for version in ("1.0", "1.1"):
        store.publish(release(tmp_path / version, version), version)
    node.install("1.0")
    for top in TOPS:
        node.path(top).mkdir(parents=True, exist_ok=True)
        fill(node.path(top), files=3)
    node.write("etc/a.key", "secret", mode=0o400)
    os.chown(node.path("etc/a.key"), A, GROUP)
    node.write("var/lib/a/state", "state")
    os.chown(node.path("var/lib/a/state"), A, GROUP)
    os.chown(node.path("srv/data"), A, GROUP)
    return node


def owners(found: Snapshot) -> dict[str, tuple[int, int]]:
    return {path: seen.owner for path, seen in found.items()}


def test_without_consent_the_plan_names_the_files_and_the_upgrade_is_refused(moving: Node) -> None:
    before = moving.snapshot()
    ran = moving.run("plan", "base", "1.1", "--from", moving.store.folder)
    assert ran.status == 4, ran
    lines = ran.stdout.splitlines()
    assert "user a: uid 64045 becomes 64046" in lines
    assert any(line.startswith("  64045:64047 -> 64046:64048") for line in lines), ran.stdout
    ran = moving.upgrade("1.1")
    assert ran.status == 4, ran
    assert "a's by the uid 64045, which becomes 64046" in ran.stderr
    assert "--apply-chown" in ran.stderr
    assert moving.changed_since(before, directory_times=False) == []


def test_files_that_are_nobodys_are_not_given_away_with_the_id(moving: Node) -> None:
    os.chown(moving.write("srv/orphan"), 0, NEW_GROUP)
    before = moving.snapshot()
    ran = moving.upgrade("1.1", "--apply-chown")
    assert ran.status == 4
    assert f"/srv/orphan is nobody's by the gid {NEW_GROUP}, which g gets" in ran.stderr
    assert moving.changed_since(before) == []


def test_the_plan_has_every_path_in_json(moving: Node) -> None:
    fields = json.loads(moving.run("plan", "base", "1.1", "--from", moving.store.folder, "--json", "--apply-chown").stdout)
    assert fields["blockers"] == []
    changes = {item["path"]: (item["before"], item["after"]) for item in fields["owners"]["changes"]}
    assert changes["/etc/a.key"] == changes["/var/lib/a/state"] == ([A, GROUP], [B, NEW_GROUP])
    assert "/usr/lib/a" not in changes
    assert "/unknown/setuid" in changes


def test_with_consent_they_follow_and_come_back_three_times_in_a_row(moving: Node) -> None:
    before = moving.snapshot()
    after = None
    uids, gids = {A: B, B: A}, {GROUP: NEW_GROUP}
    for _ in range(3):
        moving.install("1.1", "--apply-chown")
        there = moving.snapshot()
        for path, (uid, gid) in owners(before).items():
            if path not in ("usr/lib/a",):
                assert there[path].owner == (uids.get(uid, uid), gids.get(gid, gid)), path
        assert difference(timeless(after), timeless(there)) == [] if after else True
        after = there
        moving.rollback()  # what the commit was allowed to change goes back without asking again
        assert moving.changed_since(before, directory_times=False) == []


def test_a_second_upgrade_with_nothing_to_move_needs_no_consent(moving: Node) -> None:
    moving.install("1.1", "--apply-chown")
    assert moving.upgrade("1.1").stdout == "base 1.1: nothing to do\n"
    assert moving.run("verify").status == 0
