"""Reading snippets, and the tasks that all of them share, from the library."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from reprov.adapters.library import Library
from reprov.adapters.text_file import read_text
from reprov.domain.known_keys import did_you_mean
from reprov.domain.snippet import Service, Snippet
from reprov.domain.snippet_text import parse
from reprov.errors import InvalidInput, all_invalid

SNIPPETS: Final = "playbooks/snippets"
ROLES: Final = "playbooks/roles"
_SUFFIX: Final = ".yaml"


def load_snippets(library: Library) -> Mapping[Service, Snippet]:
    """Every snippet of the library by its service. Raises `InvalidInput` with file:line, of all problems that there are."""
    snippets: dict[Service, Snippet] = {}
    problems: list[InvalidInput] = []
    for name in library.names(SNIPPETS):
        if name.endswith(_SUFFIX):
            service = name.removesuffix(_SUFFIX)
            try:
                snippets[service] = load_snippet(library.find(SNIPPETS, name), service)
            except InvalidInput as error:
                problems.append(error)
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
    known = [name.removesuffix(_SUFFIX) for name in library.names(SNIPPETS) if name.endswith(_SUFFIX)]
    problems = [
        InvalidInput(f"{snippet.path}: after: there is no snippet of {other!r}{did_you_mean(other, known)}")
        for snippet in snippets
        for other in snippet.after
        if other not in known
    ]
    if problems:
        raise all_invalid(problems)


def load_shared_roles(library: Library) -> Mapping[str, str]:
    """The files of the roles that every generated project has, by their path below `roles/`."""
    found: dict[str, str] = {}
    for name in library.names(ROLES):
        folder = library.find(ROLES, name)
        for path in sorted(folder.rglob("*.yml")):
            found[f"{name}/{path.relative_to(folder).as_posix()}"] = read_text(path)
    return found
