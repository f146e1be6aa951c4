"""Watching what is the node's while scripts run: nothing of it may go away, and what is small enough is brought back if it does."""

import json
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from reprov.adapters import kernel
from reprov.adapters.durable import write_durably
from reprov.adapters.files import apply_metadata, copy_content, kind_of, opened_directory, read_entry
from reprov.adapters.identity import look
from reprov.domain.entry import Entry, Kind, show
from reprov.domain.identity import Identity, new_problems
from reprov.errors import ReprovError

_COPIED_BYTES: Final = 1 << 20
_LIST: Final = "kept.json"
_COPIES: Final = "kept"
_TEMPORARY: Final = ".reprov-back"


@dataclass(frozen=True, slots=True)
class _Copy:
    """A small file as it was, and where its content lies."""

    entry: Entry
    name: str
    stamp: tuple[int, int, int]


class KeptWatch:
    """Knows what was there, and who the node was."""

    def __init__(self, root: Path, folder: Path, kept: Mapping[str, Kind], *, is_live: bool) -> None:
        """Look at a node before the first step. `folder` is where copies go. Raises `OSError` when they cannot be made."""
        self._root = root
        self._folder = folder / _COPIES
        self._is_live = is_live
        self._before = _comparable(look(root, live=is_live))
        self._copies: dict[str, _Copy] = {}
        self._folder.mkdir(mode=0o700, exist_ok=True)
        with opened_directory(root) as root_fd:
            self._kept = {path: kind for path, kind in kept.items() if _kind_at(path, root_fd) is kind}
            self._filled = [path for path, kind in self._kept.items() if kind is Kind.DIR and not _is_empty(path, root_fd)]
            files = (*self._before.digests, *(path for path, kind in self._kept.items() if kind is Kind.FILE))
            for number, path in enumerate(dict.fromkeys(files)):
                self._copy(path, str(number), root_fd)
            self._seen = {path: _stamp(path, root_fd) for path in self._before.digests}

    def problem(self) -> str:
        """What is missing by now, or wrong with who the node is; "" for nothing. Looks closer only where a file is another one."""
        with opened_directory(self._root) as root_fd:
            for path, kind in self._kept.items():
                if _kind_at(path, root_fd) is not kind:
                    return f"{show(path)} is the node's and has been taken away"
            for path in self._filled:
                if _is_empty(path, root_fd):
                    return f"{show(path)} is the node's and has been emptied"
            now = {path: _stamp(path, root_fd) for path in self._seen}
        if now == self._seen:
            return ""
        if not (problem := self.identity_problem()):
            self._seen = now
        return problem

    def identity_problem(self) -> str:
        """What the node has lost of who it is; "" for nothing."""
        after = replace(look(self._root, live=self._is_live), written_ns={})  # scripts write, and that is the question
        found = new_problems(self._before, after)
        return str(found[0]) if found else ""

    def restore(self) -> tuple[str, ...]:
        """Bring back what is missing or not who the node is; gives the paths that cannot be brought back."""
        beyond = []
        with opened_directory(self._root) as root_fd:
            lost = [path for path in self._copies if path in self._before.digests] if self.identity_problem() else []
            gone = [path for path, kind in self._kept.items() if _kind_at(path, root_fd) is not kind]
            gone += [path for path in self._filled if _is_empty(path, root_fd)]
            for path in dict.fromkeys((*lost, *gone)):
                copy = self._copies.get(path)
                if copy is None:
                    beyond.append(path)
                elif _stamp(path, root_fd) != copy.stamp:
                    try:
                        self._put_back(copy, root_fd)
                    except OSError:
                        beyond.append(path)
        return tuple(beyond)

    def _copy(self, path: str, name: str, root_fd: int) -> None:
        try:
            fd = kernel.open_beneath(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=root_fd)
        except OSError:
            return
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode) or status.st_size > _COPIED_BYTES:
                return
            entry = read_entry(path, status, path, dir_fd=root_fd)
            with opened_directory(self._folder) as folder_fd:
                copy_fd = os.open(name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW, 0o600, dir_fd=folder_fd)
                try:
                    copy_content(fd, copy_fd)
                finally:
                    os.close(copy_fd)
            self._copies[path] = _Copy(entry, name, _stamp_of(status))
        finally:
            os.close(fd)

    def _put_back(self, copy: _Copy, root_fd: int) -> None:
        """As a new file in the place of whatever is there now."""
        directory, _, name = copy.entry.path.rpartition("/")
        holder_fd = kernel.open_beneath(directory, os.O_RDONLY | os.O_DIRECTORY, dir_fd=root_fd)
        try:
            with suppress(FileNotFoundError):
                os.unlink(_TEMPORARY, dir_fd=holder_fd)
            to_fd = os.open(_TEMPORARY, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600, dir_fd=holder_fd)
            try:
                with (self._folder / copy.name).open("rb") as content:
                    copy_content(content.fileno(), to_fd)
                os.fsync(to_fd)
            finally:
                os.close(to_fd)
            apply_metadata(copy.entry, _TEMPORARY, dir_fd=holder_fd)
            os.rename(_TEMPORARY, name, src_dir_fd=holder_fd, dst_dir_fd=holder_fd)
        finally:
            os.close(holder_fd)


def write_kept(folder: Path, kept: Mapping[str, Kind]) -> None:
    """Write down what is to be watched, for whoever takes an interrupted phase up again."""
    write_durably(folder / _LIST, json.dumps([[path, kind] for path, kind in kept.items()]).encode())


def read_kept(folder: Path) -> dict[str, Kind]:
    """What `write_kept` wrote. Raises `ReprovError` when nobody can tell any more."""
    try:
        return {str(path): Kind(kind) for path, kind in json.loads((folder / _LIST).read_text("ascii", "backslashreplace"))}
    except (OSError, ValueError, TypeError) as error:
        raise ReprovError(f"what scripts must leave alone cannot be told any more: {folder / _LIST}: {error}") from None


def _comparable(found: Identity) -> Identity:
    """A machine-id that is still to be made may be made."""
    return replace(found, machine_id=None) if found.machine_id in ("", "uninitialized") else found


def _kind_at(path: str, root_fd: int) -> Kind | None:
    try:
        return kind_of(os.stat(path, dir_fd=root_fd, follow_symlinks=False))
    except OSError:
        return None


def _is_empty(path: str, root_fd: int) -> bool:
    try:
        fd = kernel.open_beneath(path, os.O_RDONLY | os.O_DIRECTORY, dir_fd=root_fd)
    except OSError:
        return False  # gone, which is another matter, or not to be looked into
    try:
        with os.scandir(fd) as found:
            return next(found, None) is None
    finally:
        os.close(fd)


def _stamp(path: str, root_fd: int) -> tuple[int, int, int] | None:
    try:
        return _stamp_of(os.stat(path, dir_fd=root_fd, follow_symlinks=False))
    except OSError:
        return None


def _stamp_of(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns
