"""The copy of reprov on a node that no exchange replaces."""

import ast
import sys
from pathlib import Path

import pytest

import reprov
from reprov.adapters.boot_client import compile_client, keep_client

PACKAGE = Path(reprov.__file__).parent


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Reprov's own directory of a node."""
    return tmp_path


def test_it_is_every_module_and_a_launcher(own: Path) -> None:
    keep_client(own)
    client = own / "client"
    modules = {path.relative_to(client).as_posix() for path in client.rglob("*.py")}
    assert modules == {path.relative_to(PACKAGE.parent).as_posix() for path in PACKAGE.rglob("*.py") if "library" not in path.parts}
    assert (client / "reprov/cli/at_boot.py").read_bytes() == (PACKAGE / "cli/at_boot.py").read_bytes()
    assert (client / "at-boot").stat().st_mode & 0o777 == 0o700
    assert client.stat().st_mode & 0o777 == 0o700


def test_the_same_version_is_not_written_again(own: Path) -> None:
    keep_client(own)
    before = (own / "client").stat().st_ino
    keep_client(own)
    assert (own / "client").stat().st_ino == before
    assert not (own / "client.new").exists()


@pytest.mark.parametrize("damage", ["cut off", "of another version"])
def test_another_one_is_replaced_as_a_whole(own: Path, damage: str) -> None:
    keep_client(own)
    if damage == "cut off":
        (own / "client/stamp").unlink()
    else:
        (own / "client/stamp").write_text("another")
    (own / "client/reprov/gone.py").write_text("")
    (own / "client.new").mkdir()
    keep_client(own)
    assert not (own / "client/reprov/gone.py").exists()
    assert (own / "client/stamp").exists()
    assert not (own / "client.new").exists()


def test_it_needs_nothing_but_pythons_own_library() -> None:
    """In a tree that was never reprov's there may be nothing else, and after an exchange something else."""
    seen: set[str] = set()
    foreign: dict[str, str] = {}

    def visit(module: str) -> None:
        if module in seen:
            return
        seen.add(module)
        file = PACKAGE.parent / f"{module.replace('.', '/')}.py"
        if not file.exists():
            file = PACKAGE.parent / module.replace(".", "/") / "__init__.py"
        for node in ast.parse(file.read_text(encoding="utf-8")).body:  # what is imported inside of functions is their own matter
            for name in _imported(node):
                if name.split(".")[0] == "reprov":
                    visit(name)
                elif name.split(".")[0] not in sys.stdlib_module_names:
                    foreign[module] = name

    for start in ("reprov.cli.at_boot", "reprov.workflows.boot_commit", "reprov.workflows.taken_into_use", "reprov.workflows.confirm"):
        visit(start)
    assert "reprov.workflows.commit" in seen
    assert foreign == {}


def _imported(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ImportFrom) and node.module:
        as_modules = [f"{node.module}.{alias.name}" for alias in node.names]
        packages = [name for name in as_modules if (PACKAGE.parent / f"{name.replace('.', '/')}.py").exists()]
        return packages or [node.module]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def test_it_is_compiled_once_beside_its_modules_and_stays_the_same_version(own: Path) -> None:
    keep_client(own)
    compile_client(own)
    compiled = {path.name.partition(".")[0] for path in (own / "client/reprov/workflows/__pycache__").iterdir()}
    assert compiled == {path.stem for path in (own / "client/reprov/workflows").glob("*.py")}
    before = (own / "client").stat().st_ino
    keep_client(own)
    assert (own / "client").stat().st_ino == before
    first, *others = sorted((own / "client").rglob("*.pyc"))
    first.unlink()
    inodes = [file.stat().st_ino for file in others]
    compile_client(own)
    assert first.exists()
    assert [file.stat().st_ino for file in others] == inodes
