"""A store with releases of a role that reprov ships, and the disk of a node that has the first of them: for nodes that boot.

The disk has partitions of others between the node's own: an OSD, and a volume group with a volume, both full. Each test writes to an
overlay of it. /boot and /var are filesystems of their own.
"""

import hashlib
import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Final

from reprov.adapters.lay import install_boot_hook, install_client, lay_files
from reprov.cli.main import main
from reprov.domain.partition_types import guid_of
from reprov.domain.release import ReleaseId
from reprov.domain.resolved_role import ResolvedRole
from tests.conftest import Ran
from tests.storage_lab import MIB, attached, bluestore_label
from tests.system.trees import RealTrees, Tree
from tests.vm.machine import AGENT, AGENT_UNIT, DirectBoot, Machine

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
OTHER: Final = "storage"
"""The role that the node can change to."""

_PARTITIONS: Final = (
    ("boot", 96, "linux"),
    ("root", 1000, "linux"),
    ("osd", 16, "ceph-osd-data"),
    ("var", 200, "linux"),
    ("pv", 24, "lvm"),
)
_NUMBERS: Final = {name: number for number, (name, _, _) in enumerate(_PARTITIONS, start=1)}
_OTHERS: Final = ("osd", "pv")
_DISK_MIB: Final = sum(size for _, size, _ in _PARTITIONS) + 2
_OSD_FSID: Final = "11111111-2222-4333-8444-555555555555"
_ROLES: Final = Path(__file__).parents[2] / "roles"

# What nothing here looks at is left out: the node is scanned by a processor that is fifty times slower than a real one.
_FILTERS: Final = (
    *(f"- /usr/share/{name}/*" for name in ("doc", "man", "locale", "info", "bash-completion", "lintian", "zoneinfo", "perl", "grub")),
    *(f"- /usr/lib/python3/dist-packages/{name}*" for name in ("pygments", "psutil", "markdown_it", "pkg_resources")),
    *(f"- /usr/lib/x86_64-linux-gnu/{name}" for name in ("gconv/*", "perl/*", "libicu*")),
    *("- /usr/lib/grub/*", "- /usr/lib/udev/hwdb.*", "- /usr/lib/python3.11/__pycache__/*"),
    *("- /var/cache/*/**", "- /var/lib/apt/*", "- /boot/initrd.img-*"),
    *(f"+ /usr/lib/modules/*/kernel/{name}/" for name in ("net", "net/core", "net/packet", "drivers", "drivers/net", "crypto", "lib")),
    *("+ /usr/lib/modules/*/kernel/drivers/net/virtio_net.ko", "+ /usr/lib/modules/*/kernel/drivers/net/net_failover.ko"),
    *(f"+ /usr/lib/modules/*/kernel/drivers/{name}/" for name in ("block", "char", "dax", "md", "virtio")),
    *(f"- /usr/lib/modules/*/kernel/{name}/*" for name in ("net", "drivers/net", "drivers")),
    "- /usr/lib/modules/*/kernel/*/",
)
_INITRAMFS: Final = "MODULES=list\nCOMPRESS=zstd\nRESUME=none\n"
_INITRAMFS_MODULES: Final = "virtio_pci\nvirtio_blk\next4\n"
_UNIT: Final = "[Unit]\nDescription={version}\n[Service]\nExecStart=/usr/lib/lab/daemon infinity\n[Install]\nWantedBy=multi-user.target\n"
_WANTS: Final = "etc/systemd/system/multi-user.target.wants"
_PACKAGE: Final = (
    "Package: lab-tools\nStatus: install ok installed\nArchitecture: all\nMaintainer: lab\nVersion: {version}\nDescription: lab\n\n"
)
_POSTINST: Final = '#!/bin/sh\nset -e\necho "$*" >>/var/lib/lab-said\n'

_MAKE_VOLUME: Final = """\
vgcreate -q data /dev/vda5
lvcreate -q -y -n kept -L 12M --addtag ceph.osd_id=4 data
i=0
while [ $i -lt 4096 ]; do echo "line $i of what must be kept"; i=$((i + 1)); done | dd of=/dev/data/kept conv=sync status=none
sync
"""

PAUSED_UPGRADE: Final = """\
import os, signal, sys
sys.path.insert(0, "/usr/lib/reprov")
from reprov import events
from reprov.cli import monitors
from reprov.cli.main import main
class Pauser:
    def emit(self, event):
        if isinstance(event, events.PhaseStarted) and event.phase == "commit":
            os.kill(os.getpid(), signal.SIGSTOP)
monitors._monitor_for_people = lambda stack: Pauser()
sys.exit(main())
"""
"""A program that is reprov, and stops itself right before the first exchange."""


def run_reprov(*words: object) -> Ran:
    """Run the command line in this process."""
    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        status = main([str(word) for word in words])
    return Ran(status, out.getvalue(), err.getvalue())


class NodeLab:
    """The store, and a node with release OLD that runs; made by the first who asks, in some minutes."""

    def __init__(self, folder: Path, trees: RealTrees) -> None:
        """`trees` are those of the role `base`."""
        self.folder = folder
        self.store = folder / "store"
        self.source = ""
        """Where the node gets its releases; set by whoever serves them."""
        self._trees = trees
        first = folder / "first"
        _base_of(first, trees.old)
        _lab_parts(first, OLD)
        _make_initramfs(first)
        self.boot = _direct_boot(first, folder)
        for role, version, change in (
            (ROLE, OLD, _change_nothing),
            (ROLE, LIVE, _change_lab),
            (ROLE, CORE, _change_core),
            (ROLE, DEAF, _break_network),
            (OTHER, OLD, _change_role),
        ):
            self._publish(first, ReleaseId(role, version), change)
        self._make_disk(next((first / "boot").glob("initrd.img-*")))
        shutil.rmtree(first)
        self._boot_once()

    @contextmanager
    def node(self, folder: Path) -> Iterator[Machine]:
        """The node as it has just been booted; what happens to it is forgotten."""
        _run("cp", "--sparse=always", str(self.folder / "disk.qcow2"), str(folder))
        with Machine(folder / "disk.qcow2", self.boot, folder) as machine:
            machine.start(snapshot=BOOTED)
            yield machine
        (folder / "disk.qcow2").unlink(missing_ok=True)

    def _publish(self, first: Path, release: ReleaseId, change: Callable[[Path, str], None]) -> None:
        build = self.store / f"build/{release.role}/{release.version}"
        build.mkdir(parents=True)
        _run("cp", "--archive", str(first), str(build / "tree"))
        change(build / "tree", release.version)
        made = self._trees.old.parent / "role.json"
        resolved = ResolvedRole.parse(made.read_text(), str(made))
        resolved = replace(resolved, id=release, parent=None, services=(*resolved.services, "lab.service"))
        (build / "role.json").write_text(resolved.to_json())
        _must(run_reprov("publish", release.role, release.version, "--store", self.store))

    def _make_disk(self, initrd: Path) -> None:
        image = self.folder / "disk.img"
        _partition(image)
        root = self.folder / "root"
        root.mkdir()
        with attached(image) as (disk,), _mounted(disk, root) as fstab:
            _must(run_reprov("upgrade", ROLE, OLD, "--from", self.store, "--root", root))
            shutil.copy(initrd, root / "boot")
            _furnish(root, fstab)
        _run("qemu-img", "convert", "-O", "qcow2", str(image), str(self.folder / "disk.qcow2"))
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
    _run("qemu-img", "dd", "-U", "-f", "qcow2", "-O", "raw", *words)
    content = scratch.read_bytes()
    scratch.unlink()
    assert len(content) == size_mib * MIB, (len(content), begin_mib, size_mib)
    return hashlib.sha256(content).hexdigest()


def _base_of(folder: Path, tree: Path) -> None:
    """What the shipped role makes, with the client and the units of this checkout, and without what nothing here looks at."""
    filters = [f"--filter={line}" for line in _FILTERS]
    _run("rsync", "--archive", "--hard-links", "--xattrs", "--numeric-ids", *filters, f"{tree}/", str(folder))
    install_boot_hook(folder)
    lay_files(_ROLES / "base/files", folder)
    install_client(folder)
    _run("chroot", str(folder), "ldconfig")


def _lab_parts(folder: Path, version: str) -> None:
    """The shell of the lab, and a service, a package and files that differ in every release."""
    tree = Tree.over(folder)
    program = (folder / "usr/bin/sleep").read_bytes()
    tree.file("usr/lib/lab/agent", AGENT, mode=0o755).file("usr/lib/systemd/system/lab-agent.service", AGENT_UNIT)
    tree.file("usr/lib/lab/daemon", program + version.encode(), mode=0o755).file("usr/lib/lab/version", version)
    tree.file("usr/lib/lab/paused-upgrade", PAUSED_UPGRADE)
    tree.file("usr/lib/systemd/system/lab.service", _UNIT.format(version=version))
    tree.file("etc/lab.conf", version).file("opt/lab/data", version).file("boot/lab", version)
    for unit in ("lab", "lab-agent"):
        tree.symlink(f"{_WANTS}/{unit}.service", f"/usr/lib/systemd/system/{unit}.service")
    _name_package(tree, version)


def _name_package(tree: Tree, version: str) -> None:
    status = tree.at("var/lib/dpkg/status")
    others = status.read_text().partition("Package: lab-tools\n")[0]
    tree.file("var/lib/dpkg/status", others + _PACKAGE.format(version=version))
    tree.file("var/lib/dpkg/info/lab-tools.list", "/.\n").file("var/lib/dpkg/info/lab-tools.postinst", _POSTINST, mode=0o755)


def _change_nothing(folder: Path, version: str) -> None:
    """The first release."""


def _change_lab(folder: Path, version: str) -> None:
    tree = Tree.over(folder)
    program = (folder / "usr/bin/sleep").read_bytes()
    tree.file("usr/lib/lab/daemon", program + version.encode(), mode=0o755).file("usr/lib/lab/version", version)
    tree.file("usr/lib/systemd/system/lab.service", _UNIT.format(version=version))
    tree.file("etc/lab.conf", version).file("opt/lab/data", version).file("boot/lab", version)
    tree.file(f"opt/lab-{version}/data", version)
    _name_package(tree, version)


def _change_core(folder: Path, version: str) -> None:
    _change_lab(folder, version)
    tree = Tree.over(folder)
    for path in ("usr/lib/x86_64-linux-gnu/libc.so.6", "usr/lib/systemd/systemd"):
        tree.file(path, (folder / path).read_bytes() + version.encode(), mode=0o755)


def _break_network(folder: Path, version: str) -> None:
    _change_core(folder, version)
    setup = folder / "usr/lib/systemd/network/99-reprov-dhcp.network"
    Tree.over(folder).file("usr/lib/systemd/network/99-reprov-dhcp.network", setup.read_text().replace("DHCP=yes", "DHCP=no"))


def _change_role(folder: Path, version: str) -> None:
    _change_lab(folder, version)
    tree = Tree.over(folder)
    tree.file("usr/lib/systemd/system/storage.service", _UNIT.format(version="storage"))
    tree.symlink(f"{_WANTS}/storage.service", "/usr/lib/systemd/system/storage.service")


def _make_initramfs(folder: Path) -> None:
    """As the node's own tools make it, with the drivers of the virtual machine alone."""
    Tree.over(folder).file("etc/initramfs-tools/conf.d/lab", _INITRAMFS)
    Tree.over(folder).file("etc/initramfs-tools/modules", _INITRAMFS_MODULES)
    _run("mount", "-t", "proc", "proc", str(folder / "proc"))
    try:
        (modules,) = (folder / "usr/lib/modules").iterdir()
        _run("chroot", str(folder), "depmod", modules.name)
        _run("chroot", str(folder), "update-initramfs", "-c", "-k", "all")
    finally:
        _run("umount", str(folder / "proc"))


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
    _run("sfdisk", "--quiet", str(image), given="\n".join(lines).encode())


@contextmanager
def _mounted(disk: Path, root: Path) -> Iterator[str]:
    """The node's filesystems, made and mounted; gives its fstab."""
    fstab = ""
    with ExitStack() as stack:
        for name, point in (("root", ""), ("boot", "boot"), ("var", "var")):
            device = f"{disk}p{_NUMBERS[name]}"
            _run("mkfs.ext4", "-q", device)
            (root / point).mkdir(exist_ok=True)
            _run("mount", device, str(root / point))
            stack.callback(_run, "umount", str(root / point))
            uuid = _run("blkid", "--probe", "--match-tag", "UUID", "--output", "value", device).decode().strip()
            fstab += f"UUID={uuid} /{point} ext4 defaults,x-systemd.device-timeout=15min 0 {1 if name == 'root' else 2}\n"
        yield fstab


def _furnish(root: Path, fstab: str) -> None:
    """What makes it this node, and no other: names, keys, an account, and what its users have."""
    node = Tree.over(root)
    node.file("etc/fstab", fstab).file("etc/hostname", "node-17\n").file("etc/machine-id", f"{'0123456789abcdef' * 2}\n", mode=0o444)
    node.file("etc/systemd/system/lab.service.d/local.conf", "[Service]\nEnvironment=LOCAL=1\n")
    node.file("usr/local/bin/local", "#!/bin/sh\n", mode=0o755).file("srv/data/old", "of the node").file("root/notes", "x")
    node.file("home/op/work", "of op", owner=4321, group=4321).file("var/lib/data/db", "rows")
    _run("chroot", str(root), "useradd", "--uid", "4321", "--no-create-home", "op")
    _run("ssh-keygen", "-q", "-A", "-f", str(root))


def _filter(given: bytes, *argv: str) -> bytes:
    return subprocess.run(argv, input=given, check=True, capture_output=True).stdout


def _run(*argv: str, given: bytes = b"") -> bytes:
    ran = subprocess.run(argv, input=given, check=False, capture_output=True)
    assert ran.returncode == 0, f"{argv}: {ran.stderr.decode(errors='replace')[-2000:]}"
    return ran.stdout


def _must(ran: Ran) -> None:
    assert ran.status == 0, ran.stderr
