"""What a program that failed in a build said: the line that tells most for the operator, all of it in the build's log."""

from pathlib import Path

from reprov.adapters.run import CommandFailed
from reprov.errors import ReprovError

_OF_APT = (b"E: ", b"dpkg: error", b"dpkg: dependency")
_OF_DNF = (b"Error: ", b"Errors during ", b" Problem", b"error: ", b"warning: %")
_TELLING = (*_OF_APT, *_OF_DNF, b"Failed to ", b"invoke-rc.d: ")


def logged(what: str, error: CommandFailed, log: Path) -> ReprovError:
    """Write the program's output to the log; returns the error to raise, "WHAT: LINE".

    The line is the first that tells anything: those after it only follow from it.
    """
    log.write_bytes(error.stderr)
    lines = error.stderr.splitlines()
    telling = [line for line in lines if line.startswith(_TELLING) and line.strip() != b"Error:"] or lines[-1:]
    said = telling[0].decode(errors="replace") if telling else f"status {error.status}"
    return ReprovError(f"{what}: {said}", hint=f"all that it said is in {log}")
