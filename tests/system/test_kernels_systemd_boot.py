"""Entries of systemd-boot and an initramfs of dracut after a hop. The ESP is another filesystem: not every kernel has vfat."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from reprov.adapters.boot_programs import opened_programs
from reprov.adapters.initramfs import read_tree
from reprov.domain.boot_entries import BootEntry
from reprov.domain.kernels import kernels_of
from reprov.workflows.boot_preflight import preflight_boot
from reprov.workflows.fallback import fallback_kernels
from reprov.workflows.kernels import Booted, update_boot
from tests.heard import Heard
from tests.system.filesystems import Filesystems
from tests.system.snapshot import difference, snapshot, timeless
from tests.system.trees import dracut_trees

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("mmdebstrap", "mkfs.ext4")]

MACHINE = "0123456789abcdef" * 2
LOADER = "usr/lib/systemd/boot/efi/systemd-bootx64.efi"
OPTIONS = "root=UUID=5d9c5137-8103-4cce-b89b-df754d9ee976 ro console=ttyS0"


class Node:
    """A node that systemd-boot starts, right after the commit of a release with another kernel."""

    def __init__(self, root: Path) -> None:
        self.root, self.esp = root, root / "boot/efi"
        trees = dracut_trees()
        self.before, self.after = read_tree(trees.old), read_tree(trees.new)
        self.old, self.both = kernels_of(self.before), kernels_of(self.after)
        (self.old_version,) = self.old
        (self.new_version,) = self.both.keys() - self.old.keys()

    def set_up(self) -> None:
        """As kernel-install and bootctl leave it."""
        folder = self.esp / MACHINE / self.old_version
        for path in (folder, self.esp / "loader/entries", self.esp / "EFI/systemd", self.esp / "EFI/BOOT"):
            path.mkdir(parents=True)
        shutil.copyfile(self.root / f"boot/vmlinuz-{self.old_version}", folder / "linux")
        shutil.copyfile(self.root / f"boot/initrd.img-{self.old_version}", folder / f"initrd.img-{self.old_version}")
        place = f"/{MACHINE}/{self.old_version}"
        entry = BootEntry(
            f"{MACHINE}-{self.old_version}.conf",
            "Debian GNU/Linux 12",
            self.old_version,
            f"{place}/linux",
            f"{place}/initrd.img-{self.old_version}",
            OPTIONS,
            MACHINE,
        )
        (self.esp / "loader/entries" / entry.name).write_text(entry.text())
        (self.esp / "loader/loader.conf").write_text("timeout 3\n")
        for installed in ("EFI/systemd/systemd-bootx64.efi", "EFI/BOOT/BOOTX64.EFI"):
            (self.esp / installed).write_bytes(b"of the version before")

    def entry(self, version: str) -> BootEntry:
        name = f"{MACHINE}-{version}.conf"
        return BootEntry.parse(name, (self.esp / "loader/entries" / name).read_text())


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, nothing_stays_behind: None) -> Iterator[Node]:
    """Its tree on a filesystem of its own, its ESP on another one."""
    folder = tmp_path_factory.mktemp("node")
    (folder / "images").mkdir()
    filesystems = Filesystems(folder / "images")
    try:
        root = filesystems.make("ext4", folder / "root", size_mib=1500)
        subprocess.run(["cp", "--archive", f"{dracut_trees().new}/.", str(root)], check=True)
        filesystems.make("ext4", root / "boot/efi", size_mib=160)
        made = Node(root)
        made.set_up()
        yield made
    finally:
        filesystems.close()


def test_preflight_looks_at_the_esp(node: Node) -> None:
    assert preflight_boot(node.root, node.before, node.after) == ()
    filler = node.esp / "filler"
    with filler.open("wb") as file:
        file.write(bytes(90 << 20))
    try:
        (blocker,) = preflight_boot(node.root, node.before, node.after)
    finally:
        filler.unlink()
    assert (blocker.path, blocker.problem.partition(":")[0]) == ("boot/efi", "has no room for another kernel and its initramfs")


def test_a_new_kernel_gets_an_entry_beside_the_old_one(node: Node) -> None:
    """And a second run changes nothing."""
    old, heard = snapshot(node.esp / MACHINE / node.old_version), Heard()
    assert fallback_kernels(node.root, is_live=False) == [node.old_version]
    booted = update_boot(node.root, node.old, node.both, heard, trial_s=600)
    assert booted == Booted(("systemd-boot",), (node.new_version,), node.new_version)
    assert heard.notes == [
        "systemd-boot was brought to the version of the release",
        f"kernel {node.new_version} is booted without a trial: systemd-boot can only be told in a system that it started",
    ]
    assert difference(old, snapshot(node.esp / MACHINE / node.old_version)) == []
    entry = node.entry(node.new_version)
    assert (entry.version, entry.options, entry.machine) == (node.new_version, OPTIONS, MACHINE)
    kernel, initramfs = node.esp / entry.linux.lstrip("/"), node.esp / entry.initrd.lstrip("/")
    assert kernel.read_bytes() == (node.root / f"boot/vmlinuz-{node.new_version}").read_bytes()
    made = node.root / f"boot/initrd.img-{node.new_version}"
    assert initramfs.read_bytes() == made.read_bytes()
    with opened_programs(node.root) as programs:
        assert f"lib/modules/{node.new_version}/" in programs.run("lsinitrd", f"/boot/{made.name}")
    packaged = (node.root / LOADER).read_bytes()
    assert [(node.esp / path).read_bytes() == packaged for path in ("EFI/systemd/systemd-bootx64.efi", "EFI/BOOT/BOOTX64.EFI")] == [
        True
    ] * 2

    before, heard = timeless(snapshot(node.root / "boot")), Heard()
    assert update_boot(node.root, node.old, node.both, heard).made == ()
    assert heard.notes == []
    assert difference(before, timeless(snapshot(node.root / "boot"))) == []


def test_the_entry_of_a_kernel_that_is_gone_goes_with_what_it_names(node: Node) -> None:
    """After the test above."""
    gone = [node.root / f"boot/vmlinuz-{node.old_version}", node.root / f"usr/lib/modules/{node.old_version}"]
    for path in gone:
        path.rename(path.with_name("away"))
    try:
        update_boot(node.root, node.both, {node.new_version: node.both[node.new_version]}, Heard())
    finally:
        for path in gone:
            path.with_name("away").rename(path)
    assert [path.name for path in (node.esp / "loader/entries").iterdir()] == [f"{MACHINE}-{node.new_version}.conf"]
    assert list((node.esp / MACHINE / node.old_version).iterdir()) == []
