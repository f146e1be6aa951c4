"""One pattern of rsync's filter syntax: which paths it matches.

The rules are those of "PATTERN MATCHING RULES" in rsync(1) and, where the manual is silent, what rsync 3.5 does;
`tests/oracle/test_rules_oracle.py` compares the two. Matching is by bytes, as rsync's: `?` is one byte.
"""

import re
from dataclasses import dataclass
from enum import Enum

from reprov.domain.entry import is_below, parent_of

_NOT_A_SLASH = frozenset(range(1, 256)) - {ord("/")}
_POSIX_CLASSES = {
    name: frozenset(byte for byte in range(1, 128) if re.fullmatch(expression, bytes([byte]), re.DOTALL))
    for name, expression in (
        (b"alnum", rb"[0-9A-Za-z]"),
        (b"alpha", rb"[A-Za-z]"),
        (b"blank", rb"[ \t]"),
        (b"cntrl", rb"[\x01-\x1f\x7f]"),
        (b"digit", rb"[0-9]"),
        (b"graph", rb"[!-~]"),
        (b"lower", rb"[a-z]"),
        (b"print", rb"[ -~]"),
        (b"punct", rb"[!-/:-@\[-`{-~]"),
        (b"space", rb"[ \t\n\v\f\r]"),
        (b"upper", rb"[A-Z]"),
        (b"xdigit", rb"[0-9A-Fa-f]"),
    )
}


class Among(Enum):
    """What a pattern can match of the names in one directory, where it is not a single name."""

    NONE = "none"
    SOME = "some"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed pattern. Without wildcards it is compared, with wildcards it is a regular expression."""

    dirs_only: bool
    """It ended with a slash."""
    anchored: bool
    """It started with a slash: it matches from the root of the tree."""
    literal: str | None
    """The whole of a pattern without wildcards, without slashes at its ends."""
    head: str
    """The directory below which an anchored pattern with wildcards matches."""
    depth: int | None
    """How many directories lie above whatever an anchored pattern matches; None: any number."""
    tail: bytes
    """What follows the head, if there are wildcards."""
    expression: re.Pattern[bytes] | None
    """For a pattern with wildcards; None there means that it can never match."""
    by_name: bool
    """The expression is for the last component, not for the path."""
    leading_slash: bool
    """`**` at the start of a pattern also matches the slash that a path is given for it."""
    trailing_slash: bool
    """`/***` at the end also matches the slash that a directory is given for it, and so the directory."""

    @classmethod
    def parse(cls, text: str) -> "Pattern":
        """The pattern that a line of a list holds after its `+ ` or `- `. Every text is one; some never match."""
        raw = text.encode("utf-8", "surrogateescape")
        dirs_only = len(raw) > 1 and raw.endswith(b"/")
        if dirs_only:
            raw = raw[:-1]
        anchored = raw.startswith(b"/")
        body = raw[1:] if anchored else raw
        if anchored and body.startswith(b"/"):  # no path has an empty component
            return cls(dirs_only, anchored, None, "", None, b"", None, False, False, False)
        if not re.search(rb"[*?\[]", raw):
            return cls(dirs_only, anchored, _text(body), "", None, b"", None, False, False, False)
        any_depth = b"**" in raw
        by_name = b"/" not in raw and not any_depth
        leading_slash = raw.startswith(b"**")
        expression, slashes = _translate(body)
        floating = not anchored and not leading_slash and not by_name
        if floating and not any_depth and slashes != raw.count(b"/"):
            expression = None  # rsync compares as many components as it counts slashes, those inside brackets, too
        if floating and expression is not None:
            expression = b"(?:.*/)?" + expression
        head = _literal_head(body) if anchored else b""
        return cls(
            dirs_only,
            anchored,
            literal=None,
            head=_text(head),
            depth=None if any_depth or not anchored else slashes,
            tail=body[len(head) :].removeprefix(b"/"),
            expression=None if expression is None else re.compile(expression, re.DOTALL),
            by_name=by_name,
            leading_slash=leading_slash,
            trailing_slash=raw.endswith(b"***"),
        )

    def matches(self, path: str, *, is_dir: bool) -> bool:
        """True when the pattern matches this very path (what lies in a matched directory is the traversal's business)."""
        if not path or (self.dirs_only and not is_dir):
            return False
        if self.literal is not None:
            return path == self.literal if self.anchored else ("/" + path).endswith("/" + self.literal)
        if self.expression is None:
            return False
        subject = path.rpartition("/")[2] if self.by_name else path
        if self.leading_slash:
            subject = "/" + subject
        if self.trailing_slash and is_dir:
            subject += "/"
        return self.expression.fullmatch(subject.encode("utf-8", "surrogateescape")) is not None

    @property
    def is_everywhere(self) -> bool:
        """True when `among` gives the same answer for every directory."""
        return not self.anchored and (self.literal is None or "/" not in self.literal)

    def among(self, directory: str) -> str | Among:
        """What the pattern can match of the names in a directory: one name, or none, some or all of them."""
        if self.literal is not None:
            home, _, name = self.literal.rpartition("/")
            fits = directory == home if self.anchored else not home or ("/" + directory).endswith("/" + home)
            return name if fits else Among.NONE
        if self.expression is None:
            return Among.NONE
        if not self.anchored:
            return Among.SOME
        stars = len(self.tail) if not self.tail.strip(b"*") else 0
        if is_below(directory, self.head):
            if stars > 1:
                return Among.ALL
            return Among.SOME if self.depth in (None, _depth_below(directory)) else Among.NONE
        if stars > 2 and directory == parent_of(self.head):
            return self.head.rpartition("/")[2]
        return Among.NONE

    def reaches(self, directory: str) -> bool:
        """False when the pattern can match nothing below the directory, however deep."""
        if not self.anchored:
            return True
        if self.literal is not None:
            return is_below(parent_of(self.literal), directory)
        if is_below(self.head, directory):
            return True
        return is_below(directory, self.head) and (self.depth is None or _depth_below(directory) <= self.depth)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _depth_below(directory: str) -> int:
    """How many directories lie above a name in this directory, the root not counted."""
    return directory.count("/") + 1 if directory else 0


def _literal_head(body: bytes) -> bytes:
    """The leading components without a wildcard; a backslash ends them because it escapes once there are wildcards."""
    first = re.search(rb"[*?\[\\]", body)
    return body[: max(body.rfind(b"/", 0, first.start()), 0)] if first else body


def _translate(body: bytes) -> tuple[bytes | None, int]:
    """A pattern with wildcards as a regular expression (None: it never matches), and how many slashes it matches literally."""
    parts: list[bytes] = []
    slashes = 0
    at = 0
    while at < len(body):
        char = body[at : at + 1]
        if char == b"*":
            stars = len(body) - at - len(body[at:].lstrip(b"*"))
            parts.append(b".*" if stars > 1 else b"[^/]*")
            at += stars
            continue
        if char == b"[":
            accepted, at = _parse_class(body, at + 1)
            if accepted is None:
                return None, slashes
            parts.append(b"[" + b"".join(b"\\x%02x" % byte for byte in sorted(accepted)) + b"]" if accepted else b"(?!)")
            continue
        if char == b"\\":
            at += 1
            char = body[at : at + 1]
            if not char:
                return None, slashes
            parts.append(re.escape(char))
        else:
            parts.append(b"[^/]" if char == b"?" else re.escape(char))
        slashes += char == b"/"
        at += 1
    return b"".join(parts), slashes


def _parse_class(body: bytes, at: int) -> tuple[frozenset[int] | None, int]:
    """The bytes that `[...]` matches (None: it is malformed) and where it ends; `at` is behind the bracket."""
    negated = body[at : at + 1] in (b"!", b"^")
    at += negated
    accepted: set[int] = set()
    previous = 0  # the byte that a following dash makes a range of; 0 after a range or a class
    first = True
    while first or body[at : at + 1] != b"]":
        first = False
        if at >= len(body):
            return None, at
        byte = body[at]
        if body[at : at + 2] == b"[:" and (end := body.find(b"]", at + 2)) != at + 2:
            if end < 0:
                return None, at
            if body[end - 1 : end] == b":":
                members = _POSIX_CLASSES.get(body[at + 2 : end - 1])
                if members is None:
                    return None, at
                accepted |= members
                previous, at = 0, end + 1
                continue
        if byte == ord("-") and previous and at + 1 < len(body) and body[at + 1] != ord("]"):
            at += 1
            at += body[at] == ord("\\")
            if at >= len(body):
                return None, at
            accepted.update(range(previous, body[at] + 1))
            previous = 0
        else:
            at += byte == ord("\\")
            if at >= len(body):
                return None, at
            accepted.add(body[at])
            previous = body[at]
        at += 1
    return (_NOT_A_SLASH - accepted if negated else _NOT_A_SLASH & accepted), at + 1
