"""Which scriptlets and triggers rpm would call in a transaction, in its order, with its arguments and what they read.

After rpm's own lib/psm.c, lib/rpmtriggers.c and lib/transaction.c as of rpm 4.18, which an oracle test compares it with. A package
that is upgraded is there twice between the installation of the new version and the erasure of the old one: that is what `$1` counts.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from reprov.domain.rpm import FileTrigger, RpmPackage, Script
from reprov.domain.rpm_transaction import Transaction, key_of

_UPPER_PRIORITY = 10000
"""File triggers from here on run before %post and %preun, the others after."""


class Call(NamedTuple):
    """One scriptlet that is called."""

    package: RpmPackage
    """Whose it is."""
    kind: str
    """Its name in a spec file: post, triggerin, transfiletriggerpostun, ..."""
    script: Script
    arguments: tuple[int, ...]
    paths: tuple[str, ...] = ()
    """What a file trigger reads, a path a line."""
    prefixes: tuple[str, ...] = ()
    """The directories of a file trigger."""

    @property
    def title(self) -> str:
        """What it is called in messages."""
        return f"{self.package.name}.{self.kind}"


def calls_of(transaction: Transaction) -> list[Call]:
    """Every call of the transaction. It is a simulation: nothing is run."""
    return list(_Run(transaction).calls())


class _Run:
    """One pass over a transaction, with the database as it is at each step."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._database = {key_of(package): package for package in transaction.before}
        self._names = Counter(package.name for package in transaction.before)
        self._holders = Counter(path for package in transaction.before for path in package.files)
        self._stored: list[tuple[RpmPackage, FileTrigger]] = []

    def calls(self) -> Iterator[Call]:
        todo = self._transaction
        for package in todo.installed:
            yield from _own(package, "pretrans", self._count(package.name) + 1)
        for package in todo.erased:
            yield from _own(package, "preuntrans", self._count(package.name) - (not todo.is_upgrade(package)))
        erased = {key_of(package) for package in todo.erased}
        yield from self._transaction_triggers("un", [package for key, package in self._database.items() if key in erased])
        for package in todo.erased:
            yield from self._immediate_file_triggers(package, "un", is_transaction=True)
        for package in todo.installed:
            yield from self._install(package)
        for package in todo.erased:
            yield from self._erase(package)
        for package in todo.installed:
            yield from _own(package, "posttrans", self._count(package.name) + todo.is_upgrade(package))
        for package in todo.erased:
            yield from _own(package, "postuntrans", self._count(package.name))
        yield from self._transaction_triggers("in", todo.installed)
        stored = {(key_of(owner), trigger): (owner, trigger) for owner, trigger in self._stored}
        for owner, trigger in sorted(stored.values(), key=_by_priority):
            if key_of(owner) in self._database:
                yield _file_call(owner, trigger, ())
        for package in todo.installed:
            yield from self._immediate_file_triggers(package, "in", is_transaction=True)

    def _install(self, package: RpmPackage) -> Iterator[Call]:
        argument = self._count(package.name) + 1
        yield from self._triggers("triggerprein", package, correction=0)
        yield from self._immediate_triggers("triggerprein", package, correction=0)
        yield from _own(package, "pre", argument)
        self._database[key_of(package)] = package
        self._names[package.name] += 1
        self._holders.update(package.files)
        yield from self._file_triggers("in", package, _is_upper)
        yield from self._immediate_file_triggers(package, "in", _is_upper)
        yield from _own(package, "post", argument)
        yield from self._triggers("triggerin", package, correction=0)
        yield from self._immediate_triggers("triggerin", package, correction=0)
        yield from self._file_triggers("in", package, _is_lower)
        yield from self._immediate_file_triggers(package, "in", _is_lower)

    def _erase(self, package: RpmPackage) -> Iterator[Call]:
        argument = self._count(package.name) - 1
        yield from self._immediate_file_triggers(package, "un", _is_upper)
        yield from self._file_triggers("un", package, _is_upper)
        yield from self._immediate_triggers("triggerun", package, correction=-1)
        yield from self._triggers("triggerun", package, correction=-1)
        yield from _own(package, "preun", argument)
        yield from self._immediate_file_triggers(package, "un", _is_lower)
        yield from self._file_triggers("un", package, _is_lower)
        yield from self._file_triggers("postun", package, _is_upper)
        yield from _own(package, "postun", argument)
        yield from self._triggers("triggerpostun", package, correction=-1)
        yield from self._file_triggers("postun", package, _is_lower)
        for owner in self._database.values():
            for trigger in owner.file_triggers:
                if trigger.is_transaction and trigger.when == "postun" and _matches(package.files, trigger.prefixes):
                    self._stored.append((owner, trigger))
        del self._database[key_of(package)]
        self._names[package.name] -= 1
        self._holders.subtract(package.files)

    def _count(self, name: str) -> int:
        return self._names[name]

    def _triggers(self, kind: str, source: RpmPackage, *, correction: int) -> Iterator[Call]:
        """Those of every package that the source sets off."""
        for owner in list(self._database.values()):
            for trigger in owner.triggers:
                if trigger.kind == kind and any(condition.matches(source) for condition in trigger.conditions):
                    yield Call(owner, kind, trigger.script, (self._count(owner.name), self._count(source.name) + correction))
                    break  # a pair of packages runs one script

    def _immediate_triggers(self, kind: str, owner: RpmPackage, *, correction: int) -> Iterator[Call]:
        """Those of a package that comes or goes, set off by what is there."""
        for trigger in owner.triggers:
            if trigger.kind != kind:
                continue
            source = next((package for package in self._database.values() if any(one.matches(package) for one in trigger.conditions)), None)
            if source is not None:
                yield Call(owner, kind, trigger.script, (self._count(owner.name) + correction, self._count(source.name)))

    def _file_triggers(self, when: str, source: RpmPackage, is_due: Callable[[FileTrigger], bool]) -> Iterator[Call]:
        """Those of every package that a file of the source sets off; a file that another package has, too, does not go."""
        due = [
            (owner, trigger)
            for owner in self._database.values()
            for trigger in owner.file_triggers
            if not trigger.is_transaction and trigger.when == when and is_due(trigger)
        ]
        files = [path for path in source.files if when == "in" or self._holders[path] == 1] if due else []
        found = [(owner, trigger) for owner, trigger in due if _matches(files, trigger.prefixes)]
        for owner, trigger in sorted(found, key=_by_priority):
            yield _file_call(owner, trigger, _matching(files, trigger.prefixes))

    def _immediate_file_triggers(
        self, owner: RpmPackage, when: str, is_due: Callable[[FileTrigger], bool] = lambda _: True, *, is_transaction: bool = False
    ) -> Iterator[Call]:
        """Those of a package that comes or goes, set off by any file that is there."""
        own = [trigger for trigger in owner.file_triggers if trigger.is_transaction == is_transaction and trigger.when == when]
        everything = is_transaction or when != "in"
        sources = [package for key, package in self._database.items() if everything or key != key_of(owner)] if own else []
        for trigger in sorted(filter(is_due, own), key=lambda trigger: -trigger.priority):
            paths = _matching_below(sources, trigger.prefixes)
            if paths:
                yield _file_call(owner, trigger, paths)

    def _transaction_triggers(self, when: str, sources: Sequence[RpmPackage]) -> Iterator[Call]:
        """Those of packages that stay, set off by files of packages that come or go."""
        moving = {key_of(package) for package in (*self._transaction.installed, *self._transaction.erased)}
        found = [
            (owner, trigger)
            for key, owner in self._database.items()
            if key not in moving
            for trigger in owner.file_triggers
            if trigger.is_transaction and trigger.when == when
        ]
        for owner, trigger in sorted(found, key=_by_priority):
            paths = _matching_below(sources, trigger.prefixes)
            if paths:
                yield _file_call(owner, trigger, paths)


def _own(package: RpmPackage, kind: str, argument: int) -> Iterator[Call]:
    script = package.script(kind)
    if script is not None:
        yield Call(package, kind, script, (argument,))


def _file_call(owner: RpmPackage, trigger: FileTrigger, paths: tuple[str, ...]) -> Call:
    return Call(owner, trigger.kind, trigger.script, (0,), paths, trigger.prefixes)


def _by_priority(found: tuple[RpmPackage, FileTrigger]) -> int:
    return -found[1].priority


def _is_upper(trigger: FileTrigger) -> bool:
    return trigger.priority >= _UPPER_PRIORITY


def _is_lower(trigger: FileTrigger) -> bool:
    return not _is_upper(trigger)


def _matches(files: Sequence[str], prefixes: tuple[str, ...]) -> bool:
    return any(path.startswith(prefixes) for path in files)


def _matching(files: Sequence[str], prefixes: Sequence[str]) -> tuple[str, ...]:
    """The files that begin with a prefix, prefix by prefix. A prefix is no directory: /usr/lib/a means /usr/lib/abc, too."""
    return tuple(path for prefix in prefixes for path in files if path.startswith(prefix))


def _matching_below(packages: Sequence[RpmPackage], prefixes: Sequence[str]) -> tuple[str, ...]:
    """The same for the files of packages that have anything in a directory whose name begins with the prefix."""
    return tuple(
        path
        for prefix in prefixes
        for package in packages
        if (found := _matching(package.files, (prefix,))) and any(f"{path.rpartition('/')[0]}/".startswith(prefix) for path in found)
        for path in found
    )
