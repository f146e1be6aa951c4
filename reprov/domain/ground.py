"""Which of a node's filesystems a plan works on, and what on them it goes around."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

from reprov.domain.comparison import covers
from reprov.domain.entry import Entry, ancestors_of
from reprov.domain.fences import Fence
from reprov.domain.filesystems import why_not_ours
from reprov.domain.mounts import Mount
from reprov.domain.osd_directory import OsdDirectory


class Waiting(NamedTuple):
    """A mount point of fstab where nothing is mounted."""

    is_there: bool
    is_wanted: bool
    """True when a boot would mount it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What else than a mount must stay where it is on a node, as far as it can be seen."""

    waiting: Mapping[str, Waiting]
    """By path."""
    osds: Mapping[str, OsdDirectory | None]
    """Directories of OSDs by path; None for an empty one."""
    files: Mapping[str, str]
    """Files in use as a device, and as what."""


NOTHING_STANDING: Final = Standing({}, {}, {})
_NO_DATA: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a plan works, and what it goes around."""

    volumes: tuple[str, ...]
    """Mount points of the filesystems that the release manages."""
    fences: Mapping[str, Fence]
    """By path."""

    @property
    def notes(self) -> tuple[Fence, ...]:
        """The fences of which an operator should know, in path order."""
        return tuple(fence for _, fence in sorted(self.fences.items()) if fence.note)

    def fence_of(self, path: str) -> Fence | None:
        """The fence that a path lies at or below."""
        return next((self.fences[above] for above in (*ancestors_of(path), path) if above in self.fences), None)


def find_ground(
    mounts: Iterable[Mount],
    filesystems: Collection[str],
    target: Mapping[str, Entry],
    standing: Standing = NOTHING_STANDING,
    data: Mapping[str, str] = _NO_DATA,
) -> Ground:
    """Sort what is mounted, and what stands in the way.

    `filesystems` are the mount points that the release manages where it has content there; `data` says of mount points whose device
    is data why it is.
    """
    volumes: list[str] = []
    fences: dict[str, Fence] = {}
    for mount in mounts:
        if not mount.path:
            continue
        if mount.path not in filesystems or not covers(target, mount.path):
            fences[mount.path] = Fence.mount(mount.path)
        elif why := data.get(mount.path) or why_not_ours(mount.filesystem):
            fences[mount.path] = Fence.foreign_mount(mount.path, why)
        else:
            volumes.append(mount.path)
    for path, point in standing.waiting.items():
        if point.is_there or covers(target, path):  # an empty directory is made as before, for the mount to come
            fences.setdefault(path, Fence.not_mounted(path, is_wanted=point.is_wanted))
    for path, directory in standing.osds.items():
        fences.setdefault(path, Fence.osd(path, directory))
    for path, use in standing.files.items():
        fences.setdefault(path, Fence.file_in_use(path, use))
    return Ground(tuple(path for path in volumes if path not in fences), fences)
