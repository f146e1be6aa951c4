"""Which of two versions of a role is the newer one."""

import re

_RUNS = re.compile(r"(\d+)|(~)|(\D)")


def version_key(version: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key that reads digits as numbers and lets `~` sort before the end, as Debian's versions do: 1.0~rc1 < 1.0 < 1.9 < 1.10."""
    runs = [_run_key(*found.groups(default="")) for found in _RUNS.finditer(version)]
    return (*runs, (1, 0, ""))


def _run_key(digits: str, tilde: str, other: str) -> tuple[int, int, str]:
    if tilde:
        return (0, 0, "")
    return (3, int(digits), "") if digits else (2, 0, other)
