"""The watchdog of a trial boot, by every shell that an initramfs may have, in a mount namespace where nothing that it writes is real."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reprov.adapters.trial_watchdog import end_watchdog
from tests.system.trees import boot_trees

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("mmdebstrap", "unshare", "mount", "chroot")]

BOOT = Path(__file__).parents[2] / "reprov/boot"
SCRIPT = BOOT / "usr/share/initramfs-tools/scripts/init-top/reprov-trial"
SHELLS = {
    "dash": ("/usr/bin/dash",),
    "bash": ("/usr/bin/bash",),
    "busybox": ("/usr/bin/busybox", "sh"),
    "klibc": ("/usr/lib/klibc/bin/sh",),
}
SYSCTLS = {"panic": "30", "panic_on_oops": "0", "softlockup_panic": "1"}
"""As the kernel has them when the script starts; hardlockup_panic is one that it does not know."""

# Mounts vanish with the namespace, that is with the last process in it.
_ENTER = """
mount --bind "$1" "$2/root"
mount --bind "$2/proc" "$2/root/proc"
mount --bind "$2/run" "$2/root/run"
mount --bind "$2/dev" "$2/root/dev"
mount --bind "$2/mnt" "$2/root/mnt"
root=$2
shift 2
exec chroot "$root/root" env -i PATH="$PATH" "$@"
"""


class Kernel:
    """A kernel that is on trial, as far as the script sees it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("root", "run", "dev", "mnt", "proc/sys/kernel"):
            (folder / name).mkdir(parents=True)
        (folder / "mnt/script").write_bytes(SCRIPT.read_bytes())
        os.mknod(folder / "dev/null", 0o020666, os.makedev(1, 3))
        (folder / "dev/kmsg").touch()
        (folder / "proc/sysrq-trigger").touch()
        for name, value in SYSCTLS.items():
            (self.sysctl / name).write_text(f"{value}\n")

    @property
    def sysctl(self) -> Path:
        return self.folder / "proc/sys/kernel"

    def start(self, shell: tuple[str, ...], words: str, path: str = "/usr/lib/klibc/bin:/usr/bin") -> None:
        """Run the script; it returns at once."""
        (self.folder / "proc/cmdline").write_text(f"BOOT_IMAGE=/vmlinuz root=/dev/vda2 {words}\n")
        argv = ("unshare", "--mount", "sh", "-euc", _ENTER, "sh", str(boot_trees().new), str(self.folder), *shell, "/mnt/script")
        subprocess.run(argv, check=True, timeout=30, env={**os.environ, "PATH": f"{path}:/usr/sbin:/usr/bin:/sbin:/bin"})

    @property
    def pid(self) -> int:
        return int((self.folder / "run/reprov/trial.pid").read_text())

    @property
    def asked(self) -> str:
        """What it was asked by sysrq."""
        return (self.folder / "proc/sysrq-trigger").read_text()

    def sysctls(self) -> dict[str, str]:
        return {name: (self.sysctl / name).read_text().strip() for name in SYSCTLS}

    def end(self) -> bool:
        """As `reprov confirm` does."""
        return end_watchdog(self.folder / "run/reprov", self.folder / "proc/sys")


@pytest.fixture
def kernels(tmp_path: Path) -> Iterator[Callable[[str], Kernel]]:
    """Makes kernels by name; what they still run at the end is ended."""
    made: list[Kernel] = []

    def make(name: str) -> Kernel:
        (tmp_path / name).mkdir()
        made.append(Kernel(tmp_path / name))
        return made[-1]

    yield make
    for kernel in made:
        if (kernel.folder / "run/reprov/trial.pid").exists():
            kernel.end()


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_for(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_trial_that_nobody_ends_is_ended_by_a_reboot(kernels: Callable[[str], Kernel]) -> None:
    started = []
    for name, shell in SHELLS.items():
        started.append(kernels(name))
        started[-1].start(shell, "quiet panic=7 reprov.trial=1 panic=30")
        assert started[-1].asked == ""
    for kernel in started:
        wait_for(lambda kernel=kernel: kernel.asked == "s\nb\n")  # type: ignore[misc]
        said = (kernel.folder / "dev/kmsg").read_text()
        assert said == "<2>reprov: nobody has confirmed the trial of this kernel within 1 s: rebooting\n"


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS.keys())
def test_the_end_of_a_trial_leaves_nothing_of_it(kernels: Callable[[str], Kernel], shell: tuple[str, ...]) -> None:
    kernel = kernels("on-trial")
    kernel.start(shell, "panic=7 reprov.trial=600 panic=30")
    pid = kernel.pid
    wait_for(lambda: len(children_of(pid)) == 2)
    sleeps = children_of(pid)
    assert kernel.sysctls() == {"panic": "30", "panic_on_oops": "1", "softlockup_panic": "1"}
    (kernel.sysctl / "softlockup_panic").write_text("0\n")  # sysctl.conf(5), meanwhile
    assert kernel.end()
    wait_for(lambda: all(map(is_gone, (pid, *sleeps))), 10)
    assert kernel.sysctls() == {"panic": "7", "panic_on_oops": "0", "softlockup_panic": "0"}
    assert list((kernel.folder / "run/reprov").iterdir()) == []
    assert kernel.asked == ""
    assert not kernel.end()


@pytest.mark.parametrize("words", ["quiet", "reprov.trial=", "reprov.trial=x", "xreprov.trial=5"])
def test_a_boot_that_is_no_trial_is_not_watched(kernels: Callable[[str], Kernel], words: str) -> None:
    kernel = kernels("on-trial")
    kernel.start(SHELLS["klibc"], words)
    assert list((kernel.folder / "run").iterdir()) == []
    assert kernel.sysctls() == SYSCTLS


def test_another_process_of_that_number_is_left_alone(kernels: Callable[[str], Kernel]) -> None:
    kernel = kernels("on-trial")
    with subprocess.Popen(["sleep", "600"]) as other:
        (kernel.folder / "run/reprov").mkdir()
        (kernel.folder / "run/reprov/trial.pid").write_text(f"{other.pid}\n")
        assert not kernel.end()
        assert other.poll() is None
        other.terminate()


def test_a_sleep_that_somebody_ends_is_no_reason_to_reboot(kernels: Callable[[str], Kernel]) -> None:
    kernel = kernels("on-trial")
    kernel.start(SHELLS["dash"], "reprov.trial=600")
    pid = kernel.pid
    wait_for(lambda: len(children_of(pid)) == 2)
    sleeps = children_of(pid)
    os.kill(sleeps[0], signal.SIGKILL)
    wait_for(lambda: is_gone(pid), 10)
    os.kill(sleeps[1], signal.SIGKILL)
    assert kernel.asked == ""


def test_a_systemd_that_leaves_its_initramfs_spares_it(kernels: Callable[[str], Kernel]) -> None:
    """As the module of dracut starts it: it ends every process whose first word does not begin with @."""
    kernel = kernels("on-trial")
    spared = kernel.folder / "mnt/spared"
    spared.mkdir()
    for name in ("sh", "sleep"):
        (spared / f"@{name}").symlink_to(f"/usr/bin/{name}")
    kernel.start(("@sh",), "reprov.trial=600", path="/mnt/spared:/usr/bin")
    wait_for(lambda: len(children_of(kernel.pid)) == 2)
    for pid in (kernel.pid, *children_of(kernel.pid)):
        wait_for(lambda pid=pid: Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"@"), 10)  # type: ignore[misc]
