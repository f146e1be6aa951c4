"""Everything of a site that people write, read as its verbs read it: all that is wrong, in one run."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from reprov.adapters.hop_fragments import read_hop_fragment
from reprov.adapters.infra_file import read_infra
from reprov.adapters.library import Library
from reprov.adapters.procedure_files import ACTIONS, CHECKS, PROCEDURES, read_procedure
from reprov.adapters.release_files import known_concerns, read_fragment, read_list
from reprov.adapters.role_files import load_role
from reprov.adapters.site_check_files import load_site_checks
from reprov.adapters.snippet_files import SNIPPETS, load_snippet, load_snippets, refuse_unknown
from reprov.adapters.text_file import read_text
from reprov.domain.action_text import parse_action
from reprov.domain.fragment import FRAGMENT_SUFFIX, FRAGMENTS_FOLDER
from reprov.domain.id_file import parse_id_file
from reprov.domain.infra import INFRA_FILE
from reprov.domain.known_keys import did_you_mean
from reprov.domain.problem import Problem
from reprov.domain.role import ROLE_FILE
from reprov.domain.yaml_text import YamlText
from reprov.errors import InvalidInput, all_invalid, problems_of


@dataclass(frozen=True, slots=True)
class Linted:
    """What was read, and what is wrong with it."""

    files: tuple[str, ...]
    problems: tuple[Problem, ...]
    """By file and line, each once."""
    notes: tuple[str, ...]


class _Kind(NamedTuple):
    """Files that one reader knows: which of a site they are, and what reading one of them says that is no problem."""

    pattern: str
    read: Callable[[Path, Library], Sequence[str]]


def lint(paths: Sequence[Path]) -> Linted:
    """Check these files, and of these directories everything that a site has. Raises `InvalidInput` for a path that is neither."""
    files = list(dict.fromkeys(file for path in paths for file in _files_of(path)))
    problems: set[Problem] = set()
    notes: list[str] = []
    for path, kind in files:
        try:
            notes += kind.read(path, Library.default(_site_of(path, kind)))
        except InvalidInput as error:
            problems |= {Problem.of(each, str(path)) for each in problems_of(error)}
    return Linted(tuple(str(path) for path, _ in files), tuple(sorted(problems)), tuple(notes))


def _files_of(path: Path) -> list[tuple[Path, _Kind]]:
    if not path.is_dir():
        return [(path, _kind_of(path))]
    found = [(file, kind) for kind in _KINDS for file in sorted(_matching(path, kind.pattern))]
    if not found:
        raise InvalidInput(f"{path}: holds nothing that is checked", hint=f"a site has {', '.join(kind.pattern for kind in _KINDS)}")
    return found


def _matching(site: Path, pattern: str) -> Iterable[Path]:
    folder, _, name = pattern.rpartition("/")
    if "*" in folder and "*" not in name:  # a folder of its own for each: one that lacks the file is wrong
        return (found / name for found in site.glob(folder) if found.is_dir())
    return site.glob(pattern)


def _kind_of(path: Path) -> _Kind:
    for kind in _KINDS:
        if path.absolute().match(kind.pattern):
            return kind
    if path.suffix in (".yaml", ".yml"):
        return _INFRA
    raise InvalidInput(f"{path}: nothing that is checked has such a name", hint=f"there are {', '.join(kind.pattern for kind in _KINDS)}")


def _site_of(path: Path, kind: _Kind) -> Path:
    depth = kind.pattern.count("/")
    return (path if depth < len(path.parents) else path.absolute()).parents[depth]


def _infra(path: Path, library: Library) -> Sequence[str]:
    """The infra, and whether the checks that it names are there and are checks."""
    read = read_infra(path)
    load_site_checks(read.infra)
    return read.notes


def _role(path: Path, library: Library) -> Sequence[str]:
    """The role with what it extends, and whether the library has the lists and templates that it names."""
    role = load_role(path.parent.name, library)
    _ = role.repositories
    text = YamlText(read_text(path), str(path), "a role")
    templates = [name for name in library.names(FRAGMENTS_FOLDER) if name.endswith(FRAGMENT_SUFFIX)]
    fragments = [name.removesuffix(FRAGMENT_SUFFIX) for name in templates]
    own = role.layers[-1].file
    problems = [
        text.invalid((key, number), f"{key}: there is no {name!r}{did_you_mean(name, known)}", hint=f"there is {', '.join(known)}")
        for key, named, known in (("excludes", own.excludes, known_concerns(library)), ("post-scripts", own.post_scripts, fragments))
        for number, name in enumerate(named)
        if name not in known
    ]
    if problems:
        raise all_invalid(problems)
    return ()


def _list(path: Path, library: Library) -> Sequence[str]:
    read_list(path)
    return ()


def _post_script(path: Path, library: Library) -> Sequence[str]:
    read_fragment(path).check()
    return ()


def _hop_script(path: Path, library: Library) -> Sequence[str]:
    read_hop_fragment(path)
    return ()


def _ids(path: Path, library: Library) -> Sequence[str]:
    parse_id_file(read_text(path), str(path))
    return ()


def _snippet(path: Path, library: Library) -> Sequence[str]:
    refuse_unknown([load_snippet(path, path.stem)], library)
    return ()


def _action(path: Path, library: Library) -> Sequence[str]:
    parse_action(read_text(path), str(path), path.stem, is_check=path.match(f"{CHECKS}/*"))
    return ()


def _procedure(path: Path, library: Library) -> Sequence[str]:
    """The procedure, and the snippets, actions and checks that it can name."""
    read_procedure(path, library, load_snippets(library))
    return ()


_INFRA: Final = _Kind(INFRA_FILE, _infra)
_KINDS: Final = (
    _INFRA,
    _Kind(f"roles/*/{ROLE_FILE}", _role),
    *(_Kind(f"excludes/*.{suffix}", _list) for suffix in ("exclude", "add-only", "merge")),
    _Kind(f"{FRAGMENTS_FOLDER}/*{FRAGMENT_SUFFIX}", _post_script),
    _Kind(f"{FRAGMENTS_FOLDER}/*/*/*/*", _hop_script),
    _Kind("ids/*.yaml", _ids),
    _Kind(f"{SNIPPETS}/*.yaml", _snippet),
    *(_Kind(f"{folder}/*.yaml", _action) for folder in (ACTIONS, CHECKS)),
    _Kind(f"{PROCEDURES}/*.yaml", _procedure),
)
"""What a site is made of. A kind of files that reprov learns to read gets its line here: pattern and reader."""
