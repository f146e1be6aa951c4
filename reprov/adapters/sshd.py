"""Asking a root's own sshd whether it would start with its configuration."""

import os
import re
from pathlib import Path

from reprov.adapters.root_view import RootView
from reprov.adapters.run import CommandFailed, run

SSHD = "usr/sbin/sshd"
_TIMEOUT_S = 20
_SHOWN_LINES = 3
# sshd cannot do without /dev/null, and the /dev of a tree is empty: it gets one that only this process sees, and that ends with it.
_IN_ROOT = """\
mount -n -t tmpfs -o mode=755,size=64k none "$1/dev"
: > "$1/dev/null"
mount -n --bind /dev/null "$1/dev/null"
exec chroot "$1" /usr/sbin/sshd -t
"""
# The last thing that sshd looks for. On a tmpfs, and the unit makes it when it starts (RuntimeDirectory=sshd).
_MADE_AT_START = re.compile(r"Missing privilege separation directory: (/var)?/run/\S+")


def sshd_trouble(root: Path, view: RootView, *, live: bool) -> str | None:
    """What `sshd -t` of a root says against its configuration, "" for nothing; None where there is no sshd, or no /dev for it.

    Nothing is written to the root.
    """
    if not view.is_program(SSHD) or not (live or view.is_directory("dev")):
        return None
    argv: tuple[str, ...] = (f"/{SSHD}", "-t")
    if not live:
        argv = ("unshare", "--mount", "--propagation", "private", "sh", "-euc", _IN_ROOT, "sh", os.fspath(root))
    try:
        run(argv, timeout_s=_TIMEOUT_S)
    except CommandFailed as error:
        lines = [line.strip() for line in error.stderr.decode(errors="replace").splitlines() if line.strip()]
        if lines and _MADE_AT_START.fullmatch(lines[-1]):
            return ""
        return "; ".join(lines[-_SHOWN_LINES:]) or f"it ended with status {error.status}"
    return ""
