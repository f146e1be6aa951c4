"""Laying trees down: what is linked, what is copied, and that nothing is lost on the way."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from reprov.adapters.files import opened_directory, scan_tree
from reprov.adapters.place import Placed, place_tree
from reprov.adapters.pool import Pool, sweep
from reprov.adapters.store import Store
from reprov.domain.manifest import Manifest
from reprov.errors import ReprovError
from reprov.events import NullMonitor, Progress
from tests.small_root import MTIME_NS, make_root, settle


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    """An empty store."""
    yield Store.created(tmp_path / "store").root


def place(source: Path, store: Path, name: str, *, manifest: Manifest | None = None, linkable: bool = False) -> tuple[Path, Placed]:
    """Place a tree and put what is new into the pool."""
    target = store / name
    target.mkdir()
    with opened_directory(source) as source_fd, opened_directory(target) as target_fd, opened_directory(store) as store_fd:
        pool = Pool(store_fd)
        progress = Progress(NullMonitor(), "place")
        placed = place_tree(manifest or scan_tree(source), source_fd, target_fd, pool, linkable=linkable, progress=progress)
        for key, path in placed.objects.items():
            pool.take(key, path, dir_fd=target_fd)
    return target, placed


def without_groups(manifest: Manifest) -> list[object]:
    return [entry._replace(link_group=0) for entry in manifest.entries.values()]


def test_a_placed_tree_is_the_source_and_the_source_stays(tmp_path: Path, store: Path) -> None:
    source = make_root(tmp_path / "tree")
    (source / "usr/lib/odd\n\udcff -*").write_bytes(b"odd")
    os.mkfifo(source / "fifo")
    before = scan_tree(source)
    target, _ = place(source, store, "one")
    assert scan_tree(source) == before
    assert without_groups(scan_tree(target)) == without_groups(before)


def test_the_second_tree_brings_only_what_differs(tmp_path: Path, store: Path) -> None:
    place(make_root(tmp_path / "old"), store, "one")
    _, placed = place(make_root(tmp_path / "new", unit="[Service]\nNice=1\n"), store, "two")
    assert [*placed.objects.values()] == ["usr/lib/systemd/system/demo.service"]
    assert placed.new_bytes == len("[Service]\nNice=1\n")


def test_same_content_with_other_metadata_is_another_inode(tmp_path: Path, store: Path) -> None:
    one, _ = place(make_root(tmp_path / "old"), store, "one")
    changed = make_root(tmp_path / "new")
    (changed / "usr/lib/libz.so.1").chmod(0o600)
    two, _ = place(changed, store, "two")
    assert not (one / "usr/lib/libz.so.1").samefile(two / "usr/lib/libz.so.1")
    assert (one / "usr/share/doc/readme").samefile(two / "usr/share/doc/readme")


def test_twins_in_one_tree_share_an_inode_but_are_no_link_group(tmp_path: Path, store: Path) -> None:
    source = make_root(tmp_path / "tree")
    (source / "usr/share/doc/twin").write_bytes((source / "usr/share/doc/readme").read_bytes())
    settle(source)
    manifest = scan_tree(source)
    target, _ = place(source, store, "one", manifest=manifest)
    assert (target / "usr/share/doc/twin").samefile(target / "usr/share/doc/readme")
    assert manifest.entries["usr/share/doc/twin"].link_group == 0
    assert manifest.entries["usr/bin/ash"].link_group == manifest.entries["usr/bin/sh"].link_group != 0


def test_a_full_inode_is_succeeded_by_a_copy(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = place(make_root(tmp_path / "old"), store, "one")
    really = os.link
    limit = 3  # the pool's name, the first tree's, and one more

    def link(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int, follow_symlinks: bool) -> None:
        if os.stat(source, dir_fd=src_dir_fd, follow_symlinks=False).st_nlink >= limit:
            raise OSError(errno.EMLINK, os.strerror(errno.EMLINK), source)
        really(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, follow_symlinks=follow_symlinks)

    sources = [make_root(tmp_path / f"tree{number}") for number in range(3)]
    monkeypatch.setattr(os, "link", link)
    trees = [one, *(place(source, store, f"to-{source.name}")[0] for source in sources)]
    inodes = [(tree / "usr/share/doc/readme").stat().st_ino for tree in trees]
    assert inodes == [inodes[0], inodes[0], inodes[2], inodes[2]]
    assert inodes[0] != inodes[2]
    assert [(tree / "usr/share/doc/readme").read_bytes() for tree in trees] == [b"always the same\n"] * 4


def test_an_altered_object_is_not_given_to_a_new_tree(tmp_path: Path, store: Path) -> None:
    one, _ = place(make_root(tmp_path / "old"), store, "one")
    (one / "usr/share/doc/readme").write_bytes(b"sometimes else\n")
    two, placed = place(make_root(tmp_path / "new"), store, "two")
    three, _ = place(make_root(tmp_path / "newer"), store, "three")
    assert (two / "usr/share/doc/readme").read_bytes() == b"always the same\n"
    assert (two / "usr/share/doc/readme").samefile(three / "usr/share/doc/readme")
    assert [*placed.objects.values()] == ["usr/share/doc/readme"]


def test_a_cut_off_object_with_its_old_time_is_not_given_either(tmp_path: Path, store: Path) -> None:
    one, _ = place(make_root(tmp_path / "old"), store, "one")
    os.truncate(one / "usr/share/doc/readme", 3)
    os.utime(one / "usr/share/doc/readme", ns=(MTIME_NS, MTIME_NS))
    two, _ = place(make_root(tmp_path / "new"), store, "two")
    assert (two / "usr/share/doc/readme").read_bytes() == b"always the same\n"


def test_files_of_a_consumed_tree_are_linked(tmp_path: Path, store: Path) -> None:
    source = make_root(tmp_path / "tree")
    target, _ = place(source, store, "one", linkable=True)
    assert (target / "usr/lib/libz.so.1").samefile(source / "usr/lib/libz.so.1")


def test_holes_stay_holes(tmp_path: Path, store: Path) -> None:
    source = make_root(tmp_path / "tree")
    with (source / "usr/sparse").open("wb") as file:
        file.seek(8 << 20)
        file.write(b"data")
        file.truncate(16 << 20)
    target, _ = place(source, store, "one")
    assert (target / "usr/sparse").stat().st_size == 16 << 20
    assert (target / "usr/sparse").stat().st_blocks * 512 < 1 << 20


@pytest.mark.parametrize("content", [pytest.param(b"always the name\n", id="other content"), pytest.param(b"", id="nothing left")])
def test_a_file_that_changed_after_the_scan_is_refused(tmp_path: Path, store: Path, content: bytes) -> None:
    source = make_root(tmp_path / "tree")
    manifest = scan_tree(source)
    (source / "usr/share/doc/readme").write_bytes(content)
    with pytest.raises(ReprovError, match=r"^/usr/share/doc/readme changed while it was published$"):
        place(source, store, "one", manifest=manifest)


def test_sweeping_takes_what_no_tree_has(tmp_path: Path, store: Path) -> None:
    one, _ = place(make_root(tmp_path / "old"), store, "one")
    assert sweep(store) == 0
    (one / "usr/lib/libz.so.1").unlink()
    assert sweep(store) == 8192
    assert sweep(store) == 0
