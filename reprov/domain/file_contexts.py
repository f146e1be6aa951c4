"""file_contexts(5): which SELinux label the policy of a tree gives a path, as libselinux decides it.

Our own code, because labels are looked up where libselinux is not (the bindings exist for one Python, the program only with the
package), and because it need not try every one of 6,000 rules for every path: a rule can only match below its literal beginning.
The last rule that matches counts, rules without wildcards before all others (libselinux, label_file.c).
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from reprov.domain.entry import Kind
from reprov.errors import InvalidInput

_KINDS = {
    "--": Kind.FILE,
    "-d": Kind.DIR,
    "-l": Kind.LINK,
    "-c": Kind.CHAR,
    "-b": Kind.BLOCK,
    "-p": Kind.FIFO,
    "-s": Kind.SOCKET,
}
_REPEATS = frozenset("?*+{")
# Up to the first character that means something; with a backslash a letter or a digit does (a class, a reference), others do not.
_LITERAL = re.compile(r"(?:[^.^$?*+|\[({\\]+|\\[\W_])*")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
# What PCRE knows and Python does not.
_CLASSES = {
    "[:alnum:]": "0-9A-Za-z",
    "[:alpha:]": "A-Za-z",
    "[:digit:]": "0-9",
    "[:lower:]": "a-z",
    "[:upper:]": "A-Z",
    "[:xdigit:]": "0-9A-Fa-f",
    "[:space:]": r"\s",
}
_ALIAS = "#alias "
NONE = "<<none>>"


class ContextRule(NamedTuple):
    """One line: which paths (a regular expression), of which kind (None: any), have which label."""

    regex: str
    kind: Kind | None
    context: str
    place: str
    """file:line."""


@dataclass(slots=True)
class _Compiled:
    rule: ContextRule
    order: int
    beginning: bytes
    pattern: re.Pattern[bytes] | None = None

    def matches(self, path: bytes) -> bool:
        if self.pattern is None:
            self.pattern = _compile(self.rule)
        return self.pattern.search(path) is not None


@dataclass(frozen=True, slots=True)
class _Index:
    """The rules by where they can match."""

    exact: dict[bytes, list[ContextRule]]
    """Those without wildcards, by the path."""
    below: dict[bytes, list[_Compiled]]
    """All others, by the directory that everything they match lies below."""

    @classmethod
    def of(cls, rules: Iterable[ContextRule]) -> "_Index":
        index = cls({}, {})
        for order, rule in enumerate(rules):
            literal, is_exact = _literal(rule.regex)
            beginning = os.fsencode(literal)
            if is_exact:
                index.exact.setdefault(beginning, []).append(rule)
            else:
                index.below.setdefault(beginning[: beginning.rfind(b"/") + 1], []).append(_Compiled(rule, order, beginning))
        return index


@dataclass(frozen=True)
class FileContexts:
    """The rules of a policy in their order, and the aliases: a path below the first name is looked up below the second."""

    rules: tuple[ContextRule, ...]
    aliases: tuple[tuple[str, str], ...] = ()
    """In the order in which they are tried; those of `.subs` before those of `.subs_dist`, of which one more may follow."""
    dist_aliases: tuple[tuple[str, str], ...] = ()
    _candidates: dict[bytes, list[_Compiled]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def parse(cls, text: str, source: str) -> "FileContexts":
        """The rules of one file, or what `render` wrote. Raises `InvalidInput` with the line for anything else."""
        rules: list[ContextRule] = []
        aliases: list[list[tuple[str, str]]] = [[], []]
        for number, line in enumerate(text.split("\n"), start=1):
            words = line.split()
            if line.startswith(_ALIAS) and len(words) == 4 and words[1] in ("0", "1"):
                aliases[int(words[1])].append((words[2], words[3]))
            elif words and not words[0].startswith("#"):
                kind = _KINDS.get(words[1]) if len(words) == 3 else None
                if len(words) not in (2, 3) or (len(words) == 3 and kind is None):
                    raise InvalidInput(f"{source}:{number}: not a file context: {line[:80]!r}")
                rules.append(ContextRule(words[0], kind, words[-1], f"{source}:{number}"))
        return cls(tuple(rules), tuple(aliases[0]), tuple(aliases[1]))

    def render(self) -> str:
        """Everything as one text, which `parse` reads: the rules of all files one after the other, aliases as comments before them."""
        lines = [f"{_ALIAS}0 {name} {other}" for name, other in self.aliases]
        lines += [f"{_ALIAS}1 {name} {other}" for name, other in self.dist_aliases]
        letters = {kind: letter for letter, kind in _KINDS.items()}
        lines += [" ".join((rule.regex, *((letters[rule.kind],) if rule.kind else ()), rule.context)) for rule in self.rules]
        return "".join(line + "\n" for line in lines)

    def and_then(self, other: "FileContexts") -> "FileContexts":
        """These rules and after them, so that they go before, others."""
        return FileContexts((*self.rules, *other.rules), (*other.aliases, *self.aliases), (*other.dist_aliases, *self.dist_aliases))

    def check(self) -> None:
        """Raise `InvalidInput` for the first expression that cannot be read: lookups read only those that they need."""
        for rule in self.rules:
            _compile(rule)

    @property
    def is_empty(self) -> bool:
        """True without a rule."""
        return not self.rules

    def find(self, path: str, kind: Kind) -> str | None:
        """The label of a path (relative, as in a manifest); None where the policy gives none."""
        rule = self._rule_of(self._looked_up(path), kind)
        return rule.context if rule and rule.context != NONE else None

    def matches(self, path: str, kind: Kind) -> bool:
        """Whether any rule is about the path."""
        return self._rule_of(self._looked_up(path), kind) is not None

    def changed_since(self, before: "FileContexts") -> "FileContexts":
        """The rules that only one of the two has: what neither of them matches has the label that it had."""
        old, new = ({(rule.regex, rule.kind, rule.context) for rule in contexts.rules} for contexts in (before, self))
        differing = old ^ new
        found = [rule for contexts in (before, self) for rule in contexts.rules if (rule.regex, rule.kind, rule.context) in differing]
        return FileContexts(tuple(found), self.aliases, self.dist_aliases)

    def may_match_below(self, directory: str) -> bool:
        """Whether any rule could match something in the directory, at any depth: never False where one does."""
        top = self._looked_up(directory).rstrip(b"/") + b"/"
        return any(begins.startswith(top) or top.startswith(begins) for begins in self._beginnings())

    @cached_property
    def _index(self) -> _Index:
        """Made by the first lookup: there are contexts of which nothing is asked."""
        return _Index.of(self.rules)

    def _beginnings(self) -> Iterator[bytes]:
        yield from self._index.exact
        for found in self._index.below.values():
            for compiled in found:
                yield compiled.beginning

    def _rule_of(self, path: bytes, kind: Kind) -> ContextRule | None:
        for rule in reversed(self._index.exact.get(path, ())):
            if rule.kind is None or rule.kind is kind:
                return rule
        for compiled in self._candidates_for(path[: path.rfind(b"/") + 1]):
            rule = compiled.rule
            if (rule.kind is None or rule.kind is kind) and path.startswith(compiled.beginning) and compiled.matches(path):
                return rule
        return None

    def _candidates_for(self, directory: bytes) -> list[_Compiled]:
        """The rules that may match what is in a directory, the last one first."""
        found = self._candidates.get(directory)
        if found is None:
            below = self._index.below
            found = list(below.get(b"", ()))
            end = directory.find(b"/")
            while end >= 0:
                found += below.get(directory[: end + 1], ())
                end = directory.find(b"/", end + 1)
            found.sort(key=lambda compiled: -compiled.order)
            self._candidates[directory] = found
        return found

    def _looked_up(self, path: str) -> bytes:
        name = "/" + path
        if self.aliases:
            name = _renamed(name, self.aliases) or name
        if self.dist_aliases:
            name = _renamed(name, self.dist_aliases) or name
        return os.fsencode(name)


def parse_aliases(text: str) -> tuple[tuple[str, str], ...]:
    """The lines of a `.subs` or `.subs_dist` file, the last one first: that is how libselinux tries them."""
    words = [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return tuple((found[0], found[1]) for found in reversed(words) if len(found) >= 2)


def _renamed(name: str, aliases: Iterable[tuple[str, str]]) -> str | None:
    for alias, other in aliases:
        rest = name[len(alias) :]
        if name.startswith(alias) and (not rest or rest[0] == "/"):
            return other + (rest[1:] if other == "/" and rest else rest)
    return None


def _literal(regex: str) -> tuple[str, bool]:
    """What every match begins with, and whether that is all there is."""
    beginning = _LITERAL.match(regex)
    end = beginning.end() if beginning else 0
    literal = _ESCAPED.sub(r"\1", regex[:end])
    if end == len(regex):
        return literal, True
    if "|" in regex and "|" in _outside_groups(regex):
        return "", False
    # A character that is repeated may be missing.
    return literal[:-1] if regex[end] in _REPEATS else literal, False


def _outside_groups(regex: str) -> str:
    """The characters of an expression that are in no group and no class."""
    depth, outside = 0, []
    for char in re.sub(r"\\.|\[\^?\]?[^]]*\]", "", regex):
        depth += (char == "(") - (char == ")")
        if depth == 0:
            outside.append(char)
    return "".join(outside)


def _compile(rule: ContextRule) -> re.Pattern[bytes]:
    regex = rule.regex
    for name, plain in _CLASSES.items():
        regex = regex.replace(name, plain)
    try:
        return re.compile(b"^" + os.fsencode(regex) + b"$", re.DOTALL)
    except re.error as error:
        raise InvalidInput(f"{rule.place}: {rule.regex!r} cannot be read ({error})") from None


def joined(files: Mapping[str, str], name: str) -> FileContexts:
    """The contexts of a policy from the texts of its files by their names: `name` itself, `.homedirs`, `.local`, and the aliases.

    In this order: of rules that match equally, the later file's holds.
    """
    parts = [FileContexts.parse(files[file], file) for file in (name, f"{name}.homedirs", f"{name}.local") if file in files]
    rules = tuple(rule for part in parts for rule in part.rules)
    return FileContexts(rules, parse_aliases(files.get(f"{name}.subs", "")), parse_aliases(files.get(f"{name}.subs_dist", "")))
