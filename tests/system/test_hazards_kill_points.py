"""Every point at which a process may be killed during a commit, a rollback or a recovery: afterwards it is the old node or the new one.

A point lies before each call that changes a file, as the kernel counts them, and at the end; what is after one call is before
the next. At each the disks are put aside as a process leaves them that is killed there, and recovered as another node.
The nodes have units that swap whole and single files that come, change and go, on two filesystems; files of the node's that are
linked along, carried, rebuilt in /etc and not moved at all; and files that follow accounts to other ids.
"""

import signal
import subprocess
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from reprov.errors import ExitCode
from reprov.events import NullMonitor
from reprov.workflows.boot_commit import Done, carry_out
from tests.conftest import Ran
from tests.system import tally
from tests.system.hazard_lab import NEW, OLD, open_lab
from tests.system.kill_lab import Cut, Found, Hop, Images, KillLab, command, furnish_mixed, giving_up, publish_mixed
from tests.system.kill_points import IS_TRACEABLE, count_from_here
from tests.system.node import Node
from tests.system.snapshot import Snapshot, difference, timeless

pytestmark = [
    pytest.mark.system,
    pytest.mark.commands,
    pytest.mark.needs("mkfs.ext4", "mkfs.xfs", "mount", "rsync"),
    pytest.mark.skipif(not IS_TRACEABLE, reason="knows the numbers of system calls of x86-64 only"),
]

BOOT_APART = {"": "ext4", "boot": "xfs"}
USR_APART = {"": "xfs", "usr": "ext4"}
ONE_DISK = {"": "ext4"}
LAYOUTS = pytest.mark.parametrize("layout", [BOOT_APART, USR_APART], ids=["/boot on a disk of its own", "/usr on a disk of its own"])
VERBS = pytest.mark.parametrize("verb", ["upgrade", "rollback"])

LEAST_POINTS = 150
"""Of each verb on each node: what an empty enumeration could not reach."""
GOES_ON_EVERY = 25
KILLED_EVERY = 40
RECOVERIES_AT = {"upgrade": (0.6, 0.9), "rollback": (0.2, 0.6, 0.9)}
"""Of which points the recoveries are cut off at each of their own: with all exchanged, after the seal, and before the journal."""

Hops = Callable[[dict[str, str], str], tuple[KillLab, Hop]]


@pytest.fixture(scope="module")
def hops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hops]:
    """A verb on a node with these filesystems, cut off at every point; done once, when it is asked for. All disks are in memory."""
    folder = tmp_path_factory.mktemp("memory")
    subprocess.run(("mount", "-t", "tmpfs", "none", folder), check=True)
    try:
        with open_lab(folder, publish_mixed, furnish_mixed) as lab:

            @cache
            def cut_off(layout: tuple[tuple[str, str], ...], verb: str) -> tuple[KillLab, Hop]:
                kills = KillLab(lab, dict(layout))
                return kills, {"upgrade": _upgrade, "rollback": _rollback, "boot": _boot}[verb](kills)

            yield lambda layout, verb: cut_off(tuple(layout.items()), verb)
    finally:
        subprocess.run(("umount", folder), check=True)


def _upgrade(kills: KillLab) -> Hop:
    """From the first release to the second. Where /usr is apart, there is a previous tree by then, which has to go."""
    words = _words(kills)
    images = kills.blank()
    with kills.mounted(images) as node:
        node.install(OLD)
        furnish_mixed(node)
        if kills.layout == USR_APART:
            node.install(NEW, "--apply-chown")
            node.rollback()
    return _hop(kills, images, "upgrade", *words, counted_from="commit", given_up=(_staged_only(kills, images),))


def _rollback(kills: KillLab) -> Hop:
    images = kills.blank()
    with kills.mounted(images) as node:
        node.install(OLD)
        furnish_mixed(node)
        node.install(NEW, "--apply-chown")
    return _hop(kills, images, "rollback", counted_from="", given_up=())


def _hop(kills: KillLab, images: Images, *words: object, counted_from: str, given_up: tuple[Snapshot, ...]) -> Hop:
    with kills.copy(images) as node:
        old = kills.look(node)
        with giving_up():
            assert node.run(*map(str, words)).status == ExitCode.FAILED
        given_up = (*given_up, kills.look(node).own)
    return kills.hop(str(words[0]), images, command(*words), command(*words, counted_from=counted_from), old, given_up)


def _boot(kills: KillLab) -> Hop:
    """An upgrade is armed, and the next boot carries it out."""
    images = kills.blank()
    with kills.mounted(images) as node:
        node.install(OLD)
        furnish_mixed(node)
        ran = node.run("upgrade", *_words(kills), "--commit", "boot")
        assert ran.status == ExitCode.REBOOT_WANTED, ran
    with kills.copy(images) as node:
        assert node.run("disarm").status == 0
        old = kills.look(node)
    with kills.copy(images) as node, giving_up():
        assert carry_out(node.root, NullMonitor()) is Done.GIVEN_UP
        given_up = kills.look(node).own

    def counted(node: Node) -> int:
        count_from_here()
        return boot(node).status

    return kills.hop("boot", images, lambda node: boot(node).status, counted, old, (given_up,))


def _words(kills: KillLab) -> tuple[object, ...]:
    return "base", NEW, "--from", kills.lab.store.folder, "--no-post", "--apply-chown"


def _staged_only(kills: KillLab, images: Images) -> Snapshot:
    """What a run leaves that ends when all is staged."""
    with kills.copy(images) as node:
        assert node.run("upgrade", *_words(kills), "--stage-only").status == 0
        assert node.run("recover").status == 0
        return kills.look(node).own


def recover(node: Node) -> Ran:
    return node.run("recover")


def boot(node: Node) -> Ran:
    """What a boot does before anything of the node's root runs."""
    carry_out(node.root, NullMonitor())
    return Ran(0, "", "")


def problems_of(found: list[Found]) -> list[str]:
    return [problem for one in found for problem in one.problems]


@LAYOUTS
@VERBS
def test_after_a_kill_at_every_point_the_node_is_the_old_or_the_new_one(hops: Hops, layout: dict[str, str], verb: str) -> None:
    """With nothing left to recover; and now and then the verb is done again, which must go well."""
    kills, hop = hops(layout, verb)
    found = [kills.judge(cut, hop, recover, goes_on=number % GOES_ON_EVERY == 0) for number, cut in enumerate(hop.cuts)]
    counts = tally.tell(f"kill points of {verb}, {'/boot' if layout == BOOT_APART else '/usr'} apart", (one.outcome for one in found))
    assert problems_of(found) == []
    assert counts.total() > LEAST_POINTS
    outcomes = [one.outcome for one in found]
    assert set(outcomes) == {"old", "new"}
    assert outcomes == sorted(outcomes, reverse=True), "a later kill went back further than an earlier one"


@VERBS
def test_after_a_kill_at_every_point_of_a_recovery_the_next_one_takes_it_up(hops: Hops, verb: str) -> None:
    kills, hop = hops(BOOT_APART, verb)
    found: list[Found] = []
    for cut in [hop.cuts[int(len(hop.cuts) * share)] for share in RECOVERIES_AT[verb]]:
        images = kills.clone(cut.images)
        inner = kills.cuts(images, command("recover", counted_from=""))
        found += [kills.judge(Cut(f"{cut.when}, recovery {at.when}", at.images), hop, recover) for at in inner]
    counts = tally.tell(f"kill points of {len(RECOVERIES_AT[verb])} recoveries from an interrupted {verb}", (one.outcome for one in found))
    assert problems_of(found) == []
    assert counts.total() > LEAST_POINTS
    assert set(counts) == {"old", "new"}


@VERBS
def test_a_process_that_is_killed_leaves_what_was_put_aside(hops: Hops, verb: str) -> None:
    """At some of the points it is really killed: the disks are the same, and so is what comes of them."""
    kills, hop = hops(BOOT_APART, verb)
    for number in range(1, len(hop.cuts), KILLED_EVERY):
        images = kills.clone(hop.images)
        assert kills.killed(images, hop.counted, number) == -signal.SIGKILL
        cut = hop.cuts[number - 1]
        with kills.copy(images) as node:
            killed = kills.look(node)
        with kills.copy(cut.images) as node:
            put_aside = kills.look(node)
        assert difference(timeless(put_aside.tree), timeless(killed.tree)) == [], cut.when
        assert difference(put_aside.own, killed.own) == [], cut.when
        assert problems_of([kills.judge(Cut(f"killed {cut.when}", images), hop, recover)]) == []


@pytest.mark.parametrize(
    "call, left_out",
    [
        ("renameat2", None),
        ("fchownat", "reprov.workflows.commit.move_owners"),
        ("utimensat", "reprov.workflows.commit.set_directories"),
        ("lremovexattr", "reprov.adapters.exchange.clear_marks"),
        ("lremovexattr", "reprov.adapters.kept.release_old_side"),
        ("write", "reprov.adapters.node_state.NodeState.clear_unwritten"),
    ],
)
def test_a_recovery_that_leaves_something_out_is_found_out(hops: Hops, call: str, left_out: str | None) -> None:
    """That the other tests can fail: None leaves out all of it."""
    kills, hop = hops(BOOT_APART, "upgrade")

    def half_recovered(node: Node) -> Ran:
        if left_out is None:
            return Ran(0, "", "")
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(left_out, lambda *arguments, **options: None)
            return node.run("recover")

    found = [kills.judge(cut, hop, half_recovered) for cut in hop.cuts if cut.when.endswith(f", {call}")]
    assert any(one.problems for one in found)
    assert left_out or any(one.outcome == "mixed" for one in found)


def test_after_a_kill_at_every_point_of_a_commit_at_boot_the_next_boot_has_the_old_or_the_new_node(hops: Hops) -> None:
    """Before the commit has begun it does it, afterwards it undoes or finishes what the one before has begun."""
    kills, hop = hops(ONE_DISK, "boot")
    found = [kills.judge(cut, hop, boot) for cut in hop.cuts]
    counts = tally.tell("kill points of a commit at boot", (one.outcome for one in found))
    assert problems_of(found) == []
    assert counts.total() > LEAST_POINTS
    assert set(counts) == {"old", "new"}
