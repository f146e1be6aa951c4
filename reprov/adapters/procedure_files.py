"""Reading procedures, and the actions and checks that their stages name, from the library."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from reprov.adapters.library import Library
from reprov.adapters.text_file import read_text
from reprov.domain.action_text import parse_action
from reprov.domain.procedure import Action, Procedure
from reprov.domain.procedure_text import parse_procedure
from reprov.domain.snippet import Service
from reprov.errors import InvalidInput, all_invalid

PROCEDURES: Final = "playbooks/procedures"
ACTIONS: Final = "playbooks/actions"
CHECKS: Final = "playbooks/checks"
_SUFFIX: Final = ".yaml"


def load_procedure(name: str, library: Library, snippets: Collection[Service]) -> Procedure:
    """The procedure of that name. Raises `InvalidInput` with file:line: of actions and checks first, then of the procedure."""
    try:
        path = library.find(PROCEDURES, f"{name}{_SUFFIX}")
    except InvalidInput:
        known = ", ".join(procedure_names(library)) or "none"
        raise InvalidInput(f"there is no procedure {name!r}", hint=f"there is {known}") from None
    return read_procedure(path, library, snippets)


def read_procedure(path: Path, library: Library, snippets: Collection[Service]) -> Procedure:
    """The procedure of a file, with the actions and checks of the library. Raises `InvalidInput` as `load_procedure` does."""
    checks, actions = _load(CHECKS, library, is_check=True), _load(ACTIONS, library, is_check=False)
    return parse_procedure(read_text(path), str(path), path.name.removesuffix(_SUFFIX), snippets, checks, actions)


def procedure_names(library: Library) -> tuple[str, ...]:
    """Every procedure of the library, sorted."""
    return tuple(name.removesuffix(_SUFFIX) for name in library.names(PROCEDURES) if name.endswith(_SUFFIX))


def _load(kind: str, library: Library, *, is_check: bool) -> Mapping[str, Action]:
    found: dict[str, Action] = {}
    problems: list[InvalidInput] = []
    for file in library.names(kind):
        if file.endswith(_SUFFIX):
            path, name = library.find(kind, file), file.removesuffix(_SUFFIX)
            try:
                found[name] = parse_action(read_text(path), str(path), name, is_check=is_check)
            except InvalidInput as error:
                problems.append(error)
    if problems:
        raise all_invalid(problems)
    return found
