"""The packages of a stage in the words of apt and dnf."""

import pytest

from reprov.domain.packages import PackageChange
from reprov.domain.snippet import Derived, Family, Touched
from reprov.domain.stage_packages import packages_of

UPGRADED = PackageChange("etcd-server", "amd64", "upgraded", "3.4", "3.5")
ADDED = PackageChange("etcd-new", "amd64", "added", "", "1")
REMOVED = PackageChange("etcd-old", "amd64", "removed", "2", "")
DERIVED = Derived("db", (Touched("etcd", (ADDED, REMOVED, UPGRADED)), Touched("felix", (UPGRADED,))))


@pytest.mark.parametrize(
    ("family", "after", "before"),
    [
        pytest.param(Family.DEBIAN, ("etcd-new=1", "etcd-server=3.5"), ("etcd-old=2", "etcd-server=3.4"), id="debian"),
        pytest.param(Family.RPM, ("etcd-new-1", "etcd-server-3.5"), ("etcd-old-2", "etcd-server-3.4"), id="rpm"),
    ],
)
def test_each_package_once_with_its_version_and_none_that_is_not_there(
    family: Family, after: tuple[str, ...], before: tuple[str, ...]
) -> None:
    assert packages_of(DERIVED, family) == {"stage_packages": after, "stage_packages_before": before}
