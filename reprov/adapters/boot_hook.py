"""The hook and the units of a root, and the offline update that takes their place where the initramfs has no hook."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from reprov.adapters.boot_files import opened_folder, viewed
from reprov.adapters.files import opened_directory
from reprov.domain.boot_hook import (
    BOOTED_HOOK,
    HOOKS,
    OWN_UNITS,
    SHIPPED_UNITS,
    SYSTEM_UPDATE,
    SYSTEM_UPDATE_TARGET,
    UPDATE_UNIT,
    UPDATE_WANTS,
    digest_of,
)
from reprov.domain.kernels import Initramfs
from reprov.errors import Refused

_FOLDER: Final = "boot"
_SYSTEMD: Final = ("usr/lib/systemd", "lib/systemd")
_GENERATOR: Final = "system-generators/systemd-system-update-generator"


def packaged_files() -> dict[str, bytes]:
    """What every tree gets that boots: by path in the tree. Read from the package, be that a folder or an archive."""
    return dict(_files_below(resources.files("reprov") / _FOLDER, ""))


def hook_digest(root: Path, tool: Initramfs) -> str:
    """The digest of what an initramfs made by a root's tool would carry; "" for a root whose tool has no hook."""
    hook = HOOKS[tool]
    with viewed(root) as view:
        parts = [view.read(path) for path in hook.parts]
        found = [part for part in parts if part is not None]
        return digest_of(found) if len(found) == len(parts) and view.is_program(hook.maker) else ""


def booted_hook(root: Path) -> str:
    """The digest of the hook by which a running system has come up; "" for none."""
    with viewed(root) as view:
        return (view.text(BOOTED_HOOK) or "").strip()


def offer_offline_update(root: Path) -> None:
    """Make the next boot an offline update. Raises `Refused`, with nothing written, where systemd cannot do that, or does another one."""
    with viewed(root) as view:
        if not any(view.is_program(f"{place}/{_GENERATOR}") for place in _SYSTEMD):
            raise Refused(
                "nothing can exchange trees at boot here: the initramfs has no hook of reprov's, and there is no systemd that could",
                hint="let the change be made live, or give the node a tree with initramfs-tools or dracut first",
            )
        is_shipped = view.status(f"{SHIPPED_UNITS}/{UPDATE_WANTS}/{UPDATE_UNIT}") is not None
    with opened_directory(root) as root_fd:
        waiting = _link_at(SYSTEM_UPDATE, root_fd)
        if waiting not in (None, SYSTEM_UPDATE_TARGET):
            raise Refused(
                f"another offline update is waiting for the next boot: /{SYSTEM_UPDATE} leads to {waiting or 'no link'}",
                hint=f"reboot, so that it is done, or remove /{SYSTEM_UPDATE}",
            )
    if not is_shipped:
        _write_units(root)
    with opened_directory(root) as root_fd, _times_kept(root_fd):
        _link(SYSTEM_UPDATE_TARGET, SYSTEM_UPDATE, root_fd)


def withdraw_offline_update(root: Path) -> None:
    """Remove all of it, the link that starts it first; whatever is not reprov's stays."""
    with opened_directory(root) as root_fd, _times_kept(root_fd):
        if _link_at(SYSTEM_UPDATE, root_fd) == SYSTEM_UPDATE_TARGET:
            _remove(SYSTEM_UPDATE, root_fd)
    with suppress(FileNotFoundError), opened_folder(root, OWN_UNITS) as units, _times_kept(units.fd):
        with suppress(FileNotFoundError), opened_folder(root, f"{OWN_UNITS}/{UPDATE_WANTS}") as wants:
            _remove(UPDATE_UNIT, wants.fd)
        with suppress(OSError):  # somebody else's units are there, too
            os.rmdir(UPDATE_WANTS, dir_fd=units.fd)
        _remove(UPDATE_UNIT, units.fd)


def _write_units(root: Path) -> None:
    content = packaged_files()[f"{SHIPPED_UNITS}/{UPDATE_UNIT}"]
    with opened_folder(root, OWN_UNITS) as units, _times_kept(units.fd):
        units.write(UPDATE_UNIT, content)
        with opened_folder(root, f"{OWN_UNITS}/{UPDATE_WANTS}", make=True) as wants:
            _link(f"../{UPDATE_UNIT}", UPDATE_UNIT, wants.fd)


def _link(target: str, name: str, dir_fd: int) -> None:
    with suppress(FileExistsError):
        os.symlink(target, name, dir_fd=dir_fd)
    os.fsync(dir_fd)


def _remove(name: str, dir_fd: int) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=dir_fd)
        os.fsync(dir_fd)


def _link_at(name: str, dir_fd: int) -> str | None:
    """Where a link leads; "" for what is no link, None for nothing."""
    try:
        is_link = stat.S_ISLNK(os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mode)
        return os.readlink(name, dir_fd=dir_fd) if is_link else ""
    except FileNotFoundError:
        return None


@contextmanager
def _times_kept(dir_fd: int) -> Iterator[None]:
    """What comes and goes in a directory of the release must not make that look changed."""
    before = os.fstat(dir_fd)
    yield
    os.utime(dir_fd, ns=(before.st_atime_ns, before.st_mtime_ns))


def _files_below(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        inside = f"{path}/{item.name}" if path else item.name
        if item.is_dir():
            yield from _files_below(item, inside)
        else:
            yield inside, item.read_bytes()
