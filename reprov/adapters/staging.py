"""Building the staged trees: every placement carried out below `.reprov/staged` of its volume, where only root can look."""

import errno
import os
import stat
from collections.abc import Iterable
from contextlib import suppress

from reprov.adapters import kernel
from reprov.adapters.discard import discard
from reprov.adapters.files import apply_metadata, copy_content, digests_at
from reprov.adapters.node_state import INCOMING, LEFTOVER, STAGED
from reprov.adapters.survey import signature_of
from reprov.adapters.volumes import Volumes
from reprov.domain.entry import Entry, Kind, ancestors_of, parent_of, show
from reprov.domain.placement import How, Placement
from reprov.domain.scan import Scan, Signature
from reprov.errors import ReprovError
from reprov.events import Progress

_CHANGED_HINT = "something changed it while it was being staged; run it again"


class Staging:
    """The staged trees of one plan while they are being built; knows the signature of every file that it made."""

    def __init__(self, volumes: Volumes, scan: Scan) -> None:
        self._volumes = volumes
        self._scan = scan
        self._volume_of: dict[str, str] = {}
        self._made: set[tuple[str, str]] = set()  # directories that exist below staged/, by volume
        self._directories: list[Placement] = []
        self._joined: set[str] = set()
        self._unverified: list[tuple[Entry, str]] = []
        self.signatures: dict[str, Signature] = {}
        """Of what was written, by path."""
        self.linked: set[str] = set()
        """Paths whose live file was linked. Whether it is still what the plan was made for, the look before the commit tells."""

    def build(self, placements: Iterable[Placement], progress: Progress) -> None:
        """Make staged paths with their metadata; that of directories follows in `close`. Raises `ReprovError` when a live file moved."""
        for placement in placements:
            entry = placement.entry
            self._volume_of[entry.path] = placement.volume
            own_fd, staged = self._volumes.own_fds[placement.volume], self._staged(placement.volume, entry.path)
            self._make_parents(placement.volume, entry.path)
            if entry.kind is Kind.DIR:
                self._make_directory(placement.volume, entry.path)
                self._directories.append(placement)
                continue
            if placement.how is How.LINK:
                self._link(entry, own_fd, staged)
            elif placement.how is How.JOIN:
                source = self._staged(placement.volume, placement.source)
                os.link(source, staged, src_dir_fd=own_fd, dst_dir_fd=own_fd, follow_symlinks=False)
                self._joined |= {placement.source, entry.path}
            else:
                self._make(placement, own_fd, staged)
                apply_metadata(entry, staged, dir_fd=own_fd)
                self._remember(entry.path, staged, own_fd)
            progress.advance(files=1, size_bytes=entry.size)

    def close(self) -> None:
        """Nothing more is built: give the directories their metadata, the deepest first so that their times stay."""
        for placement in sorted(self._directories, reverse=True):
            staged = self._staged(placement.volume, placement.entry.path)
            apply_metadata(placement.entry, staged, dir_fd=self._volumes.own_fds[placement.volume])
        for path in self._joined:
            volume = self._volume_of[path]
            self._remember(path, self._staged(volume, path), self._volumes.own_fds[volume])

    @property
    def unverified(self) -> int:
        """How many files were written and have not been read back."""
        return len(self._unverified)

    def verify(self, progress: Progress) -> None:
        """Read every file that was written back from the disk and check its digest: what came over the wire is believed only now."""
        for volume, own_fd in self._volumes.own_fds.items():
            wanted = {self._staged(volume, entry.path): entry for entry, where in self._unverified if where == volume}
            for staged, found in digests_at(list(wanted), dir_fd=own_fd, progress=progress, from_disk=True).items():
                entry = wanted[staged]
                if found != entry.digest:
                    raise ReprovError(
                        f"{show(entry.path)} is not what the manifest says (sha256 {found[:12]}..., wanted {entry.digest[:12]}...)",
                        hint="the tree on the server was altered, or the disk is failing; run `reprov releases --check` on the server",
                    )

    def _staged(self, volume: str, path: str) -> str:
        return f"{STAGED}/{self._volumes.inside(volume, path)}"

    def _make_parents(self, volume: str, path: str) -> None:
        if (volume, parent_of(path)) in self._made:
            return
        for directory in ancestors_of(path):
            if directory == volume or directory.startswith(volume + "/") or not volume:
                self._make_directory(volume, directory)

    def _make_directory(self, volume: str, path: str) -> None:
        if (volume, path) in self._made:
            return
        name = STAGED if path == volume else self._staged(volume, path)
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=self._volumes.own_fds[volume])
        self._made.add((volume, path))

    def _link(self, entry: Entry, own_fd: int, staged: str) -> None:
        try:
            os.link(entry.path, staged, src_dir_fd=self._volumes.root_fd, dst_dir_fd=own_fd, follow_symlinks=False)
        except OSError as error:
            # EMLINK: the inode has all the names it can have; EPERM: immutable, which forbids links but not copies.
            if error.errno not in (errno.EMLINK, errno.EPERM):
                raise
            self._copy(entry, entry.path, own_fd, staged)
            apply_metadata(entry, staged, dir_fd=own_fd)
            self._remember(entry.path, staged, own_fd)
            return
        self.linked.add(entry.path)

    def _make(self, placement: Placement, own_fd: int, staged: str) -> None:
        entry = placement.entry
        match entry.kind:
            case Kind.FILE if placement.how is How.FETCH:
                self._take_fetched(placement, own_fd, staged)
            case Kind.FILE:
                self._copy(entry, placement.source, own_fd, staged)
            case Kind.LINK:
                os.symlink(entry.target, staged, dir_fd=own_fd)
            case Kind.FIFO:
                os.mkfifo(staged, 0o600, dir_fd=own_fd)
            case Kind.CHAR | Kind.BLOCK:
                kind = stat.S_IFCHR if entry.kind is Kind.CHAR else stat.S_IFBLK
                os.mknod(staged, kind | 0o600, os.makedev(*entry.device), dir_fd=own_fd)
            case _:
                raise ReprovError(f"{show(entry.path)} is a {entry.kind.value}, which no release can have")

    def _take_fetched(self, placement: Placement, own_fd: int, staged: str) -> None:
        entry = placement.entry
        self._unverified.append((entry, placement.volume))
        if placement.source != entry.path:
            volume = self._volume_of[placement.source]
            self._copy_from(self._staged(volume, placement.source), self._volumes.own_fds[volume], own_fd, staged)
        elif placement.volume:
            self._copy_from(f"{INCOMING}/{entry.path}", self._volumes.own_fds[""], own_fd, staged)
            os.unlink(f"{INCOMING}/{entry.path}", dir_fd=self._volumes.own_fds[""])
        else:
            os.rename(f"{INCOMING}/{entry.path}", staged, src_dir_fd=own_fd, dst_dir_fd=own_fd)

    def _copy(self, entry: Entry, source: str, own_fd: int, staged: str) -> None:
        """Copy a live file, refusing one that is no longer what the scan saw."""
        source_fd = kernel.open_beneath(source, os.O_RDONLY, dir_fd=self._volumes.root_fd)
        try:
            self._require_as_scanned(source, os.fstat(source_fd))
            if not _write_copy(source_fd, own_fd, staged):
                self._unverified.append((entry, self._volume_of[entry.path]))
        finally:
            os.close(source_fd)

    def _copy_from(self, source: str, source_dir_fd: int, own_fd: int, staged: str) -> None:
        source_fd = os.open(source, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=source_dir_fd)
        try:
            _write_copy(source_fd, own_fd, staged)
        finally:
            os.close(source_fd)

    def _require_as_scanned(self, path: str, status: os.stat_result) -> None:
        """Refuse a live file that is not what the plan was made for. Its ctime tells nothing by now: linking it has moved that."""
        known = self._scan.signatures[path]
        if (status.st_ino, status.st_size, status.st_mtime_ns) != (known.inode, known.size, self._scan.entries[path].mtime_ns):
            raise ReprovError(f"{show(path)} is not what it was when the plan was made", hint=_CHANGED_HINT)

    def _remember(self, path: str, staged: str, own_fd: int) -> None:
        self.signatures[path] = signature_of(os.stat(staged, dir_fd=own_fd, follow_symlinks=False))


def _write_copy(source_fd: int, own_fd: int, staged: str) -> bool:
    """Write a file's content to a new name; True when the filesystem shared the blocks instead of copying them."""
    destination_fd = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=own_fd)
    try:
        return copy_content(source_fd, destination_fd)
    finally:
        os.close(destination_fd)


def move_into(source: str, destination: str, *, dir_fd: int) -> None:
    """Move a file within one of reprov's own directories, making the directories that lead to its new place."""
    parent = destination.rpartition("/")[0]
    missing = [directory for directory in (*ancestors_of(parent), parent) if directory]
    for directory in missing:
        with suppress(FileExistsError):
            os.mkdir(directory, 0o700, dir_fd=dir_fd)
    os.rename(source, destination, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)


def set_aside(volumes: Volumes) -> None:
    """Give up what was staged, but keep it until the next plan has looked what of it it can use."""
    for own_fd in volumes.own_fds.values():
        discard(LEFTOVER, dir_fd=own_fd)
        with suppress(FileNotFoundError):
            os.rename(STAGED, LEFTOVER, src_dir_fd=own_fd, dst_dir_fd=own_fd)


def unstage(volumes: Volumes) -> None:
    """Remove what a plan staged or fetched; only for trees that have not been exchanged."""
    for own_fd in volumes.own_fds.values():
        discard(STAGED, dir_fd=own_fd)
        discard(INCOMING, dir_fd=own_fd)
        discard(LEFTOVER, dir_fd=own_fd)
