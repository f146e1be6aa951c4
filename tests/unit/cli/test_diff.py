"""reprov diff: how many columns its words take."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reprov.domain.hop import Hop
from reprov.domain.packages import PackageChange
from reprov.domain.post_script import PostScript, Step
from reprov.domain.release import ReleaseId
from reprov.workflows import diff as workflow

# The widest of the hop from Debian 12.0 to its security updates.
WIDE = (
    PackageChange("libevent-2.1-7", "amd64", "upgraded", "2.1.12-stable-8", "2.1.12-stable-8+deb12u1"),
    PackageChange("libgstreamer-plugins-base1.0-0", "amd64", "upgraded", "1.22.0-3+deb12u6", "1.22.0-3+deb12u7"),
    PackageChange("libmariadb3", "amd64", "upgraded", "1:10.11.18-0+deb12u1", "1:10.11.19-0+deb12u1"),
    PackageChange("linux-image-6.1.0-56-cloud-amd64", "amd64", "added", "", "6.1.187-1"),
    PackageChange("old", "all", "removed", "1", ""),
)


@pytest.fixture
def differing(monkeypatch: pytest.MonkeyPatch, reprov: Callable[..., Any]) -> Callable[..., str]:
    """Runs `reprov diff` where these packages and services differ, and these scripts run."""

    def run(packages: tuple[PackageChange, ...], services: tuple[str, ...] = (), scripts: tuple[str, ...] | None = None) -> str:
        hop = Hop(packages, {}, services, 10, 20, 5)
        steps = tuple(Step(script, ("/bin/sh",), (), "") for script in scripts or ())
        post = None if scripts is None else PostScript(None, ReleaseId("base", "1.1"), steps)
        monkeypatch.setattr(workflow, "post_script_of", lambda *arguments: post)
        monkeypatch.setattr(workflow, "diff", lambda *arguments: hop)
        done = reprov("diff", "base", "1.0", "1.1", "--store", Path("/srv"))
        assert done.status == 0, done.stderr
        return str(done.stdout)

    return run


def test_each_kind_of_change_has_a_table_of_its_own(differing: Callable[..., str]) -> None:
    shown = differing(WIDE)
    assert (
        shown
        == """\
ADDED                             VERSION
linux-image-6.1.0-56-cloud-amd64  6.1.187-1

REMOVED  VERSION
old      1

UPGRADED                        BEFORE                AFTER
libevent-2.1-7                  2.1.12-stable-8       2.1.12-stable-8+deb12u1
libgstreamer-plugins-base1.0-0  1.22.0-3+deb12u6      1.22.0-3+deb12u7
libmariadb3                     1:10.11.18-0+deb12u1  1:10.11.19-0+deb12u1

packages: 1 added, 1 removed, 3 upgraded
paths:    none
services: none
size:     10 B -> 20 B, 5 B to fetch
"""
    )
    assert max(map(len, shown.splitlines())) <= 80


def test_where_packages_of_two_architectures_change_each_says_its_own(differing: Callable[..., str]) -> None:
    packages = [PackageChange("libc6", arch, "upgraded", "1", "2") for arch in ("amd64", "i386")]
    shown = differing((*packages, PackageChange("tzdata", "all", "upgraded", "3", "4")))
    assert [line.split()[0] for line in shown.splitlines()[:4]] == ["UPGRADED", "libc6:amd64", "libc6:i386", "tzdata"]


def test_many_services_are_broken_into_lines(differing: Callable[..., str]) -> None:
    shown = differing((), tuple(f"a-service-{number}.service" for number in range(20)))
    assert "\nservices: a-service-0.service, a-service-1.service, a-service-2.service,\n          a-service-3.service," in shown
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize(
    ("scripts", "line"),
    [
        pytest.param(("a.postinst", "b.postinst"), "scripts:  2 after the commit", id="a hop that was foreseen"),
        pytest.param((), "scripts:  0 after the commit", id="one without scripts"),
        pytest.param(None, None, id="one that was not foreseen"),
    ],
)
def test_how_many_scripts_run(differing: Callable[..., str], scripts: tuple[str, ...] | None, line: str | None) -> None:
    found = [shown for shown in differing((), (), scripts).splitlines() if shown.startswith("scripts:")]
    assert found == ([line] if line else [])
