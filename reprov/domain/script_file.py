"""What runs the file of a script."""

import re


def interpreter_of(body: str) -> tuple[str, ...]:
    """What the kernel, or execvp(3) where there is no `#!`, would run the file with; () for a file that is a program itself."""
    if body.startswith("\x7fELF"):
        return ()
    first = body.partition("\n")[0]
    words = re.split(r"[ \t]+", first.removeprefix("#!").strip(" \t"), maxsplit=1) if first.startswith("#!") else []
    return tuple(words) if words and words[0] else ("/bin/sh",)
