"""Surveying a live tree: what is entered, what is only recorded, whose it is; and that tests/builders.py predicts the same."""

import os
import socket
import time
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from reprov.adapters.files import opened_directory, read_entry, scan_tree
from reprov.adapters.statcache import EMPTY, StatCache
from reprov.adapters.survey import NO_PROMISES, is_unchanged, survey
from reprov.domain.entry import Entry
from reprov.domain.ownership import Owner, Promises, Verdict
from reprov.domain.scan import Scan
from tests.builders import a_dir, a_file, a_tree, owning, scan_of

LISTS = owning(b"/etc/keys/\n/srv/db/\n/etc/hostname\n", b"/var/\n")
PROMISED = Promises([owning(b"/usr/earlier\n/usr/bin/a\n")])
TARGET = a_tree(a_file("usr/bin/a", "1"), a_file("srv/db/new"), a_file("var/lib/x"), a_dir("etc"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A live tree with something of everybody's."""
    for name in ("usr/bin/a", "usr/earlier", "usr/old", "etc/keys/k", "etc/hostname", "var/lib/x", "var/log/deep/y", ".reprov/staged/z"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "usr/hard").hardlink_to(tmp_path / "usr/old")
    (tmp_path / "srv").mkdir()
    (tmp_path / "srv/db").symlink_to("/data/db")
    (tmp_path / "mnt/in").mkdir(parents=True)
    return tmp_path


def surveyed(root: Path, *, cache: StatCache = EMPTY, promised: Promises = PROMISED, base: Collection[str] = ()) -> Scan:
    with opened_directory(root) as fd:
        return survey(fd, TARGET, LISTS, volumes=["var"], fences=["mnt"], cache=cache, promised=promised, base=base)


def test_whose_everything_is(root: Path) -> None:
    owners = {path: verdict.owner for path, verdict in surveyed(root).verdicts.items()}
    assert owners == {
        **dict.fromkeys(["etc/keys", "etc/hostname", "srv/db", "usr/earlier"], Owner.KEEP),
        **dict.fromkeys(["var", "var/lib", "var/lib/x", "var/log"], Owner.ADD_ONLY),
    }


def test_what_is_the_nodes_is_recorded_and_neither_entered_nor_read(root: Path) -> None:
    scan = surveyed(root)
    assert {"etc/keys/k", "var/log/deep", "mnt/in", ".reprov"}.isdisjoint(scan.entries)
    assert scan.entries["etc/hostname"].digest == ""
    assert (scan.volumes, scan.fenced) == (("", "var"), frozenset({"mnt"}))


@pytest.mark.parametrize("base", [(), ("old",)], ids=["without a release before", "with one"])
def test_the_builders_predict_a_survey(root: Path, base: tuple[str, ...]) -> None:
    for name in ("data/x", "old/x"):
        (root / name).parent.mkdir()
        (root / name).write_text(name)
    live = {path: entry for path, entry in scan_tree(root).entries.items() if not path.startswith(".reprov")}
    expected = scan_of(live, LISTS, TARGET, volumes=["var"], fenced=["mnt"], promised=PROMISED, base=base)
    found = surveyed(root, base=base)
    assert found.verdicts == expected.verdicts
    assert {path: told(entry) for path, entry in found.entries.items()} == {path: told(entry) for path, entry in expected.entries.items()}
    assert (found.volumes, found.fenced) == (expected.volumes, expected.fenced)


def told(entry: Entry) -> Entry:
    """An entry without what the test's own directory decides: the root's time moves with every run."""
    return entry._replace(mtime_ns=0) if not entry.path else entry


def test_a_promise_of_the_installed_release_holds_only_where_the_next_one_has_nothing(root: Path) -> None:
    assert "usr/bin/a" not in surveyed(root).verdicts
    assert "usr/earlier" not in surveyed(root, promised=NO_PROMISES).verdicts


def test_sockets_and_fifos_are_the_nodes(root: Path) -> None:
    os.mkfifo(root / "usr/fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(root / "usr")  # the name of a socket is at most 107 bytes
        try:
            listening.bind("socket")
        finally:
            os.chdir(here)
        verdicts = surveyed(root).verdicts
    assert [verdicts[path].owner for path in ("usr/fifo", "usr/socket")] == [Owner.KEEP, Owner.KEEP]


TIB = 1 << 40


@pytest.fixture
def digested(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that a survey reads, none of which is read."""
    paths: list[str] = []

    def digest(path: str, *, dir_fd: int) -> str:
        paths.append(path)
        return "read"

    monkeypatch.setattr("reprov.adapters.survey.digest_at", digest)
    return paths


def test_a_name_in_the_root_directory_that_no_release_brought_is_neither_entered_nor_read(root: Path, digested: list[str]) -> None:
    with (root / "disk.img").open("wb") as image:
        image.truncate(TIB)
    (root / "data/deep").mkdir(parents=True)
    (root / "data/deep/x").write_text("x")
    (root / "lib").symlink_to("data")
    scan = surveyed(root)
    assert {scan.verdicts[path] for path in ("data", "disk.img", "lib")} == {Verdict(Owner.KEEP, None)}
    assert (scan.entries["disk.img"].size, scan.entries["disk.img"].digest) == (TIB, "")
    assert "data/deep" not in scan.entries
    assert digested and all(path.startswith("usr/") for path in digested)


def test_one_that_the_installed_release_brought_is_looked_at_like_any_other(root: Path, digested: list[str]) -> None:
    (root / "old").mkdir()
    (root / "old/x").write_text("x")
    scan = surveyed(root, base=["", "old"])
    assert not {"old", "old/x"} & scan.verdicts.keys()
    assert "old/x" in digested


def test_one_that_the_target_has_as_something_else_is_no_strangers(tmp_path: Path, digested: list[str]) -> None:
    (tmp_path / "usr").write_text("a file")
    assert "usr" not in surveyed(tmp_path).verdicts
    assert digested == ["usr"]


def test_one_that_a_list_names_is_kept_by_that_list(root: Path) -> None:
    (root / "promised").mkdir()
    promised = Promises([owning(b"/promised/\n")])
    rule = surveyed(root, promised=promised).verdicts["promised"].rule
    assert rule is not None and rule.pattern == "/promised/"


def test_one_that_a_managed_filesystem_is_mounted_on_is_entered(root: Path) -> None:
    (root / "boot/grub").mkdir(parents=True)
    with opened_directory(root) as fd:
        scan = survey(fd, TARGET, LISTS, volumes=["boot"], fences=["mnt"], cache=EMPTY)
    assert "boot/grub" in scan.entries and "boot" not in scan.verdicts


def test_what_the_cache_knows_is_not_read_again(root: Path) -> None:
    first = surveyed(root)
    known = first.entries["usr/old"]._replace(digest="remembered")
    again = surveyed(root, cache=StatCache({"usr/old": known}, {"usr/old": first.signatures["usr/old"]}))
    assert again.entries["usr/old"] is known
    (root / "usr/old").write_text("changed!")
    third = surveyed(root, cache=StatCache({"usr/old": known}, {"usr/old": first.signatures["usr/old"]}))
    assert third.entries["usr/old"].digest not in ("", "remembered", first.entries["usr/old"].digest)


def test_names_of_one_file_have_one_inode(root: Path) -> None:
    scan = surveyed(root)
    assert scan.signatures["usr/old"] == scan.signatures["usr/hard"]


def test_what_goes_while_it_is_looked_at_was_never_there(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(path: str, status: os.stat_result, name: str, *, dir_fd: int, digest: str = "", labels: bool = False) -> Entry:
        if path in ("etc/hostname", "usr/old"):
            raise FileNotFoundError(name)
        return read_entry(path, status, name, dir_fd=dir_fd, digest=digest, labels=labels)

    monkeypatch.setattr("reprov.adapters.survey.read_entry", read)
    found = surveyed(root)
    assert not {"etc/hostname", "usr/old"} & (found.entries.keys() | found.signatures.keys() | found.verdicts.keys())
    assert "usr/bin/a" in found.entries


LINKED = ("usr/bin/a", "usr/old")


def replaced(file: Path) -> None:
    """As dpkg and editors do it: another inode under the name."""
    other = file.with_name("other")
    other.write_text("other")
    other.replace(file)


def written_into(file: Path) -> None:
    with file.open("a") as out:
        out.write("more")


def came_and_went(root: Path) -> None:
    (root / "usr/bin/b").write_text("b")
    (root / "usr/bin/b").unlink()


def became_a_link(root: Path) -> None:
    (root / "etc/hostname").unlink()
    (root / "etc/hostname").symlink_to("/elsewhere")


SINCE: dict[str, tuple[Callable[[Path], object], bool]] = {
    "nothing": (lambda root: None, True),
    "what is written into a linked file is in both trees": (lambda root: written_into(root / "usr/bin/a"), True),
    "what is written into another file is not": (lambda root: written_into(root / "etc/conf"), False),
    "a linked file was replaced": (lambda root: replaced(root / "usr/bin/a"), False),
    "a file came": (lambda root: (root / "usr/bin/b").write_text("b"), False),
    "a file went": (lambda root: (root / "usr/bin/a").unlink(), False),
    "a directory came": (lambda root: (root / "etc/new").mkdir(), False),
    "a file came and went, as in a probe": (came_and_went, True),
    "the mode of a directory changed": (lambda root: (root / "usr/bin").chmod(0o700), False),
    "the mode of a file changed": (lambda root: (root / "etc/conf").chmod(0o600), False),
    "something of the node's changed": (lambda root: written_into(root / "etc/hostname"), True),
    "something came into a directory of the node's": (lambda root: (root / "etc/keys/new").write_text("k"), True),
    "something of the node's went": (lambda root: (root / "etc/hostname").unlink(), False),
    "something of the node's became a link": (became_a_link, False),
}


@pytest.mark.parametrize(("change", "unchanged"), SINCE.values(), ids=SINCE)
def test_a_second_look_sees_what_would_be_lost(root: Path, change: Callable[[Path], object], unchanged: bool) -> None:
    (root / "etc/conf").write_text("conf")
    time.sleep(0.03)  # the clock that stamps ctimes must have moved on
    scanned_at_ns = time.time_ns()
    scan = surveyed(root)
    time.sleep(0.03)
    change(root)
    with opened_directory(root) as fd:
        assert is_unchanged(fd, scan, LINKED, scanned_at_ns=scanned_at_ns) is unchanged


def test_what_changed_in_the_instant_of_the_scan_is_looked_at_in_full(root: Path) -> None:
    written_into(root / "usr/earlier")
    (root / "etc/conf").write_text("conf")
    scan = surveyed(root)
    with opened_directory(root) as fd:
        assert not is_unchanged(fd, scan, LINKED, scanned_at_ns=time.time_ns())
