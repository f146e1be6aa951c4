"""Which files of all trees may be one inode: those of which nothing but the name could differ."""

import hashlib

from reprov.domain.entry import Entry

_METADATA_DIGITS = 32


def object_key(entry: Entry) -> str:
    """The name of a file's inode in the pool: equal for two files exactly when content, size, owner, mode, time and attributes are equal.

    It begins with the digest, so that files of the same content are found by name.

    Whether the file is a hard link in its own tree is not part of it: the manifest says that, not how the store saves space.
    """
    metadata = repr((entry.size, entry.mode, entry.uid, entry.gid, entry.mtime_ns, entry.xattrs)).encode("utf-8", "surrogateescape")
    return f"{entry.digest}.{hashlib.sha256(metadata).hexdigest()[:_METADATA_DIGITS]}"
