"""Ids that move, as a plan tells them and as what stops it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprov.domain.account_ids import AccountKind, LeavingAccount, MovedId
from reprov.domain.comparison import Blocker
from reprov.domain.entry import is_below, parent_of
from reprov.domain.owner_change import FoundFiles, Ids, Owned, OwnerChange, Unseen
from reprov.domain.owner_plan import NO_OWNER_CHANGES, ChangeGroup, OwnerPlan, Running, grouped, ids_claimed

USER = MovedId(AccountKind.USER, "ceph", 167, 64045)
GROUP = MovedId(AccountKind.GROUP, "ceph", 167, 64045)
OLD = LeavingAccount(AccountKind.USER, "old", 77, "the release gives its uid to new")


def plan(*owned: Owned, moved: tuple[MovedId, ...] = (USER, GROUP), leaving: tuple[LeavingAccount, ...] = ()) -> OwnerPlan:
    return OwnerPlan.of(moved, leaving, FoundFiles(owned, ()))


def test_without_consent_every_account_that_files_would_be_taken_from_stops_the_plan() -> None:
    found = plan(Owned("srv/a", Ids(167, 0)), Owned("srv/b", Ids(167, 167)))
    hint = "`reprov plan` lists them; with --apply-chown they follow, in the same transaction"
    assert found.refusals(apply_chown=False) == (
        Blocker("srv/a", "and 1 more are ceph's by the uid 167, which becomes 64045", hint),
        Blocker("srv/b", "is ceph's by the gid 167, which becomes 64045", hint),
    )
    assert found.refusals(apply_chown=True) == ()


def test_an_account_without_files_stops_nothing() -> None:
    assert plan().refusals(apply_chown=False) == NO_OWNER_CHANGES.refusals(apply_chown=False) == ()


HOPELESS = {
    "an account that cannot stay has files": (
        plan(Owned("srv/x", Ids(77, 0)), Owned("srv/y", Ids(77, 0)), leaving=(OLD,)),
        Blocker(
            "srv/x",
            "and 1 more are old's (uid 77), which cannot stay: the release gives its uid to new",
            "remove them, or give them to an account that stays",
        ),
    ),
    "a file that cannot be changed": (
        plan(Owned("srv/x", Ids(167, 0), fixed="is immutable")),
        Blocker("srv/x", "is immutable, and its owner would have to change", "mend that first, or give the file away"),
    ),
    "two accounts of one id part": (
        plan(moved=(USER, MovedId(AccountKind.USER, "other", 167, 5))),
        Blocker(
            "etc/passwd",
            "has ceph and other with the uid 167, and the release gives them 64045 and 5",
            "give one of them another uid together with its files",
        ),
    ),
}


def test_files_that_have_the_new_id_already_are_not_given_to_the_account() -> None:
    found = FoundFiles((Owned("srv/x", Ids(64045, 167)), Owned("srv/y", Ids(1, 64045))), ())
    problem = "is nobody's by the {} 64045, which ceph gets"
    hint = "remove them, or give them to an account"
    assert OwnerPlan.of((USER, GROUP), (), found, (USER, GROUP)).refusals(apply_chown=True) == (
        Blocker("srv/x", problem.format("uid"), hint),
        Blocker("srv/y", problem.format("gid"), hint),
    )


def test_an_id_is_claimed_unless_another_account_gives_it_up() -> None:
    back = MovedId(AccountKind.USER, "other", 64045, 167)
    gone = LeavingAccount(AccountKind.GROUP, "old", 64045, "why")
    assert ids_claimed((USER, GROUP), ()) == (USER, GROUP)
    assert ids_claimed((USER, GROUP, back), (gone,)) == ()


@pytest.mark.parametrize(("found", "blocker"), HOPELESS.values(), ids=HOPELESS)
def test_what_no_consent_helps_against(found: OwnerPlan, blocker: Blocker) -> None:
    assert found.refusals(apply_chown=True) == (blocker,)


def test_a_file_of_another_id_may_be_immutable() -> None:
    assert plan(Owned("srv/x", Ids(77, 0), fixed="is immutable")).refusals(apply_chown=True) == ()


def test_who_runs_under_an_id_that_moves_is_in_the_way() -> None:
    running = [Running(1, "ceph-osd", AccountKind.USER, 167), Running(2, "other", AccountKind.USER, 5)]
    assert plan(Owned("srv/a", Ids(167, 0))).blockers_of(running) == (
        Blocker("", "runs ceph-osd (1) as ceph, whose uid moves", "stop ceph-osd for the upgrade"),
    )
    assert plan().blockers_of(running) == ()


def test_the_fields_have_every_path() -> None:
    found = OwnerPlan.of([USER], [], FoundFiles((Owned("srv/\udce9", Ids(167, 1)),), (Unseen("mnt", "nfs4: why"),)))
    assert found.to_fields() == {
        "moved": [{"kind": "user", "name": "ceph", "live_id": 167, "new_id": 64045}],
        "changes": [{"path": "/srv/\\xe9", "before": [167, 1], "after": [64045, 1], "access_lists": []}],
        "unseen": [{"path": "/mnt", "reason": "nfs4: why"}],
    }


A, B, C = Ids(1, 1), Ids(2, 2), Ids(3, 3)


def changes(*paths: str, after: Ids = B) -> list[OwnerChange]:
    return [OwnerChange(path, A, after) for path in paths]


GROUPS = {
    "a directory with all that is in it": (changes("d", "d/e", "d/e/f", "d-e"), [("d", 3, True), ("d-e", 1, True)]),
    "a directory in which one differs": (
        [*changes("d", "d/a", "d/a/b"), *changes("d/c", after=C)],
        [("d", 1, True), ("d/a", 2, True), ("d/c", 1, True)],
    ),
    "files beside each other in a directory that stays": (changes("d/a", "d/b", "d/c"), [("d", 3, False)]),
    "a directory among files beside each other": (
        changes("d/a", "d/b", "d/c", "d/c/x", "d/d", "d/e"),
        [("d", 2, False), ("d/c", 2, True), ("d", 2, False)],
    ),
    "nothing": ([], []),
}


@pytest.mark.parametrize(("given_changes", "found"), GROUPS.values(), ids=GROUPS)
def test_changes_are_told_in_groups(given_changes: list[OwnerChange], found: list[tuple[str, int, bool]]) -> None:
    assert [(group.path, group.number, group.whole) for group in grouped(given_changes)] == found


PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join)


@given(st.dictionaries(PATHS, st.sampled_from([B, C])))
def test_groups_tell_every_change_once(after: dict[str, Ids]) -> None:
    todo = {path: OwnerChange(path, A, new) for path, new in after.items()}
    groups = grouped(list(todo.values()))
    for group in groups:
        told = [path for path in todo if _tells(group, path) and after[path] == group.after]
        if group.whole:
            assert len(told) == group.number
            assert group.number == 1 or all(after[path] == group.after for path in after if is_below(path, group.path))
        for path in told:
            todo.pop(path) if group.whole else None
    left = sum(group.number for group in groups if not group.whole)
    assert left == len(todo)
    assert all(any(_tells(group, path) for group in groups if not group.whole) for path in todo)


def _tells(group: ChangeGroup, path: str) -> bool:
    if group.whole:
        return path == group.path or (group.number > 1 and is_below(path, group.path))
    return parent_of(path) == group.path
