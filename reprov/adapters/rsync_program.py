"""The rsync program of this machine."""

from reprov.adapters.run import run
from reprov.domain.rsync_version import Version, parse_version


def installed_version() -> Version | None:
    """The version of the installed rsync; None for a program that only calls itself so. Raises `CommandFailed` when there is none."""
    return parse_version(run(("rsync", "--version")).stdout.decode(errors="replace"))
