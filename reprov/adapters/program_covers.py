"""Scripts that lie over programs of a root, in one mount namespace alone: a script meets them by absolute path and without PATH, too."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from reprov.adapters.kernel import open_in_root

_PROGRAM_FOLDERS: Final = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin")
# A few dozen mounts: one shell for all of them. Arguments: the folder, then the path of each program by its number.
_MOUNT = """\
folder=$1; shift; number=0
for program; do
    mount -n --bind "$program" "$folder/real/$number"
    mount -n --bind "$folder/wrappers/$number" "$program"
    number=$((number + 1))
done
"""


class MountSpace(Protocol):
    """A mount namespace around a root, and a folder of the root that is a tmpfs there."""

    @property
    def root(self) -> Path: ...

    @property
    def folder(self) -> Path: ...

    def run(self, argv: tuple[str, ...]) -> object:
        """Run a program in the namespace, not confined in any other way. Raises `CommandFailed`."""

    def view(self, path: Path) -> Path:
        """The path by which this process reaches what the namespace has there."""


def cover(space: MountSpace, is_covered: Callable[[str], bool], wrapper: Callable[[str, int], str], part: str = "") -> None:
    """Lay a wrapper over every program whose name is to be covered. Raises `CommandFailed`.

    `wrapper` gives its text, for the folder as the root has it and a number: the program itself is `{folder}/as/{number}/NAME`.
    `part` is a directory in the folder of the space, made here, that keeps these covers apart from others.
    """
    names = _programs(space.root, is_covered)
    folder = space.view(space.folder / part)
    inside = os.fspath(Path("/", space.folder.relative_to(space.root), part))
    if part:
        make_folder(folder, 0o755)
    for name in ("as", "real", "wrappers"):
        make_folder(folder / name, 0o755)
    for number, aliases in enumerate(names.values()):
        (folder / "real" / str(number)).touch()
        file = folder / "wrappers" / str(number)
        file.write_text(wrapper(inside, number))
        file.chmod(0o755)
        make_folder(folder / "as" / str(number), 0o755)
        for alias in aliases:
            (folder / "as" / str(number) / alias).symlink_to(f"../../real/{number}")
    space.run(("sh", "-euc", _MOUNT, "sh", os.fspath(space.folder / part), *names))


def make_folder(folder: Path, mode: int) -> None:
    """A directory of this mode whatever the umask is: users without privileges start covered programs, too."""
    folder.mkdir()
    folder.chmod(mode)


def _programs(root: Path, is_covered: Callable[[str], bool]) -> dict[str, list[str]]:
    """The programs of a root to cover: path without symlinks, and every name that leads there.

    Also names that are not to be covered: `depmod` and `modprobe` are one program, which goes by its name.
    """
    found: dict[str, list[str]] = {}
    others: dict[str, list[str]] = {}
    root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY)
    try:
        for place in _PROGRAM_FOLDERS:
            for name, is_link in _names(place, root_fd):
                if is_covered(name) or is_link:
                    path = _resolved(f"{place}/{name}", root_fd)
                    names = (found if is_covered(name) else others).setdefault(path, [])
                    if name not in names:
                        names.append(name)
    finally:
        os.close(root_fd)
    return {path: [*names, *others.get(path, ())] for path, names in found.items() if path}


def _names(place: str, root_fd: int) -> list[tuple[str, bool]]:
    """What is in a directory, and whether it is a symlink."""
    try:
        folder_fd = open_in_root(place, os.O_RDONLY | os.O_DIRECTORY, dir_fd=root_fd)
    except OSError:
        return []
    try:
        with os.scandir(folder_fd) as found:
            return sorted((item.name, item.is_symlink()) for item in found)
    finally:
        os.close(folder_fd)


def _resolved(path: str, root_fd: int) -> str:
    """The path without symlinks, as the machine sees it; "" for a symlink that leads nowhere."""
    try:
        fd = open_in_root(path, os.O_PATH, dir_fd=root_fd)
    except OSError:
        return ""
    try:
        return os.fspath(Path(f"/proc/self/fd/{fd}").readlink())
    finally:
        os.close(fd)
