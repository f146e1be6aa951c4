"""Reading procedures, and the actions and checks that their stages name, from the library."""

from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from reprov.adapters.library import Library
from reprov.adapters.library_texts import SUFFIX, parse_each, yaml_names
from reprov.adapters.text_file import read_text
from reprov.domain.action_text import parse_action
from reprov.domain.procedure import Action, Procedure
from reprov.domain.procedure_text import parse_procedure
from reprov.domain.snippet import Service
from reprov.errors import InvalidInput, all_invalid

PROCEDURES: Final = "playbooks/procedures"
ACTIONS: Final = "playbooks/actions"
CHECKS: Final = "playbooks/checks"


def load_procedure(name: str, library: Library, snippets: Collection[Service]) -> Procedure:
    """The procedure of that name. Raises `InvalidInput` with file:line: of actions and checks first, then of the procedure."""
    try:
        path = library.find(PROCEDURES, f"{name}{SUFFIX}")
    except InvalidInput:
        known = ", ".join(procedure_names(library)) or "none"
        raise InvalidInput(f"there is no procedure {name!r}", hint=f"there is {known}") from None
    return read_procedure(path, library, snippets)


def read_procedure(path: Path, library: Library, snippets: Collection[Service]) -> Procedure:
    """The procedure of a file, with the actions and checks of the library. Raises `InvalidInput` as `load_procedure` does."""
    checks, actions = _load(CHECKS, library, is_check=True), _load(ACTIONS, library, is_check=False)
    return parse_procedure(read_text(path), str(path), path.name.removesuffix(SUFFIX), snippets, checks, actions)


def load_site_actions(library: Library) -> tuple[Action, Action, Action]:
    """What `with_site_stages` puts around procedures, in its order. Raises `InvalidInput` as `load_procedure` does."""
    named = ((ACTIONS, "probe-site"), (CHECKS, "site-works"), (CHECKS, "ceph-healthy"))
    paths = [library.find(kind, f"{name}{SUFFIX}") for kind, name in named]
    probe, works, ceph = (parse_action(read_text(path), str(path), path.stem, is_check=path.parent.name == "checks") for path in paths)
    return probe, works, ceph


def procedure_names(library: Library) -> tuple[str, ...]:
    """Every procedure of the library, sorted."""
    return yaml_names(library, PROCEDURES)


def _load(kind: str, library: Library, *, is_check: bool) -> Mapping[str, Action]:
    found, problems = parse_each(library, kind, partial(parse_action, is_check=is_check))
    if problems:
        raise all_invalid(problems)
    return found
