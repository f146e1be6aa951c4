"""Ownership lists in rsync's filter syntax: reading them, and finding the first rule that matches a path.

A list is what `rsync --exclude-from` and `--include-from` read: `+ ` and `- ` prefixes, a lone `!` that clears what
came before, `#` and `;` comments. In a merge list `merge=text ` is a third prefix. The answer comes with its source and
line, because a plan must explain itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile

from reprov.domain.entry import parent_of
from reprov.domain.pattern import Among, Pattern
from reprov.errors import InvalidInput

_LONGEST_BYTES = 4095  # rsync discards what is longer, with a message that nobody reads
_EVERYTHING = ("*", "**", "***")
_MERGE = b"merge="
_TEXT_MERGE = b"merge=text "


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a list and where it stands."""

    pattern: str
    """As written, without its prefix."""
    include: bool
    """`+` or `-`."""
    source: str
    line: int
    """From 1; 0 where there is no file."""
    text_merge: bool = False
    """`merge=text`: where the node and the release changed a text file in different lines, it gets both."""

    def __str__(self) -> str:
        """As it would stand in a list."""
        if self.text_merge:
            return f"{_TEXT_MERGE.decode()}{self.pattern}"
        return f"{'+' if self.include else '-'} {self.pattern}"

    @property
    def place(self) -> str:
        """`source:line`, or only the source where there is no file."""
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A rule that can match in a directory, with its place in the list."""

    number: int
    rule: Rule
    pattern: Pattern
    dirs_only: bool
    certain: bool
    """Nothing but the kind of the path is left to ask."""


@dataclass(frozen=True, slots=True)
class Within:
    """The part of a list that can match the names of one directory; directories with the same part share it."""

    by_name: dict[str, tuple[_Candidate, ...]]
    """Those that match one name."""
    others: tuple[_Candidate, ...]
    """Those that must be tried."""
    same_below: bool
    """Every directory further down has this very part."""

    def first_match(self, path: str, name: str, is_dir: bool) -> Rule | None:
        """The first rule of the list that matches the path; `name` is its last component."""
        first: _Candidate | None = None
        for candidate in self.by_name.get(name, ()):
            if is_dir or not candidate.dirs_only:
                first = candidate
                break
        for candidate in self.others:
            if first is not None and candidate.number > first.number:
                break
            if (is_dir or not candidate.dirs_only) and (candidate.certain or candidate.pattern.matches(path, is_dir=is_dir)):
                return candidate.rule
        return first.rule if first is not None else None


_Numbered = tuple[int, Rule, Pattern]


@dataclass(frozen=True)
class RuleList:
    """Rules in the order in which they are tried."""

    rules: tuple[Rule, ...]
    # What is left of the list below a directory, and within it: both shrink on the way down, and 80,000 paths share 8,000 directories.
    _reaching: dict[str, tuple[_Numbered, ...]] = field(init=False, repr=False, compare=False)
    _within: dict[str, Within] = field(init=False, repr=False, compare=False)
    _shared: dict[tuple[object, ...], Within] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Parse the patterns."""
        numbered = tuple((number, rule, Pattern.parse(rule.pattern)) for number, rule in enumerate(self.rules))
        object.__setattr__(self, "_reaching", {"": numbered})
        object.__setattr__(self, "_within", {})
        object.__setattr__(self, "_shared", {})

    @classmethod
    def parse(cls, text: bytes, source: str, *, plain_includes: bool = False, text_merges: bool = False) -> "RuleList":
        """The rules of one file; a line without prefix excludes, or includes with `plain_includes` (an include-from file).

        With `text_merges` a line may start with `merge=text `, too: it includes, and asks for a merge by line.
        Raises `InvalidInput` with the line for a rule that rsync refuses, and when no rule is left.
        """
        return cls.join([(source, text)], plain_includes=plain_includes, text_merges=text_merges)

    @classmethod
    def join(cls, files: Sequence[tuple[str, bytes]], *, plain_includes: bool = False, text_merges: bool = False) -> "RuleList":
        """The rules of several (source, text) files in one list, in their order, each with its own source and line.

        No file takes anything from another: a `!` clears what stands before it in its own, and one of several files ends before a rule
        that leaves everything else as it is without a list (`- *` at the end of an include-from file). Raises `InvalidInput` as
        `parse` does, for every file.
        """
        rules: list[Rule] = []
        for source, text in files:
            own: list[Rule] = []
            for rule in _parse_lines(text, source, plain_includes, text_merges):
                if rule is None:
                    own.clear()
                else:
                    own.append(rule)
            if not own:
                raise InvalidInput(f"{source}: holds no rule")
            says_more = partial(_says_more, plain_includes=plain_includes)
            rules += takewhile(says_more, own) if len(files) > 1 else own
        return cls(tuple(rules))

    def first_match(self, path: str, *, is_dir: bool) -> Rule | None:
        """The first rule that matches this very path, or None; the root ("") is matched by none."""
        if not path:
            return None
        directory, _, name = path.rpartition("/")
        return self.within(directory).first_match(path, name, is_dir)

    def within(self, directory: str) -> Within:
        """The part of the list that can match names in the directory."""
        found = self._within.get(directory)
        if found is None:
            found = self._within[directory] = self._narrow(directory)
        return found

    def _narrow(self, directory: str) -> Within:
        reaching = [(numbered, numbered[2].among(directory)) for numbered in self._reaching_below(directory)]
        candidates = [(numbered, among) for numbered, among in reaching if among is not Among.NONE]
        same_below = all(numbered[2].is_everywhere for numbered, _ in reaching)
        key = (same_below, *((numbered[0], among) for numbered, among in candidates))
        found = self._shared.get(key)
        if found is None:
            found = self._shared[key] = _sort(candidates, same_below)
        return found

    def _reaching_below(self, directory: str) -> tuple[_Numbered, ...]:
        found = self._reaching.get(directory)
        if found is None:
            above = self._reaching_below(parent_of(directory))
            kept = tuple(numbered for numbered in above if numbered[2].reaches(directory))
            found = self._reaching[directory] = above if len(kept) == len(above) else kept
        return found


def _sort(candidates: Sequence[tuple[_Numbered, str | Among]], same_below: bool) -> Within:
    by_name: dict[str, list[_Candidate]] = {}
    others: list[_Candidate] = []
    for (number, rule, pattern), among in candidates:
        if isinstance(among, str):
            # Where one name is left of `dir/***`, that is the directory itself.
            only_directory = pattern.dirs_only or pattern.literal is None
            by_name.setdefault(among, []).append(_Candidate(number, rule, pattern, only_directory, True))
        else:
            others.append(_Candidate(number, rule, pattern, pattern.dirs_only, among is Among.ALL))
    return Within({name: tuple(found) for name, found in by_name.items()}, tuple(others), same_below)


def _says_more(rule: Rule, *, plain_includes: bool) -> bool:
    """False for a rule that says of everything what holds without any rule."""
    return rule.include == plain_includes or rule.pattern.lstrip("/") not in _EVERYTHING


def _parse_lines(text: bytes, source: str, plain_includes: bool, text_merges: bool) -> Iterator[Rule | None]:
    """The rules of a file; None stands for a `!`. rsync ends a line at a carriage return, too."""
    for number, whole in enumerate(text.split(b"\n"), start=1):
        for line in whole.split(b"\r"):
            if not line or line[:1] in (b"#", b";"):
                continue
            if line == b"!":
                yield None
                continue
            prefixed = line[:2] in (b"+ ", b"- ")
            text_merge = text_merges and line.startswith(_TEXT_MERGE)
            if text_merges and line.startswith(_MERGE) and not text_merge:
                raise InvalidInput(
                    f"{source}:{number}: a merge that is none", hint="it is written 'merge=text PATTERN'; '+ merge=...' is for such a name"
                )
            pattern = line.removeprefix(_TEXT_MERGE) if text_merge else line[2:] if prefixed else line
            if not pattern:
                raise InvalidInput(f"{source}:{number}: a rule without a pattern")
            if b"\0" in pattern:
                raise InvalidInput(f"{source}:{number}: a rule with a NUL byte")
            if len(pattern) > _LONGEST_BYTES:
                raise InvalidInput(f"{source}:{number}: a pattern of {len(pattern)} bytes; rsync reads {_LONGEST_BYTES} at most")
            include = line[:1] == b"+" if prefixed else plain_includes
            yield Rule(pattern.decode("utf-8", "surrogateescape"), include, source, number, text_merge)
