"""Opening a node: is it a root at all, may we change it, and is anything left of an earlier run."""

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters.files import opened_directory
from reprov.adapters.labels import local_contexts
from reprov.adapters.mounts import filesystem_of, read_mounts, require_namespace_of_init
from reprov.adapters.node_state import NodeState
from reprov.adapters.release_reader import ReleaseFiles
from reprov.domain.deployment import Deployment, State
from reprov.domain.entry import show
from reprov.domain.file_contexts import FileContexts
from reprov.domain.kernels import FALLBACK
from reprov.domain.labels import Labelling
from reprov.domain.ownership import Ownership, Promises
from reprov.errors import InvalidInput, NeedsAttention, Refused, ReprovError
from reprov.events import Monitor

_OS_RELEASE = ("etc/os-release", "usr/lib/os-release")
_NO_CONTENT = ("lost+found", ".reprov")
_DISK_ERRORS = {
    errno.ENOSPC: "no space left",
    errno.EDQUOT: "the quota is used up",
    errno.EIO: "the disk failed",
    errno.EROFS: "it became read-only",
}


@dataclass(frozen=True, slots=True)
class Node:
    """A root that reprov looks at or changes."""

    root: Path
    state: NodeState
    local: FileContexts | None = None
    """The SELinux rules that its operator has added to the policy; None for a node that gets no labels."""
    is_at_boot: bool = False
    """Nothing of the root runs yet, or nothing that outlives this."""

    @property
    def is_live(self) -> bool:
        """True for the running system itself."""
        return self.root == Path("/") and not self.is_at_boot

    @property
    def may_write(self) -> bool:
        """True when reprov's directory is there and ours to write caches into."""
        return self.state.exists and os.access(self.state.directory, os.W_OK)

    def installed(self) -> ReleaseFiles | None:
        """The release that the live tree is; None for a node that was not made by reprov."""
        deployment = self.state.deployment()
        return self.files_of(deployment) if deployment.installed else None

    def promises(self, *others: ReleaseFiles | None, kernels: str | None = None) -> Promises:
        """What the node was promised to keep: by these releases, and by the lists of every role that it has left.

        `kernels` is the list of those that it may fall back to (`domain.kernels.keep_list`), in place of the one that it remembers.
        """
        everything = [("no add-only list", b"- *\n")]
        remembered = self.state.promises()
        if kernels is not None:
            remembered.pop(FALLBACK, None)
        if kernels:
            remembered[FALLBACK] = [(f"promises/{FALLBACK}", kernels.encode())]
        left = [Ownership.parse(lists, everything) for lists in remembered.values()]
        return Promises([*(release.ownership for release in others if release), *left])

    def files_of(self, deployment: Deployment) -> ReleaseFiles:
        """The files of the installed release. Raises `Refused` when they were damaged."""
        assert deployment.installed is not None
        return ReleaseFiles.load(self.state.release_directory(deployment.installed), may_cache=self.may_write, local=self.local)


def inspect_node(root: Path, labelling: Labelling = Labelling.AUTO) -> Node:
    """The node at a root, for looking only. Raises `Refused` for a directory that is not a root."""
    return _inspect(root, labelling, is_at_boot=False)


def inspect_at_boot(root: Path, labelling: Labelling = Labelling.AUTO) -> Node:
    """The same of a node that boots, for whoever holds it from the beginning of the boot."""
    return _inspect(root, labelling, is_at_boot=True)


def _inspect(root: Path, labelling: Labelling, *, is_at_boot: bool) -> Node:
    _require_root(root)
    is_live = root == Path("/") and not is_at_boot
    with opened_directory(root) as root_fd:
        return Node(root, NodeState(root), local_contexts(root_fd, labelling, is_live=is_live), is_at_boot)


def require_root(purpose: str) -> None:
    """Raise `Refused` for anybody else, to whom devices that are data would look like none; `purpose` continues "only root can"."""
    if os.geteuid() != 0:
        raise Refused(f"only root can {purpose}", hint="run it as root")


@contextmanager
def changing_node(
    root: Path, what: str, monitor: Monitor, labelling: Labelling = Labelling.AUTO, *, goes_on: bool = True, may_be_armed: bool = False
) -> Iterator[Node]:
    """The node at a root, locked for one change, with whatever an earlier run left finished or undone first.

    A phase after a commit that was interrupted is gone on with, unless the change takes that commit back (`goes_on`).
    Raises `Refused` when it is no root, not ours to change (not root, another mount namespace, read-only, overlay), when
    another change is under way, or when one waits for the next boot and this change does not know what to do about it (`may_be_armed`).
    """
    from reprov.workflows.recover import settle
    from reprov.workflows.trial import refuse_waiting

    node = inspect_node(root, labelling)
    require_root("change a node")
    if node.is_live:
        require_namespace_of_init()
    filesystem = filesystem_of(root)
    if filesystem.filesystem == "overlay":
        raise Refused(f"{root} is an overlay: what is exchanged there would be lost", hint="re-image the filesystem below it")
    if filesystem.read_only or os.statvfs(root).f_flag & os.ST_RDONLY:
        raise Refused(f"{root} is mounted read-only", hint=f"mount -o remount,rw {root}")
    _refuse_mounts_of_others(root)
    node.state.create()
    with node.state.locked(what):
        if not may_be_armed and node.state.deployment().state is State.ARMED:
            raise Refused(
                "this node changes at its next boot, by what was decided for it as it is now",
                hint="reboot it; or forget that: `reprov disarm`",
            )
        settle(node, monitor, goes_on=goes_on)
        if goes_on and not may_be_armed:
            refuse_waiting(node)
        yield node


@contextmanager
def disk_errors_in_words(what: str) -> Iterator[None]:
    """Turn what a full or failing disk says in numbers into a `ReprovError`; for steps that have undone themselves by then."""
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise
        raise ReprovError(f"{what}: {_DISK_ERRORS[error.errno]}", hint="the node is as it was; make room and run it again") from None


@contextmanager
def finishing(what: str) -> Iterator[None]:
    """Around what follows a commit: an error there undoes nothing. Raises `NeedsAttention` for one of the disk."""
    try:
        yield
    except OSError as error:
        raise NeedsAttention(
            f"{what}, but it could not be tidied up: {error.strerror}", hint="make room; `reprov recover` finishes it"
        ) from None


def now() -> str:
    """The time as the state files tell it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _require_root(root: Path) -> None:
    if not root.is_dir():
        raise InvalidInput(f"{root} is not a directory")
    if any((root / name).is_file() for name in _OS_RELEASE) or NodeState(root).exists:
        return
    content = [item.name for item in root.iterdir() if item.name not in _NO_CONTENT and not _is_empty_directory(item)]
    if content:
        raise Refused(
            f"{root} is not the root of a node: it holds {', '.join(sorted(content)[:3])} but no os-release",
            hint="an empty directory or filesystem is installed from scratch; anything else must be a Linux root",
        )


def _refuse_mounts_of_others(root: Path) -> None:
    """Refuse a node where something is mounted in reprov's own directory, of the root or of another filesystem."""
    points = {mount.path for mount in read_mounts(root)}
    for point in sorted(points):
        volume, own, _ = f"/{point}/".partition("/.reprov/")
        if own and volume.strip("/") in {"", *points}:
            raise Refused(
                f"{show(point)} is a mount in reprov's own directory, which is emptied as a whole",
                hint="unmount it, then run the command again",
            )


def _is_empty_directory(path: Path) -> bool:
    """True for a directory without content: a mount point that waits, or one where an empty filesystem is mounted."""
    return path.is_dir() and not path.is_symlink() and all(item.name in _NO_CONTENT for item in path.iterdir())
