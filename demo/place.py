"""The directory that the demo works in: enough room, and afterwards no mount, no loop device and no file of it."""

import fcntl
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo.session import Failed, show
from reprov.adapters.mounts import filesystem_of
from reprov.cli.tables import human_size

DISK = Path("disk.img")
NODE = Path("node")
STORE = Path("store")

_PREFIX = "reprov-demo."
_NEEDED_BYTES = 3_000_000_000
_NEEDED_INODES = 120_000
_LOG_LINES = 8


@contextmanager
def workplace() -> Iterator[Path]:
    """Make the directory and work in it; whatever happens in the block, nothing is left of it.

    It is in $TMPDIR or /var/tmp. What a killed demo left there is removed first. Raises `Failed` when there is no room.
    """
    above = Path(os.environ.get("TMPDIR") or "/var/tmp").resolve()
    _remove_leftovers(above)
    _require_room(above)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=above))
    lock_fd = _lock(folder)
    try:
        os.chdir(folder)
        yield folder
    except Failed:
        _show_logs()
        raise
    finally:
        os.chdir(above)
        _remove(folder)
        if lock_fd is not None:
            os.close(lock_fd)


def _require_room(above: Path) -> None:
    if filesystem_of(above).filesystem == "overlay":
        raise Failed(f"{above} is on an overlay, and builds need one on top of it; TMPDIR=DIR names another directory")
    status = os.statvfs(above)
    free_bytes = status.f_bavail * status.f_frsize
    if free_bytes < _NEEDED_BYTES:
        needed, free = human_size(_NEEDED_BYTES), human_size(free_bytes)
        raise Failed(f"{above} has {free} free, and two trees with a disk need {needed}; TMPDIR=DIR names another directory")
    if status.f_files and status.f_favail < _NEEDED_INODES:
        raise Failed(f"{above} has {status.f_favail} inodes free, and two trees need {_NEEDED_INODES}; TMPDIR=DIR names another directory")


def _show_logs() -> None:
    """Say what went on behind the scenes, before the files are gone."""
    for log in (Path("serve.log"), *sorted((STORE / "build").glob(".log-*"))):
        if log.is_file():
            lines = log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
            print(f"\nthe last lines of {log}:", *lines, sep="\n  ", file=sys.stderr, flush=True)


def _remove_leftovers(above: Path) -> None:
    for folder in sorted(above.glob(f"{_PREFIX}*")):
        status = folder.lstat()
        # In a directory where everybody can write, the name alone proves nothing.
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or status.st_mode & 0o077:
            continue
        lock_fd = _lock(folder)
        if lock_fd is not None:
            show(f"removing {folder}, which a demo that was killed left behind")
            _remove(folder)
            os.close(lock_fd)


def _lock(folder: Path) -> int | None:
    """A descriptor that holds the directory; None when a running demo does."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def _remove(folder: Path) -> None:
    if os.path.ismount(folder / NODE):
        _run("umount", folder / NODE)
    disk = folder / DISK
    if disk.exists():
        for device in _run("losetup", "--noheadings", "--output", "NAME", "--associated", disk).split():
            _run("losetup", "--detach", device)
    shutil.rmtree(folder)


def _run(*argv: str | Path) -> str:
    # A session of its own: a second Ctrl-C is for the demo, not for what cleans up.
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True, check=False)
    if done.returncode:
        raise Failed(f"cleaning up: {' '.join(map(str, argv))} failed; the next demo tries again")
    return done.stdout
