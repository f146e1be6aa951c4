"""eDeploy's exclude and add_only as reprov's ownership lists, and what they mean otherwise here.

eDeploy ran rsync twice over the live root: `--delete-after --exclude-from=exclude`, then
`--ignore-existing --include-from=add_only`. The first pass updates and deletes whatever exclude does not name, so the second one
can only add what exclude does name. `add_only` is therefore no class of its own: a rule `+ /var/**` of reprov's would take all of
/var from the release, the package database included.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import groupby, takewhile
from typing import NamedTuple

from reprov.domain.entry import ancestors_of, is_below
from reprov.domain.rules import Rule, RuleList

_NAMED = 4
"""How many patterns a sentence names; the others it gives by line."""
_EVERYTHING = ("*", "**", "***")
_WILD = re.compile(r"[*?\[\\]")


class Topic(Enum):
    """In which way reprov does not do what eDeploy did."""

    ENTERED = "the second pass wrote into a directory that exclude keeps"
    MADE = "exclude names it, add_only does not, and reprov makes it where it is missing"
    KIND = "node and image differ in kind where exclude keeps the node's"
    ROOT = "a name in the root directory"


class Said(NamedTuple):
    """A difference that these very lists bring."""

    topic: Topic
    rules: tuple[Rule, ...]
    """Those of exclude that it is about."""
    text: str
    """A sentence that begins with the place."""


@dataclass(frozen=True, slots=True)
class Translation:
    """Two lists of a concern of `excludes/`, and what is said of them."""

    exclude: bytes
    add_only: bytes
    differences: tuple[Said, ...]


def translate(exclude: tuple[str, bytes], add_only: tuple[str, bytes]) -> Translation:
    """Translate two lists given as (source, text). Raises `InvalidInput` for one that rsync would refuse or that holds no rule."""
    kept = RuleList.join([exclude])
    added = RuleList.join([add_only], plain_includes=True)
    return Translation(
        exclude=_encoded(_exclude_lines(exclude, kept)),
        add_only=_encoded(_add_only_lines(add_only[0], added)),
        differences=tuple(_differences(kept, added, exclude[0])),
    )


def _encoded(lines: Iterable[str]) -> bytes:
    return "".join(line + "\n" for line in lines).encode("utf-8", "surrogateescape")


def _exclude_lines(exclude: tuple[str, bytes], kept: RuleList) -> Iterator[str]:
    """The rules in their order, each run of them below a comment that says where it stood; the comments of the file stay."""
    source, text = exclude
    yield f"# What the node keeps, from {source} of eDeploy. First match wins, syntax of rsync --exclude-from."
    rules: dict[int, list[Rule]] = {}
    for rule in kept.rules:
        rules.setdefault(rule.line, []).append(rule)
    comments = {
        number: line.decode("utf-8", "surrogateescape").replace("\r", "")
        for number, line in enumerate(text.split(b"\n"), start=1)
        if line[:1] in (b"#", b";")
    }
    lines = sorted(rules.keys() | comments.keys())
    for are_rules, numbers in groupby(lines, key=lambda number: number in rules):
        run = list(numbers)
        if are_rules:
            for first, last in _runs(run):
                yield ""
                yield f"# {source}:{first}" + (f"-{last}" if last > first else "")
                yield from (str(rule) for number in range(first, last + 1) for rule in rules.get(number, ()))
        else:
            yield ""
            yield from ("#" + comments[number][1:] for number in run)


def _add_only_lines(source: str, added: RuleList) -> Iterator[str]:
    yield f"# What eDeploy added, from {source}."
    yield "# It added what is missing of the paths that the exclude list names; all other paths its first pass had updated and deleted"
    yield "# already. reprov makes a missing path of the exclude list, too, so nothing is add-only on its own account:"
    for first, last in _runs(sorted({rule.line for rule in added.rules})):
        yield "#"
        yield f"# {source}:{first}" + (f"-{last}" if last > first else "")
        yield from (f"#   {rule}" for rule in added.rules if first <= rule.line <= last)
    yield ""
    yield "- *"


def _differences(kept: RuleList, added: RuleList, source: str) -> Iterator[Said]:
    rules = [rule for rule in kept.rules if not rule.include]
    reached = [(rule, _reach(added, rule.pattern)) for rule in rules]
    entered = tuple(rule for rule, reach in reached if reach is not False)
    never = tuple(rule for rule, reach in reached if reach is not True)
    of_directories = [rule for rule in kept.rules if rule.pattern.endswith(("/", "/***"))]
    brought_back = next((number for number, rule in enumerate(kept.rules) if rule.include and rule in of_directories), len(kept.rules))
    of_kinds = tuple(rule for rule in rules if rule in entered or rule in of_directories or rule in kept.rules[brought_back:])
    for topic, concerned, text in (
        (
            Topic.ENTERED,
            entered,
            "where this keeps a directory that the node has, nothing is made in it: eDeploy's second pass added the image's own files to "
            "the node's data, and set the image's owner and mode on the directory",
        ),
        (
            Topic.MADE,
            never,
            "what the image has of this and the node lacks is made: eDeploy did not make what add_only leaves out; take it out of the tree "
            "if no node may get it",
        ),
        (
            Topic.KIND,
            of_kinds,
            "what the node has there stays also where it, or the image's, is no directory (a link to a data disk): eDeploy deleted it, or "
            "wrote through the link",
        ),
    ):
        if concerned:
            yield Said(topic, concerned, f"{_place(concerned, source)}: {text}")
    yield Said(Topic.ROOT, (), "/: a name in the root directory that no release brought stays: eDeploy deleted it unless exclude named it")


def _reach(added: RuleList, pattern: str) -> bool | None:
    """Whether the second pass takes what a pattern of exclude names: all of it, nothing of it, or (None) perhaps some."""
    if not added.rules[0].include and added.rules[0].pattern in _EVERYTHING:
        return False
    head = _literal_head(pattern)
    if not _is_entered(added, head):
        return False
    return True if _takes_all_below(added, head) else None


def _literal_head(pattern: str) -> str:
    """The directory below which an anchored pattern matches, or the one path that it matches."""
    if not pattern.startswith("/"):
        return ""
    return "/".join(takewhile(lambda part: not _WILD.search(part), pattern.strip("/").split("/")))


def _is_entered(added: RuleList, directory: str) -> bool:
    """True when rsync, given the list after --include-from, comes to the directory and enters it."""
    matches = (added.first_match(step, is_dir=True) for step in (*ancestors_of(directory)[1:], directory))
    return all(rule is None or rule.include for rule in matches)


def _takes_all_below(added: RuleList, directory: str) -> bool:
    """True when it takes all that is in the directory, too, because a rule for everything stands before any that excludes."""
    for rule in added.rules:
        if not rule.include:
            return False
        top = rule.pattern.rstrip("*").rstrip("/")
        if rule.pattern.startswith("/") and rule.pattern.endswith("/**") and not _WILD.search(top) and is_below(directory, top[1:]):
            return True
    return True


def _place(rules: Sequence[Rule], source: str) -> str:
    """`source:3-5,9 (/a/, /b/, /c/ and 1 more)`."""
    lines = (f"{first}-{last}" if last > first else str(first) for first, last in _runs(sorted({rule.line for rule in rules})))
    patterns = ", ".join(rule.pattern for rule in rules[:_NAMED])
    more = f" and {len(rules) - _NAMED} more" if len(rules) > _NAMED else ""
    return f"{source}:{','.join(lines)} ({patterns}{more})"


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The first and the last of each stretch of numbers without a gap."""
    start: int | None = None
    for index, number in enumerate(numbers):
        start = number if start is None else start
        if index + 1 == len(numbers) or numbers[index + 1] != number + 1:
            yield start, number
            start = None
