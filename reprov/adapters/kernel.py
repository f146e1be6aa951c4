"""The few system calls that Python does not offer, through the C library.

Every function raises `OSError` with errno and names, as `os` functions do.
"""

import ctypes
import errno
import fcntl
import os
import re
import struct
from typing import Final

_libc = ctypes.CDLL(None, use_errno=True)

AT_SYMLINK_NOFOLLOW: Final = 0x100
_AT_EMPTY_PATH: Final = 0x1000
_RENAME_EXCHANGE: Final = 2
_FICLONE: Final = 0x40049409
_FALLOC_FL_KEEP_SIZE: Final = 0x01
_FALLOC_FL_PUNCH_HOLE: Final = 0x02
_FS_IOC_GETFLAGS: Final = 0x80086601
_FS_IOC_SETFLAGS: Final = 0x40086602
_FIFREEZE: Final = 0xC0045877
_FITHAW: Final = 0xC0045878
_STATX_BTIME: Final = 0x800
_SYS_OPENAT2: Final = 437  # the same number on every architecture
_SYS_BPF: Final = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "ppc64le": 361, "s390x": 351}
_SYS_MOVE_MOUNT: Final = 429
_MOVE_MOUNT_EMPTY_PATHS: Final = 0x44
_MOVE_MOUNT_SET_GROUP: Final = 0x100
_RESOLVE_NO_XDEV: Final = 0x01
_RESOLVE_NO_MAGICLINKS: Final = 0x02
_RESOLVE_NO_SYMLINKS: Final = 0x04
_RESOLVE_BENEATH: Final = 0x08
_RESOLVE_IN_ROOT: Final = 0x10

_OPEN_ATTEMPTS: Final = 1000

_KERNEL_VERSION: Final = re.compile(r"(\d+)\.(\d+)")

IMMUTABLE: Final = 0x10
APPEND_ONLY: Final = 0x20


class _Timestamp(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_int64), ("nanoseconds", ctypes.c_uint32), ("reserved", ctypes.c_int32))


class _Statx(ctypes.Structure):
    _fields_ = (
        ("mask", ctypes.c_uint32),
        ("block_size", ctypes.c_uint32),
        ("attributes", ctypes.c_uint64),
        ("nlink", ctypes.c_uint32),
        ("uid", ctypes.c_uint32),
        ("gid", ctypes.c_uint32),
        ("mode", ctypes.c_uint16),
        ("spare", ctypes.c_uint16),
        ("ino", ctypes.c_uint64),
        ("size", ctypes.c_uint64),
        ("blocks", ctypes.c_uint64),
        ("attributes_mask", ctypes.c_uint64),
        ("atime", _Timestamp),
        ("btime", _Timestamp),
        ("rest", ctypes.c_uint8 * 256),
    )


def exchange(first: str, second: str, *, first_dir_fd: int, second_dir_fd: int) -> None:
    """Swap two paths atomically: each name afterwards shows what the other showed. Both must exist on one filesystem."""
    result = _libc.renameat2(first_dir_fd, os.fsencode(first), second_dir_fd, os.fsencode(second), _RENAME_EXCHANGE)
    _check(result, first, second)


def syncfs(fd: int) -> None:
    """Write everything of the filesystem that `fd` lies on to its disk; raises when any write-back failed (Linux >= 5.8)."""
    _check(_libc.syncfs(fd))


def syncfs_tells_errors() -> bool:
    """Whether `syncfs` raises when the write-back of something failed: since Linux 5.8 (syncfs(2))."""
    found = _KERNEL_VERSION.match(os.uname().release)
    return found is not None and (int(found[1]), int(found[2])) >= (5, 8)


def clone(source_fd: int, destination_fd: int) -> None:
    """Make the destination share the source's blocks (FICLONE); raises where the filesystem cannot."""
    fcntl.ioctl(destination_fd, _FICLONE, source_fd)


def punch_hole(fd: int, position: int, size_bytes: int) -> None:
    """Give the blocks of a range of a file back; it reads as zeros. Raises where the filesystem cannot."""
    mode = _FALLOC_FL_KEEP_SIZE | _FALLOC_FL_PUNCH_HOLE
    _check(_libc.fallocate(fd, mode, ctypes.c_int64(position), ctypes.c_int64(size_bytes)))


def inode_flags(fd: int) -> int:
    """The chattr(1) flags of an open file; 0 on filesystems that have none."""
    try:
        raw = fcntl.ioctl(fd, _FS_IOC_GETFLAGS, struct.pack("l", 0))
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL):
            return 0
        raise
    return int(struct.unpack("l", raw)[0])


def set_inode_flags(fd: int, flags: int) -> None:
    """Set the chattr(1) flags of an open file."""
    fcntl.ioctl(fd, _FS_IOC_SETFLAGS, struct.pack("l", flags))


def freeze(fd: int) -> None:
    """Write everything of the filesystem that holds `fd` out of its log, and block whoever writes to it until `thaw`."""
    fcntl.ioctl(fd, _FIFREEZE, 0)


def thaw(fd: int) -> None:
    """Let those who write to a frozen filesystem go on."""
    fcntl.ioctl(fd, _FITHAW, 0)


def birth_time_ns(path: str, *, dir_fd: int) -> int:
    """When the inode was made, in nanoseconds; 0 where the filesystem does not know. Symlinks are not followed."""
    buffer = _Statx()
    _check(_libc.statx(dir_fd, os.fsencode(path), AT_SYMLINK_NOFOLLOW, _STATX_BTIME, ctypes.byref(buffer)), path)
    if not buffer.mask & _STATX_BTIME:
        return 0
    return int(buffer.btime.seconds) * 1_000_000_000 + int(buffer.btime.nanoseconds)


def fixed_flags(path: str, *, dir_fd: int) -> int:
    """IMMUTABLE and APPEND_ONLY of a path of any kind, which is not opened for it; 0 where the filesystem has none."""
    buffer = _Statx()
    _check(_libc.statx(dir_fd, os.fsencode(path), AT_SYMLINK_NOFOLLOW, 0, ctypes.byref(buffer)), path)
    return int(buffer.attributes) & (IMMUTABLE | APPEND_ONLY)


def change_owner(fd: int, uid: int, gid: int) -> None:
    """Give what a descriptor shows, also one opened with O_PATH and a symlink itself, another owner."""
    _check(_libc.fchownat(fd, b"", ctypes.c_uint(uid), ctypes.c_uint(gid), _AT_EMPTY_PATH))


def open_beneath(path: str, flags: int, *, dir_fd: int, same_mount: bool = False) -> int:
    """Open a path below a directory so that no component of it, the last included, is a symlink (openat2).

    With `same_mount`, none may be a mount point either, not even one where another part of the same filesystem is mounted
    (EXDEV); device numbers do not tell those.
    """
    resolve = _RESOLVE_BENEATH | _RESOLVE_NO_SYMLINKS | _RESOLVE_NO_MAGICLINKS | (_RESOLVE_NO_XDEV if same_mount else 0)
    return _openat2(path, flags, resolve, dir_fd)


def open_in_root(path: str, flags: int, *, dir_fd: int) -> int:
    """Open a path as a process would that has the directory for its root: symlinks are followed, and none leads out of it (openat2)."""
    return _openat2(path, flags, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS, dir_fd)


def bpf(command: int, attributes: bytes) -> int:
    """The bpf(2) system call; raises where this machine's architecture is not known to have it."""
    number = _SYS_BPF.get(os.uname().machine)
    if number is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    result = _libc.syscall(number, command, ctypes.create_string_buffer(attributes, len(attributes)), len(attributes))
    _check(result)
    return int(result)


def join_peers(fd: int, *, peer_fd: int) -> None:
    """Let a private mount exchange mounts with another one of the same filesystem, in any namespace, from now on (Linux >= 5.15).

    Both descriptors are of roots of mounts; the other one has to be shared.
    """
    _check(_libc.syscall(_SYS_MOVE_MOUNT, peer_fd, b"", fd, b"", _MOVE_MOUNT_EMPTY_PATHS | _MOVE_MOUNT_SET_GROUP))


def _openat2(path: str, flags: int, resolve: int, dir_fd: int) -> int:
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, 0, resolve)
    for _ in range(_OPEN_ATTEMPTS):
        fd = _libc.syscall(_SYS_OPENAT2, dir_fd, os.fsencode(path or "."), how, len(how))
        # A rename anywhere on the machine makes the kernel unsure of a "..": it asks to be asked again (openat2(2)).
        if fd >= 0 or ctypes.get_errno() != errno.EAGAIN:
            break
    _check(fd, path)
    return int(fd)


def _check(result: int, *names: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), *names[:1])
