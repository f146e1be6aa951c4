"""Who a node is, in a file: saved from its old root before that is formatted, put into the new one before that is upgraded.

The archive is a tar that everybody's tools list and unpack (pax; extended attributes as SCHILY.xattr, which ACLs are among),
with one more block behind its end, in which stands the SHA-256 of all before it: half an identity is not to be taken for a whole.
"""

import hashlib
import io
import os
import shutil
import stat
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO, cast

from reprov.adapters import kernel
from reprov.adapters.files import apply_metadata, opened_directory
from reprov.adapters.identity_search import find_identity
from reprov.domain.entry import Entry, Kind, parent_of, show
from reprov.errors import InvalidInput, ReprovError

_SEAL = b"reprov identity 1 sha256:"
_SEAL_BYTES = 512
_READ_BYTES = 1 << 20
_XATTR = "SCHILY.xattr."
_TEMPORARY = ".reprov-restore"
_TYPES = {
    Kind.DIR: tarfile.DIRTYPE,
    Kind.FILE: tarfile.REGTYPE,
    Kind.LINK: tarfile.SYMTYPE,
    Kind.CHAR: tarfile.CHRTYPE,
    Kind.BLOCK: tarfile.BLKTYPE,
    Kind.FIFO: tarfile.FIFOTYPE,
}
_KINDS = {tar_type: kind for kind, tar_type in _TYPES.items()}


def save(root_fd: int, archive: Path) -> tuple[str, ...]:
    """Save the identity of a root, durably, and give its paths with the directories above them, in their order.

    What is mounted below the root is read with it: mount there what will be formatted, too, and nothing else. Sockets and
    chattr(1) flags are left out. Nothing is written to the root. Raises `Refused`, before the archive is touched, for what the
    formatting would destroy although it cannot be saved (`find_identity`).
    """
    found = find_identity(root_fd)
    with written_atomically(archive) as file:
        _write(root_fd, found, file)
    if _entries_in(archive) != found:
        raise ReprovError(f"{archive} does not hold what was read", hint="something is writing to the root, or the disk is not sound")
    return tuple(entry.path for entry in found)


def require_whole(archive: Path) -> None:
    """Raise `InvalidInput` unless the archive is as `save` has left it."""
    _entries_in(archive)


def files_in(archive: Path) -> tuple[str, ...]:
    """The paths that an archive holds, without the directories. Raises `InvalidInput` for one that is none or damaged."""
    return tuple(entry.path for entry in _entries_in(archive) if entry.kind is not Kind.DIR)


def restore(archive: Path, root_fd: int) -> tuple[str, ...]:
    """Put a saved identity into a root, durably, and give its paths. A path that is there already is replaced; a second run does no harm.

    Raises `InvalidInput`, before anything is written, for an archive that is damaged; `ReprovError` for what the root does not take.
    """
    entries = _entries_in(archive)
    volumes: dict[int, str] = {}
    with tarfile.open(archive, "r:", encoding="utf-8", errors="surrogateescape") as members:
        for entry, member in zip(entries, members, strict=True):
            with _errors_named(entry.path), _parent(root_fd, entry.path) as (name, dir_fd):
                volumes.setdefault(os.fstat(dir_fd).st_dev, parent_of(entry.path))
                if entry.kind is Kind.DIR:
                    with suppress(FileExistsError):
                        os.mkdir(name, 0o700, dir_fd=dir_fd)
                else:
                    _put(entry, members.extractfile(member) if entry.kind is Kind.FILE else None, name, dir_fd)
    # At last: whatever is put into a directory moves its time, and inherits its default ACL.
    for entry in (entry for entry in entries if entry.kind is Kind.DIR):
        with _errors_named(entry.path), _parent(root_fd, entry.path) as (name, dir_fd), opened_directory(name, dir_fd=dir_fd):
            apply_metadata(entry, name, dir_fd=dir_fd)
    for path in volumes.values():
        fd = kernel.open_beneath(path, os.O_RDONLY | os.O_DIRECTORY, dir_fd=root_fd)
        try:
            kernel.syncfs(fd)
        finally:
            os.close(fd)
    return tuple(entry.path for entry in entries)


@contextmanager
def written_atomically(target: Path) -> Iterator[BinaryIO]:
    """A new file of root's alone that takes the place of the target, durably, when the block was left without an error."""
    incoming = target.with_name(f".{target.name}.incoming")
    incoming.unlink(missing_ok=True)
    fd = os.open(incoming, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        incoming.rename(target)
    except BaseException:
        incoming.unlink(missing_ok=True)
        raise
    with opened_directory(target.parent) as directory_fd:
        os.fsync(directory_fd)


class _Hashing:
    """A file that is written once from its beginning to its end, and knows the digest of what was written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def write(self, content: bytes) -> int:
        """As `io.BufferedWriter` does."""
        self.digest.update(content)
        return self._file.write(content)


def _write(root_fd: int, found: tuple[Entry, ...], file: BinaryIO) -> None:
    hashing = _Hashing(file)
    with tarfile.open(
        fileobj=cast(BinaryIO, hashing), mode="w|", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape"
    ) as members:
        for entry in found:
            if entry.kind is not Kind.FILE:
                members.addfile(_member_of(entry))
                continue
            fd = kernel.open_beneath(entry.path, os.O_RDONLY, dir_fd=root_fd)
            with os.fdopen(fd, "rb") as content:
                members.addfile(_member_of(entry), content)
    file.write((_SEAL + hashing.digest.hexdigest().encode() + b"\n").ljust(_SEAL_BYTES, b"\0"))


def _member_of(entry: Entry) -> tarfile.TarInfo:
    member = tarfile.TarInfo(entry.path)
    member.type, member.mode, member.uid, member.gid, member.size = _TYPES[entry.kind], entry.mode, entry.uid, entry.gid, entry.size
    member.linkname = entry.target
    member.devmajor, member.devminor = entry.device
    seconds, rest_ns = divmod(entry.mtime_ns, 1_000_000_000)
    member.pax_headers = {"mtime": f"{seconds}.{rest_ns:09d}"}
    member.pax_headers |= {_XATTR + name: value.decode("utf-8", "surrogateescape") for name, value in entry.xattrs}
    return member


def _entry_of(member: tarfile.TarInfo) -> Entry:
    seconds, _, rest_ns = member.pax_headers["mtime"].partition(".")
    xattrs = {name.removeprefix(_XATTR): value for name, value in member.pax_headers.items() if name.startswith(_XATTR)}
    return Entry(
        member.name,
        _KINDS[member.type],
        member.mode,
        member.uid,
        member.gid,
        int(seconds) * 1_000_000_000 + int(rest_ns),
        member.size,
        target=member.linkname,
        device=(member.devmajor, member.devminor),
        xattrs=tuple(sorted((name, value.encode("utf-8", "surrogateescape")) for name, value in xattrs.items())),
    )


def _entries_in(archive: Path) -> tuple[Entry, ...]:
    """What a whole archive holds. Raises `InvalidInput` for one that is none, was cut off or damaged."""
    try:
        _require_whole(archive)
        with tarfile.open(archive, "r:", encoding="utf-8", errors="surrogateescape") as members:
            return tuple(_entry_of(member) for member in members)
    except OSError as error:
        raise InvalidInput(f"{archive}: {error.strerror}") from None
    except (tarfile.TarError, ValueError, KeyError) as error:
        raise InvalidInput(f"{archive}: not the identity of a node, or damaged ({error})") from None


def _require_whole(archive: Path) -> None:
    content = hashlib.sha256()
    with archive.open("rb") as file:
        left = file.seek(0, io.SEEK_END) - _SEAL_BYTES
        file.seek(0)
        while left > 0 and (block := file.read(min(left, _READ_BYTES))):
            content.update(block)
            left -= len(block)
        if file.read().rstrip(b"\0") != _SEAL + content.hexdigest().encode() + b"\n":
            raise ValueError("its digest is another")


def _put(entry: Entry, content: IO[bytes] | None, name: str, dir_fd: int) -> None:
    """Make a path beside its place, and have it take that."""
    with suppress(FileNotFoundError):
        os.unlink(_TEMPORARY, dir_fd=dir_fd)
    match entry.kind:
        case Kind.LINK:
            os.symlink(entry.target, _TEMPORARY, dir_fd=dir_fd)
        case Kind.FILE:
            fd = os.open(_TEMPORARY, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=dir_fd)
            with os.fdopen(fd, "wb") as file:
                shutil.copyfileobj(content or io.BytesIO(), file)
        case _:
            types = {Kind.CHAR: stat.S_IFCHR, Kind.BLOCK: stat.S_IFBLK, Kind.FIFO: stat.S_IFIFO}
            os.mknod(_TEMPORARY, types[entry.kind] | 0o600, os.makedev(*entry.device), dir_fd=dir_fd)
    apply_metadata(entry, _TEMPORARY, dir_fd=dir_fd)
    os.rename(_TEMPORARY, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)


@contextmanager
def _parent(root_fd: int, path: str) -> Iterator[tuple[str, int]]:
    """The name of a path and the directory that holds it, to which no link leads."""
    fd = kernel.open_beneath(parent_of(path), os.O_RDONLY | os.O_DIRECTORY, dir_fd=root_fd)
    try:
        yield path.rpartition("/")[2], fd
    finally:
        os.close(fd)


@contextmanager
def _errors_named(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ReprovError(f"{show(path)} cannot be restored: {error.strerror}") from None
