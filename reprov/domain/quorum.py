"""Whether a member of a cluster may go now, and whether it is back: never are two away at once.

What a program says of its cluster (`quorum_answers`) and what was noted of it before this member went are all that a decision knows.
"""

from __future__ import annotations

import json
from enum import Enum
from typing import NamedTuple


class Move(Enum):
    """What to do with a member."""

    GO = "go"
    """It may leave; or it is back, and the next one may."""
    WAIT = "wait"
    """It gets better by itself, as a rule."""
    REFUSE = "refuse"
    """Waiting does not help: somebody has to do something."""


class Verdict(NamedTuple):
    """A move, and why."""

    move: Move
    reason: str
    hint: str = ""
    """What an operator does about it."""


class Member(NamedTuple):
    """One of the cluster."""

    name: str
    trouble: str = ""
    """What keeps it from standing in for another one, said of it: "does not answer"; "" when nothing does."""


class Cluster(NamedTuple):
    """What is known of a cluster when one of its members, or whoever serves its clients, has been asked."""

    id: str
    """What no other cluster has. A server that is in none has "", and is its only member."""
    here: str
    """The name of this host's member, whether or not the cluster has one of that name."""
    members: tuple[Member, ...]
    trouble: str = ""
    """What the cluster as a whole suffers from: "has no leader"."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(member.name for member in self.members)


class Before(NamedTuple):
    """What a cluster was when this host's member was allowed to go."""

    id: str
    here: str
    names: tuple[str, ...]

    @classmethod
    def of(cls, cluster: Cluster) -> Before:
        """What is to be found again."""
        return cls(cluster.id, cluster.here, tuple(sorted(cluster.names)))

    @classmethod
    def parse(cls, text: str) -> Before:
        """A note that `to_text` wrote. Raises `ValueError`."""
        note = json.loads(text)
        try:
            return cls(str(note["cluster"]), str(note["member"]), tuple(str(name) for name in note["members"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"it is no note of a cluster: {text[:80]!r}") from error

    def to_text(self) -> str:
        """JSON, the same whenever the cluster is the same."""
        return json.dumps({"cluster": self.id, "member": self.here, "members": self.names}, indent=2) + "\n"


def may_leave(cluster: Cluster, *, accept_outage: bool = False) -> Verdict:
    """Whether this host's member may go: only when all the others are in step, and more than half of the members stay.

    A cluster of two refuses, as the one that is left has no majority, unless the outage is accepted. The only member of a cluster goes:
    nobody can take it for one that others stand in for.
    """
    if cluster.here not in cluster.names:
        return _no_member(cluster)
    size = len(cluster.members)
    if size == 1:
        return Verdict(Move.GO, f"{cluster.here} is the only member: nobody serves while it is away")
    if size - 1 <= size // 2 and not accept_outage:
        staying = listed([name for name in cluster.names if name != cluster.here])
        return Verdict(
            Move.REFUSE,
            f"without {cluster.here} there is only {staying}, which is no majority of {size}",
            "add a third member (an arbitrator where there are such), or set accept_outage and have the service away meanwhile",
        )
    trouble = _trouble(cluster)
    if trouble:
        return Verdict(Move.WAIT, f"{trouble}; never are two members away at once")
    return Verdict(Move.GO, f"{listed(cluster.names)} are in step, and {size - 1} of them stay")


def is_back(cluster: Cluster, before: Before | None = None) -> Verdict:
    """Whether this host's member is in step again, in the cluster that it left, and with all the others."""
    if before and cluster.id != before.id:
        return Verdict(
            Move.REFUSE,
            f"{cluster.here} is in the cluster {cluster.id or 'of itself alone'}, and was in {before.id or 'none'} before it went",
            "stop it: it has begun a cluster of its own, or joined another one, so its data or its configuration are not those of before",
        )
    if cluster.here not in cluster.names:
        return _no_member(cluster)
    gone = [name for name in before.names if name not in cluster.names] if before else []
    if gone:
        return Verdict(Move.WAIT, f"{listed(gone)} was in the cluster when {cluster.here} went, and is not now")
    trouble = _trouble(cluster)
    if trouble:
        return Verdict(Move.WAIT, trouble)
    return Verdict(Move.GO, f"{cluster.here} is in step" + (f" with {_others(cluster)}" if len(cluster.members) > 1 else ""))


def listed(names: tuple[str, ...] | list[str]) -> str:
    """Names in a sentence: "a, b and c"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _others(cluster: Cluster) -> str:
    return listed([name for name in cluster.names if name != cluster.here])


def _trouble(cluster: Cluster) -> str:
    """Why not all are in step; "" when they are. What all suffer from comes first, as it explains the rest."""
    found = [f"{member.name} {member.trouble}" for member in cluster.members if member.trouble]
    return ", ".join(([f"the cluster {cluster.trouble}"] if cluster.trouble else []) + found)


def _no_member(cluster: Cluster) -> Verdict:
    return Verdict(
        Move.REFUSE,
        f"{cluster.here or 'this host'} is no member of the cluster {cluster.id}, which has {listed(cluster.names)}",
        "is this the host that was meant, and does its client ask the member on it? Otherwise name the member as its cluster does",
    )
