"""Who the node is, carried over from the old root to the new one, so that no loss of power loses it.

At any time it is whole in one place: in the old root, then in an archive (a file of the operator's, or a partition of the layout that
holds nothing of it), then in the new root. An archive that is there when an install begins was left by one that did not end:
then it is the one to believe, and not a root that may be empty or half filled.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters import kernel
from reprov.adapters.durable import sync_directory
from reprov.adapters.files import opened_directory
from reprov.adapters.identity_archive import require_whole, restore, save, written_atomically
from reprov.adapters.node_state import NodeState
from reprov.adapters.partition_writer import make_filesystem
from reprov.adapters.private_mounts import PrivateMounts
from reprov.domain.install_plan import ARCHIVE_NAME, InstallPlan, in_mount_order
from reprov.domain.layout import OsDevice
from reprov.domain.partition_plan import Fate, PlannedPartition
from reprov.errors import Refused, ReprovError
from reprov.workflows.install_devices import InstallDevices

_ROOTS = {"btrfs": ("ro",), "ext2": ("ro",), "ext3": ("ro", "noload"), "ext4": ("ro", "noload"), "xfs": ("ro", "norecovery", "nouuid")}
"""Filesystems that may hold a root, and how they are mounted without a byte being written to them."""
_RESTORING = ".reprov-restoring"
"""In a root whose identity is not whole yet."""
_KEEPER_SHARE = 0.8
"""Of a keeper that an archive may fill."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What is carried over."""

    archive: Path | None
    """In memory; None for a node that begins without identity."""
    role: str = ""
    """That the old root had installed; "" when it is not known."""
    is_left: bool = False
    """An interrupted installation has left it."""
    was_kept: bool = False
    """The archive lies on the keeper already."""


def find_identity(plan: InstallPlan, devices: InstallDevices, mounts: PrivateMounts, *, may_be_new: bool) -> Identity:
    """The node's identity, in memory. Nothing is written to the disk, but for what ext4 notes in a filesystem that it finds damaged.

    Raises `Refused` where there is none, unless the node may be new, and where the old root holds more than could be carried over;
    `InvalidInput` for an archive that is damaged.
    """
    folder = mounts.folder("identity")
    archive = folder / ARCHIVE_NAME
    if plan.archive and Path(plan.archive).exists():
        require_whole(Path(plan.archive))
        return Identity(Path(plan.archive), is_left=True)
    if plan.keeper and _take_from_keeper(plan.keeper, devices, mounts, archive):
        require_whole(archive)
        return Identity(archive, is_left=True, was_kept=not plan.archive)
    role = ""
    if plan.old_root:
        with _old_root(plan, devices, mounts) as root:
            if root is not None:
                _refuse_half_restored(root, plan.old_root.path)
                role = _role_of(root)
                with opened_directory(root) as root_fd:
                    if save(root_fd, archive):
                        return Identity(archive, role)
    if not may_be_new:
        where = plan.old_root.path if plan.old_root else plan.partitions.disk.path
        raise Refused(
            f"there is no identity of a node on {where}",
            hint="--new-node says that there is none to keep; --identity-archive FILE brings back one that was saved",
        )
    return Identity(None, role)


def keep_identity(identity: Identity, plan: InstallPlan, devices: InstallDevices, mounts: PrivateMounts) -> None:
    """Put the archive where a loss of power does not reach it. Its partition is formatted for that, unless the archive lies there."""
    if identity.archive is None:
        return
    if plan.archive:
        if identity.archive != Path(plan.archive):
            _copy(identity.archive, Path(plan.archive))
    elif plan.keeper and plan.keeper.os and not identity.was_kept:
        device = devices.of(plan.keeper.os, plan.keeper.entry.number)
        make_filesystem(plan.keeper.os, device)
        point = mounts.folder("keeper")
        mounts.mount(device, point, plan.keeper.os.filesystem, *private_options(plan.keeper.os))
        _copy(identity.archive, point / ARCHIVE_NAME)
        mounts.unmount(point)


def check_room(identity: Identity, plan: InstallPlan) -> None:
    """Raise `Refused` when the archive would not fit onto its partition, or into the file that was named for it."""
    if identity.archive is None or identity.archive == Path(plan.archive) or identity.was_kept:
        return
    if plan.archive:
        _require_room_for_file(identity.archive.stat().st_size, Path(plan.archive))
        return
    if plan.keeper is None:
        return
    room_bytes = int(plan.keeper.entry.sectors * plan.partitions.disk.sector_bytes * _KEEPER_SHARE)
    if identity.archive.stat().st_size > room_bytes:
        raise Refused(
            f"the node's identity takes {identity.archive.stat().st_size >> 20} MiB, which do not fit onto {plan.keeper.entry.label}",
            hint="--identity-archive FILE keeps it in a file; that should survive a power failure, and not lie in memory",
        )


def _require_room_for_file(size_bytes: int, file: Path) -> None:
    hint = "--identity-archive takes a file in a directory that is there, can be written to and has room"
    if not file.parent.is_dir():
        raise Refused(f"the node's identity cannot be kept in {file}: {file.parent} is no directory", hint=hint)
    found = os.statvfs(file.parent)
    if found.f_flag & os.ST_RDONLY:
        raise Refused(f"the node's identity cannot be kept in {file}: it is on a filesystem that is mounted read-only", hint=hint)
    if found.f_bavail * found.f_frsize < size_bytes:
        raise Refused(f"the node's identity takes {-(-size_bytes >> 10)} KiB, and there is no room for {file}", hint=hint)


def restore_identity(identity: Identity, root: Path) -> None:
    """Bring it back into the new root, durably: afterwards the archive may go."""
    if identity.archive is None:
        return
    with opened_directory(root) as root_fd:
        (root / _RESTORING).touch()
        kernel.syncfs(root_fd)
        restore(identity.archive, root_fd)
        (root / _RESTORING).unlink()
        kernel.syncfs(root_fd)


def forget_archive(plan: InstallPlan, keeper: Path | None) -> None:
    """Remove the archive from the file, or from the mounted keeper: from now on the root is the one to believe."""
    archive = Path(plan.archive) if plan.archive else keeper / ARCHIVE_NAME if keeper else None
    if archive is not None and archive.exists():
        archive.unlink()
        sync_directory(archive.parent)


def private_options(device: OsDevice) -> tuple[str, ...]:
    """How a filesystem is mounted: vfat knows no owners, and must not show everybody what lies on it."""
    return ("umask=0077",) if device.filesystem == "vfat" else ()


def _refuse_half_restored(root: Path, device: str) -> None:
    """The rest of the identity is in an archive that this layout, or this command line, does not lead to."""
    if (root / _RESTORING).exists():
        raise Refused(
            f"the identity of the node on {device} is not whole: an installation was interrupted",
            hint="run that one again, with the same layout and --identity-archive: the archive is where it was kept",
        )


def _role_of(root: Path) -> str:
    """The installed role, where that can be told: a node whose state is damaged may be installed anew, too."""
    try:
        installed = NodeState(root).deployment().installed
    except (ReprovError, OSError):
        return ""
    return installed.role if installed else ""


def _take_from_keeper(keeper: PlannedPartition, devices: InstallDevices, mounts: PrivateMounts, archive: Path) -> bool:
    """Copy an archive that an interrupted install has left into memory; False when there is none."""
    content = keeper.entry.content
    if keeper.fate is not Fate.FORMATTED or content is None or not keeper.os or content.type != keeper.os.filesystem:
        return False
    point = mounts.folder("keeper-before")
    mounts.mount(devices.of(keeper.os, keeper.entry.number), point, content.type, *_ROOTS.get(content.type, ("ro",)))
    try:
        left = point / ARCHIVE_NAME
        if left.is_symlink() or not left.is_file():
            return False
        shutil.copyfile(left, archive)
        return True
    finally:
        mounts.unmount(point)


@contextmanager
def _old_root(plan: InstallPlan, devices: InstallDevices, mounts: PrivateMounts) -> Iterator[Path | None]:
    """The old root with those of its filesystems that are formatted with it; None when there is no filesystem that may be one."""
    top: Path | None = None
    points: list[Path] = []
    try:
        for device, number in in_mount_order(plan.partitions):
            content = devices.content_before(device, number)
            if content is None or content.type not in _ROOTS:
                continue
            if device.mount == "/":
                top = point = mounts.folder("old")
            elif top is None or (point := top / device.mount.strip("/")) != point.resolve() or not point.is_dir():
                continue
            _look_into(devices.of(device, number), content.type, point, mounts)
            points.append(point)
        yield top
    finally:
        for point in reversed(points):
            mounts.unmount(point)


def _look_into(device: str, filesystem: str, point: Path, mounts: PrivateMounts) -> None:
    """Mount without a byte being written. A filesystem that the kernel finds damaged is not formatted with what may be left on it."""
    try:
        mounts.mount(device, point, filesystem, *_ROOTS[filesystem])
    except ReprovError as error:
        raise Refused(
            f"the node's identity may be on {device}, and {error.message}",
            hint="repair that filesystem; or, when nothing on it is needed, empty it with wipefs --all, and give --new-node",
        ) from None


def _copy(source: Path, target: Path) -> None:
    """A copy that is whole, or not there under that name."""
    with source.open("rb") as old, written_atomically(target) as new:
        shutil.copyfileobj(old, new)
