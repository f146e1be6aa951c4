"""rpm's database as values: what `rpm -qa --queryformat QUERY` prints about every package of a tree."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from reprov.domain import rpm_version
from reprov.errors import InvalidInput

LUA: Final = "<lua>"
"""The interpreter that rpm has inside."""

SCRIPTS: Final = {
    "pretrans": "PRETRANS",
    "pre": "PREIN",
    "post": "POSTIN",
    "preun": "PREUN",
    "postun": "POSTUN",
    "posttrans": "POSTTRANS",
    "preuntrans": "PREUNTRANS",
    "postuntrans": "POSTUNTRANS",
}
"""The scriptlets by their names in a spec file, and rpm's tags for them; the last two are rpm 4.19's."""

_PLACED = (0,)  # RPMFILE_STATE_NORMAL: the others are another package's, or were never put into the tree
_LESS, _GREATER, _EQUAL = 1 << 1, 1 << 2, 1 << 3  # RPMSENSE_* of rpm's rpmds.h
_TRIGGERS = {1 << 25: "triggerprein", 1 << 16: "triggerin", 1 << 17: "triggerun", 1 << 18: "triggerpostun"}
_FILE_TRIGGERS = {1 << 16: "in", 1 << 17: "un", 1 << 18: "postun"}


class Script(NamedTuple):
    """What a package brings to be run."""

    interpreter: tuple[str, ...]
    body: str
    """"" when the interpreter is the program itself (`%post -p /sbin/ldconfig`)."""


class Condition(NamedTuple):
    """A package that sets a trigger off."""

    name: str
    flags: int
    version: str

    def matches(self, package: "RpmPackage") -> bool:
        """True when the package is one of those that are meant; a version without a release means every release."""
        if self.name != package.name:
            return False
        if not self.version:
            return True
        epoch, version, release = rpm_version.split(self.version)
        theirs = rpm_version.split(package.version)
        mine = (epoch if ":" in self.version else theirs[0], version, release)
        order = (theirs[0] > mine[0]) - (theirs[0] < mine[0]) or rpm_version.vercmp(theirs[1], mine[1])
        if not order and release:
            order = rpm_version.vercmp(theirs[2], release)
        return bool(self.flags & (_LESS if order < 0 else _GREATER if order > 0 else _EQUAL))


class Trigger(NamedTuple):
    """A script that other packages set off."""

    kind: str
    """triggerprein, triggerin, triggerun or triggerpostun."""
    script: Script
    conditions: tuple[Condition, ...]


class FileTrigger(NamedTuple):
    """A script that files below some directories set off."""

    when: str
    """in, un or postun."""
    is_transaction: bool
    """Once at the end, for all packages together."""
    priority: int
    script: Script
    prefixes: tuple[str, ...]

    @property
    def kind(self) -> str:
        """Its name in a spec file."""
        return f"{'trans' if self.is_transaction else ''}filetrigger{self.when}"


@dataclass(frozen=True, slots=True)
class RpmPackage:
    """One installed package."""

    name: str
    version: str
    """With release, and with the epoch that is not 0: `[epoch:]version-release`."""
    arch: str
    scripts: tuple[tuple[str, Script], ...] = ()
    """By the keys of `SCRIPTS`, in their order."""
    triggers: tuple[Trigger, ...] = ()
    file_triggers: tuple[FileTrigger, ...] = ()
    files: tuple[str, ...] = ()
    """Absolute, ghosts among them, in rpm's order."""
    placed: tuple[str, ...] = ()
    """Those that are its own in the tree: no documentation that was left out."""
    provides: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    """Names and files that have to be there before it."""
    instance: int = 0
    """When it came into the database, compared with others."""

    @property
    def scriptlets(self) -> tuple[str, ...]:
        """The names of everything that it brings to be run, sorted."""
        names = {name for name, _ in self.scripts} | {trigger.kind for trigger in self.triggers}
        return tuple(sorted(names | {trigger.kind for trigger in self.file_triggers}))

    def script(self, name: str) -> Script | None:
        """One of its scriptlets."""
        return dict(self.scripts).get(name)


# A line says what it is about in its first word; what packages choose themselves is quoted as for a shell, so that it cannot be
# taken for anything else, line breaks included. The packages' own words come as rpm's database has them: macros are expanded.
_PLAIN_LINES = (
    "package %{NAME:shescape} %{EPOCHNUM} %{VERSION:shescape} %{RELEASE:shescape} %{ARCH:shescape} %{DBINSTANCE}\\n"
    "[file %{FILENAMES:shescape} %{FILESTATES}\\n]"
    "[provides %{PROVIDENAME:shescape}\\n]"
    "[requires %{REQUIRENAME:shescape}\\n]"
    "[trigger-script %{TRIGGERSCRIPTPROG:shescape} %{TRIGGERSCRIPTS:shescape}\\n]"
    "[trigger-condition %{TRIGGERINDEX} %{TRIGGERFLAGS} %{TRIGGERNAME:shescape} %{TRIGGERVERSION:shescape}\\n]"
)
_FILE_TRIGGER_LINES = (
    "[{word}-script %{{{tag}SCRIPTPROG:shescape}} %{{{tag}SCRIPTS:shescape}} %{{{tag}PRIORITIES}}\\n]"
    "[{word}-prefix %{{{tag}INDEX}} %{{{tag}FLAGS}} %{{{tag}NAME:shescape}}\\n]"
)
_SCRIPT_LINE = "%|{tag}PROG?{{script {name} %|{tag}?{{%{{{tag}:shescape}}}}:{{''}}|[ %{{{tag}PROG:shescape}}]\\n}}|"


def query(known_tags: Iterable[str]) -> str:
    """The --queryformat whose output `parse` reads, with the tags that the rpm program at hand knows (`rpm --querytags`)."""
    known = frozenset(known_tags)
    scripts = "".join(_SCRIPT_LINE.format(name=name, tag=tag) for name, tag in SCRIPTS.items() if tag in known)
    file_triggers = "".join(
        _FILE_TRIGGER_LINES.format(word=word, tag=tag)
        for word, tag in (("filetrigger", "FILETRIGGER"), ("transfiletrigger", "TRANSFILETRIGGER"))
    )
    return _PLAIN_LINES + scripts + file_triggers


def parse(text: str, source: str) -> tuple[RpmPackage, ...]:
    """The packages of a database, in the order in which they were installed.

    Raises `InvalidInput` for anything but the output of `query`.
    """
    found: list[RpmPackage] = []
    rows: list[list[str]] = []
    for row in _rows(text, source):
        if row[0] == "package" and rows:
            found.append(_package(rows, source))
            rows = []
        rows.append(row)
    if rows:
        found.append(_package(rows, source))
    return tuple(sorted(found, key=lambda package: package.instance))


_WORD = re.compile(r"((?:'[^']*'|\\')+|[^\s'\\]+)([ \n]+|$)")


def _rows(text: str, source: str) -> Iterator[list[str]]:
    """The lines as words, a quoted word with the line breaks in it."""
    row: list[str] = []
    at = 0
    while at < len(text):
        match = _WORD.match(text, at)
        if match is None:
            raise InvalidInput(f"{source}: not a list of packages: {text[at : at + 80]!r}")
        row.append(_unquoted(match[1]) if match[1][0] in "'\\" else match[1])
        if "\n" in match[2] or not match[2]:
            yield row
            row = []
        at = match.end()


def _unquoted(word: str) -> str:
    return "".join(quoted if quote else "'" for quote, quoted in re.findall(r"(')([^']*)'|\\'", word))


def _package(rows: list[list[str]], source: str) -> RpmPackage:
    by_word: dict[str, list[list[str]]] = {}
    for row in rows:
        by_word.setdefault(row[0], []).append(row[1:])
    try:
        name, epoch, version, release, arch, instance = by_word["package"][0]
        files = [(path, int(state)) for path, state in by_word.get("file", ())]
        scripts = {row[0]: Script(tuple(row[2:]), row[1]) for row in by_word.get("script", ())}
        file_triggers = (
            *_file_triggers(by_word, "filetrigger", is_transaction=False),
            *_file_triggers(by_word, "transfiletrigger", is_transaction=True),
        )
        return RpmPackage(
            name=name,
            version=f"{epoch}:{version}-{release}" if int(epoch) else f"{version}-{release}",
            arch=arch,
            scripts=tuple((known, scripts[known]) for known in SCRIPTS if known in scripts),
            triggers=tuple(_triggers(by_word)),
            file_triggers=file_triggers,
            files=tuple(path for path, _ in files),
            placed=tuple(path for path, state in files if state in _PLACED),
            provides=tuple(row[0] for row in by_word.get("provides", ())),
            requires=tuple(row[0] for row in by_word.get("requires", ())),
            instance=int(instance),
        )
    except (KeyError, ValueError, IndexError) as error:
        raise InvalidInput(f"{source}: not a package: {rows[0]!r} ({type(error).__name__}: {error})") from None


def _triggers(by_word: dict[str, list[list[str]]]) -> Iterator[Trigger]:
    conditions: dict[int, list[list[str]]] = {}
    for row in by_word.get("trigger-condition", ()):
        conditions.setdefault(int(row[0]), []).append(row[1:])
    for index, (interpreter, body) in enumerate(by_word.get("trigger-script", ())):
        of_script = conditions.get(index, [])
        flags = int(of_script[0][0])
        kind = next(name for bit, name in _TRIGGERS.items() if flags & bit)
        named = tuple(Condition(name, int(flags), version) for flags, name, version in of_script)
        yield Trigger(kind, Script(tuple(interpreter.split()), body), named)


def _file_triggers(by_word: dict[str, list[list[str]]], word: str, *, is_transaction: bool) -> Iterator[FileTrigger]:
    prefixes: dict[int, list[list[str]]] = {}
    for row in by_word.get(f"{word}-prefix", ()):
        prefixes.setdefault(int(row[0]), []).append(row[1:])
    for index, (interpreter, body, priority) in enumerate(by_word.get(f"{word}-script", ())):
        of_script = prefixes.get(index, [])
        flags = int(of_script[0][0])
        when = next(name for bit, name in _FILE_TRIGGERS.items() if flags & bit)
        paths = tuple(path for _, path in of_script)
        yield FileTrigger(when, is_transaction, int(priority), Script(tuple(interpreter.split()), body), paths)
