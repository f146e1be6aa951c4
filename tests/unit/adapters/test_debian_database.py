"""Reading what a post-script is made of from a Debian tree."""

from functools import partial
from pathlib import Path

import pytest

from reprov.adapters.debian_database import read_debian_tree
from reprov.adapters.files import opened_directory, read_at
from reprov.adapters.package_tree import read_package_tree
from reprov.domain.debian_package import DebianTree, Directive, Trigger
from reprov.errors import InvalidInput

STATUS = """\
Package: libz
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Version: 1.2

Package: odd
Status: install ok installed
Architecture: all
Version: 1

Package: none
Status: install ok installed
Architecture: all
Version: 1
"""
INFO = {
    "libz:amd64.list": "/.\n/usr/lib/libz.so.1\n/usr/new\udcff\n",
    "libz:amd64.triggers": "activate-noawait ldconfig\n",
    "libz:amd64.postinst": "#!/bin/sh\r\n\udcff",
    "libz.postinst": "never this one\n",
    "libz:amd64.prerm": "nor this one\n",
    "odd.list": "",
    "none.postinst": "of a package without a list\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    info = tmp_path / "var/lib/dpkg/info"
    info.mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text(STATUS)
    for name, text in INFO.items():
        (info / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    return tmp_path


def read(tree: Path) -> DebianTree:
    found = read_package_tree(tree)
    assert isinstance(found, DebianTree)
    return found


def test_scripts_triggers_and_paths_to_the_byte(tree: Path) -> None:
    package = read(tree).packages["libz:amd64"]
    assert package.scripts == {"postinst": "#!/bin/sh\r\n\udcff"}
    assert package.triggers == (Trigger(Directive.ACTIVATE, "ldconfig"),)
    assert package.listed == ("/.", "/usr/lib/libz.so.1", "/usr/new\udcff")


def test_a_package_without_a_list_has_no_scripts(tree: Path) -> None:
    assert read(tree).packages["none:all"].scripts == {}


def test_a_tree_without_a_database_has_no_packages(tmp_path: Path) -> None:
    assert read(tmp_path) == DebianTree({})


def test_what_the_tree_is_not_known_to_have_is_not_read(tree: Path) -> None:
    known = {"var/lib/dpkg/status", "var/lib/dpkg/info/libz:amd64.list"}
    with opened_directory(tree) as tree_fd:
        found = read_debian_tree(partial(read_at, dir_fd=tree_fd), "tree", known)
    assert (found.packages["libz:amd64"].scripts, found.packages["libz:amd64"].triggers) == ({}, ())


def test_a_bad_triggers_file_is_named_by_line(tree: Path) -> None:
    (tree / "var/lib/dpkg/info/odd.triggers").write_text("\nwants it\n")
    with pytest.raises(InvalidInput) as raised:
        read(tree)
    assert raised.value.message == f"{tree}/var/lib/dpkg/info/odd.triggers:2: not a line of a triggers file: 'wants it'"


def test_nothing_is_read_through_a_symbolic_link(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "script"
    outside.write_text("of somebody else\n")
    (tree / "var/lib/dpkg/info/odd.postinst").symlink_to(outside)
    with pytest.raises(OSError, match="symbolic links"):
        read(tree)
