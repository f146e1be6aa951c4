"""The hook in a real initramfs, and what it does at boot, in each shell and with each set of programs that an initramfs can have."""

import os
import select
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from reprov.adapters.boot_hook import hook_digest, packaged_files
from reprov.adapters.boot_programs import opened_programs
from reprov.adapters.initramfs import read_tree
from reprov.adapters.lay import install_boot_hook
from reprov.adapters.loaders import images_in, making_in
from reprov.domain.boot_hook import BootWay, carries
from reprov.domain.kernels import kernels_of, version_of_image
from reprov.errors import Refused
from reprov.workflows.boot_hook import ensure_boot_hook
from reprov.workflows.initramfs import listing_of, renew_initramfs
from reprov.workflows.kernels import update_boot
from tests.heard import Heard
from tests.system.filesystems import Filesystems
from tests.system.trees import boot_trees, dracut_trees

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("mmdebstrap", "mount", "chroot")]

LOCAL_BOTTOM = "/usr/share/initramfs-tools/scripts/local-bottom/reprov"
PRE_PIVOT = "/usr/lib/dracut/modules.d/90reprov/reprov.sh"
AT_BOOT = """\
#!/bin/sh
exec 5>/seen
echo "$# $PATH ${rootmnt-clean}" >&5
for what in proc/self/status sys/kernel dev/null run; do test -e /$what && echo "$what" >&5; done
while read -r _ where _ options _; do test "$where" = / && echo "${options%%,*}" >&5; done </proc/mounts
test -e /run/of-the-initramfs && echo "its run" >&5
"""


class Environment(NamedTuple):
    """What runs in an initramfs."""

    script: str
    """sh, of what it begins with."""
    path: str


ENVIRONMENTS = [
    pytest.param(Environment(LOCAL_BOTTOM, "/busybox"), id="initramfs-tools with busybox"),
    pytest.param(Environment(LOCAL_BOTTOM, "/usr/lib/klibc/bin"), id="initramfs-tools without busybox"),
    pytest.param(Environment(PRE_PIVOT, "/usr/sbin:/usr/bin"), id="dracut with dash"),
    pytest.param(Environment(PRE_PIVOT, "/bash:/usr/sbin:/usr/bin"), id="dracut with bash"),
]


@dataclass
class Boot:
    """An initramfs that has mounted its root, and is about to leave to it."""

    initramfs: Path
    root: Path
    kmsg: Path

    def arm(self, commands: str, name: str = "armed") -> None:
        """There is something to do; what does it are these commands after those that tell what they see."""
        client = self.root / ".reprov/client"
        client.mkdir(parents=True, exist_ok=True)
        (self.root / ".reprov").chmod(0o700)
        (client / "at-boot").write_text(AT_BOOT + commands)
        (client / "at-boot").chmod(0o755)
        (self.root / ".reprov" / name).touch()

    def go_on(self, environment: Environment, *, timeout_s: float = 30) -> str:
        """What the hook says on the console. The boot goes on, nothing of it stays mounted, and nothing is writable that was not."""
        before = mounts()
        # One is a program, the other one is read by dracut's own shell, which goes on.
        script = (LOCAL_BOTTOM,) if environment.script == LOCAL_BOTTOM else ("-c", f". {environment.script}; exit 0")
        argv = ("env", "-i", f"PATH={environment.path}", "rootmnt=/root", "NEWROOT=/root", "sh", *script)
        ran = subprocess.run(
            ["chroot", str(self.initramfs), *argv], capture_output=True, text=True, check=False, timeout=timeout_s, stdin=subprocess.DEVNULL
        )
        assert ran.returncode == 0
        assert [line for line in ran.stderr.splitlines() if "Killed" not in line] == []  # bash tells of that
        assert mounts() == before
        assert [line[len("<5>") :] for line in self.kmsg.read_text().splitlines()] == ran.stdout.splitlines()
        return ran.stdout

    def seen(self) -> list[str]:
        """What at-boot has seen."""
        return (self.root / "seen").read_text().splitlines()


def mounts() -> list[str]:
    return Path("/proc/self/mountinfo").read_text().splitlines()


@pytest.fixture
def boot(tmp_path: Path, filesystems: Filesystems) -> Iterator[Boot]:
    """A tree that stands for an initramfs, its root another one, mounted read-only as most boots have it."""
    (tmp_path / "root").mkdir()
    inner = Filesystems(tmp_path / "root")
    initramfs = filesystems.overlay(boot_trees().old, tmp_path / "initramfs")
    install_boot_hook(initramfs)
    (initramfs / "usr/lib/reprov/boot/hook-0123").touch()
    for folder, program in (("busybox", "busybox"), ("bash", "bash")):
        (initramfs / folder).mkdir()
        (initramfs / folder / "sh").symlink_to(f"/usr/bin/{program}")
    for applet in ("mount", "umount", "chroot"):
        (initramfs / "busybox" / applet).symlink_to("/usr/bin/busybox")
    (tmp_path / "kmsg").touch()
    try:
        for kind, place in (("proc", "proc"), ("sysfs", "sys"), ("tmpfs", "run"), ("tmpfs", "dev")):
            inner._mount(initramfs / place, "-t", kind, kind)
        (initramfs / "run/of-the-initramfs").touch()
        for name in ("null", "kmsg"):
            (initramfs / "dev" / name).touch()
        inner.bind(Path("/dev/null"), initramfs / "dev/null")
        inner.bind(tmp_path / "kmsg", initramfs / "dev/kmsg")
        root = inner.overlay(boot_trees().new, initramfs / "root")
        yield Boot(initramfs, root, tmp_path / "kmsg")
    finally:
        inner.close()


def end(pid: int) -> None:
    """Kill a process that is nobody's child, and wait until it keeps nothing busy any more."""
    pidfd = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        assert select.select([pidfd], [], [], 30)[0]
    finally:
        os.close(pidfd)


def read_only(boot: Boot) -> Boot:
    subprocess.run(["mount", "-o", "remount,ro", str(boot.root)], check=True)
    return boot


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_where_nothing_is_to_be_done_nothing_is_done(boot: Boot, environment: Environment) -> None:
    """But that the system can tell by which hook it came up."""
    (boot.root / ".reprov").mkdir(mode=0o700)
    assert read_only(boot).go_on(environment) == ""
    assert (boot.initramfs / "run/reprov-boot-hook").read_text() == "0123\n"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("name", ["armed", "journal"])
def test_what_is_armed_or_interrupted_is_done_from_the_root_itself(boot: Boot, environment: Environment, name: str) -> None:
    boot.arm("echo 'reprov: an odd  * line \\'\nexit 100\n", name)
    said = read_only(boot).go_on(environment)
    assert said == (
        "reprov: something is to be done before the system starts\n"
        "reprov: an odd  * line \\\n"
        "reprov: done: the system starts from the tree that is now in place\n"
    )
    assert boot.seen() == ["0 /usr/sbin:/usr/bin:/sbin:/bin clean", "proc/self/status", "sys/kernel", "dev/null", "run", "rw"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_root_that_was_mounted_writable_stays_so(boot: Boot, environment: Environment) -> None:
    boot.arm("exit 0\n")
    assert boot.go_on(environment).endswith("reprov: nothing else is to be done: the system starts\n")
    (boot.root / "written").touch()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize(
    ("commands", "last", "level"),
    [
        pytest.param("exit 1\n", "it was given up: the system starts from the tree that it had", "4", id="given up"),
        pytest.param(
            "echo no newline | tr -d '\\n'\nexit 7\n", "at-boot ended with status 7: the system starts all the same", "3", id="odd"
        ),
        pytest.param("kill -KILL $$\n", "at-boot ended with status 137: the system starts all the same", "3", id="killed"),
        pytest.param("exit 3\n", "*" * 60, "2", id="needs attention"),
    ],
)
def test_whatever_comes_of_it_the_boot_goes_on(boot: Boot, environment: Environment, commands: str, last: str, level: str) -> None:
    boot.arm(commands)
    assert read_only(boot).go_on(environment).splitlines()[-1] == f"reprov: {last}"
    assert boot.kmsg.read_text().splitlines()[-1].startswith(f"<{level}>")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_at_boot_leaves_behind_does_not_stop_the_boot(boot: Boot, environment: Environment) -> None:
    """A process that holds its output and its filesystems, and a mount."""
    boot.arm("mount -t tmpfs x /mnt\n(cd /mnt; exec sleep 600) &\necho $! >/sleeper\nexit 0\n")
    try:
        assert boot.go_on(environment).endswith("reprov: nothing else is to be done: the system starts\n")
    finally:
        end(int((boot.root / "sleeper").read_text()))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("kind", ["a link", "somebody else's"])
def test_a_directory_that_is_not_reprovs_is_not_looked_into(boot: Boot, environment: Environment, kind: str) -> None:
    boot.arm("exit 0\n")
    if kind == "a link":
        (boot.root / ".reprov").rename(boot.root / "var/reprov")
        (boot.root / ".reprov").symlink_to("var/reprov")
    else:
        os.chown(boot.root / ".reprov", 1000, 1000)
    assert read_only(boot).go_on(environment) == "reprov: /.reprov is not a directory of root's: nothing is done with it\n"
    assert not (boot.root / "seen").exists()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_root_without_the_places_that_are_needed_boots_as_it_is(boot: Boot, environment: Environment) -> None:
    boot.arm("exit 0\n")
    (boot.root / "sys").rmdir()
    before = mounts()
    ran = subprocess.run(
        ["chroot", str(boot.initramfs), "env", "-i", f"PATH={environment.path}", "sh", "/usr/lib/reprov/boot/at-root", "/root"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert ran.returncode == 0
    assert ran.stdout.splitlines()[-1] == "reprov: proc, sys, dev or run cannot be mounted: what is to be done at boot is not done"
    assert mounts() == before
    assert not (boot.root / "seen").exists()


RECOVERED = {
    0: ["daemon-reload"],
    1: ["daemon-reload"],
    3: ["daemon-reload"],
    100: ["--force reboot", "daemon-reload"],
}


@pytest.mark.parametrize("status", RECOVERED)
def test_recovery_in_a_system_that_runs_already_ends_in_a_reload_or_a_reboot(tmp_path: Path, filesystems: Filesystems, status: int) -> None:
    """Hazard 22: units, generators and fstab were read from the tree that may not be the one any more."""
    root = filesystems.overlay(boot_trees().old, tmp_path / "root")
    install_boot_hook(root)
    (root / ".reprov/client").mkdir(parents=True)
    stand_ins = {
        ".reprov/client/at-boot": f'test "$*" = --recover && exit {status}\n',
        "usr/local/bin/systemctl": 'echo "$*" >>/asked\n',
        "usr/local/bin/sleep": "",
        "usr/local/bin/sync": "",
    }
    for path, text in stand_ins.items():
        (root / path).write_text(f"#!/bin/sh\n{text}")
        (root / path).chmod(0o755)
    argv = ("env", "-i", "PATH=/usr/local/bin:/usr/bin:/usr/sbin", "/usr/lib/reprov/boot/recover")
    ran = subprocess.run(["chroot", str(root), *argv], capture_output=True, text=True, check=False, timeout=30)
    assert (ran.returncode, ran.stderr) == (status, "")
    assert ("NEEDS ATTENTION" in ran.stdout) is (status == 3)
    assert (root / "asked").read_text().splitlines() == RECOVERED[status]


def test_systemd_takes_the_units(tmp_path: Path, filesystems: Filesystems) -> None:
    root = filesystems.overlay(boot_trees().old, tmp_path / "root")
    install_boot_hook(root)
    for path in (".reprov/client/at-boot", "usr/sbin/reprov"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("#!/bin/sh\n")
        (root / path).chmod(0o755)
    units = sorted(path.rpartition("/")[2] for path in packaged_files() if path.endswith(".service"))
    with opened_programs(root) as programs:
        said = programs.run("sh", "-c", 'systemd-analyze verify --man=no "$@" 2>&1', "sh", *units)
    assert [line for line in said.splitlines() if "reprov" in line] == []


class Imaged:
    """A tree with the hook, and the one kernel that its boot loader boots."""

    def __init__(self, root: Path) -> None:
        install_boot_hook(root)
        making = making_in(root)
        assert making is not None
        self.root, self.making = root, making
        (self.version,) = (version for name in images_in(root) if (version := version_of_image(name)))
        self.image = root / "boot" / making.name_of(self.version)

    def digest(self) -> str:
        return hook_digest(self.root, self.making.tool)

    def listing(self) -> str:
        with opened_programs(self.root) as programs:
            return listing_of(programs, self.making, f"/boot/{self.image.name}") or ""


@pytest.fixture
def node(tmp_path: Path, filesystems: Filesystems) -> Imaged:
    """A node that GRUB starts, with an initramfs that is made in a second or two."""
    made = Imaged(filesystems.overlay(boot_trees().old, tmp_path / "node"))
    (made.root / "etc/initramfs-tools/conf.d/quick").write_text("MODULES=list\nCOMPRESS=lz4\nCOMPRESSLEVEL=1\nBUSYBOX=n\n")
    (made.root / "etc/initramfs-tools/modules").write_text("ext4\n")
    (made.root / "boot/grub").mkdir(exist_ok=True)
    (made.root / "boot/grub/grub.cfg").write_text(
        f"menuentry 'Debian' --id one {{\nlinux /boot/vmlinuz-{made.version} root=UUID=1\ninitrd /boot/{made.image.name}\n}}\n"
    )
    return made


def test_an_initramfs_without_the_hook_or_with_an_older_one_is_made_anew(node: Imaged) -> None:
    assert not carries(node.listing(), node.digest())
    assert ensure_boot_hook(node.root, Heard()) is BootWay.INITRAMFS
    listing = node.listing().splitlines()
    assert carries(node.listing(), node.digest())
    assert {"scripts/local-bottom/reprov", "usr/lib/reprov/boot/at-root", "usr/sbin/chroot"} <= set(listing)

    made = node.image.stat()
    assert ensure_boot_hook(node.root, Heard()) is BootWay.INITRAMFS
    assert (node.image.stat().st_ino, node.image.stat().st_mtime_ns) == (made.st_ino, made.st_mtime_ns)

    at_root = node.root / "usr/lib/reprov/boot/at-root"
    at_root.write_text(at_root.read_text() + "# newer\n")
    assert not carries(node.listing(), node.digest())
    assert ensure_boot_hook(node.root, Heard()) is BootWay.INITRAMFS
    assert carries(node.listing(), node.digest())
    assert not (node.root / "system-update").is_symlink()


def test_an_initramfs_that_cannot_be_made_is_a_refusal_and_stays_as_it_was(node: Imaged) -> None:
    before = node.image.read_bytes()
    failing = node.root / "etc/initramfs-tools/hooks/fails"
    failing.write_text("#!/bin/sh\nexit 1\n")
    failing.chmod(0o755)
    with pytest.raises(Refused) as refused:
        ensure_boot_hook(node.root, Heard())
    start = f"the initramfs of kernel {node.version}, which the next boot uses, cannot be proved to carry reprov's hook: "
    assert refused.value.message.startswith(f"{start}no initramfs could be made for kernel {node.version}")
    assert node.image.read_bytes() == before


def test_a_hook_that_the_node_has_replaced_by_its_own_is_a_refusal(node: Imaged) -> None:
    """A file of that name below /etc is the one that the image gets."""
    other = node.root / "etc/initramfs-tools/hooks/zz-other"
    other.write_text('#!/bin/sh\nrm -f "$DESTDIR"/usr/lib/reprov/boot/hook-*\n')
    other.chmod(0o755)
    with pytest.raises(Refused) as refused:
        ensure_boot_hook(node.root, Heard())
    assert refused.value.message.endswith(f": /boot/{node.image.name} was made anew, and still lacks it")


def inodes_on_disk(image: Path) -> dict[str, int]:
    """The names in the top directory of an XFS by its blocks alone, as a boot loader reads it."""
    said = subprocess.run(["xfs_db", "-r", "-f", "-c", "path /", "-c", "ls", str(image)], check=True, capture_output=True, text=True)
    return {words[-2]: int(words[1]) for line in said.stdout.splitlines() if len(words := line.split()) > 5}


@pytest.fixture
def xfs(node: Imaged, filesystems: Filesystems, tmp_path: Path) -> Path:
    """The image of an XFS that the node has at /boot, with what was there."""
    boot = node.root / "boot"
    separate = filesystems.make("xfs", node.root / "mnt")
    subprocess.run(["cp", "--archive", f"{boot}/.", str(separate)], check=True)
    filesystems.bind(separate, boot)
    (image,) = (tmp_path / "images").glob("*.xfs")
    return image


@pytest.mark.needs("mkfs.xfs", "xfs_db")
def test_on_xfs_a_boot_loader_finds_the_initramfs_with_the_hook(node: Imaged, xfs: Path) -> None:
    """Hazard 17."""
    assert ensure_boot_hook(node.root, Heard()) is BootWay.INITRAMFS
    assert inodes_on_disk(xfs)[node.image.name] == node.image.stat().st_ino


@pytest.mark.needs("mkfs.xfs", "xfs_db")
def test_on_xfs_a_boot_loader_finds_what_an_upgrade_has_made(node: Imaged, xfs: Path) -> None:
    """Hazard 17. GRUB's own programs would want a root that lies on a disk: here it is the loader that needs none."""
    boot = node.root / "boot"
    shutil.rmtree(boot / "grub")
    (boot / "loader/entries").mkdir(parents=True)
    (boot / "EFI/systemd").mkdir(parents=True)
    (boot / f"loader/entries/debian-{node.version}.conf").write_text(
        f"title Debian\nversion {node.version}\nlinux /vmlinuz-{node.version}\ninitrd /{node.image.name}\noptions root=UUID=1\n"
    )
    (boot / "loader/loader.conf").write_text("timeout 3\n")
    booted = update_boot(node.root, {}, kernels_of(read_tree(node.root)), Heard(), renew=True)
    assert booted.made == (node.version,)
    assert inodes_on_disk(xfs)[node.image.name] == node.image.stat().st_ino


def test_dracut_carries_the_hook(tmp_path: Path, filesystems: Filesystems) -> None:
    made = Imaged(filesystems.overlay(dracut_trees().old, tmp_path / "node"))
    (made.root / "etc/dracut.conf.d").mkdir(exist_ok=True)
    (made.root / "etc/dracut.conf.d/quick.conf").write_text('hostonly=no\ndrivers=" ext4 "\nfilesystems="ext4"\ncompress="cat"\n')
    with opened_programs(made.root) as programs:
        renew_initramfs(programs, made.making, made.version)
    listing = made.listing()
    assert carries(listing, made.digest())
    names = {line.split(" ")[-1] for line in listing.splitlines()}
    assert {"usr/lib/dracut/hooks/pre-pivot/50-reprov.sh", "usr/lib/reprov/boot/at-root", "usr/sbin/chroot"} <= names
