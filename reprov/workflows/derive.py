"""Infra and store and the versions to be brought -> what each profile's hop means for its services."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters.library import Library
from reprov.adapters.snippet_files import load_shared_roles, load_snippets
from reprov.adapters.store import Store
from reprov.domain import playbook
from reprov.domain.derivation import derive, running
from reprov.domain.infra import Infra
from reprov.domain.playbook import Gets
from reprov.domain.release import ReleaseId
from reprov.domain.snippet import Derived, Family, Service
from reprov.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Hops:
    """What a rollout brings, by profile."""

    gets: Mapping[str, Gets]
    """Of every profile."""
    derived: Mapping[str, Derived]
    """Of those that get another release."""
    running: Mapping[str, frozenset[Service]]
    """The services that the release of a profile has, before the rollout or after it."""
    library: playbook.Library


def derive_hops(
    infra: Infra, store_root: Path, source: str, before: Mapping[str, str], after: Mapping[str, str], first: Path | None = None
) -> Hops:
    """Derive from the versions that roles have now and are to get, by role; a role without a version `after` stays as it is.

    `first` is the operator's library. Hosts fetch from `source`. Raises `InvalidInput` for a role without a version `before`, and for a
    release that is not in the store.
    """
    store, library = Store.opened(store_root), Library.default(first)
    snippets = load_snippets(library)
    unknown = sorted({*before, *after} - {profile.role for profile in infra.profiles.values()})
    if unknown:
        raise InvalidInput(f"{infra.path}: no profile has the role {unknown[0]!r}")
    gets: dict[str, Gets] = {}
    derived: dict[str, Derived] = {}
    found: dict[str, frozenset[Service]] = {}
    for name, profile in infra.profiles.items():
        if profile.role not in before:
            raise InvalidInput(f"{infra.path}: it is not known which release the hosts of {name!r} have", hint=f"{profile.role}=VERSION")
        old = ReleaseId.of(profile.role, before[profile.role])
        new = ReleaseId.of(profile.role, after.get(profile.role, old.version))
        family = Family(store.release(old).family)
        packages = store.packages(old)
        found[name] = running(packages, snippets)
        if new != old:
            family = Family(store.release(new).family)
            wanted = store.packages(new)
            found[name] |= running(wanted, snippets)
            derived[name] = derive(name, packages, wanted, snippets)
        gets[name] = Gets(family, new if new != old else None, source)
    return Hops(gets, derived, found, playbook.Library(snippets, load_shared_roles(library)))
