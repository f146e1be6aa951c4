"""What a plan goes around by construction, whatever the lists say: mounts, data, and what the kernel or an OSD has in use.

A fence is never entered, never moved and never removed, and no directory that holds one is exchanged as a whole. Where the release
has content at or below a fence, the plan is refused: it would land under a mount, or among data.
"""

from dataclasses import dataclass
from typing import Self

from reprov.domain.entry import show
from reprov.domain.osd_directory import OsdDirectory


@dataclass(frozen=True, slots=True)
class Fence:
    """A path that stays as it is, with everything below it."""

    path: str
    problem: str
    """What it is, as a clause about the path: `is the directory of an OSD`."""
    hint: str
    """What to do when the release has content there."""
    kept: str = "another filesystem, not the release's"
    """Why it stays, for the list of what is kept."""
    note: str = ""
    """What an operator should know of it in any case."""
    is_mount: bool = False

    @classmethod
    def mount(cls, path: str) -> Self:
        """Something mounted that the release does not manage."""
        hint = f"unmount it, keep {show(path)} by a *.exclude list, or name it under `filesystems` of the role"
        return cls(path, "is a mount that the release does not manage", hint, is_mount=True)

    @classmethod
    def foreign_mount(cls, path: str, why: str) -> Self:
        """A mount where the release would manage one, but that is not the operating system's; `why` says so."""
        hint = f"keep {show(path)} by a *.exclude list, or unmount it"
        return cls(path, f"is a mount that no release manages ({why})", hint, note=f"stays as it is ({why})", is_mount=True)

    @classmethod
    def not_mounted(cls, path: str, *, is_wanted: bool) -> Self:
        """A mount point of fstab where nothing is mounted; `is_wanted` when a boot would mount it."""
        problem = "is a mount point of /etc/fstab where nothing is mounted"
        hint = f"mount it first, or take it out of /etc/fstab: what is written there now would be hidden by the mount ({show(path)})"
        note = "is in /etc/fstab, but not mounted: nothing is written there" if is_wanted else ""
        return cls(path, problem, hint, "a mount point where nothing is mounted", note)

    @classmethod
    def osd(cls, path: str, directory: OsdDirectory | None) -> Self:
        """An OSD's directory that is not a mount; None when there is nothing of an OSD in it."""
        note = ""
        if directory is not None:
            who = f"osd.{'?' if directory.id is None else directory.id}"
            what = "with its data" if directory.has_data else "with its identity"
            note = f"{who} is a plain directory on the system's own filesystem, {what}: it stays as it is"
        hint = f"take it out of the role: a release has nothing to bring to an OSD, nor to {show(path)}"
        return cls(path, "is the directory of an OSD", hint, "the directory of an OSD", note)

    @classmethod
    def file_in_use(cls, path: str, use: str) -> Self:
        """A file that the kernel uses as a device; `use` is a noun: `swap`."""
        return cls(path, f"is a file in use as {use}", f"stop using it, or take {show(path)} out of the role", f"in use as {use}")
