"""Which line of a script a failure came from: the last one of its own that the shell says it has begun, else what it complained about."""

import re
from typing import Final

TRACE_PROMPT: Final = "+${BASH_SOURCE-}:${LINENO-}: "
"""What the shell puts before each command that it begins (PS4)."""

_TRACED: Final = re.compile(rb"\++(?P<file>[^:]*):(?P<line>\d+): ")
_COMPLAINTS: Final = (
    "{file}: line {line}",  # bash
    "{file}: {line}: ",  # dash
    'File "{file}", line {line}',  # Python
    "at {file} line {line}",  # Perl
)


def traced_line(text: bytes, file: str) -> int | None:
    """The line, by what the shell has traced: one line of text for each command of whatever file it reads."""
    found = None
    for line in text.splitlines():
        traced = _TRACED.match(line)
        if traced and traced["file"] == file.encode("utf-8", "surrogateescape"):
            found = int(traced["line"])
    return found


def complained_line(output: str, file: str) -> int | None:
    """The line, by what an interpreter has said last about it."""
    patterns = (re.escape(form).replace(r"\{file\}", re.escape(file)).replace(r"\{line\}", r"(\d+)") for form in _COMPLAINTS)
    found = [(match.start(), int(match[1])) for pattern in patterns for match in re.finditer(pattern, output)]
    return max(found)[1] if found else None
