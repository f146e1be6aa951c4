"""Getting releases and file contents from a source with the rsync program, always into root's own directories."""

import re
import shutil
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path

from reprov.adapters.run import CommandFailed, run, spawn
from reprov.domain.release import ReleaseId
from reprov.domain.source import Source
from reprov.errors import InvalidInput, ReprovError

# Content is all that travels: owner, mode, attributes and times are the manifest's business. Files that were left by a
# transfer that broke off are no use, and whole files spare the server the block checksums.
_CONTENT_OPTIONS = ("--whole-file", "--relative", "--no-implied-dirs", "--sparse", "--from0", "--files-from=-")
_CONNECT_TIMEOUT_S = 10
_SILENCE_TIMEOUT_S = 60
_LISTED_FOLDER = re.compile(r"^d\S+\s+[\d,.]+\s+\S+\s+\S+\s(?P<name>.+)$", re.MULTILINE)
_NO_SUCH_FILE = 23
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


def fetch_release(source: Source, release: ReleaseId, destination: Path, known: Path) -> None:
    """Copy a release's files (manifest, lists, packages; not its hops) into an empty directory.

    `known` is where the node keeps that release if it has it: when the source's release.json is the same to the byte,
    nothing else travels. Raises `InvalidInput` naming the versions that there are when the source has no such release.
    """
    _fetch_files(source, release, destination, ("--include=/release.json", "--exclude=*"))
    if _same_file(destination / "release.json", known / "release.json"):
        shutil.copytree(known, destination, dirs_exist_ok=True)
    else:
        _fetch_files(source, release, destination, ("--exclude=/hops/", "--ignore-times"))


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


def fetch_contents(source: Source, release: ReleaseId, paths: Collection[str], destination: Path, on_file: Callable[[int], None]) -> None:
    """Copy the content of files of a release's tree into a directory, at their relative paths.

    `on_file` is called with the size in bytes of each file that has arrived. Raises `ReprovError` when the server goes
    away or lacks a file; the caller verifies digests, whatever this says.
    """
    destination.mkdir(mode=0o700, exist_ok=True)
    argv = (*_rsync(source), *_CONTENT_OPTIONS, "--outbuf=L", "--out-format=%l", source.trees, f"{destination}/")
    with tempfile.TemporaryFile() as names, tempfile.TemporaryFile() as complaints:
        # What stands before "/./" is where to look, what stands behind is the name here (rsync(1), --relative).
        names.writelines(f"{release.path}/./{path}\0".encode("utf-8", "surrogateescape") for path in sorted(paths))
        names.seek(0)
        with spawn(argv, stdin=names, stderr=complaints) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.strip().isdigit():
                    on_file(int(line))
            status = process.wait()
        complaints.seek(0)
        if status:
            raise _explained(CommandFailed(argv, status, complaints.read()), source)


def _rsync(source: Source) -> tuple[str, ...]:
    if source.remote_shell:
        return ("rsync", f"--rsh={' '.join(source.remote_shell)}", f"--timeout={_SILENCE_TIMEOUT_S}")
    if source.prefix.startswith("rsync://"):
        return ("rsync", f"--contimeout={_CONNECT_TIMEOUT_S}", f"--timeout={_SILENCE_TIMEOUT_S}")
    return ("rsync",)


def _explained(error: CommandFailed, source: Source) -> ReprovError:
    """What an rsync status means to an operator (rsync(1), EXIT VALUES)."""
    said = [line for line in error.stderr.decode(errors="replace").splitlines() if line.strip()]
    detail = said[0] if said else f"rsync ended with status {error.status}"
    if error.status == 11 and "No space left" in error.stderr.decode(errors="replace"):
        return ReprovError("no space left while fetching", hint="make room and run it again; the node is as it was")
    if error.status in _UNREACHABLE:
        return ReprovError(
            f"{source.text} {_UNREACHABLE[error.status]}: {detail}", hint="check that `reprov serve` runs there, and the address"
        )
    return ReprovError(f"fetching from {source.text} failed: {detail}", hint=error.hint)
