"""Files of accounts that move, of every kind that there is, on a real filesystem."""

import os
import socket
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

from reprov.adapters.files import opened_directory
from reprov.adapters.mounts import read_mounts
from reprov.adapters.owners import CAPABILITY, find_owned
from reprov.domain.account_ids import AccountKind, MovedId
from reprov.domain.mounts import Mount
from reprov.domain.owner_change import FoundFiles, IdMoves, OwnerChange, WantedIds, find_changes
from reprov.domain.staying import Staying
from tests.builders import MTIME_NS
from tests.system.trees import CAP_NET_RAW

A, B, GROUP = 64045, 64046, 64047
"""Two accounts that exchange their ids, and a group that gets another one."""
NEW_GROUP = 64048
MOVED = [
    MovedId(AccountKind.USER, "a", A, B),
    MovedId(AccountKind.USER, "b", B, A),
    MovedId(AccountKind.GROUP, "g", GROUP, NEW_GROUP),
]
BACK = [item._replace(live_id=item.new_id, new_id=item.live_id) for item in MOVED]
"""The same accounts on a way back."""
EVIL = "-new\nline *?[x] \udce9"
ACL = "system.posix_acl_access"


def acl_naming(user: int, group: int) -> bytes:
    """An access list for a user and a group by name."""
    nobody = 0xFFFFFFFF
    entries = [(0x01, 7, nobody), (0x02, 7, user), (0x04, 5, nobody), (0x08, 5, group), (0x10, 7, nobody), (0x20, 5, nobody)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def fill(folder: Path, files: int = 30) -> None:
    """Make files of every kind in a directory of the node's, most of them of accounts that move."""

    def own(path: Path, uid: int, gid: int) -> None:
        os.chown(path, uid, gid, follow_symlinks=False)

    def file(name: str, uid: int, gid: int, mode: int = 0o644) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name.encode("utf-8", "surrogateescape").hex())
        own(path, uid, gid)
        path.chmod(mode)
        return path

    file("a", A, GROUP)
    file("b", B, 0)
    file("others", 1234, 1234)
    file("of-group", 0, GROUP, 0o2755)
    file("setuid", A, 0, 0o4755)
    file("setuid-and-setgid", B, GROUP, 0o6711)
    file("setgid-that-cannot-be-executed", A, GROUP, 0o2644)
    os.setxattr(file("capability", A, GROUP, 0o755), CAPABILITY, CAP_NET_RAW)
    os.setxattr(file("both", B, 0, 0o4755), CAPABILITY, CAP_NET_RAW)
    os.setxattr(file("acl", 0, 0), ACL, acl_naming(A, GROUP))
    os.setxattr(file("acl-and-setuid", A, 0, 0o4750), ACL, acl_naming(B, 5))
    os.setxattr(file("acl-of-others", 0, 0), ACL, acl_naming(1234, 1234))
    file(EVIL, A, A)
    file(f"{EVIL}.d/{EVIL}", B, GROUP)
    (folder / "twin").hardlink_to(file("twins/one", A, 0, 0o4755))
    for name, target in (("link", "others"), ("dangling", "nowhere"), ("away", "/etc")):
        (folder / name).symlink_to(target)
        own(folder / name, A, GROUP)
    os.mkfifo(folder / "fifo")
    own(folder / "fifo", A, 0)
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.open(folder, os.O_RDONLY)
        listening.bind(f"/proc/self/fd/{here}/socket")
        os.close(here)
    own(folder / "socket", B, GROUP)
    os.mknod(folder / "null", 0o20666, os.makedev(1, 3))
    own(folder / "null", A, 0)
    shared = folder / "shared"
    shared.mkdir()
    own(shared, B, GROUP)
    shared.chmod(0o3775)
    os.setxattr(shared, "system.posix_acl_default", acl_naming(A, GROUP))
    for number in range(files):
        file(f"many/{number}", A if number % 2 else B, GROUP if number % 3 else 0, 0o4711 if number % 5 == 0 else 0o600)
    for path in folder.rglob("*"):
        os.utime(path, ns=(MTIME_NS, MTIME_NS), follow_symlinks=False)


def found_in(
    root: Path, *tops: str, left_out: Iterable[str] = (), mounts: Iterable[Mount] | None = None, moved: Sequence[MovedId] = MOVED
) -> FoundFiles:
    """What a search below these directories finds."""
    with opened_directory(root) as root_fd:
        staying = Staying(tops, frozenset(left_out))
        return find_owned(root_fd, staying, read_mounts(root) if mounts is None else mounts, WantedIds.of(moved))


def changes_in(root: Path, *tops: str, moved: Sequence[MovedId] = MOVED) -> tuple[OwnerChange, ...]:
    """What the accounts that move mean for what is below these directories."""
    return find_changes(IdMoves.of(moved), found_in(root, *tops, moved=moved).owned)
