"""Which filesystems a plan works on, and what it goes around whatever the lists say."""

from collections.abc import Mapping
from typing import NamedTuple

import pytest

from reprov.domain.comparison import Action, compare
from reprov.domain.ground import NOTHING_STANDING, Standing, Waiting, find_ground
from reprov.domain.mounts import Mount
from reprov.domain.osd_directory import OsdDirectory, is_osd_directory
from reprov.domain.release import MANAGED_FILESYSTEMS
from reprov.domain.units import find_swaps
from tests.builders import a_dir, a_file, a_tree, owning, scan_of

TARGET = a_tree(a_file("boot/vmlinuz"), a_file("opt/app/x"), a_file("srv/seed"), a_dir("var/lib/ceph/osd/ceph-0"), a_dir("mnt/data"))
OSD = OsdDirectory("var/lib/ceph/osd/ceph-0", 0, "f", "c", has_data=True)


def mount(path: str, filesystem: str = "ext4") -> Mount:
    return Mount(path, filesystem, "/dev/sda1", False)


class Case(NamedTuple):
    volumes: tuple[str, ...] = ()
    fences: Mapping[str, str] = {}
    """What each is."""
    notes: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    standing: Standing = NOTHING_STANDING
    data: Mapping[str, str] = {}


CASES = {
    "the root alone": Case(mounts=(mount(""),)),
    "what the release manages": Case(("boot", "opt"), mounts=(mount("boot", "xfs"), mount("opt"))),
    "a managed one in which the release has nothing": Case(
        fences={"var": "is a mount that the release does not manage"}, mounts=(mount("var"),)
    ),
    "/srv, which only a role that names it manages": Case(
        fences={"srv": "is a mount that the release does not manage"}, mounts=(mount("srv"),)
    ),
    "a filesystem that other machines use": Case(
        fences={"opt": "is a mount that no release manages (nfs4: other machines may use it, too)"},
        notes=("stays as it is (nfs4: other machines may use it, too)",),
        mounts=(mount("opt", "nfs4"),),
    ),
    "an OSD's device where the release would manage one": Case(
        fences={"opt": "is a mount that no release manages (/dev/sda1 is data: GPT type ceph-osd-data)"},
        notes=("stays as it is (/dev/sda1 is data: GPT type ceph-osd-data)",),
        mounts=(mount("opt"),),
        data={"opt": "/dev/sda1 is data: GPT type ceph-osd-data"},
    ),
    "a mount point that waits": Case(
        fences={"boot": "is a mount point of /etc/fstab where nothing is mounted"},
        notes=("is in /etc/fstab, but not mounted: nothing is written there",),
        standing=Standing({"boot": Waiting(True, True)}, {}, {}),
    ),
    "one that no boot mounts": Case(
        fences={"mnt": "is a mount point of /etc/fstab where nothing is mounted"}, standing=Standing({"mnt": Waiting(True, False)}, {}, {})
    ),
    "one that is still to be made, and empty": Case(standing=Standing({"mnt/data": Waiting(False, True)}, {}, {})),
    "one that is missing, and that the release would fill": Case(
        fences={"opt/app": "is a mount point of /etc/fstab where nothing is mounted"},
        standing=Standing({"opt/app": Waiting(False, False)}, {}, {}),
    ),
    "an OSD in a plain directory": Case(
        fences={OSD.directory: "is the directory of an OSD"},
        notes=("osd.0 is a plain directory on the system's own filesystem, with its data: it stays as it is",),
        standing=Standing({}, {OSD.directory: OSD}, {}),
    ),
    "the empty directory of one": Case(
        fences={OSD.directory: "is the directory of an OSD"}, standing=Standing({}, {OSD.directory: None}, {})
    ),
    "an OSD that is mounted": Case(
        fences={OSD.directory: "is a mount that the release does not manage"},
        mounts=(mount(OSD.directory, "tmpfs"),),
        standing=Standing({}, {OSD.directory: OSD}, {}),
    ),
    "swap in a file": Case(fences={"opt/swap": "is a file in use as swap"}, standing=Standing({}, {}, {"opt/swap": "swap"})),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_where_a_plan_works_and_what_it_goes_around(case: Case) -> None:
    ground = find_ground(case.mounts, MANAGED_FILESYSTEMS, TARGET, case.standing, case.data)
    assert ground.volumes == case.volumes
    assert {path: fence.problem for path, fence in ground.fences.items()} == case.fences
    assert tuple(fence.note for fence in ground.notes) == case.notes


def test_a_directory_of_an_osd_that_every_list_gives_to_the_release_is_neither_emptied_nor_moved() -> None:
    """A list that makes all of /var the image's, and a release that knows nothing of the OSD."""
    live = a_tree(a_file("var/lib/ceph/osd/ceph-0/whoami", "0"), a_file("var/lib/ceph/osd/ceph-0/current/x"), a_file("var/lib/old"))
    target = a_tree(a_file("var/lib/new"), a_dir("var/lib/ceph/osd"))
    ground = find_ground((), MANAGED_FILESYSTEMS, target, Standing({}, {OSD.directory: OSD}, {}))
    scan = scan_of(live, owning(), target, base=target, fenced=tuple(ground.fences))
    found = compare(target, scan, owning(), ground.fences)
    assert found.blockers == ()
    assert {change.path: change.action for change in found.changes} == {"var/lib/new": Action.CREATE, "var/lib/old": Action.DELETE}
    assert {item.path: item.reason for item in found.kept} == {OSD.directory: "the directory of an OSD"}
    swaps = find_swaps({change.path: change for change in found.changes}, target, scan, {})
    assert [(op.kind.value, op.path) for op in swaps.ops] == [("create", "var/lib/new"), ("remove", "var/lib/old")]


BLOCKED = {
    "in an OSD's directory": (Standing({}, {OSD.directory: None}, {}), f"{OSD.directory}/keyring", "is the directory of an OSD"),
    "under a mount to come": (
        Standing({"boot": Waiting(True, True)}, {}, {}),
        "boot/vmlinuz",
        "is a mount point of /etc/fstab where nothing is mounted",
    ),
    "in the place of swap": (Standing({}, {}, {"opt/swap": "swap"}), "opt/swap", "is a file in use as swap"),
}


@pytest.mark.parametrize(("standing", "path", "problem"), BLOCKED.values(), ids=BLOCKED)
def test_content_that_a_release_would_put_there_stops_the_plan(standing: Standing, path: str, problem: str) -> None:
    target = a_tree(a_file(path))
    ground = find_ground((), MANAGED_FILESYSTEMS, target, standing)
    (fence,) = ground.fences
    found = compare(target, scan_of({}, owning(), target, fenced=(fence,)), owning(), ground.fences)
    assert [(item.path, item.problem) for item in found.blockers] == [(fence, f"{problem}, and the release has content there (/{path})")]


def test_which_directories_are_an_osd_s_by_their_names() -> None:
    fsid = "5b3c0e2e-9c7d-4c6b-8f4e-0123456789ab"
    names = ("var/lib/ceph/osd/ceph-12", "var/lib/ceph/osd/site-0", f"var/lib/ceph/{fsid}/osd.3")
    others = ("var/lib/ceph/osd", "var/lib/ceph/osd/ceph", "var/lib/ceph/mon/ceph-0", f"var/lib/ceph/{fsid}/mon.a", "srv/osd/ceph-0")
    assert [is_osd_directory(path) for path in (*names, *others)] == [True] * 3 + [False] * 5


@pytest.mark.parametrize(
    ("path", "fence"),
    [
        ("var/lib/ceph/osd/ceph-0", OSD.directory),
        ("var/lib/ceph/osd/ceph-0/keyring", OSD.directory),
        ("var/lib/ceph/osd/ceph-01", ""),
        ("var/lib/ceph/osd", ""),
        ("", ""),
    ],
)
def test_the_fence_that_a_path_lies_behind(path: str, fence: str) -> None:
    found = find_ground((), (), TARGET, Standing({}, {OSD.directory: OSD}, {})).fence_of(path)
    assert (found.path if found else "") == fence
