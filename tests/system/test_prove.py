"""reprov prove, on disk images with OSDs and on disks of the kernel."""

import fcntl
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reprov.adapters.proof import prove_devices
from reprov.domain.inventory import Inventory, Mounted
from reprov.domain.mounts import Mount
from reprov.domain.proof import Proof
from reprov.domain.proof_comparison import compare, differences
from reprov.domain.proof_subjects import Subject
from reprov.events import NullMonitor, Progress
from reprov.workflows.inventory import take_inventory
from reprov.workflows.prove import prove_inventory
from tests.storage_lab import MIB, Part, attached, change, make_image, sfdisk

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("sfdisk", "blkid", "losetup", "partx")]

Reprov = Callable[..., Any]
PARTS = (
    Part("linux", "root", 8),
    Part("ceph-block", "osd-3", 6, osd_id=3),
    Part("ceph-block-db", "osd-3-db", osd_id=3, role="bluefs db"),
    Part("ceph-osd-data"),
    Part("ceph-dmcrypt-block"),
    Part("ceph-luks-block-wal"),
    Part("ceph-multipath-journal"),
)
REPROV = Path(__file__).parents[2]
BLOCK_AT = 9 * MIB
"""Where the partition ceph-block starts."""


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return make_image(tmp_path / "disk.img", PARTS)


@pytest.fixture
def proof(image: Path, tmp_path: Path, reprov: Reprov) -> Path:
    """The proof of the image, to its last byte."""
    file = tmp_path / "before.json"
    assert reprov("prove", "--image", image, "--output", file, "--deep").status == 0
    return file


def listed(reprov: Reprov, image: Path, proof: Path, *options: str) -> tuple[int, list[tuple[str, str]]]:
    """Exit status and differences: partition and what."""
    done = reprov("prove", "--image", image, "--against", proof, "--json", *options)
    return done.status, [(item["device"].removeprefix(str(image)), item["what"]) for item in json.loads(done.stdout)["differences"]]


def test_the_proof_of_an_image_has_every_partition_that_is_data(proof: Path) -> None:
    found = Proof.parse(proof.read_text(), str(proof))
    assert [device.entry.label for device in found.devices if device.entry] == [part.label or part.type for part in PARTS[1:]]
    assert all(device.fingerprint and device.fingerprint.whole_sha256 for device in found.devices)
    assert (3, "00000000-1111-4222-8333-000000000067") in [(osd.id, osd.fsid) for osd in found.osds]


def test_the_file_is_roots_alone_and_nothing_lies_beside_it(proof: Path, image: Path) -> None:
    assert proof.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in proof.parent.iterdir()} == {proof.name, image.name}


def test_two_proofs_of_the_same_image_differ_in_their_time_alone(proof: Path, image: Path, tmp_path: Path, reprov: Reprov) -> None:
    reprov("prove", "--image", image, "--output", tmp_path / "again.json", "--deep")
    first, second = (Proof.parse(path.read_text(), "") for path in (proof, tmp_path / "again.json"))
    assert replace(first, made_at="") == replace(second, made_at="")


CHANGES = {
    "a bit of the first MiB": (lambda image: change(image, BLOCK_AT + MIB - 1), [("2", "first MiB"), ("2", "whole device")]),
    "a bit of the last MiB": (lambda image: change(image, BLOCK_AT + 5 * MIB), [("2", "last MiB"), ("2", "whole device")]),
    "a bit in the middle": (lambda image: change(image, BLOCK_AT + 3 * MIB), [("2", "whole device")]),
    "a bit of the system's own partition": (lambda image: change(image, 2 * MIB), []),
    "the type": (lambda image: sfdisk(image, "--part-type", str(image), "5", "linux"), [("5", "type")]),
    "the type of one that has a label of bluestore": (
        lambda image: sfdisk(image, "--part-type", str(image), "2", "linux"),
        [("2", "type")],
    ),
    "the name": (lambda image: sfdisk(image, "--part-label", str(image), "4", "photos"), [("4", "label")]),
    "the PARTUUID": (
        lambda image: sfdisk(image, "--part-uuid", str(image), "4", "12345678-1234-4234-8234-123456789abc"),
        [("4", "PARTUUID")],
    ),
    "an attribute": (lambda image: sfdisk(image, "--part-attrs", str(image), "4", "RequiredPartition"), [("4", "attributes")]),
    "the name of the system's own partition": (lambda image: sfdisk(image, "--part-label", str(image), "1", "slash"), []),
    "a partition that is gone": (lambda image: sfdisk(image, "--delete", str(image), "7"), [("7", "device")]),
    "the UUID of the table": (
        lambda image: sfdisk(image, "--disk-id", str(image), "12345678-1234-4234-8234-123456789abc"),
        [(str(number), "table UUID") for number in range(2, 8)],
    ),
    "a bit of an entry of the table": (
        lambda image: change(image, 2 * 512 + 3 * 128 + 56),
        [(str(number), "table problems") for number in range(2, 8)],
    ),
    "the second copy of the table": (
        lambda image: change(image, image.stat().st_size - 512),
        [(str(number), "table problems") for number in range(2, 8)],
    ),
    "an image that ends early": (
        lambda image: os.truncate(image, image.stat().st_size - 3 * MIB),
        [(str(number), "device") for number in range(2, 8)],
    ),
    "the fsid of an OSD": (
        lambda image: change(image, BLOCK_AT + len("bluestore block device\n")),
        [("2", "bluestore fsid"), ("2", "first MiB"), ("2", "whole device")],
    ),
}


@pytest.mark.parametrize(("alter", "wanted"), CHANGES.values(), ids=CHANGES)
def test_whatever_changes_is_listed(
    alter: Callable[[Path], None], wanted: list[tuple[str, str]], image: Path, proof: Path, reprov: Reprov
) -> None:
    alter(image)
    status, found = listed(reprov, image, proof, "--deep")
    of_devices = [item for item in found if not item[0].startswith("osd.")]
    assert (status, sorted(of_devices)) == (7 if wanted else 0, sorted(wanted))


def test_what_cannot_be_read_is_said(image: Path) -> None:
    beyond = Subject(str(image), 2 * image.stat().st_size, disk=str(image), is_image=True)
    found = prove_devices((beyond,), Progress(NullMonitor(), "prove"), deep=False)
    assert [(device.fingerprint, device.error) for device in found.devices] == [(None, "it ends early")]
    assert f"{image}: it ends early" in found.notes


def test_only_a_deep_proof_sees_the_middle(image: Path, proof: Path, reprov: Reprov) -> None:
    change(image, BLOCK_AT + 3 * MIB)
    assert listed(reprov, image, proof) == (0, [])


def test_a_failed_proof_shows_both_sides_and_stops(image: Path, proof: Path, reprov: Reprov) -> None:
    sfdisk(image, "--part-label", str(image), "4", "photos")
    done = reprov("--quiet", "prove", "--image", image, "--against", proof)
    made_at = json.loads(proof.read_text())["made_at"]
    assert done.status == 7
    assert done.stdout.splitlines() == [
        "DEVICE     WHAT   BEFORE         AFTER",
        "disk.img4  label  ceph-osd-data  photos",
        "",
        "the proof now was made without --deep: no device is compared by every byte",
        f"1 difference since {made_at}: 6 devices compared, 6 by first and last MiB",
    ]
    assert done.stderr == (
        f"reprov: data proof failed: 1 difference since {made_at}\n"
        "hint: stop here: find out what wrote to these devices before this node, or any other, is changed again\n"
    )


def test_an_image_that_moved_is_the_same(image: Path, proof: Path, reprov: Reprov) -> None:
    assert listed(reprov, image.rename(image.with_name("moved.img")), proof) == (0, [])


def test_only_a_proof_is_replaced(image: Path, proof: Path, tmp_path: Path, reprov: Reprov) -> None:
    letter = tmp_path / "letter"
    letter.write_text("dear")
    before = image.read_bytes()
    for file in (letter, image, Path("/dev/null"), tmp_path):
        done = reprov("prove", "--image", image, "--output", file, "--yes")
        assert done.status in (1, 2), file
    assert (letter.read_text(), image.read_bytes()) == ("dear", before)
    asked = reprov("prove", "--image", image, "--output", proof)
    assert (asked.status, "nobody can be asked: replace the proof of" in asked.stderr) == (2, True)
    assert reprov("prove", "--image", image, "--output", proof, "--yes").status == 0
    assert reprov("prove", "--image", image, "--output", proof, "--against", proof, "--yes").status == 2


def test_a_file_that_can_hold_no_proof_is_called_by_its_name(image: Path, tmp_path: Path, reprov: Reprov) -> None:
    for file, said in ((tmp_path, f"{tmp_path} is a directory"), ("-", "a proof is kept in a file, and '-' is none")):
        done = reprov("prove", "--image", image, "--output", file)
        assert (done.status, said in done.stderr) == (2, True)
    assert not Path("-").exists()


@pytest.mark.needs("setpriv")
@pytest.mark.parametrize(
    ("words", "purpose"),
    [
        pytest.param(("prove", "--output", "proof.json"), "prove the devices of a machine", id="prove"),
        pytest.param(("activate", "--plan"), "look for the OSDs of a machine", id="activate --plan"),
        pytest.param(("guard", "--", "true"), "guard the devices of a machine", id="guard"),
    ],
)
def test_who_cannot_read_the_devices_is_not_told_that_there_is_no_data(words: tuple[str, ...], purpose: str) -> None:
    with tempfile.TemporaryDirectory(prefix="reprov-test-") as folder:
        Path(folder).chmod(0o777)
        argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-m", "reprov", *words]
        ran = subprocess.run(argv, check=False, capture_output=True, text=True, cwd=folder, env={**os.environ, "PYTHONPATH": str(REPROV)})
        assert (ran.returncode, ran.stdout, ran.stderr) == (4, "", f"reprov: only root can {purpose}\nhint: run it as root\n")
        assert list(Path(folder).iterdir()) == []


def test_an_image_that_nobody_can_write_to_is_proven(image: Path, proof: Path, reprov: Reprov) -> None:
    image.chmod(0o400)
    with attached(image, read_only=True):
        assert listed(reprov, image, proof, "--deep") == (0, [])


def test_an_image_that_a_loop_device_writes_to_is_proven_by_identity(image: Path, proof: Path, reprov: Reprov) -> None:
    with attached(image) as (loop,):
        done = reprov("prove", "--image", image, "--against", proof, "--json")
    assert {(item["extent"], item["why"]) for item in json.loads(done.stdout)["devices"]} == {("identity", f"attached to {loop}")}
    assert done.status == 0


@pytest.mark.needs("strace")
def test_nothing_is_opened_for_writing(image: Path, tmp_path: Path) -> None:
    log, file = tmp_path / "log", tmp_path / "out.json"
    with attached(image) as (loop,):
        words = ("strace", "-f", "-o", str(log), "-e", "trace=open,openat,openat2,ioctl", sys.executable, "-m", "reprov", "prove")
        # Its status tells of the machine's other disks, too, which need not be readable.
        subprocess.run([*words, "--output", str(file)], check=False, capture_output=True, cwd=Path(__file__).parents[2])
    assert str(loop) in file.read_text()
    lines = [line for line in log.read_text().splitlines() if f'"{loop}' in line]
    assert any("O_EXCL" in line for line in lines)
    assert [line for line in lines if "O_RDONLY" not in line or "O_WRONLY" in line or "O_RDWR" in line] == []
    assert [line for line in log.read_text().splitlines() if "BLKRRPART" in line or "BLKPG" in line or "BLKDISCARD" in line] == []


def inventory_of(*loops: Path) -> Inventory:
    """The inventory of this machine as if it had no other disks: other tests have theirs."""
    found = take_inventory(Path("/"), monitor=NullMonitor())
    return replace(found, disks=tuple(disk for disk in found.disks if Path(disk.path) in loops), mounts=(), osds=(), notes=())


def proof_of(*loops: Path, before: Proof | None = None, deep: bool = False) -> Proof:
    return prove_inventory(inventory_of(*loops), boot="this boot", before=before, deep=deep, monitor=NullMonitor())


def test_disks_that_swap_their_names_are_the_same(tmp_path: Path) -> None:
    images = [make_image(tmp_path / f"{number}.img", PARTS, number=number) for number in (1, 2)]
    with attached(*images) as loops:
        before = proof_of(*loops)
        assert len(before.devices) == 2 * (len(PARTS) - 1)
    with attached(*reversed(images)) as loops:
        found = compare(before, proof_of(*loops, before=before))
    assert found.differences == ()
    assert [remark.partition(" ")[0] for remark in found.remarks] == ["other"]


def test_a_write_through_the_whole_disk_is_seen(image: Path) -> None:
    with attached(image) as (loop,):
        before = proof_of(loop)
        change(loop, BLOCK_AT + 100_000)
        assert {item.what for item in differences(before, proof_of(loop))} == {"first MiB"}


def test_a_write_in_the_middle_moves_the_count(image: Path) -> None:
    with attached(image) as (loop,):
        before = proof_of(loop)
        change(Path(f"{loop}p2"), 3 * MIB)
        assert [(item.device, item.what) for item in differences(before, proof_of(loop))] == [(f"{loop}p2", "sectors written")]


def test_a_discard_in_the_middle_moves_the_count(image: Path) -> None:
    with attached(image) as (loop,):
        before = proof_of(loop)
        subprocess.run(["blkdiscard", "--offset", str(3 * MIB), "--length", str(MIB), f"{loop}p2"], check=True)
        assert "sectors discarded" in {item.what for item in differences(before, proof_of(loop))}


@pytest.fixture
def opened(image: Path) -> Iterator[tuple[Path, Proof, int]]:
    """The disk, its proof while nothing used it, and a descriptor of a partition."""
    with attached(image) as (loop,):
        before = proof_of(loop)
        fd = os.open(f"{loop}p2", os.O_RDONLY)
        try:
            yield loop, before, fd
        finally:
            os.close(fd)


def uses(before: Proof, after: Proof) -> dict[str, str]:
    """Why devices are proven by identity alone, by the end of their names."""
    return {device.path[-2:]: device.why for device in compare(before, after).devices if device.why}


def test_a_lock_is_a_use(opened: tuple[Path, Proof, int]) -> None:
    loop, before, fd = opened
    fcntl.flock(fd, fcntl.LOCK_EX)
    assert uses(before, proof_of(loop)) == {"p2": "locked by another program"}


def test_reading_is_no_use(opened: tuple[Path, Proof, int]) -> None:
    loop, before, _ = opened
    assert uses(before, proof_of(loop)) == {}


def test_an_exclusive_open_is_a_use(opened: tuple[Path, Proof, int]) -> None:
    loop, before, _ = opened
    fd = os.open(f"{loop}p4", os.O_RDONLY | os.O_EXCL)
    try:
        assert uses(before, proof_of(loop)) == {"p4": "held by the kernel or by another program"}
    finally:
        os.close(fd)


def test_a_writer_is_a_use(opened: tuple[Path, Proof, int]) -> None:
    loop, before, _ = opened
    fd = os.open(f"{loop}p5", os.O_RDWR)
    try:
        assert list(uses(before, proof_of(loop))) == ["p5"]
        assert str(os.getpid()) in uses(before, proof_of(loop))["p5"]
    finally:
        os.close(fd)


def test_a_mount_is_a_use_and_its_filesystem_still_has_an_identity(image: Path, tmp_path: Path) -> None:
    with attached(image) as (loop,):
        subprocess.run(["mkfs.ext4", "-q", "-F", f"{loop}p4"], check=True, capture_output=True)
        before = proof_of(loop)
        point = tmp_path / "mounted"
        point.mkdir()
        subprocess.run(["mount", f"{loop}p4", str(point)], check=True)
        try:
            (point / "object").write_text("new")
            inventory = inventory_of(loop)
            hidden = prove_inventory(inventory, boot="this boot", monitor=NullMonitor())
            known = replace(inventory, mounts=(Mounted(Mount("srv", "ext4", "", False), f"{loop}p4"),))
            shown = prove_inventory(known, boot="this boot", monitor=NullMonitor())
            assert (uses(before, hidden), differences(before, hidden)) == ({"p4": "held by the kernel or by another program"}, ())
            assert uses(before, shown) == {"p4": "mounted at /srv"}
            subprocess.run(["tune2fs", "-L", "photos", f"{loop}p4"], check=True, capture_output=True)
            changed = prove_inventory(inventory_of(loop), boot="this boot", monitor=NullMonitor())
            assert [item.what for item in differences(before, changed)] == ["content label"]
        finally:
            subprocess.run(["umount", str(point)], check=True)


def test_partitions_that_the_kernel_does_not_know_are_proven_on_their_disk(image: Path) -> None:
    with attached(image) as (loop,):
        subprocess.run(["partx", "--delete", str(loop)], check=True)
        before = proof_of(loop)
        assert [bool(device.fingerprint) for device in before.devices] == [True] * (len(PARTS) - 1)
        change(loop, BLOCK_AT + 100_000)
        assert {item.what for item in differences(before, proof_of(loop))} == {"first MiB"}


def test_sixty_osds_are_proven(tmp_path: Path) -> None:
    sixty = [Part("ceph-block", f"osd-{number}", osd_id=number) for number in range(12)]
    images = [make_image(tmp_path / f"{number}.img", sixty, number=number) for number in range(5)]
    with attached(*images) as loops:
        proof = proof_of(*loops)
    assert sum(bool(device.fingerprint) for device in proof.devices) == 60
