"""The node's files in a directory that swaps: linked to both sides for the exchange, reconciled, then the live side's alone."""

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from reprov.adapters import kernel
from reprov.adapters.exchange import staged_name
from reprov.adapters.files import apply_metadata, opened_directory, read_entry
from reprov.adapters.node_state import STAGED
from reprov.adapters.volumes import Volumes
from reprov.domain.entry import ancestors_of, parent_of, show
from reprov.domain.journal import Identity, Journal, Linked
from reprov.domain.two_sides import SideOfLinked, is_newer
from reprov.errors import ReprovError

_TEMPORARY = ".reprov-carry"
_ATTEMPTS = 100

OwnedByNode = Callable[[str, bool], bool]
"""Whether a path (and: is it a directory) is kept or add-only."""


def link_kept(
    volumes: Volumes, volume_of: Callable[[str], str], linked: Iterable[str], rebuilt: Iterable[str], owned: OwnedByNode
) -> tuple[Linked, ...]:
    """Put the node's files into the staged trees as links, directories made again; returns every link with its inode.

    A file that is replaced while it is being linked is tried again; one that has gone is left out. What is the image's in
    a directory of the node's is not linked: staging has put the release's there. Raises `ReprovError` when the staged
    tree has something else than directories on the way to one of these paths.
    """
    found: list[Linked] = []
    for path in linked:
        found += _link_one(volumes, volume_of(path), path)
    for directory in rebuilt:
        volume = volume_of(directory)
        make_directories(volumes, volume, directory)
        _copy_directory_metadata(volumes, volume, directory)
        for path, is_dir in _below(volumes, directory):
            if not owned(path, is_dir):
                continue
            if is_dir:
                make_directories(volumes, volume, path)
                _copy_directory_metadata(volumes, volume, path)
            else:
                found += _link_one(volumes, volume, path)
    return tuple(found)


def reconcile(volumes: Volumes, journal: Journal, owned: OwnedByNode, *, undoes_ns: int | None = None) -> None:
    """Bring over what changed in the node's files between their linking and the exchange.

    The staged side is the tree that was live until now. A file that was replaced or removed there, and not here, is
    replaced or removed here; what is new there is linked here; what changed on the live side since is newer and stays.
    In an undo, the staged side is the one that came after; then `undoes_ns` is when the release's own files were ready
    there: what is older is no news.
    """
    known = {item.path for item in journal.linked}
    for item in journal.linked:
        volume = journal.volume_of(item.path)
        holder = _holder(volumes, item.path)
        if holder is None:
            continue
        try:
            name = item.path.rpartition("/")[2]
            left = _look(staged_name(volumes, volume, item.path), volumes.own_fds[volume])
            here = _look(name, holder)
            if not is_newer(left, here, item, undoing=undoes_ns is not None):
                continue
            if left.identity is None:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=holder)
            else:
                _bring_over(volumes, volume, item.path, holder, instead_of=(here.identity or item.identity).inode)
        finally:
            os.close(holder)
    for volume, path in _new_on_the_old_side(volumes, journal, owned, known):
        status = os.stat(staged_name(volumes, volume, path), dir_fd=volumes.own_fds[volume], follow_symlinks=False)
        if undoes_ns is not None and status.st_ctime_ns <= undoes_ns:
            continue
        _make_live_directories(volumes, volume, parent_of(path))
        holder = _holder(volumes, path)
        if holder is not None:
            try:
                _bring_over(volumes, volume, path, holder, instead_of=None)
            finally:
                os.close(holder)


def release_old_side(volumes: Volumes, journal: Journal) -> None:
    """Unlink the node's files from the tree that is no longer live, each only if the live path is the same file."""
    paths = {item.path for item in journal.linked}
    for directory in journal.rebuilt:
        paths |= {path for path, is_dir in _below(volumes, directory) if not is_dir}
    for path in paths:
        _release(volumes, journal.volume_of(path), path)


def release_all(volumes: Volumes, owned: OwnedByNode) -> None:
    """Unlink the node's files from the staged trees without a journal that lists them, each only if the live path is the same file."""
    for volume, own_fd in volumes.own_fds.items():
        with suppress(FileNotFoundError), opened_directory(STAGED, dir_fd=own_fd) as fd:
            for path, is_dir in list(_walk(fd, volume)):
                if not is_dir and owned(path, False):
                    _release(volumes, volume, path)


def immovable(volumes_root_fd: int, paths: Iterable[tuple[str, bool]]) -> dict[str, str]:
    """Which of these paths (with: look below, too) the kernel will neither link nor move, and why: immutable and append-only ones."""
    found: dict[str, str] = {}
    for path, deep in paths:
        candidates = [path]
        if deep:
            candidates += [inner for inner, _ in _below_fd(volumes_root_fd, path)]
        for candidate in candidates:
            try:
                fd = kernel.open_beneath(candidate, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW, dir_fd=volumes_root_fd)
            except OSError:
                continue  # a symlink, a socket, or gone: none of them can carry the flags
            try:
                if stat.S_IFMT(os.fstat(fd).st_mode) in (stat.S_IFREG, stat.S_IFDIR):
                    flags = kernel.inode_flags(fd)
                    if flags & (kernel.IMMUTABLE | kernel.APPEND_ONLY):
                        found[candidate] = "immutable" if flags & kernel.IMMUTABLE else "append-only"
            finally:
                os.close(fd)
    return found


def _release(volumes: Volumes, volume: str, path: str) -> None:
    holder = _holder(volumes, path)
    if holder is None:
        return
    try:
        inode = _inode(path.rpartition("/")[2], holder)
        with suppress(FileNotFoundError), _staged_holder(volumes, volume, path) as staged_fd:
            name = path.rpartition("/")[2]
            if inode is not None and inode == _inode(name, staged_fd):
                with _same_time(staged_fd):
                    os.unlink(name, dir_fd=staged_fd)
    finally:
        os.close(holder)


def _link_one(volumes: Volumes, volume: str, path: str) -> list[Linked]:
    for _ in range(_ATTEMPTS):
        holder = _holder(volumes, path)
        if holder is None:
            return []
        try:
            make_directories(volumes, volume, parent_of(path))
            name = path.rpartition("/")[2]
            with _staged_holder(volumes, volume, path) as staged_fd, _same_time(staged_fd):
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=staged_fd)
                os.link(name, name, src_dir_fd=holder, dst_dir_fd=staged_fd, follow_symlinks=False)
                side = _look(name, staged_fd)
            return [Linked(path, side.identity, side.written_ns)] if side.identity else []
        except FileNotFoundError:
            # Either it has gone for good, or it was replaced by rename at this very instant (hazard 12).
            if _inode(path.rpartition("/")[2], holder) is None:
                return []
        finally:
            os.close(holder)
    raise ReprovError(f"{show(path)} is being replaced all the time and cannot be linked", hint="stop what writes it, and run it again")


def _bring_over(volumes: Volumes, volume: str, path: str, holder: int, *, instead_of: int | None) -> None:
    """Put a file of the staged side at its live path, in the place of this inode (None: of nothing) or a hole, of nothing newer."""
    own_fd, staged, name = volumes.own_fds[volume], staged_name(volumes, volume, path), path.rpartition("/")[2]
    with suppress(FileExistsError):
        _link(staged, name, own_fd, holder)
        return
    if instead_of is None:
        return
    with suppress(FileNotFoundError):
        os.unlink(_TEMPORARY, dir_fd=holder)
    if not _link(staged, _TEMPORARY, own_fd, holder):
        return
    # What comes out shows whether somebody was faster; then it goes back, and what comes out then shows the same again.
    outgoing: int | None = instead_of
    incoming = _inode(_TEMPORARY, holder)
    with suppress(FileNotFoundError):  # removed meanwhile, and that is newer
        while True:
            kernel.exchange(_TEMPORARY, name, first_dir_fd=holder, second_dir_fd=holder)
            found = _inode(_TEMPORARY, holder)
            if found == outgoing:
                break
            outgoing, incoming = incoming, found
    os.unlink(_TEMPORARY, dir_fd=holder)


def _link(source: str, name: str, source_dir_fd: int, dir_fd: int) -> bool:
    """Give a file a second name; False when it has gone. One that is replaced at that very instant is tried again (hazard 12)."""
    for _ in range(_ATTEMPTS):
        try:
            os.link(source, name, src_dir_fd=source_dir_fd, dst_dir_fd=dir_fd, follow_symlinks=False)
            return True
        except FileNotFoundError:
            if _inode(source, source_dir_fd) is None:
                return False
    raise ReprovError(f"{show(name)} is being replaced all the time and cannot be linked", hint="stop what writes it, and run it again")


def _make_live_directories(volumes: Volumes, volume: str, directory: str) -> None:
    """Make a live directory and those above it where they are missing, like the staged ones; a link in their place stays."""
    for path in (*ancestors_of(directory), directory):
        holder = _holder(volumes, path) if path else None
        if holder is None:
            continue
        name = path.rpartition("/")[2]
        try:
            os.mkdir(name, 0o700, dir_fd=holder)
            with opened_directory(staged_name(volumes, volume, path), dir_fd=volumes.own_fds[volume]) as fd:
                apply_metadata(read_entry(path, os.fstat(fd), ".", dir_fd=fd, labels=True), name, dir_fd=holder)
        except FileExistsError:
            continue
        finally:
            os.close(holder)


def _new_on_the_old_side(volumes: Volumes, journal: Journal, owned: OwnedByNode, known: set[str]) -> Iterator[tuple[str, str]]:
    """The node's files in the old tree that did not exist when the links were made: siblings of kept files, and in rebuilt directories."""
    looked_at: set[str] = set()
    for path in sorted(known):
        directory = parent_of(path)
        if directory not in looked_at:
            looked_at.add(directory)
            yield from _new_in(volumes, journal.volume_of(directory), directory, owned, known)
    for directory in journal.rebuilt:
        volume = journal.volume_of(directory)
        with suppress(FileNotFoundError), opened_directory(staged_name(volumes, volume, directory), dir_fd=volumes.own_fds[volume]) as fd:
            for path, is_dir in _walk(fd, directory):
                if not is_dir and path not in known and owned(path, False):
                    yield volume, path


def _new_in(volumes: Volumes, volume: str, directory: str, owned: OwnedByNode, known: set[str]) -> Iterator[tuple[str, str]]:
    with suppress(FileNotFoundError), opened_directory(staged_name(volumes, volume, directory), dir_fd=volumes.own_fds[volume]) as fd:
        with os.scandir(fd) as found:
            names = [(item.name, item.is_dir(follow_symlinks=False)) for item in found]
        for name, is_dir in names:
            path = f"{directory}/{name}"
            if not is_dir and path not in known and owned(path, False):
                yield volume, path


def make_directories(volumes: Volumes, volume: str, path: str) -> None:
    """Make a staged directory and those above it where they are missing, like the live ones."""
    for directory in (*ancestors_of(path), path):
        if len(directory) <= len(volume):
            continue
        try:
            with _staged_holder(volumes, volume, directory) as staged_fd, _same_time(staged_fd):
                os.mkdir(directory.rpartition("/")[2], 0o700, dir_fd=staged_fd)
        except FileExistsError:
            continue
        _copy_directory_metadata(volumes, volume, directory)


@contextmanager
def _staged_holder(volumes: Volumes, volume: str, path: str) -> Iterator[int]:
    """The staged directory that holds a path, reached without a symlink: one in a tree that comes back may lead anywhere."""
    name = staged_name(volumes, volume, path).rpartition("/")[0]
    try:
        fd = kernel.open_beneath(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=volumes.own_fds[volume])
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise ReprovError(
                f"{show(parent_of(path))} is no directory in the tree that is to come, and holds what is the node's ({show(path)})",
                hint=f"move {show(path)} away first",
            ) from None
        raise
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _same_time(fd: int) -> Iterator[None]:
    """Change a staged directory without moving its time: that is what the release, or the node, gave it."""
    before = os.fstat(fd)
    yield
    os.utime(fd, ns=(before.st_atime_ns, before.st_mtime_ns))


def _copy_directory_metadata(volumes: Volumes, volume: str, path: str) -> None:
    try:
        fd = kernel.open_beneath(path, os.O_RDONLY | os.O_DIRECTORY, dir_fd=volumes.root_fd)
    except FileNotFoundError:
        return
    try:
        entry = read_entry(path, os.fstat(fd), ".", dir_fd=fd, labels=True)
    finally:
        os.close(fd)
    apply_metadata(entry, staged_name(volumes, volume, path), dir_fd=volumes.own_fds[volume])


def _below(volumes: Volumes, directory: str) -> list[tuple[str, bool]]:
    return _below_fd(volumes.root_fd, directory)


def _below_fd(root_fd: int, directory: str) -> list[tuple[str, bool]]:
    """Every path below a live directory, with whether it is a directory; empty when it has gone."""
    try:
        fd = kernel.open_beneath(directory, os.O_RDONLY | os.O_DIRECTORY, dir_fd=root_fd)
    except (FileNotFoundError, NotADirectoryError):
        return []
    try:
        return list(_walk(fd, directory))
    finally:
        os.close(fd)


def _walk(dir_fd: int, prefix: str) -> Iterator[tuple[str, bool]]:
    with os.scandir(dir_fd) as found:
        names = sorted((item.name, item.is_dir(follow_symlinks=False)) for item in found)
    for name, is_dir in names:
        path = f"{prefix}/{name}" if prefix else name
        yield path, is_dir
        if is_dir:
            with opened_directory(name, dir_fd=dir_fd) as fd:
                yield from _walk(fd, path)


def _holder(volumes: Volumes, path: str) -> int | None:
    try:
        return volumes.holder_of(path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise


def _look(name: str, dir_fd: int) -> SideOfLinked:
    try:
        status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        # A number alone is no identity: it is given to the next file as soon as its last name has gone.
        identity = Identity(status.st_ino, kernel.birth_time_ns(name, dir_fd=dir_fd))
        return SideOfLinked(identity, status.st_ctime_ns, status.st_mtime_ns, status.st_nlink)
    except FileNotFoundError:
        with suppress(FileNotFoundError, NotADirectoryError):
            return SideOfLinked(None, os.stat(parent_of(name) or ".", dir_fd=dir_fd, follow_symlinks=False).st_mtime_ns, 0, 0)
        return SideOfLinked(None, 0, 0, 0)  # the whole directory has gone, and nobody knows when


def _inode(name: str, dir_fd: int) -> int | None:
    try:
        return os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_ino
    except FileNotFoundError:
        return None
