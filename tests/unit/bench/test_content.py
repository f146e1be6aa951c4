"""What two trees differ in, what a store grew by, and which paths are watched."""

from pathlib import Path

import pytest

from bench.content import Inode, evenly, find_change, find_growth, inodes_of
from reprov.domain.entry import Entry, Kind


def file(path: str, content: str, *, mtime_ns: int = 1, size: int = 5000) -> Entry:
    return Entry(path, Kind.FILE, 0o644, 0, 0, mtime_ns, size, content)


def tree(*entries: Entry) -> dict[str, Entry]:
    return {entry.path: entry for entry in (Entry("", Kind.DIR, 0o755, 0, 0, 1), *entries)}


OLD = tree(file("same", "a"), file("touched", "b"), file("moved", "c"))


@pytest.mark.parametrize(
    ("new", "missing", "changed"),
    [
        pytest.param(OLD, 0, 0, id="nothing"),
        pytest.param(tree(file("elsewhere", "c")), 0, 0, id="a file under another name is neither missing nor stored again"),
        pytest.param(tree(file("touched", "b", mtime_ns=2)), 0, 5000, id="a new time is content that the node has, and another inode"),
        pytest.param(tree(file("one", "n"), file("two", "n")), 5000, 5000, id="new content in two places counts once"),
    ],
)
def test_a_change_weighs_what_is_missing_and_what_the_store_must_add(new: dict[str, Entry], missing: int, changed: int) -> None:
    change = find_change(OLD, new, changed_paths=3, release_bytes=7)
    assert (change.missing_bytes, change.changed_bytes) == (missing, changed)
    assert change.changed_disk_bytes == (8192 if changed else 0)
    assert (change.paths, change.directories, change.changed_paths, change.release_bytes) == (len(new), 1, 3, 7)


def test_growth_is_told_apart_by_what_grew() -> None:
    before = {1: Inode(4096, 4096, True, False), 2: Inode(10, 4096, False, True)}
    after = {
        **before,
        1: Inode(8192, 8192, True, False),
        3: Inode(5000, 8192, False, True),
        4: Inode(4096, 4096, True, False),
        5: Inode(100, 4096, False, False),
    }
    growth = find_growth(before, after)
    assert (growth.content_bytes, growth.disk_bytes) == (5000, 8192)
    assert (growth.directories, growth.directory_bytes) == (1, 4096)
    assert growth.other_bytes == 4096
    assert growth.du_bytes == 8192 + 4096 + 4096 + 4096


def test_a_file_of_a_tree_is_content_although_the_pool_has_it_too(tmp_path: Path) -> None:
    for name in ("trees", "pool", "releases"):
        (tmp_path / name).mkdir()
    (tmp_path / "trees/file").write_bytes(b"12345")
    (tmp_path / "pool/object").hardlink_to(tmp_path / "trees/file")
    (tmp_path / "releases/release.json").write_bytes(b"{}")
    files = [inode for inode in inodes_of(tmp_path).values() if not inode.is_directory]
    assert sorted((inode.size_bytes, inode.is_content) for inode in files) == [(2, False), (5, True)]


def test_evenly_takes_first_and_last() -> None:
    paths = [str(number) for number in range(100)]
    assert evenly(paths, 4) == ["0", "33", "66", "99"]
    assert evenly(paths[:3], 4) == ["0", "1", "2"]
