"""Reading role definitions: a role and the chain of roles that it extends, from the library."""

from collections.abc import Sequence
from pathlib import Path

from reprov.adapters.library import Library
from reprov.adapters.text_file import read_text
from reprov.domain.check import CHECKS_FOLDER, check_of
from reprov.domain.role import ROLE_FILE, Layer, Role, RoleFile
from reprov.errors import InvalidInput


def load_role(name: str, library: Library) -> Role:
    """The role with all that it extends. Raises `InvalidInput` for a role that is missing, wrong or extends itself."""
    layers: list[Layer] = []
    wanted: str | None = name
    while wanted:
        if wanted in [layer.name for layer in layers]:
            circle = " -> ".join([*(layer.name for layer in layers), wanted])
            raise InvalidInput(f"{layers[-1].folder}/{ROLE_FILE}: the role extends itself: {circle}")
        layer = _load_layer(wanted, library, layers[-1] if layers else None)
        layers.append(layer)
        wanted = layer.file.extends
    return Role(tuple(reversed(layers)))


def _load_layer(name: str, library: Library, child: Layer | None) -> Layer:
    try:
        folder = library.find("roles", name)
    except InvalidInput as error:
        if child is None:
            raise
        raise InvalidInput(f"{child.folder}/{ROLE_FILE}: extends {name!r}, which is no role", hint=error.hint) from None
    path = folder / ROLE_FILE
    if not path.exists():
        raise InvalidInput(f"{path}: a role's folder must have this file")
    file = RoleFile.parse(read_text(path), str(path))
    _check_files(folder, file)
    return Layer(name, str(folder), file)


def _check_files(folder: Path, file: RoleFile) -> None:
    wanted = [f"scripts/{name}" for name in file.scripts]
    wanted += [f"keys/{repository.key}" for repository in file.repositories if repository.key]
    for name in wanted:
        if not (folder / name).is_file():
            raise InvalidInput(f"{folder / ROLE_FILE}: the role's folder has no {name}")
    read_checks(folder, file.checks)


def read_checks(folder: Path, names: Sequence[str]) -> dict[str, bytes]:
    """The files of these checks of a role's folder, as a release carries them. Raises `InvalidInput` for what is missing or no check."""
    found: dict[str, bytes] = {}
    for name in names:
        path = folder / CHECKS_FOLDER / name
        files = {file.relative_to(path).as_posix(): file for file in sorted(path.rglob("*")) if _is_of_check(file)}
        if path.is_file():
            files = {"": path}
        if not files:
            raise InvalidInput(f"{folder / ROLE_FILE}: the role's folder has no {CHECKS_FOLDER}/{name}")
        contents = {inside: file.read_bytes() for inside, file in files.items()}
        try:
            check_of(name, f"{CHECKS_FOLDER}/{name}", contents)
        except InvalidInput as error:
            raise InvalidInput(f"{path}: {error.message}", hint=error.hint) from None
        found |= {f"{CHECKS_FOLDER}/{name}/{inside}".removesuffix("/"): content for inside, content in contents.items()}
    return found


def write_checks(role: Role, folder: Path) -> None:
    """Copy the checks of a role and of those that it extends beside a build; the role's own go before others of their name."""
    checks = {name: layer for layer in role.layers for name in layer.file.checks}
    for name, layer in checks.items():
        for file, content in read_checks(Path(layer.folder), [name]).items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(content)


def _is_of_check(file: Path) -> bool:
    """Not what tools leave beside their tests."""
    return file.is_file() and not {"__pycache__", ".pytest_cache"} & set(file.parts)
