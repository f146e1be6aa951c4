"""Labels of bluestore devices, read from their first block: no tool of Ceph is needed, and a cephadm host has none."""

import os
from pathlib import Path

from reprov.adapters.run import run
from reprov.domain.bluestore import LABEL_BYTES, BluestoreLabel, parse_label, parse_show_label

_TIMEOUT_S = 60


def read_label(device: Path, *, offset_bytes: int = 0) -> BluestoreLabel | None:
    """The label at the start of a device, or of a part of a disk image; None when there is none. Raises `OSError`."""
    fd = os.open(device, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return parse_label(os.pread(fd, LABEL_BYTES, offset_bytes))
    finally:
        os.close(fd)


def ask_label(device: Path) -> BluestoreLabel | None:
    """The label as ceph-bluestore-tool reads it, which takes a second. Raises `CommandFailed` where there is none."""
    said = run(("ceph-bluestore-tool", "show-label", "--dev", os.fspath(device)), timeout_s=_TIMEOUT_S)
    return parse_show_label(said.stdout.decode("utf-8", "replace"), str(device)).get(os.fspath(device))
