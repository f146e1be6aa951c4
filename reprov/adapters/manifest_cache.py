"""A manifest as columns: what a node keeps beside the mtree text of its installed release, because parsing that costs half a second.

One JSON line (format, digest of the manifest, sha256 of what follows, sizes, the rare fields), then native 64-bit integers
column by column, then paths, digests and link targets, each joined by NUL. Where a release has SELinux labels, one more column
counts into the list of its sets of attributes. A file that cannot be read is no cache.
"""

import hashlib
import json
import sys
from array import array
from collections.abc import Iterable
from functools import partial
from itertools import repeat
from pathlib import Path

from reprov.domain.entry import Entry, Kind, Xattrs
from reprov.domain.labels import label_in
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
    pool: dict[Xattrs, int] = {}
    if any(label_in(entry.xattrs) for entry in entries):
        numbers.extend([pool.setdefault(entry.xattrs, len(pool)) for entry in entries])
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
        "xattrs": {} if pool else {entry.path: _fields_of(entry.xattrs) for entry in entries if entry.xattrs},
        "sets": [_fields_of(xattrs) for xattrs in pool],
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
        sets = [_of_fields(fields) for fields in head.get("sets", ())]
        columns_count = 8 if sets else 7
        count, position = head["entries"], head["entries"] * numbers.itemsize * columns_count
        numbers.frombytes(body[:position])
        kinds, *columns = (numbers[start : start + count].tolist() for start in range(0, columns_count * count, count))
        xattrs: Iterable[Xattrs] = map(sets.__getitem__, columns.pop()) if sets else repeat(())
        texts = []
        for size_bytes in head["texts"]:
            texts.append(body[position : position + size_bytes].decode("utf-8", "surrogateescape").split("\0"))
            position += size_bytes
        paths, digests, targets = texts
        *numeric, groups = columns
        rows = zip(paths, map(_KINDS.__getitem__, kinds), *numeric, digests, targets, repeat((0, 0)), groups, xattrs, strict=False)
        entries = dict(zip(paths, map(_entry_of, rows), strict=True))
        for path, device in head["devices"].items():
            entries[path] = entries[path]._replace(device=(device[0], device[1]))
        for path, fields in head["xattrs"].items():
            entries[path] = entries[path]._replace(xattrs=_of_fields(fields))
        return Manifest(entries)
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def _fields_of(xattrs: Xattrs) -> list[list[str]]:
    return [[name, value.hex()] for name, value in xattrs]


def _of_fields(fields: Iterable[list[str]]) -> Xattrs:
    return tuple((name, bytes.fromhex(value)) for name, value in fields)
