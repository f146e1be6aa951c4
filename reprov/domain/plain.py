"""Values as JSON knows them, and back: what one reprov tells another, and what an answer with --json shows."""

import base64
import dataclasses
from collections.abc import Mapping, Sequence, Set
from enum import Enum
from pathlib import PurePath
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


def plain(value: object) -> object:
    """The value as JSON knows it: dataclasses and NamedTuples as objects, enums by value, bytes as base64 text."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | int | float):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: plain(item) for name, item in zip(value._fields, value, strict=True)}
    if isinstance(value, Set):
        return sorted((plain(item) for item in value), key=str)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no JSON form")


def of_plain(kind: type[T], value: object) -> T:
    """The dataclass or NamedTuple that `plain` made this of: of text, numbers, enums, tuples of one kind, and others like it.

    What it does not know is left out. Raises `KeyError`, `TypeError` or `ValueError` for what is of another kind.
    """
    built: T = _of_plain(kind, value)
    return built


def _of_plain(kind: Any, value: Any) -> Any:
    of = get_args(kind)
    if NoneType in of:
        return None if value is None else _of_plain(of[0], value)
    if get_origin(kind) is tuple:
        return tuple(_of_plain(of[0], item) for item in value)
    if dataclasses.is_dataclass(kind) or hasattr(kind, "_fields"):
        return kind(**{name: _of_plain(hint, value[name]) for name, hint in get_type_hints(kind).items()})
    return kind(value)
