"""dpkg's database as text: var/lib/dpkg/status, info/*.list and diversions of a tree."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from reprov.domain.entry import Entry
from reprov.domain.packages import leaves
from reprov.domain.tree import real_directory
from reprov.errors import InvalidInput

SCRIPTLETS = ("postinst", "postrm", "preinst", "prerm", "triggers")
_GONE = ("not-installed", "config-files")


@dataclass(frozen=True, slots=True)
class StatusEntry:
    """One paragraph of the status file."""

    name: str
    version: str
    arch: str
    state: str
    """The third word of Status: installed, half-configured, unpacked, ..."""
    same: bool
    """Multi-Arch: same, whose files in info/ carry the architecture in their names."""

    @property
    def info_names(self) -> tuple[str, ...]:
        """How its files in info/ may be called, without their suffix, the likelier first."""
        plain, qualified = self.name, f"{self.name}:{self.arch}"
        return (qualified, plain) if self.same else (plain, qualified)


def parse_status(text: str, source: str) -> tuple[StatusEntry, ...]:
    """The packages of which files are in the tree. Raises `InvalidInput` with the line of a paragraph that misses a field."""
    found: list[StatusEntry] = []
    for line, fields in paragraphs(text):
        try:
            state = fields["Status"].split()[2]
            if state in _GONE:
                continue
            same = fields.get("Multi-Arch") == "same"
            found.append(StatusEntry(fields["Package"], fields["Version"], fields["Architecture"], state, same))
        except (KeyError, IndexError) as error:
            raise InvalidInput(f"{source}:{line}: a package without {str(error).strip(chr(39))}") from None
    return tuple(found)


def parse_diversions(text: str, source: str) -> dict[str, tuple[str, str]]:
    """Where a diverted path went and the package that took its place, by path (all as dpkg writes them, absolute)."""
    lines = text.splitlines()
    if len(lines) % 3:
        raise InvalidInput(f"{source}:{len(lines)}: the last diversion is cut off")
    return {lines[at]: (lines[at + 1], lines[at + 2]) for at in range(0, len(lines), 3)}


def owned_paths(
    package: str, listed: Iterable[str], diversions: Mapping[str, tuple[str, str]], entries: Mapping[str, Entry]
) -> tuple[str, ...]:
    """What a package owns in the tree, of the absolute paths that its .list names.

    dpkg lists /bin/x where a merged /usr has usr/bin/x: the directories are followed through the tree's own links.
    What the tree does not have (excluded documentation, removed by an administrator) is left out.
    """
    directories: dict[str, str | None] = {}
    owned: list[str] = []
    for name in leaves(path.lstrip("/") for path in listed):
        path = f"/{name}"
        moved_to, taken_by = diversions.get(path, (path, package))
        actual = path if taken_by == package else moved_to
        folder, _, last = actual.lstrip("/").rpartition("/")
        if folder not in directories:
            directories[folder] = real_directory(entries, folder)
        real_folder = directories[folder]
        if real_folder is not None and last != ".":
            real = f"{real_folder}/{last}" if real_folder else last
            if real in entries:
                owned.append(real)
    return leaves(owned)


def paragraphs(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Each paragraph's first line number and its single-line fields, of others the first line."""
    fields: dict[str, str] = {}
    start = 1
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            if fields:
                yield start, fields
            fields = {}
            continue
        if not fields:
            start = number
        if line[0] not in " \t":
            key, _, value = line.partition(":")
            fields[key] = value.strip()
    if fields:
        yield start, fields
