"""The power goes: whatever instant it is, what comes up again is the old tree or the new one, and the node's data.

The answers (rows 5 and 6 of the hazards): staged content is on the disk before the first exchange, the exchanges are before the
state says so, and a recovery can be cut off, too. REPROV_TEST_CUTS asks for more cuts, REPROV_TEST_SEED for those of another run.
"""

import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import SubprocessError
from typing import NamedTuple

import pytest

from reprov.adapters import kernel
from reprov.adapters.durable import sync_directory
from reprov.adapters.node_state import NodeState
from tests.system import tally
from tests.system.hazard_lab import (
    FILESYSTEMS,
    NEW,
    OLD,
    Disk,
    Lab,
    add_node_data,
    assert_old_or_new,
    data_of,
    look,
    make_release,
    open_lab,
    publish_both,
)
from tests.system.power_lab import MOUNTED_AT, Cut, Recording, cloned, mounted, recorded
from tests.system.snapshot import OWN_DIRECTORY, Snapshot, difference

pytestmark = [
    pytest.mark.system,
    pytest.mark.commands,
    pytest.mark.needs("mkfs.ext4", "mkfs.xfs", "mkfs.btrfs", "mount", "rsync", "qemu-storage-daemon"),
]

LEAST_CUTS = 300
CUTS = max(LEAST_CUTS, int(os.environ.get("REPROV_TEST_CUTS") or 0))
"""Over all filesystems."""
SEED = int(os.environ.get("REPROV_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
WEIGHTS = {
    "upgrade: scan": 1,
    "upgrade: verify": 1,
    "upgrade: commit": 3,
    "upgrade: finish": 2,
    "rollback: commit": 2,
    "rollback: finish": 1,
    "recover": 3,
}
"""How many of the cuts of a story are in which stage; each lasts until the next one begins."""
SECOND = {"ext4": "xfs", "xfs": "btrfs", "btrfs": "ext4"}
"""What /usr is on where it is not on the filesystem of /."""
_LIKE_THIS_AT_ONCE = 3
"""Recoveries that are cut after one and the same cut."""


class Story(NamedTuple):
    """A node, and what goes on beside reprov."""

    name: str
    has_usr_apart: bool
    noise: float
    """How likely a filesystem is synced by somebody else after a step, so that its disk has what was done so far."""


STORIES = (
    Story("one filesystem, nobody else syncs", has_usr_apart=False, noise=0.0),
    Story("one filesystem, others sync it", has_usr_apart=False, noise=0.5),
    Story("/usr apart, nobody else syncs", has_usr_apart=True, noise=0.0),
    Story("/usr apart, others sync the one or the other", has_usr_apart=True, noise=0.5),
)


class Judged(NamedTuple):
    """What came up after a cut."""

    found: str
    """old or new; anything else says what is wrong."""
    before: str
    """old, new or mixed before `reprov recover`."""
    did: str
    """What `reprov recover` said."""
    took_s: float
    """How long that took."""


@dataclass
class Figures:
    """The cuts on one filesystem, counted."""

    filesystem: str
    seed: int
    cuts: int = 0
    with_lost_cache: int = 0
    found: Counter[str] = field(default_factory=Counter)
    """old and new."""
    before_recovery: Counter[str] = field(default_factory=Counter)
    """old, new and mixed."""
    by_story: Counter[str] = field(default_factory=Counter)
    recovered: Counter[str] = field(default_factory=Counter)
    """What `reprov recover` said."""
    slowest_recovery_s: float = 0.0
    took_s: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def add(self, story: Story, stage: str, cut: Cut, judged: Judged) -> None:
        """Count a cut."""
        self.cuts += 1
        self.with_lost_cache += cut.kept < 1
        self.by_story[f"{story.name}; {stage}"] += 1
        self.before_recovery[judged.before] += 1
        self.recovered[judged.did] += 1
        self.slowest_recovery_s = max(self.slowest_recovery_s, judged.took_s)
        if judged.found in ("old", "new"):
            self.found[judged.found] += 1
        else:
            self.wrong.append(f"{story.name}; {stage}; {cut}: {judged.found}")

    def __str__(self) -> str:
        found = f"{self.found['old']} old, {self.found['new']} new, {len(self.wrong)} mixed"
        recovery = f"before recovery {self.before_recovery['mixed']} were mixed; it took {self.slowest_recovery_s:.2f} s at most"
        how = f"{self.with_lost_cache} with a lost cache; {self.took_s:.0f} s; REPROV_TEST_SEED={self.seed}"
        return f"power cuts on {self.filesystem}: {self.cuts}, of which {found} ({recovery}; {how})"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab whose releases may have /usr on a filesystem of its own."""
    with open_lab(tmp_path_factory.mktemp("lab"), lambda store: publish_both(store, "--filesystems", "usr")) as opened:
        yield opened


@contextmanager
def installed(lab: Lab, filesystem: str, *, has_usr_apart: bool = False) -> Iterator[tuple[Path, ...]]:
    """The disks of a node with the first release."""
    images = tuple(lab.blank(kind) for kind in ((filesystem, SECOND[filesystem]) if has_usr_apart else (filesystem,)))
    with mounted(lab, images) as disk:
        disk.node.install(OLD)
        add_node_data(disk.node)
    yield images
    for image in images:
        image.unlink()


def upgrade(disk: Disk) -> None:
    disk.node.install(NEW)


def roll_back(disk: Disk) -> None:
    disk.node.rollback()


def recover(disk: Disk) -> None:
    ran = disk.node.run("recover")
    assert ran.status == 0, ran.stderr


def left_over(disk: Disk) -> set[str]:
    """What a recovery should not have left: in reprov's own directories, and marks. Content that was fetched may serve again."""
    own = [disk.node.path(place) / OWN_DIRECTORY for place in MOUNTED_AT]
    found = {str(path) for directory in own for name in ("staged", "ballast", "restored") if (path := directory / name).exists()}
    return found | set(disk.node.leftovers()) - {"incoming", "leftover", "candidate"}


def trees_of(lab: Lab, images: tuple[Path, ...]) -> tuple[Snapshot, Snapshot]:
    """The node before and after the upgrade."""
    with cloned(lab, images) as copies, mounted(lab, copies) as disk:
        old = look(disk)
        disk.node.install(NEW)
        return old, look(disk)


def judge(lab: Lab, recording: Recording, cut: Cut, old: Snapshot, new: Snapshot) -> Judged:
    """Bring a node up after a cut, recover it, look at everything, and let it go on."""
    before = did = "nothing"
    took_s = 0.0
    try:
        with recording.after(lab, cut) as images, mounted(lab, images) as disk:
            seen = look(disk)
            before = "old" if not difference(old, seen) else "new" if not difference(new, seen) else "mixed"
            started_at = time.monotonic()
            ran = disk.node.run("recover")
            did, took_s = ran.stdout.strip(), time.monotonic() - started_at
            assert ran.status == 0, ran.stderr
            seen = look(disk)
            assert difference(data_of(old), data_of(seen)) == []
            found = assert_old_or_new(seen, old, new, "after recovery")
            assert not left_over(disk)
            assert disk.node.run("recover").stdout == "nothing to do\n"
            assert disk.node.run("status").status == 0
            assert difference(seen, look(disk)) == []
            if cut.kept == 0:
                (upgrade if found == "old" else roll_back)(disk)
                assert difference(new if found == "old" else old, look(disk)) == []
    except (AssertionError, OSError, SubprocessError) as error:
        found = f"{type(error).__name__}: {error}"
    return Judged(found, before, did, took_s)


@pytest.mark.parametrize("filesystem", FILESYSTEMS)
def test_after_a_power_cut_at_any_instant_the_tree_is_the_old_or_the_new_one(lab: Lab, filesystem: str, tmp_path: Path) -> None:
    """Without the sync before the first exchange files are empty; without the one before the last state it says COMMITTED too early."""
    figures, chance, started_at = Figures(filesystem, SEED), random.Random(f"{SEED} {filesystem}"), time.monotonic()
    unit = -(-CUTS // (len(FILESYSTEMS) * len(STORIES) * sum(WEIGHTS.values())))
    for story in STORIES:
        with installed(lab, filesystem, has_usr_apart=story.has_usr_apart) as images:
            cut_story(lab, story, images, {stage: unit * weight for stage, weight in WEIGHTS.items()}, chance, figures)
    figures.took_s = round(time.monotonic() - started_at, 1)
    report = tmp_path / f"power-cuts-{filesystem}.json"
    report.write_text(json.dumps(vars(figures), indent=2) + "\n")
    tally.say(str(figures), f"  {report}")
    assert not figures.wrong, "\n".join([str(figures), *figures.wrong])
    assert figures.cuts >= CUTS / len(FILESYSTEMS)
    assert figures.with_lost_cache >= figures.cuts / 3
    assert min(figures.found["old"], figures.found["new"]) >= figures.cuts / 10
    assert figures.before_recovery["mixed"] >= figures.cuts / 20, "the cuts are not where there is something to recover"


def cut_story(lab: Lab, story: Story, images: tuple[Path, ...], wanted: dict[str, int], chance: random.Random, figures: Figures) -> None:
    """Cut an upgrade and a rollback, and recoveries after some of those cuts."""
    old, new = trees_of(lab, images)
    verbs = {"upgrade": upgrade, "rollback": roll_back}
    with recorded(lab, images, verbs, noise=story.noise, seed=chance.random()) as first:
        broken = []
        for stage in filter(first.instants, wanted):
            for cut in first.choose(stage, wanted[stage], chance):
                judged = judge(lab, first, cut, old, new)
                figures.add(story, stage, cut, judged)
                broken += [cut] * {"nothing to do": 0}.get(judged.did, 9 if judged.before == "mixed" else 1)
        for _ in range(0, wanted["recover"], _LIKE_THIS_AT_ONCE):
            with (
                first.after(lab, chance.choice(broken)) as found,
                recorded(lab, found, {"recover": recover}, noise=story.noise, seed=chance.random()) as second,
            ):
                for cut in second.choose("recover", _LIKE_THIS_AT_ONCE, chance):
                    figures.add(story, "recover", cut, judge(lab, second, cut, old, new))


@pytest.mark.parametrize("filesystem", FILESYSTEMS)
def test_a_commit_without_its_syncs_would_be_torn(lab: Lab, filesystem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rig can fail: this is what `syncfs` is for."""
    with installed(lab, filesystem) as images:
        old, new = trees_of(lab, images)
        monkeypatch.setattr(kernel, "syncfs", lambda fd: None)
        with recorded(lab, images, {"upgrade": upgrade}) as recording:
            monkeypatch.undo()
            cuts = recording.every("upgrade: commit") + recording.every("upgrade: finish")
            judged = [judge(lab, recording, cut, old, new) for cut in cuts]
    assert [found for found, *_ in judged if found not in ("old", "new")], judged


@pytest.mark.parametrize("usr", [False, True], ids=["one filesystem", "/usr apart"])
@pytest.mark.parametrize("filesystem", FILESYSTEMS)
def test_no_scratch_file_of_the_preflight_outlives_a_power_cut(
    lab: Lab, filesystem: str, usr: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is removed in one directory may come back when what was removed later elsewhere does not: fsync on btrfs, or two disks."""
    exchange, forget = kernel.exchange, NodeState.forget_probes
    with installed(lab, filesystem, has_usr_apart=usr) as images:
        old, new = trees_of(lab, images)

        def exchange_and_sync(*names: str, first_dir_fd: int, second_dir_fd: int) -> None:
            exchange(*names, first_dir_fd=first_dir_fd, second_dir_fd=second_dir_fd)
            kernel.syncfs(first_dir_fd)

        def forget_durably(state: NodeState) -> None:
            forget(state)
            sync_directory(state.directory)

        monkeypatch.setattr(kernel, "exchange", exchange_and_sync)
        monkeypatch.setattr(NodeState, "forget_probes", forget_durably)
        with recorded(lab, images, {"upgrade": upgrade}) as recording:
            monkeypatch.undo()
            cuts = [cut for cut in recording.every("upgrade: scan") if cut.kept == 0]
            judged = [judge(lab, recording, cut, old, new) for cut in cuts]
    assert [found for found, *_ in judged] == ["old"] * len(cuts)
    assert "nothing to do" not in judged[-1].did, "it was cut too early"


@pytest.mark.parametrize("filesystem", FILESYSTEMS)
def test_what_a_recovery_has_done_is_on_both_disks_before_the_state_says_so(lab: Lab, filesystem: str) -> None:
    """Otherwise the staged tree of one disk is in the way of every later upgrade, or the way back is gone from there."""
    with installed(lab, filesystem, has_usr_apart=True) as images:
        old, new = trees_of(lab, images)
        with recorded(lab, images, {"upgrade": upgrade, "rollback": roll_back}) as first:
            for stage in ("upgrade: commit", "rollback: commit"):
                cuts = first.every(stage)
                with first.after(lab, cuts[len(cuts) // 2]) as broken, recorded(lab, broken, {"recover": recover}) as second:
                    judged = judge(lab, second, Cut(second.marks[-1].at, kept=0.0), old, new)
                    assert judged.found == ("old" if stage.startswith("upgrade") else "new"), f"{stage}: {judged}"


@pytest.mark.parametrize("filesystem", FILESYSTEMS)
def test_right_after_an_upgrade_the_way_back_is_known_as_it_was(lab: Lab, filesystem: str) -> None:
    """The answer: the record of the previous tree is on the disk before the journal of the commit goes."""
    with (
        installed(lab, filesystem) as images,
        recorded(lab, images, {"upgrade": upgrade}) as recording,
        recording.after(lab, Cut(recording.marks[-1].at, kept=0.0)) as copies,
        mounted(lab, copies) as disk,
    ):
        with disk.node.path(".reprov/previous/usr/bin/same").open("r+") as file:
            file.write("WROTE")
        away = lab.store.folder.rename(lab.store.folder.with_name("away"))
        try:
            ran = disk.node.run("rollback")
        finally:
            away.rename(lab.store.folder)
        assert ran.status == 4
        assert "1 files of the previous tree are not what they were: /usr/bin/same" in ran.stderr


@pytest.mark.parametrize("filesystem", FILESYSTEMS)
def test_a_release_that_changes_nothing_is_known_after_a_power_cut(lab: Lab, filesystem: str, tmp_path: Path) -> None:
    """The answer: the release's own files are on the disk before the state names it."""
    if not lab.store.release("1.0.1").exists():
        lab.store.publish(make_release(tmp_path / "again", OLD), "1.0.1")
    with installed(lab, filesystem) as images, recorded(lab, images, {"adopt": lambda disk: disk.node.install("1.0.1")}) as recording:
        cuts = recording.every("adopt")
        assert len(cuts) > 4
        for cut in cuts:
            with recording.after(lab, cut) as copies, mounted(lab, copies) as disk:
                ran = disk.node.run("verify")
                assert ran.status == 0, f"{cut}: {ran.stderr}"
                disk.node.install("1.0.1")
