"""Names as the kernel writes them into its tables: bytes that would end a field are octal numbers."""

import re

_OCTAL = re.compile(r"\\([0-7]{3})")


def unescaped(text: str) -> str:
    """The name in a field of /proc/swaps or mountinfo; `text` is its bytes as latin-1, what comes back is a path."""
    name = _OCTAL.sub(lambda found: chr(int(found[1], 8) & 0xFF), text)
    return name.encode("latin-1", "replace").decode("utf-8", "surrogateescape")
