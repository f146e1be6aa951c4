"""Inventories of real devices: a loop device with partitions, udev's database, network interfaces."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reprov.domain.inventory import Disk, Inventory
from reprov.domain.protected import protected
from reprov.events import NullMonitor
from reprov.workflows.inventory import take_inventory
from tests.conftest import SEARCH_PATH
from tests.system.filesystems import Filesystems

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("sfdisk", "blkid", "losetup", "partx")]
MIB = 1 << 20
FSID = "6b6b5b0e-9d6a-4f26-8a4b-2b1a0a9f8e7d"
TABLE = f"""label: gpt
start=1MiB, size=8MiB, type=uefi
start=16MiB, size=16MiB, type=linux, name="srv data"
start=40MiB, size=8MiB, type=cafecafe-9b03-4f30-b4c6-b4b80ceff106, uuid={FSID}
"""


def tool(*words: object, text: str = "") -> str:
    """What a program prints."""
    argv = [os.fspath(word) if isinstance(word, Path) else str(word) for word in words]
    environment = {"PATH": SEARCH_PATH, "LC_ALL": "C.UTF-8"}
    return subprocess.run(argv, input=text.encode(), check=True, capture_output=True, env=environment).stdout.decode()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A disk image with an ESP, a filesystem, and an OSD."""
    path = tmp_path / "disk.img"
    part = tmp_path / "part"
    for file, size in ((path, 64 * MIB), (part, 16 * MIB)):
        with file.open("wb") as opened:
            opened.truncate(size)
    tool("sfdisk", "--quiet", path, text=TABLE)
    tool("mkfs.ext4", "-q", "-L", "data", part)
    with path.open("r+b") as opened:
        opened.seek(16 * MIB)
        opened.write(part.read_bytes())
        opened.seek(40 * MIB)
        opened.write(b"bluestore block device\n" + FSID.encode() + b"\n")
    return path


@contextmanager
def attached(image: Path, *, with_partitions: bool = True) -> Iterator[str]:
    """A read-only loop device of an image, with or without devices for its partitions."""
    device = tool("losetup", "--find", "--show", "--read-only", image).strip()
    try:
        if with_partitions:
            tool("partx", "--add", device)
        yield device
    finally:
        if with_partitions:
            tool("partx", "--delete", device)
        tool("losetup", "--detach", device)


def look(root: Path = Path("/")) -> Inventory:
    """The inventory of this machine."""
    return take_inventory(root, monitor=NullMonitor())


def disk_at(inventory: Inventory, path: str) -> Disk:
    """The disk of that path."""
    return next(disk for disk in inventory.disks if disk.path == path)


@pytest.mark.parametrize("with_partitions", [True, False], ids=["with devices for partitions", "the kernel knows of no partition"])
def test_a_disk_and_what_is_on_it(image: Path, with_partitions: bool) -> None:
    with attached(image, with_partitions=with_partitions) as device:
        inventory = look()
    disk = disk_at(inventory, device)
    assert (disk.size_bytes, disk.is_read_only, disk.kind.value) == (64 * MIB, True, "loop")
    assert [(item.path, item.type_name, item.label, item.start_sector) for item in disk.partitions] == [
        (f"{device}p1", "esp", "", 2048),
        (f"{device}p2", "linux", "srv data", 32768),
        (f"{device}p3", "ceph-block", "", 81920),
    ]
    assert disk.partitions[1].content is not None
    assert (disk.partitions[1].content.type, disk.partitions[1].content.label) == ("ext4", "data")
    assert [osd.block and osd.block.path for osd in inventory.osds if osd.fsid == FSID] == [f"{device}p3"]
    assert f"{device}p3" in {item.device.path for item in protected(inventory)}


def test_mounts_and_fstab_of_a_root_lead_to_devices(image: Path, tmp_path: Path, filesystems: Filesystems) -> None:
    root = filesystems.make("ext4", tmp_path / "root")
    (root / "srv/data").mkdir(parents=True)
    (root / "etc").mkdir()
    (root / "etc/fstab").write_text("PARTLABEL=srv\\040data /srv/data ext4 defaults 0 0\n")
    with attached(image) as device:
        tool("mount", "-o", "ro", f"{device}p2", root / "srv/data")
        try:
            inventory = look(root)
        finally:
            tool("umount", root / "srv/data")
    mounts = {item.mount.path: item.device for item in inventory.mounts}
    assert mounts["srv/data"] == f"{device}p2"
    assert mounts[""].startswith("/dev/loop")
    assert [line.devices for line in inventory.fstab] == [(f"{device}p2",)]
    reasons = {item.device.path: item.reasons for item in protected(inventory)}
    assert reasons[f"{device}p2"] == ("mounted at /srv/data", "fstab: /srv/data")
    assert mounts[""] not in reasons
    assert inventory.network.links == ()


def test_udev_s_database_is_believed_and_its_links_are_known(image: Path, filesystems: Filesystems, tmp_path: Path) -> None:
    """A database as udevd writes it: no udevd is needed to read it."""
    root = filesystems.make("ext4", tmp_path / "root")
    (root / "etc").mkdir()
    (root / "etc/fstab").write_text("/dev/disk/by-id/wwn-0x1-part1 /data ext4 defaults 0 0\n")
    with attached(image) as device:
        run = filesystems.tmpfs(Path("/run"))
        data = run / "udev/data"
        data.mkdir(parents=True)
        number, part = (tool("cat", f"/sys/class/block/{Path(device).name}{end}/dev").strip() for end in ("", "p1"))
        (data / f"b{number}").write_text("I:1\nE:ID_WWN=0x1\nE:ID_SERIAL_SHORT=S1\nE:ID_PART_TABLE_TYPE=gpt\nE:ID_PART_TABLE_UUID=U\nG:x\n")
        entry = {"NUMBER": "1", "OFFSET": "2048", "SIZE": "16384", "SCHEME": "gpt", "TYPE": "4fbd7e29-9d25-41b8-afd0-062c0ceff05d"}
        lines = "".join(f"E:ID_PART_ENTRY_{name}={value}\n" for name, value in entry.items())
        (data / f"b{part}").write_text(f"S:disk/by-id/wwn-0x1-part1\nI:1\nE:ID_FS_TYPE=xfs\nE:ID_FS_USAGE=filesystem\n{lines}")
        inventory = look(root)
        filesystems.unmount(run)
    disk = disk_at(inventory, device)
    assert (disk.wwn, disk.serial) == ("0x1", "S1")
    # The other partitions are unknown to this database, and therefore asked of sfdisk; what is on the disk wins.
    assert [item.type_name for item in disk.partitions] == ["esp", "linux", "ceph-block"]
    assert disk.partitions[0].content is not None
    assert disk.partitions[0].content.type == "xfs"
    assert inventory.fstab[0].devices == (f"{device}p1",)


@pytest.mark.needs("strace")
def test_no_device_is_opened_for_writing(image: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with attached(image) as device:
        calls = "trace=open,openat,openat2,creat"
        tool("strace", "-f", "-e", calls, "-o", trace, sys.executable, "-m", "reprov", "inventory", "--json")
    opened = [
        line for line in trace.read_text().splitlines() if '"/dev/' in line and '"/dev/null"' not in line and '"/dev/tty"' not in line
    ]
    assert [line for line in opened if f'"{device}p3"' in line]
    assert not [line for line in opened if "O_WRONLY" in line or "O_RDWR" in line or "O_CREAT" in line]


NETWORK = """
ip link set lo up
ip link add veth0 type veth peer name veth1
ip link add br0 type bridge
ip link set veth0 master br0 up
ip link set veth1 address 02:00:00:00:00:01 mtu 1400 up
ip link set br0 up
ip addr add 192.0.2.2/24 dev br0
ip addr add 2001:db8::2/64 dev br0 nodad
ip route add default via 192.0.2.1 metric 50
ip route add 198.51.100.0/24 nexthop via 192.0.2.3 nexthop via 192.0.2.4
ip route add unreachable 203.0.113.0/24
exec "$@"
"""


@pytest.mark.needs("ip", "unshare")
def test_the_network(tmp_path: Path) -> None:
    reprov = (sys.executable, "-m", "reprov", "inventory", "--json")
    found: Any = json.loads(tool("unshare", "-n", "sh", "-e", "-c", NETWORK, "sh", *reprov))["network"]
    links = {link["name"]: link for link in found["links"]}
    assert (links["lo"]["kind"], links["br0"]["kind"], links["veth0"]["master"]) == ("loopback", "bridge", "br0")
    assert (links["veth1"]["mac"], links["veth1"]["mtu"], links["veth1"]["is_up"]) == ("02:00:00:00:00:01", 1400, True)
    assert [item["address"] for item in found["addresses"] if item["link"] == "br0" and item["scope"] == "global"] == [
        "192.0.2.2/24",
        "2001:db8::2/64",
    ]
    routes = [(item["destination"], item["gateway"], item["metric"]) for item in found["routes"] if item["family"] == "inet"]
    assert routes == [
        ("default", "192.0.2.1", 50),
        ("192.0.2.0/24", "", 0),
        ("198.51.100.0/24", "192.0.2.3", 0),
        ("198.51.100.0/24", "192.0.2.4", 0),
    ]
