"""A real Debian, made bootable by reprov, boots: by BIOS from a disk that was prepared here, by EFI from one that the first has prepared.

The second is prepared in the virtual machine because its kernel has vfat, which that of a test machine need not have.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from reprov.adapters.lay import install_client
from reprov.domain.layout import MIB, Layout
from reprov.workflows.bootable import make_bootable
from tests.boot_lab import BIOS_LAYOUT, EFI_LAYOUT, NUMBERS, BootDisk, boot, boot_disk, others_on, run_as_init
from tests.heard import Heard
from tests.system.trees import boot_trees

pytestmark = [
    pytest.mark.system,
    pytest.mark.commands,
    pytest.mark.needs("mmdebstrap", "sfdisk", "losetup", "partx", "mkfs.ext4", "mkfs.vfat", "mkswap", "qemu-system-x86_64"),
]

TIMEOUT_S = 1800
"""Of one virtual machine; without KVM it takes one to three minutes on a machine that has nothing else to do."""

INSTALLER = f"""\
#!/bin/sh
# A stand-in for a rescue system: it prepares the second disk.
new=/run/new
mkdir -p $new
mount -t ext4 /dev/vdb{NUMBERS["root"]} $new && mount -t vfat /dev/vdb{NUMBERS["efi"]} $new/boot/efi &&
PYTHONPATH=/usr/lib/reprov python3 -B - <<'END'
from pathlib import Path
from reprov.adapters.layout_file import read_layout_file
from reprov.events import NullMonitor
from reprov.workflows.bootable import make_bootable
make_bootable(Path("/run/new"), "/dev/vdb", read_layout_file(Path("/etc/layout.json")), NullMonitor())
END
echo "INSTALLED $?"
(cd $new/boot/efi && find . -iname '*.efi' | sort)
umount -R $new
systemctl poweroff --force --force
"""


class Prepared(NamedTuple):
    """A disk that boots."""

    image: Path
    root_uuid: str


def prepare(disk: BootDisk) -> None:
    """A disk that boots by BIOS and can prepare another one."""
    install_client(disk.root)
    (disk.root / "etc/layout.json").write_text(layout_text(EFI_LAYOUT))
    (disk.root / "usr/local/sbin/installer").write_text(INSTALLER)
    (disk.root / "usr/local/sbin/installer").chmod(0o755)
    make_bootable(disk.root, disk.device, BIOS_LAYOUT, Heard())


def layout_text(layout: Layout) -> str:
    """A layout as an operator writes it."""
    partitions = []
    for partition in layout.partitions:
        fields = {"name": partition.name, "type": partition.type_name, "filesystem": partition.filesystem, "mount": partition.mount}
        partitions.append({**{key: value for key, value in fields.items() if value}, "size": f"{partition.size_bytes // MIB}M"})
    return json.dumps({"disk": {"image": "disk.img"}, "partitions": partitions})


@pytest.fixture(scope="module")
def by_bios(tmp_path_factory: pytest.TempPathFactory, nothing_stays_behind: None) -> Iterator[Prepared]:
    """The first disk, prepared here."""
    with boot_disk(tmp_path_factory.mktemp("bios"), boot_trees().old, BIOS_LAYOUT) as disk:
        prepare(disk)
        prepared = Prepared(disk.image, disk.uuids["root"])
    yield prepared
    prepared.image.unlink()


def test_a_disk_boots_by_bios(by_bios: Prepared, tmp_path: Path) -> None:
    said = boot(by_bios.image, folder=tmp_path, timeout_s=TIMEOUT_S)
    assert f"BOOTED {by_bios.root_uuid} by BIOS" in said, said[-4000:]
    assert "root=UUID=of-before" not in said


def test_a_disk_boots_by_efi(by_bios: Prepared, tmp_path: Path) -> None:
    with boot_disk(tmp_path, boot_trees().old, EFI_LAYOUT) as disk:
        (disk.root / "boot/efi").mkdir()
        root_uuid = disk.uuids["root"]
    before = others_on(disk.image, disk.ours)
    said = run_as_init(by_bios.image, "/usr/local/sbin/installer", disk.image, boot_trees().old, folder=tmp_path, timeout_s=TIMEOUT_S)
    assert "INSTALLED 0" in said, said[-4000:]
    assert {"./EFI/BOOT/BOOTX64.EFI", "./EFI/debian/grubx64.efi"} <= set(said.split()), said[-4000:]
    assert others_on(disk.image, disk.ours) == before
    said = boot(disk.image, efi=True, folder=tmp_path, timeout_s=TIMEOUT_S)
    assert f"BOOTED {root_uuid} by EFI" in said, said[-4000:]
    disk.image.unlink()
