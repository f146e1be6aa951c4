"""Steps in a real Debian tree and on the running system: what scripts ask of the real programs, and what they are told."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from reprov.adapters.program_covers import MountSpace
from reprov.adapters.step_files import StepFiles
from reprov.adapters.step_runner import StepRunner
from reprov.adapters.step_space import RunStep, live_space, root_space
from reprov.adapters.step_wrappers import cover_services
from reprov.domain.inventory import Inventory
from reprov.domain.post_script import ServiceFact, Step, Work, WorkKind
from reprov.domain.step_end import StepEnd
from reprov.workflows.guarded import guarded
from tests.storage_lab import Part, attached, make_image
from tests.system.test_guard import inventory_of
from tests.system.trees import RealTrees, boot_trees

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("mount", "setpriv", "setsid", "bash", "dash")]

DEBCONF = """\
#!/bin/sh
set -e
. /usr/share/debconf/confmodule
db_get debconf/frontend
echo "frontend $RET" >&2
nothing-of-this-name
"""


@contextmanager
def writable(tree: Path, folder: Path) -> Iterator[Path]:
    """A tree that can be written to, and stays as it is."""
    for name in ("upper", "work", "root"):
        (folder / name).mkdir()
    layers = f"lowerdir={tree},upperdir={folder}/upper,workdir={folder}/work"
    subprocess.run(["mount", "-t", "overlay", "-o", layers, "overlay", str(folder / "root")], check=True)
    try:
        yield folder / "root"
    finally:
        subprocess.run(["umount", str(folder / "root")], check=True)


@pytest.fixture
def debian_root(tmp_path: Path, debian: RealTrees) -> Iterator[Path]:
    """A real tree."""
    with writable(debian.new, tmp_path) as root:
        yield root


@pytest.fixture
def systemd_root(tmp_path: Path) -> Iterator[Path]:
    """One with systemd."""
    with writable(boot_trees().new, tmp_path) as root:
        yield root


class Place:
    """Prepares a space, and runs steps in it."""

    def __init__(self, logs: Path, steps: Sequence[Step] = ()) -> None:
        self._logs = logs
        self._steps = steps
        self._opened: list[tuple[MountSpace, StepFiles]] = []

    def prepare(self, space: MountSpace) -> None:
        self._opened.append((space, StepFiles.opened(space, self._steps)))
        cover_services(space)

    def run(self, run: RunStep, step: Step) -> StepEnd:
        ((space, files),) = self._opened
        return StepRunner(space, files, run, self._logs).run(step, 1)

    def close(self) -> None:
        for _, files in self._opened:
            os.close(files.trace_fd)


@contextmanager
def a_place(logs: Path, *steps: Step) -> Iterator[Place]:
    place = Place(logs, steps)
    try:
        yield place
    finally:
        place.close()


def run_in(root: Path, logs: Path, step: Step) -> StepEnd:
    with a_place(logs, step) as place, root_space(root, place.prepare) as run:
        return place.run(run, step)


def a_step(body: str, interpreter: tuple[str, ...] = ("/bin/sh", "-e"), name: str = "site.postinst", path: str = "") -> Step:
    return Step(name, interpreter, ("configure", ""), body, "site", "1", path=path, timeout_s=60)


def test_the_real_programs_of_debian_are_asked_and_not_obeyed(systemd_root: Path, tmp_path: Path) -> None:
    body = """\
deb-systemd-invoke restart site.service
invoke-rc.d cron restart
service cron reload
systemctl daemon-reload
/sbin/ldconfig
dpkg-trigger --by-package=site ldconfig
modprobe --version > /dev/null
ln -s /bin/kmod /var/lib/modinfo
/var/lib/modinfo --version > /dev/null
update-rc.d -f nothing remove
echo "enabled: $(systemctl is-enabled cron.service 2>&1)"
ldconfig -p > /dev/null
/usr/sbin/invoke-rc.d --quiet cron status || echo "status $?"
"""
    end = run_in(systemd_root, tmp_path, a_step(body))
    log = Path(end.log).read_text()
    assert (end.status, end.problem) == (0, ""), log
    assert end.collected.services == (
        ServiceFact("site.service", "restart", "site"),
        ServiceFact("cron.service", "restart", "site"),
        ServiceFact("cron.service", "reload", "site"),
    )
    assert set(end.collected.works) == {Work(WorkKind.LDCONFIG, "site.postinst"), Work(WorkKind.DAEMON_RELOAD, "site.postinst")}
    assert end.collected.triggers == ("ldconfig",)
    assert "enabled: " in log


def test_debconf_starts_a_script_again_and_still_the_line_is_known(debian_root: Path, tmp_path: Path) -> None:
    path = "/var/lib/dpkg/info/debconf.postinst"
    (debian_root / path.lstrip("/")).write_text(DEBCONF)
    end = run_in(debian_root, tmp_path, a_step(DEBCONF, ("/bin/sh",), "debconf.postinst", path))
    log = Path(end.log).read_text()
    assert "frontend " in log
    assert end.status not in (0, 100)
    assert (end.line, end.last) == (6, "/var/lib/dpkg/info/debconf.postinst: line 6: nothing-of-this-name: command not found"), log


LANGUAGES = {
    "sh": (("/bin/sh", "-e"), "true\nfalse\ntrue\n", 1, 2),
    "bash": (("/bin/bash",), "x=(a b)\n[[ ${x[1]} == b ]] || exit 7\nexit 4\n", 4, 3),
    "perl": (("/usr/bin/perl",), "use strict;\n\ndie 'no';\n", 255, 3),
    "a program that is not there": (("/bin/none",), "\n", 127, None),
}


@pytest.mark.parametrize(("interpreter", "body", "status", "line"), LANGUAGES.values(), ids=LANGUAGES)
def test_every_language_tells_its_line(
    debian_root: Path, tmp_path: Path, interpreter: tuple[str, ...], body: str, status: int, line: int | None
) -> None:
    end = run_in(debian_root, tmp_path, a_step(body, interpreter))
    assert (end.status, end.line) == (status, line), Path(end.log).read_text()


def test_sh_is_what_scripts_take_it_for(debian_root: Path, tmp_path: Path) -> None:
    """bash runs them, because it can tell the lines; nothing of that is to be seen."""
    body = "echo 'a\\tb'\nx=$( { echo out; echo err >&2; } 2>&1 )\necho \"[$x]\"\nset +e\nls /none 2>/dev/null\necho $?\nenv | sort\n"
    end = run_in(debian_root, tmp_path, a_step(body))
    told = Path(end.log).read_text().splitlines()
    assert told[:5] == ["a\tb", "[out", "err]", "2", "HOME=/root"]
    assert {line.partition("=")[0] for line in told[4:]} == {"HOME", "LC_ALL", "PATH", "PWD", "SHLVL", "_"}


def test_the_host_is_out_of_reach_of_a_script_in_another_root(debian_root: Path, tmp_path: Path) -> None:
    (debian_root / "etc/hostname").write_text("node-7\n")
    body = (
        "hostname\nls /proc | grep -c '^[0-9]'\necho x > /proc/sys/kernel/hostname || echo sealed\nmount -o remount,rw /sys || echo kept\n"
    )
    end = run_in(debian_root, tmp_path, a_step(body, ("/bin/sh",)))
    told = Path(end.log).read_text().splitlines()
    assert told[0] == "node-7"
    assert int(told[1]) < 12, "processes of the machine are seen"
    assert "sealed" in told


def test_on_the_running_system_services_are_left_alone_too(tmp_path: Path) -> None:
    if not shutil.which("systemctl"):
        pytest.skip("needs systemctl")
    step = a_step("systemctl restart site\nldconfig\necho $PPID > /dev/null\nkill -9 $PPID\nsleep 60\n")
    with a_place(tmp_path) as place, live_space(place.prepare) as run:
        end = place.run(run, step)
    assert end.status == 137
    assert end.collected.services == (ServiceFact("site.service", "restart", "site"),)
    assert [work.kind for work in end.collected.works] == [WorkKind.LDCONFIG]


@pytest.mark.needs("sfdisk", "losetup", "partx", "wipefs")
def test_a_script_that_would_write_to_a_data_device_is_refused(tmp_path: Path) -> None:
    image = make_image(tmp_path / "disk.img", (Part("linux", "root", 8), Part("ceph-block", "osd-3", 6, osd_id=3)))
    before = image.read_bytes()
    with attached(image) as (loop,), a_place(tmp_path) as place:
        inventory: Inventory = inventory_of(loop)
        with guarded(inventory, Path("/"), prepare=place.prepare) as guard:
            end = place.run(guard.run, a_step(f"systemctl stop ceph-osd@3\nwipefs -a {loop}p2\n"))
    assert (end.status, end.collected.services) == (4, (ServiceFact("ceph-osd@3.service", "stop", "site"),))
    assert end.problem.startswith(f"wipefs was refused on {loop}p2: ")
    assert image.read_bytes() == before
