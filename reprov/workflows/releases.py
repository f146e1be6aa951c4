"""What there is in a store, and whether it is still what was published."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters.store import Store
from reprov.adapters.store_check import Damage, Inode, Usage, check_release, measure, releases_with
from reprov.domain.release import Release, ReleaseId
from reprov.errors import InvalidInput
from reprov.events import Monitor, phase


@dataclass(frozen=True, slots=True)
class Listed:
    """A release and what it takes."""

    release: Release
    usage: Usage
    packages: int


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not what was published, and everyone whom it concerns."""

    place: str
    problem: str
    releases: tuple[ReleaseId, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of a check."""

    releases: tuple[ReleaseId, ...]
    files_read: int
    """Inodes of which the content was read."""
    findings: tuple[Finding, ...]


def list_releases(root: Path, role: str | None) -> tuple[Listed, ...]:
    """The releases of a role or of all, by role and serial."""
    store = Store.opened(root)
    _check_role(store, role)
    return tuple(
        Listed(release, measure(store.tree(release.id)), len(store.packages(release.id).packages)) for release in store.releases(role)
    )


def check(root: Path, role: str | None, monitor: Monitor) -> Checked:
    """Read everything that is published of a role or of all and compare it with manifests and digests."""
    store = Store.opened(root)
    _check_role(store, role)
    known: dict[Inode, str] = {}
    damages: list[Damage] = []
    with store.held():
        ids = store.ids(role)
        for release in ids:
            with phase(monitor, f"check {release}", f"checking {release}") as progress:
                damages += check_release(store, release, known, progress)
        sharers = releases_with(store, {damage.inode for damage in damages if damage.inode})
    return Checked(ids, len(known), _findings(damages, sharers))


def _findings(damages: Sequence[Damage], sharers: dict[Inode, set[ReleaseId]]) -> tuple[Finding, ...]:
    """Damages of one shared file become one finding, with all releases that have the file, checked or not."""
    concerned: dict[tuple[str, str, Inode | None], set[ReleaseId]] = {}
    for damage in damages:
        shared = sharers.get(damage.inode, set()) if damage.inode else set()
        concerned.setdefault((damage.place, damage.problem, damage.inode), set()).update({damage.release}, shared)
    found = [Finding(place, problem, tuple(sorted(releases))) for (place, problem, _), releases in concerned.items()]
    return tuple(sorted(found, key=lambda finding: (finding.releases, finding.place)))


def _check_role(store: Store, role: str | None) -> None:
    roles = sorted({release.role for release in store.ids()})
    if role is not None and role not in roles:
        raise InvalidInput(f"{store.root} has no release of {role!r}", hint=f"the roles are {', '.join(roles)}" if roles else "it is empty")
