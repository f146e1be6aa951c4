"""Laying files over a tree: a role's `files/` folder, reprov's own client, and what it does at boot."""

import os
import stat
from pathlib import Path
from typing import Final

import reprov
from reprov.adapters.boot_hook import packaged_files
from reprov.domain.boot_hook import SHIPPED_UNITS, WANTED_BY
from reprov.domain.entry import show
from reprov.domain.hand_over import COMMAND
from reprov.errors import InvalidInput

CLIENT_FOLDER = "usr/lib/reprov/reprov"
PYTHON: Final = "usr/bin/python3"
"""What the client is run by, in the tree."""
# Not compileall: it makes every file anew, and a version built on another one would share none of them with it.
_COMPILE = """
import sys
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from pathlib import Path
from py_compile import PycInvalidationMode, compile

for source in Path(sys.argv[1]).rglob("*.py"):
    compiled = Path(cache_from_source(source))
    valid = MAGIC_NUMBER + bytes([3, 0, 0, 0]) + source_hash(source.read_bytes())
    if not compiled.exists() or compiled.read_bytes()[: len(valid)] != valid:
        compile(source, doraise=True, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
"""
COMPILE_CLIENT: Final = (f"/{PYTHON}", "-Ic", _COMPILE, f"/{CLIENT_FOLDER}")
"""Run in the tree, by its own Python: otherwise every verb compiles all that it imports, which takes longer than a plan. Compared by
hash: the files of a tree have one time. What is compiled already is left alone."""

# -I: neither the caller's PYTHON* variables nor its home change what root runs. -B: no bytecode beside the sources, which
# `reprov verify` would have to call drift.
_LAUNCHER = b"""#!/usr/bin/python3 -IB
import sys

sys.path.insert(0, "/usr/lib/reprov")
from reprov.cli.main import entry

entry()
"""


def lay_files(source: Path, root: Path) -> None:
    """Lay what a folder holds over the tree at `root`: root-owned, with the modes of the folder less the write bits of group and others.

    A file replaces what is there; a directory that is there keeps its mode and owner.
    Raises `InvalidInput` where the folder has a directory and the tree something else.
    """
    for folder, directories, files in os.walk(source):
        inside = Path(folder).relative_to(source)
        links = [name for name in directories if (Path(folder) / name).is_symlink()]
        for name in sorted(set(directories) - set(links)):
            _lay_directory(Path(folder, name), root / inside / name, inside / name)
        for name in sorted(files + links):
            _lay_one(Path(folder, name), root / inside / name)


def install_client(root: Path) -> None:
    """Put reprov itself into the tree at `root`: the package and its command, root-owned.

    What an earlier version of the client left and this one lacks is removed, compiled or not; what did not change is not touched.
    """
    package = Path(reprov.__file__).parent
    wanted = {path.relative_to(package) for path in package.rglob("*") if path.is_file() and _is_shipped(path.relative_to(package))}
    target = root / CLIENT_FOLDER
    for directory in sorted({target, *(target / parent for path in wanted for parent in path.parents)}):
        directory.mkdir(parents=True, exist_ok=True)
    for path in sorted(wanted):
        _write(target / path, (package / path).read_bytes(), 0o644)
    for path in sorted(target.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif _source_of(path.relative_to(target)) not in wanted:
            path.unlink()
    command = root / COMMAND
    command.parent.mkdir(parents=True, exist_ok=True)
    _write(command, _LAUNCHER, 0o755)


def install_boot_hook(root: Path) -> None:
    """Put into the tree at `root` what it needs at boot: hooks for whatever makes its initramfs, and the units, wanted by their targets.

    Before its initramfs is made. All of it lies in /usr, where nothing is a node's.
    """
    for path, content in packaged_files().items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(target, content, 0o755 if content.startswith(b"#!") else 0o644)
    for unit, wanting in WANTED_BY.items():
        link = root / SHIPPED_UNITS / f"{wanting}.wants" / unit
        link.parent.mkdir(exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(f"../{unit}")


def _is_shipped(path: Path) -> bool:
    return path.suffix != ".pyc" and path.parts[0] != "library"


def _source_of(path: Path) -> Path:
    """What a file of the package was compiled from, or itself."""
    if path.parent.name == "__pycache__" and path.suffix == ".pyc":
        return path.parent.parent / f"{path.name.partition('.')[0]}.py"
    return path


def _lay_directory(source: Path, target: Path, path: Path) -> None:
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        leads = f", a link to {target.readlink()}" if target.is_symlink() else ""
        raise InvalidInput(f"{source}: {show(str(path))} is no directory in the tree{leads}", hint="name the directory itself below files/")
    if not target.exists():
        target.mkdir()
        target.chmod(_mode_of(source))


def _lay_one(source: Path, target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        raise InvalidInput(f"{source}: the tree has a directory there")
    if source.is_symlink():
        target.unlink(missing_ok=True)
        target.symlink_to(source.readlink())
    elif source.is_file():
        _write(target, source.read_bytes(), _mode_of(source))
    else:
        raise InvalidInput(f"{source}: neither a file nor a link nor a directory")


def _mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode) & ~0o022


def _write(target: Path, content: bytes, mode: int) -> None:
    if _is_same(target, content, mode):
        return
    incoming = target.with_name(f".{target.name}.reprov-tmp")
    incoming.write_bytes(content)
    incoming.chmod(mode)
    incoming.replace(target)


def _is_same(target: Path, content: bytes, mode: int) -> bool:
    if target.is_symlink() or not target.is_file():
        return False
    status = target.stat()
    return (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (mode, 0, 0) and target.read_bytes() == content
