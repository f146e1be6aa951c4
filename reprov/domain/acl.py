"""POSIX access lists as the kernel gives them: the value of the attributes system.posix_acl_access and _default."""

import struct
from collections.abc import Iterable
from enum import IntEnum
from typing import Final, NamedTuple

# linux/posix_acl_xattr.h: a version, then (tag, permissions, id) for each entry, all of it little-endian.
_VERSION_BYTES = 4
_ENTRY = struct.Struct("<HHI")


ACL_NAMES: Final = ("system.posix_acl_access", "system.posix_acl_default")
"""The attributes that are one."""


class AclTag(IntEnum):
    """Whom an entry is for, where that is somebody by name."""

    USER = 0x02
    GROUP = 0x08


NAMED: Final = frozenset(AclTag)


class AclEntry(NamedTuple):
    """One entry of an access list."""

    tag: int
    permissions: int
    id: int
    """Means something where the tag is one of `NAMED`."""


def read_acl(acl: bytes) -> list[AclEntry]:
    """The entries of an access list, in its order."""
    return [AclEntry(*fields) for fields in _ENTRY.iter_unpack(acl[_VERSION_BYTES:])]


def write_acl(acl: bytes, entries: Iterable[AclEntry]) -> bytes:
    """The same access list with these entries."""
    return acl[:_VERSION_BYTES] + b"".join(_ENTRY.pack(*entry) for entry in entries)
