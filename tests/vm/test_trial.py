"""A new kernel is tried by one boot from disk: it comes up and stays, or the node is back on the old kernel and tree by itself.

Everything up to the reboot is done here, by the code that a live node runs; what follows it is the virtual machine's alone.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from reprov.adapters.health_state import HealthState
from reprov.adapters.initramfs import read_tree
from reprov.domain.grub_menu import parse_environment
from reprov.domain.health import Address, Baseline, Network, Patience
from reprov.domain.kernels import kernels_of
from reprov.domain.release import ReleaseId
from reprov.workflows import kernels, taken_into_use
from reprov.workflows.bootable import make_bootable
from tests.boot_lab import BIOS_LAYOUT, NUMBERS, make_image
from tests.heard import Heard
from tests.storage_lab import attached
from tests.system.trees import Tree, role_trees
from tests.vm import machine as virtual
from tests.vm import node_trees
from tests.vm.machine import KERNEL_WORDS, Machine
from tests.vm.node_lab import OLD, ROLE
from tests.vm.node_trees import must, run, run_reprov
from tests.vm.power_cuts import come_to_rest, release_in_use

pytestmark = [
    pytest.mark.system,
    pytest.mark.commands,
    pytest.mark.long,
    pytest.mark.needs("mmdebstrap", "rsync", "sfdisk", "partx", "losetup", "mkfs.ext4", "mkswap", "ssh-keygen", *virtual.PROGRAMS),
]

NEW: Final = "1.1"
_GRUB_FILES: Final = ("+ /usr/lib/grub/i386-pc/", "+ /usr/share/grub/grub-mkconfig_lib")
_GRUB: Final = f"""\
GRUB_TIMEOUT=0
GRUB_TERMINAL=serial
GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"
GRUB_CMDLINE_LINUX="{KERNEL_WORDS} net.ifnames=0"
"""
_MENU: Final = """\
#!/bin/sh
# What GRUB's own script says of kernels; that takes this processor minutes.
for image in $(ls -r /boot/vmlinuz-*); do
    version=${image#/boot/vmlinuz-}
    cat <<ENTRY
menuentry 'Debian, with Linux $version' \\$menuentry_id_option 'gnulinux-$version' {
search --no-floppy --fs-uuid --set=root $GRUB_DEVICE_UUID
linux $image root=UUID=$GRUB_DEVICE_UUID ro $GRUB_CMDLINE_LINUX
initrd /boot/initrd.img-$version
}
ENTRY
done
"""
_TRIAL_WORDS: Final = "reprov.trial=600 panic=30"
_BREAK: Final = """\
#!/bin/sh
# What the kernel is told to suffer.
[ "$1" != prereqs ] || exit 0
read -r words </proc/cmdline
case " $words " in
*" lab=panic "*) echo c >/proc/sysrq-trigger ;;
*" lab=hang "*) sleep 100000 ;;
esac
"""
_BASELINE: Final = Baseline(Network((Address("eth0", "10.0.2.15", 24),)))


class Trial(NamedTuple):
    """A node that waits for its reboot."""

    image: Path
    old: str
    new: str


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory, nothing_stays_behind: None) -> Iterator[Trial]:
    """A node with release NEW and its new kernel, which was asked to try it."""
    folder = tmp_path_factory.mktemp("trial")
    trees, first, store = role_trees("base"), folder / "first", folder / "store"
    (old,) = kernels_of(read_tree(trees.old))
    (new,) = kernels_of(read_tree(trees.new)).keys() - {old}
    node_trees.first_release(first, trees.old, OLD, *_GRUB_FILES)
    node_trees.publish(store, trees, first, ReleaseId(ROLE, OLD), node_trees.change_nothing)
    node_trees.publish(store, trees, first, ReleaseId(ROLE, NEW), _with_kernel(trees.new, new))
    make_image(folder / "disk.img")
    with _mounted(folder / "disk.img", folder / "root", is_new=True) as (device, root, uuid):
        must(run_reprov("upgrade", ROLE, OLD, "--from", store, "--root", root))
        shutil.copy(first / f"boot/initrd.img-{old}", root / "boot")
        _furnish(root, uuid)
        make_bootable(root, device, BIOS_LAYOUT, Heard())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(taken_into_use, "update_boot", _as_on_a_live_node)
            ran = run_reprov("upgrade", ROLE, NEW, "--from", store, "--root", root)
        HealthState(root / ".reprov").begin(_BASELINE, Patience())
    assert ran.status == 100, ran
    assert f"reboot wanted: to try kernel {new}; the node goes back to {old} by itself if it does not come up\n" in ran.stdout
    for place in (store, first):
        shutil.rmtree(place)
    yield Trial(folder / "disk.img", old, new)
    shutil.rmtree(folder)


def _with_kernel(tree: Path, version: str) -> node_trees.Change:
    def change(folder: Path, release: str) -> None:
        node_trees.change_lab(folder, release)
        node_trees.add_kernel(folder, tree, version)

    return change


def _as_on_a_live_node(*given: Any, trial_s: int, **options: Any) -> kernels.Booted:
    return kernels.update_boot(*given, trial_s=600, **options)


def test_a_kernel_that_comes_up_is_confirmed_and_booted_from_then_on(trial: Trial, tmp_path: Path) -> None:
    with _node(trial, tmp_path, told="reprov.trial=3000 panic=30") as node:
        state = come_to_rest(node)
        assert (state["state"], state["installed"], release_in_use(node)) == ("confirmed", f"{ROLE} {NEW}", NEW)
        _forgets_its_trial(node)
        node.reboot()
        assert _kernels(node) == [trial.new, trial.new]
        assert "reprov.trial" not in node.shell("cat /proc/cmdline")


def test_a_kernel_that_panics_is_taken_back(trial: Trial, tmp_path: Path) -> None:
    with _node(trial, tmp_path, told="panic=1 lab=panic") as node:
        _goes_back(node, trial, f"kernel {trial.new} did not come up")
        assert "Kernel panic - not syncing: sysrq triggered crash" in node.said_in(1)


def test_a_kernel_that_hangs_in_its_initramfs_is_taken_back(trial: Trial, tmp_path: Path) -> None:
    with _node(trial, tmp_path, told="reprov.trial=15 panic=1 lab=hang") as node:
        _goes_back(node, trial, f"kernel {trial.new} did not come up")
        assert "nobody has confirmed the trial of this kernel within 15 s: rebooting" in node.said_in(1)


def _goes_back(node: Machine, trial: Trial, reason: str) -> None:
    """By itself, in one boot more, to where it was before."""
    state = come_to_rest(node)
    assert (state["state"], state["installed"], release_in_use(node)) == ("rolled-back", f"{ROLE} {OLD}", OLD)
    assert _kernels(node) == [trial.new, trial.old]
    assert str(state["quarantined"]).count(reason) == 1
    _forgets_its_trial(node)


def _forgets_its_trial(node: Machine) -> None:
    assert not parse_environment(node.shell("cat /boot/grub/grubenv").encode()).get("next_entry")
    assert node.shell("ls /.reprov/armed /run/reprov/trial.pid 2>/dev/null || true") == ""
    assert node.shell("cat /proc/sys/kernel/panic") == "-1\n"


def _kernels(node: Machine) -> list[str]:
    """Of each boot."""
    return [found[1] for boot in range(1, node.boots + 1) if (found := re.search(r"Linux version (\S+)", node.said_in(boot)))]


@contextmanager
def _node(trial: Trial, folder: Path, *, told: str) -> Iterator[Machine]:
    """The node when it is rebooted; with other words for the kernel on its trial."""
    image, disk = folder / "disk.img", folder / "disk.qcow2"
    run("cp", "--sparse=always", str(trial.image), str(image))
    with _mounted(image, folder / "root") as (_, root, _):
        menu = root / "boot/grub/grub.cfg"
        assert menu.read_text().count(_TRIAL_WORDS) == 1
        menu.write_text(menu.read_text().replace(_TRIAL_WORDS, told))
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(image), str(disk))
    with Machine(disk, None, folder) as node:
        yield node
    for file in (disk, image):
        file.unlink()


@contextmanager
def _mounted(image: Path, root: Path, *, is_new: bool = False) -> Iterator[tuple[str, Path, str]]:
    """The disk, its root, and the UUID of that, which is made if it is new."""
    root.mkdir(exist_ok=True)
    with attached(image) as (disk,):
        device = f"{disk}p{NUMBERS['root']}"
        if is_new:
            run("mkfs.ext4", "-q", device)
            run("mkswap", f"{disk}p{NUMBERS['swap']}")  # systemd takes any that it finds, and tells of one that is none
        uuid = run("blkid", "--probe", "--match-tag", "UUID", "--output", "value", device).decode().strip()
        run("mount", device, str(root))
        try:
            yield str(disk), root, uuid
        finally:
            run("umount", str(root))


def _furnish(root: Path, uuid: str) -> None:
    """What makes it a node, with a menu that takes no time, and a kernel that can be broken."""
    node = Tree.over(root)
    node.file("etc/fstab", f"UUID={uuid} / ext4 defaults 0 1\n").file("etc/machine-id", f"{'0123456789abcdef' * 2}\n", mode=0o444)
    node.file("etc/default/grub", _GRUB).file("etc/initramfs-tools/scripts/init-premount/lab", _BREAK, mode=0o755)
    for script in (root / "etc/grub.d").iterdir():
        if script.name != "00_header":
            script.chmod(0o644)
    node.file("etc/grub.d/10_lab", _MENU, mode=0o755)
    run("ssh-keygen", "-q", "-A", "-f", str(root))
