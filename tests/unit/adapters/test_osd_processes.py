"""OSDs that run, found in a made-up /proc."""

from pathlib import Path

import pytest

from reprov.adapters.osd_processes import running_osds
from reprov.domain.activation import OsdProcess


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """With the directories of two OSDs beside it, in the roots of a host and of a container."""
    for root, number in (("host", 3), ("container", 12)):
        home = tmp_path / root / f"var/lib/ceph/osd/ceph-{number}"
        home.mkdir(parents=True)
        for name, text in {"whoami": f"{number}\n", "fsid": f"F-{number}\n", "ceph_fsid": "C-1\n"}.items():
            (home / name).write_text(text)
    (tmp_path / "proc/sys").mkdir(parents=True)
    return tmp_path / "proc"


def process(proc: Path, pid: int, name: str, root: str, opened: str = "") -> Path:
    """A process; its descriptor leads where the kernel would lead it, by a link that reads as in its own root."""
    place = proc / str(pid)
    (place / "fd").mkdir(parents=True)
    (place / "comm").write_text(f"{name}\n")
    (place / "root").symlink_to(proc.parent / root)
    (place / "fd/0").symlink_to("/dev/null")
    if opened:
        (place / "fd/7").symlink_to(opened)
    return place


def test_an_osd_tells_who_it_is_by_what_it_has_open(proc: Path) -> None:
    target = str(proc.parent / "host/var/lib/ceph/osd/ceph-3/fsid")
    # The kernel's links are magic: here the path in the root has to be the path outside of it.
    (proc.parent / "host" / target.lstrip("/")).parent.parent.mkdir(parents=True)
    (proc.parent / "host" / target.lstrip("/")).parent.symlink_to(proc.parent / "host/var/lib/ceph/osd/ceph-3")
    process(proc, 40, "ceph-osd", "host", target)
    process(proc, 9, "ceph-mon", "host", target)
    process(proc, 8, "ceph-osd", "host")
    assert running_osds(proc) == (OsdProcess(40, 3, "f-3", "c-1"),)


def test_an_osd_whose_directory_is_gone_still_tells_its_fsid(proc: Path) -> None:
    process(proc, 40, "ceph-osd", "nowhere", str(proc.parent / "container/var/lib/ceph/osd/ceph-12/fsid"))
    assert running_osds(proc) == (OsdProcess(40, None, "f-12", ""),)


def test_a_process_that_ends_meanwhile_is_none(proc: Path) -> None:
    (proc / "41").mkdir()
    assert running_osds(proc) == ()
