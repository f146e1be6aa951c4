"""pristine.tar.gz: what is packed is what is read, and what is odd is refused."""

import gzip
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from reprov.adapters import pristine_archive
from reprov.adapters.files import opened_directory, scan_tree
from reprov.domain.entry import Entry
from reprov.errors import InvalidInput, ReprovError
from tests.builders import a_file

NAMES = ["a", "-rf", "new\nline", "sp ace", "\udcff\udcfe", "*?[x]", "ü" * 120, "d" * 90 + "/" + "e" * 90 + "/" + "f" * 90]


def packed(root: Path, entries: list[Entry] | None = None) -> bytes:
    with opened_directory(root) as root_fd:
        found = entries if entries is not None else list(scan_tree(root).entries.values())
        return pristine_archive.pack(found, root_fd=root_fd)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for number, name in enumerate(NAMES):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"content \0\xff" * number)
    (root / "link").symlink_to("a")
    os.link(root / "a", root / "other name of a")
    return root


def test_what_is_packed_is_what_is_read(tree: Path, tmp_path: Path) -> None:
    file = tmp_path / pristine_archive.NAME
    file.write_bytes(packed(tree))
    read = pristine_archive.read(file)
    assert dict(read) == {**{name: b"content \0\xff" * number for number, name in enumerate(NAMES)}, "other name of a": b""}
    assert len(read) == len(NAMES) + 1
    assert "link" not in read
    with pytest.raises(KeyError):
        read["link"]


def test_the_bytes_depend_on_paths_and_content_alone(tree: Path) -> None:
    before = packed(tree)
    for path in tree.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    (tree / "a").chmod(0o600)
    with opened_directory(tree) as root_fd:
        backwards = pristine_archive.pack(reversed(list(scan_tree(tree).entries.values())), root_fd=root_fd)
    assert packed(tree) == backwards == before


def test_other_tools_can_read_it(tree: Path, tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(packed(tree))) as archive:
        member = archive.getmember("a")
    assert (member.mode, member.uid, member.uname, member.mtime) == (0o600, 0, "", 0)


def test_an_archive_of_nothing(tmp_path: Path) -> None:
    file = tmp_path / "empty"
    file.write_bytes(packed(tmp_path, []))
    assert dict(pristine_archive.read(file)) == {}


def test_a_file_that_changed_since_it_was_scanned_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("new")
    with pytest.raises(ReprovError) as failed:
        packed(tmp_path, [a_file("f", "old")])
    assert failed.value.message == "/f changed while it was published"


def test_nothing_is_read_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "d").symlink_to("/etc")
    with pytest.raises(OSError):
        packed(tmp_path, [a_file("d/passwd")])


def tar_of(*members: tuple[str, bytes, bytes]) -> bytes:
    """A tar of (name, type, content)."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, kind, content in members:
            member = tarfile.TarInfo(name)
            member.type, member.size, member.linkname = kind, len(content), "/etc/shadow"
            archive.addfile(member, io.BytesIO(content))
    return written.getvalue()


FILE = ("f", tarfile.REGTYPE, b"x" * 2000)
WHOLE = tar_of(FILE)

BAD: dict[str, tuple[bytes, str]] = {
    "no archive": (b"hello", "Error -3 while decompressing data: incorrect header check"),
    "an empty file": (b"", "it is cut off, or something follows it"),
    "cut off": (gzip.compress(WHOLE)[:-9], "it is cut off, or something follows it"),
    "something behind it": (gzip.compress(WHOLE) + b"x", "it is cut off, or something follows it"),
    "a wrong checksum": (gzip.compress(WHOLE)[:-8] + b"\0" * 8, "Error -3 while decompressing data: incorrect data check"),
    "no tar in it": (gzip.compress(b"hello" * 200), "invalid header"),
    "a tar that is cut off": (gzip.compress(WHOLE[:1000]), "/f is cut off"),
    "something between the files": (gzip.compress(WHOLE[:2560] + b"x" * 512 + WHOLE), "something follows its last file"),
    "a symlink": (gzip.compress(tar_of(("l", tarfile.SYMTYPE, b""))), "/l is no regular file"),
    "a hard link": (gzip.compress(tar_of(FILE, ("l", tarfile.LNKTYPE, b""))), "/l is no regular file"),
    "a device": (gzip.compress(tar_of(("n", tarfile.CHRTYPE, b""))), "/n is no regular file"),
    "a directory": (gzip.compress(tar_of(("d", tarfile.DIRTYPE, b""))), "/d is no regular file"),
    "a path twice": (gzip.compress(tar_of(FILE, FILE)), "/f is there twice"),
    "an absolute path": (gzip.compress(tar_of(("/etc/f", tarfile.REGTYPE, b""))), "//etc/f is not a path inside a tree"),
    "a path that leads out": (gzip.compress(tar_of(("a/../../f", tarfile.REGTYPE, b""))), "/a/../../f is not a path inside a tree"),
}


@pytest.mark.parametrize(("content", "problem"), BAD.values(), ids=BAD)
def test_what_is_not_the_content_of_a_release_is_refused(content: bytes, problem: str, tmp_path: Path) -> None:
    file = tmp_path / pristine_archive.NAME
    file.write_bytes(content)
    with pytest.raises(InvalidInput) as refused:
        pristine_archive.read(file)
    assert refused.value.message == f"{file}: not the content of a release ({problem})"


def test_a_missing_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"not the content of a release .*No such file"):
        pristine_archive.read(tmp_path / "none")


@pytest.mark.parametrize("make", [lambda size: WHOLE + b"\0" * (size - len(WHOLE)), lambda size: b"\0" * size], ids=["a tar", "zeros"])
def test_a_small_file_that_unpacks_to_a_large_one_is_refused_before_it_does(make: Callable[[int], bytes], tmp_path: Path) -> None:
    file = tmp_path / pristine_archive.NAME
    file.write_bytes(gzip.compress(make(1 << 20)))
    with pytest.raises(InvalidInput) as refused:
        pristine_archive.read(file, largest_bytes=(1 << 20) - 1)
    assert refused.value.message == f"{file}: not the content of a release (it unpacks to more than 1048575 bytes)"
