"""What was known of every path when it was last read, with the signature that tells whether it still holds.

Two files of a node have this form: the cache of the live tree, which makes the next plan a matter of lstat calls, and the
record of the previous tree, which is checked before a rollback.

The file is one JSON line (format, digest of the base manifest, counts), the signatures as native 64-bit integers column by
column, the paths, and manifest text for those entries that are not the base manifest's. A cache that cannot be read is an
empty one.
"""

import json
import sys
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from reprov.domain.entry import Entry
from reprov.domain.manifest import Manifest, parse_entries
from reprov.domain.scan import Signature
from reprov.errors import InvalidInput

CACHE_FORMAT = 2
# Device and inode numbers use all 64 bits on some filesystems (bcachefs, btrfs, NFS); a ctime before 1970 is negative.
_COLUMNS = ("Q", "Q", "q", "q")
_signature_of = partial(tuple.__new__, Signature)  # what `Signature._make` does, without a call of Python's for each of 80,000


@dataclass(frozen=True, slots=True)
class StatCache:
    """Entries and signatures by path; both have the same keys."""

    entries: Mapping[str, Entry]
    signatures: Mapping[str, Signature]
    labels: bool = False
    """Whether SELinux labels are among the attributes of the entries."""


EMPTY = StatCache({}, {})


def save(cache: StatCache, file: Path, base: Manifest | None, base_digest: str) -> None:
    """Write a cache; entries that equal those of `base` cost a path and a signature only."""
    base_entries: Mapping[str, Entry] = base.entries if base else {}
    clean: list[str] = []
    others: list[str] = []
    for path, entry in cache.entries.items():
        known = base_entries.get(path)
        (clean if known is entry or (known is not None and known.equals(entry)) else others).append(path)
    columns = zip(*(cache.signatures[path] for path in (*clean, *others)), strict=True)
    numbers = [array(code, column) for code, column in zip(_COLUMNS, columns, strict=False)]  # no columns at all without rows
    head = {
        "format": CACHE_FORMAT,
        "order": sys.byteorder,
        "base": base_digest if base else "",
        "clean": len(clean),
        "others": len(others),
        "labels": cache.labels,
    }
    paths = "\0".join((*clean, *others)).encode("utf-8", "surrogateescape")
    text = Manifest({path: cache.entries[path] for path in others}).render()
    blocks = (json.dumps({**head, "paths_bytes": len(paths)}).encode(), b"\n", *map(bytes, numbers), paths, text.encode())
    temporary = file.with_name(file.name + ".new")
    with temporary.open("wb") as out:
        out.writelines(blocks)
    temporary.replace(file)


def load(file: Path, base: Manifest | None, base_digest: str) -> StatCache:
    """Read a cache that was saved against the same base; `EMPTY` when there is none, or it is another's or damaged."""
    try:
        raw = file.read_bytes()
        head_line, _, rest = raw.partition(b"\n")
        head = json.loads(head_line)
        if (head["format"], head["order"], head["base"]) != (CACHE_FORMAT, sys.byteorder, base_digest if base else ""):
            return EMPTY
        count = head["clean"] + head["others"]
        numbers = [array(code) for code in _COLUMNS]
        column_bytes = count * numbers[0].itemsize
        for index, column in enumerate(numbers):
            column.frombytes(rest[index * column_bytes : (index + 1) * column_bytes])
        numbers_bytes = len(numbers) * column_bytes
        paths_end = numbers_bytes + head["paths_bytes"]
        paths = rest[numbers_bytes:paths_end].decode("utf-8", "surrogateescape").split("\0") if count else []
        base_entries: Mapping[str, Entry] = base.entries if base else {}
        others = parse_entries(rest[paths_end:].decode(), str(file))
        if paths[head["clean"] :] != list(others):  # cut off between two lines
            return EMPTY
        clean = paths[: head["clean"]]
        known = dict(zip(clean, map(base_entries.__getitem__, clean), strict=True))
        known.update(others)
        signatures = dict(zip(paths, map(_signature_of, zip(*numbers, strict=True)), strict=True))
        return StatCache(known, signatures, bool(head.get("labels")))
    except (OSError, ValueError, KeyError, TypeError, InvalidInput):
        return EMPTY
