"""When the OSDs of a host may go, when they are back, and whose noout is taken back: tables of a cluster with three hosts."""

from collections.abc import Mapping
from typing import Any

import pytest

from reprov.domain.ceph_gate import (
    CLUSTER,
    Ask,
    Cluster,
    Flag,
    Go,
    Osd,
    Own,
    Record,
    Refuse,
    Save,
    Turn,
    Wait,
    after_start,
    at_end,
    before_stop,
    cluster_of,
    healthy,
)

FSID = "5b3c0000-0000-4000-8000-000000000000"
NOW = 1_800_000_000.0
LATER, PAST, SOON = "2027-01-15T14:00:00Z", "2027-01-15T07:59:59Z", "2027-01-15T10:59:59Z"
"""Of 08:00:00: the end of a lease of six hours, one that has run out, and one with less than half of it left."""


def a_cluster(*, down: frozenset[int] = frozenset(), **fields: Any) -> Cluster:
    osds = {number: Osd(f"uuid-{number}", number not in down, f"osd-{number // 2 + 1}") for number in range(6)}
    given: dict[str, Any] = {
        "fsid": FSID,
        "osds": osds,
        "has_host_flags": True,
        "noout": frozenset(),
        "unwell": "",
        "unclean": "",
        **fields,
    }
    return Cluster(**given)


def own(*numbers: int, cluster: str = FSID) -> dict[int, Own]:
    return {number: Own(f"uuid-{number}", cluster) for number in numbers}


def a_turn(owner: str = "may", host: str = "osd-1", osds: Mapping[int, Own] | None = None) -> Turn:
    return Turn(owner, host, own(0, 1) if osds is None else osds, NOW, 6 * 3600)


def a_record(owner: str = "may", until: str = LATER, scopes: tuple[str, ...] = ("osd-1",), **away: tuple[int, ...]) -> Record:
    hosts = {host.replace("_", "-"): {number: f"uuid-{number}" for number in numbers} for host, numbers in away.items()}
    return Record(owner, until, scopes, hosts)


FRESH = a_cluster()
SET = a_cluster(noout=frozenset({"osd-1"}))
OPENED = a_record(osd_1=(0, 1))

MAY_STOP: dict[str, tuple[Cluster, Record | None, Turn, str | None, Any]] = {
    "the cluster is asked about every OSD of the host": (FRESH, None, a_turn(), None, Ask((0, 1))),
    "what is away already is asked about, too, whether or not it has stopped": (
        *(FRESH, a_record(scopes=("osd-3",), osd_3=(4, 5)), a_turn(), None, Ask((0, 1, 4, 5))),
    ),
    "an OSD that is away and was removed since is not asked about": (
        *(FRESH, a_record(scopes=("osd-3",), osd_3=(4, 9)), a_turn(), None, Ask((0, 1, 4))),
    ),
    "noout is noted, then set for the host": (
        *(FRESH, None, a_turn(), ""),
        Go((Save(OPENED), Flag("osd-1", on=True)), "osd.0, osd.1 of osd-1 may stop"),
    ),
    "before Nautilus it is set for the cluster": (
        *(a_cluster(has_host_flags=False), None, a_turn(), ""),
        Go((Save(a_record(scopes=(CLUSTER,), osd_1=(0, 1))), Flag(CLUSTER, on=True)), "osd.0, osd.1 of osd-1 may stop"),
    ),
    "before Nautilus a second host needs no other": (
        *(a_cluster(has_host_flags=False, noout=frozenset({CLUSTER})), a_record(scopes=(CLUSTER,)), a_turn(), ""),
        Go((Save(a_record(scopes=(CLUSTER,), osd_1=(0, 1))),), "osd.0, osd.1 of osd-1 may stop"),
    ),
    "noout of somebody else for the host is not noted, and so stays": (
        *(SET, None, a_turn(), ""),
        Go((Save(a_record(scopes=(), osd_1=(0, 1))),), "osd.0, osd.1 of osd-1 may stop"),
    ),
    "noout of somebody else for the cluster may go while the host is away: it gets its own": (
        *(a_cluster(noout=frozenset({CLUSTER})), None, a_turn(), ""),
        Go((Save(OPENED), Flag("osd-1", on=True)), "osd.0, osd.1 of osd-1 may stop"),
    ),
    "a second run changes nothing": (SET, OPENED, a_turn(), "", Go((), "osd.0, osd.1 of osd-1 may stop")),
    "a second run with half of the lease gone renews it": (
        *(SET, OPENED._replace(until=SOON), a_turn(), ""),
        Go((Save(OPENED),), "osd.0, osd.1 of osd-1 may stop"),
    ),
    "interrupted between the note and the flag, the flag is set": (
        *(FRESH, OPENED, a_turn(), ""),
        Go((Flag("osd-1", on=True),), "osd.0, osd.1 of osd-1 may stop"),
    ),
    "interrupted while they were stopping, what they leave behind keeps nobody from going on": (
        *(a_cluster(down=frozenset({0}), noout=frozenset({"osd-1"}), unwell="OSD_DOWN"), OPENED, a_turn(osds=own(1)), ""),
        Go((), "osd.1 of osd-1 may stop"),
    ),
    "where nothing runs there is nothing to ask": (FRESH, None, a_turn(osds={}), None, Go((), "no OSD runs on osd-1")),
    "the rollout's other hosts keep theirs": (
        *(a_cluster(noout=frozenset({"osd-3"})), a_record(scopes=("osd-3",)), a_turn(), ""),
        Go((Save(a_record(scopes=("osd-3", "osd-1"), osd_1=(0, 1))), Flag("osd-1", on=True)), "osd.0, osd.1 of osd-1 may stop"),
    ),
    "what a rollout whose lease has run out has set is taken over": (
        *(a_cluster(noout=frozenset({"osd-3"})), a_record("april", PAST, ("osd-3",), osd_3=(4, 5)), a_turn(), ""),
        Go((Save(a_record(scopes=("osd-3", "osd-1"), osd_1=(0, 1))), Flag("osd-1", on=True)), "osd.0, osd.1 of osd-1 may stop"),
    ),
    "what it has left down is still away": (
        *(a_cluster(down=frozenset({5})), a_record("april", PAST, (), osd_3=(4, 5)), a_turn(), None, Ask((0, 1, 4, 5))),
    ),
    "another rollout whose lease runs is waited for": (
        *(FRESH, a_record("april", LATER, osd_3=(4, 5)), a_turn(), None),
        Wait(
            f"rollout april has osd.4, osd.5 of osd-3, with a lease until {LATER}: see whether it goes on (`reprov rollout status`); "
            "after that time it is taken over"
        ),
    ),
    "health that is not well is waited for": (a_cluster(unwell="Ceph is not well: X"), None, a_turn(), None, Wait("Ceph is not well: X")),
    "health that is not well is told with what is away": (
        *(a_cluster(unwell="Ceph is not well: X"), a_record(osd_2=(2, 3)), a_turn(), None),
        Wait("Ceph is not well: X; away for rollout may: osd.2, osd.3 of osd-2"),
    ),
    "an OSD of the host that no unit runs is waited for": (
        *(FRESH, None, a_turn(osds=own(0)), None, Wait("osd.1 is up in the cluster on osd-1, and no unit of it runs there: see what does")),
    ),
    "a cluster that cannot do without them is waited for": (
        *(FRESH, None, a_turn(), "unsafe to stop osd(s)"),
        Wait("the cluster does not let osd.0, osd.1 stop: unsafe to stop osd(s); wait for recovery, `ceph pg dump_stuck`"),
    ),
    "a cluster that cannot do without them and another host says which": (
        *(FRESH, a_record(osd_2=(2, 3)), a_turn(), "unsafe to stop osd(s)"),
        Wait(
            "the cluster does not let osd.0, osd.1 stop: unsafe to stop osd(s) beside osd.2, osd.3 of osd-2; if nobody goes on with osd-2: "
            "`ceph osd tree`, bring its OSDs up, and run its step 9 (`--limit osd-2 --tags step9`)"
        ),
    ),
    "another cluster is refused": (
        *(FRESH, None, a_turn(osds=own(0, 1, cluster="ffff")), None),
        Refuse(
            f"the cluster that answers is {FSID}, and osd.0 of osd-1 is of cluster ffff: see which one /etc/ceph/ceph.conf names, and that "
            "the files of the OSD are where they are looked for"
        ),
    ),
    "an OSD without files is of no cluster, and refused": (
        *(FRESH, None, a_turn(osds={0: Own("", "")}), None),
        Refuse(
            f"the cluster that answers is {FSID}, and osd.0 of osd-1 is of cluster unknown: see which one /etc/ceph/ceph.conf names, and "
            "that the files of the OSD are where they are looked for"
        ),
    ),
    "an OSD whose id another one has by now is refused": (
        *(FRESH, None, a_turn(osds={0: Own("uuid-old", FSID)}), None),
        Refuse("osd.0 of osd-1 is uuid-old, and in the cluster uuid-0: compare `ceph osd dump`"),
    ),
    "an OSD that the cluster does not have is refused": (
        *(FRESH, None, a_turn(osds=own(9)), None),
        Refuse("osd.9 of osd-1 is uuid-9, and in the cluster unknown: compare `ceph osd dump`"),
    ),
    "an OSD that the CRUSH map has elsewhere is refused": (
        *(FRESH, None, a_turn(host="osd-2"), None),
        Refuse(
            "osd.0 runs on osd-2, and the CRUSH map has it on osd-1: mend the map (`ceph osd crush move`), or say what the map calls this "
            "host (ceph_osd_host)"
        ),
    ),
}


@pytest.mark.parametrize(("cluster", "record", "turn", "no_stop", "expected"), MAY_STOP.values(), ids=MAY_STOP)
def test_before_osds_are_stopped(cluster: Cluster, record: Record | None, turn: Turn, no_stop: str | None, expected: object) -> None:
    assert before_stop(cluster, record, turn, no_stop) == expected


BACK: dict[str, tuple[Cluster, Record | None, Turn, object]] = {
    "all are up, and noout stays for the rollout": (*(SET, OPENED, a_turn(), Go((Save(a_record()),), "osd.0, osd.1 of osd-1 is back")),),
    "a note of which nothing is left is removed": (
        *(SET, a_record(scopes=(), osd_1=(0, 1)), a_turn(), Go((Save(None),), "osd.0, osd.1 of osd-1 is back")),
    ),
    "a second run changes nothing": (SET, a_record(), a_turn(), Go((), "nothing of osd-1 is away")),
    "without a note there is only the cluster to wait for": (FRESH, None, a_turn(), Go((), "nothing of osd-1 is away")),
    "the note of another rollout is left alone": (SET, OPENED._replace(owner="june"), a_turn(), Go((), "nothing of osd-1 is away")),
    "one that does not come up is waited for": (
        *(a_cluster(down=frozenset({1})), OPENED, a_turn(osds=own(0, 1))),
        Wait("osd.1 of osd-1 is not up: `journalctl -u ceph-osd@1` there, `reprov activate --plan`"),
    ),
    "one that does not run is missed, too": (
        *(a_cluster(down=frozenset({0, 1})), OPENED, a_turn(osds={})),
        Wait("osd.0, osd.1 of osd-1 is not up: `journalctl -u ceph-osd@0` there, `reprov activate --plan`"),
    ),
    "placement groups that are not clean are waited for": (a_cluster(unclean="3 peering"), OPENED, a_turn(), Wait("3 peering")),
    "one that was made anew is refused": (
        *(FRESH, OPENED._replace(away={"osd-1": {0: "uuid-0", 1: "uuid-of-before"}}), a_turn()),
        Refuse(
            "osd.1 of osd-1 is not in the cluster any more as the one that was stopped: `ceph osd dump`; look for who made it anew, before "
            "any other host is touched"
        ),
    ),
    "one that is gone from the cluster is refused": (
        *(FRESH, a_record(osd_1=(9,)), a_turn()),
        Refuse(
            "osd.9 of osd-1 is not in the cluster any more as the one that was stopped: `ceph osd dump`; look for who made it anew, before "
            "any other host is touched"
        ),
    ),
}


@pytest.mark.parametrize(("cluster", "record", "turn", "expected"), BACK.values(), ids=BACK)
def test_after_osds_are_started(cluster: Cluster, record: Record | None, turn: Turn, expected: object) -> None:
    assert after_start(cluster, record, turn) == expected


def test_osds_of_another_cluster_are_refused_after_the_start_too() -> None:
    assert isinstance(after_start(FRESH, OPENED, a_turn(osds=own(0, cluster="ffff"))), Refuse)


BOTH = a_cluster(noout=frozenset({"osd-1", "osd-2", "osd-3", CLUSTER}))
STAYS = (
    "noout stays for osd.2, osd.3 of osd-2: if nobody goes on with osd-2: `ceph osd tree`, bring its OSDs up, and run its step 9 "
    "(`--limit osd-2 --tags step9`)"
)
END: dict[str, tuple[Cluster, Record | None, Go]] = {
    "what the rollout has set is taken back, the note last; what others have set stays": (
        *(BOTH, a_record(scopes=("osd-1", "osd-2"))),
        Go((Flag("osd-1", on=False), Flag("osd-2", on=False), Save(None)), "no noout is left of the rollout"),
    ),
    "interrupted in the middle, the rest is taken back": (
        *(a_cluster(noout=frozenset({"osd-2"})), a_record(scopes=("osd-1", "osd-2"))),
        Go((Flag("osd-2", on=False), Save(None)), "no noout is left of the rollout"),
    ),
    "before Nautilus it is that of the cluster": (
        *(a_cluster(has_host_flags=False, noout=frozenset({CLUSTER})), a_record(scopes=(CLUSTER,))),
        Go((Flag(CLUSTER, on=False), Save(None)), "no noout is left of the rollout"),
    ),
    "a host whose OSDs are away keeps it": (
        *(BOTH, a_record(scopes=("osd-1", "osd-2"), osd_2=(2, 3))),
        Go((Flag("osd-1", on=False), Save(a_record(scopes=("osd-2",), osd_2=(2, 3)))), STAYS),
    ),
    "while any is away, the cluster keeps it": (*(BOTH, a_record(scopes=(CLUSTER,), osd_2=(2, 3)), Go((), STAYS)),),
    "a second run changes nothing": (FRESH, None, Go((), "no noout is of a rollout")),
    "what another rollout has set stays while its lease runs": (
        *(BOTH, a_record("june")),
        Go((), f"noout is of rollout june, which takes it back itself; its lease runs until {LATER}"),
    ),
    "what one has set whose lease has run out is taken back, when its OSDs are up": (
        *(BOTH, a_record("april", PAST, ("osd-1",), osd_1=(0, 1))),
        Go((Flag("osd-1", on=False), Save(None)), "no noout is left of the rollout"),
    ),
    "what one has set whose lease has run out, and that is down, is taken over": (
        *(a_cluster(down=frozenset({2}), noout=frozenset({"osd-2"})), a_record("april", PAST, ("osd-2",), osd_2=(2, 3))),
        Go((Save(a_record(scopes=("osd-2",), osd_2=(2, 3))),), STAYS),
    ),
}


@pytest.mark.parametrize(("cluster", "record", "expected"), END.values(), ids=END)
def test_at_the_end_of_the_rollout(cluster: Cluster, record: Record | None, expected: Go) -> None:
    assert at_end(cluster, record, a_turn(osds={})) == expected


def test_a_cluster_is_healthy_or_says_why_not() -> None:
    assert healthy(FRESH) == Go((), "Ceph is as well as it should be")
    assert healthy(a_cluster(unwell="X")) == Wait("X")


def test_a_note_is_read_as_it_was_written() -> None:
    assert Record.parse(OPENED.to_json()) == OPENED
    assert Record.parse(f"{OPENED.to_json()}\n") == OPENED


@pytest.mark.parametrize("text", ["", "ceph-osd 2.0", "[]", '{"owner": "may"}', '{"owner": "may", "until": "", "scopes": [], "away": []}'])
def test_what_is_no_note_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"reprov/noout in the cluster is no note of a rollout: .*`ceph config-key rm reprov/noout`"):
        Record.parse(text)


TREE = {
    "nodes": [
        {"id": -1, "name": "default", "type": "root", "children": [-2]},
        {"id": -2, "name": "osd-1", "type": "host", "children": [0]},
        {"id": 0, "name": "osd.0", "type": "osd"},
    ],
    "stray": [{"id": 1, "name": "osd.1", "type": "osd"}],
}
DUMP = {"flags": "sortbitwise,noout", "osds": [{"osd": 0, "uuid": "a", "up": 1}, {"osd": 1, "uuid": "b", "up": 0}]}


def test_a_cluster_as_it_says_itself() -> None:
    dump = {**DUMP, "crush_node_flags": {"osd-1": ["noin", "noout"], "osd-2": ["noup"]}}
    found = cluster_of({"fsid": FSID}, dump, TREE, "not well", "not clean")
    osds = {0: Osd("a", True, "osd-1"), 1: Osd("b", False, "")}
    assert found == Cluster(FSID, osds, True, frozenset({"osd-1", CLUSTER}), "not well", "not clean")


def test_a_cluster_before_nautilus_has_no_flags_of_hosts() -> None:
    found = cluster_of({"fsid": FSID}, DUMP, TREE, "", "")
    assert (found.has_host_flags, found.noout) == (False, frozenset({CLUSTER}))
