"""A role definition becomes a tree: bootstrapped or laid over another tree, furnished, cleaned, judged, and there with one rename."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters.apt import Apt
from reprov.adapters.apt_config import read_sources
from reprov.adapters.build_store import BuildStore, ParentTree, Workplace
from reprov.adapters.chroot import Chroot
from reprov.adapters.dnf import Dnf
from reprov.adapters.finish_tree import clean, collect_facts, default_umask
from reprov.adapters.ids import IdFiles
from reprov.adapters.lay import COMPILE_CLIENT, PYTHON, install_boot_hook, install_client, lay_files
from reprov.adapters.library import Library
from reprov.adapters.overlay import materialise
from reprov.adapters.role_files import load_role, write_checks
from reprov.adapters.sandbox import Sandbox, sandbox
from reprov.adapters.stable_ids import read_accounts
from reprov.domain.apt_sources import SourceLine, mirror_for
from reprov.domain.dnf import RepositorySource
from reprov.domain.entry import Kind
from reprov.domain.ids import IdTable, NewId
from reprov.domain.release import ReleaseId
from reprov.domain.resolved_role import ResolvedRole
from reprov.domain.role import BUILD_EPOCH_S, Layer, Repository, Role
from reprov.domain.tree_accounts import compare
from reprov.domain.treelint import TreeFacts, lint
from reprov.errors import InvalidInput, ReprovError
from reprov.events import Monitor, Note, phase

SHOWN_FINDINGS = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the operator asked to be built."""

    role: str
    version: str
    from_version: str | None = None
    """Start from this version of the same role and upgrade its packages; None: start from the parent role, or from nothing."""
    parent_version: str | None = None
    """Of the role that this one extends; None: the newest."""
    skipped_repositories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Built:
    """What a build made."""

    role: ResolvedRole
    folder: Path
    files: int
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Job:
    """What holds for one whole build."""

    release: ReleaseId
    role: Role
    layers: tuple[Layer, ...]
    """Those that are laid over what the tree begins as."""
    sources: tuple[SourceLine, ...] | tuple[RepositorySource, ...]
    ids: IdTable
    """Which number the account of a package gets."""
    is_upgrade: bool
    """The tree begins as an earlier version of the same role."""
    started_ns: int
    log: Path
    monitor: Monitor


def build(store_root: Path, library: Path | None, wanted: Wanted, monitor: Monitor) -> Built:
    """Build a version of a role into the store's build directory; roles in `library` shadow others of their name.

    A build that fails or is killed leaves nothing under its name.
    """
    started_ns = time.time_ns()
    release = ReleaseId.of(wanted.role, wanted.version)
    shelf = Library.default(library)
    role = load_role(wanted.role, shelf)
    ids = IdFiles.of(role.family, shelf, store_root)
    sources = _sources(role, wanted.skipped_repositories)
    store = BuildStore(store_root)
    store.refuse_existing(release)
    parent = _parent(store, role, wanted, monitor)
    table = ids.read()
    if parent:
        _refuse_other_ids(parent.id, compare(table, read_accounts(parent.tree)).problems, ids, monitor)
    is_upgrade = wanted.from_version is not None
    layers = role.layers[-1:] if parent and not is_upgrade else role.layers
    job = Job(release, role, layers, sources, table, is_upgrade, started_ns, store.log(release), monitor)
    with default_umask(), store.workplace(release) as place:
        if parent:
            _make_over(parent, place, job)
        else:
            _make_first(place, job)
        with phase(monitor, "lint", f"judging the tree of {release}") as progress:
            facts = collect_facts(place.tree)
            progress.advance(files=len(facts.seen))
            _refuse_findings(release, facts, monitor)
            new_ids = _settle_ids(release, place, ids, monitor)
        resolved = _resolve(release, role, parent, new_ids)
        write_checks(role, place.done)
        folder = store.appear(place, resolved)
    files = sum(1 for seen in facts.seen if seen.kind is Kind.FILE)
    return Built(resolved, folder, files, (time.time_ns() - started_ns) / 1e9)


def _make_first(place: Workplace, job: Job) -> None:
    """The tree of a role that extends none: the distribution's minimal system, furnished."""
    with sandbox() as box:
        manager = _manager(job, place)
        with phase(job.monitor, "bootstrap", f"bootstrapping {job.role.distribution} {job.role.suite}"):
            manager.bootstrap(box, place.tree)
        _furnish(box, manager, place.tree, job)


def _make_over(parent: ParentTree, place: Workplace, job: Job) -> None:
    """A tree that another one is the beginning of: furnished as an overlay, then made a tree of its own."""
    upper, work, root = place.made("upper"), place.made("work"), place.made("root")
    with sandbox() as box:
        box.mount_overlay(parent.tree, upper, work, root)
        _furnish(box, _manager(job, place), root, job)
        box.unmount(root)
    with phase(job.monitor, "materialise", f"making a tree of its own from {parent.id}") as progress:
        materialise(parent.tree, upper, place.tree, link_groups=parent.link_groups(), progress=progress)


def _manager(job: Job, place: Workplace) -> Apt | Dnf:
    """What installs packages into a tree of the role's family."""
    role, scratch = job.role, place.made("packages")
    recommends = role.layers[-1].file.recommends
    repositories = tuple(source for source in job.sources if isinstance(source, RepositorySource))
    if role.family == "rpm":
        packages = role.named(lambda file: file.packages)
        return Dnf(role.distribution, role.suite, repositories, packages, recommends, job.ids, scratch, job.log, BUILD_EPOCH_S)
    sources = tuple(source for source in job.sources if isinstance(source, SourceLine))
    return Apt(role.suite, sources, recommends, job.ids, scratch, job.log, BUILD_EPOCH_S)


def _furnish(box: Sandbox, manager: Apt | Dnf, root: Path, job: Job) -> None:
    """Everything that happens inside the tree at `root`, be it a directory or an overlay."""
    with manager.opened(box, root) as chroot:
        install_boot_hook(chroot.view)  # first: packages make an initramfs
        with phase(job.monitor, "packages", "upgrading packages" if job.is_upgrade else "installing packages"):
            packages = tuple(dict.fromkeys(name for layer in job.layers for name in layer.file.packages))
            manager.install(chroot, packages, upgrade=job.is_upgrade)
        with phase(job.monitor, "furnish", "laying files, running scripts"):
            for layer in job.layers:
                _apply(layer, chroot)
            install_client(chroot.view)
            if (chroot.view / PYTHON).exists():
                chroot.run(COMPILE_CLIENT)
    with phase(job.monitor, "clean", "removing what belongs to one machine"):
        clean(box.view(root), started_ns=job.started_ns, epoch_s=BUILD_EPOCH_S)


def _apply(layer: Layer, chroot: Chroot) -> None:
    folder = Path(layer.folder)
    lay_files(folder / "files", chroot.view)
    for name in layer.file.scripts:
        chroot.run_script(folder / "scripts" / name)
    chroot.set_units("enable", layer.file.enabled)  # first: it enables what units name in Also=, too
    chroot.set_units("disable", layer.file.disabled)
    chroot.set_units("mask", layer.file.masked)


def _sources(role: Role, skipped: Sequence[str]) -> tuple[SourceLine, ...] | tuple[RepositorySource, ...]:
    repositories = role.repositories
    optional = [repository.name for _, repository in repositories][0 if role.family == "rpm" else 1 :]
    for name in skipped:
        if name not in optional:
            raise InvalidInput(f"{role.name} has no repository {name!r} to skip", hint=f"it has {', '.join(optional) or 'none'}")
    used = tuple((layer, repository) for layer, repository in repositories if repository.name not in skipped)
    if role.family == "rpm":
        return tuple(RepositorySource(found.name, found.mirror or "", _key_path(layer, found)) for layer, found in used)
    here = read_sources(Path("/"))
    lines: list[SourceLine] = []
    for layer, repository in used:
        suite = repository.suite or ""
        mirror = repository.mirror or mirror_for(suite, role.distribution, here)
        if mirror is None:
            raise InvalidInput(
                f"{layer.folder}/role.yaml: no mirror for {suite}: this machine's apt does not know one",
                hint="name it in the role: `mirror: ADDRESS`",
            )
        lines.append(SourceLine(mirror, suite, repository.components, _key_path(layer, repository)))
    return tuple(lines)


def _key_path(layer: Layer, repository: Repository) -> str | None:
    return str(Path(layer.folder, "keys", repository.key).absolute()) if repository.key else None


def _parent(store: BuildStore, role: Role, wanted: Wanted, monitor: Monitor) -> ParentTree | None:
    if wanted.from_version:
        return store.parent(role.name, wanted.from_version)
    if role.parent_name is None:
        return None
    parent = store.parent(role.parent_name, wanted.parent_version)
    if wanted.parent_version is None:
        monitor.emit(Note(f"{role.name} {wanted.version} is built on {parent.id}, the newest there is"))
    return parent


def _refuse_findings(release: ReleaseId, facts: TreeFacts, monitor: Monitor) -> None:
    findings = lint(facts)
    if not findings:
        return
    for finding in findings[:SHOWN_FINDINGS]:
        monitor.emit(Note(str(finding)))
    if len(findings) > SHOWN_FINDINGS:
        monitor.emit(Note(f"and {len(findings) - SHOWN_FINDINGS} more"))
    more = f", and {len(findings) - 1} more" if len(findings) > 1 else ""
    raise ReprovError(
        f"the tree of {release} has what no tree may have: {findings[0]}{more}",
        hint="a script of the role or a package that it names leaves it: remove it in the role's last script",
    )


def _settle_ids(release: ReleaseId, place: Workplace, ids: IdFiles, monitor: Monitor) -> tuple[NewId, ...]:
    """Judge the accounts of the finished tree, and add those that are new to the table."""
    comparison = ids.settle(read_accounts(place.tree))
    _refuse_other_ids(release, comparison.problems, ids, monitor)
    new = comparison.new.new_ids
    if new:
        monitor.emit(Note(f"new in {ids.grown}: {', '.join(map(str, new))}"))
    return new


def _refuse_other_ids(release: ReleaseId, problems: Sequence[str], ids: IdFiles, monitor: Monitor) -> None:
    if not problems:
        return
    for problem in problems[:SHOWN_FINDINGS]:
        monitor.emit(Note(problem))
    more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
    raise ReprovError(
        f"the accounts of {release} are not those of the table: {problems[0]}{more}",
        hint=f"a number that no release has yet can be changed in {ids.table}; else the tree has to be built anew with the table's",
    )


def _resolve(release: ReleaseId, role: Role, parent: ParentTree | None, new_ids: tuple[NewId, ...]) -> ResolvedRole:
    return ResolvedRole(
        id=release,
        parent=parent.id if parent else None,
        family=role.family,
        suite=role.suite,
        filesystems=role.filesystems,
        excludes=role.concerns,
        post_scripts=role.named(lambda file: file.post_scripts),
        services=role.named(lambda file: file.services),
        checks=role.named(lambda file: file.checks),
        converge=role.converge,
        packages=role.named(lambda file: file.packages),
        new_ids=new_ids,
    )
