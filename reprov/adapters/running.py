"""The processes of a live node that run under some ids."""

from collections.abc import Iterator
from pathlib import Path

from reprov.domain.account_ids import AccountKind
from reprov.domain.owner_change import WantedIds
from reprov.domain.owner_plan import Running

_PROC = Path("/proc")


def running_under(wanted: WantedIds) -> Iterator[Running]:
    """Every process of which a real, effective, saved or filesystem id is among these; once for each kind of id.

    Supplementary groups do not count: whoever is logged in would be in the way of every group that moves.
    """
    for process in sorted(_PROC.iterdir()):
        if not process.name.isdigit():
            continue
        try:
            fields = dict(line.split(":", 1) for line in (process / "status").read_text(errors="replace").splitlines() if ":" in line)
        except OSError:
            continue  # it ended while we looked
        for kind, field, ids in ((AccountKind.USER, "Uid", wanted.uids), (AccountKind.GROUP, "Gid", wanted.gids)):
            found = [int(number) for number in fields.get(field, "").split() if int(number) in ids]
            if found:
                yield Running(int(process.name), fields.get("Name", "").strip(), kind, found[0])
