"""A copy of reprov on the node that no exchange replaces: for what is done at a boot, whichever tree is there by then.

It takes nothing but Python's own library, so that any Python that is new enough will do.
"""

import hashlib
import os
import py_compile
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import cache_from_source
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Final

from reprov.adapters import kernel
from reprov.adapters.discard import discard
from reprov.adapters.files import opened_directory

_CLIENT: Final = "client"
_NEW: Final = "client.new"
_STAMP: Final = "stamp"
_LEFT_OUT: Final = ("library", "__pycache__")
_LAUNCHER: Final = b"""\
#!/bin/sh
# Do what /.reprov says is to be done before the root is used; see reprov.cli.at_boot for options and status.
suits='import sys; sys.exit(sys.version_info < (3, 11))'
start='import sys; sys.path.insert(0, "/.reprov/client"); from reprov.cli.at_boot import main; sys.exit(main(sys.argv[1:]))'
for python in /usr/bin/python3 /usr/bin/python3.1[1-9] /usr/local/bin/python3 /usr/libexec/platform-python /bin/python3; do
    if "$python" -IBc "$suits" 2>/dev/null; then
        exec "$python" -IBc "$start" "$@"
    fi
done
echo "reprov: this tree has no Python 3.11 or newer; what is to be done stays undone" >&2
exit 3
"""


def keep_client(directory: Path) -> None:
    """Have this version of reprov, whole and durable, in `directory` (reprov's own one of the node)."""
    content = dict(_modules(files("reprov"), "reprov"))
    stamp = _digest(content)
    with opened_directory(directory) as fd:
        discard(_NEW, dir_fd=fd)
        if _stamp_in(directory) == stamp:
            return
        fresh = directory / _NEW
        fresh.mkdir(mode=0o700)
        for name, text in {**content, "at-boot": _LAUNCHER, _STAMP: stamp.encode()}.items():
            place = fresh / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text)
        (fresh / "at-boot").chmod(0o700)
        kernel.syncfs(fd)
        if (directory / _CLIENT).is_dir():
            kernel.exchange(_NEW, _CLIENT, first_dir_fd=fd, second_dir_fd=fd)
            discard(_NEW, dir_fd=fd)
        else:
            fresh.rename(directory / _CLIENT)
        os.fsync(fd)


def compile_client(directory: Path) -> None:
    """Compile what `keep_client` has put there, once: a boot that is to exchange trees does not wait for it then.

    Another Python than this one ignores it, and compiles for itself.
    """
    for module in (directory / _CLIENT).rglob("*.py"):
        if not Path(cache_from_source(module)).exists():
            py_compile.compile(str(module), quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)


def _modules(folder: Traversable, name: str) -> Iterator[tuple[str, bytes]]:
    for item in folder.iterdir():
        if item.is_dir() and item.name not in _LEFT_OUT:
            yield from _modules(item, f"{name}/{item.name}")
        elif item.name.endswith(".py") or name.startswith("reprov/boot/"):
            yield f"{name}/{item.name}", item.read_bytes()


def _digest(content: dict[str, bytes]) -> str:
    found = hashlib.sha256(_LAUNCHER)
    for name, text in sorted(content.items()):
        found.update(f"{name}\0{len(text)}\0".encode())
        found.update(text)
    return found.hexdigest()


def _stamp_in(directory: Path) -> str:
    try:
        return (directory / _CLIENT / _STAMP).read_text("ascii")
    except OSError:
        return ""
