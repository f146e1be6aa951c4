"""What a cluster complains about beyond what is declared."""

from typing import Any

import pytest

from reprov.domain.ceph_health import unclean, unwell

NO_MANAGER = "no manager of Ceph is active, and nobody counts placement groups: `ceph mgr stat`, start one"


def said(*codes: str, muted: tuple[str, ...] = (), available: bool = True) -> dict[str, Any]:
    checks = {code: {"severity": "HEALTH_WARN", "summary": {"message": code.lower()}, "muted": code in muted} for code in codes}
    return {"health": {"status": "HEALTH_WARN", "checks": checks}, "mgrmap": {"available": available}}


def a_dump(flags: str = "sortbitwise", **finer: dict[str, list[str]]) -> dict[str, Any]:
    return {"flags": flags, "osds": [{"osd": 0, "state": ["exists", "up"]}], **finer}


HEALTH: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[str, ...], str]] = {
    "nothing": (said(), a_dump(), (), ""),
    "one that is declared": (said("POOL_NO_REDUNDANCY"), a_dump(), ("POOL_NO_REDUNDANCY",), ""),
    "one that is muted": (said("POOL_NO_REDUNDANCY", muted=("POOL_NO_REDUNDANCY",)), a_dump(), (), ""),
    "one that an upgrade raises": (said("DAEMON_OLD_VERSION"), a_dump(), (), ""),
    "two that are not declared": (said("PG_DEGRADED", "OSD_DOWN"), a_dump(), (), "OSD_DOWN (osd_down), PG_DEGRADED (pg_degraded)"),
    "noout of the cluster": (said("OSDMAP_FLAGS"), a_dump("noout,noscrub"), (), ""),
    "noout of a host": (said("OSD_FLAGS"), a_dump(crush_node_flags={"osd-1": ["noout"]}), (), ""),
    "a flag of the cluster that hinders": (said("OSDMAP_FLAGS"), a_dump("noout,norebalance"), (), "OSDMAP_FLAGS (norebalance)"),
    "a flag of a host that hinders": (said("OSD_FLAGS"), a_dump(crush_node_flags={"osd-1": ["noup"]}), (), "OSD_FLAGS (noup)"),
    "a flag of a class that hinders": (said("OSD_FLAGS"), a_dump(device_class_flags={"hdd": ["nodown"]}), (), "OSD_FLAGS (nodown)"),
    "a flag that hinders and is declared": (said("OSDMAP_FLAGS"), a_dump("norebalance"), ("OSDMAP_FLAGS",), ""),
    "before Luminous, well": ({"health": {"overall_status": "HEALTH_OK", "summary": []}}, a_dump(), (), ""),
    "before Luminous, not well": (
        {"health": {"overall_status": "HEALTH_WARN", "summary": [{"severity": "HEALTH_WARN", "summary": "1/3 in osds are down"}]}},
        *(a_dump(), (), "HEALTH_WARN (1/3 in osds are down)"),
    ),
}


@pytest.mark.parametrize(("status", "osd_dump", "baseline", "problems"), HEALTH.values(), ids=HEALTH)
def test_the_health_beyond_the_baseline(status: dict[str, Any], osd_dump: dict[str, Any], baseline: tuple[str, ...], problems: str) -> None:
    hint = "; mend it, or declare in ceph_baseline what it had all along"
    assert unwell(status, osd_dump, baseline) == (f"Ceph is not well: {problems}{hint}" if problems else "")


def test_a_flag_of_a_single_osd_hinders_too() -> None:
    osd_dump = {"flags": "", "osds": [{"osd": 0, "state": ["exists", "nodown", "up"]}]}
    assert unwell(said("OSD_FLAGS"), osd_dump, ()).startswith("Ceph is not well: OSD_FLAGS (nodown);")


STATES = {
    "active+clean": ((), True),
    "active+clean+scrubbing+deep": ((), True),
    "active+clean+snaptrim_wait": ((), True),
    "unknown": ((), False),
    "peering": (("PG_DEGRADED",), False),
    "stale+active+clean": ((), False),
    "down": (("PG_AVAILABILITY",), True),
    "active+undersized+degraded": ((), False),
    "active+undersized": (("PG_DEGRADED",), True),
    "active+recovering+degraded": (("OBJECT_MISPLACED",), False),
    "active+remapped+backfilling": ((), False),
    "active+remapped+backfill_wait": (("OBJECT_MISPLACED",), True),
}


@pytest.mark.parametrize(("state", "baseline", "is_clean"), [(state, *case) for state, case in STATES.items()], ids=STATES)
def test_a_placement_group_is_clean_or_declared_not_to_be(state: str, baseline: tuple[str, ...], is_clean: bool) -> None:
    status = {"mgrmap": {"available": True}, "pgmap": {"pgs_by_state": [{"state_name": state, "count": 3}]}}
    assert unclean(status, baseline) == ("" if is_clean else f"placement groups are not active and clean yet: 3 {state}")


def test_no_manager_no_count() -> None:
    status = {**said(available=False), "pgmap": {"num_pgs": 0, "pgs_by_state": []}}
    assert (unwell(status, a_dump(), ("MGR_DOWN",)), unclean(status, ())) == (NO_MANAGER, NO_MANAGER)


def test_before_luminous_the_monitors_count() -> None:
    assert unclean({"pgmap": {"pgs_by_state": [{"state_name": "active+clean", "count": 8}]}}, ()) == ""
