"""Text files that people write, read with a message for everything that can be wrong with one before its first word is read."""

import os
import stat
from pathlib import Path

from reprov.errors import InvalidInput

_LONGEST_BYTES = 64 << 20
"""No person has written more; what is longer is another file."""


def read_text(path: Path) -> str:
    """The text of a file, which a symbolic link may lead to. Raises `InvalidInput` for what is no file, or no text in UTF-8."""
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise InvalidInput(f"{path}: is not a file")
            content = file.read(_LONGEST_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read ({error.strerror})") from None
    if len(content) > _LONGEST_BYTES:
        raise InvalidInput(f"{path}: is longer than {_LONGEST_BYTES >> 20} MiB, which nobody writes by hand")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidInput(f"{path}:{line}: not UTF-8 ({error.reason})", hint="iconv -t UTF-8 makes it so") from None


def _open_at_once(path: str, flags: int) -> int:
    """To open a FIFO would else wait for a writer, for ever."""
    return os.open(path, flags | os.O_NONBLOCK)
