"""reprov install, with plans that are made up: what it shows, asks and ends with."""

import errno
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reprov.cli import install as cli
from reprov.cli import options
from reprov.cli.install_text import install_fields, install_lines, install_question
from reprov.domain.install_plan import InstallChoices, InstallPlan, plan_install
from reprov.domain.inventory import Inventory, LogicalVolume, PhysicalVolume, Signature, VolumeGroup
from reprov.domain.layout import MIB, Layout, OsVolume
from reprov.domain.partition_planner import plan_partitions
from reprov.domain.proof_comparison import Compared, Comparison, Difference, Extent
from reprov.domain.release import ReleaseId
from reprov.errors import InvalidInput
from reprov.workflows import install as workflow
from reprov.workflows import install_plan
from reprov.workflows.install_plan import Target
from tests.disk_builders import EFI, EXT4, ROOT, blank, disk, entry, inventory, layout, os_partition, preserved

Reprov = Callable[..., Any]
NODE = disk(
    entry(1, 1, 64, "esp", "efi", content=Signature("vfat", "filesystem")),
    entry(2, 65, 256, "linux", "root", content=EXT4),
    entry(5, 400, 500, "ceph-osd-data", "ceph data"),
)
LAYOUT = {
    "disk": {"wwn": "0x5001"},
    "partitions": [
        {"name": "efi", "type": "esp", "size": "64M", "filesystem": "vfat", "mount": "/boot/efi"},
        {"name": "root", "size": "256M", "filesystem": "ext4", "mount": "/"},
    ],
    "preserve": [{"type": "ceph-osd-data"}],
}
PROVEN = Comparison((), (Compared("/dev/sda5", Extent.ENDS),))


def plan_of(*partitions: Any, on: Any = NODE, choices: InstallChoices | None = None) -> InstallPlan:
    """A plan for a disk of 1 GiB."""
    return plan_install(
        plan_partitions(layout(*partitions, preserve=[preserved("ceph-osd-data")], create_table=True), inventory(on)),
        choices or InstallChoices(),
    )


class Machine:
    """What `reprov install` finds and does."""

    def __init__(self, patched: pytest.MonkeyPatch) -> None:
        self.plan = plan_of()
        self.proven = PROVEN
        self.wanted: list[workflow.Wanted] = []
        self.missing = ""
        patched.setattr(install_plan, "target_of", self._target)
        patched.setattr(install_plan, "make_plan", lambda _target, _choices, _monitor: self.plan)
        patched.setattr(workflow, "install", self._install)
        patched.setattr(workflow, "check_release", self._check_release)

    @contextmanager
    def _target(self, wanted: Layout) -> Iterator[Target]:
        yield Target(wanted)

    def _check_release(self, _target: Target, _plan: InstallPlan, _wanted: workflow.Wanted) -> None:
        if self.missing:
            raise InvalidInput(self.missing)

    def _install(self, _target: Target, plan: InstallPlan, wanted: workflow.Wanted, _monitor: object) -> object:
        assert plan is self.plan
        self.wanted.append(wanted)
        done = SimpleNamespace(release=ReleaseId("base", "1.0"), fetch_bytes=1_500_000, conflicts=())
        return SimpleNamespace(upgraded=SimpleNamespace(plan=done, state="committed"), proven=self.proven)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    monkeypatch.chdir(tmp_path)
    Path("layout.json").write_text(json.dumps(LAYOUT))
    return Machine(monkeypatch)


WORDS = ("install", "base", "1.0", "--layout", "layout.json", "--from", "/srv/reprov")


def test_the_plan_fits_into_eighty_columns() -> None:
    lines = [*install_lines(plan_of(), "")]
    assert lines == [
        "Disk /dev/sda, 1.1 GB, wwn 0x5001, serial S1",
        "  table     stays as it is",
        "  identity  from /dev/sda2; it lies on efi while / is formatted",
        "NR  NAME           SIZE  FATE       WHY",
        " 1  efi         67.1 MB  formatted  vfat at /boot/efi; was vfat",
        " 2  root       268.4 MB  formatted  ext4 at /; was ext4",
        " 5  ceph data  524.3 MB  kept       GPT type ceph-osd-data; rule: type",
        "                                    ceph-osd-data",
    ]
    assert max(map(len, lines)) < 80


def test_what_is_made_is_said() -> None:
    var = os_partition("var", 30, "xfs", "/var")
    lines = [*install_lines(plan_of(EFI, ROOT, var), "")]
    assert lines[1] == "  table     1 entry added, the others stay as they are"
    assert lines[6] == " 3  var         31.5 MB  created    xfs at /var"
    new = plan_install(plan_partitions(layout(create_table=True), inventory(blank())), InstallChoices(may_be_new=True))
    assert [*install_lines(new, "disk.img")][:3] == [
        "Disk disk.img as /dev/sda, 1.1 GB, wwn 0x5001, serial S1",
        "  table     a new GPT with 2 partitions",
        "  identity  none: a new node",
    ]


def test_volumes_stand_below_the_partitions() -> None:
    system = replace(os_partition("system", 64, "", kind="lvm"), group="sys")
    volumes = (OsVolume("sys", "log", 20 * MIB, "ext4", "/var/log"), OsVolume("sys", "swap", 8 * MIB, "swap"))
    wanted = replace(layout(EFI, ROOT, system), volumes=volumes)
    there = replace(
        inventory(disk(*NODE.partitions, entry(6, 330, 64, "lvm", "system"))),
        physical_volumes=(PhysicalVolume("/dev/sda6", "pv", "sys"),),
        groups=(VolumeGroup("sys", "vg", 60 * MIB, 40 * MIB),),
        volumes=(LogicalVolume("sys", "log", "lv", 20 * MIB, ("/dev/sda6",), "/dev/mapper/sys-log", content=EXT4),),
    )
    plan = made(wanted, there)
    assert [*install_lines(plan, "")][-4:] == [
        " 5  ceph data  524.3 MB  kept       GPT type ceph-osd-data",
        " 6  system      67.1 MB  kept       physical volume of sys",
        " 6  sys/log     21.0 MB  formatted  ext4 at /var/log; was ext4",
        " 6  sys/swap     8.4 MB  created    swap",
    ]
    assert install_question(plan) == ("/dev/sda: format 2 partitions and 1 volume with all that is on them and make 1 volume?")
    assert install_question(made(wanted, inventory(NODE))) == (
        "/dev/sda: format 2 partitions with all that is on them and make 1 partition and 2 volumes?"
    )
    (log, swap) = json.loads(json.dumps(install_fields(plan, "")))["volumes"]
    assert log == {
        "group": "sys",
        "name": "log",
        "fate": "formatted",
        "reason": "ext4 at /var/log; was ext4",
        "size_bytes": 20 * MIB,
        "uuid": "lv",
        "filesystem": "ext4",
        "mount": "/var/log",
    }
    assert (swap["name"], swap["fate"], swap["uuid"]) == ("swap", "created", "")


def made(wanted: Layout, there: Inventory) -> InstallPlan:
    return plan_install(plan_partitions(wanted, there), InstallChoices())


def test_refusals_are_said_with_the_way_out() -> None:
    lines = [*install_lines(plan_of(EFI, replace(ROOT, size_bytes=1 << 40)), "")]
    assert lines[1] == "  table     stays as it is: the plan is refused"
    assert lines[4:6] == [
        " 2  root       268.4 MB  refused    /dev/sda2 (root) has 256M, and the layout",
        "                                    wants 1024G: 79M behind it are free, but",
    ]
    assert lines[-4:] == [
        "refused: /dev/sda2 (root) has 256M, and the layout wants 1024G: 79M behind it",
        "  are free, but partitions do not grow",
        "hint: nothing is moved or resized: write size: 256M, or another name for a",
        "  partition in free space",
    ]


def test_with_plan_nothing_is_done(machine: Machine, reprov: Reprov) -> None:
    shown = reprov(*WORDS, "--plan")
    assert (shown.status, shown.stdout.splitlines()) == (3, [*install_lines(machine.plan, "")])
    answer = json.loads(reprov(*WORDS, "--plan", "--json").stdout)
    assert answer["identity"] == {"from": "/dev/sda2", "kept_in": "efi"}
    assert [(item["name"], item["fate"]) for item in answer["partitions"]] == [
        ("efi", "formatted"),
        ("root", "formatted"),
        ("ceph data", "kept"),
    ]
    assert machine.wanted == []


def test_a_refused_plan_ends_with_4(machine: Machine, reprov: Reprov) -> None:
    machine.plan = plan_of(on=blank())
    assert reprov(*WORDS, "--plan").status == 4
    done = reprov(*WORDS, "--yes")
    assert (done.status, machine.wanted) == (4, [])
    assert "reprov: preserve: there is no partition with type ceph-osd-data on this machine (and 1 more reason)" in done.stderr


def test_nobody_to_ask(machine: Machine, reprov: Reprov) -> None:
    done = reprov(*WORDS)
    assert (done.status, machine.wanted) == (2, [])
    assert "nobody can be asked: /dev/sda: format 2 partitions with all that is on them?" in done.stderr


def test_what_was_asked_for_is_done(machine: Machine, reprov: Reprov, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(options, "confirm", lambda question, *, yes: asked.append((question, yes)))
    done = reprov(*WORDS, "--identity-archive", "id.tar", "--new-node")
    assert done.status == 0
    assert done.stdout.splitlines()[-2:] == ["base 1.0 is installed on /dev/sda: 1.5 MB fetched", "1 device of data as before"]
    assert asked == [("/dev/sda: format 2 partitions with all that is on them?", False)]
    (wanted,) = machine.wanted
    here = Path.cwd()
    assert (wanted.role, wanted.version, wanted.table_copy) == ("base", "1.0", here / "layout.json.table")
    assert wanted.choices == InstallChoices(str(here / "id.tar"), may_be_new=True)


def test_json_answers_on_stdout_and_shows_the_plan_on_stderr(machine: Machine, reprov: Reprov) -> None:
    done = reprov(*WORDS, "--yes", "--json")
    answer = json.loads(done.stdout)
    assert (answer["role"], answer["version"], answer["state"], len(answer["plan"]["partitions"])) == ("base", "1.0", "committed", 3)
    assert "Disk /dev/sda" in done.stderr


def test_data_that_has_changed_ends_with_7(machine: Machine, reprov: Reprov) -> None:
    machine.proven = replace(PROVEN, differences=(Difference("/dev/sda5", "type", "a", "b"),))
    done = reprov(*WORDS, "--yes")
    assert done.status == 7
    assert "/dev/sda5  type  a       b" in done.stdout
    assert "reprov: data proof failed: 1 difference since before the installation" in done.stderr


def test_an_image_lies_beside_its_layout(machine: Machine, reprov: Reprov, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    @contextmanager
    def target(wanted: Layout) -> Iterator[Target]:
        seen.append(wanted.disk.image)
        yield Target(wanted)

    monkeypatch.setattr(install_plan, "target_of", target)
    Path("layout.json").write_text(json.dumps({**LAYOUT, "disk": {"image": "disk.img"}}))
    assert reprov(*WORDS, "--plan").status == 3
    assert seen == [str(Path.cwd() / "disk.img")]


def test_a_layout_that_is_none(machine: Machine, reprov: Reprov) -> None:
    Path("layout.json").write_text('{"disk": {"wwn": "1"}, "partitons": []}')
    done = reprov(*WORDS, "--plan")
    assert done.status == 2
    assert "layout.json:1: unknown key 'partitons' (did you mean 'partitions'?)" in done.stderr


def test_the_example_in_the_documentation_is_a_layout() -> None:
    example = install_plan.load_layout(Path(__file__).parents[3] / "docs/layout.yaml")
    assert [partition.mount for partition in example.partitions] == ["/boot/efi", "", "/boot", "/", "/var", "", ""]
    assert [volume.mount for volume in example.volumes] == ["/var/log", "/home"]
    assert len(example.preserve) == 4


@pytest.mark.parametrize("more", [("--plan",), ("--plan", "--json"), ("--yes",)], ids=" ".join)
def test_a_release_that_is_not_there_is_told_with_the_plan(reprov: Reprov, machine: Machine, more: tuple[str, ...]) -> None:
    machine.missing = "/srv/reprov has no base 1.0"
    done = reprov(*WORDS, *more)
    assert (done.status, done.stderr, machine.wanted) == (2, "reprov: /srv/reprov has no base 1.0\n", [])
    assert "ceph data" in done.stdout


def test_an_answer_that_cannot_be_written_makes_nothing_undone(reprov: Reprov, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_fields: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cli, "print_json", fail)
    done = reprov(*WORDS, "--yes", "--json")
    assert (done.status, done.stderr.splitlines()[-1]) == (
        0,
        "note: it is done, but the answer cannot be written: No space left on device",
    )
    machine.proven = replace(PROVEN, differences=(Difference("/dev/sda5", "label", "a", "b"),))
    assert reprov(*WORDS, "--yes", "--json").status == 7
    assert reprov(*WORDS, "--plan", "--json").status == 1
