"""Reading snippets, and the tasks that all of them share, from the library."""

import re
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

from reprov.adapters.library import Library
from reprov.adapters.library_texts import parse_each, yaml_names
from reprov.adapters.text_file import read_text
from reprov.domain.known_keys import did_you_mean
from reprov.domain.snippet import Service, Snippet
from reprov.domain.snippet_text import parse
from reprov.errors import InvalidInput, all_invalid

SNIPPETS: Final = "playbooks/snippets"
ROLES: Final = "playbooks/roles"
_DECISION: Final = re.compile(r"^from ansible\.module_utils\.reprov_(\w+) import ", re.MULTILINE)


def load_snippets(library: Library) -> Mapping[Service, Snippet]:
    """Every snippet of the library by its service. Raises `InvalidInput` with file:line, of all problems that there are."""
    snippets, problems = parse_each(library, SNIPPETS, parse)
    try:
        refuse_unknown(snippets.values(), library)
    except InvalidInput as error:
        problems.append(error)
    if problems:
        raise all_invalid(problems)
    return snippets


def load_snippet(path: Path, service: Service) -> Snippet:
    """The snippet of a service. Raises `InvalidInput` with file:line."""
    return parse(read_text(path), str(path), service)


def refuse_unknown(snippets: Iterable[Snippet], library: Library) -> None:
    """Raises `InvalidInput` when one of these is after a service that the library has no snippet of."""
    known = yaml_names(library, SNIPPETS)
    problems = [
        InvalidInput(f"{snippet.path}: after: there is no snippet of {other!r}{did_you_mean(other, known)}")
        for snippet in snippets
        for other in snippet.after
        if other not in known
    ]
    if problems:
        raise all_invalid(problems)


def load_shared_roles(library: Library) -> Mapping[str, str]:
    """The files of the roles that every generated project has, by their path below `roles/`: tasks, modules, and what these decide by.

    A module's decision is reprov's own (`reprov.domain`), taken along as it is: hosts need not have reprov.
    """
    found: dict[str, str] = {}
    for name in library.names(ROLES):
        folder = library.find(ROLES, name)
        for path in sorted(file for suffix in ("yml", "py") for file in folder.rglob(f"*.{suffix}")):
            found[f"{name}/{path.relative_to(folder).as_posix()}"] = read_text(path)
    for place, text in tuple(found.items()):
        for decision in _DECISION.findall(text):
            taken = f"{place.partition('/')[0]}/module_utils/reprov_{decision}.py"
            if taken not in found:
                found[taken] = (files("reprov.domain") / f"{decision}.py").read_text("utf-8")
    return found
