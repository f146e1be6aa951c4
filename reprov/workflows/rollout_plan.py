"""Infra, store, versions and a procedure -> the directory of a rollout, with its course, its Ansible project and its runbook."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from reprov.adapters.infra_file import load_infra
from reprov.adapters.library import Library
from reprov.adapters.playbook_project import write_project
from reprov.adapters.procedure_files import load_procedure, load_site_actions
from reprov.adapters.rollout_directory import PROJECT, RolloutDirectory
from reprov.adapters.site_check_files import load_site_checks
from reprov.adapters.store import Store
from reprov.domain.infra import Infra
from reprov.domain.playbook import Gets, project
from reprov.domain.procedure import Applied, LeftOut, Procedure, Target, course_of
from reprov.domain.release import ReleaseId
from reprov.domain.rollout_file import ROLLOUT_FILE, Rollout
from reprov.domain.rollout_policy import Policy
from reprov.domain.runbook import runbook
from reprov.domain.site_stages import site_variables, with_site_stages
from reprov.errors import InvalidInput, Refused
from reprov.workflows.derive import derive_hops

RUNBOOK_FILE: Final = "runbook.md"


@dataclass(frozen=True, slots=True)
class Planned:
    """A procedure on an infra, and all that is generated from it."""

    rollout: Rollout
    procedure: Procedure
    infra: Infra
    stages: tuple[Applied, ...]
    left_out: tuple[LeftOut, ...]
    gets: Mapping[str, Gets]
    """By profile."""
    before: Mapping[str, ReleaseId]
    """By profile."""
    runbook: str
    files: Mapping[str, str]
    """Of the Ansible project."""

    @property
    def is_needed(self) -> bool:
        """Whether any host is to get another release."""
        return any(got.release for got in self.gets.values())


def plan(
    infra_file: Path,
    procedure: str,
    store_root: Path,
    source: str,
    wanted: Mapping[str, str],
    known: Mapping[str, str],
    policy: Policy,
    name: str,
    first: Path | None = None,
) -> Planned:
    """Plan a rollout of the `wanted` version of each role that is named; `known` are versions that the hosts of a role have now.

    Backups on hosts go by the `name`. Hosts fetch from `source`; `first` is the operator's library. Writes nothing. Raises `InvalidInput`
    for anything that is not there or does not fit together.
    """
    infra = load_infra(infra_file)
    if not infra.hosts:
        raise InvalidInput(
            f"{infra.path}: names no hosts, and a rollout is for hosts",
            hint="add `hosts:`, as in hosts: {node[1:3]: {profile: compute}}; of config-tools it is global.yml that has them",
        )
    versions = _versions_now(infra, Store.opened(store_root), wanted, known)
    hops = derive_hops(infra, store_root, source, versions, wanted, first)
    checks = load_site_checks(infra)
    library = Library.default(first)
    chosen = with_site_stages(load_procedure(procedure, library, hops.library.snippets), infra, *load_site_actions(library))
    infra = replace(infra, config={"rollout_name": name, **chosen.variables, **site_variables(infra, checks), **infra.config})  # type: ignore[dict-item] # what YAML gave is what an inventory takes
    stages, left_out = chosen.applied(Target(infra, hops.derived, hops.running, hops.library.snippets))
    # With a release in the inventory the snippets would wait for hosts to have it, which in place they never do.
    gets = {profile: got._replace(release=None) for profile, got in hops.gets.items()} if chosen.in_place else hops.gets
    before = {name: ReleaseId.of(profile.role, versions[profile.role]) for name, profile in infra.profiles.items()}
    return Planned(
        Rollout(procedure, infra.name, dict(wanted), policy, course_of(stages, infra)),
        chosen,
        infra,
        stages,
        left_out,
        hops.gets,
        before,
        runbook(chosen, infra, stages, left_out, hops.gets, before, hops.library.snippets),
        project(infra, stages, gets, hops.running, hops.library) | {check.path: text for check, text in checks.items()},
    )


def write(planned: Planned, directory: Path) -> None:
    """Make the directory of the rollout, or make it anew while nothing of it has run.

    Raises `Refused` for a rollout that has begun, and for a directory of something else.
    """
    target = RolloutDirectory(directory)
    if directory.exists():
        if not directory.is_dir():
            raise Refused(f"{directory} is not a directory")
        if not (directory / ROLLOUT_FILE).exists() and any(directory.iterdir()):
            raise Refused(
                f"{directory} holds something that is not a rollout, and stays as it is", hint="name a directory that is not there yet"
            )
        if target.events().events:
            raise Refused(
                f"{directory}: this rollout has begun, and its plan stays", hint="plan into another directory, or resume this one"
            )
    directory.mkdir(parents=True, exist_ok=True)
    write_project(directory / PROJECT, planned.files)
    (directory / RUNBOOK_FILE).write_text(planned.runbook, "utf-8")
    target.create(planned.rollout)  # last: without it the directory is no rollout


def _versions_now(infra: Infra, store: Store, wanted: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """The version that the hosts of each role have: what is said, the one published before the wanted one, or the newest."""
    found = dict(known)
    for role in {profile.role for profile in infra.profiles.values()} - found.keys():
        serials = {release.id.version: release.serial for release in store.releases(role)}
        if role not in wanted:
            if not serials:
                raise InvalidInput(
                    f"{infra.path}: there is no release of the role {role!r} in {store.root}",
                    hint="every role of the infra needs one, also where it stays: it says which services run",
                )
            found[role] = max(serials, key=lambda version: serials[version])
            continue
        target = store.release(ReleaseId.of(role, wanted[role]))
        earlier = {version: serial for version, serial in serials.items() if serial < target.serial}
        if not earlier:
            raise InvalidInput(f"{target.id}: nothing was published before it", hint=f"--now {role}=VERSION says what its hosts have")
        found[role] = max(earlier, key=lambda version: earlier[version])
    return found
