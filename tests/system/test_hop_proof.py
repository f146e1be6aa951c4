"""Upgrades and rollbacks of a node whose disk has data: every byte of it is as it was, and the node proves it.

The node's root is the first partition of a disk image, and the machine has that disk alone: other tests have theirs.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest

from reprov.adapters import data_signs
from reprov.adapters import run as programs
from reprov.adapters.block_devices import read_block_devices
from reprov.domain.hop_proof import HopProof
from reprov.domain.partition_types import CEPH_TYPES
from reprov.workflows import data_devices, inventory
from reprov.workflows.node import inspect_node
from tests.storage_lab import MIB, Part, attached, change, make_image, sfdisk
from tests.system.node import Hooks, Node, Store
from tests.system.trees import Tree

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("sfdisk", "blkid", "losetup", "partx", "mkfs.ext4", "rsync")]

ROOT_MIB, PART_MIB = 96, 3
PARTS = (
    Part("linux", "root", ROOT_MIB),
    Part("ceph-block", "osd-3", PART_MIB, osd_id=3),
    Part("ceph-block-db", "osd-3-db", PART_MIB, osd_id=3, role="bluefs db"),
    *(Part(name, name, PART_MIB) for name in CEPH_TYPES.values() if name not in ("ceph-block", "ceph-block-db")),
)
COUNT = len(PARTS) - 1
PROVED = f"{COUNT} data devices"


class Disk(NamedTuple):
    """A node on the first partition of a disk."""

    node: Node
    image: Path
    loop: Path

    def part(self, number: int) -> Path:
        return Path(f"{self.loop}p{number}")

    def data(self) -> tuple[list[str], str]:
        """sha256 of each partition that is data, read from the image, and the table's entries as sfdisk dumps them."""
        subprocess.run(["sync", "--file-system", str(self.image)], check=True)
        digests = []
        with self.image.open("rb") as file:
            file.seek((1 + ROOT_MIB) * MIB)
            digests += [hashlib.sha256(file.read(PART_MIB * MIB)).hexdigest() for _ in range(COUNT)]
        dump = subprocess.run(["sfdisk", "--dump", str(self.image)], check=True, capture_output=True, text=True).stdout
        return digests, dump

    def proof(self) -> HopProof:
        file = self.node.path(".reprov/storage-proof.json")
        return HopProof.parse(file.read_text(), str(file))


@contextmanager
def disk_with_root(tmp_path: Path, store: Store, run: Callable[..., Any], parts: tuple[Part, ...]) -> Iterator[Disk]:
    image, root = make_image(tmp_path / "disk.img", parts), tmp_path / "node"
    root.mkdir()
    with attached(image) as (loop,):
        subprocess.run(["mkfs.ext4", "-q", "-F", f"{loop}p1"], check=True, capture_output=True)
        subprocess.run(["mount", f"{loop}p1", str(root)], check=True)
        try:
            for version in ("1.0", "1.1"):
                store.publish(Tree(tmp_path / version, version).file("usr/lib/app/version", version).file("etc/version", version), version)
            yield Disk(Node(root, store, run), image, loop)
        finally:
            subprocess.run(["umount", str(root)], check=True)


def machine_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, loop: Path) -> None:
    """As if this machine had no other disk."""
    read, sysfs = read_block_devices, tmp_path / "block"
    sysfs.mkdir()
    for name in os.listdir("/sys/class/block"):
        if name == loop.name or name.startswith(f"{loop.name}p"):
            (sysfs / name).symlink_to(Path("/sys/class/block") / name)
    monkeypatch.setattr(inventory, "read_block_devices", lambda: tuple(item for item in read() if item.name in os.listdir(sysfs)))
    monkeypatch.setattr(data_signs, "_DEVICES", sysfs)


@pytest.fixture
def disk(tmp_path: Path, store: Store, reprov: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """A node with 1.0 on a disk with data of every kind that Ceph has a partition type for."""
    with disk_with_root(tmp_path, store, reprov, PARTS) as made:
        machine_with(monkeypatch, tmp_path, made.loop)
        made.node.install("1.0")
        yield made


def test_an_upgrade_and_its_way_back_leave_every_byte_and_say_so(disk: Disk) -> None:
    before = disk.data()
    plan = disk.node.run("plan", "1.1", "--from", disk.node.store.folder, "--prove", "always")
    assert f"Data devices: {COUNT}, proved before and after:" in plan.stdout.splitlines()
    assert f"  {disk.part(2)}: GPT type ceph-block; osd.3: block; bluestore label" in plan.stdout.splitlines()
    done = disk.node.install("1.1", "--prove", "always")
    said = f"{PROVED} and {len(disk.proof().before.osds)} OSDs proved untouched by the upgrade to base 1.1"
    assert done.stdout.splitlines()[1] == said
    assert disk.node.run("status").stdout.splitlines()[-1] == f"storage    {said}"
    assert said in disk.node.run("history").stdout
    proof = disk.proof()
    assert proof.after is not None
    assert [device.fingerprint is not None for device in proof.after.devices] == [True] * COUNT
    assert disk.data() == before
    back = json.loads(disk.node.rollback("--prove", "always", "--json").stdout)
    assert back["storage"] == said.replace("upgrade to base 1.1", "rollback to base 1.0")
    assert disk.data() == before


def in_the_first_mib(disk: Disk) -> None:
    change(disk.part(4), 4096)


def in_the_middle(disk: Disk) -> None:
    change(disk.part(4), MIB + 4096)
    os.sync()


def the_type(disk: Disk) -> None:
    sfdisk(disk.loop, "--part-type", str(disk.loop), "4", "linux")


@pytest.mark.parametrize(
    ("alter", "said"),
    [
        pytest.param(in_the_first_mib, "first MiB was sha256 ", id="a bit of the first MiB"),
        pytest.param(in_the_middle, "sectors written was ", id="a bit where only the kernel's count tells"),
        pytest.param(the_type, "type was ", id="the type of a partition"),
    ],
)
@pytest.mark.parametrize("verb", ["upgrade", "rollback"])
def test_whatever_writes_to_data_meanwhile_fails_the_change_that_is_done(
    disk: Disk, hooks: Hooks, alter: Callable[[Disk], None], said: str, verb: str
) -> None:
    if verb == "rollback":
        disk.node.install("1.1")
    hooks.at_start("commit", lambda: alter(disk))
    words = ("rollback",) if verb == "rollback" else ("upgrade", "1.1", "--no-post", "--from", disk.node.store.folder)
    ran = disk.node.run(*words, "--prove", "always")
    hop, version = ("rollback to base 1.0", "1.0") if verb == "rollback" else ("upgrade to base 1.1", "1.1")
    assert ran.status == 7
    assert f"reprov: DATA PROOF FAILED after the {hop}: " in ran.stderr
    assert f"{disk.part(4)}: {said}" in ran.stderr
    assert f"hint: the {hop} is done and stays; change no other node until it is known what wrote to these devices" in ran.stderr
    assert disk.node.path("usr/lib/app/version").read_text() == version
    assert f"storage    DATA PROOF FAILED after the {hop}: " in disk.node.run("status").stdout
    assert f"DATA PROOF FAILED after the {hop}" in disk.node.run("history").stdout
    found = json.loads(disk.node.path(".reprov/storage-proof.json").read_text())
    assert str(disk.part(4)) in {item["device"] for item in found["differences"]}
    assert len(found["before"]["devices"]) == len(found["after"]["devices"]) == COUNT
    assert disk.node.leftovers() == []


def test_an_osd_that_writes_of_its_own_accord_is_proved_by_its_identity(disk: Disk, hooks: Hooks) -> None:
    fd = os.open(disk.part(2), os.O_RDWR | os.O_SYNC)
    try:
        hooks.at_start("commit", lambda: os.pwrite(fd, b"new object", 2 * MIB))
        assert disk.node.upgrade("1.1", "--prove", "always").status == 0
    finally:
        os.close(fd)
    (osd,) = [device for device in disk.proof().before.devices if device.path == str(disk.part(2))]
    assert osd.fingerprint is None
    assert "open in" in osd.use


@pytest.fixture
def without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Takes programs away."""

    def take(*names: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir()
        for name in {"rsync", "sfdisk", "blkid"} - {*names}:
            (folder / name).symlink_to(shutil.which(name, path="/usr/bin:/usr/sbin:/bin:/sbin") or "")
        monkeypatch.setattr(programs, "_SBIN_PATH", str(folder))

    return take


@pytest.mark.parametrize("missing", ["sfdisk", "blkid"])
@pytest.mark.parametrize("verb", ["upgrade", "rollback"])
def test_what_could_not_be_proved_is_refused_before_anything_is_changed(
    disk: Disk, without: Callable[..., None], missing: str, verb: str
) -> None:
    disk.node.install("1.1") if verb == "rollback" else None
    without(missing)
    before = disk.node.snapshot()
    words = ("rollback",) if verb == "rollback" else ("upgrade", "1.1", "--no-post", "--from", disk.node.store.folder)
    ran = disk.node.run(*words, "--prove", "always")
    assert ran.status == 4
    assert "reprov: nobody could prove afterwards that data is untouched: " in ran.stderr
    assert f"{missing}: not installed" in ran.stderr
    assert disk.node.changed_since(before) == []
    assert not disk.node.path(".reprov/storage-proof.json").exists()
    assert disk.node.run(*words, "--prove", "never").status == 0


def test_a_tool_that_the_next_release_does_not_have_is_a_proof_that_failed(disk: Disk, hooks: Hooks, without: Callable[..., None]) -> None:
    hooks.at_end("commit", lambda: without("blkid"))
    ran = disk.node.upgrade("1.1", "--prove", "always")
    assert ran.status == 7
    assert "DATA PROOF FAILED after the upgrade to base 1.1" in ran.stderr


def test_a_partition_that_goes_is_a_proof_that_failed(disk: Disk, hooks: Hooks) -> None:
    hooks.at_start("commit", lambda: sfdisk(disk.loop, "--delete", str(disk.loop), "5"))
    ran = disk.node.upgrade("1.1", "--prove", "always")
    assert ran.status == 7
    assert f"{disk.part(5)}: " in ran.stderr


def test_staging_alone_proves_nothing(disk: Disk) -> None:
    disk.node.install("1.1", "--stage-only", "--prove", "always")
    assert not disk.node.path(".reprov/storage-proof.json").exists()


def test_with_another_root_the_machine_s_devices_are_not_looked_at_unless_asked_for(disk: Disk, without: Callable[..., None]) -> None:
    without("sfdisk", "blkid")
    plan = disk.node.run("plan", "1.1", "--from", disk.node.store.folder)
    said = "Data devices: not looked at: this is the root of another system, whose disks need not be this machine's"
    assert said in plan.stdout.splitlines()
    assert disk.node.install("1.1").stdout.count("\n") == 1


def test_a_node_without_data_pays_nothing_and_needs_no_tool(
    tmp_path: Path, store: Store, reprov: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, without: Callable[..., None]
) -> None:
    def refuse(*arguments: object, **options: object) -> NoReturn:
        raise AssertionError("nobody should have to look closer")

    with disk_with_root(tmp_path, store, reprov, (Part("linux", "root", ROOT_MIB), Part("linux", "more"))) as disk:
        machine_with(monkeypatch, tmp_path, disk.loop)
        without("sfdisk", "blkid")
        monkeypatch.setattr(inventory, "take_inventory", refuse)
        disk.node.install("1.0", "--prove", "always")
        disk.node.install("1.1", "--prove", "always")
        disk.node.rollback("--prove", "always")
        assert not disk.node.path(".reprov/storage-proof.json").exists()
        assert data_devices._sign_of_data(inspect_node(disk.node.root)) == ""
        sfdisk(disk.loop, "--part-type", str(disk.loop), "2", "4fbd7e29-9d25-41b8-afd0-062c0ceff05d")
        assert data_devices._sign_of_data(inspect_node(disk.node.root)) == f"{disk.loop}: partitions of Ceph"


def test_the_filesystem_of_an_osd_is_managed_by_no_release(disk: Disk, tmp_path: Path) -> None:
    """Mounted at a place that every release manages, and with lists that give it to the release."""
    subprocess.run(["mkfs.ext4", "-q", "-F", str(disk.part(5))], check=True, capture_output=True)
    disk.node.store.publish(Tree(tmp_path / "2.0", "2.0").file("opt/app/version", "2.0"), "2.0")
    disk.node.path("opt").mkdir()
    subprocess.run(["mount", str(disk.part(5)), str(disk.node.path("opt"))], check=True)
    try:
        disk.node.write("opt/app/object", "data")
        ran = disk.node.upgrade("2.0", "--prove", "always")
        assert ran.status == 4
        assert f"/opt is a mount that no release manages ({disk.part(5)} is data: GPT type {PARTS[4].type}" in ran.stderr
        assert not disk.node.path("opt/.reprov").exists()
    finally:
        subprocess.run(["umount", str(disk.node.path("opt"))], check=True)


_ON_ONE_DISK = """\
import os, sys
from reprov.adapters import data_signs
from reprov.workflows import inventory
from reprov.cli.main import main
from pathlib import Path
sysfs = Path(sys.argv.pop(1))
read = inventory.read_block_devices
inventory.read_block_devices = lambda: tuple(item for item in read() if item.name in os.listdir(sysfs))
data_signs._DEVICES = sysfs
sys.exit(main())
"""


@pytest.mark.needs("strace")
def test_nothing_opens_a_data_device_for_writing(disk: Disk, tmp_path: Path) -> None:
    log = tmp_path / "log"
    for words in (disk.node.upgrade_words("1.1"), ["rollback", "--root", str(disk.node.root)]):
        words = [*words, "--prove", "always"]
        traced = (
            "strace",
            "-f",
            "--seccomp-bpf",
            "-A",
            "-o",
            str(log),
            "-e",
            "trace=open,openat,openat2,ioctl,mount",
            sys.executable,
            "-c",
            _ON_ONE_DISK,
        )
        subprocess.run([*traced, str(data_signs._DEVICES), *words], check=True, capture_output=True, cwd=Path(__file__).parents[2])
    lines = log.read_text().splitlines()
    opened = [line for line in lines if f'"{disk.loop}' in line]
    assert len([line for line in opened if "O_EXCL" in line]) >= 4 * COUNT
    assert [line for line in opened if "O_RDONLY" not in line or "O_WRONLY" in line or "O_RDWR" in line] == []
    assert [line for line in lines if "BLKRRPART" in line or "BLKPG" in line or "BLKDISCARD" in line] == []
