"""What a package manager put on a node and remembers of it: who owns a path, and what was in it when it was installed."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from reprov.domain.entry import ancestors_of
from reprov.errors import InvalidInput

_RPM_CONFIG = 1 << 0  # RPMFILE_CONFIG of rpm's rpmfiles.h
_DPKG_DIGEST_LENGTH = 32


class Recorded(NamedTuple):
    """A file as its package brought it."""

    path: str
    """As the package calls it; when it is on a node, it may be found behind a link of a directory there."""
    package: str
    digest: str
    """In hex; md5 or sha256, which the length tells."""


class Changed(NamedTuple):
    """A file that is not what its package brought."""

    path: str
    package: str
    is_conffile: bool
    removed: bool
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True)
class InstalledFiles:
    """Everything that the package database says of a node's files."""

    family: str
    """debian, rpm, or "" where there is no database that could be read."""
    packages: int
    owners: Mapping[str, str]
    """The owning package by real path; directories only when their package has nothing in them."""
    conffiles: tuple[Recorded, ...]
    """Configuration files, with paths relative to the root."""
    files: tuple[Recorded, ...]
    """Every other file with a digest; () when nobody asked."""
    left_behind: Mapping[str, str]
    """Configuration files that no installed package has any more, by path; and the package that had them."""

    @classmethod
    def none(cls) -> "InstalledFiles":
        """Of a node without a package database."""
        return cls("", 0, {}, (), (), {})

    @cached_property
    def held(self) -> frozenset[str]:
        """Every owned path and every directory above one."""
        held: set[str] = set(self.owners)
        for path in self.owners:
            held.update(ancestors_of(path))
        return frozenset(held)


class Conffile(NamedTuple):
    """One line of a `Conffiles` field in dpkg's status."""

    recorded: Recorded
    current: bool
    """False when the package is removed, or has the file no more."""


def parse_conffiles(status: str) -> tuple[Conffile, ...]:
    """The configuration files that dpkg's status file names: installed packages' and what removed ones left.

    The field is ` PATH MD5 [FLAG]`; a path may hold spaces, and the digest is no digest while a package is being configured.
    """
    found: list[Conffile] = []
    package, state, inside = "", "", False
    for line in status.split("\n"):
        if inside and line.startswith(" "):
            words = line.strip().split(" ")
            gone = words[-1] in ("obsolete", "remove-on-upgrade")
            *name, digest = words[:-1] if gone else words
            if len(digest) == _DPKG_DIGEST_LENGTH:
                recorded = Recorded(" ".join(name).lstrip("/"), package, digest)
                found.append(Conffile(recorded, not gone and state != "config-files"))
            continue
        inside = line == "Conffiles:"
        if line.startswith("Package: "):
            package = line[9:].strip()
        elif line.startswith("Status: "):
            state = line.rpartition(" ")[2]
    return tuple(found)


def parse_md5sums(text: str, package: str) -> tuple[Recorded, ...]:
    """The lines of a package's info/*.md5sums: a digest, two spaces, a path without its leading slash."""
    lines = (line.partition("  ") for line in text.split("\n"))
    return tuple(Recorded(path, package, digest) for digest, _, path in lines if path and len(digest) == _DPKG_DIGEST_LENGTH)


def parse_ucf(hashfile: str, registry: str) -> tuple[Recorded, ...]:
    """The configuration files of packages that leave them to ucf: `MD5  /PATH` in the hash file, `PACKAGE \t /PATH` in the registry."""
    fields = (line.partition("/") for line in registry.split("\n"))
    packages = {path: package.strip() for package, _, path in fields if path}
    hashed = (line.partition("  /") for line in hashfile.split("\n"))
    return tuple(
        Recorded(path, packages.get(path, "ucf"), digest) for digest, _, path in hashed if path and len(digest) == _DPKG_DIGEST_LENGTH
    )


_NO_FILES = "(none)"  # what rpm prints for a package without files (gpg-pubkey), with no line break after it


class RpmFile(NamedTuple):
    """One file of an installed package."""

    recorded: Recorded
    is_conffile: bool


RPM_QUERY = r"[%{=NAME}\t%{FILEFLAGS}\t%{FILEDIGESTS}\t%{FILENAMES}\n]"
"""The --queryformat whose output `parse_rpm_query` reads."""


def parse_rpm_query(text: str) -> tuple[RpmFile, ...]:
    """The files of all packages; directories and links have an empty digest. Raises `InvalidInput` for any other output."""
    found: list[RpmFile] = []
    for number, line in enumerate(text.split("\n"), start=1):
        while line.startswith(_NO_FILES):
            line = line.removeprefix(_NO_FILES)
        if not line:
            continue
        fields = line.split("\t", 3)
        if len(fields) != 4 or not fields[1].isdigit():
            raise InvalidInput(f"rpm -qa:{number}: not a line of a file list: {line!r}")
        package, flags, digest, path = fields
        found.append(RpmFile(Recorded(path.lstrip("/"), package, digest), bool(int(flags) & _RPM_CONFIG)))
    return tuple(found)
