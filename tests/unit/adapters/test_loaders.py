"""Which boot loaders a root has."""

from pathlib import Path

import pytest

from reprov.adapters.loaders import Entries, Grub, Loaders, find_loaders, making_in
from reprov.domain.kernels import Initramfs, Making

SYSTEMD_BOOT = ("loader/entries/a.conf", "EFI/systemd/systemd-bootx64.efi")


def root_with(folder: Path, *paths: str, text: str = "") -> Path:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
        (folder / path).chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("paths", "text", "loaders"),
    [
        pytest.param(("boot/vmlinuz-6.1",), "", Loaders(None, None), id="none: a container"),
        pytest.param(("usr/sbin/grub-install", "usr/bin/grub-editenv"), "", Loaders(None, None), id="GRUB's programs alone"),
        pytest.param(("boot/grub/grub.cfg",), "", Loaders(Grub("boot/grub", "grub-", reads_entries=False), None), id="GRUB"),
        pytest.param(
            ("boot/grub2/grub.cfg", "usr/bin/grub2-editenv"),
            "insmod blscfg\nblscfg\n",
            Loaders(Grub("boot/grub2", "grub2-", reads_entries=True), Entries("", "boot/loader", is_copied=False)),
            id="GRUB of the RPM family, with an entry's file for each kernel",
        ),
        pytest.param(
            tuple(f"boot/efi/{path}" for path in SYSTEMD_BOOT),
            "",
            Loaders(None, Entries("boot/efi", "boot/efi/loader", is_copied=True)),
            id="systemd-boot",
        ),
        pytest.param(
            tuple(f"efi/{path}" for path in SYSTEMD_BOOT),
            "",
            Loaders(None, Entries("efi", "efi/loader", is_copied=True)),
            id="systemd-boot, ESP at /efi",
        ),
        pytest.param(("boot/loader/entries/a.conf",), "", Loaders(None, None), id="entries that nobody reads"),
        pytest.param(
            ("boot/grub/grub.cfg", *(f"boot/efi/{path}" for path in SYSTEMD_BOOT)),
            "",
            Loaders(Grub("boot/grub", "grub-", reads_entries=False), Entries("boot/efi", "boot/efi/loader", is_copied=True)),
            id="both",
        ),
    ],
)
def test_the_loaders_of_a_root(tmp_path: Path, paths: tuple[str, ...], text: str, loaders: Loaders) -> None:
    found = find_loaders(root_with(tmp_path, *paths, text=text))
    assert found == loaders
    assert bool(found) is (loaders != Loaders(None, None))


@pytest.mark.parametrize(
    ("paths", "making"),
    [
        ((), None),
        (("usr/sbin/mkinitramfs", "usr/bin/dpkg"), Making(Initramfs.INITRAMFS_TOOLS, is_debian=True)),
        (("usr/bin/dracut", "usr/bin/dpkg"), Making(Initramfs.DRACUT, is_debian=True)),
        (("usr/bin/dracut",), Making(Initramfs.DRACUT, is_debian=False)),
    ],
)
def test_what_makes_an_initramfs(tmp_path: Path, paths: tuple[str, ...], making: Making | None) -> None:
    assert making_in(root_with(tmp_path, *paths)) == making
