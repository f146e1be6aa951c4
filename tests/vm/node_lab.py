"""A store with releases of a role that reprov ships, and the disk of a node that has the first of them: for nodes that boot.

The disk has partitions of others between the node's own: an OSD, and a volume group with a volume, both full. Each test writes to an
overlay of it. /boot and /var are filesystems of their own.
"""

import hashlib
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from reprov.adapters.boot_client import compile_client, keep_client
from reprov.domain.partition_types import guid_of
from reprov.domain.release import ReleaseId
from tests.storage_lab import MIB, attached, bluestore_label
from tests.system.trees import RealTrees, Tree
from tests.vm import node_trees
from tests.vm.machine import DirectBoot, Machine
from tests.vm.node_trees import must, run, run_reprov

ROLE: Final = "node"
OLD: Final = "1.0"
LIVE: Final = "1.1"
"""Differs in a service, a configuration file and the like: it can be exchanged on the running node."""
CORE: Final = "1.2"
"""Differs in PID 1 and the C library, too."""
DEAF: Final = "1.3"
"""As CORE, but its network does not come up."""
BOOTED: Final = "booted"
"""The snapshot of the node that has just been booted."""
PATIENCE_S: Final = 1200
"""For a node to be as well as before, which takes a slow one many times as long as a real one; who is well is not waited for."""
OTHER: Final = "storage"
"""The role that the node can change to."""

_PARTITIONS: Final = (
    ("boot", 96, "linux"),
    ("root", 1000, "linux"),
    ("osd", 16, "ceph-osd-data"),
    ("var", 200, "linux"),
    ("pv", 24, "lvm"),
)
_MOUNT_POINTS: Final = {"root": "", "boot": "boot", "var": "var"}
_NUMBERS: Final = {name: number for number, (name, _, _) in enumerate(_PARTITIONS, start=1)}
_OTHERS: Final = ("osd", "pv")
_DISK_MIB: Final = sum(size for _, size, _ in _PARTITIONS) + 2
_OSD_FSID: Final = "11111111-2222-4333-8444-555555555555"

_MAKE_VOLUME: Final = """\
vgcreate -q data /dev/vda5
lvcreate -q -y -n kept -L 12M --addtag ceph.osd_id=4 data
i=0
while [ $i -lt 4096 ]; do echo "line $i of what must be kept"; i=$((i + 1)); done | dd of=/dev/data/kept conv=sync status=none
sync
"""


class NodeLab:
    """The store, and a node with release OLD that runs; made by the first who asks, in some minutes."""

    def __init__(self, folder: Path, trees: RealTrees) -> None:
        """`trees` are those of the role `base`."""
        self.folder = folder
        self.store = folder / "store"
        self.source = ""
        """Where the node gets its releases; set by whoever serves them."""
        first = folder / "first"
        node_trees.first_release(first, trees.old, OLD)
        self.boot = _direct_boot(first, folder)
        for role, version, change in (
            (ROLE, OLD, node_trees.change_nothing),
            (ROLE, LIVE, node_trees.change_lab),
            (ROLE, CORE, node_trees.change_core),
            (ROLE, DEAF, node_trees.break_network),
            (OTHER, OLD, node_trees.change_role),
        ):
            node_trees.publish(self.store, trees, first, ReleaseId(role, version), change)
        self._make_disk(next((first / "boot").glob("initrd.img-*")))
        shutil.rmtree(first)
        self._boot_once()

    @contextmanager
    def node(self, folder: Path) -> Iterator[Machine]:
        """The node as it has just been booted; what happens to it is forgotten."""
        run("cp", "--sparse=always", str(self.folder / "disk.qcow2"), str(folder))
        with Machine(folder / "disk.qcow2", self.boot, folder) as machine:
            machine.start(snapshot=BOOTED)
            yield machine
        (folder / "disk.qcow2").unlink(missing_ok=True)

    def _make_disk(self, initrd: Path) -> None:
        image = self.folder / "disk.img"
        _partition(image)
        root = self.folder / "root"
        root.mkdir()
        with attached(image) as (disk,):
            for name in _MOUNT_POINTS:
                run("mkfs.ext4", "-q", f"{disk}p{_NUMBERS[name]}")
            with _mounted(disk, root) as fstab:
                must(run_reprov("upgrade", ROLE, OLD, "--from", self.store, "--root", root))
                shutil.copy(initrd, root / "boot")
                _furnish(root, fstab)
                # As on a node that was armed before: to compile it takes this processor half a minute.
                keep_client(root / ".reprov")
                compile_client(root / ".reprov")
        run("qemu-img", "convert", "-O", "qcow2", str(image), str(self.folder / "disk.qcow2"))
        image.unlink()

    def _boot_once(self) -> None:
        """What takes the node's own kernel, and what is known of its files by its numbers of devices."""
        with Machine(self.folder / "disk.qcow2", self.boot, self.folder) as machine:
            machine.start()
            assert machine.wait_for_boot() == "running", machine.shell("systemctl --failed --no-legend") + machine.serial
            machine.shell(_MAKE_VOLUME)
            machine.reprov("verify")
            machine.save(BOOTED)


def kept_of(disk: Path, scratch: Path) -> dict[str, str]:
    """What no change of the system may touch, as digests: the partition table, both copies, and the partitions of others."""
    places, start_mib = [("table", 0, 1), ("second table", _DISK_MIB - 1, 1)], 1
    for name, size_mib, _ in _PARTITIONS:
        if name in _OTHERS:
            places.append((name, start_mib, size_mib))
        start_mib += size_mib
    return {name: _digest(disk, scratch, *place) for name, *place in places}


def _digest(disk: Path, scratch: Path, begin_mib: int, size_mib: int) -> str:
    words = ("bs=1M", f"skip={begin_mib}", f"count={begin_mib + size_mib}", f"if={disk}", f"of={scratch}")
    run("qemu-img", "dd", "-U", "-f", "qcow2", "-O", "raw", *words)
    content = scratch.read_bytes()
    scratch.unlink()
    assert len(content) == size_mib * MIB, (len(content), begin_mib, size_mib)
    return hashlib.sha256(content).hexdigest()


def _direct_boot(tree: Path, folder: Path) -> DirectBoot:
    """The kernel and the initramfs of a tree, unpacked here, where that is fast."""
    (kernel,), (initrd,) = (tree / "boot").glob("vmlinuz-*"), (tree / "boot").glob("initrd.img-*")
    packed = kernel.read_bytes()
    offset, length = struct.unpack("<II", packed[0x248:0x250])
    start = (packed[0x1F1] + 1) * 512 + offset
    boot = DirectBoot(folder / "vmlinux", folder / "initrd")
    # The last four bytes are the length of what was packed.
    boot.kernel.write_bytes(_filter(packed[start : start + length - 4], "lz4", "-dc"))
    boot.initrd.write_bytes(_filter(initrd.read_bytes(), "zstd", "-dc"))
    return boot


def _partition(image: Path) -> None:
    """The table, and random bytes in what belongs to others."""
    lines = ["label: gpt", *(f"size={size}MiB, type={guid_of(kind)}, name={name}" for name, size, kind in _PARTITIONS)]
    with image.open("wb") as file:
        file.truncate(_DISK_MIB * MIB)
        start_mib = 1
        for name, size_mib, _ in _PARTITIONS:
            if name == "osd":
                file.seek(start_mib * MIB)
                label = bluestore_label(3, _OSD_FSID, "main", size_mib * MIB)
                file.write(label + os.urandom(size_mib * MIB - len(label)))
            start_mib += size_mib
    run("sfdisk", "--quiet", str(image), given="\n".join(lines).encode())


@contextmanager
def opened(disk: Path, folder: Path) -> Iterator[Path]:
    """The root of a node that is switched off, mounted from a copy of its disk, which is made in a folder."""
    image, root = folder / "opened.img", folder / "opened"
    run("qemu-img", "convert", "-O", "raw", str(disk), str(image))
    root.mkdir(exist_ok=True)
    with attached(image) as (device,), _mounted(device, root):
        yield root
    image.unlink()


@contextmanager
def _mounted(disk: Path, root: Path) -> Iterator[str]:
    """The node's filesystems, mounted; gives its fstab."""
    fstab = ""
    with ExitStack() as stack:
        for name, point in _MOUNT_POINTS.items():
            device = f"{disk}p{_NUMBERS[name]}"
            (root / point).mkdir(exist_ok=True)
            run("mount", device, str(root / point))
            stack.callback(run, "umount", str(root / point))
            # Somebody else's mount namespace may have a copy of the mount: then unmounting it does not write it.
            stack.callback(run, "sync", "--file-system", str(root / point))
            uuid = run("blkid", "--probe", "--match-tag", "UUID", "--output", "value", device).decode().strip()
            fstab += f"UUID={uuid} /{point} ext4 defaults,x-systemd.device-timeout=15min 0 {1 if name == 'root' else 2}\n"
        yield fstab


def _furnish(root: Path, fstab: str) -> None:
    """What makes it this node, and no other: names, keys, an account, and what its users have."""
    node = Tree.over(root)
    node.file("etc/fstab", fstab).file("etc/hostname", "node-17\n").file("etc/machine-id", f"{'0123456789abcdef' * 2}\n", mode=0o444)
    node.file("etc/systemd/system/lab.service.d/local.conf", "[Service]\nEnvironment=LOCAL=1\n")
    node.file("usr/local/bin/local", "#!/bin/sh\n", mode=0o755).file("srv/data/old", "of the node").file("root/notes", "x")
    node.file("home/op/work", "of op", owner=4321, group=4321).file("var/lib/data/db", "rows")
    run("chroot", str(root), "useradd", "--uid", "4321", "--no-create-home", "op")
    run("ssh-keygen", "-q", "-A", "-f", str(root))


def _filter(given: bytes, *argv: str) -> bytes:
    return subprocess.run(argv, input=given, check=True, capture_output=True).stdout
