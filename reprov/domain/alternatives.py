"""What update-alternatives(1) of dpkg knows of a name: its candidates, in a file of its own, and the links that a choice makes.

The format is that of dpkg's utils/update-alternatives.c: a line each for the mode and the master link, pairs of lines for the
slaves, an empty line; then for every candidate its path, its priority and a line for every slave, and an empty line.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

ADMIN_DIRECTORY: Final = "var/lib/dpkg/alternatives"
LINK_DIRECTORY: Final = "etc/alternatives"


def admin_path(name: str) -> str:
    """The file that knows of a name."""
    return f"{ADMIN_DIRECTORY}/{name}"


def link_path(name: str) -> str:
    """The link that makes the choice for a name, of a master or of a slave."""
    return f"{LINK_DIRECTORY}/{name}"


class Mode(NamedTuple):
    """Who chooses: in mode auto the priorities do, else an operator."""

    manual: bool
    choice: str = ""
    """The path that an operator chose; "" in mode auto."""


AUTO: Final = Mode(False)


class Member(NamedTuple):
    """The master or a slave of a group."""

    name: str
    link: str
    """Where programs look for it: `/usr/bin/editor`."""


class Candidate(NamedTuple):
    """One of the programs that may be chosen."""

    path: str
    priority: int
    slaves: tuple[str, ...]
    """What goes with it, one for each slave of the group; "" where it has none."""


@dataclass(frozen=True, slots=True)
class Group:
    """Everything that update-alternatives knows of a name."""

    manual: bool
    master: Member
    slaves: tuple[Member, ...]
    candidates: tuple[Candidate, ...]
    lines: tuple[bytes, ...]
    """The file's, without the one for the mode."""

    @classmethod
    def parse(cls, name: str, content: bytes) -> "Group | None":
        """The group that a file describes; None for what update-alternatives would not read."""
        mode, _, rest = content.partition(b"\n")
        lines = iter(rest.decode("utf-8", "surrogateescape").split("\n"))
        try:
            master = Member(name, next(lines))
            slaves = tuple(Member(slave, next(lines)) for slave in iter(lines.__next__, ""))
            candidates = tuple(_read_candidates(lines, len(slaves)))
        except (StopIteration, RuntimeError, ValueError):
            return None
        whole = mode in (b"auto", b"manual") and candidates and content.endswith(b"\n\n")
        if not whole or not all(_is_sound(member) for member in (master, *slaves)):
            return None
        return cls(mode == b"manual", master, slaves, candidates, tuple(rest.split(b"\n")))

    @property
    def members(self) -> tuple[Member, ...]:
        """The master and the slaves."""
        return (self.master, *self.slaves)

    @property
    def best(self) -> Candidate:
        """What mode auto chooses: the highest priority, the first of several."""
        return max(self.candidates, key=lambda candidate: candidate.priority)

    def candidate(self, path: str) -> Candidate | None:
        """The candidate of that path."""
        return next((candidate for candidate in self.candidates if candidate.path == path), None)

    def given_by(self, candidate: Candidate) -> tuple[tuple[Member, str], ...]:
        """The members with what a candidate gives them; "" for nothing."""
        return tuple(zip(self.members, (candidate.path, *candidate.slaves), strict=True))

    def mode(self, chosen: str) -> Mode | None:
        """The mode, by what the master's link chooses; None where somebody has changed the link behind update-alternatives' back."""
        if self.manual:
            return Mode(True, chosen)
        return AUTO if chosen == self.best.path else None

    def written(self, *, manual: bool) -> bytes:
        """The file's content in a mode."""
        return b"\n".join((b"manual" if manual else b"auto", *self.lines))


def _is_sound(member: Member) -> bool:
    return bool(member.name) and "/" not in member.name and member.link.startswith("/")


def _read_candidates(lines: Iterator[str], slaves: int) -> Iterator[Candidate]:
    for path in iter(lines.__next__, ""):
        yield Candidate(path, int(next(lines)), tuple(next(lines) for _ in range(slaves)))
