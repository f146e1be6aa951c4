"""The files that follow accounts to other ids, as text for operators in 80 columns."""

from collections.abc import Iterator

from reprov.cli.tables import human_count, human_paths
from reprov.domain.entry import show
from reprov.domain.owner_change import Ids
from reprov.domain.owner_plan import ChangeGroup, OwnerPlan, grouped

_WIDTH = 79
_SHOWN = 12


def owner_lines(plan: OwnerPlan, *, everything: bool) -> list[str]:
    """The accounts that move, the files that follow them, and what nobody has looked into; nothing when no file does."""
    return list(_lines(plan, everything)) if plan.changes or plan.unseen else []


def _lines(plan: OwnerPlan, everything: bool) -> Iterator[str]:
    for item in plan.moved:
        yield f"{item.kind.value} {item.name}: {item.kind.id_name} {item.live_id} becomes {item.new_id}"
    if plan.changes:
        yield f"Owners: {human_paths(len(plan.changes))} of the node's would follow"
        groups = grouped(plan.changes)
        shown = groups if everything else groups[:_SHOWN]
        for group in shown:
            yield f"  {_change(group.before, group.after)}  {_where(group)}"
        if len(groups) > len(shown):
            paths = sum(group.number for group in groups[len(shown) :])
            yield f"  ... and {human_paths(paths)} more in {human_count(len(groups) - len(shown))} places; --all lists them"
    for unseen in plan.unseen if everything else plan.unseen[:_SHOWN]:
        where, why = f"not looked into: {show(unseen.path)}", f"({unseen.reason})"
        yield from [f"{where} {why}"] if len(where) + 1 + len(why) <= _WIDTH else [where, f"  {why}"]
    if not everything and len(plan.unseen) > _SHOWN:
        yield f"not looked into: {human_count(len(plan.unseen) - _SHOWN)} more; --all lists them"


def _change(before: Ids, after: Ids) -> str:
    return f"{before.uid}:{before.gid} -> {after.uid}:{after.gid}" if before != after else "access list"


def _where(group: ChangeGroup) -> str:
    if group.number == 1:
        return show(group.path)
    if group.whole:
        return f"{show(group.path)} and {human_paths(group.number - 1)} below"
    return f"{human_paths(group.number)} in {show(group.path)}"
