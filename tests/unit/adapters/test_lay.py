"""Laying a folder over a tree, and the client into it."""

import os
from pathlib import Path

import pytest

from reprov.adapters.lay import install_client, lay_files
from reprov.errors import InvalidInput


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    (folder / "etc/new.d").mkdir(parents=True)
    (folder / "etc/conf").write_text("ours\n")
    (folder / "etc/new.d/tool").write_text("#!/bin/sh\n")
    (folder / "etc/conf").chmod(0o664)
    (folder / "etc/new.d/tool").chmod(0o775)
    (folder / "etc/link").symlink_to("/nowhere")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc").chmod(0o700)
    return root


def test_files_links_and_directories_are_laid(source: Path, root: Path) -> None:
    lay_files(source, root)
    assert (root / "etc/conf").read_text() == "ours\n"
    assert (root / "etc/link").readlink() == Path("/nowhere")
    modes = {name: oct((root / name).stat().st_mode & 0o7777) for name in ("etc", "etc/conf", "etc/new.d", "etc/new.d/tool")}
    assert modes == {"etc": "0o700", "etc/conf": "0o644", "etc/new.d": "0o755", "etc/new.d/tool": "0o755"}


def test_what_a_hard_link_joins_is_not_written_through(source: Path, root: Path) -> None:
    (root / "other").write_text("theirs\n")
    os.link(root / "other", root / "etc/conf")
    lay_files(source, root)
    assert ((root / "other").read_text(), (root / "etc/conf").read_text()) == ("theirs\n", "ours\n")


def test_a_link_in_the_tree_is_replaced_and_not_followed(source: Path, root: Path) -> None:
    (root / "precious").write_text("keep\n")
    (root / "etc/conf").symlink_to(root / "precious")
    lay_files(source, root)
    assert (root / "precious").read_text() == "keep\n"
    assert not (root / "etc/conf").is_symlink()


def test_a_folder_where_the_tree_has_a_link_is_refused(tmp_path: Path, root: Path) -> None:
    (tmp_path / "files/lib").mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    with pytest.raises(InvalidInput) as caught:
        lay_files(tmp_path / "files", root)
    assert caught.value.message == f"{tmp_path}/files/lib: /lib is no directory in the tree, a link to usr/lib"


def test_a_file_where_the_tree_has_a_directory_is_refused(tmp_path: Path, root: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files/etc").write_text("x")
    with pytest.raises(InvalidInput) as caught:
        lay_files(tmp_path / "files", root)
    assert caught.value.message == f"{tmp_path}/files/etc: the tree has a directory there"


def test_a_role_without_files_lays_none(tmp_path: Path, root: Path) -> None:
    lay_files(tmp_path / "nothing", root)
    assert list(root.rglob("*")) == [root / "etc"]


def test_the_client_replaces_an_earlier_one_and_leaves_nothing_of_it(root: Path) -> None:
    package = root / "usr/lib/reprov/reprov"
    (package / "old/deep").mkdir(parents=True)
    (package / "old/deep/module.py").write_text("x = 1\n")
    compiled = package / "domain/__pycache__/plan.cpython-311.pyc", package / "old/__pycache__/module.cpython-311.pyc"
    for file in compiled:
        file.parent.mkdir(parents=True)
        file.write_bytes(b"compiled")
    install_client(root)
    install_client(root)
    assert not (package / "old").exists()
    assert (package / "domain/plan.py").is_file()
    assert (root / "usr/sbin/reprov").read_text().startswith("#!/usr/bin/python3 -IB\n")
    assert list(package.rglob("*.pyc")) == [compiled[0]], "what a build has compiled is shared with the versions built on it"
    assert not (package / "library").exists()
