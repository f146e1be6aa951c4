"""What etcd, Galera, RabbitMQ and Ceph's monitors say of their members, from the words of their own programs.

A member's trouble is said of it ("does not answer"); "" when it is in step with the others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Unclear(ValueError):
    """A program has not said what it is asked for."""


class Told(NamedTuple):
    """What was said of a cluster."""

    id: str
    here: str
    """The name of this host's member; it need not be among the members."""
    members: tuple[tuple[str, str], ...]
    """Names and troubles."""
    trouble: str = ""
    """Of the cluster as a whole."""


class EtcdMembers(NamedTuple):
    """`etcdctl member list --write-out json`."""

    cluster: int
    answering: int
    """The member that has answered."""
    members: tuple[Mapping[str, Any], ...]

    @classmethod
    def parse(cls, text: str) -> EtcdMembers:
        """Raises `Unclear`."""
        said = _json(text, "etcdctl member list")
        try:
            return cls(said["header"]["cluster_id"], said["header"]["member_id"], tuple(said["members"]))
        except (KeyError, TypeError):
            raise _unclear(text, "etcdctl member list") from None

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Where members are reached; one that has never started has no such place."""
        return tuple(member["clientURLs"][0] for member in self.members if member.get("clientURLs"))


class EtcdStatuses(NamedTuple):
    """`etcdctl endpoint status --write-out json`: of those that have answered."""

    by_endpoint: Mapping[str, Mapping[str, Any]]

    @classmethod
    def parse(cls, text: str) -> EtcdStatuses:
        """Raises `Unclear`."""
        said = _json(text, "etcdctl endpoint status")
        try:
            return cls({status["Endpoint"]: status["Status"] for status in said or ()})
        except (KeyError, TypeError):
            raise _unclear(text, "etcdctl endpoint status") from None

    @property
    def reached(self) -> int:
        """The index of raft's log that the furthest has."""
        return max((status.get("raftIndex", 0) for status in self.by_endpoint.values()), default=0)


def etcd(members: EtcdMembers, statuses: EtcdStatuses, *, reached: int, name: str = "") -> Told:
    """A cluster of etcd. `reached` is what `EtcdStatuses.reached` was at an earlier look: a member is caught up when it has applied that
    much, however fast the log grows. The member of this host is the one that has answered, or the one of this name.
    """
    answering = next((_etcd_name(member) for member in members.members if member["ID"] == members.answering), "")
    found = tuple((_etcd_name(member), _etcd_trouble(member, members.cluster, statuses, reached)) for member in members.members)
    leaders = {status.get("leader", 0) for status in statuses.by_endpoint.values()} - {0}
    trouble = "has no leader" if not leaders else "does not agree on a leader" if len(leaders) > 1 else ""
    return Told(f"{members.cluster:x}", name or answering, found, trouble)


def galera(text: str, size: int = 0) -> Told:
    """A Galera cluster: rows "name<tab>value" of `SHOW GLOBAL VARIABLES` and `SHOW GLOBAL STATUS`, those that begin with wsrep_.

    It has as many members as its wsrep_cluster_address names, or `size` when that is more: those that are not there are away. In which
    state another member is, only that one says. Raises `Unclear` while a server is not in its cluster.
    """
    said = dict(row.split("\t", 1) for row in text.splitlines() if "\t" in row)
    here = said.get("wsrep_node_name") or "this server"
    if said.get("wsrep_on", "OFF") != "ON" or said.get("wsrep_provider", "none") == "none":
        return Told("", here, ((here, ""),))
    there = [address or "an arbitrator" for address in said.get("wsrep_incoming_addresses", "").split(",")]
    cluster, own = said.get("wsrep_cluster_state_uuid", ""), int(said.get("wsrep_local_index", "0"))
    if not cluster.strip("0-") or own >= len(there):  # 2**64 - 1, while it is in none
        raise Unclear(f"{here} is in no cluster now, its state is {said.get('wsrep_local_state_comment') or 'none'}")
    members = [(here, _galera_trouble(said)) if index == own else (name, "") for index, name in enumerate(there)]
    named = [address for address in re.sub(r"^\w+://|\?.*", "", said.get("wsrep_cluster_address", "")).split(",") if address]
    away = max(size, len(named)) - int(said.get("wsrep_cluster_size", "0"))
    members += [(f"one of {', '.join(named) or size}", f"is away (there are {', '.join(there)})")] * away
    status = said.get("wsrep_cluster_status", "")
    trouble = "" if status == "Primary" else f"has no primary component ({status})"
    return Told(cluster, here, tuple(members), trouble)


def rabbitmq(text: str, here: str, critical: Mapping[str, str]) -> Told:
    """A RabbitMQ cluster: `rabbitmqctl cluster_status --formatter json`, and of nodes whose queues would suffer without them, why."""
    said = _json(text, "rabbitmqctl cluster_status")
    try:
        nodes = said.get("nodes") or {"disc": said["disk_nodes"], "ram": said.get("ram_nodes", [])}  # the first up to RabbitMQ 3.7
        running, name = set(said["running_nodes"]), said["cluster_name"]
    except (AttributeError, KeyError, TypeError):
        raise _unclear(text, "rabbitmqctl cluster_status") from None
    members = tuple(
        (node, "does not run" if node not in running else _on_one_line(critical.get(node, "")))
        for node in sorted({*nodes.get("disc", ()), *nodes.get("ram", ())})
    )
    troubles = [text for text, key in (("is partitioned", "partitions"), ("has alarms of its resources", "alarms")) if said.get(key)]
    return Told(name, here, members, " and ".join(troubles))


def ceph_mon(text: str, here: str) -> Told:
    """Ceph's monitors: `ceph quorum_status --format json`."""
    said = _json(text, "ceph quorum_status")
    try:
        inside, names = set(said["quorum_names"]), [monitor["name"] for monitor in said["monmap"]["mons"]]
        cluster = said["monmap"]["fsid"]
    except (KeyError, TypeError):
        raise _unclear(text, "ceph quorum_status") from None
    return Told(cluster, here, tuple((name, "" if name in inside else "is not in the quorum") for name in names))


def _etcd_name(member: Mapping[str, Any]) -> str:
    """The name that it was given; one that was added and has never started has none yet."""
    return member.get("name") or f"{member['ID']:x}"


def _etcd_trouble(member: Mapping[str, Any], cluster: int, statuses: EtcdStatuses, reached: int) -> str:
    places: Sequence[str] = member.get("clientURLs") or ()
    if not places:
        return "was added and has never started"
    status = statuses.by_endpoint.get(places[0])
    if status is None:
        return f"does not answer at {places[0]}"
    if status["header"]["cluster_id"] != cluster or status["header"]["member_id"] != member["ID"]:
        return f"is not who answers at {places[0]}"
    if member.get("isLearner"):
        return "is a learner, which has no vote"
    if status.get("errors"):
        return f"says: {'; '.join(status['errors'])}"
    behind = reached - status.get("raftAppliedIndex", status.get("raftIndex", 0))  # the first since etcd 3.4
    return f"is {behind} entries of the log behind" if behind > 0 else ""


def _galera_trouble(said: Mapping[str, str]) -> str:
    state = said.get("wsrep_local_state_comment", "")
    if state != "Synced":
        return f"is {state or 'in no state that it knows'}, and not Synced"
    return "" if said.get("wsrep_ready") == "ON" else "is not ready (wsrep_ready)"


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise _unclear(text, what) from None


def _unclear(text: str, what: str) -> Unclear:
    return Unclear(f"{what} has not said what it should: {_on_one_line(text)[:200] or 'nothing at all'}")
