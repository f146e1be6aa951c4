"""Names in a store, which releases go, and which files are one."""

import pytest

from reprov.domain.dedup import object_key
from reprov.domain.entry import Entry, Kind
from reprov.domain.release import Release, ReleaseId
from reprov.domain.store_layout import hop_bases, next_serial, object_path, surplus


def release(role: str, version: str, serial: int) -> Release:
    return Release(ReleaseId(role, version), serial, "2026-01-01T00:00:00Z", "debian", "x86_64", (), {})


RELEASES = [release("b", "2.0", 1), *(release("a", f"1.{number}", number) for number in (3, 1, 7, 2, 5, 4, 6))]
FILE = Entry("f", Kind.FILE, 0o644, 0, 0, 5, size=10, digest="1" * 64)


@pytest.mark.parametrize(
    ("keep", "gone"),
    [
        pytest.param(1, ["a 1.1", "a 1.2", "a 1.3", "a 1.4", "a 1.5", "a 1.6"], id="only the newest of each role stays"),
        pytest.param(5, ["a 1.1", "a 1.2"], id="the oldest go"),
        pytest.param(7, [], id="as many as there are"),
        pytest.param(99, [], id="more than there are"),
    ],
)
def test_surplus(keep: int, gone: list[str]) -> None:
    assert [str(item.id) for item in surplus(RELEASES, keep)] == gone


def test_a_new_release_is_compared_with_the_newest_five() -> None:
    assert [item.serial for item in hop_bases(RELEASES[1:])] == [7, 6, 5, 4, 3]


def test_serials_count_on_after_gaps() -> None:
    assert next_serial(RELEASES) == 8
    assert next_serial([]) == 1


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(FILE._replace(digest="2" * 64), id="content"),
        pytest.param(FILE._replace(mode=0o4644), id="mode"),
        pytest.param(FILE._replace(uid=1), id="owner"),
        pytest.param(FILE._replace(gid=1), id="group"),
        pytest.param(FILE._replace(mtime_ns=6), id="time"),
        pytest.param(FILE._replace(xattrs=(("security.capability", b"x"),)), id="attributes"),
    ],
)
def test_files_that_differ_are_not_one(other: Entry) -> None:
    assert object_key(FILE) != object_key(other)


def test_name_and_link_group_do_not_matter() -> None:
    assert object_key(FILE) == object_key(FILE._replace(path="g", link_group=3))


def test_files_of_one_content_begin_alike() -> None:
    assert object_key(FILE).split(".")[0] == object_key(FILE._replace(mtime_ns=6)).split(".")[0] == FILE.digest


def test_an_object_lies_in_one_of_256_folders() -> None:
    assert object_path("ab" + "c" * 62) == "pool/ab/" + "c" * 62
