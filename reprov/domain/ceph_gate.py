"""The gate of a Ceph cluster, for a host whose OSDs an upgrade stops: may they go, are they back, and whose is noout.

Pure, and taken along into generated projects as it is: standard library alone, Python 3.8.

Noout is set for the host alone (`ceph osd set-group`, Nautilus and newer), before that for the cluster. Whatever this sets is noted in the
cluster first, under `KEY`, with the rollout that it belongs to: what is not noted there is somebody else's, and stays. So nothing that a
crash leaves is taken for anybody else's, and another rollout takes it over when the lease in the note has run out.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

KEY = "reprov/noout"
"""Of the cluster's store of keys (`ceph config-key`)."""
CLUSTER = "*"
"""The scope of a noout that is set for the whole cluster."""
_FREE = "if nobody goes on with {0}: `ceph osd tree`, bring its OSDs up, and run its step 9 (`--limit {0} --tags step9`)"


class Osd(NamedTuple):
    """An OSD as the cluster has it."""

    uuid: str
    up: bool
    host: str
    """The bucket of type host that it is in, of the CRUSH map; "" when it is in none."""


class Own(NamedTuple):
    """An OSD as its files on the host have it."""

    uuid: str
    cluster: str


class Cluster(NamedTuple):
    """What the cluster says of itself."""

    fsid: str
    osds: Mapping[int, Osd]
    has_host_flags: bool
    """Whether it can have noout for a host alone."""
    noout: frozenset[str]
    """The scopes for which it is set: names of hosts, and `CLUSTER`."""
    unwell: str
    """What its health complains about beyond the baseline; "" for nothing."""
    unclean: str
    """The placement groups that are not active and clean, beyond the baseline; "" for none."""

    def are_up(self, ids: Iterable[int]) -> bool:
        """Whether all of these are."""
        return all(number in self.osds and self.osds[number].up for number in ids)


class Record(NamedTuple):
    """The note in the cluster."""

    owner: str
    """The rollout."""
    until: str
    """When its lease runs out: UTC, as in 2026-11-22T04:05:06Z."""
    scopes: tuple[str, ...]
    """Names of hosts, or `CLUSTER`, for which noout was not set before, and is now."""
    away: Mapping[str, Mapping[int, str]]
    """By host the OSDs that may be stopped: their ids, and their uuids."""

    def to_json(self) -> str:
        """As it is kept."""
        return json.dumps(self._asdict(), sort_keys=True)

    @classmethod
    def parse(cls, text: str) -> Record:
        """Read what `to_json` gave. Raises `ValueError` for anything else."""
        try:
            found = json.loads(text)
            away = {str(host): {int(number): str(uuid) for number, uuid in osds.items()} for host, osds in found["away"].items()}
            return cls(str(found["owner"]), str(found["until"]), tuple(map(str, found["scopes"])), away)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise ValueError(
                f"{KEY} in the cluster is no note of a rollout: {text[:80]!r}; see who has written it (`ceph config-key get {KEY}`), look "
                f"whether noout is set, and remove the key (`ceph config-key rm {KEY}`)"
            ) from None


class Turn(NamedTuple):
    """The host that it is about, and the rollout that asks."""

    owner: str
    host: str
    """Its name in the CRUSH map."""
    osds: Mapping[int, Own]
    """Those that run on it."""
    now: float
    lease_s: int


class Ask(NamedTuple):
    """Find out whether these OSDs may all stop at once."""

    osds: tuple[int, ...]


class Wait(NamedTuple):
    """Not yet, but it may come."""

    reason: str


class Refuse(NamedTuple):
    """It will not come by itself."""

    reason: str


class Save(NamedTuple):
    """Write the note, or remove it."""

    record: Record | None


class Flag(NamedTuple):
    """Set or unset noout."""

    scope: str
    on: bool


class Go(NamedTuple):
    """The gate is open, once this is done, in this order: an interruption in between leaves what a second run completes."""

    moves: tuple[Save | Flag, ...]
    said: str


def before_stop(cluster: Cluster, record: Record | None, turn: Turn, no_stop: str | None) -> Ask | Wait | Refuse | Go:
    """Whether the OSDs of a host may be stopped. `no_stop` is what the cluster says against it: None when it was not asked, "" for nothing.

    A host whose turn was interrupted is not kept from going on by what is unwell because its own OSDs are away.
    """
    if not turn.osds:
        return Go((), f"no OSD runs on {turn.host}")
    problem = _identity(cluster, turn)
    if problem:
        return Refuse(problem)
    if record and not _may_take(record, turn):
        return Wait(
            f"rollout {record.owner} has {_away(record) or 'noout'}, with a lease until {record.until}: see whether it goes on "
            "(`reprov rollout status`); after that time it is taken over"
        )
    ours = _taken_over(cluster, record, turn)
    if turn.host not in ours.away:
        reason = _strays(cluster, turn) or cluster.unwell
        if reason:
            return Wait(reason + (f"; away for rollout {ours.owner}: {_away(ours)}" if ours.away else ""))
    going = {**ours.away, turn.host: {**ours.away.get(turn.host, {}), **{number: cluster.osds[number].uuid for number in turn.osds}}}
    if no_stop is None:
        return Ask(tuple(sorted({number for osds in going.values() for number in osds if number in cluster.osds})))
    if no_stop:
        others = [host for host in ours.away if host != turn.host]
        beside = f" beside {_away(ours, others)}; {_FREE.format(others[0])}" if others else "; wait for recovery, `ceph pg dump_stuck`"
        return Wait(f"the cluster does not let {_named(turn.osds)} stop: {no_stop}{beside}")
    scope = turn.host if cluster.has_host_flags else CLUSTER
    if scope not in {*cluster.noout, *ours.scopes}:
        ours = ours._replace(scopes=(*ours.scopes, scope))
    moves = _saved(record, ours._replace(away=going), turn)
    if scope in ours.scopes and scope not in cluster.noout:
        moves += (Flag(scope, on=True),)
    return Go(moves, f"{_named(turn.osds)} of {turn.host} may stop")


def after_start(cluster: Cluster, record: Record | None, turn: Turn) -> Wait | Refuse | Go:
    """Whether the OSDs of a host that were stopped are back, and nothing is left of their absence."""
    problem = _identity(cluster, turn)
    if problem:
        return Refuse(problem)
    ours = record if record and record.owner == turn.owner else None
    gone = ours.away.get(turn.host, {}) if ours else {}
    other = [number for number, uuid in gone.items() if number not in cluster.osds or cluster.osds[number].uuid != uuid]
    if other:
        return Refuse(
            f"{_named(other)} of {turn.host} is not in the cluster any more as the one that was stopped: `ceph osd dump`; "
            "look for who made it anew, before any other host is touched"
        )
    down = [number for number in gone if not cluster.osds[number].up]
    if down:
        return Wait(f"{_named(down)} of {turn.host} is not up: `journalctl -u ceph-osd@{down[0]}` there, `reprov activate --plan`")
    if cluster.unclean:
        return Wait(cluster.unclean)
    if not ours or not gone:
        return Go((), f"nothing of {turn.host} is away")
    left = ours._replace(away={host: osds for host, osds in ours.away.items() if host != turn.host})
    return Go(_saved(record, left, turn), f"{_named(gone)} of {turn.host} is back")


def at_end(cluster: Cluster, record: Record | None, turn: Turn) -> Go:
    """Take noout back wherever the rollout has set it, or one that nobody goes on with; not for hosts whose OSDs are still away."""
    if record is None:
        return Go((), "no noout is of a rollout")
    if not _may_take(record, turn):
        return Go((), f"noout is of rollout {record.owner}, which takes it back itself; its lease runs until {record.until}")
    ours = _taken_over(cluster, record, turn)
    stays = tuple(scope for scope in ours.scopes if scope in ours.away or (scope == CLUSTER and ours.away))
    unset = tuple(Flag(scope, on=False) for scope in ours.scopes if scope in cluster.noout and scope not in stays)
    said = f"noout stays for {_away(ours)}: {_FREE.format(next(iter(ours.away)))}" if ours.away else "no noout is left of the rollout"
    return Go((*unset, *_saved(record, ours._replace(scopes=stays), turn)), said)


def healthy(cluster: Cluster) -> Wait | Go:
    """Whether the cluster complains about nothing but what is declared, or comes with an upgrade."""
    return Wait(cluster.unwell) if cluster.unwell else Go((), "Ceph is as well as it should be")


def cluster_of(status: Mapping[str, Any], osd_dump: Mapping[str, Any], osd_tree: Mapping[str, Any], unwell: str, unclean: str) -> Cluster:
    """What `ceph status`, `ceph osd dump` and `ceph osd tree` say in JSON, and what is wrong with it."""
    nodes = osd_tree["nodes"]
    hosts = {number: node["name"] for node in nodes if node["type"] == "host" for number in node["children"]}
    noout = {name for name, flags in osd_dump.get("crush_node_flags", {}).items() if "noout" in flags}
    return Cluster(
        fsid=status["fsid"],
        osds={osd["osd"]: Osd(osd["uuid"], bool(osd["up"]), hosts.get(osd["osd"], "")) for osd in osd_dump["osds"]},
        has_host_flags="crush_node_flags" in osd_dump,
        noout=frozenset({*noout, *([CLUSTER] if "noout" in osd_dump["flags"].split(",") else [])}),
        unwell=unwell,
        unclean=unclean,
    )


def _identity(cluster: Cluster, turn: Turn) -> str:
    """What is against the OSDs of the host being the cluster's under these ids; "" for nothing."""
    for number, own in sorted(turn.osds.items()):
        osd = cluster.osds.get(number)
        if own.cluster != cluster.fsid:
            return (
                f"the cluster that answers is {cluster.fsid}, and osd.{number} of {turn.host} is of cluster {own.cluster or 'unknown'}: "
                "see which one /etc/ceph/ceph.conf names, and that the files of the OSD are where they are looked for"
            )
        if osd is None or osd.uuid != own.uuid:
            known = osd.uuid if osd else "unknown"
            return f"osd.{number} of {turn.host} is {own.uuid}, and in the cluster {known}: compare `ceph osd dump`"
        if osd.host != turn.host:
            return (
                f"osd.{number} runs on {turn.host}, and the CRUSH map has it on {osd.host or 'no host'}: mend the map "
                "(`ceph osd crush move`), or say what the map calls this host (ceph_osd_host)"
            )
    return ""


def _may_take(record: Record, turn: Turn) -> bool:
    return record.owner == turn.owner or record.until <= _clock(turn.now)


def _taken_over(cluster: Cluster, record: Record | None, turn: Turn) -> Record:
    """The note as this rollout's. Nobody is about to stop what an owner that is gone has left up."""
    if record is None:
        return Record(turn.owner, "", (), {})
    if record.owner == turn.owner:
        return record
    return record._replace(owner=turn.owner, away={host: osds for host, osds in record.away.items() if not cluster.are_up(osds)})


def _saved(before: Record | None, after: Record, turn: Turn) -> tuple[Save | Flag, ...]:
    """Write what has changed. The lease is renewed with it, or when half of it is over: a second run changes nothing."""
    if not after.scopes and not after.away:
        return (Save(None),)
    if before == after and before.until > _clock(turn.now + turn.lease_s / 2):
        return ()
    return (Save(after._replace(until=_clock(turn.now + turn.lease_s))),)


def _strays(cluster: Cluster, turn: Turn) -> str:
    strays = [number for number, osd in cluster.osds.items() if osd.up and osd.host == turn.host and number not in turn.osds]
    return f"{_named(strays)} is up in the cluster on {turn.host}, and no unit of it runs there: see what does" if strays else ""


def _named(numbers: Iterable[int]) -> str:
    return ", ".join(f"osd.{number}" for number in sorted(numbers))


def _away(record: Record, hosts: Sequence[str] = ()) -> str:
    return ", ".join(f"{_named(osds)} of {host}" for host, osds in record.away.items() if not hosts or host in hosts)


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
