"""What no package owns, found in a tree."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reprov.adapters.files import opened_directory
from reprov.adapters.unowned import Walker
from reprov.domain.learn import Extent, Managed
from reprov.events import NullMonitor, Progress
from tests.builders import owning

HELD = frozenset(("", "usr", "usr/bin", "usr/bin/sh", "etc", "var", "var/lib", "var/lib/dpkg"))
KEEP, ADD_ONLY = b"/home/**\n/opt/app/data/\n", b"/var/log/\n"
DAY_NS = 1_700_000_000_000_000_000


def make(root: Path, *names: str) -> None:
    """Files of three bytes, or directories where the name ends with a slash."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        else:
            path.write_bytes(b"abc")
            os.utime(path, ns=(DAY_NS, DAY_NS))


Look = Callable[..., Walker]


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """Makes the paths and walks the root."""

    def walk(*names: str, fences: tuple[str, ...] = (), measure_classed: bool = False) -> Walker:
        make(tmp_path, *names)
        with opened_directory(tmp_path) as root_fd:
            walker = Walker(
                root_fd,
                HELD,
                owning(KEEP, ADD_ONLY),
                fences=fences,
                volumes=(),
                measure_classed=measure_classed,
                progress=Progress(NullMonitor(), "scan"),
            )
            walker.walk()
        return walker

    return walk


CASES = {
    "the highest directory without a package": (["usr/bin/sh", "opt/app/bin/app", "opt/app/README"], ["opt/app"]),
    "a file beside those of packages": (["usr/bin/sh", "usr/bin/site"], ["usr/bin/site"]),
    "each of several in a directory of a package": (["etc/a", "etc/b/c"], ["etc/a", "etc/b"]),
    "a directory that nothing is in is nothing": (["srv/empty/", "srv/also/empty/"], []),
    "what the running system makes is not entered": (
        ["proc/1/stat", "run/x", "tmp/x", "sys/x", "dev/x", ".reprov/journal", "lost+found/x"],
        [],
    ),
    "such names matter only at the top": (["srv/proc/x"], ["srv/proc"]),
    "what a list names is found, but not entered": (["var/log/app/x", "home/ann/x"], ["home/ann", "var/log/app"]),
    "a directory in which only what a list names is": (["opt/app/data/x"], []),
}


@pytest.mark.parametrize(("names", "paths"), CASES.values(), ids=CASES)
def test_it_finds(look: Look, names: list[str], paths: list[str]) -> None:
    found = look(*names).found
    assert [item.path for item in found] == paths


def test_a_directory_is_measured_without_what_a_list_names(look: Look) -> None:
    (found,) = look("opt/app/bin/a", "opt/app/b", "opt/app/data/x").found
    assert found.extent == Extent(2, 6, DAY_NS)


def test_hard_links_are_two_files_of_one_size(look: Look, tmp_path: Path) -> None:
    make(tmp_path, "srv/x/a")
    (tmp_path / "srv/x/b").hardlink_to(tmp_path / "srv/x/a")
    (found,) = look().found
    assert found.extent == Extent(2, 3, DAY_NS)


def test_a_link_is_found_and_not_followed(look: Look, tmp_path: Path) -> None:
    make(tmp_path, "usr/bin/sh", "outside/secret")
    (tmp_path / "srv").mkdir()
    (tmp_path / "srv/link").symlink_to(tmp_path / "outside")
    assert [(item.path, item.is_dir, item.extent.files) for item in look().found] == [("outside", True, 1), ("srv/link", False, 1)]


def test_a_link_to_an_alternative_is_made_by_packages(look: Look, tmp_path: Path) -> None:
    make(tmp_path, "usr/bin/sh")
    (tmp_path / "usr/bin/awk").symlink_to("/etc/alternatives/awk")
    (found,) = look().found
    assert found.made is not None


def test_a_mount_is_not_entered_and_not_found(look: Look) -> None:
    walker = look("data/x", "srv/a/mounted/y", "srv/a/z", fences=("data", "srv/a/mounted"))
    assert [(item.path, item.extent.files) for item in walker.found] == [("srv/a", 1)]


def test_sockets_and_pipes_are_left_out(look: Look, tmp_path: Path) -> None:
    (tmp_path / "srv").mkdir()
    os.mkfifo(tmp_path / "srv/pipe")
    assert look().found == []


def test_names_may_be_anything(look: Look, tmp_path: Path) -> None:
    (tmp_path / "srv").mkdir()
    (tmp_path / os.fsdecode(b"srv/\xff\nx")).write_bytes(b"")
    assert [item.path for item in look().found] == ["srv/\udcff\nx"]


def test_what_is_classed_is_measured_on_request(look: Look) -> None:
    found = {item.path: item.extent.files for item in look("var/log/a", "var/log/b/c", measure_classed=True).found}
    assert found == {"var/log/a": 1, "var/log/b": 1}


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        pytest.param("var/lib/dpkg", Managed("var/lib/dpkg", True, Extent(1, 3, DAY_NS)), id="a directory of a package"),
        pytest.param("etc/app", Managed("etc/app", False, Extent(1, 3, DAY_NS)), id="a file"),
        pytest.param("etc/none", None, id="nothing"),
        pytest.param("link/app", None, id="what lies behind a link"),
        pytest.param("var/log/x", Managed("var/log/x", False, Extent()), id="what a list names, which nobody measures"),
    ],
)
def test_looking_at_one_path(tmp_path: Path, path: str, seen: Managed | None) -> None:
    make(tmp_path, "var/lib/dpkg/status", "etc/app", "var/log/x")
    (tmp_path / "link").symlink_to("etc")
    with opened_directory(tmp_path) as root_fd:
        walker = Walker(
            root_fd,
            HELD,
            owning(KEEP, ADD_ONLY),
            fences=(),
            volumes=(),
            measure_classed=False,
            progress=Progress(NullMonitor(), "scan"),
        )
        assert walker.look(path) == seen
