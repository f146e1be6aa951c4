"""Old releases leave the store: out of sight first, then their trees, then what only they had."""

from dataclasses import dataclass
from pathlib import Path

from reprov.adapters import pool
from reprov.adapters.store import Store
from reprov.domain.release import Release, ReleaseId
from reprov.domain.store_layout import surplus
from reprov.errors import InvalidInput
from reprov.events import Monitor, phase


@dataclass(frozen=True, slots=True)
class PrunePlan:
    """What goes: releases, the oldest first, and leftovers of killed runs that nobody can see."""

    releases: tuple[Release, ...]
    leftovers: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Pruned:
    """What is gone."""

    releases: tuple[ReleaseId, ...]
    leftovers: int
    freed_bytes: int
    """Disk blocks of files; those of directories come on top."""


def plan_prune(root: Path, keep: int, role: str | None) -> PrunePlan:
    """What goes when each role (or this one) keeps its newest `keep` releases."""
    store = Store.opened(root)
    if keep < 1:
        raise InvalidInput(f"--keep {keep}: at least one release of a role stays")
    releases = store.releases(role)
    if role is not None and not releases:
        raise InvalidInput(f"{root} has no release of {role!r}")
    return PrunePlan(surplus(releases, keep), store.leftovers())


def prune(root: Path, plan: PrunePlan, monitor: Monitor) -> Pruned:
    """Delete what the plan names and is still there."""
    store = Store.opened(root)
    with store.locked(monitor), phase(monitor, "prune", f"pruning {root}", files=len(plan.releases)) as progress:
        gone = tuple(release.id for release in plan.releases if store.has(release.id))
        for release in gone:
            store.unseal(release)
            progress.advance(files=1)
        # Looked up again: what was a leftover when the plan was made may be published by now.
        leftovers = set(plan.leftovers) & set(store.leftovers())
        for path in leftovers:
            store.discard(path)
        return Pruned(gone, len(leftovers), pool.sweep(root))
