"""Files and names that are there after a power cut."""

import os
from pathlib import Path
from typing import Final

NEW: Final = ".new"
"""What the name of a file that is being written ends with; after a power cut one may stay."""


def write_durably(file: Path, content: bytes) -> None:
    """Replace a file so that a power cut leaves the old or the new one: temporary file, fsync, rename, fsync of the directory."""
    temporary = file.with_name(file.name + NEW)
    with temporary.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(file)
    sync_directory(file.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
