"""Building the staged trees: every placement carried out below `.reprov/staged` of its volume, where only root can look."""

import errno
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from reprov.adapters import kernel
from reprov.adapters.discard import discard
from reprov.adapters.files import apply_metadata, copy_content, dig_holes, read_back
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

    def __init__(self, volumes: Volumes, scan: Scan, placements: Iterable[Placement], contents: Mapping[str, bytes]) -> None:
        """`contents` are those that placements write, by digest."""
        self._volumes = volumes
        self._scan = scan
        self._contents = contents
        self._volume_of = {placement.entry.path: placement.volume for placement in placements}
        self._made: set[tuple[str, str]] = set()  # directories that exist below staged/, by volume
        self._directories: list[Placement] = []
        self._several_names: set[str] = set()
        self.signatures: dict[str, Signature] = {}
        """Of what was written, by path."""
        self.linked: dict[str, Signature] = {}
        """Of live files that were linked, by path: linking has moved their ctime."""

    @property
    def known(self) -> dict[str, Signature]:
        """Both: of everything in the staged trees that the record of the commit is to know."""
        return {**self.signatures, **self.linked}

    def build(self, placements: Iterable[Placement], progress: Progress) -> list[Placement]:
        """Make staged paths with their metadata; that of directories follows in `close`.

        Returns what was written and is to be given to `verify`. Raises `ReprovError` when a live file moved. Several threads
        may each build their own placements.
        """
        written: list[Placement] = []
        folder: tuple[str, str] | None = None
        # Runs for every path of a release: kept flat for speed.
        for placement in placements:
            entry, volume, how, source = placement
            path = entry.path
            if folder != (folder := (volume, parent_of(path))):
                own_fd, cut = self._volumes.own_fds[volume], len(volume) + 1 if volume else 0
                self._make_parents(volume, path)
            staged = f"{STAGED}/{path[cut:]}"
            if how is How.LINK and self._link(entry, own_fd, staged):
                pass
            elif entry.kind is Kind.DIR:
                self._make_directory(volume, path)
                # Its time comes at the end: everything that is put into it moves that.
                apply_metadata(entry, staged, dir_fd=own_fd)
                self._directories.append(placement)
                continue
            elif how is How.JOIN:
                os.link(self._staged(volume, source), staged, src_dir_fd=own_fd, dst_dir_fd=own_fd, follow_symlinks=False)
                self._several_names |= {source, path}
            else:
                if self._make(placement, own_fd, staged):
                    written.append(placement)
                self.signatures[path] = signature_of(apply_metadata(entry, staged, dir_fd=own_fd))
            progress.advance(files=1, size_bytes=entry.size)
        return written

    def close(self) -> None:
        """Nothing more is built: give the directories their times, which everything that was put into them has moved."""
        for entry, volume, _, _ in self._directories:
            times = (entry.mtime_ns, entry.mtime_ns)
            os.utime(self._staged(volume, entry.path), ns=times, dir_fd=self._volumes.own_fds[volume], follow_symlinks=False)

    def renew_signatures(self) -> None:
        """Look again at files with several names, when all is made: every further name has moved the ctime of the inode."""
        for path in self._several_names:
            volume = self._volume_of[path]
            own_fd, staged = self._volumes.own_fds[volume], self._staged(volume, path)
            found = signature_of(os.stat(staged, dir_fd=own_fd, follow_symlinks=False))
            (self.linked if path in self.linked else self.signatures)[path] = found

    def verify(self, written: Sequence[Placement], progress: Progress) -> None:
        """Read files that were written, and synced, back and check their digests: what came over the wire is believed only now.

        Whether they are on the disk the sync has told; where it cannot (before Linux 5.8), they are read from the disk.
        Long runs of zeros become holes: no manifest says which files are sparse, but a disk image that is must not fill the disk.
        """
        for volume, own_fd in self._volumes.own_fds.items():
            wanted = {self._staged(volume, placement.entry.path): placement.entry for placement in written if placement.volume == volume}
            from_disk = not kernel.syncfs_tells_errors()
            for staged, found in read_back(list(wanted), dir_fd=own_fd, from_disk=from_disk, progress=progress).items():
                entry = wanted[staged]
                if found.digest != entry.digest:
                    raise ReprovError(
                        f"{show(entry.path)} is not what the manifest says (sha256 {found.digest[:12]}..., wanted {entry.digest[:12]}...)",
                        hint="the tree on the server was altered, or the disk is failing; run `reprov releases --check` on the server",
                    )
                if found.zeros:
                    dig_holes(staged, found.zeros, dir_fd=own_fd)
                    self.signatures[entry.path] = signature_of(apply_metadata(entry, staged, dir_fd=own_fd))

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

    def _link(self, entry: Entry, own_fd: int, staged: str) -> bool:
        """Link a live file, refusing one that is no longer what the scan saw; False when it can only be copied."""
        try:
            os.link(entry.path, staged, src_dir_fd=self._volumes.root_fd, dst_dir_fd=own_fd, follow_symlinks=False)
        except OSError as error:
            # EMLINK: the inode has all the names it can have; EPERM: immutable, which forbids links but not copies.
            if error.errno not in (errno.EMLINK, errno.EPERM):
                raise
            return False
        status = os.stat(staged, dir_fd=own_fd, follow_symlinks=False)
        self._require_as_scanned(entry.path, status)
        self.linked[entry.path] = signature_of(status)
        if entry.link_group:
            self._several_names.add(entry.path)
        return True

    def _make(self, placement: Placement, own_fd: int, staged: str) -> bool:
        """Make anything but a directory, its metadata aside; True when content was written that is to be verified."""
        entry = placement.entry
        match entry.kind:
            case Kind.FILE if placement.how is How.FETCH:
                self._take_fetched(placement, own_fd, staged)
                return True
            case Kind.FILE if placement.how is How.WRITE:
                destination_fd = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=own_fd)
                with os.fdopen(destination_fd, "wb") as file:
                    file.write(self._contents[placement.source])
                return True
            case Kind.FILE:
                return self._copy(placement.source, own_fd, staged)
            case Kind.LINK:
                os.symlink(entry.target, staged, dir_fd=own_fd)
            case Kind.FIFO:
                os.mkfifo(staged, 0o600, dir_fd=own_fd)
            case Kind.CHAR | Kind.BLOCK:
                kind = stat.S_IFCHR if entry.kind is Kind.CHAR else stat.S_IFBLK
                os.mknod(staged, kind | 0o600, os.makedev(*entry.device), dir_fd=own_fd)
            case _:
                raise ReprovError(f"{show(entry.path)} is a {entry.kind.value}, which no release can have")
        return False

    def _take_fetched(self, placement: Placement, own_fd: int, staged: str) -> None:
        """Move what has arrived to its place; other paths with the same content get a copy of that."""
        if placement.source == placement.entry.path:
            incoming = f"{INCOMING}/{self._volumes.inside(placement.volume, placement.source)}"
            os.rename(incoming, staged, src_dir_fd=own_fd, dst_dir_fd=own_fd)
            return
        volume = self._volume_of[placement.source]
        source = self._staged(volume, placement.source)
        source_fd = os.open(source, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=self._volumes.own_fds[volume])
        try:
            _write_copy(source_fd, own_fd, staged)
        finally:
            os.close(source_fd)

    def _copy(self, source: str, own_fd: int, staged: str) -> bool:
        """Copy a live file, refusing one that is no longer what the scan saw; True when it is to be verified."""
        source_fd = kernel.open_beneath(source, os.O_RDONLY, dir_fd=self._volumes.root_fd)
        try:
            self._require_as_scanned(source, os.fstat(source_fd))
            return not _write_copy(source_fd, own_fd, staged)
        finally:
            os.close(source_fd)

    def _require_as_scanned(self, path: str, status: os.stat_result) -> None:
        """Refuse a live file that is not what the plan was made for. Its ctime tells nothing by now: linking it has moved that."""
        known, entry = self._scan.signatures[path], self._scan.entries[path]
        if (
            status.st_ino != known.inode
            or status.st_size != known.size
            or status.st_mtime_ns != entry.mtime_ns
            or status.st_uid != entry.uid
            or status.st_gid != entry.gid
            or stat.S_IMODE(status.st_mode) != entry.mode
        ):
            raise ReprovError(f"{show(path)} is not what it was when the plan was made", hint=_CHANGED_HINT)


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
    """Give up what was staged, durably, but keep it until the next plan has looked what of it it can use."""
    for own_fd in volumes.own_fds.values():
        discard(LEFTOVER, dir_fd=own_fd)
        with suppress(FileNotFoundError):
            os.rename(STAGED, LEFTOVER, src_dir_fd=own_fd, dst_dir_fd=own_fd)
    volumes.sync()  # before the state, which is on one disk only, says that nothing is staged


def unstage(volumes: Volumes) -> None:
    """Remove what a plan staged or fetched, durably; only for trees that have not been exchanged."""
    for own_fd in volumes.own_fds.values():
        discard(STAGED, dir_fd=own_fd)
        discard(INCOMING, dir_fd=own_fd)
        discard(LEFTOVER, dir_fd=own_fd)
    volumes.sync()
