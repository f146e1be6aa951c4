"""A filter of the kernel: no process of a control group opens certain block devices for writing, whatever path leads there.

A BPF program of type cgroup_device sees every open and mknod of a device node by a process of the group and its children, and every
open that the kernel makes on their behalf (mount, losetup, device mapper, md). It goes by device number, so a symlink, a node of
one's own, a chroot or another mount namespace changes nothing. Reading is not its business. What it stops, it writes down.

https://docs.kernel.org/bpf/map_queue_stack.html, bpf-helpers(7), and `struct bpf_cgroup_dev_ctx` in linux/bpf.h.
"""

import ctypes
import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from reprov.adapters.kernel import bpf
from reprov.errors import Refused

_MAP_CREATE, _MAP_UPDATE, _PROGRAM_LOAD, _PROGRAM_ATTACH, _MAP_POP = 0, 2, 5, 8, 21
_HASH_MAP, _QUEUE_MAP = 1, 22
_CGROUP_DEVICE_PROGRAM: Final = 15
_CGROUP_DEVICE_ATTACHMENT: Final = 6
_ALLOW_MULTI: Final = 2  # beside those of systemd (DeviceAllow=), all of which have to agree
_LOOKUP, _PID_AND_TGID, _COMM, _PUSH = 1, 14, 16, 87
_BLOCK, _WRITE = 1, 4

_KEY: Final = struct.Struct("=II")
_RECORD: Final = struct.Struct("=III4x16s")
_RECORDS: Final = 4096
_ATTRIBUTES_BYTES: Final = 144


@dataclass(frozen=True, slots=True)
class Stopped:
    """An open for writing that was not allowed."""

    pid: int
    program: str
    """The kernel's name of the process: at most 15 bytes."""
    number: int
    """As `st_rdev` has it."""

    @classmethod
    def of(cls, record: bytes) -> "Stopped":
        """From the filter's record. Behind the name an older kernel (6.1) leaves what was there."""
        pid, major, minor, name = _RECORD.unpack(record)
        return cls(pid, name.split(b"\0")[0].decode(errors="surrogateescape"), os.makedev(major, minor))


@dataclass(frozen=True, slots=True)
class DeviceFilter:
    """A filter at work; it is gone with its control group."""

    queue_fd: int

    def stopped(self) -> Iterator[Stopped]:
        """What was stopped since the last time; beyond 4096 at a time they are forgotten, not allowed."""
        record = ctypes.create_string_buffer(_RECORD.size)
        while True:
            try:
                bpf(_MAP_POP, _attributes("=I4xQQ", self.queue_fd, 0, ctypes.addressof(record)))
            except FileNotFoundError:
                return
            yield Stopped.of(record.raw)


@contextmanager
def device_filter(cgroup_fd: int, numbers: Iterable[int]) -> Iterator[DeviceFilter]:
    """Keep the block devices of these numbers (`st_rdev`) from being opened for writing in a control group, for as long as it exists.

    Raises `Refused` where the kernel cannot do it: then nothing may be started.
    """
    wanted = sorted(set(numbers))
    fds: list[int] = []
    try:
        try:
            fds.append(bpf(_MAP_CREATE, _attributes("=IIIII", _HASH_MAP, _KEY.size, 4, max(1, len(wanted)), 0)))
            fds.append(bpf(_MAP_CREATE, _attributes("=IIIII", _QUEUE_MAP, 0, _RECORD.size, _RECORDS, 0)))
            for number in wanted:
                _add(fds[0], _KEY.pack(os.major(number), os.minor(number)))
            fds.append(_load(_program(fds[0], fds[1])))
            bpf(_PROGRAM_ATTACH, _attributes("=IIII", cgroup_fd, fds[2], _CGROUP_DEVICE_ATTACHMENT, _ALLOW_MULTI))
        except OSError as error:
            raise Refused(
                f"this kernel cannot keep data devices from being written to: {error.strerror}",
                hint="it takes root, cgroup v2 and BPF for cgroups (CONFIG_CGROUP_BPF), as Debian 12 and Enterprise Linux 9 have it",
            ) from None
        yield DeviceFilter(fds[1])
    finally:
        for fd in fds:
            os.close(fd)


def _attributes(layout: str, *values: int) -> bytes:
    return struct.pack(layout, *values).ljust(_ATTRIBUTES_BYTES, b"\0")


def _add(map_fd: int, key: bytes) -> None:
    key_buffer, value = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(4)
    bpf(_MAP_UPDATE, _attributes("=I4xQQQ", map_fd, ctypes.addressof(key_buffer), ctypes.addressof(value), 0))


def _load(program: bytes) -> int:
    code, licence = ctypes.create_string_buffer(program, len(program)), ctypes.create_string_buffer(b"GPL")
    addresses = (ctypes.addressof(code), ctypes.addressof(licence))
    return bpf(_PROGRAM_LOAD, _attributes("=IIQQ", _CGROUP_DEVICE_PROGRAM, len(program) // 8, *addresses))


def _op(code: int, to: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return struct.pack("=BBhi", code, source << 4 | to, offset, value)


def _map(register: int, fd: int) -> bytes:
    return _op(0x18, register, 1, value=fd) + _op(0)


def _program(devices_fd: int, queue_fd: int) -> bytes:
    """Registers: 6 the context, 7 and 8 major and minor; stack: key at -8, record at -40."""
    load, store, copy, add, constant, call = 0x61, 0x63, 0xBF, 0x07, 0xB7, 0x85
    stopped = (
        _op(call, value=_PID_AND_TGID) + _op(0x77, 0, value=32) + _op(store, 10, 0, -40),  # r0 >>= 32: the process
        _op(store, 10, 7, -36) + _op(store, 10, 8, -32) + _op(0x62, 10, 0, -28, 0),
        _op(copy, 1, 10) + _op(add, 1, value=-24) + _op(constant, 2, value=16) + _op(call, value=_COMM),
        _map(1, queue_fd) + _op(copy, 2, 10) + _op(add, 2, value=-40) + _op(constant, 3, value=0) + _op(call, value=_PUSH),
        _op(constant, 0, value=0) + _op(0x95),
    )
    to_allow = len(b"".join(stopped)) // 8
    looked_up = (
        _op(load, 7, 6, 4) + _op(load, 8, 6, 8) + _op(store, 10, 7, -8) + _op(store, 10, 8, -4),
        _map(1, devices_fd) + _op(copy, 2, 10) + _op(add, 2, value=-8) + _op(call, value=_LOOKUP),
        _op(0x15, 0, 0, to_allow, 0),  # not one of ours
    )
    to_allow += len(b"".join(looked_up)) // 8
    is_write = _op(copy, 3, 2) + _op(0x77, 3, value=16) + _op(0x57, 3, value=_WRITE) + _op(0x15, 3, 0, to_allow, 0)
    is_block = _op(copy, 3, 2) + _op(0x57, 3, value=0xFFFF) + _op(0x55, 3, 0, to_allow + len(is_write) // 8, _BLOCK)
    allowed = _op(constant, 0, value=1) + _op(0x95)
    return b"".join((_op(copy, 6, 1), _op(load, 2, 6, 0), is_block, is_write, *looked_up, *stopped, allowed))
