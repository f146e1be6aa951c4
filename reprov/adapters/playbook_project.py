"""Writing a generated Ansible project: all of it appears at once, and what is not a generated project is never replaced."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from reprov.adapters import kernel
from reprov.adapters.durable import sync_directory
from reprov.adapters.files import opened_directory
from reprov.errors import Refused

MARKER: Final = ".made-by-reprov"
_TOLD: Final = "`reprov rollout plan` has made this project and replaces it as a whole; changes belong into the library of snippets.\n"


def write_project(directory: Path, files: Mapping[str, str]) -> None:
    """Write these files, by their relative paths, as the whole content of a directory, which may be there from before.

    Raises `Refused` for a directory that holds anything and was not made by this.
    """
    _refuse_foreign(directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", suffix=".tmp", dir=directory.parent))
    try:
        for path, text in {MARKER: _TOLD, **files}.items():
            file = staged / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
        with opened_directory(staged) as fd:
            kernel.syncfs(fd)
        _put_in_place(staged, directory)
    finally:
        shutil.rmtree(staged, ignore_errors=True)  # what failed, or what was there before


def _refuse_foreign(directory: Path) -> None:
    if not os.path.lexists(directory):
        return
    if directory.is_symlink() or not directory.is_dir():
        raise Refused(f"{directory} is not a directory")
    if any(directory.iterdir()) and not (directory / MARKER).is_file():
        raise Refused(
            f"{directory} is not a project that reprov has made, and stays as it is", hint="name a directory that is not there yet"
        )


def _put_in_place(staged: Path, directory: Path) -> None:
    with opened_directory(directory.parent) as fd:
        if directory.exists():
            kernel.exchange(staged.name, directory.name, first_dir_fd=fd, second_dir_fd=fd)
        else:
            staged.rename(directory)
    sync_directory(directory.parent)
