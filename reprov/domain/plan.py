"""The plan of an upgrade: one value that is printed, refused or carried out, and kept as plan.json."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reprov.domain.account_files import AccountNote
from reprov.domain.commit_time import NOW, Chosen
from reprov.domain.comparison import Action, Blocker, Comparison
from reprov.domain.data_devices import NO_DATA_DEVICES, DataDevices
from reprov.domain.entry import show
from reprov.domain.fences import Fence
from reprov.domain.hot_fixes import HotFix
from reprov.domain.merge import Conflict
from reprov.domain.owner_plan import NO_OWNER_CHANGES, OwnerPlan
from reprov.domain.placement import Cost, How, Placement
from reprov.domain.release import ReleaseId
from reprov.domain.rule_usage import RuleUsage
from reprov.domain.units import Swaps

PLAN_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Room:
    """What is free on a filesystem for root."""

    size_bytes: int
    inodes: int | None
    """None where the filesystem makes them as needed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that an upgrade would do to a node."""

    release: ReleaseId
    installed: ReleaseId | None
    source: str
    comparison: Comparison
    conflicts: tuple[Conflict, ...]
    """What release and node both changed; the node's stays."""
    notes: tuple[AccountNote, ...]
    """What becomes of accounts that release and node see differently."""
    swaps: Swaps
    placements: tuple[Placement, ...]
    costs: Mapping[str, Cost]
    """By volume."""
    blockers: tuple[Blocker, ...]
    """Why it must not start; empty for a plan that may be carried out."""
    owners: OwnerPlan = NO_OWNER_CHANGES
    """What of the node's follows accounts to other ids."""
    alternatives: tuple[AccountNote, ...] = ()
    """Which choices of update-alternatives the release cannot keep."""
    hot_fixes: tuple[HotFix, ...] = ()
    """What becomes of packages that somebody has installed, changed or removed by hand."""
    fences: tuple[Fence, ...] = ()
    """What stays as it is whatever the lists say, as far as an operator should know of it."""
    commit: Chosen = NOW
    """When the trees will be exchanged, and why not now."""
    data: DataDevices = NO_DATA_DEVICES
    """The devices that will be proved to be untouched."""
    rules: tuple[RuleUsage, ...] = ()
    """What every rule of the release's lists is good for on this node; empty unless somebody has asked."""

    @property
    def is_empty(self) -> bool:
        """True when the node's content is the release's already."""
        return not self.comparison.changes

    @property
    def fetch_bytes(self) -> int:
        """How much content has to come from the server."""
        return sum(placement.entry.size for placement in self.placements if placement.arrives)

    @property
    def counts(self) -> dict[Action, int]:
        """How many paths each action concerns; every action is there."""
        counted = Counter(change.action for change in self.comparison.changes)
        return {action: counted[action] for action in Action}

    def blocked_by(self, more: Sequence[Blocker]) -> "Plan":
        """The same plan with further blockers."""
        return replace(self, blockers=(*self.blockers, *more))

    def to_fields(self) -> dict[str, Any]:
        """The plan as JSON fields: every change, every exchange, every kept path with its rule."""
        how = Counter(placement.how for placement in self.placements)
        return {
            "format": PLAN_FORMAT,
            "role": self.release.role,
            "version": self.release.version,
            "installed": str(self.installed) if self.installed else None,
            "source": self.source,
            "counts": {action.value: count for action, count in self.counts.items()},
            "fetch_bytes": self.fetch_bytes,
            "staged": {kind.value: how[kind] for kind in How},
            "needs": {show(volume): {"size_bytes": cost.size_bytes, "inodes": cost.inodes} for volume, cost in self.costs.items()},
            "commit": {"when": self.commit.time.value, "reasons": list(self.commit.reasons)},
            "exchanges": [{"kind": op.kind.value, "path": show(op.path)} for op in self.swaps.ops],
            "changes": [
                {"path": show(change.path), "action": change.action.value, "reason": change.reason} for change in self.comparison.changes
            ],
            "kept": [
                {"path": show(kept.path), "reason": kept.reason, "rule": str(kept.rule) if kept.rule else None}
                for kept in self.comparison.kept
            ],
            "conflicts": [
                {"path": show(found.path), "reason": found.reason, "new": show(found.new) if found.new else None}
                for found in self.conflicts
            ],
            "rules": [{"rule": str(usage.rule), "place": usage.rule.place, "paths": usage.paths} for usage in self.rules],
            "accounts": [{"path": show(note.path), "text": note.text} for note in self.notes],
            "alternatives": [{"path": show(note.path), "text": note.text} for note in self.alternatives],
            "hot_fixes": [
                {
                    "package": fix.change.name,
                    "arch": fix.change.arch,
                    "installed": fix.change.before or None,
                    "node": fix.change.after or None,
                    "release": fix.target_version or None,
                    "fate": fix.fate.value,
                }
                for fix in self.hot_fixes
            ],
            "owners": self.owners.to_fields(),
            "stays": [{"path": show(fence.path), "text": fence.note} for fence in self.fences],
            "data": {
                "devices": self.data.described(),
                "not_looked": self.data.not_looked or None,
                "problem": self.data.problem or None,
            },
            "blockers": [{"path": show(item.path), "problem": item.problem, "hint": item.hint} for item in self.blockers],
        }


def blockers_of_space(costs: Mapping[str, Cost], room: Mapping[str, Room]) -> list[Blocker]:
    """Which filesystems are too small for the staged trees, bytes and inodes."""
    found = []
    for volume, cost in costs.items():
        free = room[volume]
        if cost.size_bytes > free.size_bytes:
            missing = -(-(cost.size_bytes - free.size_bytes) >> 20)
            found.append(Blocker(volume, f"has no room for the next tree: {missing} MiB are missing", "make room, or prune"))
        if free.inodes is not None and cost.inodes > free.inodes:
            found.append(Blocker(volume, f"has no room for the next tree: {cost.inodes - free.inodes} inodes are missing", "remove files"))
    return found
