"""A machine that boots a rescue image, with a person at its serial console and a way in over ssh on loopback. No KVM is needed."""

import json
import os
import random
import re
import select
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import reprov as package
from reprov.adapters.lay import install_client, lay_files
from reprov.events import NullMonitor
from reprov.workflows.rescue_image import WantedImage, make_rescue_image
from tests.system.trees import rescue_trees

_KEYS_ONLY = ("-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=30", "-F", "none")
MIB = 1 << 20
ROOT_BYTES = slice(25 * MIB, 185 * MIB)
OSD_BYTES = slice(185 * MIB, 201 * MIB)
BEHIND_BOOT = slice(25 * MIB, 41 * MIB)
"""The OSD of a disk whose root is no partition."""
ROOT_VOLUME = slice(BEHIND_BOOT.stop + MIB, BEHIND_BOOT.stop + 161 * MIB)
VAR_VOLUME = slice(ROOT_VOLUME.stop, ROOT_VOLUME.stop + 20 * MIB)
"""Behind LVM's own MiB: the first volume of a new group begins with its first extent, and the next one behind it."""
_OSD_MIB = 16
_DISK_MIB = 256
CEPH_DATA = "4fbd7e29-9d25-41b8-afd0-062c0ceff05d"
_BOOT = {"name": "boot", "size": "24M", "filesystem": "ext4", "mount": "/boot"}
_COMMON = {"disk": {"serial": "osd-disk"}, "preserve": [{"type": CEPH_DATA}]}
LAYOUTS = {
    "node.json": json.dumps(
        _COMMON | {"partitions": [_BOOT, {"name": "root", "size": "160M", "filesystem": "ext4", "mount": "/"}]},
    ),
    "volumes.json": json.dumps(
        _COMMON
        | {
            "partitions": [_BOOT, {"name": "system", "size": "204M", "group": "sys-1"}],
            "lvm": [
                {"group": "sys-1", "name": "root", "size": "160M", "filesystem": "ext4", "mount": "/"},
                {"group": "sys-1", "name": "var", "size": "20M", "filesystem": "ext4", "mount": "/var"},
                {"group": "sys-1", "name": "swap", "size": "6M", "filesystem": "swap"},
            ],
        }
    ),
    "bootable.json": json.dumps(
        _COMMON
        | {
            "partitions": [
                {"name": "grub", "type": "bios-boot", "size": "1M"},
                {"name": "boot", "size": "128M", "filesystem": "ext4", "mount": "/boot"},
                {"name": "system", "size": "1000M", "group": "sys-1"},
            ],
            "lvm": [
                {"group": "sys-1", "name": "root", "size": "300M", "filesystem": "ext4", "mount": "/"},
                {"group": "sys-1", "name": "usr", "size": "640M", "filesystem": "ext4", "mount": "/usr"},
                {"group": "sys-1", "name": "swap", "size": "8M", "filesystem": "swap"},
            ],
        }
    ),
}
"""What is baked into the image."""


class Image(NamedTuple):
    """An image, whoever may log into it, and a disk."""

    folder: Path
    key: Path
    disk: Path


class RescueMachine:
    """Runs while the block does; `said` is all that its serial line has said. It reaches nobody, unless it `installs`: then it may
    write to its disk, and 10.0.2.2 is this machine's loopback."""

    def __init__(self, image: Path, disk: Path, command_line: str, folder: Path, *, installs: bool = False) -> None:
        self._folder = folder
        self._port = _free_port()
        read_only, restricted = ("off", "off") if installs else ("on", "on")
        self._argv = [
            *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-machine", "q35", "-accel", "tcg,tb-size=256", "-cpu", "qemu64"),
            *("-m", "1536", "-smp", "1", "-display", "none", "-serial", "stdio", "-no-reboot"),
            *("-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd.img")),
            *("-append", f"console=ttyS0 mitigations=off nokaslr {command_line}"),
            *(
                "-drive",
                f"file={disk},format=raw,if=none,id=disk,readonly={read_only}",
                "-device",
                "virtio-blk-pci,drive=disk,serial=osd-disk",
            ),
            *(
                "-netdev",
                f"user,id=net,restrict={restricted},hostfwd=tcp:127.0.0.1:{self._port}-:22",
                "-device",
                "virtio-net-pci,netdev=net",
            ),
        ]
        self.said = ""

    def __enter__(self) -> "RescueMachine":
        self._qemu = subprocess.Popen(self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return self

    def __exit__(self, *error: object) -> None:
        self._qemu.kill()
        self._qemu.communicate()

    def wait_for(self, pattern: str, *, timeout_s: float, after: int = 0) -> re.Match[str]:
        """The first match in what is said, from a position of it on."""
        deadline = time.monotonic() + timeout_s
        assert self._qemu.stdout
        while not (found := re.compile(pattern).search(self.said, after)):
            assert time.monotonic() < deadline, f"{pattern!r} was not said in {timeout_s} s: {self.said[-4000:]}"
            if select.select([self._qemu.stdout], [], [], 1)[0]:
                block = os.read(self._qemu.stdout.fileno(), 1 << 16)
                assert block, f"the machine is off, and has not said {pattern!r}: {self.said[-4000:]}"
                self.said += block.decode(errors="replace").replace("\r", "")
        return found

    def type(self, line: str) -> int:
        """Type a line at the console; gives the position in `said` from which the answer comes."""
        assert self._qemu.stdin
        self._qemu.stdin.write(line.encode() + b"\n")
        self._qemu.stdin.flush()
        return len(self.said)

    def is_off_within(self, timeout_s: float) -> bool:
        """Whether the machine switches itself off, or would boot again."""
        try:
            self._qemu.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return self._qemu.returncode == 0

    def know_host_key(self) -> str:
        """Take the host key that is shown to strangers for the right one; gives its fingerprint."""
        known = self._folder / "known_hosts"
        scanned = subprocess.run(
            ["ssh-keyscan", "-T", "60", "-t", "ed25519", "-p", str(self._port), "127.0.0.1"], check=True, capture_output=True, text=True
        )
        known.write_text(scanned.stdout)
        shown = subprocess.run(["ssh-keygen", "-l", "-f", known], check=True, capture_output=True, text=True)
        return shown.stdout.split()[1]

    def ssh(self, key: Path, command: str, *, timeout_s: float) -> subprocess.CompletedProcess[str]:
        """Run a command as root over ssh."""
        options = ("-i", str(key), "-p", str(self._port), "-o", f"UserKnownHostsFile={self._folder / 'known_hosts'}")
        return subprocess.run(
            ["ssh", *_KEYS_ONLY, *options, "root@127.0.0.1", command], check=False, capture_output=True, text=True, timeout=timeout_s
        )


def make_image(folder: Path) -> Image:
    """The image of a tree that is what the role makes of the packages of the test's role, and a disk with an OSD."""
    tree = folder / "tree"
    subprocess.run(["cp", "--archive", "--reflink=auto", rescue_trees().old, tree], check=True)
    lay_files(Path(package.__file__).parents[1] / "roles/rescue/files", tree)
    install_client(tree)
    for name, text in LAYOUTS.items():
        (folder / name).write_text(text)
    key = make_key(folder / "key")
    wanted = WantedImage(folder / "image", ssh_keys=(key.with_suffix(".pub"),), layouts=tuple(folder / name for name in LAYOUTS))
    make_rescue_image(tree, wanted, NullMonitor())
    shutil.rmtree(tree)
    make_disk(folder / "disk.img", {"boot": 24, "root": 160})
    return Image(folder / "image", key, folder / "disk.img")


def make_disk(image: Path, sizes_mib: Mapping[str, int], *, disk_mib: int = _DISK_MIB) -> None:
    """A disk with partitions for a system, of these names, and behind them one of a Ceph OSD, which is full."""
    with image.open("wb") as file:
        file.truncate(disk_mib * MIB)
    sizes = {**{name: f"{size}MiB, type=linux" for name, size in sizes_mib.items()}, "osd": f"{_OSD_MIB}MiB, type={CEPH_DATA}"}
    table = "label: gpt\n" + "".join(f"size={size}, name={name}\n" for name, size in sizes.items())
    subprocess.run(["sfdisk", "--quiet", image], input=table, text=True, check=True)
    with image.open("r+b") as file:
        file.seek((1 + sum(sizes_mib.values())) * MIB)
        file.write(random.Random(1).randbytes(_OSD_MIB * MIB))


@contextmanager
def mounted(disk: Path, where: slice, folder: Path, access: str) -> Iterator[Path]:
    """A filesystem that lies somewhere on a disk image."""
    point = folder / "mounted"
    point.mkdir(exist_ok=True)
    place = f"loop,{access},offset={where.start},sizelimit={where.stop - where.start}"
    subprocess.run(["mount", "-o", place, disk, point], check=True)
    try:
        yield point
    finally:
        subprocess.run(["umount", point], check=True)


def make_key(file: Path) -> Path:
    """A new key pair; gives the private one."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "tester", "-f", file], check=True)
    return file


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
