"""The SELinux side of a root: whether it has labels, the rules of its policy, and the rule that keeps a relabelling out of /.reprov."""

import errno
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from reprov.adapters import kernel
from reprov.adapters.discard import discard
from reprov.adapters.files import apply_metadata, kind_of, opened_directory, read_at, read_entry, read_label, walk
from reprov.adapters.root_view import RootView
from reprov.adapters.survey import OWN_DIRECTORY
from reprov.domain.entry import Kind, parent_of, show
from reprov.domain.file_contexts import NONE, FileContexts, joined
from reprov.domain.labels import LABEL, LabelChange, Labelling, value_of
from reprov.domain.scan import CLOCK_TICK_NS
from reprov.errors import Refused, ReprovError

OWN_RULE: Final = rf"/\.reprov(/.*)? {NONE}"
"""What is in there are names of live files: whatever relabels it, relabels those (reference: transaction-hazards, row 4)."""

_CONFIG = "etc/selinux/config"
_POLICIES = "etc/selinux"
_STORES = "var/lib/selinux"
_CONTEXTS = "contexts/files"
_NAME = "file_contexts"
_PARTS = ("", ".homedirs", ".local", ".subs", ".subs_dist")
_LABELLED = ("usr", "etc")
_KERNEL = Path("/sys/fs/selinux")
_OS_RELEASE = ("etc/os-release", "usr/lib/os-release")


def has_selinux() -> bool:
    """True when the running kernel enforces or records SELinux labels."""
    return (_KERNEL / "enforce").exists()


def policy_of(view: RootView) -> str | None:
    """The directory of the policy that a tree is configured for, as "etc/selinux/targeted"; None for a tree without one."""
    for line in (view.text(_CONFIG) or "").splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "SELINUXTYPE":
            policy = f"{_POLICIES}/{value.strip()}"
            return policy if value.strip() and view.read(f"{policy}/{_CONTEXTS}/{_NAME}") is not None else None
    return None


def read_contexts(root_fd: int) -> FileContexts | None:
    """Everything that the policy of a tree says of paths; None for a tree without a policy.

    Raises `InvalidInput` for a line that is none; expressions are read when a lookup needs them (`FileContexts.check`).
    """
    view = RootView(root_fd)
    policy = policy_of(view)
    if policy is None:
        return None
    names = {f"{policy}/{_CONTEXTS}/{_NAME}{part}" for part in _PARTS}
    files = {name: text for name in names if (text := view.text(name)) is not None}
    return joined(files, f"{policy}/{_CONTEXTS}/{_NAME}")


def local_contexts(root_fd: int, labelling: Labelling, *, is_live: bool) -> FileContexts | None:
    """The rules that the operator of a node has added to its policy; None for a node that gets no labels.

    By itself a node gets them whose kernel has SELinux; with another root, one with a policy and labels, and an empty one.
    """
    view = RootView(root_fd)
    if labelling is Labelling.DISABLED or (labelling is Labelling.AUTO and not _has_labels(root_fd, view, is_live=is_live)):
        return None
    policy = policy_of(view)
    name = f"{policy}/{_CONTEXTS}/{_NAME}.local"
    text = view.text(name) if policy else None
    own = OWN_RULE.split()[0]
    lines = ["" if line.split()[:1] == [own] else line for line in (text or "").split("\n")]
    return FileContexts.parse("\n".join(lines), name)


def _has_labels(root_fd: int, view: RootView, *, is_live: bool) -> bool:
    if is_live:
        return has_selinux()
    if not any(view.status(name) for name in _OS_RELEASE):
        return True
    return policy_of(view) is not None and all(read_label(f"/proc/self/fd/{root_fd}/{path}") for path in _LABELLED)


def keep_relabelling_out(root_fd: int) -> None:
    """Put the rule for /.reprov among the local ones of every policy of the root and of its store, from which they are made anew.

    Lines that are there stay. Raises `Refused` where that cannot be done: then nothing may be linked.
    """
    view = RootView(root_fd)
    policies = [f"{_POLICIES}/{name}/{_CONTEXTS}" for name in view.names(_POLICIES)]
    stores = [f"{_STORES}/{name}/active" for name in view.names(_STORES)]
    for directory in (*policies, *stores):
        if view.read(f"{directory}/{_NAME}") is not None:
            try:
                _add_rule(root_fd, directory)
            except (OSError, ReprovError) as error:
                said = error.strerror if isinstance(error, OSError) else error.message
                raise Refused(
                    f"{show(directory)}/{_NAME}.local cannot be written: {said}",
                    hint="without its rule for /.reprov, a relabelling would give files that are in use the labels of copies",
                ) from None


def _add_rule(root_fd: int, directory: str) -> None:
    fd = kernel.open_beneath(directory, os.O_RDONLY | os.O_DIRECTORY, dir_fd=root_fd)
    try:
        name, beside = f"{_NAME}.local", f"{_NAME}.reprov-tmp"
        before = os.fstat(fd)
        text = b""
        like = _NAME
        with suppress(FileNotFoundError):
            if not stat.S_ISREG(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
                raise ReprovError("it is no regular file")
            text, like = read_at(name, dir_fd=fd), name
        if any(line.split() == OWN_RULE.encode().split() for line in text.splitlines()):
            return
        separator = b"" if not text or text.endswith(b"\n") else b"\n"
        entry = read_entry(name, os.stat(like, dir_fd=fd, follow_symlinks=False), like, dir_fd=fd, labels=True)
        discard(beside, dir_fd=fd)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=fd), "wb") as file:
            file.write(text + separator + OWN_RULE.encode() + b"\n")
            file.flush()
            apply_metadata(entry, beside, dir_fd=fd)
            os.utime(file.fileno())  # libselinux takes the newer one of this and what was compiled of it
            os.fsync(file.fileno())
        os.rename(beside, name, src_dir_fd=fd, dst_dir_fd=fd)
        os.utime(fd, ns=(before.st_atime_ns, before.st_mtime_ns))
        os.fsync(fd)
    finally:
        os.close(fd)


def unknown_labels(labels: Iterable[bytes], check: Callable[[bytes], bool] | None = None) -> list[bytes]:
    """Which of these labels the policy of the running kernel does not know, so that it would not let anybody set them."""
    known = check or _is_known
    return sorted({label for label in labels if not known(label)})


def _is_known(label: bytes) -> bool:
    try:
        with (_KERNEL / "context").open("wb", buffering=0) as file:
            file.write(label)
    except OSError as error:
        if error.errno == errno.EINVAL:
            return False
        raise
    return True


def find_label_changes(
    root_fd: int, paths: Iterable[tuple[str, bool]], before: FileContexts | None, after: FileContexts
) -> tuple[LabelChange, ...]:
    """What of the node's own gets another label because the rule for it has changed; without `before`, what has none yet.

    `paths` are the node's, with whether to look below. What somebody has given a label of his own is left alone.
    """
    changed = after.changed_since(before) if before else after
    if changed.is_empty:
        return ()
    found: list[LabelChange] = []
    for path, is_deep in paths:
        for inner, kind, place in _at_and_below(root_fd, path, changed, is_deep=is_deep):
            if not changed.matches(inner, kind):
                continue
            label, new = read_label(place), after.find(inner, kind)
            old = before.find(inner, kind) if before else None
            if new and label != (wanted := value_of(new)) and label in (None, value_of(old) if old else None):
                found.append(LabelChange(inner, label, wanted))
    return tuple(sorted(found))


def _at_and_below(root_fd: int, path: str, changed: FileContexts, *, is_deep: bool) -> Iterator[tuple[str, Kind, str]]:
    """The path and, where a changed rule could match there, what is in it on the same filesystem."""
    try:
        holder_fd = kernel.open_beneath(parent_of(path), os.O_RDONLY | os.O_DIRECTORY, dir_fd=root_fd)
    except OSError:
        return  # gone since the scan
    try:
        name = path.rpartition("/")[2]
        with suppress(FileNotFoundError):
            status = os.stat(name, dir_fd=holder_fd, follow_symlinks=False)
            yield path, kind_of(status), f"/proc/self/fd/{holder_fd}/{name}"
            if is_deep and stat.S_ISDIR(status.st_mode) and changed.may_match_below(path):
                with opened_directory(name, dir_fd=holder_fd) as fd:
                    for inner, found, last, dir_fd in walk(fd, path + "/"):
                        if found.st_dev == status.st_dev:
                            yield inner, kind_of(found), f"/proc/self/fd/{dir_fd}/{last}"
    finally:
        os.close(holder_fd)


def label_unlabelled(root_fd: int, since_ns: int) -> int:
    """Give what was made in a tree since then, and has no label, its own, as where the kernel has no SELinux; returns how many.

    Not in reprov's own directories, nor on other filesystems. Nothing for a tree without a policy.
    """
    if policy_of(RootView(root_fd)) is None:
        return 0
    since_ns = since_ns - CLOCK_TICK_NS if since_ns < time.time_ns() else 0  # a clock that was set back tells nothing
    contexts: FileContexts | None = None
    count = 0
    for path, kind, place in _unlabelled_in(root_fd, "", os.fstat(root_fd).st_dev, since_ns):
        contexts = contexts or read_contexts(root_fd)
        if contexts and (context := contexts.find(path, kind)):
            os.setxattr(place, LABEL, value_of(context), follow_symlinks=False)
            count += 1
    return count


def _unlabelled_in(dir_fd: int, prefix: str, device: int, since_ns: int) -> Iterator[tuple[str, Kind, str]]:
    """New paths without a label, from those directories that have been changed since: a name cannot be made in another one."""
    directory = os.fstat(dir_fd)
    if directory.st_dev != device:
        return
    is_changed = directory.st_ctime_ns >= since_ns
    with os.scandir(dir_fd) as found:
        items = list(found)
    for item in items:
        name, is_dir = item.name, item.is_dir(follow_symlinks=False)
        if name == OWN_DIRECTORY or not (is_changed or is_dir):
            continue
        if is_changed:
            status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
            place = f"/proc/self/fd/{dir_fd}/{name}"
            if status.st_dev == device and status.st_ctime_ns >= since_ns and read_label(place) is None:
                yield prefix + name, kind_of(status), place
        if is_dir:
            with opened_directory(name, dir_fd=dir_fd) as fd:
                yield from _unlabelled_in(fd, f"{prefix}{name}/", device, since_ns)


def change_labels(root_fd: int, changes: Iterable[LabelChange], *, forward: bool) -> None:
    """Make the changes, or with `forward=False` take them back. Safe to repeat; what has another label by now, or is gone, is left alone.

    Raises `ReprovError` for the first path that cannot be labelled.
    """
    for change in changes:
        old, new = (change.before, change.after) if forward else (change.after, change.before)
        try:
            holder_fd = kernel.open_beneath(parent_of(change.path), os.O_RDONLY | os.O_DIRECTORY, dir_fd=root_fd)
        except OSError:
            continue
        try:
            place = f"/proc/self/fd/{holder_fd}/{change.path.rpartition('/')[2]}"
            if read_label(place) != old:
                continue
            if new is None:
                os.removexattr(place, LABEL, follow_symlinks=False)
            else:
                os.setxattr(place, LABEL, new, follow_symlinks=False)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ReprovError(
                f"{show(change.path)} cannot be labelled: {error.strerror}", hint="see how its filesystem is mounted"
            ) from None
        finally:
            os.close(holder_fd)
