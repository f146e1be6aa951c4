"""Disk images with OSDs on them, made by sfdisk, and the same as disks of the kernel."""

import os
import struct
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from reprov.domain.partition_types import guid_of

MIB = 1 << 20


class Part(NamedTuple):
    """A partition of an image."""

    type: str
    """By name."""
    label: str = ""
    size_mib: int = 4
    osd_id: int | None = None
    """With it, the partition starts with a label of bluestore."""
    role: str = "main"
    """As bluestore says it: `main`, `bluefs db`, `bluefs wal`."""


def make_image(file: Path, parts: Sequence[Part], *, number: int = 0) -> Path:
    """A disk image with a GPT and random bytes in its partitions; UUIDs follow from the numbers of image and partition."""
    lines = ["label: gpt", f"label-id: {_uuid(number, 0)}"]
    for index, part in enumerate(parts, start=1):
        lines.append(f"size={part.size_mib}M, type={guid_of(part.type)}, uuid={_uuid(number, index)}, name={part.label or part.type}")
    with file.open("wb") as out:
        out.truncate((sum(part.size_mib for part in parts) + 2) * MIB)
    subprocess.run(["sfdisk", "--quiet", str(file)], input="\n".join(lines).encode(), check=True, capture_output=True)
    with file.open("r+b") as out:
        start_mib = 1
        for part in parts:
            out.seek(start_mib * MIB)
            out.write(os.urandom(part.size_mib * MIB))
            if part.osd_id is not None:
                out.seek(start_mib * MIB)
                out.write(bluestore_label(part.osd_id, _uuid(number, 100 + part.osd_id), part.role, part.size_mib * MIB))
            start_mib += part.size_mib
    return file


def change(file: Path, offset_bytes: int) -> None:
    """Flip one bit."""
    with file.open("r+b") as opened:
        opened.seek(offset_bytes)
        byte = opened.read(1)[0]
        opened.seek(offset_bytes)
        opened.write(bytes([byte ^ 1]))


def sfdisk(disk: Path, *arguments: str) -> None:
    """Change something of a table, as an operator does."""
    subprocess.run(["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", *arguments], check=True, capture_output=True)


@contextmanager
def attached(*images: Path, read_only: bool = False) -> Iterator[list[Path]]:
    """The images as disks, whose partitions the kernel knows."""
    loops: list[Path] = []
    with ExitStack() as stack:  # whatever fails on the way in or out, every other one is detached
        for image in images:
            options = ["--read-only"] if read_only else []
            made = subprocess.run(["losetup", "--find", "--show", *options, str(image)], check=True, capture_output=True, text=True)
            loops.append(Path(made.stdout.strip()))
            stack.callback(subprocess.run, ["losetup", "--detach", str(loops[-1])], check=True)
            stack.callback(_forget_partitions, loops[-1])
            subprocess.run(["partx", "--add", str(loops[-1])], check=True, capture_output=True)
        yield loops


def _forget_partitions(loop: Path) -> None:
    """Whatever lists the devices of this machine, as another test does, opens a partition for an instant, which then cannot go."""
    for _ in range(100):
        subprocess.run(["partx", "--delete", str(loop)], check=False, capture_output=True)
        if not any(Path("/sys/block", loop.name).glob(f"{loop.name}p*")):
            return
        time.sleep(0.05)


def bluestore_label(osd_id: int, fsid: str, role: str, size_bytes: int) -> bytes:
    """The first block of a bluestore device; its padding is zeros."""
    fields = {"whoami": str(osd_id), "ceph_fsid": _uuid(7, 7)} if role == "main" else {}
    body = uuid.UUID(fsid).bytes + struct.pack("<Q", size_bytes) + bytes(8) + _text(role) + struct.pack("<I", len(fields))
    body += b"".join(_text(name) + _text(value) for name, value in fields.items())
    block = b"bluestore block device\n" + fsid.encode() + b"\n" + struct.pack("<BBI", 2, 1, len(body)) + body
    return block.ljust(4096, b"\0")


def _text(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode()


def _uuid(number: int, index: int) -> str:
    return f"{number:08x}-1111-4222-8333-{index:012x}"
