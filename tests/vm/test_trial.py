"""A new kernel is tried by one boot from disk: it comes up and stays, or the node is back on the old kernel and tree by itself.

Everything up to the reboot is done here, by the code that a live node runs; what follows it is the virtual machine's alone.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from reprov.adapters.initramfs import read_tree
from reprov.adapters.lay import install_boot_hook, install_client
from reprov.domain.grub_menu import ENVIRONMENT_BYTES, parse_environment
from reprov.domain.kernels import kernels_of
from reprov.domain.new_fstab import fstab_of
from reprov.domain.release import ReleaseId
from reprov.domain.resolved_role import ResolvedRole
from reprov.workflows import kernels, taken_into_use
from reprov.workflows.bootable import make_bootable
from tests.boot_lab import BIOS_LAYOUT, GRUB_DEFAULTS, NUMBERS, Heard, make_image
from tests.conftest import Ran
from tests.storage_lab import attached
from tests.system.trees import Tree, boot_trees
from tests.vm.node_lab import run_reprov

pytestmark = [
    pytest.mark.system,
    pytest.mark.commands,
    pytest.mark.needs("mmdebstrap", "sfdisk", "losetup", "partx", "mkfs.ext4", "mkswap", "rsync", "qemu-system-x86_64", "qemu-img"),
]

ROLE = "node"
TIMEOUT_S = 1500
"""Of one story, which takes one to two minutes on a machine that has nothing else to do."""

# Every file costs seconds in a machine without KVM.
_LEFT_OUT = (
    *(f"usr/share/{name}" for name in ("doc", "man", "locale", "info", "bash-completion", "lintian", "zoneinfo", "perl", "i18n", "zsh")),
    *(f"usr/lib/x86_64-linux-gnu/{name}" for name in ("perl", "perl-base", "gconv")),
    *(f"usr/lib/python3.11/{name}" for name in ("test", "idlelib", "lib2to3", "tkinter", "distutils", "pydoc_data", "__pycache__")),
    *("usr/lib/grub/x86_64-efi", "usr/lib/modules/*/kernel/net", "usr/lib/modules/*/kernel/sound", "usr/lib/modules/*/kernel/drivers/*"),
    *("var/cache/*", "var/lib/apt/*", "boot/initrd.img-*"),
)
_DRIVERS = ("virtio", "block")
_GRUB = f"{GRUB_DEFAULTS}GRUB_DISABLE_RECOVERY=true\nGRUB_DISABLE_SUBMENU=true\n"
_BREAK = """\
#!/bin/sh
# What the kernel is told to suffer.
[ "$1" != prereqs ] || exit 0
read -r words </proc/cmdline
case " $words " in
*" lab=panic "*) echo c >/proc/sysrq-trigger ;;
*" lab=hang "*) sleep 100000 ;;
esac
"""
_CONFIRM = """\
#!/usr/bin/python3 -IB
import sys
sys.path.insert(0, "/usr/lib/reprov")
from pathlib import Path
from reprov.workflows.confirm import confirm_at_boot
class Told:
    def emit(self, event):
        print(event, flush=True)
print(confirm_at_boot(Path("/"), Told()))
"""
_TELL = """\
#!/bin/sh
# Tells of the boot once the node has come to rest, and boots it again as often as asked.
left=600
until grep -qE '"state": "(confirmed|rolled-back)"' /.reprov/state.json || [ $left = 0 ]; do sleep 1; left=$((left - 1)); done
watched=$(cat /run/reprov/trial.pid 2>/dev/null)
state=$(sed -n 's/.*"state": "\\(.*\\)",/\\1/p' /.reprov/state.json)
echo "REST $(uname -r) $state $(cat /usr/share/lab) panic=$(cat /proc/sys/kernel/panic) watchdog=${watched:-none}." >/dev/ttyS0
systemctl status --no-pager reprov-confirm.service >/dev/ttyS0 2>&1
if [ -e /var/lib/again ]; then
    rm /var/lib/again
    sync
    exec systemctl reboot --force --force
fi
sync
exec systemctl poweroff --force --force
"""
_MASKED = ("e2scrub_reap", "systemd-timesyncd", "serial-getty@ttyS0", "getty@tty1", "systemd-random-seed", "systemd-networkd")


class Trial(NamedTuple):
    """A node that waits for its reboot."""

    image: Path
    old: str
    new: str


class Story(NamedTuple):
    """What a virtual machine did that booted from a node's disk until it was switched off."""

    said: str
    installed: str
    quarantined: list[str]
    variables: dict[str, str]

    @property
    def starts(self) -> list[str]:
        """The kernels that were started, in their order."""
        return [line.split("Linux version ")[1].split()[0] for line in self.said.splitlines() if "Linux version " in line]

    @property
    def rests(self) -> list[str]:
        """What the node was each time it came to rest."""
        return [line.split("REST ")[1] for line in self.said.splitlines() if "REST " in line]


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory, nothing_stays_behind: None) -> Iterator[Trial]:
    """A node with release 1.1 and its new kernel, which was asked to try it."""
    folder = tmp_path_factory.mktemp("trial")
    trees = boot_trees()
    (old,) = kernels_of(read_tree(trees.old))
    (new,) = kernels_of(read_tree(trees.new)).keys() - {old}
    store = folder / "store"
    _publish(store, "1.0", trees.old)
    second = store / f"build/{ROLE}/1.1/tree"
    second.parent.mkdir(parents=True)
    subprocess.run(["cp", "--archive", store / f"trees/{ROLE}/1.0", second], check=True)
    _copy(trees.new, second, f"/boot/*-{new}", f"/usr/lib/modules/{new}")
    _publish(store, "1.1", None)
    make_image(folder / "disk.img")
    with _mounted(folder / "disk.img", folder / "root", format=True) as (device, root, uuids):
        _must(run_reprov("upgrade", ROLE, "1.0", "--from", store, "--root", root))
        _furnish(root, uuids)
        make_bootable(root, device, BIOS_LAYOUT, Heard())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(taken_into_use, "update_boot", _as_on_a_live_node)
            ran = run_reprov("upgrade", ROLE, "1.1", "--from", store, "--root", root)
        assert ran.status == 100, ran
        assert f"reboot wanted: to try kernel {new}; the node goes back to {old} by itself if it does not come up\n" in ran.stdout
    shutil.rmtree(store)
    yield Trial(folder / "disk.img", old, new)
    shutil.rmtree(folder)


def _as_on_a_live_node(*given: Any, trial_s: int, **options: Any) -> kernels.Booted:
    return kernels.update_boot(*given, trial_s=600, **options)


def test_a_kernel_that_comes_up_is_confirmed_and_booted_from_then_on(trial: Trial, tmp_path: Path) -> None:
    story = _run(trial, tmp_path, trial_words=f"reprov.trial={TIMEOUT_S} panic=30", again=True)
    rest = f"{trial.new} confirmed 1.1 panic=1 watchdog=none."
    assert story.rests == [rest, rest], story.said[-6000:]
    assert story.starts == [trial.new, trial.new]
    assert not story.variables.get("next_entry")


def test_a_kernel_that_panics_is_taken_back(trial: Trial, tmp_path: Path) -> None:
    story = _run(trial, tmp_path, trial_words="panic=1 lab=panic")
    _is_back(story, trial)


def test_a_kernel_that_hangs_in_its_initramfs_is_taken_back(trial: Trial, tmp_path: Path) -> None:
    story = _run(trial, tmp_path, trial_words="reprov.trial=15 panic=1 lab=hang")
    assert "nobody has confirmed the trial of this kernel within 15 s: rebooting" in story.said
    _is_back(story, trial)


def _is_back(story: Story, trial: Trial) -> None:
    assert story.rests == [f"{trial.old} rolled-back 1.0 panic=1 watchdog=none."], story.said[-6000:]
    assert story.starts == [trial.new, trial.old]
    assert story.installed == f"{ROLE} 1.0"
    assert story.quarantined == [f"kernel {trial.new} did not come up"]
    assert not story.variables.get("next_entry")


def _run(trial: Trial, folder: Path, *, trial_words: str, again: bool = False) -> Story:
    """Boot a copy of the node's disk until it switches itself off; with other words for the kernel on its trial."""
    image, serial = folder / "disk.img", folder / "serial.log"
    subprocess.run(["cp", "--sparse=always", trial.image, image], check=True)
    with _mounted(image, folder / "root") as (_, root, _):
        menu = root / "boot/grub/grub.cfg"
        assert menu.read_text().count("reprov.trial=600 panic=30") == 1
        menu.write_text(menu.read_text().replace("reprov.trial=600 panic=30", trial_words))
        if again:
            (root / "var/lib/again").touch()
    argv = (
        *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-machine", "q35", "-accel", "tcg,thread=multi,tb-size=256"),
        *("-cpu", "qemu64", "-m", "768", "-smp", "2", "-display", "none", "-serial", f"file:{serial}"),
        *("-drive", f"file={image},format=raw,if=none,id=disk", "-device", "virtio-blk-pci,drive=disk"),
    )
    try:
        subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"not off after {TIMEOUT_S} s:\n{serial.read_text(errors='replace')[-6000:]}") from None
    with _mounted(image, folder / "root") as (_, root, _):
        block = (root / "boot/grub/grubenv").read_bytes()
        status = json.loads(run_reprov("status", "--json", "--root", root).stdout)
        armed = (root / ".reprov/armed").exists()
    image.unlink()
    assert (len(block), armed) == (ENVIRONMENT_BYTES, False)
    quarantined = [item["reason"] for item in status["quarantined"]]
    return Story(serial.read_text(errors="replace"), status["installed"], quarantined, parse_environment(block))


@contextmanager
def _mounted(image: Path, root: Path, *, format: bool = False) -> Iterator[tuple[str, Path, dict[str, str]]]:
    """The disk, its root, and the UUIDs of its filesystems, which are made if asked."""
    root.mkdir(exist_ok=True)
    with attached(image) as (disk,):
        uuids = {}
        for partition in BIOS_LAYOUT.partitions if format else ():
            device = f"{disk}p{NUMBERS[partition.name]}"
            for command in partition.format_commands(device):
                subprocess.run(command, check=True, capture_output=True)
            if partition.filesystem:
                words = ("blkid", "--probe", "--match-tag", "UUID", "--output", "value", device)
                uuids[partition.name] = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
        subprocess.run(["mount", f"{disk}p{NUMBERS['root']}", root], check=True)
        try:
            yield str(disk), root, uuids
        finally:
            subprocess.run(["umount", root], check=True)


def _copy(tree: Path, folder: Path, *only: str) -> None:
    """A tree, or only these paths of it, without what nothing here looks at."""
    drivers = (f"--include=/usr/lib/modules/*/kernel/drivers/{name}" for name in _DRIVERS)
    words = [*drivers, *(f"--exclude=/{path}" for path in _LEFT_OUT)]
    if only:
        words += ["--include=/boot", "--include=/usr", "--include=/usr/lib", "--include=/usr/lib/modules"]
        words += [*(f"--include={path}" for path in only), *(f"--include={path}/**" for path in only), "--exclude=*"]
    subprocess.run(["rsync", "--archive", "--hard-links", "--xattrs", *words, f"{tree}/", folder], check=True)


def _publish(store: Path, version: str, tree: Path | None) -> None:
    """A release of a tree with the client of this checkout; None for one whose tree is there already."""
    build = store / f"build/{ROLE}/{version}"
    folder = build / "tree"
    if tree:
        folder.mkdir(parents=True)
        _copy(tree, folder)
        install_client(folder)
        install_boot_hook(folder)
    Tree.over(folder).file("usr/share/lab", version)
    made = boot_trees().old.parent / "role.json"
    resolved = ResolvedRole.parse(made.read_text(), str(made))
    (build / "role.json").write_text(replace(resolved, id=ReleaseId(ROLE, version), parent=None).to_json())
    _must(run_reprov("publish", ROLE, version, "--store", store))


def _furnish(root: Path, uuids: dict[str, str]) -> None:
    """What makes it a node, with drivers for the virtual machine alone, and a unit that tells of the boot."""
    node = Tree.over(root)
    node.file("etc/fstab", fstab_of(BIOS_LAYOUT, uuids, "")).file("etc/machine-id", f"{'0123456789abcdef' * 2}\n", mode=0o444)
    node.file("etc/default/grub", _GRUB).file("etc/initramfs-tools/conf.d/lab", "MODULES=list\n")
    node.file("etc/initramfs-tools/modules", "virtio_pci\nvirtio_blk\next4\n")
    node.file("etc/initramfs-tools/scripts/init-premount/lab", _BREAK, mode=0o755)
    node.file("usr/local/sbin/tell", _TELL, mode=0o755).file("usr/local/sbin/confirm-node", _CONFIRM, mode=0o755)
    # The command line's own libraries are not in these trees.
    node.file("etc/systemd/system/reprov-confirm.service.d/lab.conf", "[Service]\nExecStart=\nExecStart=/usr/local/sbin/confirm-node\n")
    unit = "[Service]\nType=simple\nExecStart=/usr/local/sbin/tell\n"
    node.file("etc/systemd/system/tell.service", unit)
    node.symlink("etc/systemd/system/multi-user.target.wants/tell.service", "../tell.service")
    for script in (root / "etc/grub.d").iterdir():
        if script.name not in ("00_header", "10_linux"):
            script.chmod(0o644)
    for name in _MASKED:
        if not os.path.lexists(place := root / f"etc/systemd/system/{name}.service"):
            place.symlink_to("/dev/null")


def _must(ran: Ran) -> None:
    assert ran.status == 0, ran
