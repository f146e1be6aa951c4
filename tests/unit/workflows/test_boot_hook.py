"""Who will carry out what is armed, where no program has to be asked."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reprov.adapters.lay import install_boot_hook
from reprov.domain.boot_hook import BootWay
from reprov.errors import Refused
from reprov.workflows.boot_hook import ensure_boot_hook, forget_offline_update
from tests.heard import Heard

GENERATOR = "usr/lib/systemd/system-generators/systemd-system-update-generator"
MENU = """\
menuentry 'Debian' --id one {{
linux /boot/vmlinuz-6.1 root=UUID=1
{initrd}
}}
"""


def put(root: Path, path: str, text: str = "") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)
    (root / path).chmod(0o755)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A node with systemd and initramfs-tools."""
    for path in (GENERATOR, "usr/sbin/mkinitramfs", "usr/bin/dpkg", "etc/systemd/system/mine.service"):
        put(tmp_path, path)
    return tmp_path


def adopted(root: Path) -> None:
    """Its tree has no hook, whatever its initramfs is."""
    put(root, "boot/grub/grub.cfg", MENU.format(initrd="initrd /boot/initrd.img-6.1"))


def without_initramfs(root: Path) -> None:
    install_boot_hook(root)
    put(root, "boot/grub/grub.cfg", MENU.format(initrd=""))


def unknown_kernel(root: Path) -> None:
    install_boot_hook(root)
    put(root, "boot/grub/grub.cfg", "# made by hand\n")


def without_loader(root: Path) -> None:
    """It is not the running system, so that nothing tells with what it will be started."""
    install_boot_hook(root)
    put(root, "run/reprov-boot-hook", "x\n")


WAYS = [
    pytest.param(adopted, id="the tree has no hook"),
    pytest.param(without_initramfs, id="the kernel is booted without an initramfs"),
    pytest.param(unknown_kernel, id="nobody knows which kernel is booted"),
    pytest.param(without_loader, id="the node has no boot loader of its own"),
]


@pytest.mark.parametrize("furnish", WAYS)
def test_systemd_does_it_where_the_initramfs_cannot(root: Path, furnish: Callable[[Path], None]) -> None:
    furnish(root)
    heard = Heard()
    assert ensure_boot_hook(root, heard) is BootWay.OFFLINE_UPDATE
    assert heard.notes == [
        "the initramfs cannot exchange trees here: the next boot is an offline update of systemd, which reboots once more"
    ]
    assert str((root / "system-update").readlink()) == ".reprov"
    forget_offline_update(root)
    assert not (root / "system-update").is_symlink()
    assert os.listdir(root / "etc/systemd/system") == ["mine.service"]


@pytest.mark.parametrize("furnish", WAYS)
def test_where_neither_can_it_is_refused(root: Path, furnish: Callable[[Path], None]) -> None:
    furnish(root)
    (root / GENERATOR).unlink()
    with pytest.raises(Refused, match="nothing can exchange trees at boot here"):
        ensure_boot_hook(root, Heard())
    assert not (root / "system-update").is_symlink()
