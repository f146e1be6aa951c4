"""pristine.tar.gz: the content of a release's merged files, so that a plan has it without fetching.

It is a tar for everybody's tools, but read here in memory and never unpacked: its names are paths of a node.
"""

import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from reprov.adapters.files import read_at
from reprov.domain.entry import Entry, Kind, show
from reprov.errors import InvalidInput, ReprovError

NAME: Final = "pristine.tar.gz"
LARGEST_BYTES: Final = 256 << 20
"""Of the archive when it is unpacked; what is merged are configuration files, of a few MB in all."""

_COMPRESSION = 6
_GZIP_WINDOW = 31  # zlib's number for a gzip header and the largest window


class Pristine(Mapping[str, bytes]):
    """Content by path; the archive is in memory once, and each content is cut out of it when it is asked for."""

    def __init__(self, archive: bytes, places: Mapping[str, tuple[int, int]]) -> None:
        """`places` are begin and end in `archive`."""
        self._archive = archive
        self._places = places

    def __getitem__(self, path: str) -> bytes:
        """The content of a path."""
        begin, end = self._places[path]
        return self._archive[begin:end]

    def __iter__(self) -> Iterator[str]:
        """The paths in the order of the archive."""
        return iter(self._places)

    def __len__(self) -> int:
        """How many files there are."""
        return len(self._places)


def pack(entries: Iterable[Entry], *, root_fd: int) -> bytes:
    """The archive of these files of a tree; equal paths with equal content give equal bytes. Directories and links are left out.

    Raises `ReprovError` when a file is not what its entry says.
    """
    packed = io.BytesIO()
    with (
        gzip.GzipFile("", "wb", _COMPRESSION, packed, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape") as archive,
    ):
        for entry in sorted(entry for entry in entries if entry.kind is Kind.FILE):
            content = _read(entry, root_fd)
            member = tarfile.TarInfo(entry.path)
            member.size, member.mode = len(content), 0o600
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def read(file: Path, *, largest_bytes: int = LARGEST_BYTES) -> Pristine:
    """The content in an archive. Raises `InvalidInput` for one that is damaged, larger, or holds anything but files with proper paths."""
    try:
        archive = _unzipped(file.read_bytes(), largest_bytes)
        return Pristine(archive, _places(archive))
    except (OSError, zlib.error, tarfile.TarError, ValueError) as error:
        raise InvalidInput(f"{file}: not the content of a release ({error})") from None


def _read(entry: Entry, root_fd: int) -> bytes:
    content = read_at(entry.path, dir_fd=root_fd)
    if hashlib.sha256(content).hexdigest() != entry.digest:
        raise ReprovError(f"{show(entry.path)} changed while it was published", hint="publish a tree that nothing writes to")
    return content


def _unzipped(packed: bytes, largest_bytes: int) -> bytes:
    unzip = zlib.decompressobj(_GZIP_WINDOW)
    archive = unzip.decompress(packed, largest_bytes + 1)
    if len(archive) > largest_bytes:
        raise ValueError(f"it unpacks to more than {largest_bytes} bytes")
    if not unzip.eof or unzip.unused_data:
        raise ValueError("it is cut off, or something follows it")
    return archive


def _places(archive: bytes) -> dict[str, tuple[int, int]]:
    places: dict[str, tuple[int, int]] = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:", encoding="utf-8", errors="surrogateescape") as members:
        for member in members:
            path, end = member.name, member.offset_data + member.size
            if member.type != tarfile.REGTYPE:
                raise ValueError(f"{show(path)} is no regular file")
            if not path or path.startswith("/") or ".." in path.split("/"):
                raise ValueError(f"{show(path)} is not a path inside a tree")
            if path in places:
                raise ValueError(f"{show(path)} is there twice")
            if end > len(archive):
                raise ValueError(f"{show(path)} is cut off")
            places[path] = (member.offset_data, end)
        # tarfile takes whatever is no header for the end.
        if archive[members.offset :].strip(b"\0"):
            raise ValueError("something follows its last file")
    return places
