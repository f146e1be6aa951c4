"""A real Debian whose / and /usr lie on LVM: installed by a rescue system onto a disk with an OSD, and booted from that disk."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.boot_lab import boot, furnish
from tests.rescue_lab import MIB, Image, RescueMachine, make_disk
from tests.system.node import Store
from tests.system.servers import served
from tests.system.trees import boot_trees

pytestmark = [
    pytest.mark.system,
    pytest.mark.commands,
    pytest.mark.needs("mmdebstrap", "bsdtar", "qemu-system-x86_64", "sfdisk", "rsync"),
]

INSTALL_TIMEOUT_S = 3600
"""Of a whole Debian, of which the virtual machine checks every file and makes a boot loader: ten minutes when nothing else runs."""
BOOT_TIMEOUT_S = 1800
OSD_BYTES = slice(MIB, 17 * MIB)
NOT_NEEDED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info")


def small_tree(folder: Path) -> Path:
    """A Debian that tells of its boot, without what is only to be read."""
    subprocess.run(["cp", "--archive", "--reflink=auto", boot_trees().old, folder], check=True)
    for path in NOT_NEEDED:
        shutil.rmtree(folder / path, ignore_errors=True)
    furnish(folder)
    return folder


def test_a_root_on_lvm_is_installed_and_boots(image: Image, tmp_path: Path, store: Store) -> None:
    store.publish(small_tree(tmp_path / "tree"), "1.0")
    disk = tmp_path / "disk.img"
    make_disk(disk, {}, disk_mib=1200)
    before = disk.read_bytes()[OSD_BYTES]
    with served(store.folder) as source:
        orders = f"reprov.install=base/1.0@{source.replace('127.0.0.1', '10.0.2.2')} reprov.layout=bootable.json"
        orders += " reprov.new-node=yes reprov.then=poweroff"
        with RescueMachine(image.folder, disk, orders, tmp_path, installs=True) as machine:
            machine.wait_for(r"note: base 1\.0 is installed on /dev/vda: |hint: ", timeout_s=INSTALL_TIMEOUT_S)
            assert "base 1.0 is installed on" in machine.said, machine.said[-4000:]
            assert machine.is_off_within(BOOT_TIMEOUT_S)
    assert disk.read_bytes()[OSD_BYTES] == before
    said = boot(disk, folder=tmp_path, timeout_s=BOOT_TIMEOUT_S)
    assert " by BIOS" in said, said[-4000:]
    assert {"/ is /dev/mapper/sys--1-root", "/usr is /dev/mapper/sys--1-usr"} <= set(said.replace("\r", "").splitlines())
    assert "of-before" not in said
