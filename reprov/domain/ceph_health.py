"""What a Ceph cluster complains about, and a site has not declared: in words, from its answers in JSON.

Pure, and taken along into generated projects as it is: standard library alone, Python 3.8. Answers are those of Luminous and newer; of
older releases' health there is as much as they tell.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

HINDERING = frozenset({"full", "nobackfill", "nodown", "norebalance", "norecover", "noup", "pauserd", "pausewr"})
"""Flags with which OSDs cannot stop without harm, or could not come back: placement groups would never be clean again."""
OF_AN_UPGRADE = frozenset({"DAEMON_OLD_VERSION"})
"""Health checks that an upgrade raises by itself."""

_NOBODY_COUNTS = "no manager of Ceph is active, and nobody counts placement groups: `ceph mgr stat`, start one"


def unwell(status: Mapping[str, Any], osd_dump: Mapping[str, Any], baseline: Collection[str]) -> str:
    """The health checks that are not of the baseline; "" for none. What is muted in the cluster is declared there.

    That flags are set is no complaint, unless one of them hinders.
    """
    if not _has_manager(status):
        return _NOBODY_COUNTS
    hindering = {"OSDMAP_FLAGS": HINDERING.intersection(osd_dump["flags"].split(",")), "OSD_FLAGS": HINDERING & _finer_flags(osd_dump)}
    fine = {*baseline, *OF_AN_UPGRADE, *(code for code, flags in hindering.items() if not flags)}
    said = {code: message for code, message in _checks(status["health"]).items() if code not in fine}
    found = [f"{code} ({', '.join(sorted(hindering.get(code, [message])))})" for code, message in sorted(said.items())]
    return f"Ceph is not well: {', '.join(found)}; mend it, or declare in ceph_baseline what it had all along" if found else ""


def unclean(status: Mapping[str, Any], baseline: Collection[str]) -> str:
    """The placement groups that are not active and clean, nor in a state that a health check of the baseline is about; "" for none."""
    if not _has_manager(status):
        return _NOBODY_COUNTS
    states = {item["state_name"]: item["count"] for item in status["pgmap"].get("pgs_by_state", [])}
    found = [f"{count} {state}" for state, count in sorted(states.items()) if _check_of(state) not in {"", *baseline}]
    return f"placement groups are not active and clean yet: {', '.join(found)}" if found else ""


def _has_manager(status: Mapping[str, Any]) -> bool:
    """Before Luminous the monitors count."""
    return bool(status.get("mgrmap", {}).get("available", True))


def _checks(health: Mapping[str, Any]) -> dict[str, str]:
    if "checks" in health:
        return {code: check["summary"]["message"] for code, check in health["checks"].items() if not check.get("muted")}
    if health["overall_status"] == "HEALTH_OK":
        return {}
    return {health["overall_status"]: ", ".join(item["summary"] for item in health["summary"])}


def _finer_flags(osd_dump: Mapping[str, Any]) -> set[str]:
    """All that are set for less than the cluster: nodes of the CRUSH map, classes of devices, single OSDs."""
    found = [*osd_dump.get("crush_node_flags", {}).values(), *osd_dump.get("device_class_flags", {}).values()]
    return {flag for flags in (*found, *(osd["state"] for osd in osd_dump["osds"])) for flag in flags}


def _check_of(state: str) -> str:
    """The health check that is about placement groups in such a state; "" when it is a good one."""
    parts = set(state.split("+"))
    if "active" not in parts or "stale" in parts:
        return "PG_AVAILABILITY"
    if parts & {"degraded", "undersized"}:
        return "PG_DEGRADED"
    return "" if "clean" in parts else "OBJECT_MISPLACED"
