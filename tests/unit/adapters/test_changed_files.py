"""Files that are not what their package brought."""

import hashlib
import os
from pathlib import Path

import pytest

from reprov.adapters.changed_files import find_changed
from reprov.adapters.files import opened_directory
from reprov.domain.installed_files import Changed, Recorded
from reprov.events import NullMonitor, Progress

MD5 = hashlib.md5(b"as it came", usedforsecurity=False).hexdigest()
SHA = hashlib.sha256(b"as it came").hexdigest()


def changed(root: Path, *recorded: Recorded, are_conffiles: bool = True) -> tuple[list[Changed], list[str]]:
    unreadable: list[str] = []
    with opened_directory(root) as root_fd:
        progress = Progress(NullMonitor(), "changed")
        found = find_changed(root_fd, recorded, are_conffiles=are_conffiles, unreadable=unreadable, progress=progress)
    return found, unreadable


@pytest.mark.parametrize("digest", [pytest.param(MD5, id="dpkg's digest"), pytest.param(SHA, id="rpm's")])
def test_a_file_is_changed_when_its_content_is(tmp_path: Path, digest: str) -> None:
    (tmp_path / "same").write_bytes(b"as it came")
    (tmp_path / "edited").write_bytes(b"otherwise")
    os.utime(tmp_path / "edited", ns=(7, 7))
    found, _ = changed(tmp_path, Recorded("same", "p", digest), Recorded("edited", "p", digest))
    assert found == [Changed("edited", "p", True, False, 9, 7)]


def test_a_missing_configuration_file_was_removed(tmp_path: Path) -> None:
    assert changed(tmp_path, Recorded("gone", "p", MD5))[0] == [Changed("gone", "p", True, True, 0, 0)]


def test_another_missing_file_is_none_of_our_business(tmp_path: Path) -> None:
    assert changed(tmp_path, Recorded("usr/share/doc/x", "p", MD5), are_conffiles=False)[0] == []


def test_a_link_in_place_of_a_file_is_a_change_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"as it came")
    (tmp_path / "link").symlink_to("target")
    found, unreadable = changed(tmp_path, Recorded("link", "p", MD5))
    assert ([item.path for item in found], unreadable) == (["link"], [])


def test_what_lies_behind_a_link_is_said_to_be_unread(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/x").write_bytes(b"otherwise")
    (tmp_path / "link").symlink_to("real")
    assert changed(tmp_path, Recorded("link/x", "p", MD5)) == ([], ["link/x"])
