"""The stat cache: what was saved comes back, and what cannot be believed is nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reprov.adapters.statcache import EMPTY, StatCache, load, save
from reprov.domain.entry import Entry, Kind
from reprov.domain.manifest import Manifest
from reprov.domain.scan import Signature
from tests.builders import a_dir, a_file, a_link, a_tree

BASE = Manifest(a_tree(a_file("usr/a", "1"), a_link("usr/l"), a_file("usr/b", "2", group=3)))
MINE = [
    a_file("usr/b", "other"),
    a_file("usr/\n *\udcff", "x")._replace(xattrs=(("security.capability", b"\0\xff"),)),
    a_file("usr/long ago", mtime_ns=-1),
    Entry("dev null", Kind.CHAR, 0o666, 0, 0, 1, device=(1, 3)),
]


def a_cache(*entries: Entry) -> StatCache:
    return StatCache(
        {entry.path: entry for entry in entries}, {entry.path: Signature(2**40, 7, number, 9) for number, entry in enumerate(entries)}
    )


KNOWN = a_cache(BASE.entries[""], BASE.entries["usr/a"], *MINE, BASE.entries["usr/l"])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "stat-cache"


@pytest.mark.parametrize("base", [BASE, None], ids=["against a release", "of a node without a release"])
def test_what_was_saved_comes_back(file: Path, base: Manifest | None) -> None:
    save(KNOWN, file, base, "digest")
    assert load(file, base, "digest") == KNOWN
    assert [item.name for item in file.parent.iterdir()] == ["stat-cache"]


def test_nothing_comes_back_as_nothing(file: Path) -> None:
    save(EMPTY, file, BASE, "digest")
    assert load(file, BASE, "digest") == EMPTY


def test_what_equals_the_release_comes_back_as_its_very_entry(file: Path) -> None:
    save(a_cache(a_file("usr/b", "2")), file, BASE, "digest")
    assert load(file, BASE, "digest").entries["usr/b"] is BASE.entries["usr/b"]


def test_a_cache_is_believed_only_against_the_release_it_was_saved_against(file: Path) -> None:
    save(KNOWN, file, BASE, "digest")
    assert load(file, BASE, "another") == EMPTY
    assert load(file, None, "digest") == EMPTY
    assert load(file.with_name("missing"), BASE, "digest") == EMPTY


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda raw: b"",
    "zeros": lambda raw: b"\0" * len(raw),
    "an earlier format": lambda raw: raw.replace(b'"format": 2', b'"format": 1', 1),
    "a later format": lambda raw: raw.replace(b'"format": 2', b'"format": 3', 1),
    "another byte order": lambda raw: raw.replace(b'"order": "', b'"order": "not', 1),
    "a head that is a list": lambda raw: b"[1]" + raw[raw.index(b"\n") :],
    "counts that are text": lambda raw: raw.replace(b'"clean": 3', b'"clean": "3"', 1),
    "too few signatures": lambda raw: raw.replace(b'"others": 4', b'"others": 5', 1),
    "too many signatures": lambda raw: raw.replace(b'"others": 4', b'"others": 3', 1),
    "a path that the release lacks": lambda raw: raw.replace(b"usr/a", b"usr/z", 1),
    "no UTF-8 where the manifest is": lambda raw: raw[:-3] + b"\xff\xff\n",
    "a line that is none": lambda raw: raw[:-1] + b" x\n",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_cache_is_an_empty_one(file: Path, damage: Callable[[bytes], bytes]) -> None:
    save(KNOWN, file, BASE, "digest")
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert file.read_bytes() != whole
    assert load(file, BASE, "digest") == EMPTY


def test_a_cache_that_is_cut_off_anywhere_is_an_empty_one(file: Path) -> None:
    save(KNOWN, file, BASE, "digest")
    whole = file.read_bytes()
    ends = [number for number, byte in enumerate(whole, start=1) if byte == ord("\n")][:-1]
    for size in (*range(0, len(whole), 23), *ends):
        file.write_bytes(whole[:size])
        assert load(file, BASE, "digest") == EMPTY, size


SIGNATURES = {
    "the largest inode number and device": Signature(2**64 - 1, 2**64 - 1, 1, 0),
    "an inode number that would be a negative one": Signature(7, 2**63 + 5, 1, 0),
    "a time before 1970": Signature(7, 8, -1, 0),
    "the earliest time and the largest file": Signature(7, 8, -(2**63), 2**63 - 1),
}


@pytest.mark.parametrize("signature", SIGNATURES.values(), ids=SIGNATURES)
def test_whatever_number_the_kernel_has_comes_back(file: Path, signature: Signature) -> None:
    cache = StatCache(BASE.entries, dict.fromkeys(BASE.entries, signature) | {"usr/l": Signature(1, 2, 3, 4)})
    save(cache, file, BASE, "digest")
    assert load(file, BASE, "digest") == cache


def test_directories_are_known_too(file: Path) -> None:
    cache = a_cache(a_dir("usr", 0o2775))
    save(cache, file, None, "")
    assert load(file, None, "") == cache
