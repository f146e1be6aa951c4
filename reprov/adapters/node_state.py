"""/.reprov on a node: its lock, state, journal, history, releases and caches. Root's own directory, never followed through a link.

/.reprov/                        0700 root
    lock                         held by the verb that changes the node; says which
    state.json                   domain.deployment
    journal                      the commit in flight; gone when it is finished
    armed                        domain.armed: what is to be done at the next boot
    armed.record                 what is staged for that, as the stat cache will know it
    client/                      reprov itself, for that boot and for recovery (adapters.boot_client)
    releases/<role>/<version>/   release.json and its files, of the installed and the previous release
    stat-cache                   the live tree as last read
    staged/  incoming/           the next tree; what is being fetched for it
    leftover/                    a staged tree that was given up: what was fetched for it may serve again
    candidate/                   the files of a release that is being planned
    settling/                    what `conflicts --take theirs` is about to put in its place
    previous/                    the tree before the last commit
    previous.journal             how it was replaced
    previous.record              its stat record
    returned/                    what a tree that is no release was when it came back
    promises/<role>/             the lists of roles that the node has left: what they kept stays kept
    promises/@kernels/           the list of the kernels that it can fall back to
    boot.json                    for which content of a kernel the node has made its initramfs
    boot-default.json            what loader.conf had systemd-boot boot before a trial
    probing                      where scratch files may lie if its writer was killed
    post/  post.old/             what follows the last commit, and the one before (adapters.post_state)
    quarantine                   releases that the node was rolled back from
    converge/  checks/           logs and results of the last convergence, and of the last checks
    plan.json  history.jsonl     the last plan that was carried out; one line per change of state
"""

import fcntl
import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from reprov.adapters import kernel
from reprov.adapters.discard import discard
from reprov.adapters.durable import NEW, sync_directory, write_durably
from reprov.adapters.files import opened_directory
from reprov.adapters.survey import OWN_DIRECTORY
from reprov.domain.deployment import AT_REST, IN_FLIGHT, Deployment
from reprov.domain.journal import Journal
from reprov.domain.release import ReleaseId
from reprov.errors import NeedsAttention, Refused

if TYPE_CHECKING:
    from reprov.domain.armed import Armed

STAGED = "staged"
INCOMING = "incoming"
PREVIOUS = "previous"
LEFTOVER = "leftover"
ARMED_RECORD = "armed.record"
"""What is staged for the next boot, as the stat cache will know it."""
CANDIDATE = "candidate"
"""The files of a release that may yet be refused, while an upgrade plans."""
_ARMED = "armed"


class NodeState:
    """The state directory of one root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.directory = root / OWN_DIRECTORY
        self.lock: IO[bytes] | None = None
        """What holds the node, while this process does: whoever is given it holds the node, too."""

    @property
    def exists(self) -> bool:
        """True when reprov has been here. Raises `Refused` when what is there cannot be ours."""
        try:
            status = self.directory.lstat()
        except FileNotFoundError:
            return False
        if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o077:
            raise Refused(
                f"{self.directory} is not a directory that only root can enter",
                hint="see what made it, and remove it if it is not reprov's",
            )
        return True

    def create(self) -> None:
        """Make the directory on the first change of a node."""
        if not self.exists:
            before = self.root.stat()
            self.directory.mkdir(mode=0o700)
            sync_directory(self.root)
            os.utime(self.root, ns=(before.st_atime_ns, before.st_mtime_ns))

    @contextmanager
    def locked(self, what: str, *, given_fd: int | None = None) -> Iterator[None]:
        """Hold the node for one change; `what` is told to whoever comes second.

        `given_fd` is the lock of whoever has started this process to go on with its change. Raises `Refused` when it is not, or when
        somebody else holds the node.
        """
        file = self.directory / "lock"
        if given_fd is not None and not os.path.samestat(os.fstat(given_fd), file.stat()):
            raise Refused(
                f"what was given as the lock of this node is not {file}", hint="`reprov recover` goes on with an interrupted change"
            )
        with file.open("ab+") if given_fd is None else os.fdopen(given_fd, "ab+", closefd=False) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise Refused(
                    f"another change of this node is under way: {lock.read().decode().strip() or 'unknown'}", hint="wait for it to end"
                ) from None
            lock.truncate(0)
            with suppress(OSError):  # who holds it is a courtesy: a full disk must not keep a node from its rollback
                os.write(lock.fileno(), f"{what} (process {os.getpid()})\n".encode())
            self.lock = lock
            try:
                yield
            finally:
                self.lock = None
                lock.truncate(0)

    def is_interrupted(self) -> bool:
        """True when a change is in flight, but no process holds the lock: whoever began it is gone."""
        if self.deployment().state not in (IN_FLIGHT - AT_REST) and self.journal() is None:
            return False
        return not self.is_held()

    def is_held(self) -> bool:
        """True while somebody changes the node."""
        with (self.directory / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def deployment(self) -> Deployment:
        """What the node knows of itself; a fresh value where reprov never was."""
        try:
            return Deployment.parse(_read_json(self.directory / "state.json"), str(self.directory / "state.json"))
        except FileNotFoundError:
            return Deployment()
        except PermissionError:
            raise Refused(f"only root can look into {self.directory}", hint="run it as root") from None

    def write_deployment(self, deployment: Deployment, **details: Any) -> None:
        """Change the state: one atomic write, and a line of history with the details where there is room for it."""
        write_durably(self.directory / "state.json", deployment.to_json().encode())
        line = {
            "at": deployment.changed_at,
            "state": deployment.state,
            "installed": str(deployment.installed) if deployment.installed else None,
            "target": str(deployment.target) if deployment.target else None,
            "transaction": deployment.transaction,
            **details,
        }
        # The state has changed by now: no error may say otherwise.
        with suppress(OSError), (self.directory / "history.jsonl").open("ab+") as history:
            if history.tell():
                history.seek(-1, os.SEEK_END)
            torn = history.read(1) not in (b"", b"\n")  # by a power cut: it must not take this line with it
            history.write(b"\n" * torn + json.dumps(line).encode() + b"\n")

    def history(self) -> list[dict[str, Any]]:
        """Every change of state, oldest first; a line that a power cut tore is left out."""
        try:
            lines = _read_json(self.directory / "history.jsonl").splitlines()
        except FileNotFoundError:
            return []
        found = []
        for line in lines:
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def journal(self) -> Journal | None:
        """The commit in flight; None when nothing is."""
        return _read_journal(self.directory / "journal")

    def armed(self) -> "Armed | None":
        """What is to be done at the next boot; None for nothing. Raises `NeedsAttention` for what cannot be read."""
        file = self.directory / _ARMED
        if not file.exists():
            return None
        # Imported here: almost always nothing is.
        from reprov.domain.armed import Armed

        return Armed.parse(_read_json(file), str(file))

    def write_armed(self, armed: "Armed") -> None:
        """Write down what is to be done, before the state says that anything is."""
        write_durably(self.directory / _ARMED, armed.to_json().encode())

    def forget_armed(self) -> None:
        """Nothing is to be done any more."""
        for name in (ARMED_RECORD, _ARMED):  # as long as it says so, somebody looks after both
            (self.directory / name).unlink(missing_ok=True)
        sync_directory(self.directory)

    def write_journal(self, journal: Journal) -> None:
        """Make the journal durable before the first exchange."""
        write_durably(self.directory / "journal", journal.to_json().encode())

    def previous_journal(self) -> Journal | None:
        """How the previous tree was replaced; None when there is none."""
        return _read_journal(self.directory / "previous.journal")

    def finish_journal(self) -> None:
        """The commit is complete: its journal becomes that of the previous tree."""
        (self.directory / "journal").replace(self.directory / "previous.journal")
        sync_directory(self.directory)

    def drop_journal(self) -> None:
        """The commit was undone."""
        (self.directory / "journal").unlink(missing_ok=True)
        sync_directory(self.directory)

    @contextmanager
    def probing(self, directories: Sequence[tuple[str, str]]) -> Iterator[None]:
        """Remember, while the block lasts, in which live directories (with their volumes) a scratch file may be found."""
        write_durably(self.directory / "probing", json.dumps(directories).encode())
        yield
        self.forget_probes()

    def probed(self) -> list[tuple[str, str]]:
        """Where a run that was killed may have left a scratch file: volume and directory."""
        try:
            return [(volume, directory) for volume, directory in json.loads((self.directory / "probing").read_text())]
        except FileNotFoundError:
            return []

    def clear_unwritten(self) -> None:
        """Remove what a run that was killed while it wrote something has left of it."""
        with opened_directory(self.directory) as fd:
            for name in [name for name in os.listdir(fd) if name.endswith(NEW)]:
                discard(name, dir_fd=fd)

    def forget_probes(self) -> None:
        """No scratch file is left."""
        (self.directory / "probing").unlink(missing_ok=True)

    def release_directory(self, release: ReleaseId) -> Path:
        """Where the files of a release lie on the node."""
        return self.directory / "releases" / release.path

    def keep_release(self, release: ReleaseId, candidate: Path) -> None:
        """Keep a release's own files, which lie in a folder of this directory: every later plan, verify and rollback needs them.

        They are on the disk before anything names them, and those of a release that is there already are never missing.
        """
        folder = self.release_directory(release)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with opened_directory(self.directory) as fd:
            kernel.syncfs(fd)
            if folder.exists():
                inside = folder.relative_to(self.directory), candidate.relative_to(self.directory)
                kernel.exchange(*map(os.fspath, inside), first_dir_fd=fd, second_dir_fd=fd)
            else:
                candidate.rename(folder)
        for directory in (folder.parent, folder.parent.parent):
            sync_directory(directory)

    def promise(self, role: str, keep_lists: Mapping[str, bytes]) -> None:
        """Remember what a role's lists keep, for the time after the node has left the role."""
        folder = self.directory / "promises" / role
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in keep_lists.items():
            write_durably(folder / Path(name).name, text)

    def forget_promise(self, role: str) -> None:
        """Remember no longer what was promised by that name."""
        folder = self.directory / "promises" / role
        if folder.is_dir():
            shutil.rmtree(folder)

    def promises(self) -> dict[str, list[tuple[str, bytes]]]:
        """The lists of every role that the node has left, by role: (source, text)."""
        folders = sorted((self.directory / "promises").glob("*"))
        return {
            folder.name: [(f"promises/{folder.name}/{file.name}", file.read_bytes()) for file in sorted(folder.glob("*.exclude"))]
            for folder in folders
        }

    def forget_releases(self, keep: set[ReleaseId]) -> None:
        """Remove the files of releases that are neither installed nor previous."""
        for folder in sorted((self.directory / "releases").glob("*/*")):
            if folder not in {self.release_directory(release) for release in keep}:
                shutil.rmtree(folder)


def _read_json(file: Path) -> str:
    """The text of a file that holds ASCII JSON; any other byte becomes what no JSON parser takes."""
    return file.read_text("ascii", "backslashreplace")


def _read_journal(file: Path) -> Journal | None:
    try:
        return Journal.parse(_read_json(file), str(file))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NeedsAttention(f"{file} cannot be read: {error.strerror}") from None
