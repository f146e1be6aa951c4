"""The arrows of the architecture point down, tools stay in adapters, and the domain does no I/O."""

import ast
from pathlib import Path

import pytest

import reprov

PACKAGE = Path(reprov.__file__).parent
MAY_IMPORT = {
    "cli": {"cli", "workflows", "domain"},
    "workflows": {"workflows", "adapters", "domain"},
    "adapters": {"adapters", "domain"},
    "domain": {"domain"},
    "": set[str](),  # errors.py, events.py: below everything
}
ENTRY_POINT = "__main__.py"
TOOLS = {"pyroute2", "pyudev", "selinux", "plumbum", "subprocess"}
TALK = {"click", "rich"}
IMPURE = {"asyncio", "glob", "http", "io", "multiprocessing", "requests", "select", "shutil", "socket", "sqlite3", "tempfile", "urllib"}
PURE_OF_OS = {"fsencode", "fsdecode", "fspath"}
PURE_OF_PATHLIB = {"PurePath", "PurePosixPath"}

FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if path != PACKAGE / ENTRY_POINT)


def layer_of(name: str) -> str:
    """The layer of a module file; "" for those below all layers."""
    return name.split("/")[0] if "/" in name else ""


def tree_of(name: str) -> ast.Module:
    return ast.parse((PACKAGE / name).read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> set[str]:
    """Every imported name, dotted, wherever in the module the import stands."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def layers_in(tree: ast.Module) -> set[str]:
    return {name.split(".")[1] for name in imported(tree) if name.startswith("reprov.")} & MAY_IMPORT.keys()


def top_level_in(tree: ast.Module) -> set[str]:
    return {name.split(".")[0] for name in imported(tree)}


def io_in(tree: ast.Module) -> list[str]:
    """What in a module could touch the machine: `os.stat`, `pathlib.Path`, `open(...)`, `print(...)`."""
    found = sorted(top_level_in(tree) & IMPURE)
    for name in sorted(imported(tree)):
        top, _, member = name.partition(".")
        if (top == "os" and member and member not in PURE_OF_OS) or (top == "pathlib" and member not in PURE_OF_PATHLIB):
            found.append(name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os" and node.attr not in PURE_OF_OS:
            found.append(f"os.{node.attr}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("open", "print", "input", "exec", "eval"):
            found.append(f"{node.func.id}()")
    return found


@pytest.mark.parametrize("name", FILES)
def test_arrows_point_down(name: str) -> None:
    assert layers_in(tree_of(name)) <= MAY_IMPORT[layer_of(name)]


@pytest.mark.parametrize("name", FILES)
def test_tools_and_terminals_stay_in_their_layer(name: str) -> None:
    tops, layer = top_level_in(tree_of(name)), layer_of(name)
    assert layer == "adapters" or not tops & TOOLS
    assert layer == "cli" or not tops & TALK


@pytest.mark.parametrize("name", [name for name in FILES if layer_of(name) == "domain"])
def test_the_domain_does_no_io(name: str) -> None:
    assert io_in(tree_of(name)) == []


@pytest.mark.parametrize("name", [name for name in FILES if name != "cli/main.py"])
def test_only_main_exits(name: str) -> None:
    calls = {ast.unparse(node.func) for node in ast.walk(tree_of(name)) if isinstance(node, ast.Call)}
    assert not calls & {"sys.exit", "os._exit", "exit", "quit"}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        pytest.param("import os\nos.fsencode('a')", [], id="encoding a name is pure"),
        pytest.param("from pathlib import PurePosixPath", [], id="a pure path is pure"),
        pytest.param("def f():\n    import shutil", ["shutil"], id="an import inside a function counts"),
        pytest.param("import os\nos.stat('a')", ["os.stat"], id="os.stat reads the disk"),
        pytest.param("from os import stat", ["os.stat"], id="so does its bare name"),
        pytest.param("from pathlib import Path", ["pathlib.Path"], id="a concrete path can do I/O"),
        pytest.param("import pathlib", ["pathlib"], id="the whole of pathlib can, too"),
        pytest.param("open('a')", ["open()"], id="open reads the disk"),
    ],
)
def test_the_io_check_itself(source: str, found: list[str]) -> None:
    assert io_in(ast.parse(source)) == found


def test_the_layer_check_itself() -> None:
    assert layers_in(ast.parse("from reprov.cli import main\nimport reprov.adapters.run")) == {"cli", "adapters"}
