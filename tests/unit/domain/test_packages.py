"""Package sets: as text and against each other."""

import pytest

from reprov.domain.debian_version import compare
from reprov.domain.packages import Package, PackageChange, PackageSet, difference, leaves
from reprov.errors import InvalidInput


def packages(*words: str) -> PackageSet:
    """Packages written as name:arch=version."""
    made = []
    for word in words:
        key, _, version = word.partition("=")
        name, _, arch = key.partition(":")
        made.append(Package(name, version, arch))
    return PackageSet.of("debian", made)


EVIL = PackageSet.of(
    "debian",
    [
        Package("b", "2", "all", ("postinst", "triggers"), ("top", "usr/a b", "usr/new\nline", "usr/not-utf8-\udcff", "usr/share/x/y")),
        Package("a", "1:1.0-1", "amd64"),
        Package("a", "1:1.0-1", "i386"),
    ],
)


def test_what_was_written_is_read_again() -> None:
    assert PackageSet.parse(EVIL.to_json(), "x") == EVIL


def test_every_package_has_a_line() -> None:
    assert len(EVIL.to_json().splitlines()) == 2 + len(EVIL.packages)


def test_no_package_is_a_set_too() -> None:
    assert PackageSet.parse(packages().to_json(), "x") == packages()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("{", "p.json: not a list of packages (JSONDecodeError: ", id="cut off"),
        pytest.param('{"format": 9}', "p.json: packages format 9 is newer than this reprov", id="from the future"),
        pytest.param('{"format": 1, "family": "debian"}', "p.json: not a list of packages (KeyError: 'packages')", id="without packages"),
        pytest.param("[]", "p.json: not a list of packages (TypeError: ", id="another kind of value"),
    ],
)
def test_bad_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        PackageSet.parse(text, "p.json")
    assert raised.value.message.startswith(message)


def test_owners_are_by_path() -> None:
    assert EVIL.owners()["usr/new\nline"] == "b"


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        pytest.param(packages("a:all=1"), packages("a:all=1"), [], id="nothing changes"),
        pytest.param(packages("a:all=1"), packages("a:all=2"), [("a", "all", "upgraded", "1", "2")], id="newer"),
        pytest.param(packages("a:all=2"), packages("a:all=1"), [("a", "all", "downgraded", "2", "1")], id="older"),
        pytest.param(packages("a:all=1"), packages("a:all=1.00"), [("a", "all", "upgraded", "1", "1.00")], id="longer"),
        pytest.param(packages("a:all=1.0"), packages("a:all=1.00"), [("a", "all", "changed", "1.0", "1.00")], id="the same to dpkg"),
        pytest.param(packages(), packages("a:all=1"), [("a", "all", "added", "", "1")], id="added"),
        pytest.param(packages("a:all=1"), packages(), [("a", "all", "removed", "1", "")], id="removed"),
        pytest.param(
            packages("a:all=1"),
            packages("a:amd64=1"),
            [("a", "all", "removed", "1", ""), ("a", "amd64", "added", "", "1")],
            id="another architecture is another package",
        ),
    ],
)
def test_difference(old: PackageSet, new: PackageSet, changes: list[tuple[str, str, str, str, str]]) -> None:
    assert difference(old, new, compare) == tuple(PackageChange(*change) for change in changes)


def test_without_an_order_versions_only_differ() -> None:
    assert difference(packages("a:all=1"), packages("a:all=2"), None)[0].line == "changed a all 1 2"


def test_lines_have_five_words() -> None:
    assert difference(packages(), packages("a:all=1"), compare)[0].line == "added a all - 1"


def test_leaves_are_what_holds_nothing_else() -> None:
    assert leaves(["usr", "usr/bin", "usr/bin/x", "var/empty", "var", ""]) == ("usr/bin/x", "var/empty")


def test_versions_that_are_installed_beside_each_other_are_packages_of_their_own() -> None:
    old, new = packages("kernel:x=5.1-1", "kernel:x=5.2-1", "a:x=1"), packages("kernel:x=5.2-1", "kernel:x=5.3-1", "a:x=1")
    assert [package.version for package in old.packages.values()] == ["1", "5.1-1", "5.2-1"]
    assert PackageSet.parse(old.to_json(), "x") == old
    assert [change.line for change in difference(old, new, compare)] == ["added kernel x - 5.3-1", "removed kernel x 5.1-1 -"]


def test_one_version_more_is_added_whatever_was_there() -> None:
    changes = difference(packages("kernel:x=5.1-1"), packages("kernel:x=5.1-1", "kernel:x=5.2-1"), compare)
    assert [change.line for change in changes] == ["added kernel x - 5.2-1"]
