"""A tree out of a parent and the upper directory of a real overlay: exactly what the overlay showed, and the parent untouched."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reprov.adapters.files import scan_tree
from reprov.adapters.overlay import materialise
from reprov.adapters.sandbox import sandbox
from reprov.domain.manifest import Manifest
from reprov.events import NullMonitor, Progress

pytestmark = [pytest.mark.commands, pytest.mark.system, pytest.mark.needs("unshare", "nsenter", "setfacl", "setcap")]

EVIL = "new\nline *?[x] \\ -dash"


def make_parent(top: Path) -> None:
    (top / "dir/sub").mkdir(parents=True)
    (top / "dir/sub/file").write_text("below\n")
    (top / "dir/plain").write_text("plain\n")
    (top / "one").write_text("linked\n")
    os.link(top / "one", top / "two")
    (top / "link").symlink_to("dir/plain")
    (top / EVIL).write_text("evil\n")
    (top / os.fsdecode(b"latin-\xe9")).write_text("x\n")
    shutil.copy("/bin/true", top / "tool")
    subprocess.run(("setcap", "cap_net_raw+ep", top / "tool"), check=True)
    subprocess.run(("setfacl", "-m", "u:8:r", top / "dir/plain"), check=True)
    subprocess.run(("setfacl", "-d", "-m", "u:8:r", top / "dir"), check=True)
    os.mkfifo(top / "fifo")


def nothing(root: Path) -> None:
    pass


def append_in_place(root: Path) -> None:
    with (root / "dir/plain").open("a") as file:
        file.write("more\n")


def remove(root: Path) -> None:
    (root / "dir/sub/file").unlink()
    (root / EVIL).unlink()
    shutil.rmtree(root / "dir")


def remake_directory(root: Path) -> None:
    shutil.rmtree(root / "dir")
    (root / "dir").mkdir(0o750)
    (root / "dir/new").write_text("new\n")


def change_types(root: Path) -> None:
    shutil.rmtree(root / "dir/sub")
    (root / "dir/sub").symlink_to("/etc")
    (root / "link").unlink()
    (root / "link").mkdir()
    (root / "link/inside").write_text("inside\n")
    (root / "fifo").unlink()
    (root / "fifo").write_text("a file now\n")


def change_metadata(root: Path) -> None:
    (root / "dir").chmod(0o711)
    os.chown(root / "dir/sub", 3, 4)
    os.setxattr(root / "tool", "user.colour", b"blue")
    os.utime(root / "dir/sub", ns=(5, 5))


def rename_and_link(root: Path) -> None:
    (root / "dir/plain").rename(root / "moved")
    (root / "fresh").write_text("fresh\n")
    os.link(root / "fresh", root / "dir/fresh-too")


def replace_link_group(root: Path) -> None:
    for name in ("one", "two"):
        (root / name).unlink()
    (root / "one").write_text("again\n")
    os.link(root / "one", root / "two")


CHANGES = [nothing, append_in_place, remove, remake_directory, change_types, change_metadata, rename_and_link, replace_link_group]


def materialise_change(top: Path, change: Callable[[Path], None], link_groups: dict[str, int] | None = None) -> tuple[Manifest, Path]:
    """What the overlay showed after the change, and the tree made of it."""
    for name in ("upper", "work", "root"):
        (top / name).mkdir()
    with sandbox() as box:
        box.mount_overlay(top / "parent", top / "upper", top / "work", top / "root")
        change(box.view(top / "root"))
        shown = scan_tree(box.view(top / "root"))
        box.unmount(top / "root")
    materialise(top / "parent", top / "upper", top / "tree", link_groups=link_groups, progress=Progress(NullMonitor(), "materialise"))
    return shown, top / "tree"


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.replace("_", " "))
def test_the_tree_is_what_the_overlay_showed(change: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "parent").mkdir()
    make_parent(tmp_path / "parent")
    before = scan_tree(tmp_path / "parent")
    shown, tree = materialise_change(tmp_path, change)
    assert scan_tree(tree) == shown
    assert scan_tree(tmp_path / "parent") == before
    marks = [name for path in [tree, *tree.rglob("*")] for name in os.listxattr(path, follow_symlinks=False) if "overlay" in name]
    assert marks == []


def test_a_file_that_came_again_unchanged_stays_the_parents(tmp_path: Path) -> None:
    (tmp_path / "parent").mkdir()
    make_parent(tmp_path / "parent")

    def unpack_again(root: Path) -> None:
        for name, text in (("again", "plain\n"), ("other", "PLAIN\n")):
            (root / name).write_text(text)
        (root / "again").replace(root / os.fsdecode(b"latin-\xe9"))
        (root / os.fsdecode(b"latin-\xe9")).write_text("x\n")
        (root / "other").replace(root / EVIL)

    _, tree = materialise_change(tmp_path, unpack_again)
    parent = tmp_path / "parent"
    assert (tree / os.fsdecode(b"latin-\xe9")).stat().st_ino == (parent / os.fsdecode(b"latin-\xe9")).stat().st_ino
    assert (tree / EVIL).read_text() == "PLAIN\n"
    assert (tree / EVIL).stat().st_ino != (parent / EVIL).stat().st_ino


def test_files_that_share_an_inode_only_in_the_store_are_two_again(tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    parent.mkdir()
    (parent / "a").write_text("same\n")
    for name in ("b", "true-1", "true-2"):
        os.link(parent / "a", parent / name)
    _, tree = materialise_change(tmp_path, nothing, {"true-1": 1, "true-2": 1})
    inodes = {name: (tree / name).stat().st_ino for name in ("a", "b", "true-1", "true-2")}
    assert inodes["true-1"] == inodes["true-2"]
    assert len(set(inodes.values())) == 3
    assert {(tree / name).read_text() for name in inodes} == {"same\n"}
    assert {(tree / name).stat().st_mtime_ns for name in inodes} == {(parent / "a").stat().st_mtime_ns}
