"""JSON that people write, with every mistake reported by file and line, as `domain.yaml_text` does for YAML."""

import json
import re

from reprov.errors import InvalidInput

_BLANK = re.compile(r"[ \t\n\r]*")

Location = tuple[int | str, ...]


class JsonText:
    """The data of a JSON text, an object without twins, and the line of each of its values."""

    def __init__(self, text: str, source: str, what: str) -> None:
        """`what` it should be, "a layout". Raises `InvalidInput` with file:line for what is no object."""
        self._source = source
        self._lines: dict[Location, int] = {}
        try:
            self.data: object = json.loads(text)
        except json.JSONDecodeError as error:
            raise InvalidInput(f"{source}:{error.lineno}: not JSON: {error.msg}") from None
        except RecursionError:
            raise InvalidInput(f"{source}:1: not {what}: nested too deep") from None
        if not isinstance(self.data, dict):
            raise InvalidInput(f"{source}:1: {what} is an object, in braces")
        self._find_lines(text, 0, ())

    def invalid(self, location: Location, message: str) -> InvalidInput:
        """The error that says where."""
        return InvalidInput(f"{self.where(location)}: {message}")

    def where(self, location: Location) -> str:
        """The file and line of a value, by the keys and indexes that lead to it."""
        return f"{self._source}:{self._lines.get(location, 1)}"

    def _find_lines(self, text: str, at: int, location: Location) -> int:
        """Note the lines of a value and of what is in it; gives its end. The text is known to be JSON."""
        at = _skip_blank(text, at)
        self._lines.setdefault(location, _line(text, at))
        if text[at] not in "{[":
            return json.JSONDecoder().raw_decode(text, at)[1]
        is_object = text[at] == "{"
        at, index = _skip_blank(text, at + 1), 0
        while text[at] not in "}]":
            line, key = _line(text, at), index
            if is_object:
                key, at = json.JSONDecoder().raw_decode(text, at)
                at = _skip_blank(text, at) + len(":")
                if (*location, key) in self._lines:
                    first = self._lines[*location, key]
                    raise InvalidInput(f"{self._source}:{line}: {key!r} stands in line {first} already")
            self._lines[*location, key] = line
            at = _skip_blank(text, self._find_lines(text, at, (*location, key)))
            if text[at] == ",":
                at = _skip_blank(text, at + 1)
            index += 1
        return at + 1


def _skip_blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    assert found is not None
    return found.end()


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
