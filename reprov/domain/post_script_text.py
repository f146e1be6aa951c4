"""A post-script as the one text that a release carries and a person reads: a header for every step, then its script as it is.

Words are quoted as a shell would take them ('two words', $'two\\nlines'). What a script says is never looked at: the header
tells how many lines it has, so it may hold anything, a header included.
"""

import re
from collections.abc import Iterable
from typing import Final

from reprov.domain.post_script import PostScript, Step, Work, WorkKind
from reprov.domain.release import ReleaseId
from reprov.errors import InvalidInput

_FIRST: Final = "# reprov post-script, format 1"
_NOT_BEFORE: Final = "-"
_STEP: Final = "#### "
_UNFINISHED: Final = "the last one without an end"
_PLAIN: Final = re.compile(r"[A-Za-z0-9_@%+=:,./~^-]+")
_WORD: Final = re.compile(r"\$'((?:[^'\\]|\\.)*)'|'([^']*)'|([A-Za-z0-9_@%+=:,./~^-]+)")
_ESCAPE: Final = re.compile(r"\\(?:x([0-9a-f]{2})|([nrt'\\]))")
_LETTERS: Final = {"n": "\n", "r": "\r", "t": "\t", "'": "'", "\\": "\\"}
_QUOTED: Final = {letter: f"\\{name}" for name, letter in _LETTERS.items()}
_LINES: Final = re.compile(rf"(0|[1-9][0-9]*) lines?(, {_UNFINISHED})?")


def to_text(post: PostScript) -> str:
    """The text; bytes of a script that are no UTF-8 are surrogates in it, as in the step."""
    before = str(post.before) if post.before else _NOT_BEFORE
    head = [
        _FIRST,
        f"# before: {before}",
        f"# after: {post.after}",
        *(f"# work: {work.kind} {_word(work.asked_by)}" for work in post.works),
    ]
    return "".join(["\n".join(head), "\n", *(part for step in post.steps for part in _parts(step))])


def parse(text: str, source: str) -> PostScript:
    """Read what `to_text` wrote. Raises `InvalidInput` with the line of anything else."""
    return _Reader(text, source).post_script()


def _parts(step: Step) -> Iterable[str]:
    """The header of a step, the text that it reads and its own, each with the number of its lines."""
    lines = [f"\n{_STEP}{_word(step.script)}"]
    if step.package or step.version:
        lines.append(f"# package: {_words((step.package, step.version))}")
    if step.interpreter:
        lines.append(f"# interpreter: {_words(step.interpreter)}")
    if step.arguments:
        lines.append(f"# arguments: {_words(step.arguments)}")
    if step.path:
        lines.append(f"# path: {_word(step.path)}")
    lines += [f"# with: {_word(name)} {_word(value)}" for name, value in step.environment]
    yield "\n".join([*lines, f"# timeout_s: {step.timeout_s}\n"])
    if step.stdin:
        yield from _counted("stdin", step.stdin)
    yield from _counted("script", step.body)


def _counted(name: str, text: str) -> Iterable[str]:
    count, unfinished = text.count("\n"), bool(text) and not text.endswith("\n")
    count += unfinished
    yield f"# {name}: {count} line{'s' * (count != 1)}{f', {_UNFINISHED}' * unfinished}\n"
    yield text
    yield "\n" * unfinished


def _words(words: Iterable[str]) -> str:
    return " ".join(map(_word, words))


def _word(text: str) -> str:
    """One word as a shell takes it, always on one line."""
    if _PLAIN.fullmatch(text):
        return text
    if text.isascii() and text.isprintable() and "'" not in text and "\\" not in text:
        return f"'{text}'"
    characters = []
    for byte in text.encode("utf-8", "surrogateescape"):
        letter = chr(byte)
        characters.append(_QUOTED.get(letter) or (letter if 0x20 <= byte < 0x7F else f"\\x{byte:02x}"))
    return f"$'{''.join(characters)}'"


class _Reader:
    """Goes through the lines of a text."""

    def __init__(self, text: str, source: str) -> None:
        if not text.endswith("\n"):
            raise InvalidInput(f"{source}:{text.count(chr(10)) + 1}: the post-script is cut off")
        self._lines = text.split("\n")[:-1]
        self._next = 0
        self._source = source

    def post_script(self) -> PostScript:
        if self._take() != _FIRST:
            raise self._wrong(f"not a post-script (it does not start with {_FIRST!r})")
        before, after = self._need("before"), self._need("after")
        works = []
        while (found := self._field("work")) is not None:
            kind, asked_by = self._read(found, 2)
            if kind not in set(WorkKind):
                raise self._wrong(f"{kind!r} is no work that reprov knows")
            works.append(Work(WorkKind(kind), asked_by))
        first = ReleaseId.of(*self._read(before, 2, line=2)) if before != _NOT_BEFORE else None
        last = ReleaseId.of(*self._read(after, 2, line=3))
        steps: list[Step] = []
        names: set[str] = set()
        while self._next < len(self._lines):
            steps.append(self._step())
            if steps[-1].script in names:
                raise InvalidInput(f"{self._source}: there are two steps {steps[-1].script!r}")
            names.add(steps[-1].script)
        return PostScript(first, last, tuple(steps), tuple(works))

    def _step(self) -> Step:
        if self._take() or not (heading := self._take()).startswith(_STEP):
            raise self._wrong("an empty line and the heading of a step are expected")
        script = self._read(heading.removeprefix(_STEP), 1)[0]
        package, version = "", ""
        if (found := self._field("package")) is not None:
            package, version = self._read(found, 2)
        interpreter = self._read(found) if (found := self._field("interpreter")) is not None else ()
        arguments = self._read(found) if (found := self._field("arguments")) is not None else ()
        path = self._read(found, 1)[0] if (found := self._field("path")) is not None else ""
        environment = []
        while (found := self._field("with")) is not None:
            name, value = self._read(found, 2)
            environment.append((name, value))
        seconds = self._need("timeout_s")
        if not seconds.isascii() or not seconds.isdigit():
            raise self._wrong(f"{seconds!r} is no number of seconds")
        stdin = self._text(found) if (found := self._field("stdin")) is not None else ""
        body = self._text(self._need("script"))
        return Step(script, interpreter, arguments, body, package, version, tuple(environment), stdin, int(seconds), path)

    def _text(self, size: str) -> str:
        found = _LINES.fullmatch(size)
        if not found:
            raise self._wrong(f"{size!r} is no number of lines")
        count = int(found[1])
        if count > len(self._lines) - self._next:
            raise self._wrong(f"{count} lines are announced, but there are {len(self._lines) - self._next}")
        lines = self._lines[self._next : self._next + count]
        self._next += count
        return "\n".join(lines) + "\n" * (count > 0 and not found[2])

    def _need(self, name: str) -> str:
        found = self._field(name)
        if found is None:
            self._take()
            raise self._wrong(f"`# {name}:` is expected")
        return found

    def _field(self, name: str) -> str | None:
        """The value of the next line if it has this name."""
        beginning = f"# {name}:"
        if self._next < len(self._lines) and self._lines[self._next].startswith(beginning):
            return self._take().removeprefix(beginning).removeprefix(" ")
        return None

    def _take(self) -> str:
        self._next += 1
        return self._lines[self._next - 1] if self._next <= len(self._lines) else ""

    def _read(self, text: str, count: int | None = None, *, line: int | None = None) -> tuple[str, ...]:
        """The words of a line, of which there must be this many."""
        words: list[str] = []
        at = 0
        while at < len(text):
            found = _WORD.match(text, at)
            if not found or text[found.end() : found.end() + 1] not in ("", " "):
                raise self._wrong(f"not a word: {text[at : at + 40]!r}", line)
            escaped, quoted, plain = found.groups()
            words.append(plain or quoted or "" if escaped is None else self._unescaped(escaped))
            at = found.end() + 1
        if count is not None and len(words) != count:
            raise self._wrong(f"{count} words are expected, there are {len(words)}", line)
        return tuple(words)

    def _unescaped(self, text: str) -> str:
        parts: list[bytes] = []
        at = 0
        for found in _ESCAPE.finditer(text):
            parts += [text[at : found.start()].encode("utf-8", "surrogateescape")]
            parts += [bytes([int(found[1], 16)]) if found[1] else _LETTERS[found[2]].encode()]
            at = found.end()
        parts.append(text[at:].encode("utf-8", "surrogateescape"))
        return b"".join(parts).decode("utf-8", "surrogateescape")

    def _wrong(self, problem: str, line: int | None = None) -> InvalidInput:
        return InvalidInput(f"{self._source}:{line or self._next}: {problem}")
