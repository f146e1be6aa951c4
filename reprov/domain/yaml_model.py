"""A YAML text held against a pydantic model: everything that is wrong with it, each with its file and line."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from reprov.domain.known_keys import unknown_key
from reprov.domain.yaml_text import Location, YamlText
from reprov.errors import InvalidInput, all_invalid

M = TypeVar("M", bound=BaseModel)

_MAPPING = "names and values are expected (`name: value`)"
_LIST = "a list is expected"
_WORDS = {
    "model_type": _MAPPING,
    "dict_type": _MAPPING,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "string_type": "text is expected (in quotes where YAML would take it for something else)",
}
"""Instead of what pydantic says, which names classes of Python."""


def validated(model: type[M], text: YamlText, data: object, known: Callable[[Location], Iterable[str]], at: Location = ()) -> M:
    """The model with this part of the text, which stands `at` that place; `known` gives the keys of the mapping that a key stands in.

    Raises `InvalidInput` with file:line, of all problems that there are.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise all_invalid([_problem(found, text, known, at) for found in error.errors()]) from None


def _problem(found: ErrorDetails, text: YamlText, known: Callable[[Location], Iterable[str]], at: Location) -> InvalidInput:
    location = (*at, *(part for part in found["loc"] if part != "[key]"))
    key = location[-1] if location else ""
    if found["type"] == "extra_forbidden":
        return text.invalid(location, unknown_key(key, known(location)))
    if found["type"] == "missing":
        return text.invalid(location, f"{key!r} is missing")
    where = ".".join(part for part in location if isinstance(part, str))
    said = _WORDS.get(found["type"]) or found["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return text.invalid(location, f"{where}: {said}")
