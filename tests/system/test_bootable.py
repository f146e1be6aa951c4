"""A boot loader on a disk that others have data on, installed by a real Debian's own GRUB; tests/vm/test_boot.py boots such a disk."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reprov.domain.layout import Layout
from reprov.errors import Refused
from reprov.workflows.bootable import make_bootable
from tests.boot_lab import BIOS, BIOS_LAYOUT, EFI, ROOT, BootDisk, boot_disk
from tests.disk_builders import layout
from tests.heard import Heard
from tests.system.trees import boot_trees

pytestmark = [
    pytest.mark.system,
    pytest.mark.commands,
    pytest.mark.needs("mmdebstrap", "sfdisk", "losetup", "partx", "mkfs.ext4", "mkfs.vfat", "mkswap", "sgdisk"),
]


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory, nothing_stays_behind: None) -> Iterator[BootDisk]:
    """A disk that is installed but for its boot loader; each test leaves it so, or with one."""
    with boot_disk(tmp_path_factory.mktemp("disk"), boot_trees().old, BIOS_LAYOUT) as made:
        yield made


def boot_files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in (root / "boot").rglob("*") if path.is_file()}


def mounts() -> list[str]:
    return Path("/proc/self/mountinfo").read_text().splitlines()


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        pytest.param(
            layout(BIOS, replace(EFI, mount=""), ROOT),
            "the layout's partition 'efi' is an ESP without a mount point",
            id="an ESP that is not mounted",
        ),
        pytest.param(
            layout(replace(BIOS, name="other"), ROOT),
            "{device}p2 (bios) is a bios-boot partition, too, and none of the layout's",
            id="a bios-boot partition that the layout does not name",
        ),
    ],
)
def test_a_layout_that_does_not_fit_is_refused(disk: BootDisk, wanted: Layout, message: str) -> None:
    before, files = disk.others(), boot_files(disk.root)
    with pytest.raises(Refused) as refused:
        make_bootable(disk.root, disk.device, wanted, Heard())
    assert refused.value.message == message.format(device=disk.device)
    assert boot_files(disk.root) == files
    assert disk.changes_of_others(before) == []


@pytest.mark.parametrize(
    ("path", "message"),
    [
        pytest.param("boot", "{root} has no kernel (/boot/vmlinuz-*), and the layout is that of a disk which boots", id="no kernel"),
        pytest.param("usr/lib/grub/i386-pc", "{root} cannot be booted by BIOS: it lacks /usr/lib/grub/i386-pc", id="no GRUB for BIOS"),
        pytest.param("usr/lib/grub/x86_64-efi", "{root} cannot be booted by EFI: it lacks /usr/lib/grub/x86_64-efi", id="no GRUB for EFI"),
        pytest.param("usr/sbin/grub-install", "{root} cannot be booted by BIOS: it lacks /usr/sbin/grub-install", id="no GRUB at all"),
    ],
)
def test_a_root_that_cannot_boot_is_refused(disk: BootDisk, path: str, message: str, tmp_path: Path) -> None:
    root = tmp_path / "small"
    for name in (
        "boot/vmlinuz-6.1",
        "usr/lib/grub/i386-pc/x",
        "usr/lib/grub/x86_64-efi/x",
        "usr/sbin/grub-install",
        "usr/sbin/grub-mkconfig",
    ):
        if not name.startswith(path):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text("")
            (root / name).chmod(0o755)
    with pytest.raises(Refused) as refused:
        make_bootable(root, disk.device, layout(BIOS, EFI, ROOT), Heard())
    assert refused.value.message == message.format(root=root)


@pytest.mark.parametrize(("kernel", "said"), [(True, "has a kernel, but the layout has"), (False, "has no kernel, and the layout has")])
def test_a_disk_that_is_not_to_boot(disk: BootDisk, kernel: bool, said: str, tmp_path: Path) -> None:
    (tmp_path / "boot").mkdir()
    if kernel:
        (tmp_path / "boot/vmlinuz-6.1").write_text("")
    before, heard = disk.others(), Heard()
    make_bootable(tmp_path, disk.device, layout(ROOT), heard)
    assert heard.notes == [f"the new system {said} neither esp nor bios-boot: no boot loader is installed"]
    assert disk.changes_of_others(before) == []


def test_nothing_of_others_is_written(disk: BootDisk) -> None:
    """Not the preserved partitions, not the table and its copy, not the disk's signature, not the gaps: only boot code differs."""
    before, mounted, heard = disk.others(), mounts(), Heard()
    (initramfs,) = (disk.root / "boot").glob("initrd.img-*")
    initramfs.unlink()
    make_bootable(disk.root, disk.device, BIOS_LAYOUT, heard)
    assert disk.changes_of_others(before) == []
    assert mounts() == mounted
    assert heard.notes == ["/etc/default/grub no longer names the root or the swap of before"]
    with Path(disk.device).open("rb") as opened:
        assert opened.read(440).strip(b"\0") != b""
    assert initramfs.stat().st_size > 1 << 20
    configuration = (disk.root / "boot/grub/grub.cfg").read_text()
    assert f"root=UUID={disk.uuids['root']} ro console=tty0 console=ttyS0,115200n8 mitigations=off nokaslr panic=1" in configuration
    assert "of-before" not in configuration
    assert "serial --unit=0 --speed=115200" in configuration
    for directory in ("proc", "sys", "dev", "run", "tmp"):
        assert list((disk.root / directory).iterdir()) == [], directory


def test_a_second_run_gives_the_same(disk: BootDisk) -> None:
    make_bootable(disk.root, disk.device, BIOS_LAYOUT, Heard())
    before, files = disk.others(), boot_files(disk.root)
    heard = Heard()
    make_bootable(disk.root, disk.device, BIOS_LAYOUT, heard)
    assert disk.changes_of_others(before) == []
    now = boot_files(disk.root)
    assert sorted(now) == sorted(files)
    assert [path for path in now if now[path] != files[path]] == []
    assert heard.notes == []


def test_a_bios_boot_partition_of_others_beside_that_of_the_layout_is_refused(disk: BootDisk) -> None:
    subprocess.run(["sgdisk", "--typecode=5:EF02", disk.device], check=True, capture_output=True)
    try:
        with pytest.raises(Refused, match=r"p5 \(srv-data\) is a bios-boot partition, too"):
            make_bootable(disk.root, disk.device, BIOS_LAYOUT, Heard())
    finally:
        subprocess.run(["sgdisk", "--typecode=5:8300", disk.device], check=True, capture_output=True)
