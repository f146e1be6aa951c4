"""What a root has for booting, without running any of it."""

import stat
from pathlib import Path

import pytest

from reprov.adapters.boot_loader import (
    distribution_of,
    has_initramfs,
    kernels_in,
    missing_for,
    read_grub_defaults,
    write_grub_defaults,
)
from reprov.domain.boot import Firmware


def make(root: Path, path: str, content: str = "", mode: int = 0o644) -> Path:
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(content)
    place.chmod(mode)
    return place


def test_kernels_and_their_initramfs(tmp_path: Path) -> None:
    assert kernels_in(tmp_path) == ()
    for name in ("vmlinuz-6.1.0-9", "vmlinuz-6.1.0-10", "config-6.1.0-9", "initrd.img-6.1.0-10"):
        make(tmp_path, f"boot/{name}", name)
    make(tmp_path, "boot/initrd.img-6.1.0-9")
    assert kernels_in(tmp_path) == ("6.1.0-10", "6.1.0-9")
    assert [has_initramfs(tmp_path, version) for version in ("6.1.0-10", "6.1.0-9", "5")] == [True, False, False]


def test_a_link_to_the_kernel_of_the_machine_is_not_followed_out_of_the_root(tmp_path: Path) -> None:
    outside = make(tmp_path, "outside", "initramfs")
    (tmp_path / "root/boot").mkdir(parents=True)
    (tmp_path / "root/boot/initrd.img-6.1").symlink_to(outside)
    assert not has_initramfs(tmp_path / "root", "6.1")


def test_what_grub_lacks(tmp_path: Path) -> None:
    assert missing_for(tmp_path, Firmware.BIOS) == "usr/sbin/grub-install"
    make(tmp_path, "usr/sbin/grub-install", mode=0o755)
    make(tmp_path, "usr/sbin/grub-mkconfig")
    assert missing_for(tmp_path, Firmware.BIOS) == "usr/sbin/grub-mkconfig"
    (tmp_path / "usr/sbin/grub-mkconfig").chmod(0o755)
    make(tmp_path, "usr/lib/grub/i386-pc/boot.img")
    assert [missing_for(tmp_path, firmware) for firmware in Firmware] == ["", "usr/lib/grub/x86_64-efi"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('NAME="Debian"\nID=debian\nVERSION_ID="12"\n', "debian"),
        ("ID='ubuntu'\n", "ubuntu"),
        ('VERSION_ID="12"\n', "linux"),
        ("ID=../../x\n", "linux"),
        ("", "linux"),
    ],
)
def test_the_name_of_the_distribution(tmp_path: Path, text: str, name: str) -> None:
    make(tmp_path, "usr/lib/os-release", text)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").symlink_to("../usr/lib/os-release")
    assert distribution_of(tmp_path) == name


def test_grubs_settings_keep_their_mode(tmp_path: Path) -> None:
    assert read_grub_defaults(tmp_path) is None
    place = make(tmp_path, "etc/default/grub", "A=1\n", mode=0o600)
    write_grub_defaults(tmp_path, "A=2\n")
    assert read_grub_defaults(tmp_path) == "A=2\n"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert [path.name for path in place.parent.iterdir()] == ["grub"]


def test_a_link_in_the_place_of_grubs_settings_leads_nowhere(tmp_path: Path) -> None:
    outside = make(tmp_path, "outside", "A=1\n")
    (tmp_path / "root/etc/default").mkdir(parents=True)
    (tmp_path / "root/etc/default/grub").symlink_to(outside)
    assert read_grub_defaults(tmp_path / "root") is None
    write_grub_defaults(tmp_path / "root", "A=2\n")
    assert outside.read_text() == "A=1\n"
