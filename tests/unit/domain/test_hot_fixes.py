"""What an upgrade makes of packages that were changed by hand."""

import pytest

from reprov.domain.debian_version import compare
from reprov.domain.hot_fixes import Fate, judge
from reprov.domain.packages import Package, PackageChange, PackageSet, difference


def packages(version: str) -> PackageSet:
    return PackageSet.of("debian", [Package("p", version, "amd64")] if version else [])


@pytest.mark.parametrize(
    ("release", "node", "target", "fate"),
    [
        pytest.param("1", "2", "2", Fate.SUPERSEDED, id="the target has the same"),
        pytest.param("1", "2", "2.1", Fate.SUPERSEDED, id="the target has a newer one"),
        pytest.param("1", "2~rc1", "2", Fate.SUPERSEDED, id="in dpkg's order"),
        pytest.param("1", "2", "1", Fate.LOST, id="the target has the release's"),
        pytest.param("1", "1:0", "9", Fate.LOST, id="an epoch is newer than everything"),
        pytest.param("1", "2", "", Fate.LOST, id="the target has none"),
        pytest.param("", "2", "", Fate.LOST, id="added, and the target has none"),
        pytest.param("", "2", "2", Fate.SUPERSEDED, id="added, and the target has it"),
        pytest.param("1", "", "1", Fate.LOST, id="removed, and it comes back"),
        pytest.param("1", "", "", Fate.SUPERSEDED, id="removed, and the target has none either"),
        pytest.param("2", "1", "1", Fate.SUPERSEDED, id="went back, and the target does, too"),
        pytest.param("2", "1", "2", Fate.LOST, id="went back, and what was not wanted comes again"),
        pytest.param("2", "1", "1.5", Fate.LOST, id="went back, and something in between comes"),
        pytest.param("2", "1", "3", Fate.SUPERSEDED, id="went back, and the target is past both"),
    ],
)
def test_the_fate_of_a_hot_fix(release: str, node: str, target: str, fate: Fate) -> None:
    changes = difference(packages(release), packages(node), compare)
    (found,) = judge(changes, packages(target), compare, lambda change: False)
    assert (found.fate, found.target_version) == (fate, target)


def test_files_of_the_node_are_kept_and_only_they() -> None:
    changes = difference(packages("1"), packages("2"), compare)
    assert judge(changes, packages("1"), compare, lambda change: True)[0].fate is Fate.KEPT
    assert judge(changes, packages("3"), compare, lambda change: True)[0].fate is Fate.SUPERSEDED
    removed = difference(packages("1"), packages(""), compare)
    assert judge(removed, packages("1"), compare, lambda change: True)[0].fate is Fate.LOST


def test_another_architecture_is_another_package() -> None:
    (found,) = judge([PackageChange("p", "i386", "added", "", "2")], packages("2"), compare, lambda change: False)
    assert found.fate is Fate.LOST


@pytest.mark.parametrize(
    ("release", "node", "text"),
    [
        ("1", "2", "lost: 2 was installed by hand over 1; the release has 1"),
        ("", "2", "lost: 2 was installed by hand; the release has 1"),
        ("1", "", "lost: 1 was removed by hand; the release has 1"),
    ],
)
def test_in_words(release: str, node: str, text: str) -> None:
    changes = difference(packages(release), packages(node), compare)
    assert judge(changes, packages("1"), compare, lambda change: False)[0].text == text
