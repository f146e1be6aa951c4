"""Every instant at which a process may be killed, by the kernel's own count: before each call that changes a filesystem.

The process is traced (ptrace(2)), so that nothing it does can be missed, whichever library does it, and so that it dies
between two instructions: no handler, no `finally` and no buffer of its own has a say. What the disks are before a call they
are after the one before it: between two stops nothing changes them. Programs that it starts are not traced.
"""

import ctypes
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from tests.system.hazard_lab import forked

IS_TRACEABLE: Final = os.uname().machine == "x86_64"

_TRACEME, _CONT, _SYSCALL, _SETOPTIONS, _GET_SYSCALL_INFO = 0, 7, 24, 0x4200, 0x420E
_SYSGOOD, _EXITKILL = 0x1, 0x100000
_SYSCALL_STOP: Final = signal.SIGTRAP | 0x80
_ENTRY: Final = 1

_CHANGING: Final = {
    **{74: "fsync", 75: "fdatasync", 162: "sync", 306: "syncfs", 165: "mount", 166: "umount2"},
    **{82: "rename", 264: "renameat", 316: "renameat2", 86: "link", 265: "linkat", 88: "symlink", 266: "symlinkat"},
    **{83: "mkdir", 258: "mkdirat", 84: "rmdir", 87: "unlink", 263: "unlinkat", 133: "mknod", 259: "mknodat", 76: "truncate"},
    **{90: "chmod", 91: "fchmod", 268: "fchmodat", 452: "fchmodat2", 92: "chown", 93: "fchown", 94: "lchown", 260: "fchownat"},
    **{188: "setxattr", 189: "lsetxattr", 190: "fsetxattr", 197: "removexattr", 198: "lremovexattr", 199: "fremovexattr"},
    **{132: "utime", 235: "utimes", 261: "futimesat", 280: "utimensat"},
}
"""Numbers of x86-64."""
_CHANGING_A_FILE: Final = {1: "write", 18: "pwrite64", 20: "writev", 40: "sendfile", 77: "ftruncate", 285: "fallocate"}
"""If their first argument is a file of the tree, and no terminal."""
_OPEN: Final = {2: ("open", 1), 257: ("openat", 2)}
"""With the index of the argument that says whether it makes or empties a file."""
_IOCTL: Final = 16
_CHANGING_IOCTLS: Final = {0x40049409: "FICLONE", 0x40086602: "FS_IOC_SETFLAGS", 0xC0045877: "FIFREEZE", 0xC0045878: "FITHAW"}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_libc.ptrace.restype = ctypes.c_long


class _SyscallInfo(ctypes.Structure):
    _fields_ = (
        ("op", ctypes.c_uint8),
        ("arch", ctypes.c_uint32),
        ("instruction", ctypes.c_uint64),
        ("stack", ctypes.c_uint64),
        ("number", ctypes.c_uint64),
        ("arguments", ctypes.c_uint64 * 6),
    )


class Stop(NamedTuple):
    """A call that has not happened yet."""

    number: int
    """From 1."""
    call: str


def count_from_here() -> None:
    """In the process that is traced: what follows counts."""
    os.kill(os.getpid(), signal.SIGSTOP)


def trace(action: Callable[[], object], tree: Path, at: Callable[[Stop], bool]) -> int:
    """Do something in a process of its own, and stop it before each call that changes a file; returns how it ended, as `subprocess` does.

    `at` looks at the disks meanwhile; the process is killed when it says so. Only calls after `count_from_here` count.
    """

    def traced() -> object:
        _ptrace(_TRACEME, 0)
        return action()

    child = forked(traced)
    count, counting = 0, False
    while True:
        _, status = os.waitpid(child, 0)
        if not os.WIFSTOPPED(status):
            return os.waitstatus_to_exitcode(status)
        stopped_by = os.WSTOPSIG(status)
        if stopped_by == signal.SIGSTOP and not counting:
            counting = True
            _ptrace(_SETOPTIONS, child, 0, _SYSGOOD | _EXITKILL)
        elif stopped_by != _SYSCALL_STOP:
            _ptrace(_SYSCALL if counting else _CONT, child, 0, stopped_by)  # a signal on its way
            continue
        elif call := _call_that_changes(child, os.fspath(tree)):
            count += 1
            if at(Stop(count, call)):
                os.kill(child, signal.SIGKILL)
                continue
        _ptrace(_SYSCALL, child)


def _call_that_changes(child: int, tree: str) -> str:
    """The name of the call that a process is about to make; "" for one that changes no file, or has been made."""
    info = _SyscallInfo()
    _ptrace(_GET_SYSCALL_INFO, child, ctypes.sizeof(info), ctypes.addressof(info))
    if info.op != _ENTRY:
        return ""
    number = info.number
    if number in _CHANGING:
        return _CHANGING[number]
    if number in _CHANGING_A_FILE:
        file = os.readlink(f"/proc/{child}/fd/{info.arguments[0] & 0xFFFFFFFF}")  # noqa: PTH115 - no Path for each call
        return _CHANGING_A_FILE[number] if file.startswith(tree + "/") else ""
    if number in _OPEN:
        name, flags = _OPEN[number]
        return name if info.arguments[flags] & (os.O_CREAT | os.O_TRUNC) else ""
    return _CHANGING_IOCTLS.get(info.arguments[1] & 0xFFFFFFFF, "") if number == _IOCTL else ""


def _ptrace(request: int, process: int, address: int = 0, data: int = 0) -> None:
    if _libc.ptrace(request, process, address, data) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace request {request:#x}: {os.strerror(ctypes.get_errno())}")
