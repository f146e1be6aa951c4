"""What the programs of clusters say, as they say it."""

import json
from typing import Any

import pytest

from reprov.domain.quorum_answers import EtcdMembers, EtcdStatuses, Told, Unclear, ceph_mon, etcd, galera, rabbitmq

IDS = {"a": 6598929098562179454, "b": 8088786560411510159, "c": 13487502627470054085}
CLUSTER = 5716013975821197444


def etcd_members(answering: str = "a", **changed: dict[str, Any]) -> EtcdMembers:
    """As etcd 3.4 lists them."""
    members = [
        {"ID": IDS[name], "name": name, "peerURLs": [f"http://{name}:2380"], "clientURLs": [f"http://{name}:2379"]} | changed.get(name, {})
        for name in IDS
    ]
    header = {"cluster_id": CLUSTER, "member_id": IDS[answering], "raft_term": 2}
    return EtcdMembers.parse(json.dumps({"header": header, "members": members}))


def etcd_statuses(*silent: str, **changed: dict[str, Any]) -> EtcdStatuses:
    """As etcd 3.4 tells them, without those that are silent."""
    found = []
    for name in IDS:
        status = {
            "header": {"cluster_id": CLUSTER, "member_id": IDS[name], "revision": 1, "raft_term": 2},
            **{"version": "3.4.23", "dbSize": 20480, "leader": IDS["a"], "raftIndex": 8, "raftTerm": 2, "raftAppliedIndex": 8},
        }
        if name not in silent:
            found.append({"Endpoint": f"http://{name}:2379", "Status": status | changed.get(name, {})})
    return EtcdStatuses.parse(json.dumps(found))


def test_etcd_when_all_is_well() -> None:
    members = etcd_members("b")
    assert members.endpoints == ("http://a:2379", "http://b:2379", "http://c:2379")
    assert etcd(members, etcd_statuses(), reached=8) == Told(f"{CLUSTER:x}", "b", (("a", ""), ("b", ""), ("c", "")))


@pytest.mark.parametrize(
    ("statuses", "troubles"),
    [
        pytest.param(etcd_statuses("c"), {"c": "does not answer at http://c:2379"}, id="one is silent"),
        pytest.param(etcd_statuses(b={"raftAppliedIndex": 5}), {"b": "is 3 entries of the log behind"}, id="one is behind"),
        pytest.param(etcd_statuses(b={"raftAppliedIndex": 800, "raftIndex": 800}), {}, id="one has gone on since the last look"),
        pytest.param(
            etcd_statuses(b={"errors": ["memberID:1 alarm:NOSPACE "]}), {"b": "says: memberID:1 alarm:NOSPACE "}, id="one has an alarm"
        ),
        pytest.param(
            etcd_statuses(c={"header": {"cluster_id": 7, "member_id": IDS["c"]}}),
            {"c": "is not who answers at http://c:2379"},
            id="at the place of one, another cluster answers",
        ),
        pytest.param(
            etcd_statuses(c={"header": {"cluster_id": CLUSTER, "member_id": 7}}),
            {"c": "is not who answers at http://c:2379"},
            id="at the place of one, another member answers",
        ),
    ],
)
def test_the_trouble_of_members_of_etcd(statuses: EtcdStatuses, troubles: dict[str, str]) -> None:
    assert dict(etcd(etcd_members(), statuses, reached=8).members) == {"a": "", "b": "", "c": ""} | troubles


def test_a_member_has_to_have_what_the_furthest_had_at_an_earlier_look() -> None:
    told = etcd(etcd_members(), etcd_statuses(b={"raftAppliedIndex": 12}, c={"raftAppliedIndex": 13}), reached=12)
    assert dict(told.members) == {"a": "is 4 entries of the log behind", "b": "", "c": ""}


def test_etcd_up_to_3_3_does_not_say_what_it_has_applied() -> None:
    old = {"header": {"cluster_id": CLUSTER, "member_id": IDS["a"]}, "leader": IDS["a"], "raftIndex": 6}
    statuses = EtcdStatuses.parse(json.dumps([{"Endpoint": "http://a:2379", "Status": old}]))
    assert etcd(etcd_members(), statuses, reached=8).members[0] == ("a", "is 2 entries of the log behind")


@pytest.mark.parametrize(
    ("changed", "trouble"),
    [
        pytest.param({"isLearner": True}, ("c", "is a learner, which has no vote"), id="a learner"),
        pytest.param({"name": "", "clientURLs": None}, (f"{IDS['c']:x}", "was added and has never started"), id="one that never started"),
    ],
)
def test_a_member_of_etcd_that_joins(changed: dict[str, Any], trouble: tuple[str, str]) -> None:
    assert etcd(etcd_members(c=changed), etcd_statuses(), reached=8).members[2] == trouble


@pytest.mark.parametrize(
    ("statuses", "trouble"),
    [
        pytest.param(etcd_statuses(), "", id="one leader"),
        pytest.param(etcd_statuses(a={"leader": 0}, b={"leader": 0}, c={"leader": 0}), "has no leader", id="nobody knows one"),
        pytest.param(etcd_statuses("a", "b", "c"), "has no leader", id="nobody answers"),
        pytest.param(etcd_statuses(b={"leader": IDS["b"]}), "does not agree on a leader", id="two, in the middle of an election"),
    ],
)
def test_the_leader_of_etcd(statuses: EtcdStatuses, trouble: str) -> None:
    assert etcd(etcd_members(), statuses, reached=8).trouble == trouble


def test_which_member_of_etcd_this_host_has() -> None:
    assert etcd(etcd_members(), etcd_statuses(), reached=8, name="c").here == "c"
    assert etcd(etcd_members(), etcd_statuses(), reached=8, name="another").here == "another"
    stranger = etcd_members()._replace(answering=7)
    assert etcd(stranger, etcd_statuses(), reached=8).here == ""


def test_how_far_the_log_of_etcd_is() -> None:
    assert etcd_statuses(b={"raftIndex": 11}).reached == 11
    assert EtcdStatuses.parse("null").reached == 0


WSREP = {
    "wsrep_on": "ON",
    "wsrep_provider": "/usr/lib/galera/libgalera_smm.so",
    "wsrep_cluster_address": "gcomm://10.0.0.1,10.0.0.2,10.0.0.3?pc.wait_prim=no",
    "wsrep_node_name": "db2",
    "wsrep_cluster_size": "3",
    "wsrep_cluster_state_uuid": "0eb21b31",
    "wsrep_cluster_status": "Primary",
    "wsrep_incoming_addresses": "10.0.0.1:3306,10.0.0.2:3306,10.0.0.3:3306",
    "wsrep_local_index": "1",
    "wsrep_local_state_comment": "Synced",
    "wsrep_ready": "ON",
}
OTHERS = (("10.0.0.1:3306", ""), ("db2", ""), ("10.0.0.3:3306", ""))


def wsrep(**changed: str) -> str:
    return "".join(f"{name}\t{value}\n" for name, value in (WSREP | changed).items())


def test_galera_when_all_is_well() -> None:
    assert galera(wsrep()) == Told("0eb21b31", "db2", OTHERS)


@pytest.mark.parametrize(
    ("changed", "member"),
    [
        pytest.param({"wsrep_local_state_comment": "Donor/Desynced"}, "is Donor/Desynced, and not Synced", id="a donor"),
        pytest.param({"wsrep_local_state_comment": "Joined"}, "is Joined, and not Synced", id="a joiner"),
        pytest.param({"wsrep_local_state_comment": ""}, "is in no state that it knows, and not Synced", id="none"),
        pytest.param({"wsrep_ready": "OFF"}, "is not ready (wsrep_ready)", id="not ready"),
    ],
)
def test_the_state_of_this_member_of_galera(changed: dict[str, str], member: str) -> None:
    assert galera(wsrep(**changed)).members == (OTHERS[0], ("db2", member), OTHERS[2])


@pytest.mark.parametrize(
    ("changed", "state"),
    [
        pytest.param(
            {
                "wsrep_local_state_comment": "Joining: receiving State Transfer",
                "wsrep_cluster_size": "0",
                "wsrep_cluster_state_uuid": "",
                "wsrep_cluster_status": "non-Primary",
                "wsrep_local_index": "18446744073709551615",
                "wsrep_ready": "OFF",
            },
            "Joining: receiving State Transfer",
            id="it is being sent the state of another one",
        ),
        pytest.param(
            {"wsrep_local_state_comment": "", "wsrep_cluster_state_uuid": "00000000-0000-0000-0000-000000000000"}, "none", id="it starts"
        ),
        pytest.param(
            {"wsrep_local_state_comment": "Initialized", "wsrep_local_index": "18446744073709551615"}, "Initialized", id="it is cut off"
        ),
    ],
)
def test_a_server_that_its_galera_cluster_has_not_received(changed: dict[str, str], state: str) -> None:
    with pytest.raises(Unclear, match=f"^db2 is in no cluster now, its state is {state}$"):
        galera(wsrep(**changed))


def test_members_that_galera_has_lost() -> None:
    text = wsrep(wsrep_cluster_size="2", wsrep_incoming_addresses="10.0.0.1:3306,10.0.0.2:3306")
    away = ("one of 10.0.0.1, 10.0.0.2, 10.0.0.3", "is away (there are 10.0.0.1:3306, 10.0.0.2:3306)")
    assert galera(text).members == (*OTHERS[:2], away)


def test_an_arbitrator_of_galera_is_counted_where_the_size_says_so() -> None:
    two = {"wsrep_cluster_address": "gcomm://10.0.0.1,10.0.0.2"}
    there = galera(wsrep(wsrep_incoming_addresses="10.0.0.1:3306,10.0.0.2:3306,", **two), size=3)
    assert there.members == (*OTHERS[:2], ("an arbitrator", ""))
    gone = galera(wsrep(wsrep_incoming_addresses="10.0.0.1:3306,10.0.0.2:3306", wsrep_cluster_size="2", **two), size=3)
    assert gone.members[2] == ("one of 10.0.0.1, 10.0.0.2", "is away (there are 10.0.0.1:3306, 10.0.0.2:3306)")


def test_a_part_of_galera_without_a_majority() -> None:
    assert galera(wsrep(wsrep_cluster_status="non-Primary")).trouble == "has no primary component (non-Primary)"


@pytest.mark.parametrize(
    "text", [pytest.param("", id="no wsrep"), wsrep(wsrep_on="OFF"), wsrep(wsrep_provider="none")], ids=["no wsrep", "off", "no provider"]
)
def test_a_server_that_is_no_member_of_a_galera_cluster(text: str) -> None:
    told = galera(text)
    assert (told.id, told.members, told.trouble) == ("", ((told.here, ""),), "")


RABBIT = {
    "alarms": [],
    "cluster_name": "rabbit@r1",
    "disk_nodes": ["rabbit@r1", "rabbit@r2", "rabbit@r3"],
    "partitions": {},
    "ram_nodes": [],
    "running_nodes": ["rabbit@r1", "rabbit@r2", "rabbit@r3"],
}


def rabbit(**changed: Any) -> Told:
    return rabbitmq(json.dumps(RABBIT | changed), "rabbit@r1", {})


def test_rabbitmq_when_all_is_well() -> None:
    assert rabbit() == Told("rabbit@r1", "rabbit@r1", (("rabbit@r1", ""), ("rabbit@r2", ""), ("rabbit@r3", "")))


def test_the_trouble_of_nodes_of_rabbitmq() -> None:
    text = json.dumps(RABBIT | {"running_nodes": ["rabbit@r1", "rabbit@r3"]})
    told = rabbitmq(text, "rabbit@r1", {"rabbit@r1": "has queues that only it has: Error:\n  queue q in vhost /\n"})
    assert told.members == (
        ("rabbit@r1", "has queues that only it has: Error: queue q in vhost /"),
        ("rabbit@r2", "does not run"),
        ("rabbit@r3", ""),
    )


@pytest.mark.parametrize(
    ("changed", "trouble"),
    [
        pytest.param({"partitions": {"rabbit@r1": ["rabbit@r2"]}}, "is partitioned", id="a partition"),
        pytest.param({"alarms": [{"node": "rabbit@r2", "resource": "memory"}]}, "has alarms of its resources", id="an alarm"),
        pytest.param({"partitions": [1], "alarms": [2]}, "is partitioned and has alarms of its resources", id="both"),
    ],
)
def test_the_trouble_of_a_rabbitmq_cluster(changed: dict[str, Any], trouble: str) -> None:
    assert rabbit(**changed).trouble == trouble


def test_rabbitmq_up_to_3_7_and_a_node_without_a_disk() -> None:
    old = {"nodes": {"disc": ["rabbit@r1"], "ram": ["rabbit@r2"]}, "running_nodes": ["rabbit@r1"], "cluster_name": "c", "partitions": []}
    assert rabbitmq(json.dumps(old), "rabbit@r1", {}).members == (("rabbit@r1", ""), ("rabbit@r2", "does not run"))


def test_monitors_of_ceph() -> None:
    text = json.dumps({"quorum_names": ["a", "c"], "monmap": {"fsid": "f1", "mons": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}})
    assert ceph_mon(text, "a") == Told("f1", "a", (("a", ""), ("b", "is not in the quorum"), ("c", "")))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("", "nothing at all", id="nothing"),
        pytest.param("Error:\n no\n", "Error: no", id="words"),
        pytest.param("7", "7", id="a number"),
        pytest.param("[1]", r"\[1\]", id="a list"),
    ],
)
def test_what_is_no_answer(text: str, told: str) -> None:
    for read in (EtcdMembers.parse, EtcdStatuses.parse, lambda text: ceph_mon(text, "a"), lambda text: rabbitmq(text, "a", {})):
        with pytest.raises(Unclear, match=f" has not said what it should: {told}$"):
            read(text)
