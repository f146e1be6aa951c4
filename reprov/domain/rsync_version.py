"""Which rsync programs will do."""

import re

OLDEST_VERSION = (3, 2, 0)
"""Older ones lack options that fetching needs."""
SAFE_VERSION = (3, 5, 0)
"""From here on rsync's known security holes of 2024 to 2026 are closed."""
TRUSTING_VERSION = (3, 2, 5)
"""From here on rsync checks every name that comes against every one that was asked for, unless it is told to trust the sender."""
_VERSION = re.compile(r"rsync +version (\d+)\.(\d+)\.(\d+)")

Version = tuple[int, int, int]


def parse_version(text: str) -> Version | None:
    """The version in the output of `rsync --version`; None for programs of other makers."""
    found = _VERSION.search(text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def warning_of(version: Version | None) -> str | None:
    """What an operator should know of this version; None for a good one."""
    if version and version < SAFE_VERSION:
        return f"rsync {'.'.join(map(str, version))} has known security holes that 3.5.0 closes"
    return None
