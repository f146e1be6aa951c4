"""Bringing OSDs up with Ceph's own tools. reprov itself opens no device of an OSD but to read its label.

What is written: the directory of an OSD (a tmpfs where ceph-volume makes it), the owner of device nodes, and what the tools write.
"""

import os
import pwd
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from reprov.adapters import kernel
from reprov.adapters.activation_facts import find_descriptions
from reprov.adapters.files import opened_directory
from reprov.adapters.root_view import RootView
from reprov.adapters.run import run
from reprov.domain.activation import Decision, Means, Method
from reprov.domain.activation_commands import Argv, looking, mounting, preparing, starting
from reprov.domain.activation_planner import MOUNTABLE
from reprov.domain.inventory import OsdKind
from reprov.domain.osd_directory import ROLE_LINKS, OsdDirectory, parse_simple
from reprov.errors import ReprovError

_TIMEOUT_S: Final = 300
"""Opening an encrypted OSD asks the monitors for its key."""
_ENVIRONMENT: Final = {"CEPH_VOLUME_ALLOW_LOOP_DEVICES": "1"}
"""ceph-volume fails on a machine whose first block device it leaves out (UnboundLocalError: device_slaves), and loop devices it does."""
_OSD_HOMES: Final = "var/lib/ceph/osd"


@dataclass(frozen=True, slots=True)
class Activator:
    """Carries decisions out, one OSD at a time."""

    root: Path
    means: Means
    taken: Mapping[int, str]
    """The fsid by id of every OSD of the node that has both."""

    def activate(self, decision: Decision) -> None:
        """Bring one OSD up. Raises `ReprovError`, with what the tool said; then nothing of it was started by reprov."""
        osd_id = self._prepare(decision)
        if osd_id is None:
            self.activate(replace(decision, method=Method.MOUNT))
        elif start := starting(decision, osd_id, self.means):
            _run(start)

    def _prepare(self, decision: Decision) -> int | None:
        """Make the directory, if there is none; returns the id, which only the data partition of an OSD of ceph-disk may tell.

        None: nothing was made, and the data partition has to be mounted instead.
        """
        match decision.method:
            case Method.MOUNT:
                return self._mount(decision)
            case Method.SIMPLE:
                return self._simple(decision)
            case Method.PRIME:
                self._prime(decision)
            case Method.START if decision.osd.kind is not OsdKind.CEPHADM:  # whose containers see to that themselves
                self._own_devices(decision)
            case Method.LVM | Method.RAW:
                with self._home(_OSD_HOMES):  # ceph-volume makes the last directory alone
                    _run(preparing(decision, self.means)[0])
            case _:
                for argv in preparing(decision, self.means):
                    _run(argv)
        return _known(decision.osd.id)

    def _simple(self, decision: Decision) -> int | None:
        """The id; None when ceph-volume ignores the partition, which it does where no udev has told lsblk its type.

        Without the mount point, which ceph-volume makes for filestore alone, it could not mount.
        """
        if not decision.description:
            _run(preparing(decision, self.means)[0])
        with opened_directory(self.root) as root_fd:
            view = RootView(root_fd)
            description = find_descriptions(view, (decision.osd,)).get(decision.osd.fsid, "")
            text = view.text(description.lstrip("/")) if description else None
        if text is None and decision.filesystem in MOUNTABLE and not decision.osd.is_encrypted:
            return None
        if text is None:
            raise ReprovError(f"ceph-volume simple scan did not find {decision.name} on {decision.device}")
        osd_id = self._require_same(decision, parse_simple(text, description))
        with self._home(f"{_OSD_HOMES}/ceph-{osd_id}"):
            _run(preparing(replace(decision, description=description), self.means)[-1])
        return osd_id

    def _mount(self, decision: Decision) -> int:
        osd_id = self._require_same(decision, self._look(decision))
        with self._home(f"{_OSD_HOMES}/ceph-{osd_id}") as home_fd:
            if os.listdir(home_fd):
                raise ReprovError(f"/{_OSD_HOMES}/ceph-{osd_id} is in the way: it is not empty", hint="see what is in it, and move it away")
            place = os.fspath(self.root / _OSD_HOMES / f"ceph-{osd_id}")
        _run(mounting(decision, place))
        try:
            for link in (Path(place, name) for name in ROLE_LINKS):
                if link.is_symlink():
                    if not link.exists():
                        raise ReprovError(f"its {link.name} is missing: {link.readlink()}")
                    _own_device(os.fspath(link), _ceph_ids())
        except BaseException:
            _run(("umount", place))
            raise
        return osd_id

    def _look(self, decision: Decision) -> OsdDirectory:
        """Whose the data partition is, from its own files."""
        place = self.root / "run/reprov/osd"
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        _run(looking(decision, os.fspath(place)))
        try:
            said = {name: _line(place / name) for name in ("whoami", "fsid", "ceph_fsid")}
        finally:
            _run(("umount", os.fspath(place)))
            place.rmdir()
        whoami = said["whoami"]
        return OsdDirectory("", int(whoami) if whoami.isascii() and whoami.isdecimal() else None, said["fsid"], said["ceph_fsid"])

    def _prime(self, decision: Decision) -> None:
        """What ceph-volume raw does, in a plain directory: there is nothing else that would make it again at the next boot."""
        osd_id, ids = _known(decision.osd.id), _ceph_ids()
        links = {"block": decision.device, "block.db": decision.db, "block.wal": decision.wal}
        with self._home(decision.directory) as home_fd:
            os.chown(home_fd, *ids)
            for name in links:  # the tool would read an old link, and write through it
                with suppress(FileNotFoundError):
                    if not stat.S_ISLNK(os.stat(name, dir_fd=home_fd, follow_symlinks=False).st_mode):
                        raise ReprovError(f"/{decision.directory}/{name} is no link: it may be data", hint="see what it is")
                    os.unlink(name, dir_fd=home_fd)
            for argv in preparing(decision, self.means):
                _run(argv)
            for name, device in links.items():
                if device:
                    os.symlink(device, name, dir_fd=home_fd)
                    _own_device(device, ids)
            for name in os.listdir(home_fd):
                os.chown(name, *ids, dir_fd=home_fd, follow_symlinks=False)
            os.fsync(home_fd)
        whoami, fsid = (_line(self.root / decision.directory / name) for name in ("whoami", "fsid"))
        if (whoami, fsid) != (str(osd_id), decision.osd.fsid):
            raise ReprovError(f"ceph-bluestore-tool made osd.{whoami} ({fsid}) of {decision.device}, which is {decision.name}")

    def _require_same(self, decision: Decision, found: OsdDirectory) -> int:
        """The id of what a data partition holds. Raises `ReprovError` when that is not the OSD, not of the cluster, or its id is taken."""
        ours = self.means.cluster_fsid
        if found.fsid != decision.osd.fsid or found.id is None:
            raise ReprovError(f"{decision.device} holds {_named(found)}, and not the OSD {decision.osd.fsid} that its PARTUUID names")
        if ours and found.cluster_fsid != ours:
            raise ReprovError(f"{decision.device} holds {_named(found)} of cluster {found.cluster_fsid}, and the node is of {ours}")
        if (other := self.taken.get(found.id, found.fsid)) != found.fsid:
            raise ReprovError(f"{decision.device} holds {_named(found)}, and there is another of this id: its fsid is {other}")
        return found.id

    def _own_devices(self, decision: Decision) -> None:
        """udev knows only the types of ceph-disk and the volumes of ceph-volume; after a boot the rest is root's."""
        journal = decision.osd.journal.path if decision.osd.journal else ""
        bluestore = (decision.device if decision.osd.block else "", decision.db, decision.wal)
        for device in (*bluestore, journal):
            if device:
                _own_device(device, _ceph_ids())

    @contextmanager
    def _home(self, directory: str) -> Iterator[int]:
        """A descriptor of an OSD's directory, which is made with all above it; never through a link."""
        with opened_directory(self.root) as root_fd:
            path = ""
            for name in directory.split("/"):
                parent_fd = kernel.open_beneath(path or ".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=root_fd)
                try:
                    with suppress(FileExistsError):
                        os.mkdir(name, 0o755, dir_fd=parent_fd)
                finally:
                    os.close(parent_fd)
                path = f"{path}/{name}".lstrip("/")
            home_fd = kernel.open_beneath(directory, os.O_RDONLY | os.O_DIRECTORY, dir_fd=root_fd)
            try:
                yield home_fd
            finally:
                os.close(home_fd)


def _run(argv: Argv) -> None:
    run(argv, extra_environment=_ENVIRONMENT, timeout_s=_TIMEOUT_S)


def _own_device(path: str, ids: tuple[int, int]) -> None:
    """Give a device node to the account of the OSDs, without opening the device."""
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISBLK(os.fstat(fd).st_mode):
            raise ReprovError(f"{path} is no block device")
        os.chown(f"/proc/self/fd/{fd}", *ids)
    finally:
        os.close(fd)


def _ceph_ids() -> tuple[int, int]:
    try:
        account = pwd.getpwnam("ceph")
    except KeyError:
        raise ReprovError("there is no account `ceph`, as which OSDs run", hint="install Ceph's packages first") from None
    return account.pw_uid, account.pw_gid


def _known(osd_id: int | None) -> int:
    if osd_id is None:
        raise ReprovError("nothing tells the id of the OSD")
    return osd_id


def _line(file: Path) -> str:
    with suppress(OSError):
        return file.read_text(errors="replace").strip().lower()
    return ""


def _named(found: OsdDirectory) -> str:
    return f"{'no OSD' if found.id is None else f'osd.{found.id}'} ({found.fsid or 'no fsid'})"
