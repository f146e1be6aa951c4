"""A rescue image boots: network by command line and by DHCP, inventory at the console, ssh by key, and an installation that fails."""

import hashlib
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reprov.domain.hop_proof import HopProof
from tests.rescue_lab import (
    BEHIND_BOOT,
    CEPH_DATA,
    LAYOUTS,
    MIB,
    OSD_BYTES,
    ROOT_BYTES,
    ROOT_VOLUME,
    VAR_VOLUME,
    Image,
    RescueMachine,
    make_disk,
    make_key,
    mounted,
)
from tests.system.node import Store
from tests.system.servers import served
from tests.system.trees import Tree

pytestmark = [
    pytest.mark.system,
    pytest.mark.commands,
    pytest.mark.needs("mmdebstrap", "bsdtar", "qemu-system-x86_64", "sfdisk", "ssh", "ssh-keygen", "ssh-keyscan"),
]

BOOT_TIMEOUT_S = 1800
"""Of one boot, which takes about 60 s on a machine that has nothing else to do, and ten times as long on one that has."""
COMMAND_TIMEOUT_S = 600
FINGERPRINT = r"the host key of this boot is (SHA256:\S+)\n"
PROMPT = r"root@rescue:[^\n]*# "


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
        assert ssh("cat /etc/reprov/layouts/node.json").stdout == LAYOUTS["node.json"]
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
    """The root is one of them: the second installation finds who the node is on a volume of the first."""
    for version in ("1.0", "1.1"):
        tree = Tree(tmp_path / f"tree-{version}", version)
        store.publish(tree.file("opt/version", version).file("boot/config", "1").file("usr/sbin/lvm").directory("var/lib"), version)
    disk = tmp_path / "disk.img"
    make_disk(disk, {"boot": 24})
    osd = disk.read_bytes()[BEHIND_BOOT]
    order_volumes(image, disk, store, tmp_path, "1.0", "reprov.new-node=yes")
    with mounted(disk, ROOT_VOLUME, tmp_path, "rw") as root:
        first = (root / "etc/fstab").read_text()
        Tree.over(root).file("etc/machine-id", "0123456789abcdef0123456789abcdef\n").file("etc/hostname", "node-17\n").file("old", "lost")
    with mounted(disk, VAR_VOLUME, tmp_path, "rw") as var:
        Tree.over(var).file("lib/ceph/osd/ceph-3/keyring", "[osd.3]\n").file("old", "lost")
    groups = metadata_of(disk)

    order_volumes(image, disk, store, tmp_path, "1.1", "")

    assert metadata_of(disk) == groups
    assert disk.read_bytes()[BEHIND_BOOT] == osd
    with mounted(disk, ROOT_VOLUME, tmp_path, "ro") as root:
        assert [(root / path).read_text() for path in ("opt/version", "etc/hostname")] == ["1.1", "node-17\n"]
        assert not (root / "old").exists()
        proof = HopProof.parse((root / ".reprov/storage-proof.json").read_text(), "storage-proof.json")
        assert proof.verdict == "1 data device and 1 OSD proved untouched by the installation of base 1.1"
        fstab = (root / "etc/fstab").read_text()
    lines = [[line.split()[1:3] for line in text.splitlines() if line.startswith("UUID=")] for text in (first, fstab)]
    assert lines == [[["/", "ext4"], ["/boot", "ext4"], ["/var", "ext4"], ["none", "swap"]]] * 2
    for where, point in ((ROOT_VOLUME, "/"), (VAR_VOLUME, "/var")):
        words = ["blkid", "--probe", "--offset", str(where.start), "--match-tag", "UUID", "--output", "value", str(disk)]
        uuid = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
        assert f"UUID={uuid} {point} ext4 " in fstab
    with mounted(disk, VAR_VOLUME, tmp_path, "ro") as var:
        assert (var / "lib/ceph/osd/ceph-3/keyring").read_text() == "[osd.3]\n"
        assert not (var / "old").exists()


def order_volumes(image: Image, disk: Path, store: Store, folder: Path, version: str, more: str) -> None:
    """Have the command line install a version with volumes, and wait until the machine is off."""
    with served(store.folder) as source:
        orders = f"reprov.install=base/{version}@{source.replace('127.0.0.1', '10.0.2.2')} reprov.layout=volumes.json"
        with RescueMachine(image.folder, disk, f"{orders} {more} reprov.then=poweroff", folder, installs=True) as machine:
            machine.wait_for(rf"note: base {re.escape(version)} is installed on /dev/vda: ", timeout_s=BOOT_TIMEOUT_S)
            assert machine.is_off_within(COMMAND_TIMEOUT_S)


def metadata_of(disk: Path) -> bytes:
    """What LVM has written of its groups: it changes with every change of one."""
    return disk.read_bytes()[ROOT_VOLUME.start - MIB : ROOT_VOLUME.start]


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
