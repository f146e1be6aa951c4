"""Whether a member of a cluster may go, and whether it is back."""

import pytest

from reprov.domain.quorum import Before, Cluster, Member, Move, is_back, listed, may_leave

A, B, C = Member("a"), Member("b"), Member("c")
RULE = "; never are two members away at once"
DOWN = Member("b", "does not answer at http://b:2379")
BEFORE = Before("1f", "a", ("a", "b", "c"))


def cluster(*members: Member, here: str = "a", trouble: str = "", cluster_id: str = "1f") -> Cluster:
    return Cluster(cluster_id, here, members, trouble)


@pytest.mark.parametrize(
    ("found", "move", "reason"),
    [
        pytest.param(cluster(A, B, C), Move.GO, "a, b and c are in step, and 2 of them stay", id="all in step: it goes"),
        pytest.param(cluster(A, B, C, Member("d")), Move.GO, "a, b, c and d are in step, and 3 of them stay", id="one of four"),
        pytest.param(
            cluster(A, DOWN, C),
            Move.WAIT,
            f"b does not answer at http://b:2379{RULE}",
            id="another one is away: it waits, and says which",
        ),
        pytest.param(
            cluster(A, DOWN, C, Member("d"), Member("e")),
            Move.WAIT,
            f"b does not answer at http://b:2379{RULE}",
            id="of five, too, where three would stay",
        ),
        pytest.param(
            cluster(Member("a", "is 12 entries of the log behind"), B, C),
            Move.WAIT,
            f"a is 12 entries of the log behind{RULE}",
            id="it is not in step itself",
        ),
        pytest.param(
            cluster(A, DOWN, Member("c", "is Joining, and not Synced"), trouble="has no leader"),
            Move.WAIT,
            f"the cluster has no leader, b does not answer at http://b:2379, c is Joining, and not Synced{RULE}",
            id="what all suffer from comes first",
        ),
        pytest.param(
            cluster(A, B, C, trouble="is partitioned"),
            Move.WAIT,
            f"the cluster is partitioned{RULE}",
            id="all are there and the cluster is partitioned",
        ),
        pytest.param(cluster(A, B), Move.REFUSE, "without a there is only b, which is no majority of 2", id="a cluster of two refuses"),
        pytest.param(
            cluster(A, DOWN),
            Move.REFUSE,
            "without a there is only b, which is no majority of 2",
            id="also when the other one is away: waiting does not help",
        ),
        pytest.param(cluster(A), Move.GO, "a is the only member: nobody serves while it is away", id="the only member goes"),
        pytest.param(
            cluster(A, B, C, here="d"), Move.REFUSE, "d is no member of the cluster 1f, which has a, b and c", id="this host has no member"
        ),
        pytest.param(
            cluster(A, B, C, here=""),
            Move.REFUSE,
            "this host is no member of the cluster 1f, which has a, b and c",
            id="nobody knows which it is",
        ),
    ],
)
def test_whether_it_may_leave(found: Cluster, move: Move, reason: str) -> None:
    verdict = may_leave(found)
    assert (verdict.move, verdict.reason) == (move, reason)
    assert bool(verdict.hint) == (move is Move.REFUSE)


@pytest.mark.parametrize(
    ("found", "move"),
    [
        pytest.param(cluster(A, B), Move.GO, id="of two one goes"),
        pytest.param(cluster(A, DOWN), Move.WAIT, id="but not while the other one is away"),
        pytest.param(cluster(A, B, here="c"), Move.REFUSE, id="and not of a cluster that it is no member of"),
    ],
)
def test_an_outage_that_is_accepted(found: Cluster, move: Move) -> None:
    assert may_leave(found, accept_outage=True).move is move


@pytest.mark.parametrize(
    ("found", "before", "move", "reason"),
    [
        pytest.param(cluster(A, B, C), BEFORE, Move.GO, "a is in step with b and c", id="all are there and in step"),
        pytest.param(cluster(A, B, C), None, Move.GO, "a is in step with b and c", id="nothing was noted: what is there counts"),
        pytest.param(cluster(A), Before("1f", "a", ("a",)), Move.GO, "a is in step", id="the only member"),
        pytest.param(cluster(A, B), Before("1f", "a", ("a", "b")), Move.GO, "a is in step with b", id="a cluster of two"),
        pytest.param(cluster(A, B, C, Member("d")), BEFORE, Move.GO, "a is in step with b, c and d", id="one has come besides"),
        pytest.param(
            cluster(Member("a", "is Joined, and not Synced"), B, C),
            BEFORE,
            Move.WAIT,
            "a is Joined, and not Synced",
            id="it catches up still",
        ),
        pytest.param(cluster(A, DOWN, C), BEFORE, Move.WAIT, "b does not answer at http://b:2379", id="another one has gone meanwhile"),
        pytest.param(
            cluster(A, C), BEFORE, Move.WAIT, "b was in the cluster when a went, and is not now", id="the cluster is smaller than before"
        ),
        pytest.param(
            cluster(A, cluster_id="2e"),
            BEFORE,
            Move.REFUSE,
            "a is in the cluster 2e, and was in 1f before it went",
            id="it has begun a cluster of its own",
        ),
        pytest.param(
            cluster(A, cluster_id=""),
            BEFORE,
            Move.REFUSE,
            "a is in the cluster of itself alone, and was in 1f before it went",
            id="it is in no cluster any more",
        ),
        pytest.param(
            cluster(B, C), BEFORE, Move.REFUSE, "a is no member of the cluster 1f, which has b and c", id="it was removed meanwhile"
        ),
    ],
)
def test_whether_it_is_back(found: Cluster, before: Before | None, move: Move, reason: str) -> None:
    verdict = is_back(found, before)
    assert (verdict.move, verdict.reason) == (move, reason)
    assert bool(verdict.hint) == (move is Move.REFUSE)


def test_a_note_is_read_as_it_was_written_and_the_order_of_members_is_none() -> None:
    note = Before.of(cluster(C, A, B))
    assert note == BEFORE
    assert Before.parse(note.to_text()) == note
    assert Before.of(cluster(A, B, C)).to_text() == note.to_text()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"cluster": "a"}', "null"])
def test_what_is_no_note(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Before.parse(text)


@pytest.mark.parametrize(("names", "text"), [((), ""), (("a",), "a"), (("a", "b"), "a and b"), (("a", "b", "c"), "a, b and c")])
def test_names_in_a_sentence(names: tuple[str, ...], text: str) -> None:
    assert listed(names) == text
