"""reprov guard: scripts that would write to data devices, on disks of the kernel."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from reprov.adapters.run import CommandFailed
from reprov.cli.main import main
from reprov.domain.inventory import Inventory, LogicalVolume, Signature
from reprov.errors import Refused
from reprov.events import NullMonitor
from reprov.workflows import inventory as inventory_workflow
from reprov.workflows.guarded import DataGuarded, Guard, guarded
from reprov.workflows.inventory import take_inventory
from tests.storage_lab import MIB, Part, attached, make_image

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("sfdisk", "blkid", "losetup", "partx", "setpriv", "setsid")]

Reprov = Callable[..., Any]
PARTS = (Part("linux", "root", 8), Part("ceph-block", "osd-3", 6, osd_id=3), Part("ceph-osd-data", "osd-4"))
GROUP = LogicalVolume("ceph-vg", "osd-block", "u", MIB, (), "", ("ceph.osd_id=5", "ceph.type=block"))
ABSENT = ("ceph-volume", "pvcreate", "vgremove", "lvremove", "mdadm", "nvme", "ceph-osd")
"""Programs that a test machine may not have: stand-ins say that they ran."""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_image(tmp_path_factory.mktemp("disk") / "disk.img", PARTS)


@dataclass
class Lab:
    """A disk with two OSDs, an open guard over it, and what the guarded scripts print."""

    guard: Guard
    disk: Path
    out: Path
    root: Path

    def run(self, script: str, **options: Any) -> int:
        """Run a script of sh; DISK, ROOT, OSD and DATA stand for the disk and its partitions."""
        file = self.root / "tmp" / f"script-{os.getpid()}"
        names = {"DISK": str(self.disk), "ROOT": f"{self.disk}p1", "OSD": f"{self.disk}p2", "DATA": f"{self.disk}p3"}
        file.write_text("\n".join(["#!/bin/sh", *(f"{name}={path}" for name, path in names.items()), script, ""]))
        file.chmod(0o755)
        try:
            with self.out.open("wb") as out:
                inside = f"/{file.relative_to(self.root)}"
                return self.guard.run((inside,), stdout_fd=out.fileno(), stderr_fd=out.fileno(), **options)
        finally:
            file.unlink()


def inventory_of(loop: Path) -> Inventory:
    """The inventory of this machine as if it had no other disks, and a group with an inactive OSD."""
    found = take_inventory(Path("/"), monitor=NullMonitor())
    disks = tuple(disk for disk in found.disks if disk.path == str(loop))
    return Inventory(disks, volumes=(GROUP,))


def digests(image: Path) -> list[str]:
    """Of the first MiB, which has the table, and of everything that is data."""
    data = image.read_bytes()
    return [hashlib.sha256(data[start : start + length]).hexdigest() for start, length in ((0, MIB), (9 * MIB, len(data)))]


@contextmanager
def open_lab(image: Path, folder: Path, root: Path = Path("/")) -> Iterator[Lab]:
    before = digests(image)
    with attached(image) as (loop,), guarded(inventory_of(loop), root) as guard:
        yield Lab(guard, loop, folder / "out", root)
    assert digests(image) == before, "data has been written to"


@pytest.fixture(scope="module")
def lab(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One guard for many scripts."""
    with open_lab(image, tmp_path_factory.mktemp("lab")) as opened:
        yield opened


@pytest.fixture(scope="module")
def chroot(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The same in a root of its own: this machine's, with stand-ins for programs that it has not."""
    top = tmp_path_factory.mktemp("chroot")
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(top)], check=True)
    try:
        for name in ("upper", "work", "root"):
            (top / name).mkdir()
        layers = f"lowerdir=/,upperdir={top}/upper,workdir={top}/work"
        root = top / "root"
        subprocess.run(["mount", "-t", "overlay", "-o", layers, "overlay", str(root)], check=True)
        subprocess.run(["mount", "--rbind", "/dev", str(root / "dev")], check=True)
        subprocess.run(["mount", "-t", "proc", "proc", str(root / "proc")], check=True)
        (root / "tmp").mkdir(exist_ok=True)
        for name in ABSENT:
            program = root / "usr/local/sbin" / name
            program.write_text(f'#!/bin/sh\necho "{name} ran: $*"\nexit 3\n')
            program.chmod(0o755)
        with open_lab(image, tmp_path_factory.mktemp("chroot-lab"), root) as opened:
            yield opened
            folder = opened.guard._space.folder
            assert folder.is_relative_to(root / "run")
        assert not folder.exists()
    finally:
        subprocess.run(["umount", "--recursive", str(top)], check=True)


REFUSED = {
    "wipefs": ("wipefs -a $OSD", "wipefs", "p2"),
    "wipefs of the disk": ("wipefs --all --force $DISK", "wipefs", ""),
    "mkfs": ("mkfs -t ext4 $DATA", "mkfs", "p3"),
    "mkfs.ext4": ("mkfs.ext4 -q -F $OSD", "mkfs.ext4", "p2"),
    "mkfs.xfs": ("mkfs.xfs -f -q $DATA", "mkfs.xfs", "p3"),
    "mkfs.btrfs": ("mkfs.btrfs -f -q $DATA", "mkfs.btrfs", "p3"),
    "mke2fs": ("mke2fs -q -F $OSD", "mke2fs", "p2"),
    "mkswap": ("mkswap -f $OSD", "mkswap", "p2"),
    "sgdisk -Z": ("sgdisk -Z $DISK", "sgdisk", ""),
    "sgdisk of another partition of the disk": ("sgdisk --delete=1 $DISK", "sgdisk", ""),
    "sfdisk": ("echo 'label: gpt' | sfdisk --force $DISK", "sfdisk", ""),
    "fdisk": ("printf 'g\\nw\\n' | fdisk $DISK", "fdisk", ""),
    "gdisk": ("printf 'o\\ny\\nw\\ny\\n' | gdisk $DISK", "gdisk", ""),
    "parted": ("parted -s $DISK mklabel gpt", "parted", ""),
    "blkdiscard": ("blkdiscard -f $OSD", "blkdiscard", "p2"),
    "dd": ("dd if=/dev/zero of=$OSD bs=64k count=1", "dd", "p2"),
    "shred": ("shred -n1 $DATA", "shred", "p3"),
    "badblocks": ("badblocks -w $OSD", "badblocks", "p2"),
    "an absolute path": ("/usr/sbin/wipefs -a $OSD", "wipefs", "p2"),
    "without PATH": ("unset PATH; /usr/sbin/wipefs -a $OSD", "wipefs", "p2"),
    "with an empty environment": ("exec env -i /sbin/wipefs -a $OSD", "wipefs", "p2"),
    "a relative path": ("cd /dev; wipefs -a ${OSD#/dev/}", "wipefs", "p2"),
    "a relative program": ("cd /usr/sbin; ./wipefs -a $OSD", "wipefs", "p2"),
    "an error that the script ignores": ("wipefs -a $OSD || true; echo went on", "wipefs", "p2"),
    "a child of a child": ("sh -c 'sh -c \"wipefs -a $1\"' sh $OSD", "wipefs", "p2"),
    "a redirection": ("echo x > $OSD", "script", "p2"),
    "tee": ("echo x | tee $DATA", "tee", "p3"),
    "cp to the whole disk": ("cp /dev/zero $DISK", "cp", ""),
    "Python": (f"{sys.executable} -c \"import sys; open(sys.argv[1], 'r+b')\" $OSD", "python", "p2"),
    "dd to its own output": ("sleep 0.01 1<>$OSD; dd if=/dev/zero of=/dev/stdout count=1", "script", "p2"),
    "mount": ("mount -t ext4 $DATA /mnt", "mount", "p3"),
    "losetup": ("losetup --find --show $OSD", "losetup", "p2"),
    "a wrapper that is unmounted": ('unshare -m sh -c "umount /usr/sbin/wipefs; wipefs -a $OSD"', "wipefs", "p2"),
    "a copy of the program": ("cp /usr/bin/tee /tmp/my-tee; echo x | /tmp/my-tee $OSD; rm /tmp/my-tee", "my-tee", "p2"),
    "a daemon": ("setsid sh -c 'sleep 0.05; echo x > $1' sh $OSD < /dev/null & sleep 5", "sh", "p2"),
}


@pytest.mark.needs("mkfs.ext4", "mkfs.xfs", "mkfs.btrfs", "sgdisk", "gdisk", "fdisk", "parted")
@pytest.mark.parametrize(("script", "program", "part"), REFUSED.values(), ids=REFUSED)
def test_what_would_write_is_stopped(script: str, program: str, part: str, lab: Lab) -> None:
    with pytest.raises(DataGuarded) as raised:
        lab.run(script)
    refusal = raised.value.refusal
    assert refusal.device == f"{lab.disk}{part}"
    assert refusal.program.startswith(program)
    assert "script-" in refusal.script or refusal.script.startswith("sh ")
    assert raised.value.exit_code == 4
    assert f"{refusal.program} was refused on {refusal.device}: {refusal.reason}; called by " in raised.value.message
    assert "went on" not in lab.out.read_text()


def test_a_symlink_is_followed(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "by-id").symlink_to(f"{lab.disk}p2")
    with pytest.raises(DataGuarded, match=f"wipefs was refused on {lab.disk}p2"):
        lab.run(f"wipefs -a {tmp_path}/by-id")


def test_a_node_of_ones_own_is_no_way_around(lab: Lab, tmp_path: Path) -> None:
    number = Path(f"{lab.disk}p2").stat().st_rdev
    node = f"{tmp_path}/node"
    with pytest.raises(DataGuarded, match=f"on {lab.disk}p2: opened for writing"):
        lab.run(f"mknod {node} b {os.major(number)} {os.minor(number)}; echo x > {node}")


def test_the_control_group_is_not_left(lab: Lab) -> None:
    top = Path("/proc/self/cgroup").read_text()
    assert "reprov-guard" not in top
    with pytest.raises(DataGuarded):
        lab.run('for file in $(find /sys/fs/cgroup -name cgroup.procs); do echo $$ > "$file"; done; echo x > $OSD')


def test_who_asks_from_a_pid_namespace_is_not_believed(lab: Lab) -> None:
    with pytest.raises(DataGuarded, match="cannot be told who asks"):
        lab.run("unshare --pid --fork --kill-child=KILL wipefs -a $OSD")


ALLOWED = {
    "reading": "head -c 100 $OSD | cksum; blkid -p $OSD > /dev/null; wipefs $DISK > /dev/null; sgdisk -p $DISK > /dev/null",
    "a filesystem in an image": "f=$(mktemp); truncate -s 9M $f; mkfs.ext4 -q -F $f && blkid -p $f > /dev/null; s=$?; rm $f; exit $s",
    "a partition of the system's": "mkfs.ext4 -q -F $ROOT && wipefs -a $ROOT > /dev/null && dd if=/dev/zero of=$ROOT count=1 status=none",
    "dd to a file": "f=$(mktemp); dd if=$OSD of=$f bs=4k count=1 status=none && test $(wc -c < $f) = 4096 && rm $f",
    "dd to its output": "test $(dd if=$OSD bs=4k count=1 status=none of=/dev/stdout | wc -c) = 4096",
    "a listing": "sfdisk --json $DISK > /dev/null && fdisk -l $DISK > /dev/null",
    "what opens a disk for writing to read it": "parted -s $DISK unit s print | grep osd-4; partprobe $DISK || true",
}


@pytest.mark.needs("mkfs.ext4", "sgdisk", "fdisk", "parted", "partprobe")
@pytest.mark.parametrize("script", ALLOWED.values(), ids=ALLOWED)
def test_everything_else_goes_on(script: str, lab: Lab) -> None:
    assert lab.run(f"set -e\n{script}") == 0, lab.out.read_text()


SAME = {
    "a version": "mkfs.ext4 -V",
    "a mistake": "wipefs --no-such-option",
    "a missing file": "wipefs -a /nonexistent",
    "no argument": "mkswap",
    "arguments with blanks and stars": "dd of=/dev/null 'if=/tmp/a  *'",
    "empty arguments": "wipefs '' ''",
}


@pytest.mark.parametrize("command", SAME.values(), ids=SAME)
def test_status_and_output_are_those_of_the_program(command: str, lab: Lab) -> None:
    plain = subprocess.run(["sh", "-c", command], capture_output=True, env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}, check=False)
    assert lab.run(command) == plain.returncode
    # Where a program says its own name as it was called, it says the path that the wrapper knows it by.
    said = re.sub(rf"{lab.guard._space.folder}/as/\d+/", "", lab.out.read_text())
    assert said == (plain.stdout + plain.stderr).decode()


STAND_INS = {
    "ceph-volume lvm zap": ("ceph-volume lvm zap --destroy $OSD", "OSD", "GPT type ceph-block"),
    "ceph-volume by the OSD's id": (
        "ceph-volume lvm zap --osd-id 3",
        "",
        "it takes devices by the OSD's id, and this node has data devices",
    ),
    "pvcreate -ff": ("pvcreate -ff -y $DATA", "DATA", "GPT type ceph-osd-data"),
    "vgremove": ("vgremove -ff ceph-vg", "ceph-vg", "a volume group with data in it"),
    "lvremove": ("lvremove -y /dev/ceph-vg/osd-block", "ceph-vg", "a volume group with data in it"),
    "mdadm": ("mdadm --zero-superblock $OSD", "OSD", "GPT type ceph-block"),
    "nvme": ("nvme format $OSD", "OSD", "GPT type ceph-block"),
    "ceph-osd": ("ceph-osd -i 3 --mkfs", "", "--mkfs writes to an OSD by its id, and this node has data devices"),
}


@pytest.mark.parametrize(("script", "device", "reason"), STAND_INS.values(), ids=STAND_INS)
def test_in_a_chroot_it_is_the_same(script: str, device: str, reason: str, chroot: Lab) -> None:
    paths = {"DISK": str(chroot.disk), "OSD": f"{chroot.disk}p2", "DATA": f"{chroot.disk}p3"}
    with pytest.raises(DataGuarded) as raised:
        chroot.run(script)
    assert raised.value.refusal.device == paths.get(device, device)
    assert raised.value.refusal.reason.startswith(reason)
    assert raised.value.refusal.script.startswith("/bin/sh /tmp/script-")
    assert " ran: " not in chroot.out.read_text()


def test_stand_ins_run_on_other_targets(chroot: Lab) -> None:
    assert chroot.run("ceph-volume lvm list; ceph-volume lvm zap $ROOT; vgremove rootvg") == 3
    said = [line.partition(" ran")[0] for line in chroot.out.read_text().splitlines()]
    assert said == ["ceph-volume", "ceph-volume", "vgremove"]


def test_real_programs_of_a_chroot_are_refused_by_a_link_inside_it(chroot: Lab) -> None:
    with pytest.raises(DataGuarded, match=f"wipefs was refused on {chroot.disk}p2: GPT type ceph-block"):
        chroot.run("ln -s $OSD /tmp/link; cd /tmp; /usr/sbin/wipefs -a link")


def test_wrappers_do_not_show_outside(lab: Lab) -> None:
    assert lab.run("head -c 2 /usr/sbin/wipefs; echo; ! grep -q reprov-guard /proc/mounts") == 1
    assert lab.out.read_bytes() == b"#!\n"
    assert Path("/usr/sbin/wipefs").read_bytes().startswith(b"\x7fELF")
    assert "reprov-guard" not in Path("/proc/self/mounts").read_text()


def test_what_is_left_running_is_ended(lab: Lab, tmp_path: Path) -> None:
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    assert (
        lab.run(
            f"setsid sh -c 'echo x > {begun}; sleep 1; echo x > {ended}' < /dev/null > /dev/null 2>&1 & while ! [ -e {begun} ]; do :; done"
        )
        == 0
    )
    time.sleep(1.2)
    assert (begun.exists(), ended.exists()) == (True, False)


def test_there_is_no_raw_access_to_devices(lab: Lab) -> None:
    """CAP_SYS_RAWIO, bit 17: with it, SCSI commands go through a descriptor that is open for reading."""
    assert lab.run("grep CapBnd /proc/self/status") == 0
    assert not int(lab.out.read_text().split()[1], 16) >> 17 & 1


def test_users_without_privileges_are_asked_too(image: Path, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with open_lab(image, tmp_path) as opened:
            assert opened.run("setpriv --reuid 65534 --clear-groups dd if=/dev/zero bs=10 count=1 status=none | wc -c") == 0
            assert opened.out.read_text() == "10\n"
    finally:
        os.umask(before)


def test_noise_in_the_pipe_of_questions_is_refused(lab: Lab) -> None:
    with pytest.raises(DataGuarded, match="it cannot be told who asks"):
        lab.run(f"echo nonsense > {lab.guard._space.folder}/ask; sleep 5")


def test_a_time_out_ends_everything(lab: Lab) -> None:
    with pytest.raises(CommandFailed, match=r"not finished within 0\.2 s") as raised:
        lab.run("sleep 60 & wait", timeout_s=0.2)
    assert raised.value.status == 124


def test_status_and_signals(lab: Lab) -> None:
    assert lab.run("exit 7") == 7
    assert lab.run("kill -TERM $$") == 128 + signal.SIGTERM


def test_devices_are_held_while_the_guard_is_open(image: Path, tmp_path: Path) -> None:
    def exclusive(path: str) -> None:
        os.close(os.open(path, os.O_RDONLY | os.O_EXCL))

    with attached(image) as (loop,):
        in_use = os.open(f"{loop}p3", os.O_RDONLY | os.O_EXCL)
        try:
            with guarded(inventory_of(loop), Path("/")):
                with pytest.raises(OSError, match="busy"):
                    exclusive(f"{loop}p2")
                exclusive(f"{loop}p1")
                os.close(os.open(f"{loop}p3", os.O_RDWR))  # an OSD that runs goes on, and is not under the guard
        finally:
            os.close(in_use)
        exclusive(f"{loop}p2")
        exclusive(f"{loop}p3")


def test_a_device_of_the_inventory_that_is_not_there_is_refused(image: Path) -> None:
    with attached(image) as (loop,):
        inventory = inventory_of(loop)
    gone = replace(inventory.disks[0], path="/dev/gone", partitions=(), table=None, content=Signature("ceph_bluestore"))
    with pytest.raises(Refused, match="/dev/gone cannot be guarded: No such file or directory"), guarded(Inventory((gone,)), Path("/")):
        pass


@pytest.fixture
def only_this_disk(image: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The command line sees one disk: other tests have theirs."""
    with attached(image) as (loop,):
        found = inventory_of(loop)
        monkeypatch.setattr(inventory_workflow, "take_inventory", lambda *_, **__: found)
        yield loop


@pytest.mark.usefixtures("only_this_disk")
def test_the_verb_passes_output_and_status(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--quiet", "guard", "--", "sh", "-c", "echo out; echo err >&2; exit 9"]) == 9
    assert capfd.readouterr() == ("out\n", "err\n")


def test_the_verb_reports_what_was_refused(only_this_disk: Path, reprov: Reprov) -> None:
    done = reprov("guard", "sh", "-c", f"wipefs -a {only_this_disk}p2")
    assert done.status == 4
    heading, row, message, hint = done.stderr.splitlines()
    assert heading.split() == ["REFUSED", "DEVICE", "REASON", "PID", "CALLED", "BY"]
    assert row.startswith(f"wipefs -a {only_this_disk}p2  {only_this_disk}p2  GPT type ceph-block")
    assert message.startswith(f"reprov: wipefs was refused on {only_this_disk}p2: GPT type ceph-block; called by ")
    assert hint.startswith("hint: ")


def test_the_verb_answers_in_json(only_this_disk: Path, reprov: Reprov) -> None:
    done = reprov("guard", "--json", "--", "sh", "-c", f"echo x; wipefs -a {only_this_disk}p2")
    answer = json.loads(done.stdout)
    (refusal,) = answer["refusals"]
    assert (done.status, answer["status"]) == (4, 4)
    assert refusal.pop("pid") > 1
    assert refusal == {
        "program": "wipefs",
        "arguments": ["-a", f"{only_this_disk}p2"],
        "device": f"{only_this_disk}p2",
        "reason": "GPT type ceph-block",
        "script": f"sh -c 'echo x; wipefs -a {only_this_disk}p2'",
    }
    assert {device["path"] for device in answer["guarded"]} == {str(only_this_disk), f"{only_this_disk}p2", f"{only_this_disk}p3"}


KILLED = """
import sys
from pathlib import Path
from tests.system.test_guard import inventory_of
from reprov.workflows.guarded import guarded
with guarded(inventory_of(Path(sys.argv[1])), Path("/")) as guard:
    print(guard._space.cgroup, guard._space.folder, flush=True)
    guard.run(("sh", "-c", "trap '' TERM HUP INT; echo running; sleep 1000; echo x >> " + sys.argv[2]), stdout_fd=1, stderr_fd=2)
"""


def test_nothing_is_left_when_reprov_is_killed(image: Path, tmp_path: Path) -> None:
    words = (sys.executable, "-c", KILLED)
    with attached(image) as (loop,):
        with subprocess.Popen([*words, str(loop), str(tmp_path / "f")], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
            assert process.stdout is not None
            cgroup, folder = map(Path, process.stdout.readline().decode().split())
            assert process.stdout.readline() == b"running\n"
            assert (cgroup / "cgroup.procs").read_text()
            process.kill()
            process.wait()
        until = time.monotonic() + 60
        while (cgroup.exists() or folder.exists()) and time.monotonic() < until:
            time.sleep(0.02)
        assert (cgroup.exists(), folder.exists(), (tmp_path / "f").exists()) == (False, False, False)
        left = [file for file in Path("/proc").glob("[0-9]*/mountinfo") if f"{folder} " in _text(file)]
        assert left == []
        os.close(os.open(f"{loop}p2", os.O_RDONLY | os.O_EXCL))


SHARED = """
import sys
from pathlib import Path
from tests.system.test_guard import inventory_of
from reprov.workflows.guarded import guarded
top = sys.argv[2]
with guarded(inventory_of(Path(sys.argv[1])), Path("/")) as guard:
    print(guard.run(("sh", "-c", f"mount -t tmpfs reprov-shared {top}"), stdout_fd=1, stderr_fd=2))
print([line.split()[1] for line in open("/proc/self/mounts") if line.startswith("reprov-")] == [top])
"""


def test_mounts_of_a_command_are_the_machines_and_those_of_the_guard_are_not(image: Path, tmp_path: Path) -> None:
    machine = 'mount --make-rshared / && exec "$@"'  # as systemd makes it; a namespace of its own for the test
    words = ("unshare", "--mount", "--propagation", "private", "sh", "-c", machine, "sh", sys.executable, "-c", SHARED)
    with attached(image) as (loop,):
        done = subprocess.run([*words, str(loop), str(tmp_path)], capture_output=True, cwd=Path(__file__).parents[2], check=True)
    assert done.stdout == b"0\nTrue\n"


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""  # it ended while we looked
