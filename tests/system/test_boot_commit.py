"""What is armed, and done by the next boot: here, the workflow that a boot runs, on a root that nothing runs from."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from reprov import events
from reprov.events import NullMonitor
from reprov.workflows.arm import arm_rollback
from reprov.workflows.boot_commit import Done, carry_out
from reprov.workflows.node import inspect_node
from reprov.workflows.pending import pending
from tests.system.node import Node, Run, Store
from tests.system.test_upgrade import on_every_filesystem_and_btrfs
from tests.system.trees import Tree

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("mkfs.ext4", "mkfs.xfs", "mount", "rsync")]

GENERATOR = "usr/lib/systemd/system-generators/systemd-system-update-generator"


def boot(node: Node, *, recover_only: bool = False) -> Done:
    """What the boot of a node does before anything of its root runs."""
    return carry_out(node.root, NullMonitor(), recover_only=recover_only)


def armed(node: Node) -> bool:
    return node.path(".reprov/armed").exists()


def state(node: Node) -> dict[str, object]:
    found: dict[str, object] = json.loads(node.run("status", "--json").stdout)
    return found


def publish(store: Store, folder: Path, version: str, change: Callable[[Tree], object] = lambda tree: None) -> Path:
    """A release of a tree whose systemd can do an offline update."""
    tree = Tree(folder / version, version).file(GENERATOR, "#!/bin/sh\n", mode=0o755)
    tree.file("etc/systemd/system/x.service").file("etc/app.conf", "one\n")
    change(tree)
    store.publish(tree, version)
    return tree.folder


@pytest.fixture
def trees(tmp_path: Path, store: Store) -> tuple[Path, Path]:
    """Two releases; the second has other content in /usr and /etc, one path more and one less."""
    old = publish(store, tmp_path, "1.0", lambda tree: tree.file("usr/lib/gone", "x"))
    new = publish(store, tmp_path, "1.1", lambda tree: tree.file("usr/lib/come/x", "y").file("etc/app.conf", "two\n"))
    return old, new


@pytest.fixture
def installed(node: Node, trees: tuple[Path, Path]) -> Node:
    """A node with the older release, and files of its own."""
    node.install("1.0")
    node.write("etc/hostname", "node-17\n")
    node.write("var/lib/data/table", "rows\n")
    return node


OWN = (".reprov", "var/lib/data", "home", "etc/hostname")


@on_every_filesystem_and_btrfs
def test_an_upgrade_is_done_by_the_boot_and_not_before(installed: Node, trees: tuple[Path, Path]) -> None:
    before = installed.snapshot()
    ran = installed.upgrade("1.1", "--commit", "boot")
    assert ran.status == 100, ran.stderr
    assert "the next boot exchanges the trees" in ran.stdout
    assert armed(installed)
    assert state(installed)["state"] == "armed"
    here = {path: entry for path, entry in installed.snapshot().items() if not path.startswith((".reprov", "system-update", "etc/systemd"))}
    assert {path: entry for path, entry in before.items() if path in here and path not in ("", "etc")}.items() <= here.items()

    assert boot(installed) is Done.EXCHANGED
    assert installed.differs_from(trees[1], *OWN) == []
    assert installed.path("etc/hostname").read_text() == "node-17\n"
    assert not armed(installed)
    assert state(installed)["state"] == "committed"
    assert installed.run("verify", "--deep").status == 0
    assert installed.leftovers() == []
    assert boot(installed) is Done.NOTHING
    installed.rollback()
    assert installed.differs_from(trees[0], *OWN) == []


def test_what_the_node_changes_of_its_own_until_the_boot_comes_along(installed: Node) -> None:
    installed.upgrade("1.1", "--commit", "boot")
    installed.write("etc/hostname", "renamed\n")
    installed.write("var/lib/data/more", "rows\n")
    assert boot(installed) is Done.EXCHANGED
    assert installed.path("etc/hostname").read_text() == "renamed\n"
    assert installed.path("var/lib/data/more").read_text() == "rows\n"
    assert installed.path("etc/app.conf").read_text() == "two\n"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda node: node.write("usr/lib/gone", "edited"), id="edited"),
        pytest.param(lambda node: node.write("usr/lib/another", "new"), id="new"),
        pytest.param(lambda node: node.path("usr/share/doc/readme").unlink(), id="removed"),
        pytest.param(lambda node: node.path("usr/share/doc/readme").chmod(0o600), id="another mode"),
        pytest.param(lambda node: node.write("etc/app.conf", "the node's\n"), id="merged"),
    ],
)
def test_a_node_that_has_changed_since_boots_as_it_is(installed: Node, change: Callable[[Node], object]) -> None:
    installed.upgrade("1.1", "--commit", "boot")
    change(installed)
    before = installed.snapshot()
    assert boot(installed) is Done.GIVEN_UP
    own = (".reprov", "system-update", "etc/systemd")
    assert [line for line in installed.changed_since(before) if not any(name in line for name in own)] == []
    assert (state(installed)["state"], state(installed)["installed"]) == ("committed", "base 1.0")
    assert "changed after the exchange was armed" in installed.run("history").stdout
    assert boot(installed) is Done.NOTHING
    assert installed.leftovers() == ["incoming", "leftover"]


def test_what_is_armed_can_be_forgotten(installed: Node) -> None:
    before = installed.snapshot()
    installed.upgrade("1.1", "--commit", "boot")
    ran = installed.run("disarm")
    assert (ran.status, ran.stdout) == (0, "nothing is to be done at the next boot any more\n"), ran.stderr
    assert boot(installed) is Done.NOTHING
    assert [line for line in installed.changed_since(before) if ".reprov" not in line] == []
    assert installed.run("disarm").stdout == "nothing is armed\n"
    assert installed.install("1.1")


def test_nothing_else_changes_a_node_until_its_boot_but_another_upgrade(installed: Node) -> None:
    installed.upgrade("1.1", "--commit", "boot")
    ran = installed.run("rollback")
    assert (ran.status, ran.stderr.splitlines()[-1]) == (4, "hint: reboot it; or forget that: `reprov disarm`")
    assert installed.run("recover").stdout == "nothing to do\n"
    assert armed(installed)
    ran = installed.install("1.1", "--commit", "live")
    assert "base 1.1 is not to be exchanged at the next boot any more" in ran.stderr
    assert not armed(installed)
    assert boot(installed) is Done.NOTHING


@on_every_filesystem_and_btrfs
def test_a_rollback_is_done_by_the_boot(installed: Node, trees: tuple[Path, Path]) -> None:
    installed.install("1.1")
    installed.write("etc/hostname", "renamed\n")
    ran = installed.run("rollback", "--commit", "boot")
    assert ran.status == 100, ran.stderr
    assert installed.differs_from(trees[1], *OWN, "system-update", "etc/systemd") == []
    installed.write("etc/hostname", "once more\n")
    assert boot(installed) is Done.EXCHANGED
    assert installed.differs_from(trees[0], *OWN) == []
    assert installed.path("etc/hostname").read_text() == "once more\n"
    assert (state(installed)["state"], state(installed)["installed"]) == ("rolled-back", "base 1.0")
    assert boot(installed) is Done.NOTHING


@pytest.mark.parametrize("phase", ["scan", "commit", "finish"])
@pytest.mark.parametrize("when", ["start", "end"])
def test_a_power_cut_at_that_boot_leaves_one_of_the_two(
    installed: Node, trees: tuple[Path, Path], when: str, phase: str, killed_boot: Callable[[Node, str, str], None]
) -> None:
    installed.upgrade("1.1", "--commit", "boot")
    killed_boot(installed, when, phase)
    boot(installed)
    version = state(installed)["installed"]
    assert installed.differs_from(trees[0] if version == "base 1.0" else trees[1], *OWN) == []
    assert boot(installed) is Done.NOTHING
    assert installed.run("verify", "--deep").status == 0
    assert not armed(installed)
    if version == "base 1.0":
        installed.install("1.1")
    assert installed.leftovers() == []


@pytest.fixture
def killed_boot() -> Callable[[Node, str, str], None]:
    """Runs the boot of a node in a process that is killed when a phase starts or ends."""

    def run(node: Node, when: str, phase: str) -> None:
        wanted = {"start": events.PhaseStarted, "end": events.PhaseEnded}[when]

        class Killer:
            def emit(self, event: events.Event) -> None:
                if isinstance(event, wanted) and getattr(event, "phase", "") == phase:
                    os.kill(os.getpid(), signal.SIGKILL)

        child = os.fork()
        if child == 0:
            try:
                carry_out(node.root, Killer())
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "there was no such phase"

    return run


def test_what_cannot_be_read_is_forgotten(installed: Node) -> None:
    installed.upgrade("1.1", "--commit", "boot")
    installed.path(".reprov/armed").write_text("{")
    assert boot(installed) is Done.NOTHING
    assert state(installed)["state"] == "committed"
    assert not armed(installed)


def test_only_an_interrupted_change_is_brought_to_rest_when_no_more_is_wanted(installed: Node) -> None:
    installed.upgrade("1.1", "--commit", "boot")
    assert boot(installed, recover_only=True) is Done.NOTHING
    assert armed(installed)


def test_a_node_that_cannot_do_it_at_boot_is_refused(node: Node, store: Store, tmp_path: Path, reprov: Run) -> None:
    for version in ("1.0", "1.1"):
        store.publish(Tree(tmp_path / version, version), version)
    node.install("1.0")
    before = node.snapshot()
    ran = node.upgrade("1.1", "--commit", "boot")
    assert ran.status == 4
    assert "nothing can exchange trees at boot here" in ran.stderr
    assert node.changed_since(before) == []


def test_a_way_back_that_a_boot_cannot_go_is_not_tried_for_ever(installed: Node) -> None:
    """The phase after the commit would arm it again, and reboot the node, at every boot."""
    installed.runs_scripts = True
    for name in ("proc", "sys", "dev", "run", "tmp"):
        installed.path(name).mkdir(exist_ok=True)
    ran = installed.upgrade("1.1", "--commit", "boot")
    assert ran.status == 100, ran.stderr
    assert boot(installed) is Done.EXCHANGED
    opened = inspect_node(installed.root)
    assert pending(opened) is not None
    arm_rollback(opened, ("a check failed",), note="a check failed")
    damaged = next(installed.path(".reprov/previous/usr/lib").glob("gone"))
    damaged.write_text("written through")
    installed.store.folder.rename(installed.store.folder.with_name("away"))
    assert boot(installed) is Done.GIVEN_UP
    assert pending(inspect_node(installed.root)) is None
    assert "could not be done at the boot: 1 files of the previous tree are not what they were" in installed.run("status").stdout
    assert boot(installed) is Done.NOTHING
