"""A rescue image boots: network by command line and by DHCP, inventory at the console, ssh by key, and an installation that fails."""

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import reprov as package
from reprov.adapters.lay import install_client, lay_files
from reprov.events import NullMonitor
from reprov.workflows.rescue_image import WantedImage, make_rescue_image
from tests.rescue_lab import CEPH_DATA, MIB, OSD_BYTES, ROOT_BYTES, RescueMachine, make_disk, make_key
from tests.system.install_lab import LISTS
from tests.system.node import Run, Store
from tests.system.servers import served
from tests.system.trees import Tree, make_library, rescue_trees

pytestmark = [
    pytest.mark.system,
    pytest.mark.commands,
    pytest.mark.needs("mmdebstrap", "bsdtar", "qemu-system-x86_64", "sfdisk", "ssh", "ssh-keygen", "ssh-keyscan"),
]

BOOT_TIMEOUT_S = 600
"""Of one boot, which takes about 60 s on a machine that has nothing else to do."""
COMMAND_TIMEOUT_S = 180
LAYOUT = json.dumps(
    {
        "disk": {"serial": "osd-disk"},
        "partitions": [
            {"name": "boot", "size": "24M", "filesystem": "ext4", "mount": "/boot"},
            {"name": "root", "size": "160M", "filesystem": "ext4", "mount": "/"},
        ],
        "preserve": [{"type": CEPH_DATA}],
    }
)
VOLUMES = json.dumps(
    {
        "disk": {"serial": "osd-disk"},
        "partitions": [
            {"name": "boot", "size": "24M", "filesystem": "ext4", "mount": "/boot"},
            {"name": "root", "size": "160M", "filesystem": "ext4", "mount": "/"},
            {"name": "system", "size": "44M", "group": "sys-1"},
        ],
        "lvm": [
            {"group": "sys-1", "name": "var", "size": "20M", "filesystem": "ext4", "mount": "/var"},
            {"group": "sys-1", "name": "swap", "size": "6M", "filesystem": "swap"},
        ],
        "preserve": [{"type": CEPH_DATA}],
    }
)
VAR_BYTES = slice(202 * MIB, 222 * MIB)
"""Behind the OSD and LVM's own MiB: the first volume of a new group begins with its first extent."""
FINGERPRINT = r"the host key of this boot is (SHA256:\S+)\n"
PROMPT = r"root@rescue:[^\n]*# "


class Image(NamedTuple):
    """An image, whoever may log into it, and a disk."""

    folder: Path
    key: Path
    disk: Path


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory, nothing_stays_behind: None) -> Image:
    """The image of a tree that is what the role makes of the packages of the test's role."""
    folder = tmp_path_factory.mktemp("rescue")
    tree, layout, volumes = folder / "tree", folder / "node.json", folder / "volumes.json"
    subprocess.run(["cp", "--archive", "--reflink=auto", rescue_trees().old, tree], check=True)
    lay_files(Path(package.__file__).parents[1] / "roles/rescue/files", tree)
    install_client(tree)
    layout.write_text(LAYOUT)
    volumes.write_text(VOLUMES)
    key = make_key(folder / "key")
    wanted = WantedImage(folder / "image", ssh_keys=(key.with_suffix(".pub"),), layouts=(layout, volumes))
    make_rescue_image(tree, wanted, NullMonitor())
    shutil.rmtree(tree)
    make_disk(folder / "disk.img")
    return Image(folder / "image", key, folder / "disk.img")


@pytest.fixture
def store(tmp_path: Path, reprov: Run) -> Store:
    """An empty store, with lists that keep a node's identity."""
    made = Store(tmp_path / "store", reprov)
    make_library(made.library, exclude=LISTS)
    return made


def test_a_static_address_the_inventory_and_ssh_by_key_alone(image: Image, tmp_path: Path) -> None:
    disk_before = hashlib.sha256(image.disk.read_bytes()).digest()
    with RescueMachine(image.folder, image.disk, "reprov.ip=10.0.2.15/24,10.0.2.2", tmp_path) as machine:
        fingerprint = machine.wait_for(FINGERPRINT, timeout_s=BOOT_TIMEOUT_S)[1]
        machine.wait_for(PROMPT, timeout_s=COMMAND_TIMEOUT_S)
        assert "This is reprov's rescue system" in machine.said
        _check_inventory(machine)

        assert machine.know_host_key() == fingerprint
        ssh: Callable[[str], Any] = lambda command: machine.ssh(image.key, command, timeout_s=COMMAND_TIMEOUT_S)  # noqa: E731
        assert ssh("ip -brief -4 address show scope global; ip -4 route show default").stdout.split()[2:6] == [
            *("10.0.2.15/24", "default", "via", "10.0.2.2"),
        ]
        assert ssh("cat /etc/reprov/layouts/node.json").stdout == LAYOUT
        assert ssh("ls -A /etc/ssh | grep host_; cat /etc/machine-id; grep -v ':\\*:' /etc/shadow").stdout == ""
        stranger = machine.ssh(make_key(tmp_path / "stranger"), "true", timeout_s=COMMAND_TIMEOUT_S)
        assert (stranger.returncode, stranger.stderr.splitlines()[-1]) == (255, "root@127.0.0.1: Permission denied (publickey).")

        again = ssh("reprov rescue-boot --command-line reprov.ip=10.0.2.15/24,10.0.2.2,10.0.2.3; cat /etc/resolv.conf")
        assert again.stdout == "shell\nnameserver 10.0.2.3\n", again.stderr
        assert fingerprint in again.stderr
        machine.type("poweroff")
        assert machine.is_off_within(COMMAND_TIMEOUT_S)
    assert hashlib.sha256(image.disk.read_bytes()).digest() == disk_before


def _check_inventory(machine: RescueMachine) -> None:
    """The disk and its OSD partition, typed and read at the serial console."""
    begin = machine.type("reprov -q inventory --json 2>&1; echo END-$((40 + 2))")
    end = machine.wait_for(r"END-42\n", timeout_s=COMMAND_TIMEOUT_S, after=begin).start()
    answer = machine.said[begin:end]
    inventory = json.loads(answer[answer.index("{") : answer.rindex("}") + 1])
    (disk,) = [disk for disk in inventory["disks"] if disk["serial"] == "osd-disk"]
    (osd,) = [partition for partition in disk["partitions"] if partition["type"] == CEPH_DATA]
    assert osd["label"] == "osd"
    assert osd["path"] in json.dumps(inventory["protected"])
    assert inventory["network"]["links"]


def test_an_installation_that_the_command_line_orders(image: Image, tmp_path: Path, store: Store) -> None:
    store.publish(Tree(tmp_path / "tree").file("opt/version", "1.0").file("boot/config", "1.0"), "1.0")
    disk = tmp_path / "disk.img"
    subprocess.run(["cp", "--sparse=always", image.disk, disk], check=True)
    with served(store.folder) as source:
        orders = f"reprov.install=base/1.0@{source.replace('127.0.0.1', '10.0.2.2')} reprov.layout=node.json"
        orders += " reprov.new-node=yes reprov.then=poweroff"
        with RescueMachine(image.folder, disk, orders, tmp_path, installs=True) as machine:
            machine.wait_for(r"note: base 1\.0 is installed on /dev/vda: ", timeout_s=BOOT_TIMEOUT_S)
            assert machine.is_off_within(COMMAND_TIMEOUT_S)
    before, after = image.disk.read_bytes(), disk.read_bytes()
    assert after[OSD_BYTES] == before[OSD_BYTES]
    with mounted(disk, ROOT_BYTES, tmp_path, "ro") as root:
        assert (root / "opt/version").read_text() == "1.0"


def test_volumes_are_made_and_the_next_installation_keeps_their_group(image: Image, tmp_path: Path, store: Store) -> None:
    for version in ("1.0", "1.1"):
        tree = Tree(tmp_path / f"tree-{version}", version)
        store.publish(tree.file("opt/version", version).file("boot/config", "1").file("usr/sbin/lvm").directory("var/lib"), version)
    disk = tmp_path / "disk.img"
    subprocess.run(["cp", "--sparse=always", image.disk, disk], check=True)
    order_volumes(image, disk, store, tmp_path, "1.0", "reprov.new-node=yes")
    with mounted(disk, ROOT_BYTES, tmp_path, "rw") as root:
        first = (root / "etc/fstab").read_text()
        Tree.over(root).file("etc/machine-id", "0123456789abcdef0123456789abcdef\n").file("etc/hostname", "node-17\n")
    with mounted(disk, VAR_BYTES, tmp_path, "rw") as var:
        Tree.over(var).file("lib/ceph/osd/ceph-3/keyring", "[osd.3]\n").file("old", "lost")
    groups = metadata_of(disk)

    order_volumes(image, disk, store, tmp_path, "1.1", "")

    assert metadata_of(disk) == groups
    assert disk.read_bytes()[OSD_BYTES] == image.disk.read_bytes()[OSD_BYTES]
    with mounted(disk, ROOT_BYTES, tmp_path, "ro") as root:
        assert [(root / path).read_text() for path in ("opt/version", "etc/hostname")] == ["1.1", "node-17\n"]
        fstab = (root / "etc/fstab").read_text()
    lines = [[line.split()[1:3] for line in text.splitlines() if line.startswith("UUID=")] for text in (first, fstab)]
    assert lines == [[["/", "ext4"], ["/boot", "ext4"], ["/var", "ext4"], ["none", "swap"]]] * 2
    uuid = subprocess.run(
        ["blkid", "--probe", "--offset", str(VAR_BYTES.start), "--match-tag", "UUID", "--output", "value", disk],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    assert f"UUID={uuid} /var ext4 " in fstab
    with mounted(disk, VAR_BYTES, tmp_path, "ro") as var:
        assert (var / "lib/ceph/osd/ceph-3/keyring").read_text() == "[osd.3]\n"
        assert not (var / "old").exists()


def order_volumes(image: Image, disk: Path, store: Store, folder: Path, version: str, more: str) -> None:
    """Have the command line install a version with volumes, and wait until the machine is off."""
    with served(store.folder) as source:
        orders = f"reprov.install=base/{version}@{source.replace('127.0.0.1', '10.0.2.2')} reprov.layout=volumes.json"
        with RescueMachine(image.folder, disk, f"{orders} {more} reprov.then=poweroff", folder, installs=True) as machine:
            machine.wait_for(rf"note: base {re.escape(version)} is installed on /dev/vda: ", timeout_s=BOOT_TIMEOUT_S)
            assert machine.is_off_within(COMMAND_TIMEOUT_S)


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


def metadata_of(disk: Path) -> bytes:
    """What LVM has written of its groups: it changes with every change of one."""
    return disk.read_bytes()[VAR_BYTES.start - MIB : VAR_BYTES.start]


def test_an_installation_that_fails_ends_in_a_shell_and_not_in_another_boot(image: Image, tmp_path: Path) -> None:
    orders = "ip=dhcp reprov.install=base/1.0@/srv/nothing reprov.layout=node.json reprov.then=reboot"
    with RescueMachine(image.folder, image.disk, orders, tmp_path) as machine:
        fingerprint = machine.wait_for(FINGERPRINT, timeout_s=BOOT_TIMEOUT_S)[1]
        machine.wait_for(PROMPT, timeout_s=COMMAND_TIMEOUT_S)
        assert "reprov: /srv/nothing has no base 1.0\nhint: it has no version of it\n" in machine.said
        assert "ssh as root, by key: 10.0.2.15/24 on " in machine.said
        assert machine.know_host_key() == fingerprint
        log = machine.ssh(image.key, "cat /run/rescue.log", timeout_s=COMMAND_TIMEOUT_S)
        assert "reprov: /srv/nothing has no base 1.0\n" in log.stdout, log.stderr
        machine.type("reboot")
        assert machine.is_off_within(COMMAND_TIMEOUT_S)
