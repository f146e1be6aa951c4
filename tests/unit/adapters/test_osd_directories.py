"""OSDs' directories and files in a root."""

from pathlib import Path

import pytest

from reprov.adapters.files import opened_directory
from reprov.adapters.osd_directories import read_osd_directories
from reprov.adapters.root_view import RootView
from reprov.domain.osd_directory import OsdDirectory

CLUSTER = "0a1b2c3d-4e5f-11ee-8293-a4b5c6d7e8f9"
FSID = "c2c2c2c2-9d6a-4f26-8a4b-2b1a0a9f8e7d"


def read(root: Path) -> tuple[tuple[OsdDirectory, ...], tuple[str, ...]]:
    """What is found in a root."""
    with opened_directory(root) as fd:
        return read_osd_directories(RootView(fd))


def make(root: Path, files: dict[str, str]) -> None:
    """Files, links (`->target`) and directories (a name with a slash at its end)."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir()
        elif text.startswith("->"):
            path.symlink_to(text[2:])
        else:
            path.write_text(text)


def test_a_root_without_ceph(tmp_path: Path) -> None:
    assert read(tmp_path) == ((), ())


CEPH = "var/lib/ceph"
CASES: dict[str, tuple[dict[str, str], OsdDirectory]] = {
    "ceph-volume's, with links to devices that are not in this root": (
        {f"{CEPH}/osd/ceph-3/whoami": "3\n", f"{CEPH}/osd/ceph-3/block": "->/dev/x", f"{CEPH}/osd/ceph-3/block.db": "->/dev/y"},
        OsdDirectory(f"{CEPH}/osd/ceph-3", 3, "", "", (("block", "/dev/x"), ("db", "/dev/y"))),
    ),
    "filestore": (
        {f"{CEPH}/osd/ceph-3/current/": "", f"{CEPH}/osd/ceph-3/fsid": FSID, f"{CEPH}/osd/ceph-3/journal": "a journal in a file"},
        OsdDirectory(f"{CEPH}/osd/ceph-3", 3, FSID, "", has_data=True),
    ),
    "a block that is a file": (
        {f"{CEPH}/osd/ceph-3/type": "bluestore", f"{CEPH}/osd/ceph-3/block": "data"},
        OsdDirectory(f"{CEPH}/osd/ceph-3", 3, "", "", has_data=True),
    ),
    "cephadm's": (
        {f"{CEPH}/{CLUSTER}/osd.2/unit.run": "", f"{CEPH}/{CLUSTER}/mon.a/unit.run": "", f"{CEPH}/{CLUSTER}/osd.2/fsid": FSID},
        OsdDirectory(f"{CEPH}/{CLUSTER}/osd.2", 2, FSID, CLUSTER, is_cephadm=True),
    ),
    "ceph-volume simple": (
        {
            f"etc/ceph/osd/5-{FSID}.json": f'{{"whoami": 5, "fsid": "{FSID}", "data": {{"path": "/dev/z1"}}, "keyring": "AQ=="}}',
            "etc/ceph/osd/5.json.migrated": "x",
        },
        OsdDirectory("", 5, FSID, "", (("data", "/dev/z1"),), is_simple=True),
    ),
}


@pytest.mark.parametrize(("files", "expected"), CASES.values(), ids=CASES)
def test_the_layouts(tmp_path: Path, files: dict[str, str], expected: OsdDirectory) -> None:
    make(tmp_path, files)
    assert read(tmp_path) == ((expected,), ())


def test_a_file_that_is_none_is_noted_and_the_others_are_read(tmp_path: Path) -> None:
    make(tmp_path, {"etc/ceph/osd/1.json": "{", "etc/ceph/osd/2.json": '{"whoami": 2, "fsid": "F"}'})
    (found,), (note,) = read(tmp_path)
    assert found.id == 2
    assert note.startswith("/etc/ceph/osd/1.json: not a description of an OSD (JSONDecodeError")


def test_a_link_out_of_the_root_is_not_followed(tmp_path: Path) -> None:
    make(tmp_path, {"outside/osd/ceph-9/whoami": "9", f"root/{CEPH}/osd": f"->{tmp_path}/outside/osd"})
    assert read(tmp_path / "root") == ((), ())
