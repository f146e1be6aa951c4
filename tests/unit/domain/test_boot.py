"""Boot loaders of a layout, and what GRUB is told."""

from dataclasses import replace

import pytest

from reprov.domain.boot import Firmware, boot_trouble, esp_mount, firmwares_of, refuse_foreign_bios_boot, without_old_root
from reprov.domain.layout import OsPartition
from reprov.errors import Refused
from tests.disk_builders import EFI, ROOT, entry, layout, os_partition

BIOS = os_partition("bios", 1, "", "", "bios-boot")


@pytest.mark.parametrize(
    ("partitions", "firmwares"),
    [
        pytest.param((ROOT,), (), id="neither: a disk that does not boot"),
        pytest.param((BIOS, ROOT), (Firmware.BIOS,), id="BIOS"),
        pytest.param((EFI, ROOT), (Firmware.EFI,), id="EFI"),
        pytest.param((ROOT, EFI, BIOS), (Firmware.BIOS, Firmware.EFI), id="both"),
    ],
)
def test_firmwares(partitions: tuple[OsPartition, ...], firmwares: tuple[Firmware, ...]) -> None:
    assert firmwares_of(layout(*partitions)) == firmwares


@pytest.mark.parametrize(
    ("esp", "message"),
    [
        (replace(EFI, mount=""), "the layout's partition 'efi' is an ESP without a mount point"),
        (replace(EFI, filesystem="ext4"), "the layout's partition 'efi' is an ESP without vfat"),
    ],
)
def test_an_esp_that_cannot_hold_a_boot_loader_is_refused(esp: OsPartition, message: str) -> None:
    with pytest.raises(Refused) as refused:
        firmwares_of(layout(esp, ROOT))
    assert refused.value.message == message


def test_where_the_esp_is() -> None:
    assert esp_mount(layout(ROOT, replace(EFI, mount="/efi"))) == "/efi"


def test_a_bios_boot_partition_of_somebody_else_is_refused() -> None:
    own, other = entry(1, 1, 1, "bios-boot", "bios"), entry(2, 2, 1, "bios-boot", "other")
    refuse_foreign_bios_boot(layout(BIOS, ROOT), (own, entry(3, 3, 9, "linux", "other")))
    with pytest.raises(Refused, match=r"/dev/sda2 \(other\) is a bios-boot partition, too, and none of the layout's"):
        refuse_foreign_bios_boot(layout(BIOS, ROOT), (own, other))
    refuse_foreign_bios_boot(layout(EFI, ROOT), (own, other))  # nothing is written there


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            'GRUB_CMDLINE_LINUX="console=tty0 console=ttyS1,115200n8"\n',
            'GRUB_CMDLINE_LINUX="console=tty0 console=ttyS1,115200n8"\n',
            id="consoles",
        ),
        pytest.param(
            "GRUB_TERMINAL=serial\nGRUB_SERIAL_COMMAND='serial --unit=1'\n",
            "GRUB_TERMINAL=serial\nGRUB_SERIAL_COMMAND='serial --unit=1'\n",
            id="a serial line",
        ),
        pytest.param('GRUB_CMDLINE_LINUX="root=UUID=1 console=tty0"', 'GRUB_CMDLINE_LINUX=" console=tty0"', id="an old root"),
        pytest.param('GRUB_CMDLINE_LINUX_DEFAULT="quiet resume=UUID=2"', 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"', id="an old swap, last"),
        pytest.param("GRUB_CMDLINE_LINUX=root=/dev/sda1\n", "GRUB_CMDLINE_LINUX=\n", id="without quotes"),
        pytest.param('GRUB_CMDLINE_LINUX="noresume=1 x.root=2"', 'GRUB_CMDLINE_LINUX="noresume=1 x.root=2"', id="words that only end so"),
        pytest.param("# root=UUID=1\nA=1\n", "# root=UUID=1\nA=1\n", id="a comment"),
        pytest.param("A=1\nGRUB_DISABLE_LINUX_UUID=true\nB=2\n", "A=1\nB=2\n", id="a root by its device's name"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_what_grub_is_told_of_before(before: str, after: str) -> None:
    assert without_old_root(before) == after
    assert without_old_root(after) == after


@pytest.mark.parametrize(
    ("configuration", "trouble"),
    [
        pytest.param("  linux /boot/vmlinuz-6.1 root=UUID=ab ro quiet\n", "", id="a kernel with its root"),
        pytest.param("menuentry x {\n}\n", "it starts no kernel", id="no kernel"),
        pytest.param("linux /vmlinuz ro\n", "it gives a kernel no root instead of root=UUID=ab", id="no root"),
        pytest.param("linux /vmlinuz root=/dev/sda1\n", "it gives a kernel root=/dev/sda1 instead of root=UUID=ab", id="a device's name"),
        pytest.param(
            "linux /a root=UUID=ab ro\nlinux /b root=UUID=ab ro root=UUID=c\n",
            "it gives a kernel root=UUID=ab root=UUID=c instead of root=UUID=ab",
            id="a second root, which would win",
        ),
    ],
)
def test_what_would_not_boot(configuration: str, trouble: str) -> None:
    assert boot_trouble(configuration, ("UUID=ab",)) == trouble


def test_a_root_on_a_volume_goes_by_two_names() -> None:
    names = ("UUID=ab", "/dev/mapper/sys-root")
    for name in names:
        assert boot_trouble(f"linux /vmlinuz root={name} ro\n", names) == ""
    trouble = "it gives a kernel root=/dev/mapper/sys-old instead of root=UUID=ab or root=/dev/mapper/sys-root"
    assert boot_trouble("linux /vmlinuz root=/dev/mapper/sys-old ro\n", names) == trouble
