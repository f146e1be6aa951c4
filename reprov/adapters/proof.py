"""What is on protected devices, read from the devices themselves: udev's memory proves nothing. Opens nothing for writing."""

import errno
import hashlib
import os
import stat
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from reprov.adapters.bluestore import read_label
from reprov.adapters.device_use import InUse, Writes, count_writes, opened_image, opened_unused, writers
from reprov.adapters.partition_table import read_table
from reprov.adapters.signatures import probe, probe_at
from reprov.domain.bluestore import BluestoreLabel
from reprov.domain.inventory import Signature
from reprov.domain.proof import SIGNATURE_BYTES, Fingerprint, ProvenDevice, TableEntry
from reprov.domain.proof_subjects import Subject
from reprov.domain.sfdisk import TableOnDisk
from reprov.errors import ReprovError
from reprov.events import Progress

Found = TypeVar("Found")

_THREADS = 8
"""Disks seek on their own, and sha256 releases the interpreter lock."""
_READ_BYTES = 4 << 20


class Proven(NamedTuple):
    """The devices in the order of their subjects, and what could not be looked at."""

    devices: tuple[ProvenDevice, ...]
    notes: tuple[str, ...]


def prove_devices(some: Sequence[Subject], progress: Progress, *, deep: bool) -> Proven:
    """Look at every subject; `deep` reads all of those that nothing uses."""
    prover = _Prover(some, progress, deep)
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            disks = {subject.disk: subject.sector_bytes for subject in some if subject.number}
            prover.tables = dict(zip(disks, pool.map(prover.table, disks, disks.values()), strict=True))
            devices = tuple(pool.map(prover.device, some))
        except BaseException:
            prover.is_stopped.set()
            pool.shutdown(cancel_futures=True)
            raise
    return Proven(devices, tuple(sorted(prover.notes)))


def boot_id() -> str:
    """What the kernel calls the time since it was booted."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the bytes of a subject are: a device of its own, or a part of a disk or image."""

    file: Path
    offset_bytes: int
    size_bytes: int
    is_image: bool
    is_own: bool


class _Seen(NamedTuple):
    """The bytes of a device, or why there are none."""

    fingerprint: Fingerprint | None = None
    use: str = ""
    error: str = ""


class _Prover:
    """Looks at one device after the other, in several threads."""

    def __init__(self, some: Sequence[Subject], progress: Progress, deep: bool) -> None:
        self.tables: Mapping[str, TableOnDisk | None] = {}
        self.notes: set[str] = set()
        self.is_stopped = threading.Event()
        self._progress = progress
        self._deep = deep
        self._writing = writers()
        self._lock = threading.Lock()
        self._turns = {_on(subject): threading.Lock() for subject in some}

    def table(self, disk: str, sector_bytes: int) -> TableOnDisk | None:
        """The table as it is on the disk now; None where there is none, or where it cannot be read, which is noted."""
        return self._noting(disk, lambda: read_table(Path(disk), sector_bytes=sector_bytes))

    def device(self, subject: Subject) -> ProvenDevice:
        """Everything that is compared, of one device."""
        place = _place(subject)
        with self._turns[_on(subject)]:  # an exclusive open of a disk excludes its partitions, too
            seen = self._look(subject, place)
        return ProvenDevice(
            path=subject.path,
            size_bytes=subject.size_bytes,
            reasons=subject.reasons,
            wwn=subject.wwn,
            serial=subject.serial,
            volume=subject.volume,
            uuid=subject.uuid,
            tags=subject.tags,
            entry=_entry(self.tables.get(subject.disk), subject),
            content=self._noting(subject.path, lambda: self._content(place)) if place else None,
            bluestore=self._noting(subject.path, lambda: _label(place)) if place else None,
            fingerprint=seen.fingerprint,
            use=seen.use,
            error=seen.error,
        )

    def _content(self, place: _Place) -> Signature | None:
        if place.is_own and not place.is_image:
            path = os.fspath(place.file)
            found = probe((path,))
            content, notes = found.contents.get(path), found.notes
        else:
            content, notes = probe_at(place.file, place.offset_bytes, place.size_bytes)
        self.notes.update(notes)
        return content

    def _look(self, subject: Subject, place: _Place | None) -> _Seen:
        if place is None:
            return _Seen(use="not active")
        if subject.uses:
            return _Seen(use=", ".join(subject.uses))
        try:
            with _opened(place, self._writing) as fd:
                return _Seen(self._hashed(fd, place))
        except InUse as use:
            return _Seen(use=str(use))
        except OSError as error:
            self.notes.add(f"{subject.path}: {error.strerror}")
            return _Seen(error=error.strerror or str(error))

    def _hashed(self, fd: int, place: _Place) -> Fingerprint:
        number = os.fstat(fd).st_rdev
        before = count_writes(number) if place.is_own and number else Writes()
        size_bytes = os.lseek(fd, 0, os.SEEK_END) if place.is_own else place.size_bytes
        end_bytes = min(SIGNATURE_BYTES, size_bytes)
        fingerprint = Fingerprint(
            first_sha256=self._sha256(fd, place.offset_bytes, end_bytes),
            last_sha256=self._sha256(fd, place.offset_bytes + size_bytes - end_bytes, end_bytes),
            whole_sha256=self._sha256(fd, place.offset_bytes, size_bytes) if self._deep else "",
            written_sectors=before.written,
            discarded_sectors=before.discarded,
        )
        if place.is_own and number and count_writes(number) != before:
            raise InUse("written to while it was read")
        return fingerprint

    def _sha256(self, fd: int, offset_bytes: int, size_bytes: int) -> str:
        content, end_bytes = hashlib.sha256(), offset_bytes + size_bytes
        while offset_bytes < end_bytes:
            wanted = min(_READ_BYTES, end_bytes - offset_bytes)
            # What the disk has, not what the page cache remembers: that of a partition does not see writes to its disk.
            os.posix_fadvise(fd, offset_bytes, wanted, os.POSIX_FADV_DONTNEED)
            block = os.pread(fd, wanted, offset_bytes)
            if not block:
                raise OSError(errno.EIO, "it ends early")
            if self.is_stopped.is_set():
                raise OSError(errno.EINTR, "stopped")
            os.posix_fadvise(fd, offset_bytes, len(block), os.POSIX_FADV_DONTNEED)
            content.update(block)
            offset_bytes += len(block)
            with self._lock:
                self._progress.advance(size_bytes=len(block))
        return content.hexdigest()

    def _noting(self, what: str, read: Callable[[], Found | None]) -> Found | None:
        try:
            return read()
        except ReprovError as error:
            self.notes.add(f"{what}: {error.message}")
        except OSError as error:
            self.notes.add(f"{what}: {error.strerror}")
        return None


def _on(subject: Subject) -> str:
    """The disk that it is or lies on directly; else itself."""
    return subject.disk or subject.path


def _opened(place: _Place, writing: Mapping[int, str]) -> AbstractContextManager[int]:
    return opened_image(place.file) if place.is_image else opened_unused(place.file, writing)


def _place(subject: Subject) -> _Place | None:
    """None for what has no device: a volume that is not active."""
    offset_bytes = subject.start_sector * subject.sector_bytes
    if subject.is_image:
        return _Place(Path(subject.disk), offset_bytes, subject.size_bytes, is_image=True, is_own=False)
    if not subject.is_active:
        return None
    if subject.number and not _is_device(subject.path):
        return _Place(Path(subject.disk), offset_bytes, subject.size_bytes, is_image=False, is_own=False)
    return _Place(Path(subject.path), 0, subject.size_bytes, is_image=False, is_own=True)


def _is_device(path: str) -> bool:
    try:
        return stat.S_ISBLK(Path(path).stat().st_mode)
    except FileNotFoundError:
        return False


def _label(place: _Place) -> BluestoreLabel | None:
    return read_label(place.file, offset_bytes=place.offset_bytes)


def _entry(found: TableOnDisk | None, subject: Subject) -> TableEntry | None:
    partition = next((item for item in found.partitions if item.number == subject.number), None) if found else None
    if found is None or partition is None:
        return None
    return TableEntry(
        table=found.table.kind.value,
        table_uuid=found.table.uuid,
        sector_bytes=found.sector_bytes,
        number=partition.number,
        start_sector=partition.start_sector,
        sectors=partition.sectors,
        type=partition.type,
        uuid=partition.uuid,
        label=partition.label,
        attributes=partition.attributes,
        problems=found.table.problems,
    )
