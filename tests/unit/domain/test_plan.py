"""The plan as a value: what it counts, says in JSON, and lacks room for."""

import json
from collections.abc import Sequence

import pytest

from reprov.domain.comparison import Action, Blocker
from reprov.domain.placement import Cost
from reprov.domain.plan import Room, blockers_of_space
from tests.builders import a_dir, a_file, a_plan, a_tree, owning

MIB = 1 << 20
PLAN = a_plan(
    a_tree(a_file("usr/same", "s"), a_file("usr/old", "o"), a_file("usr/b", "1"), a_file("etc/me", "mine"), a_dir("opt/d", 0o700)),
    a_tree(a_file("usr/same", "s"), a_file("usr/b", "22"), a_file("usr/a\udcff", "22"), a_file("etc/me", "theirs"), a_dir("opt/d")),
    owning(b"/etc/me\n"),
)


def test_counts_name_every_action() -> None:
    assert PLAN.counts == {Action.CREATE: 1, Action.REPLACE: 1, Action.METADATA: 1, Action.DELETE: 1}


def test_what_is_fetched_is_counted_once_per_content() -> None:
    assert PLAN.fetch_bytes == 2


def test_a_plan_without_changes_is_empty_even_if_something_is_kept() -> None:
    tree = a_tree(a_file("etc/me"))
    assert a_plan(tree, tree, owning(b"/etc/me\n")).is_empty
    assert not PLAN.is_empty


def test_further_blockers_come_after_the_first() -> None:
    one, two = Blocker("a", "x", ""), Blocker("b", "y", "")
    assert PLAN.blocked_by([one]).blocked_by([two]).blockers == (one, two)
    assert PLAN.blockers == ()


def test_the_json_form() -> None:
    fields = json.loads(json.dumps(PLAN.blocked_by([Blocker("", "is full", "prune")]).to_fields()))
    assert fields == {
        "format": 1,
        "role": "base",
        "version": "1.1",
        "installed": "base 1.0",
        "source": "/srv",
        "counts": {"create": 1, "replace": 1, "metadata": 1, "delete": 1},
        "fetch_bytes": 2,
        "staged": {"make": 3, "link": 1, "copy": 0, "write": 0, "fetch": 2, "join": 0},
        "needs": {"/": {"size_bytes": 16 * MIB + 5 * 4096, "inodes": 69}},
        "commit": {"when": "live", "reasons": []},
        "exchanges": [{"kind": "swap", "path": "/usr"}, {"kind": "swap", "path": "/opt"}],
        "changes": [
            {"path": "/opt/d", "action": "metadata", "reason": "mode 0700 becomes 0755"},
            {"path": "/usr/a\\xff", "action": "create", "reason": "new in the release"},
            {"path": "/usr/b", "action": "replace", "reason": "content differs"},
            {"path": "/usr/old", "action": "delete", "reason": "not in the release"},
        ],
        "kept": [{"path": "/etc/me", "reason": "keep: the node's stays", "rule": "- /etc/me"}],
        "conflicts": [],
        "rules": [],
        "owners": {"changes": [], "moved": [], "unseen": []},
        "alternatives": [],
        "hot_fixes": [],
        "stays": [],
        "data": {"devices": [], "not_looked": None, "problem": None},
        "accounts": [],
        "blockers": [{"path": "/", "problem": "is full", "hint": "prune"}],
    }


def test_a_first_installation_has_no_installed_release() -> None:
    assert a_plan({"": a_dir("")}, a_tree(a_file("usr/a")), installed=None).to_fields()["installed"] is None


ROOM = {
    "enough": (Room(MIB, 10), []),
    "endless inodes": (Room(MIB, None), []),
    "a byte is missing": (Room(MIB - 1, 10), ["has no room for the next tree: 1 MiB are missing"]),
    "more than a MiB is missing": (Room(0, 10), ["has no room for the next tree: 1 MiB are missing"]),
    "inodes are missing": (Room(MIB, 7), ["has no room for the next tree: 3 inodes are missing"]),
    "both": (Room(0, 0), ["has no room for the next tree: 1 MiB are missing", "has no room for the next tree: 10 inodes are missing"]),
}


@pytest.mark.parametrize(("room", "problems"), ROOM.values(), ids=ROOM)
def test_a_filesystem_that_is_too_small_is_found_before_anything_is_written(room: Room, problems: Sequence[str]) -> None:
    found = blockers_of_space({"boot": Cost(MIB, 10)}, {"boot": room})
    assert [(item.path, item.problem) for item in found] == [("boot", problem) for problem in problems]
