"""/.reprov/post on a node: the post-script of the last commit, how far it got, its logs, and what it takes to go back from it.

/.reprov/post/
    script                       domain.post_script_text
    progress                     domain.post_progress: a line for each step that is done
    unfinished                   there while a boot has to look whether the phase is over (reprov-confirm.service)
    baseline  patience  confirm  how well the node was before, and who is to say that it is again (adapters.health_state)
    NNN-SCRIPT.log               what a step said
    client.log                   what the reprov of the new tree said, which has gone on after the commit
    changed                      the paths whose content the commit changed
    kept.json                    what of the node's no script may take away
    kept/                        small files that are who the node is, as they were before the first step
    ballast                      space for a rollback when a script fills the disk
/.reprov/post.old                the same of the hop before: logs of what went wrong are read later
/.reprov/quarantine              releases that this node was rolled back from
"""

import json
import os
import shutil
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from reprov.adapters.durable import sync_directory, write_durably
from reprov.domain.post_progress import Done, Progress, done_line, end_line
from reprov.domain.post_script import PostScript
from reprov.domain.quarantine import Quarantined
from reprov.domain.release import ReleaseId
from reprov.errors import NeedsAttention

_BALLAST_BYTES: Final = 32 << 20
_LEAST_BALLAST_BYTES: Final = 1 << 20


class PostState:
    """What a node knows of the phase after its last commit."""

    def __init__(self, directory: Path) -> None:
        """`directory` is reprov's own one of the node."""
        self._own = directory
        self.directory = directory / "post"

    def begin(self, script: PostScript, progress: Progress) -> None:
        """Write everything down before a commit; what there is of an earlier hop is kept once more."""
        from reprov.domain.post_script_text import to_text

        if self.directory.exists():
            old = self._own / "post.old"
            if old.exists():
                shutil.rmtree(old)
            self.directory.rename(old)
        self.directory.mkdir(mode=0o700)
        write_durably(self.directory / "script", to_text(script).encode("utf-8", "surrogateescape"))
        write_durably(self.directory / "progress", progress.to_text().encode())
        write_durably(self.directory / "unfinished", b"")
        sync_directory(self._own)

    def write_changed(self, paths: Collection[str]) -> None:
        """Write down the paths whose content the commit changes: services are settled by these."""
        text = "".join(f"{path}\0" for path in sorted(paths))
        write_durably(self.directory / "changed", text.encode("utf-8", "surrogateescape"))

    def changed(self) -> tuple[str, ...]:
        """What `write_changed` wrote; nothing where nobody did."""
        try:
            content = (self.directory / "changed").read_bytes()
        except OSError:
            return ()
        return tuple(content.decode("utf-8", "surrogateescape").split("\0")[:-1])

    def script(self) -> PostScript:
        """The post-script. Raises `NeedsAttention` when it cannot be read any more."""
        from reprov.domain.post_script_text import parse

        file = self.directory / "script"
        try:
            return parse(file.read_bytes().decode("utf-8", "surrogateescape"), str(file))
        except OSError as error:
            raise NeedsAttention(
                f"{file} cannot be read: {error.strerror}", hint="`reprov rollback` goes back to the tree before"
            ) from None

    def progress(self) -> Progress | None:
        """How far it got; None where there was no such phase."""
        try:
            return Progress.parse((self.directory / "progress").read_text("ascii", "backslashreplace"))
        except OSError:
            return None

    def write_progress(self, progress: Progress) -> None:
        """Write all of it anew, durably."""
        write_durably(self.directory / "progress", progress.to_text().encode())

    def add_done(self, item: Done) -> None:
        """A step is done. On the disk at once only when everything before it is."""
        fd = os.open(self.directory / "progress", os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.write(fd, done_line(item).encode())
            if item.is_synced:
                os.fsync(fd)
        finally:
            os.close(fd)

    def end(self, how: str) -> None:
        """The phase is over. A full disk cannot change that: the node's state, which says it too, counts."""
        with suppress(OSError), (self.directory / "progress").open("ab") as file:
            file.write(end_line(how).encode())
            file.flush()
            os.fsync(file.fileno())
        self.forget_unfinished()

    def forget_unfinished(self) -> None:
        """Nobody needs to look at the next boot whether the phase is over."""
        (self.directory / "unfinished").unlink(missing_ok=True)

    def hold_ballast(self) -> None:
        """Set space aside, as much as there is room for up to 32 MiB. Raises `OSError` when there is not even one."""
        size_bytes = _BALLAST_BYTES
        fd = os.open(self.directory / "ballast", os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            while True:
                try:
                    os.posix_fallocate(fd, 0, size_bytes)
                    return
                except OSError:
                    os.truncate(fd, 0)
                    size_bytes //= 2
                    if size_bytes < _LEAST_BALLAST_BYTES:
                        raise
        finally:
            os.close(fd)

    def release_ballast(self) -> None:
        """Give it back."""
        (self.directory / "ballast").unlink(missing_ok=True)

    def quarantined(self) -> tuple[Quarantined, ...]:
        """The releases that this node was rolled back from."""
        try:
            fields = json.loads((self._own / "quarantine").read_text("ascii", "backslashreplace"))
            return tuple(Quarantined.of(item) for item in fields)
        except FileNotFoundError:
            return ()
        except (ValueError, KeyError, TypeError) as error:
            raise NeedsAttention(
                f"{self._own / 'quarantine'} cannot be read ({error})", hint="remove it: no release is refused then"
            ) from None

    def quarantine(self, item: Quarantined) -> None:
        """Refuse a release from now on."""
        self._write([*(known for known in self.quarantined() if known.release != item.release), item])

    def lift_quarantine(self, release: ReleaseId) -> None:
        """Take a release as any other again."""
        found = self.quarantined()
        left = [item for item in found if item.release != release]
        if len(left) < len(found):
            self._write(left)

    def _write(self, items: Iterable[Quarantined]) -> None:
        write_durably(self._own / "quarantine", (json.dumps([item.to_fields() for item in items], indent=2) + "\n").encode())
