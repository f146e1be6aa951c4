"""Signs of data on the devices of this machine: a few KiB of each are read, no program is run, nothing is opened for writing."""

import os
from pathlib import Path

from reprov.adapters.lvm_on_disk import read_lvm_on_disk
from reprov.domain.block_device import KERNEL_SECTOR_BYTES, is_storage
from reprov.domain.data_signs import START_BYTES, is_physical_volume, sign_of_device, sign_of_lvm
from reprov.domain.probing import Place
from reprov.errors import ReprovError

_DEVICES = Path("/sys/class/block")


def sign_of_devices() -> str:
    """Why a device of this machine may be data, with its name; "" when nothing speaks for it. What cannot be read may be data."""
    physical = []
    for name in sorted(os.listdir(_DEVICES)):
        try:
            size = (_DEVICES / name / "size").read_text().strip()
            if not is_storage(name, {"size": size}):
                continue
            start = _start_of(name)
        except FileNotFoundError:  # gone since it was listed
            continue
        except OSError as error:
            return f"/dev/{name}: {error.strerror}"
        if sign := sign_of_device(start, _sector_bytes(name)):
            return f"/dev/{name}: {sign}"
        if is_physical_volume(start):
            physical.append(Place(f"/dev/{name}", f"/dev/{name}", 0, int(size) * KERNEL_SECTOR_BYTES))
    try:
        return sign_of_lvm(read_lvm_on_disk(physical), [place.name for place in physical]) if physical else ""
    except (ReprovError, OSError) as error:
        return f"LVM: {error}"


def _start_of(name: str) -> bytes:
    fd = os.open(f"/dev/{name.replace('!', '/')}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return os.pread(fd, START_BYTES, 0)
    finally:
        os.close(fd)


def _sector_bytes(name: str) -> int:
    """Of a disk; a partition has no table of its own that anybody would read."""
    try:
        return int((_DEVICES / name / "queue/logical_block_size").read_text())
    except OSError:
        return KERNEL_SECTOR_BYTES
