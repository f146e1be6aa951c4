"""What a tree says about itself."""

import pytest

from reprov.domain.entry import Entry, Kind
from reprov.domain.tree import family_of, machine_of, problems_of, real_path


def tree(*directories: str, files: tuple[str, ...] = (), sockets: tuple[str, ...] = (), **links: str) -> dict[str, Entry]:
    """Entries by path; a link is `a__b="target"` for a/b."""
    found = {path: Entry(path, Kind.DIR, 0o755, 0, 0, 0) for path in ("", *directories)}
    found |= {path: Entry(path, Kind.FILE, 0o644, 0, 0, 0) for path in files}
    found |= {path: Entry(path, Kind.SOCKET, 0o644, 0, 0, 0) for path in sockets}
    names = {name.replace("__", "/"): target for name, target in links.items()}
    return found | {path: Entry(path, Kind.LINK, 0o777, 0, 0, 0, target=target) for path, target in names.items()}


MERGED = tree("usr", "usr/bin", "etc", files=("usr/bin/dash", "usr/os"), bin="usr/bin", usr__bin__sh="dash", etc__os="../usr/os")
LINKS = tree("a", "a/b", files=("a/b/file",), up="a/b/../b/file", absolute="/a/b", loop="loop", out="../../../a", dangling="nowhere")


@pytest.mark.parametrize(
    ("entries", "path", "real"),
    [
        pytest.param(MERGED, "bin/sh", "usr/bin/dash", id="a linked directory, then a linked file"),
        pytest.param(MERGED, "etc/os", "usr/os", id="a link to the directory above"),
        pytest.param(MERGED, "usr/bin/dash", "usr/bin/dash", id="no link at all"),
        pytest.param(LINKS, "up", "a/b/file", id="dots inside a target"),
        pytest.param(LINKS, "absolute/file", "a/b/file", id="an absolute target starts at the tree's root"),
        pytest.param(LINKS, "out/b/file", "a/b/file", id="no target leads out of the tree"),
        pytest.param(LINKS, "loop", None, id="a loop leads nowhere"),
        pytest.param(LINKS, "loop/file", None, id="nor does what lies in it"),
        pytest.param(LINKS, "dangling", None, id="a dangling link leads nowhere"),
        pytest.param(LINKS, "a/missing", None, id="a missing name is nowhere"),
        pytest.param(LINKS, "a/b/file/x", None, id="a file holds nothing"),
    ],
)
def test_real_path(entries: dict[str, Entry], path: str, real: str | None) -> None:
    assert real_path(entries, path) == real


@pytest.mark.parametrize(
    ("text", "family"),
    [
        pytest.param("ID=debian\n", "debian", id="Debian"),
        pytest.param('NAME="x"\nID=mint\nID_LIKE="ubuntu debian"\n', "debian", id="a derivative by ID_LIKE"),
        pytest.param('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "rpm", id="quoted values"),
        pytest.param("ID=gentoo\n", None, id="neither family"),
        pytest.param("VERSION_ID=debian\n", None, id="another key that ends in ID"),
    ],
)
def test_family(text: str, family: str | None) -> None:
    assert family_of(text) == family


@pytest.mark.parametrize(
    ("header", "machine"),
    [
        pytest.param(b"\x7fELF\x02\x01" + bytes(12) + b"\x3e\x00", "x86_64", id="little endian"),
        pytest.param(b"\x7fELF\x02\x02" + bytes(12) + b"\x00\x16", "s390x", id="big endian"),
        pytest.param(b"\x7fELF\x02\x01" + bytes(12) + b"\xb7\x00", "aarch64", id="arm"),
        pytest.param(b"\x7fELF\x02\x01" + bytes(12) + b"\xfe\x00", None, id="an unknown machine"),
        pytest.param(b"#!/bin/sh\n" + bytes(20), None, id="a script"),
        pytest.param(b"\x7fELF", None, id="a cut off file"),
    ],
)
def test_machine(header: bytes, machine: str | None) -> None:
    assert machine_of(header) == machine


def test_a_root_has_no_problems() -> None:
    os_release = MERGED["usr/os"]._replace(path="etc/os-release")
    assert problems_of(MERGED | {os_release.path: os_release}) == ()


def test_an_account_file_is_a_file() -> None:
    """A node merges the entries of its own with the entries of a release."""
    root = MERGED | tree(files=("etc/os-release",), etc__passwd="elsewhere", etc__group="elsewhere")
    assert problems_of(root) == ("/etc/passwd is a link, not a file", "/etc/group is a link, not a file")


def test_problems_are_named_by_path() -> None:
    assert problems_of(tree("usr", sockets=("usr/x\n",))) == (
        "/usr/x\\n is a socket",
        "/bin/sh is missing",
        "/etc is missing",
        "neither /etc/os-release nor /usr/lib/os-release is there",
    )
