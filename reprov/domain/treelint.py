"""What is wrong with a finished tree, path by path: the last judgement before it may be published."""

from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import NamedTuple

from reprov.domain.entry import Kind, ancestors_of, show
from reprov.domain.pristine import EMPTY_DIRECTORIES, INITIATOR_NAME, MACHINE_ID, POLICY_RC_D, RESOLV_CONF, UNNAMED_INITIATOR, is_identity

READ_PATHS = frozenset({MACHINE_ID, RESOLV_CONF, INITIATOR_NAME, "etc/passwd", "etc/group"})
"""The files whose content the judgement needs."""

_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_EMPTY = frozenset(EMPTY_DIRECTORIES)


class Seen(NamedTuple):
    """What lstat says of a path in the tree. A NamedTuple, because a tree has 80,000 of them."""

    path: str
    kind: Kind
    mode: int
    uid: int
    gid: int
    target: str = ""


@dataclass(frozen=True, slots=True)
class TreeFacts:
    """A tree as the lint sees it."""

    seen: tuple[Seen, ...]
    content: dict[str, bytes]
    """Of those of `READ_PATHS` that are files."""
    mounts: tuple[str, ...]
    """Mount points in the tree, relative."""
    builder_resolv_conf: bytes
    """The build machine's own."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that must not be in a tree."""

    path: str
    problem: str

    def __str__(self) -> str:
        return f"{show(self.path)}: {self.problem}"


def lint(facts: TreeFacts) -> tuple[Finding, ...]:
    """Everything that keeps the tree from being published, in path order."""
    uids = _ids(facts.content.get("etc/passwd", b""))
    gids = _ids(facts.content.get("etc/group", b""))
    problems = [Finding(seen.path, problem) for seen in facts.seen for problem in _problems_of(seen, uids, gids)]
    problems += [Finding(path, "something is mounted here") for path in facts.mounts]
    problems += _problems_of_content(facts)
    problems += _problems_of_merge(facts.seen)
    return tuple(sorted(problems))


def _problems_of(seen: Seen, uids: Set[int], gids: Set[int]) -> Iterable[str]:
    if seen.kind is Kind.SOCKET:
        yield "a socket"
    if seen.kind in (Kind.CHAR, Kind.BLOCK):
        yield "a device node"
    if any(parent in _EMPTY for parent in ancestors_of(seen.path)):
        yield "lies in a directory that belongs to the running system"
    if seen.path == POLICY_RC_D:
        yield "would keep the node's services from starting"
    if is_identity(seen.path) and seen.kind is not Kind.LINK:
        yield "is the identity of one machine"
    if seen.kind is Kind.DIR and seen.mode & 0o002 and not seen.mode & 0o1000:
        yield f"everybody may write here and remove the files of others (mode {seen.mode:04o})"
    if seen.uid not in uids:
        yield f"belongs to user {seen.uid}, whom the tree's /etc/passwd does not know"
    if seen.gid not in gids:
        yield f"belongs to group {seen.gid}, which the tree's /etc/group does not know"


def _problems_of_content(facts: TreeFacts) -> Iterable[Finding]:
    if facts.content.get(MACHINE_ID, b""):
        yield Finding(MACHINE_ID, "is the identity of one machine: must be empty")
    if not any(seen.path == MACHINE_ID for seen in facts.seen):
        yield Finding(MACHINE_ID, "is missing: must be there and empty, or the first boot would undo what the role enables and disables")
    if facts.content.get(RESOLV_CONF) and facts.content[RESOLV_CONF] == facts.builder_resolv_conf:
        yield Finding(RESOLV_CONF, "is the build machine's")
    if facts.content.get(INITIATOR_NAME, UNNAMED_INITIATOR) != UNNAMED_INITIATOR:
        yield Finding(INITIATOR_NAME, "is the identity of one machine")


def _problems_of_merge(seen: Iterable[Seen]) -> Iterable[Finding]:
    found = {entry.path: entry for entry in seen if entry.path in _MERGED or entry.path == "usr"}
    for name in _MERGED:
        entry = found.get(name)
        if entry and "usr" in found and not (entry.kind is Kind.LINK and entry.target.strip("/") == f"usr/{name}"):
            yield Finding(name, f"must be a symbolic link to usr/{name}")


def _ids(accounts: bytes) -> frozenset[int]:
    """The numbers in the third field of passwd or group."""
    fields = (line.split(b":") for line in accounts.splitlines())
    return frozenset(int(field[2]) for field in fields if len(field) > 3 and field[2].isdigit())
