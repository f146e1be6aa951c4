"""One thing that is wrong in a file, as `reprov lint` lists it."""

import re
from typing import NamedTuple

from reprov.errors import InvalidInput

_PLACED = re.compile(r"(?P<file>.*?):(?P<line>[0-9]+): (?P<message>.*)", re.DOTALL)


class Problem(NamedTuple):
    """File, line and message; problems sort by these."""

    file: str
    """"" where the message names none."""
    line: int
    """From 1; 0 where a file as a whole is wrong."""
    message: str
    hint: str

    @classmethod
    def of(cls, error: InvalidInput, file: str = "") -> "Problem":
        """An error by the place that its message begins with; of one without a line, by the file that was being read."""
        if placed := _PLACED.fullmatch(error.message):
            return cls(placed["file"], int(placed["line"]), placed["message"], error.hint or "")
        if file and error.message.startswith(f"{file}: "):
            return cls(file, 0, error.message.removeprefix(f"{file}: "), error.hint or "")
        return cls("", 0, error.message, error.hint or "")

    def __str__(self) -> str:
        """`file:line: message`."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.message}" if place else self.message
