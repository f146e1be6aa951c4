"""A new kernel is booted once, and the old one after that: GRUB takes the trial away itself, before it boots."""

import shutil
import subprocess
from pathlib import Path

import pytest

from reprov.adapters.initramfs import read_tree
from reprov.domain.kernels import kernels_of
from reprov.workflows.bootable import make_bootable
from reprov.workflows.kernels import update_boot
from tests.boot_lab import BIOS_LAYOUT, Heard, boot, boot_disk
from tests.system.trees import boot_trees

pytestmark = [
    pytest.mark.system,
    pytest.mark.commands,
    pytest.mark.needs("mmdebstrap", "sfdisk", "losetup", "partx", "mkfs.ext4", "mkswap", "qemu-system-x86_64"),
]

TIMEOUT_S = 1800
"""Of one virtual machine; without KVM it takes one to three minutes on a machine that has nothing else to do."""


def test_a_new_kernel_is_booted_once_and_then_the_old_one(tmp_path: Path) -> None:
    trees = boot_trees()
    old, new = kernels_of(read_tree(trees.old)), kernels_of(read_tree(trees.new))
    (old_version,), (new_version,) = old, new.keys() - old.keys()
    with boot_disk(tmp_path, trees.old, BIOS_LAYOUT) as disk:
        make_bootable(disk.root, disk.device, BIOS_LAYOUT, Heard())
        for path in ("boot/vmlinuz-", "boot/config-", "usr/lib/modules/"):
            subprocess.run(["cp", "--archive", trees.new / f"{path}{new_version}", disk.root / path.rpartition("/")[0]], check=True)
        with (disk.root / "usr/local/sbin/tell").open("a") as tell:
            tell.write('echo "KERNEL $(uname -r)." >/dev/ttyS0\n')
        assert update_boot(disk.root, old, new, Heard(), trial=True).trial == new_version
    try:
        for version in (new_version, old_version, old_version):
            said = boot(disk.image, folder=tmp_path, timeout_s=TIMEOUT_S, is_kept=False)
            assert f"KERNEL {version}." in said, said[-4000:]
    finally:
        shutil.rmtree(tmp_path)
