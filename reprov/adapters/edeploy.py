"""The files of an eDeploy server, read without following a symbolic link; and the site directory, written in one piece."""

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from reprov.adapters.files import opened_directory
from reprov.domain.edeploy import SiteFile
from reprov.domain.edeploy_hop import ADD_ONLY, EXCLUDE, METADATA, HopFiles, HopName, Text
from reprov.domain.hop_fragment import HopPlace
from reprov.errors import InvalidInput, Refused

_NAME_HOPS = "name the hops that you want: --from V --role R --to V"


def find_hops(top: Path) -> tuple[tuple[HopName, ...], tuple[str, ...]]:
    """Every hop below `metadata/`, and the names on the way that are no directories, both in name order.

    Raises `InvalidInput` for a symbolic link, and for a directory whose name is not that of a version or a role.
    """
    hops: list[HopName] = []
    unknown: list[str] = []
    for old in _folders(top, METADATA, unknown):
        for role in _folders(top, f"{METADATA}/{old}", unknown):
            hops += [_hop_of(old, role, new) for new in _folders(top, f"{METADATA}/{old}/{role}", unknown)]
    return tuple(hops), tuple(unknown)


def read_hop(top: Path, name: HopName) -> HopFiles:
    """The files of a hop; a script that it lacks is taken from the role's tree, as eDeploy does.

    Raises `InvalidInput` when there is no such hop, for a symbolic link in it, and for a list or script that is no regular file.
    """
    known = (EXCLUDE, ADD_ONLY, *HopPlace)
    found = {file: _read(top, f"{name.folder}/{file}") for file in known}
    unknown = tuple(file for file in _names(top, name.folder) if file not in known)
    for file in unknown:
        if (top / name.folder / file).is_symlink():
            raise _linked(f"{name.folder}/{file}")
    in_role = {place: _read(top, f"{name.scripts_in_role}/{place}") for place in HopPlace}
    pre, post = (found[place] or in_role[place] for place in HopPlace)
    replaced = tuple(text.source for place, text in in_role.items() if text and found[place])
    return HopFiles(name, found[EXCLUDE], found[ADD_ONLY], pre, post, unknown, replaced)


def read_text(top: Path, name: str) -> str | None:
    """A text file, None when it is missing. Raises `InvalidInput` when it is not UTF-8."""
    found = _read(top, name)
    try:
        return found.content.decode() if found else None
    except UnicodeDecodeError as error:
        assert found is not None
        line = found.content.count(b"\n", 0, error.start) + 1
        raise InvalidInput(f"{name}:{line}: not UTF-8 ({error.reason})") from None


def write_site(output: Path, files: Iterable[SiteFile]) -> None:
    """Make the directory with these files; it appears complete or not at all. Raises `Refused` when there is something of that name."""
    if os.path.lexists(output):
        raise Refused(f"{output} is there already, and an import overwrites nothing", hint="name a new directory")
    if not output.parent.is_dir():
        raise InvalidInput(f"{output.parent} is not a directory")
    temporary = output.with_name(f".{output.name}.{secrets.token_hex(4)}")
    temporary.mkdir(mode=0o755)
    try:
        for file in files:
            path = temporary / file.name
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            with path.open("xb") as written:
                written.write(file.content)
                written.flush()
                os.fsync(written.fileno())
            path.chmod(file.mode)
        temporary.rename(output)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _hop_of(old: str, role: str, new: str) -> HopName:
    try:
        return HopName.of(old, role, new)
    except InvalidInput as error:
        raise InvalidInput(f"{METADATA}/{old}/{role}/{new}: {error.message}", hint=_NAME_HOPS) from None


def _folders(top: Path, name: str, unknown: list[str]) -> list[str]:
    """The directories in a directory, in name order; what is neither one nor a link goes to `unknown`, and hidden names (.git) do."""
    folders = []
    for child in _names(top, name):
        path = f"{name}/{child}"
        mode = (top / path).lstat().st_mode
        if stat.S_ISLNK(mode):
            raise _linked(path)
        if stat.S_ISDIR(mode) and not child.startswith("."):
            folders.append(child)
        else:
            unknown.append(path)
    return folders


def _names(top: Path, name: str) -> list[str]:
    with contextlib.ExitStack() as stack:
        fd = _descend(top, name, stack)
        if fd is None:
            raise InvalidInput(f"{name}: there is no such directory", hint=f"below {top}, which must hold an eDeploy server's {METADATA}/")
        return sorted(os.listdir(fd))


def _read(top: Path, name: str) -> Text | None:
    """A regular file, None when it or a directory on the way is missing."""
    directory, _, last = name.rpartition("/")
    with contextlib.ExitStack() as stack:
        directory_fd = _descend(top, directory, stack)
        if directory_fd is None:
            return None
        try:
            fd = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory_fd)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _linked(name) if error.errno == errno.ELOOP else InvalidInput(f"{name}: cannot be read ({error.strerror})") from None
        stack.callback(os.close, fd)
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise InvalidInput(f"{name}: not a regular file")
        with os.fdopen(fd, "rb", closefd=False) as file:
            return Text(name, file.read(), bool(status.st_mode & 0o111))


def _descend(top: Path, name: str, stack: contextlib.ExitStack) -> int | None:
    """A descriptor of a directory below the top one, None when it is missing. Each step is opened by itself: none can be a link."""
    fd = stack.enter_context(opened_directory(top))
    done: list[str] = []
    for part in name.split("/") if name else ():
        done.append(part)
        try:
            fd = stack.enter_context(opened_directory(part, dir_fd=fd))
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise InvalidInput(f"{'/'.join(done)}: cannot be read ({error.strerror})") from None
        except NotADirectoryError:  # what Linux says of a link, too, when a directory is asked for
            linked = stat.S_ISLNK(os.stat(part, dir_fd=fd, follow_symlinks=False).st_mode)
            raise _linked("/".join(done)) if linked else InvalidInput(f"{'/'.join(done)}: not a directory") from None
    return fd


def _linked(name: str) -> InvalidInput:
    return InvalidInput(
        f"{name}: a symbolic link, and an import follows none",
        hint=f"{_NAME_HOPS}; or put a copy there",
    )
