"""Which paths of a node no script of an upgrade may take away: the tops of what is kept, and who the node is."""

from collections.abc import Mapping
from typing import Final

from reprov.domain.entry import Kind, is_below, parent_of
from reprov.domain.ownership import Owner
from reprov.domain.scan import Scan

_PASSING: Final = ("proc", "sys", "dev", "run", "tmp", "var/log", "var/cache", "var/tmp", "var/run", "var/lock", "var/crash", "var/spool")
"""Where things come and go by themselves."""
_PASSING_ENDINGS: Final = ("lock", "Lock", ".pid", ".updated", ".tmp", "~")


def kept_tops(scan: Scan) -> Mapping[str, Kind]:
    """The directories and files that are the node's while what holds them is not, by path."""
    return {
        path: scan.entries[path].kind
        for path, verdict in scan.verdicts.items()
        if verdict.owner is Owner.KEEP
        and path in scan.entries
        and scan.entries[path].kind in (Kind.DIR, Kind.FILE)
        and not _is_kept(scan, parent_of(path))
        and not any(is_below(path, place) for place in _PASSING)
        and not path.endswith(_PASSING_ENDINGS)
    }


def _is_kept(scan: Scan, path: str) -> bool:
    verdict = scan.verdicts.get(path)
    return verdict is not None and verdict.owner is Owner.KEEP
