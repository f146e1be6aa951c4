"""A tree that passes for a Debian root in a dozen files, and a library with lists: what store tests publish."""

import os
from pathlib import Path

ELF_X86_64 = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\x3e\x00"
STATUS = """\
Package: dash
Status: install ok installed
Architecture: amd64
Version: {dash}

Package: libz
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Version: 1.2

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 9
"""
MTIME_NS = 1_700_000_000_123_456_789


def make_root(folder: Path, *, dash: str = "0.5", unit: str = "[Service]\n") -> Path:
    """A usr-merged root with two packages, a unit and a hard link; equal arguments give equal trees."""
    files = {
        "usr/bin/sh": ELF_X86_64 + dash.encode(),
        "usr/lib/os-release": b'ID=debian\nVERSION_ID="12"\n',
        "usr/lib/systemd/system/demo.service": unit.encode(),
        "usr/lib/libz.so.1": b"z" * 5000,
        "usr/share/doc/readme": b"always the same\n",
        "etc/hostname": b"golden\n",
        "var/lib/dpkg/status": STATUS.format(dash=dash).encode(),
        "var/lib/dpkg/info/dash.list": b"/.\n/bin\n/bin/sh\n/usr\n/usr/share\n/usr/share/doc\n/usr/share/doc/readme\n",
        "var/lib/dpkg/info/dash.postinst": b"#!/bin/sh\n",
        "var/lib/dpkg/info/libz:amd64.list": b"/.\n/lib\n/lib/libz.so.1\n",
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "usr/bin/sh").chmod(0o755)
    (folder / "usr/bin/ash").hardlink_to(folder / "usr/bin/sh")
    for name in ("bin", "lib"):
        (folder / name).symlink_to(f"usr/{name}")
    (folder / "etc/os-release").symlink_to("../usr/lib/os-release")
    settle(folder)
    return folder


def settle(folder: Path) -> None:
    """Give every path of a tree the same time, so that only what a test changes differs."""
    for place, _, names in os.walk(folder, topdown=False):
        for name in (*names, "."):
            os.utime(Path(place, name), ns=(MTIME_NS, MTIME_NS), follow_symlinks=False)
        for item in Path(place).iterdir():
            if item.is_symlink():
                os.utime(item, ns=(MTIME_NS, MTIME_NS), follow_symlinks=False)


def make_library(folder: Path) -> Path:
    """A library whose `base` and `demo` concerns have lists."""
    lists = folder / "excludes"
    lists.mkdir(parents=True)
    (lists / "base.exclude").write_text("# who the node is\n/etc/hostname\n")
    (lists / "base.add-only").write_text("# the node's once it is there\n/var/**\n")
    (lists / "base.merge").write_text("# nothing is merged\n- *\n")
    (lists / "demo.exclude").write_text("/var/lib/demo/\n")
    return folder
