"""Which ownership classes a running node asks for: from what was found on it to a proposal for each path, with the reason."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple

from reprov.domain.account_files import ACCOUNT_PATHS
from reprov.domain.entry import ancestors_of, is_below, show
from reprov.domain.installed_files import Changed
from reprov.domain.list_line import pattern_of
from reprov.domain.ownership import Owner, Ownership, Verdict
from reprov.domain.rules import Rule
from reprov.domain.unit_files import UnitDirectory

PRECEDENCE = (Owner.KEEP, Owner.ADD_ONLY, Owner.MERGE, Owner.IMAGE)
"""The order in which the classes are asked: of two proposals for a path the earlier class wins."""

_EVERYTHING = ("*", "**", "/*", "/**")
_DISPOSABLE = ("var/cache", "var/log", "var/spool", "var/tmp")
_OWNER_OF_SETTING = {"StateDirectory": Owner.KEEP, "CacheDirectory": Owner.ADD_ONLY, "LogsDirectory": Owner.ADD_ONLY}
_WHY_OF_SETTING = {
    "StateDirectory": "State that a service keeps.",
    "CacheDirectory": "A service's cache.",
    "LogsDirectory": "A service's logs.",
}
_ACCOUNTS = Verdict(Owner.MERGE, Rule("/etc/passwd", include=True, source="accounts are merged entry by entry", line=0))


class Extent(NamedTuple):
    """How much is at a path."""

    files: int = 0
    size_bytes: int = 0
    newest_ns: int = 0
    """The newest modification time."""

    def plus(self, other: "Extent") -> "Extent":
        """Both together."""
        return Extent(self.files + other.files, self.size_bytes + other.size_bytes, max(self.newest_ns, other.newest_ns))

    @property
    def newest_day(self) -> str:
        """The day of the newest time in UTC, YYYY-MM-DD."""
        return datetime.fromtimestamp(self.newest_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d")


class Found(NamedTuple):
    """A path that no package owns, the highest of those below it."""

    path: str
    is_dir: bool
    extent: Extent
    """Of what is still to be classed; of everything where it is classed already. Zero where nobody measured."""
    verdict: Verdict
    """What the lists say of it; see `is_classed`."""
    made: Rule | None
    """Known to be made by packages: the rule, and the reason in the place of its source."""


class Managed(NamedTuple):
    """A path that a service or a deployment tool answers for."""

    path: str
    is_dir: bool
    extent: Extent
    """Of everything in it; zero where nobody measured."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A class for a path, to be reviewed by a person."""

    path: str
    is_dir: bool
    owner: Owner
    why: str
    """One sentence or two."""
    evidence: tuple[str, ...]
    """Where that is known from, each with its source first: `dpkg: ...`."""
    extent: Extent
    text_merge: bool = False
    already: Verdict | None = None
    """What the lists say of it already."""
    concern: str = ""
    """Another concern of the library that says more of it than the lists in force; "" for none."""

    @property
    def line(self) -> str:
        """The line of a list of the class."""
        pattern = pattern_of(self.path, is_dir=self.is_dir)
        return f"merge=text {pattern}" if self.text_merge else pattern


@dataclass(frozen=True, slots=True)
class Made:
    """Paths that packages made: the image's without a rule."""

    pattern: str
    why: str
    paths: int
    extent: Extent


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that was found on a node."""

    found: Sequence[Found]
    changed: Sequence[Changed]
    units: Sequence[tuple[UnitDirectory, Extent]]
    """Directories of units that are there."""
    puppet: Mapping[str, tuple[str, Extent]]
    """Files that Puppet manages and that are there: the state file that says so."""
    left_behind: Mapping[str, str]
    """Configuration files of packages that are gone, or have them no more."""


@dataclass(frozen=True, slots=True)
class Proposals:
    """What is proposed of a node."""

    open: tuple[Proposal, ...]
    """What no list classes, by path."""
    already: tuple[Proposal, ...]
    """What the lists class already, by path."""
    made: tuple[Made, ...]


def is_classed(verdict: Verdict) -> bool:
    """True when a rule says whose a path is; a rule for everything, as in a list that says nothing on purpose, does not."""
    rule = verdict.rule
    return rule is not None and not (verdict.owner is Owner.IMAGE and rule.pattern in _EVERYTHING)


def propose(facts: Facts, lists: Ownership, others: Mapping[str, Ownership]) -> Proposals:
    """A class for everything that was found. `lists` are in force on the node or will be, `others` are concerns that could be named."""
    candidates = _absorbed(_united([*_of_changed(facts.changed), *_of_found(facts), *_of_units(facts.units), *_of_puppet(facts.puppet)]))
    judged = [_judged(candidate, lists, others) for candidate in candidates]
    return Proposals(
        open=tuple(proposal for proposal in judged if proposal.already is None),
        already=tuple(proposal for proposal in judged if proposal.already is not None),
        made=_made(facts.found),
    )


def _of_found(facts: Facts) -> Iterable[Proposal]:
    for item in facts.found:
        if item.made is not None:
            continue
        if package := facts.left_behind.get(item.path):
            why = "A configuration file of a package that is gone, or that has it no more; the release decides."
            yield Proposal(item.path, item.is_dir, Owner.IMAGE, why, (f"dpkg: left by {package}",), item.extent)
            continue
        owner, why = _class_of_unowned(item.path)
        yield Proposal(item.path, item.is_dir, owner, why, (), item.extent)


def _class_of_unowned(path: str) -> tuple[Owner, str]:
    if is_below(path, "etc"):
        return Owner.MERGE, "Configuration that no package owns: the node's, unless a release brings it and it changes there."
    if any(is_below(path, directory) for directory in _DISPOSABLE):
        return Owner.ADD_ONLY, "No package owns it: a cache, logs or a queue."
    if is_below(path, "usr"):
        return Owner.KEEP, "No package owns it: somebody added it to what packages installed. It fits a role better than a list."
    return Owner.KEEP, "No package owns it: data or programs of this node."


def _of_changed(changed: Iterable[Changed]) -> Iterable[Proposal]:
    for item in changed:
        extent = Extent(0 if item.removed else 1, item.size_bytes, item.mtime_ns)
        if item.removed:
            why, evidence = "A configuration file that somebody removed: it stays removed.", f"packages: {item.package} brought it"
        elif item.is_conffile:
            why, evidence = "A configuration file that was edited here.", f"packages: not as {item.package} brought it"
        else:
            why = "A file of a package that was changed here: the change stays until the release has another one. It fits a role better."
            evidence = f"packages: not as {item.package} brought it"
        yield Proposal(item.path, False, Owner.MERGE, why, (evidence,), extent, text_merge=item.is_conffile and not item.removed)


def _of_units(units: Iterable[tuple[UnitDirectory, Extent]]) -> Iterable[Proposal]:
    for unit, extent in units:
        evidence = (f"systemd: {unit.setting}= of {unit.unit}",)
        yield Proposal(unit.path, True, _OWNER_OF_SETTING[unit.setting], _WHY_OF_SETTING[unit.setting], evidence, extent)


def _of_puppet(puppet: Mapping[str, tuple[str, Extent]]) -> Iterable[Proposal]:
    for path, (source, extent) in puppet.items():
        why = "Written by Puppet: what it wrote stays until it runs again."
        yield Proposal(path, False, Owner.ADD_ONLY, why, (f"puppet: {show(source)}",), extent)


def _united(candidates: Iterable[Proposal]) -> list[Proposal]:
    """One proposal a path: the class that is asked first wins, the evidence of all stays."""
    found: dict[str, Proposal] = {}
    for candidate in candidates:
        other = found.get(candidate.path)
        if other is not None:
            first, second = sorted((other, candidate), key=lambda proposal: PRECEDENCE.index(proposal.owner))
            extent = max(first.extent, second.extent)
            candidate = replace(first, evidence=tuple(dict.fromkeys((*other.evidence, *candidate.evidence))), extent=extent)
        found[candidate.path] = candidate
    return [found[path] for path in sorted(found)]


def _absorbed(candidates: Iterable[Proposal]) -> list[Proposal]:
    """Without those that a directory's proposal covers, whose evidence goes to it."""
    kept: dict[str, Proposal] = {}
    for candidate in candidates:  # directories before what is in them
        above = (kept[directory] for directory in ancestors_of(candidate.path) if directory in kept and kept[directory].is_dir)
        covering = next((proposal for proposal in above if _covers(proposal.owner, candidate.owner)), None)
        if covering is None:
            kept[candidate.path] = candidate
        else:
            kept[covering.path] = replace(covering, evidence=tuple(dict.fromkeys((*covering.evidence, *candidate.evidence))))
    return list(kept.values())


def _covers(above: Owner, below: Owner) -> bool:
    return above is not Owner.IMAGE and PRECEDENCE.index(above) <= PRECEDENCE.index(below)


def _judged(candidate: Proposal, lists: Ownership, others: Mapping[str, Ownership]) -> Proposal:
    verdict = lists.of(candidate.path, is_dir=candidate.is_dir)
    if not is_classed(verdict) and candidate.path in ACCOUNT_PATHS:
        verdict = _ACCOUNTS
    concern = next((name for name, ownership in others.items() if _says_more(ownership, candidate, verdict)), "")
    return replace(candidate, already=verdict if is_classed(verdict) else None, concern=concern)


def _says_more(ownership: Ownership, candidate: Proposal, verdict: Verdict) -> bool:
    other = ownership.of(candidate.path, is_dir=candidate.is_dir)
    return other.rule is not None and PRECEDENCE.index(other.owner) < PRECEDENCE.index(verdict.owner)


def _made(found: Iterable[Found]) -> tuple[Made, ...]:
    made: dict[tuple[str, str], Made] = {}
    for item in found:
        if item.made is not None:
            key = (item.made.pattern, item.made.source)
            before = made.get(key, Made(*key, 0, Extent()))
            made[key] = Made(*key, before.paths + 1, before.extent.plus(item.extent))
    return tuple(made[key] for key in sorted(made))
