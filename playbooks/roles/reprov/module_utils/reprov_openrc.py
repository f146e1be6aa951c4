"""The credentials of a cloud, as OpenStack's own tools take them from a script."""

from __future__ import annotations

import os
import subprocess


def environment_of(openrc: str) -> dict[str, str]:
    """The OS_ variables that a script sets. Raises `OSError` and `subprocess.SubprocessError`."""
    argv = ["/bin/sh", "-c", '. "$1" >&2 && env -0', "sh", openrc]
    said = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, timeout=30).stdout
    pairs = (line.partition("=") for line in os.fsdecode(said).split("\0"))
    return {name: value for name, _, value in pairs if name.startswith("OS_")}
