"""What must stay where it is, read from a root."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from reprov.adapters import standing
from reprov.adapters.files import opened_directory
from reprov.adapters.standing import read_standing
from reprov.domain.ground import Standing, Waiting
from reprov.domain.mounts import Mount

FSTAB = """\
UUID=1 / ext4 defaults 0 1
UUID=2 /boot ext4 defaults 0 2
UUID=3 /data xfs nofail,noauto 0 0
/dev/sr0 /media/cd udf,iso9660 noauto 0 0
host:/x /nfs//deep/ nfs4 defaults 0 0
LABEL=linked /link/data xfs defaults 0 0
LABEL=top /top xfs defaults 0 0
LABEL=out /out xfs defaults 0 0
tmpfs /scratch tmpfs defaults 0 0
proc /proc proc defaults 0 0
/swapfile none swap sw 0 0
/missing none swap sw 0 0
/dev/sda5 none swap sw 0 0
/images/a.img /mnt/a ext4 loop 0 0
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root with these, and no loop device but the machine's own."""
    blocks = tmp_path / "block"
    monkeypatch.setattr(standing, "_BLOCK", blocks)
    for name, file in {"loop0": "root/images/b.img", "loop1": "elsewhere.img", "loop2": "root/images/gone.img (deleted)"}.items():
        place = blocks / name / "loop/backing_file"
        place.parent.mkdir(parents=True)
        place.write_text(f"{tmp_path}/{file}\n")
    top = tmp_path / "root"
    for directory in ("boot", "data", "media/cd", "real/data", "scratch", "images", "etc", "var/lib/ceph/osd/ceph-3", "var/lib/ceph/osd/x"):
        (top / directory).mkdir(parents=True)
    (top / "link").symlink_to("/real")
    (top / "top").symlink_to("/")
    (top / "out").symlink_to("/etc/nowhere")
    (top / "etc/fstab").write_text(FSTAB)
    for file in ("swapfile", "images/a.img", "var/lib/ceph/osd/ceph-3/whoami"):
        (top / file).write_text("3")
    return top


def look(root: Path, *mounts: str) -> Standing:
    with opened_directory(root) as fd:
        return read_standing(root, fd, [Mount(path, "ext4", "", False) for path in mounts])


WAITING: Mapping[str, Waiting] = {
    "boot": Waiting(True, True),
    "data": Waiting(True, False),
    "media/cd": Waiting(True, False),
    "nfs/deep": Waiting(False, True),
    "real/data": Waiting(True, True),
    "out": Waiting(False, True),
    "mnt/a": Waiting(False, True),
}


def test_mount_points_that_wait_are_where_their_links_lead(root: Path) -> None:
    assert look(root).waiting == WAITING


def test_what_is_mounted_does_not_wait(root: Path) -> None:
    assert look(root, "", "boot", "real/data").waiting.keys() == WAITING.keys() - {"boot", "real/data"}


def test_directories_of_osds_go_by_their_names(root: Path) -> None:
    (root / "var/lib/ceph/osd/ceph-4").mkdir()
    (root / "var/lib/ceph/osd/ceph-5").write_text("no directory")
    found = look(root).osds
    assert {path: directory.id if directory else None for path, directory in found.items()} == {
        "var/lib/ceph/osd/ceph-3": 3,
        "var/lib/ceph/osd/ceph-4": None,
    }


def test_files_that_are_devices_are_those_of_this_root(root: Path) -> None:
    assert look(root).files == {"swapfile": "swap", "images/a.img": "a filesystem", "images/b.img": "/dev/loop0"}


def test_a_root_with_nothing_in_it(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert look(tmp_path / "empty") == Standing({}, {}, {})
