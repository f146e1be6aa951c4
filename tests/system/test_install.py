"""reprov install on disk images: what is formatted, what is made, and what nobody has touched."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reprov.adapters import loop_image, volume_writer
from reprov.adapters.loop_image import attached_image
from reprov.adapters.private_mounts import require_filesystems
from reprov.cli import options
from reprov.domain.deployment import Deployment
from reprov.domain.hop_proof import HopProof
from reprov.domain.install_plan import ARCHIVE_NAME
from reprov.domain.inventory import Inventory
from reprov.domain.inventory_scope import of_disk
from reprov.domain.partition_types import CEPH_TYPES
from reprov.errors import Refused
from reprov.workflows import install as workflow
from reprov.workflows import install_identity, install_plan
from reprov.workflows.inventory import take_inventory
from tests.conftest import Ran
from tests.storage_lab import MIB, Part, attached, bluestore_label
from tests.system.install_lab import DATA, FSTAB_LINE, IDENTITY, LAYOUT, SYSTEM, InstallLab, attached_to
from tests.system.node import Hooks, Run
from tests.system.trees import Tree

pytestmark = [
    pytest.mark.system,
    pytest.mark.commands,
    pytest.mark.needs("sfdisk", "losetup", "partx", "blkid", "wipefs", "mkfs.ext4", "mount", "rsync"),
]

VERSIONS = {"opt/version": "1.0", "boot/config": "1.0"}


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> InstallLab:
    """A node with OSDs, and a release for it."""
    from reprov.cli.main import main

    made = InstallLab(tmp_path_factory.mktemp("furnished"), lambda *words: Ran(main([str(word) for word in words]), "", ""))
    made.furnish(free_mib=40)
    made.publish("1.0")
    return made


@pytest.fixture
def lab(furnished: InstallLab, tmp_path: Path, reprov: Run, monkeypatch: pytest.MonkeyPatch) -> InstallLab:
    """A copy of that node, with a layout."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # a process that is killed leaves an empty directory there
    return furnished.copy(tmp_path, reprov)


def assert_installed(lab: InstallLab) -> None:
    """The release is there, the node is who it was, and nothing is left over."""
    assert lab.found(*VERSIONS, *IDENTITY) == {**VERSIONS, **IDENTITY}
    assert lab.found("srv/old", "boot/old", f"boot/{ARCHIVE_NAME}") == {}
    assert attached_to(lab.image) == []


def test_every_partition_of_ceph_is_bit_identical(tmp_path: Path, reprov: Run) -> None:
    lab = InstallLab(tmp_path, reprov)
    names = sorted(CEPH_TYPES.values())
    lab.furnish((*SYSTEM, *(Part(name, f"of-{name}", osd_id=index if index % 3 else None) for index, name in enumerate(names)), DATA[2]))
    lab.write_layout(preserve=[{"type": name} for name in names])
    lab.publish("1.0")
    before, table = lab.data(), subprocess.run(["sfdisk", "--dump", str(lab.image)], check=True, capture_output=True).stdout
    assert len(before) == len(CEPH_TYPES) + 1

    done = json.loads(lab.install("1.0", "--json").stdout)

    assert lab.data() == before
    assert subprocess.run(["sfdisk", "--dump", str(lab.image)], check=True, capture_output=True).stdout == table
    assert_installed(lab)
    assert (len(done["proof"]["devices"]), done["proof"]["differences"]) == (len(before), [])
    assert {item["extent"] for item in done["proof"]["devices"]} == {"first and last MiB"}
    with lab.mounted("root", options="loop,ro") as root:
        state = root / ".reprov"
        proof = HopProof.parse((state / "storage-proof.json").read_text(), "storage-proof.json")
        proven = f"{len(before)} data devices and {len(proof.before.osds)} OSDs"
        assert proof.verdict == f"{proven} proved untouched by the installation of base 1.0"
        deployment = Deployment.parse((state / "state.json").read_text(), "state.json")
        assert (str(deployment.installed), deployment.has_previous) == ("base 1.0", False)


def test_fstab_is_by_the_new_uuids_and_keeps_what_the_node_had_besides(lab: InstallLab) -> None:
    lab.install("1.0")
    (fstab,) = lab.found("etc/fstab").values()
    assert fstab.endswith(FSTAB_LINE)
    places = {entry.label: entry.start_sector * 512 for entry in lab.entries()}
    for name, point in (("root", "/"), ("boot", "/boot"), ("var", "/var")):
        words = ["blkid", "--probe", "--offset", str(places[name]), "--match-tag", "UUID", "--output", "value", str(lab.image)]
        uuid = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
        assert f"UUID={uuid} {point} ext4 " in fstab


def test_the_plan_alone_writes_nothing(lab: InstallLab) -> None:
    before = lab.image.read_bytes()
    shown, fields = lab.run("1.0", "--plan"), lab.run("1.0", "--plan", "--json")
    assert (shown.status, fields.status) == (3, 3)
    assert lab.image.read_bytes() == before
    loop = re.search(r"as\s+(/dev/loop\d+),", shown.stdout)
    assert loop is not None
    heading, _, rest = shown.stdout.partition("\n  table     stays as it is\n")
    assert heading.replace("\n ", "") == f"Disk {lab.image} as {loop[1]}, 302.0 MB"
    assert rest.splitlines() == [
        f"  identity  from {loop[1]}p2; it lies on boot while / is formatted",
        "NR  NAME        SIZE  FATE       WHY",
        " 1  boot     25.2 MB  formatted  ext4 at /boot; was ext4",
        " 2  root    167.8 MB  formatted  ext4 at /; was ext4",
        " 3  var      50.3 MB  formatted  ext4 at /var; was ext4",
        " 4  osd-3     6.3 MB  kept       GPT type ceph-block; rule: type ceph-block;",
        "                                 osd.3: block; bluestore label",
        " 5  db-3      4.2 MB  kept       GPT type ceph-block-db; osd.3: db; bluestore",
        "                                 label",
        " 6  photos    4.2 MB  kept       rule: partition label photos",
    ]
    answer = json.loads(fields.stdout)
    assert [item["fate"] for item in answer["partitions"]] == ["formatted"] * 3 + ["kept"] * 3
    assert (answer["disk"]["image"], answer["identity"]["kept_in"], answer["refusals"]) == (str(lab.image), "boot", [])


def test_usr_on_a_partition_of_its_own_is_no_previous_tree(lab: InstallLab) -> None:
    lab.furnish(free_mib=64)
    own = {"name": "usr", "size": "48M", "filesystem": "ext4", "mount": "/usr"}
    lab.write_layout(partitions=[*LAYOUT["partitions"], own])
    lab.install("1.0")
    with lab.mounted("root", options="loop,ro") as root:
        deployment = Deployment.parse((root / ".reprov/state.json").read_text(), "state.json")
    assert (str(deployment.installed), deployment.has_previous) == ("base 1.0", False)


def test_an_answer_that_goes_to_a_full_disk_is_a_note(lab: InstallLab) -> None:
    with Path("/dev/full").open("w") as full:
        argv = [sys.executable, "-m", "reprov", *lab.words("1.0", "--yes", "--json")]
        ran = subprocess.run(argv, check=False, stdout=full, stderr=subprocess.PIPE, text=True)
    said = "note: it is done, but the answer cannot be written: No space left on device"
    assert (ran.returncode, ran.stderr.splitlines()[-1]) == (0, said)
    assert_installed(lab)


def test_without_a_terminal_it_needs_yes(lab: InstallLab) -> None:
    before = lab.image.read_bytes()
    ran = lab.run("1.0")
    assert ran.status == 2
    assert "format 3 partitions with all that is on them?" in ran.stderr
    assert lab.image.read_bytes() == before


def test_a_missing_partition_is_made_beside_the_data(lab: InstallLab) -> None:
    swap = {"name": "swap", "type": "swap", "size": "8M", "filesystem": "swap"}
    home = {"name": "home", "size": "24M", "filesystem": "ext4", "mount": "/home"}
    lab.write_layout(partitions=[*LAYOUT["partitions"], swap, home])
    before, table = lab.data(), subprocess.run(["sfdisk", "--dump", str(lab.image)], check=True, capture_output=True, text=True).stdout
    ran = lab.install("1.0")
    assert lab.data() == before
    assert [(entry.number, entry.label) for entry in lab.entries()][-2:] == [(7, "swap"), (8, "home")]
    assert_installed(lab)
    (kept,) = lab.folder.glob("layout.json.table-*")
    assert str(kept) in ran.stderr
    lines = [re.sub(r"/dev/loop\d+p?|" + re.escape(str(lab.image)), "disk", text) for text in (kept.read_text(), table)]
    assert lines[0] == lines[1]
    (fstab,) = lab.found("etc/fstab").values()
    assert re.search(r"^UUID=\S+ /home ext4 ", fstab, re.MULTILINE)
    assert re.search(r"^UUID=\S+ none swap ", fstab, re.MULTILINE)


@pytest.mark.needs("mkfs.btrfs", "mkfs.xfs")
@pytest.mark.parametrize("sector_bytes", [pytest.param(512, id="sectors of 512 bytes"), pytest.param(4096, id="sectors of 4096 bytes")])
def test_an_empty_disk_becomes_a_node_and_that_is_installed_again(tmp_path: Path, reprov: Run, sector_bytes: int) -> None:
    lab = InstallLab(tmp_path, reprov)
    with lab.image.open("wb") as file:
        file.truncate(640 * MIB)
    partitions = [
        {"name": "efi", "size": "64M", "filesystem": "ext4", "mount": "/boot/efi"},
        {"name": "root", "size": "320M", "filesystem": "xfs", "mount": "/"},
        {"name": "var", "size": "120M", "filesystem": "btrfs", "mount": "/var"},
    ]
    if sector_bytes == 4096:  # an image without table does not tell
        loop = subprocess.run(
            ["losetup", "--find", "--show", "--sector-size", "4096", str(lab.image)], check=True, capture_output=True, text=True
        ).stdout.strip()
        subprocess.run(["sfdisk", "--quiet", loop], input=b"label: gpt\n", check=True, capture_output=True)
        subprocess.run(["losetup", "--detach", loop], check=True)
    lab.write_layout(partitions=partitions, preserve=[], disk={"image": str(lab.image), "create-table": True})
    lab.publish("1.0")
    refused = lab.run("1.0", "--yes")
    assert (refused.status, "has no partition 'root' whose identity could be kept" in refused.stderr) == (4, True)
    lab.install("1.0", "--new-node")
    with attached_image(lab.image) as loop:
        subprocess.run(["mount", f"{loop}p2", str(tmp_path)], check=True)
        try:
            (tmp_path / "etc/hostname").write_text("node-18\n")
            before = (tmp_path / "etc/fstab").read_text()
            assert [line.split()[1] for line in before.splitlines() if line.startswith("UUID=")] == ["/", "/boot/efi", "/var"]
        finally:
            subprocess.run(["umount", str(tmp_path)], check=True)
    lab.publish("1.1")
    lab.install("1.1", role="")
    with attached_image(lab.image) as loop:
        subprocess.run(["mount", "-o", "ro", f"{loop}p2", str(tmp_path)], check=True)
        try:
            assert ((tmp_path / "etc/hostname").read_text(), (tmp_path / "opt/version").read_text()) == ("node-18\n", "1.1")
            fstab = (tmp_path / "etc/fstab").read_text()
            assert fstab != before
            assert len(fstab.splitlines()) == len(before.splitlines())
        finally:
            subprocess.run(["umount", str(tmp_path)], check=True)


STEPS = [
    (workflow, "write_table"),
    (workflow, "keep_identity"),
    (workflow, "make_filesystem"),
    (workflow, "restore_identity"),
    (workflow, "forget_archive"),
    (workflow, "_write_fstab"),
    (workflow, "upgrade"),
    (workflow, "make_bootable"),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("module", "step"), STEPS, ids=[name.strip("_") for _, name in STEPS])
def test_whatever_fails_leaves_nothing_attached_and_a_second_run_finds_the_identity(
    lab: InstallLab, monkeypatch: pytest.MonkeyPatch, module: Any, step: str, when: str
) -> None:
    before, real = lab.data(), getattr(module, step)

    def fail(*arguments: Any, **named: Any) -> None:
        if when == "after":
            real(*arguments, **named)
        raise OSError(5, "the disk failed")

    with monkeypatch.context() as patched:
        patched.setattr(module, step, fail)
        ran = lab.run("1.0", "--yes")
    assert (ran.status, ran.stderr.splitlines()[-1].startswith("hint: run the same command again")) == (6, True)
    assert attached_to(lab.image) == []
    lab.install("1.0")
    assert_installed(lab)
    assert lab.data() == before


@pytest.mark.parametrize(
    ("when", "phase"),
    [
        ("end", "partitions"),
        ("start", "filesystems"),
        ("end", "filesystems"),
        ("start", "identity"),
        ("end", "identity"),
        ("start", "commit"),
    ],
    ids=lambda word: word,
)
def test_killed_at_any_time_a_second_run_finds_the_identity(lab: InstallLab, when: str, phase: str) -> None:
    before = lab.data()
    lab.kill("1.0", when, phase)
    assert attached_to(lab.image) == []
    lab.install("1.0")
    assert_installed(lab)
    assert lab.data() == before


def test_asked_to_stop_it_cleans_up(lab: InstallLab, hooks: Hooks) -> None:
    hook = hooks.at_start("scan", lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert lab.run("1.0", "--yes").status == 128 + signal.SIGTERM
    assert hook.done
    assert attached_to(lab.image) == []


def test_a_file_may_keep_the_identity(lab: InstallLab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.write_layout(partitions=[item for item in LAYOUT["partitions"] if item["name"] != "boot"])
    refused = lab.run("1.0", "--yes")
    assert refused.status == 4
    assert "no partition of the layout can keep the node's identity while / is formatted" in refused.stderr
    archive = lab.folder / "identity.tar"
    with monkeypatch.context() as patched:
        patched.setattr(workflow, "restore_identity", lambda *_: os.listdir("/nowhere"))
        assert lab.run("1.0", "--yes", "--identity-archive", archive).status == 6
    assert archive.exists()
    lab.install("1.0", "--identity-archive", archive)
    assert not archive.exists()
    with lab.mounted("root", "var", options="loop,ro") as root:
        assert {path: (root / path).read_text() for path in IDENTITY} == IDENTITY


def test_a_root_whose_identity_is_not_whole_is_not_believed(lab: InstallLab, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = lab.folder / "identity.tar"

    def half(_archive: Path, root_fd: int) -> None:
        os.close(os.open("machine-id", os.O_WRONLY | os.O_CREAT, dir_fd=root_fd))
        raise OSError(5, "the disk failed")

    with monkeypatch.context() as patched:
        patched.setattr(install_identity, "restore", half)
        assert lab.run("1.0", "--yes", "--identity-archive", archive).status == 6
    refused = lab.run("1.0", "--yes", "--new-node")
    assert (refused.status, "is not whole: an installation was interrupted" in refused.stderr) == (4, True)
    lab.install("1.0", "--identity-archive", archive)
    assert_installed(lab)


def test_half_an_archive_is_not_believed(lab: InstallLab) -> None:
    archive, before = lab.folder / "identity.tar", lab.image.read_bytes()
    archive.write_bytes(b"half")
    ran = lab.run("1.0", "--yes", "--identity-archive", archive)
    assert ran.status == 2
    assert f"{archive}: not the identity of a node" in ran.stderr
    assert lab.image.read_bytes() == before


def test_a_root_without_identity_needs_to_be_called_new(lab: InstallLab) -> None:
    place = {entry.label: entry for entry in lab.entries()}["root"]
    with lab.image.open("r+b") as file:
        file.seek(place.start_sector * 512)
        file.write(bytes(MIB))
    refused = lab.run("1.0", "--yes")
    assert (refused.status, "there is no identity of a node on /dev/loop" in refused.stderr) == (4, True)
    lab.install("1.0", "--new-node")


def test_a_damaged_root_is_not_formatted_with_the_identity_that_may_be_on_it(lab: InstallLab) -> None:
    place = {entry.label: entry for entry in lab.entries()}["root"]
    with lab.image.open("r+b") as file:
        file.seek(place.start_sector * 512 + 3 * 4096)
        file.write(b"x" * MIB)
    refused = lab.run("1.0", "--yes", "--new-node")
    assert (refused.status, "the node's identity may be on /dev/loop" in refused.stderr) == (4, True), refused.stderr
    assert "and give --new-node" in refused.stderr


@pytest.mark.parametrize(
    ("options", "file", "said"),
    [
        pytest.param("rw", "away/identity.tar", "away is no directory", id="a directory that is not there"),
        pytest.param("size=4k", "full/identity.tar", "KiB, and there is no room for", id="a directory that is full"),
        pytest.param("ro", "full/identity.tar", "mounted read-only", id="a directory that cannot be written to"),
    ],
)
def test_a_file_that_cannot_keep_the_identity_is_refused(lab: InstallLab, options: str, file: str, said: str) -> None:
    folder = lab.folder / "full"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        if options != "ro":
            (folder / "file").write_text("full")
        before = lab.image.read_bytes()
        refused = lab.run("1.0", "--yes", "--identity-archive", lab.folder / file)
        assert (refused.status, said in refused.stderr) == (4, True), refused.stderr
        assert lab.image.read_bytes() == before
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.needs("strace")
def test_no_data_device_is_ever_opened_for_writing(lab: InstallLab) -> None:
    trace = lab.folder / "trace"
    argv = ["strace", "-f", "-qq", "-y", "-e", "trace=open,openat,openat2,creat", "-o", str(trace), sys.executable, "-m", "reprov"]
    subprocess.run([*argv, *lab.words("1.0", "--yes")], check=True, capture_output=True, timeout=300)
    written = set()
    for line in trace.read_text(errors="replace").splitlines():
        found = re.search(r'"(/dev/[^"]+)".*O_(?:WRONLY|RDWR)', line)
        if found and " = -1 " not in line and found[1] not in ("/dev/null", "/dev/loop-control", "/dev/tty"):
            written.add(re.sub(r"loop\d+", "loop", found[1]))
    # losetup and sfdisk open the disk itself, the latter only where the table changes; mkfs and wipefs the system's partitions.
    assert written == {"/dev/loop", "/dev/loopp1", "/dev/loopp2", "/dev/loopp3"}


def test_a_change_of_data_is_told_and_ends_with_7(lab: InstallLab, hooks: Hooks) -> None:
    def spoil() -> None:
        (loop,) = attached_to(lab.image)
        with Path(f"{loop}p4").open("r+b") as device:
            device.write(b"x")

    hook = hooks.at_start("scan", spoil)
    ran = lab.run("1.0", "--yes")
    assert hook.done
    assert ran.status == 7
    assert "first MiB" in ran.stdout
    assert "data proof failed" in ran.stderr


def test_a_disk_that_has_changed_since_the_plan_is_left_alone(lab: InstallLab, monkeypatch: pytest.MonkeyPatch) -> None:
    def change(_question: str, **_options: object) -> None:
        (loop,) = attached_to(lab.image)
        subprocess.run(["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", "--part-label", loop, "6", "pictures"], check=True)

    monkeypatch.setattr(options, "confirm", change)
    lab.write_layout(preserve=[])
    ran = lab.run("1.0")
    assert (ran.status, "is not as it was when the plan was made: partition 6 (photos)" in ran.stderr) == (4, True)
    assert lab.found("srv/old") == {"srv/old": "lost"}


class Disk:
    """A disk of the kernel with a WWN and a serial number, which loop devices do not have."""

    def __init__(self, path: Path, patched: pytest.MonkeyPatch) -> None:
        self.path = str(path)
        self.hides_mounts = False
        patched.setattr(install_plan, "take_inventory", self._inventory)

    def _inventory(self, root: Path, *, monitor: Any) -> Inventory:
        found = of_disk(take_inventory(root, disk=self.path, monitor=monitor), self.path)
        named = replace(found, disks=tuple(replace(disk, wwn="0x5001", serial="S1") for disk in found.disks))
        return replace(named, mounts=()) if self.hides_mounts else named


def test_a_disk_is_found_by_its_wwn_and_pinned_by_its_serial_number(lab: InstallLab, monkeypatch: pytest.MonkeyPatch) -> None:
    before = lab.data()
    with attached(lab.image) as (loop,):
        Disk(loop, monkeypatch)
        lab.write_layout(disk={"wwn": "0x5001", "serial": "S2"})
        wrong = lab.run("1.0", "--yes")
        assert (wrong.status, f"wrong disk: {loop} has serial S1, and the layout pins S2" in wrong.stderr) == (4, True)
        lab.write_layout(disk={"wwn": "0x5001", "serial": "S1"})
        lab.install("1.0")
    assert lab.data() == before
    assert_installed(lab)


def test_a_release_without_lvm_is_no_release_for_volumes(lab: InstallLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volume_writer, "is_installed", lambda program: program == "lvm")
    own = {"name": "system", "size": "24M", "group": "no-such-group"}
    volumes = [{"group": "no-such-group", "name": "home", "size": "16M", "filesystem": "ext4", "mount": "/home"}]
    lab.furnish(free_mib=32)
    before = lab.image.read_bytes()
    with attached(lab.image) as (loop,):
        Disk(loop, monkeypatch)
        lab.write_layout(disk={"wwn": "0x5001"}, partitions=[*LAYOUT["partitions"], own], lvm=volumes)
        ran = lab.run("1.0", "--yes")
    assert (ran.status, "base 1.0 has no /usr/sbin/lvm, and the layout has volumes" in ran.stderr) == (4, True), ran.stderr
    assert lab.image.read_bytes() == before


def test_a_release_whose_initramfs_would_not_find_its_root_on_lvm_is_refused(lab: InstallLab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.furnish(free_mib=128)
    lab.store.publish(Tree(lab.folder / "tree-2.0", "2.0").file("usr/sbin/lvm").file("boot/vmlinuz-6.1"), "2.0")
    partitions = [
        {"name": "grub", "type": "bios-boot", "size": "1M"},
        {"name": "boot", "size": "24M", "filesystem": "ext4", "mount": "/boot"},
        {"name": "system", "size": "72M", "group": "no-such-group"},
    ]
    volumes = [{"group": "no-such-group", "name": "root", "size": "64M", "filesystem": "ext4", "mount": "/"}]
    before = lab.image.read_bytes()
    with attached(lab.image) as (loop,):
        Disk(loop, monkeypatch)
        lab.write_layout(disk={"wwn": "0x5001"}, partitions=partitions, lvm=volumes)
        ran = lab.run("2.0", "--plan", "--new-node")
    said = "base 2.0 has no /usr/share/initramfs-tools/hooks/lvm2: its initramfs would not find / or /usr on LVM"
    assert (ran.status, said in ran.stderr) == (4, True), ran.stderr
    assert "no-such-group/root" in ran.stdout
    assert lab.image.read_bytes() == before


def test_a_mounted_partition_is_not_formatted(lab: InstallLab, monkeypatch: pytest.MonkeyPatch) -> None:
    point = lab.folder / "elsewhere"
    point.mkdir()
    with attached(lab.image) as (loop,):
        disk = Disk(loop, monkeypatch)
        lab.write_layout(disk={"wwn": "0x5001"})
        subprocess.run(["mount", f"{loop}p3", str(point)], check=True)
        try:
            seen = lab.run("1.0", "--yes")
            disk.hides_mounts = True  # as those of another mount namespace are
            hidden = lab.run("1.0", "--yes")
        finally:
            subprocess.run(["umount", str(point)], check=True)
    assert (seen.status, f"{loop}p3" in seen.stderr, "mounted at" in seen.stderr) == (4, True, True)
    assert (hidden.status, f"{loop}p3 is in use: held by the kernel" in hidden.stderr) == (4, True)
    assert lab.found("srv/old") == {"srv/old": "lost"}


def test_a_disk_that_another_program_has_locked_is_left_alone(lab: InstallLab, monkeypatch: pytest.MonkeyPatch) -> None:
    with attached(lab.image) as (loop,), loop.open("rb") as locked:
        Disk(loop, monkeypatch)
        lab.write_layout(disk={"wwn": "0x5001"})
        fcntl.flock(locked, fcntl.LOCK_EX)
        ran = lab.run("1.0", "--yes")
    assert (ran.status, f"{loop} is locked by another program" in ran.stderr) == (4, True)
    assert lab.found("srv/old") == {"srv/old": "lost"}


def test_swap_of_an_interrupted_installation_is_not_waited_for(lab: InstallLab, monkeypatch: pytest.MonkeyPatch) -> None:
    line = "UUID=11111111-2222-4333-8444-555555555555 none swap sw 0 0"
    with lab.mounted("root") as root:
        (root / "etc/fstab").write_text(f"{line}\n")
    with monkeypatch.context() as patched:
        patched.setattr(workflow, "restore_identity", lambda *_: os.listdir("/nowhere"))
        assert lab.run("1.0", "--yes").status == 6
    lab.install("1.0")
    (fstab,) = lab.found("etc/fstab").values()
    assert fstab.splitlines()[-1] == f"# Formatted by reprov install: {line}"


def test_a_partition_that_the_kernel_knows_otherwise_is_not_formatted(lab: InstallLab, monkeypatch: pytest.MonkeyPatch) -> None:
    smaller = [{**item, "size": "40M"} if item["name"] == "var" else item for item in LAYOUT["partitions"]]
    with attached(lab.image) as (loop,):
        Disk(loop, monkeypatch)
        lab.write_layout(disk={"wwn": "0x5001"}, partitions=smaller)
        words = ["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", "--partno", "3", str(loop)]
        subprocess.run(words, input=b", 40M\n", check=True, capture_output=True)
        before = lab.image.read_bytes()
        ran = lab.run("1.0", "--yes")
        assert (ran.status, f"{loop}p3 does not lie where the partition table of {loop} says" in ran.stderr) == (1, True), ran.stderr
        assert lab.image.read_bytes() == before


def spoil(*arguments: str) -> Callable[[InstallLab], None]:
    """Change the table of the image with a tool."""

    def change(lab: InstallLab) -> None:
        subprocess.run(
            [*arguments[:1], *(str(lab.image) if word == "IMAGE" else word for word in arguments[1:])], check=True, capture_output=True
        )

    return change


def overwrite(offset: int, content: bytes) -> Callable[[InstallLab], None]:
    """Write into the image; from its end when the offset is negative."""

    def change(lab: InstallLab) -> None:
        with lab.image.open("r+b") as file:
            file.seek(offset, os.SEEK_SET if offset >= 0 else os.SEEK_END)
            file.write(content)

    return change


def layout(**changes: Any) -> Callable[[InstallLab], None]:
    """Another layout."""
    return lambda lab: lab.write_layout(**changes)


def with_label_in_free_space(lab: InstallLab) -> None:
    """An OSD's partition whose entry was deleted."""
    end = max(entry.start_sector + entry.sectors for entry in lab.entries()) * 512
    overwrite(end, bluestore_label(9, "00000000-1111-4222-8333-00000000006d", "main", 8 * MIB))(lab)
    lab.write_layout(partitions=[*LAYOUT["partitions"], {"name": "new", "size": "8M", "filesystem": "ext4", "mount": "/srv"}])


def too_large(lab: InstallLab) -> None:
    lab.write_layout(partitions=[*LAYOUT["partitions"], {"name": "new", "size": "8G", "filesystem": "ext4", "mount": "/srv"}])


@pytest.mark.needs("sgdisk")
@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        pytest.param(too_large, "new does not fit: it wants 8G", id="a layout that does not fit"),
        pytest.param(
            layout(preserve=[{"type": "ceph-journal"}]), "there is no partition with type ceph-journal", id="a preserved one is missing"
        ),
        pytest.param(
            spoil("sgdisk", "--partition-guid=6:00000000-1111-4222-8333-000000000004", "IMAGE"),
            "2 partitions have the PARTUUID",
            id="twins",
        ),
        pytest.param(overwrite(-512, b"x"), "is damaged", id="a damaged table"),
        pytest.param(spoil("sgdisk", "--gpttombr=4", "IMAGE"), "has an MBR, and only GPT is supported", id="an MBR"),
        pytest.param(with_label_in_free_space, "holds bluestore (osd.9) without an entry", id="an OSD in free space"),
        pytest.param(layout(disk={"serial": "nobody's"}), "there is no disk with serial nobody's", id="a disk that is not here"),
        pytest.param(
            layout(
                partitions=[{"name": "efi", "type": "esp", "size": "8M", "filesystem": "ext4", "mount": "/boot"}, *LAYOUT["partitions"][1:]]
            ),
            "",
            id="a boot loader that cannot be installed",
        ),
    ],
)
def test_refused(lab: InstallLab, prepare: Callable[[InstallLab], None], message: str) -> None:
    prepare(lab)
    before = lab.image.read_bytes()
    ran = lab.run("1.0", "--yes")
    assert (ran.status, message in ran.stderr) == (4, True), ran.stderr
    assert lab.image.read_bytes() == before
    assert attached_to(lab.image) == []


def test_lists_that_do_not_keep_who_the_node_is_are_refused(lab: InstallLab, tmp_path: Path) -> None:
    lab.store.folder = tmp_path / "other"
    lab.publish("1.0")
    lab.store.publish(lab.folder / "tree-1.0", "2.0", "base", "--lists", "other")
    before = lab.image.read_bytes()
    ran = lab.run("2.0", "--yes")
    assert (ran.status, "the lists of base 2.0 do not keep /etc/machine-id" in ran.stderr) == (4, True), ran.stderr
    assert lab.image.read_bytes() == before


def test_lists_that_would_delete_what_is_carried_over_are_refused(lab: InstallLab) -> None:
    with lab.mounted("root") as root:
        Tree.over(root).file("etc/ceph/ceph.client.admin.keyring", "secret").file("etc/ceph/ceph.conf", "[global]")
    before = lab.image.read_bytes()
    ran = lab.run("1.0", "--yes")
    said = "the lists of base 1.0 do not keep /etc/ceph/ceph.client.admin.keyring and 1 more of the node's identity"
    assert (ran.status, said in ran.stderr) == (4, True), ran.stderr
    assert lab.image.read_bytes() == before


def test_an_image_that_something_else_has_is_refused(lab: InstallLab) -> None:
    with attached(lab.image) as (loop,):
        ran = lab.run("1.0", "--yes")
    assert (ran.status, f"{lab.image} is attached to {loop}" in ran.stderr) == (4, True)


def test_a_release_that_is_not_there_is_found_out_before_anything_is_written(lab: InstallLab) -> None:
    before = lab.image.read_bytes()
    for how in ("--plan", "--yes"):
        ran = lab.run("9.9", how)
        assert (ran.status, "has no base 9.9" in ran.stderr, "osd-3" in ran.stdout) == (2, True, True)
    assert lab.image.read_bytes() == before


def test_an_image_that_a_virtual_machine_has_locked_is_refused(lab: InstallLab) -> None:
    with lab.image.open("r+b") as held:
        fcntl.lockf(held, fcntl.LOCK_SH, 1, 100)
        ran = lab.run("1.0", "--yes")
    assert (ran.status, "is in use by another program, which has locked it" in ran.stderr) == (4, True)


def test_two_that_want_an_image_at_the_same_moment_do_not_both_get_it(lab: InstallLab, monkeypatch: pytest.MonkeyPatch) -> None:
    with attached_image(lab.image):
        monkeypatch.setattr(loop_image, "_loop_of", lambda _image: "")  # the second has looked before the first had its loop device
        with pytest.raises(Refused, match="in use by another program"), attached_image(lab.image):
            pass
        monkeypatch.undo()


def test_a_filesystem_that_the_kernel_cannot_mount_is_refused() -> None:
    with pytest.raises(Refused, match="the running kernel cannot mount nosuchfs"):
        require_filesystems(["ext4", "nosuchfs"])
