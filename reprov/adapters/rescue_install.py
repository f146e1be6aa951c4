"""What an installation in the rescue system needs: the layout from a server, and reprov's own verb."""

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from reprov.adapters.run import spawn
from reprov.domain.rescue_command_line import Installation
from reprov.errors import ExitCode, ReprovError

_FETCHED = Path("/run/reprov-layout")
_TIMEOUT_S = 20
_LAYOUT_BYTES = 1 << 20


def fetch_layout(url: str) -> str:
    """Fetch a layout by http or https; gives the path of the file. Raises `ReprovError`."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
            text = answer.read(_LAYOUT_BYTES + 1)
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise ReprovError(f"the layout {url} cannot be fetched: {reason}") from None
    if len(text) > _LAYOUT_BYTES:
        raise ReprovError(f"{url} is no layout: it is larger than {_LAYOUT_BYTES} bytes")
    _FETCHED.write_bytes(text)
    return str(_FETCHED)


def install(wanted: Installation, layout: str, tell: Callable[[str], None]) -> None:
    """Run `reprov install`, whose errors go where this process's go; `tell` gets the lines of its answer. Raises `ReprovError`."""
    release = (wanted.release.role, wanted.release.version)
    argv = (
        "/usr/sbin/reprov",
        "install",
        *release,
        "--layout",
        layout,
        "--from",
        wanted.source,
        "--yes",
        *(("--new-node",) if wanted.may_be_new else ()),
    )
    with open(2, "wb", closefd=False) as stderr, spawn(argv, stderr=stderr) as process:
        assert process.stdout is not None  # spawn pipes it
        for line in process.stdout:
            tell(line.decode(errors="replace").rstrip())
        status = process.wait()
    if status not in (ExitCode.DONE, ExitCode.REBOOT_WANTED):
        raise ReprovError(f"{wanted.release} is not installed: `reprov install` ended with status {status}", hint="it said why, above")
