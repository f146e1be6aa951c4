"""A manifest as columns: what a node keeps beside the mtree text of its installed release, because parsing that costs half a second.

One JSON line (format, digest of the manifest, sha256 of what follows, sizes, the rare fields), then native 64-bit integers
column by column, then paths, digests and link targets, each joined by NUL. A file that cannot be read is no cache.
"""

import hashlib
import json
import sys
from array import array
from functools import partial
from itertools import repeat
from pathlib import Path

from reprov.domain.entry import Entry, Kind
from reprov.domain.manifest import Manifest

CACHE_FORMAT = 1
_KINDS = list(Kind)
_entry_of = partial(tuple.__new__, Entry)  # what `Entry._make` does, without a call of Python's for each of 80,000


def save(manifest: Manifest, file: Path, digest: str) -> None:
    """Write the cache of the manifest whose file has this sha256."""
    entries = list(manifest.entries.values())
    numbers = array("q")
    for column in (
        [_KINDS.index(entry.kind) for entry in entries],
        [entry.mode for entry in entries],
        [entry.uid for entry in entries],
        [entry.gid for entry in entries],
        [entry.mtime_ns for entry in entries],
        [entry.size for entry in entries],
        [entry.link_group for entry in entries],
    ):
        numbers.extend(column)
    texts = [
        "\0".join(column).encode("utf-8", "surrogateescape")
        for column in ([entry.path for entry in entries], [entry.digest for entry in entries], [entry.target for entry in entries])
    ]
    body = numbers.tobytes() + b"".join(texts)
    head = {
        "format": CACHE_FORMAT,
        "order": sys.byteorder,
        "manifest": digest,
        "body": hashlib.sha256(body).hexdigest(),
        "entries": len(entries),
        "texts": [len(text) for text in texts],
        "devices": {entry.path: entry.device for entry in entries if entry.device != (0, 0)},
        "xattrs": {entry.path: [[name, value.hex()] for name, value in entry.xattrs] for entry in entries if entry.xattrs},
    }
    temporary = file.with_name(file.name + ".new")
    temporary.write_bytes(json.dumps(head).encode() + b"\n" + body)
    temporary.replace(file)


def load(file: Path, digest: str) -> Manifest | None:
    """The manifest whose file has this sha256; None when it is not cached here, or the cache was damaged."""
    try:
        head_line, _, body = file.read_bytes().partition(b"\n")
        head = json.loads(head_line)
        if (head["format"], head["order"], head["manifest"]) != (CACHE_FORMAT, sys.byteorder, digest):
            return None
        if hashlib.sha256(body).hexdigest() != head["body"]:
            return None
        numbers = array("q")
        count, position = head["entries"], head["entries"] * numbers.itemsize * 7
        numbers.frombytes(body[:position])
        kinds, *columns = (numbers[start : start + count].tolist() for start in range(0, 7 * count, count))
        texts = []
        for size_bytes in head["texts"]:
            texts.append(body[position : position + size_bytes].decode("utf-8", "surrogateescape").split("\0"))
            position += size_bytes
        paths, digests, targets = texts
        *numeric, groups = columns
        rows = zip(paths, map(_KINDS.__getitem__, kinds), *numeric, digests, targets, repeat((0, 0)), groups, repeat(()), strict=False)
        entries = dict(zip(paths, map(_entry_of, rows), strict=True))
        for path, device in head["devices"].items():
            entries[path] = entries[path]._replace(device=(device[0], device[1]))
        for path, xattrs in head["xattrs"].items():
            entries[path] = entries[path]._replace(xattrs=tuple((name, bytes.fromhex(value)) for name, value in xattrs))
        return Manifest(entries)
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None
