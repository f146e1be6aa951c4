"""What runs the file of a script."""

import re

from reprov.errors import InvalidInput

_PROGRAM = "\x7fELF"


def interpreter_of(body: str) -> tuple[str, ...]:
    """What the kernel, or execvp(3) where there is no `#!`, would run the file with; () for a file that is a program itself."""
    if body.startswith(_PROGRAM):
        return ()
    first = body.partition("\n")[0]
    words = re.split(r"[ \t]+", first.removeprefix("#!").strip(" \t"), maxsplit=1) if first.startswith("#!") else []
    return tuple(words) if words and words[0] else ("/bin/sh",)


def check_script(body: str, source: str) -> None:
    """Raises `InvalidInput` for a file that is no script: empty, a program, without a `#!` line, with lines that end as on Windows."""
    if not body.strip():
        raise InvalidInput(f"{source}: empty", hint="remove it, if nothing is to run")
    if body.startswith(_PROGRAM) or "\0" in body:
        raise InvalidInput(f"{source}: a program, not a script", hint="put the program into the tree, and call it from a script")
    if "\r\n" in body:
        line = body[: body.index("\r\n")].count("\n") + 1
        raise InvalidInput(f"{source}:{line}: the line ends with CR LF, and the CR would count as a part of it", hint=f"dos2unix {source}")
    first = body.partition("\n")[0]
    if not re.match(r"#![ \t]*/", first):
        raise InvalidInput(
            f"{source}:1: not `#!` and the path of what runs the script",
            hint="eDeploy's bash ran such a file itself: write #!/bin/bash above it",
        )
