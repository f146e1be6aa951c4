"""The YAML files of a folder of the library, each with its name."""

from collections.abc import Callable
from typing import Final, TypeVar

from reprov.adapters.library import Library
from reprov.adapters.text_file import read_text
from reprov.errors import InvalidInput

SUFFIX: Final = ".yaml"
_Read = TypeVar("_Read")


def yaml_names(library: Library, kind: str) -> tuple[str, ...]:
    """The names of a folder's YAML files, without their suffix, sorted."""
    return tuple(name.removesuffix(SUFFIX) for name in library.names(kind) if name.endswith(SUFFIX))


def parse_each(library: Library, kind: str, parse: Callable[[str, str, str], _Read]) -> tuple[dict[str, _Read], list[InvalidInput]]:
    """What `parse` makes of the text, the path and the name of each that it takes, and what is wrong with the others."""
    found: dict[str, _Read] = {}
    problems: list[InvalidInput] = []
    for name in yaml_names(library, kind):
        try:
            path = library.find(kind, f"{name}{SUFFIX}")
            found[name] = parse(read_text(path), str(path), name)
        except InvalidInput as error:
            problems.append(error)
    return found, problems
