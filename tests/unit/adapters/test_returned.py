"""What is known of a tree that is no release, written down and read again."""

from pathlib import Path

import pytest

from reprov.adapters import returned
from reprov.adapters.returned import Returned
from reprov.domain.account_files import AccountFiles
from tests.builders import a_dir, a_file, a_link

NOTHING = Returned({}, AccountFiles())
ENTRIES = {entry.path: entry for entry in (a_dir("etc/d"), a_file("etc/d/new\nline \udcff", "x")._replace(uid=7), a_link("etc/l"))}
KNOWN = Returned(ENTRIES, AccountFiles(passwd=b"root:x:0:0::/:\n", shadow=b"root:\xff:1::::::\n"))


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    returned.save(KNOWN, tmp_path)
    assert returned.load(tmp_path) == KNOWN


def test_what_is_written_later_replaces_all_of_it(tmp_path: Path) -> None:
    returned.save(KNOWN, tmp_path)
    later = Returned({"etc/l": a_link("etc/l")}, AccountFiles(group=b"root:x:0:\n"))
    returned.save(later, tmp_path)
    assert returned.load(tmp_path) == later


def test_nothing_is_known_where_nothing_was_written_or_it_was_forgotten(tmp_path: Path) -> None:
    assert returned.load(tmp_path) == NOTHING
    returned.forget(tmp_path)
    returned.save(KNOWN, tmp_path)
    returned.forget(tmp_path)
    assert returned.load(tmp_path) == NOTHING
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", [b"", b"\xff", b"#mtree\nnonsense\n"])
def test_paths_that_cannot_be_read_are_not_known(tmp_path: Path, text: bytes) -> None:
    returned.save(KNOWN, tmp_path)
    (tmp_path / "returned/entries").write_bytes(text)
    assert returned.load(tmp_path) == Returned({}, KNOWN.accounts)
