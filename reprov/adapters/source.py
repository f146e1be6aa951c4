"""Getting releases and file contents from a source with the rsync program, always into root's own directories."""

import os
import re
import shlex
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Collection
from pathlib import Path

from reprov.adapters.files import opened_directory
from reprov.adapters.rsync_program import installed_version
from reprov.adapters.run import CommandFailed, run, spawn
from reprov.domain.entry import show
from reprov.domain.release import ReleaseId
from reprov.domain.rsync_version import TRUSTING_VERSION
from reprov.domain.source import Source
from reprov.domain.store_layout import HOPS, post_path
from reprov.errors import InvalidInput, ReprovError

# Content is all that travels: owner, mode, attributes and times are the manifest's business. Files that were left by a
# transfer that broke off are no use, and whole files spare the server the block checksums.
# "%b" makes rsync name a file after it has come, not before. No --sparse: it makes rsync write one KiB at a time.
_CONTENT_OPTIONS = (
    *("--whole-file", "--relative", "--no-implied-dirs", "--from0", "--files-from=-"),
    *("--outbuf=L", "--8-bit-output", "--out-format=%b %n"),
)
# rsync compares each name that comes with each that was asked for: 0.3 s of processor time for 15,000 files without that, 6.6 s with
# it, and four times as much for twice as many. It guards the destination against names that nobody asked for. Here they would come
# into a directory of root's that is dropped, only as files and directories (links and devices are not asked for), never above it
# (that is refused all the same), and what was asked for is believed by its digest.
_NO_LOOK_AT_EVERY_NAME = ("--trust-sender",)
_ESCAPED = re.compile(rb"\\#([0-7]{3})")
_CONNECT_TIMEOUT_S = 10
_SILENCE_TIMEOUT_S = 60
_LISTED_FOLDER = re.compile(r"^d\S+\s+[\d,.]+\s+\S+\s+\S+\s(?P<name>.+)$", re.MULTILINE)
_NOTHING_CAME = b"(0 bytes received so far)"
_NO_SUCH_FILE = 23
_NO_SUCH_PROGRAM = 127
_UNREACHABLE = {
    5: "refused the request",
    10: "cannot be reached",
    12: "broke off",
    30: "does not answer",
    35: "does not answer",
    255: "cannot be reached",
}


def list_versions(source: Source, role: str) -> list[str]:
    """The versions of a role that a source offers, as it lists them; empty when it knows no such role."""
    try:
        listed = run((*_rsync(source), "--list-only", source.versions(role)), stdin=b"")
    except CommandFailed as error:
        if error.status == _NO_SUCH_FILE:
            return []
        raise _explained(error, source) from None
    names = (found["name"] for found in _LISTED_FOLDER.finditer(listed.stdout.decode(errors="surrogateescape")))
    return [name for name in names if not name.startswith(".")]


def fetch_release(source: Source, release: ReleaseId, destination: Path, known: Path, before: ReleaseId | None = None) -> None:
    """Copy a release's files (manifest, lists, packages) into an empty directory, of its hops only the post-script of that from `before`.

    `known` is where the node keeps that release if it has it: when the source's release.json is the same to the byte,
    nothing else travels. Raises `InvalidInput` naming the versions that there are when the source has no such release.
    """
    hop = _hop_from(before) if before and before.role == release.role else ()
    if known.is_dir():
        _fetch_files(source, release, destination, ("--include=/release.json", *hop, "--exclude=*"))
        if _same_file(destination / "release.json", known / "release.json"):
            shutil.copytree(known, destination, dirs_exist_ok=True)
            return
    _fetch_files(source, release, destination, (*hop, f"--exclude=/{HOPS}/*", "--ignore-times", "--prune-empty-dirs"))


def _hop_from(before: ReleaseId) -> tuple[str, ...]:
    """What rsync is to take of the hops; a version holds nothing that is special to it."""
    folder = f"/{HOPS}/{before.version}/"
    return (f"--include=/{HOPS}/", f"--include={folder}", f"--include=/{post_path(before)}", f"--exclude={folder}*")


def _fetch_files(source: Source, release: ReleaseId, destination: Path, chosen: tuple[str, ...]) -> None:
    options = ("--recursive", "--chmod=D700,F600", "--perms", *chosen)
    try:
        run((*_rsync(source), *options, source.release(release), f"{destination}/"))
    except CommandFailed as error:
        if error.status != _NO_SUCH_FILE:
            raise _explained(error, source) from None
        versions = list_versions(source, release.role)
        there = f"it has {', '.join(versions)}" if versions else f"it has no release of {release.role}"
        raise InvalidInput(f"{source.text} has no {release}", hint=there) from None


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.read_bytes() == other.read_bytes()
    except FileNotFoundError:
        return False


def fetch_contents(
    source: Source, release: ReleaseId, folder: str, paths: Collection[str], destination: Path, on_file: Callable[[str], None]
) -> None:
    """Copy the content of files into a directory, at their paths, which are relative to a folder of the release's tree ("": all of it).

    `on_file` is called with each path when the file is complete, in the order in which they come. Raises `ReprovError` when
    the server goes away or lacks a file; the caller verifies digests, whatever this says.
    """
    destination.mkdir(mode=0o700, exist_ok=True)
    argv = (*_rsync(source), *_CONTENT_OPTIONS, *_trust(), source.trees, f"{destination}/")
    # What stands before "/./" is where to look, what stands behind is the name here (rsync(1), --relative).
    beginning = f"{release.path}/{folder}".removesuffix("/") + "/./"
    with opened_directory(destination) as here, tempfile.TemporaryFile() as names, tempfile.TemporaryFile() as complaints:
        names.writelines(f"{beginning}{path}\0".encode("utf-8", "surrogateescape") for path in sorted(paths))
        names.seek(0)
        with spawn(argv, stdin=names, stderr=complaints) as process:
            assert process.stdout is not None
            missing = set(paths)
            named: deque[str] = deque()
            # rsync names a file with its last byte, and gives it its name afterwards (or drops it when it was damaged on the
            # way, and sends it again); when it copies from a directory, the half that names is well ahead of the one that writes.
            for line in process.stdout:
                named.append(_named_in(line))
                while named and (named[0] not in missing or _is_there(named[0], here)):
                    _tell(named.popleft(), missing, on_file)
            status = process.wait()
        complaints.seek(0)
        if status:
            raise _explained(CommandFailed(argv, status, complaints.read()), source)
        for path in sorted(missing):
            if _is_there(path, here):
                _tell(path, missing, on_file)
    if missing:
        raise ReprovError(f"{source.text} did not send {show(min(missing))}", hint="run it again; the node is as it was")


def _trust() -> tuple[str, ...]:
    version = installed_version()
    return _NO_LOOK_AT_EVERY_NAME if version and version >= TRUSTING_VERSION else ()


def _is_there(path: str, dir_fd: int) -> bool:
    try:
        os.stat(path, dir_fd=dir_fd)
    except OSError:
        return False
    return True


def _tell(path: str, missing: set[str], on_file: Callable[[str], None]) -> None:
    if path in missing:
        missing.remove(path)
        on_file(path)


def _named_in(line: bytes) -> str:
    """The path in a line of the output format, in which rsync writes control characters as \\#ooo."""
    name = line.rstrip(b"\n").partition(b" ")[2]
    return _ESCAPED.sub(lambda found: bytes([int(found[1], 8)]), name).decode("utf-8", "surrogateescape")


def _rsync(source: Source) -> tuple[str, ...]:
    if source.remote_shell:
        return ("rsync", f"--rsh={' '.join(source.remote_shell)}", f"--timeout={_SILENCE_TIMEOUT_S}")
    if source.prefix.startswith("rsync://"):
        return ("rsync", "--sockopts=TCP_NODELAY", f"--contimeout={_CONNECT_TIMEOUT_S}", f"--timeout={_SILENCE_TIMEOUT_S}")
    return ("rsync",)


def _explained(error: CommandFailed, source: Source) -> ReprovError:
    """What an rsync status means to an operator (rsync(1), EXIT VALUES)."""
    said = [line for line in error.stderr.decode(errors="replace").splitlines() if line.strip()]
    detail = said[0] if said else f"rsync ended with status {error.status}"
    if error.status == 11 and "No space left" in error.stderr.decode(errors="replace"):
        return ReprovError("no space left while fetching", hint="make room and run it again; the node is as it was")
    if error.status in _UNREACHABLE:
        # ssh that does not get through ends with 255, which rsync often tells as 12.
        never_there = source.remote_shell and _NOTHING_CAME in error.stderr
        problem = _UNREACHABLE[255] if never_there else _UNREACHABLE[error.status]
        return ReprovError(f"{source.text} {problem}: {detail}", hint=_how_to_check(source))
    if error.status == _NO_SUCH_PROGRAM and source.remote_shell:
        return ReprovError(f"{source.text} has no rsync that can be run: {detail}", hint="install rsync there")
    return ReprovError(f"fetching from {source.text} failed: {detail}", hint=error.hint)


def _how_to_check(source: Source) -> str:
    """What an operator can try, by the kind of source."""
    if source.remote_shell:
        # rsync takes the host up to the colon, and its brackets off an IPv6 address.
        host = source.prefix.partition(":/")[0].replace("[", "").replace("]", "")
        return f"check that this works without a question: {shlex.join((*source.remote_shell, host, 'rsync --version'))}"
    if source.prefix.startswith("rsync://"):
        return "check that `reprov serve` runs there, and the address"
    return "check that the directory can be read"
