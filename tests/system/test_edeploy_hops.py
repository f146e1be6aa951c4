"""eDeploy's pre and post on a node of reprov's: imported, published, and run on the hop that they belong to."""

import json
import shutil
from pathlib import Path

import pytest

from reprov.domain.post_script_text import parse
from tests.system.node import Node, Run, Store
from tests.system.script_lab import LOGS, make_release

pytestmark = [
    pytest.mark.system,
    pytest.mark.commands,
    pytest.mark.needs("rsync", "setpriv", "setsid", "bash", "dash"),
]
ROLE = "mysql"
OLD, NEW, NEXT = "D7-1", "D7-2", "D7-3"
EXCLUDE = "/etc/hostname\n/etc/machine-id\n/var/lib/calls\n/var/lib/edeploy/\n/var/log/\n/lost+found/\n"
ADD_ONLY = "+ /var/\n+ /var/**\n- *\n"
SAYS = '#!/bin/sh\nset -e\necho "{place} with $# arguments at $(cat /usr/share/what)" >> /var/lib/calls\n'
CALLS = [
    f"pre with 0 arguments at what {NEW} has",
    "up.postinst configure 1",
    f"post with 0 arguments at what {NEW} has",
]


class Operator:
    """Who has an eDeploy server, and a node at D7-1 that is at this point reprov's."""

    def __init__(self, folder: Path, store: Store, node: Node, run: Run) -> None:
        self.server = folder / "edeploy"
        self.node = node
        self.store = store
        self._folder = folder
        self._run = run
        node.runs_scripts = True
        store.library = folder / "site"
        hop = self.server / f"metadata/{OLD}/{ROLE}/{NEW}"
        hop.mkdir(parents=True)
        (hop / "exclude").write_text(EXCLUDE)
        (hop / "add_only").write_text(ADD_ONLY)

    def script(self, place: str, text: str) -> None:
        """Write pre or post of the hop."""
        file = self.server / f"metadata/{OLD}/{ROLE}/{NEW}/{place}"
        file.write_text(text)
        file.chmod(0o755)

    def publish(self, *versions: str) -> None:
        """Import what the server has, and publish these versions, each with another version of a package that says how it is called."""
        ran = self._run("import-edeploy", self.server, "--output", self.store.library)
        assert ran.status == 0, ran.stderr
        for version in versions:
            tree = make_release(self.tree(version), version, {"up": version.rpartition("-")[2]}, {"up.postinst": LOGS})
            self.store.publish(tree, version, ROLE, "--lists", f"edeploy-{ROLE}")

    def tree(self, version: str) -> Path:
        """Where the tree of a version is made."""
        return self._folder / "trees" / version

    def upgrade(self, version: str) -> None:
        """Upgrade the node, which must succeed."""
        self.node.install(version, role=ROLE)

    @property
    def calls(self) -> list[str]:
        """What has run on the node, and how."""
        file = self.node.path("var/lib/calls")
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def operator(tmp_path: Path, store: Store, node: Node, reprov: Run) -> Operator:
    made = Operator(tmp_path, store, node, reprov)
    made.script("pre", SAYS.format(place="pre"))
    made.script("post", SAYS.format(place="post"))
    return made


def named(node: Node) -> None:
    """What a node has of its own, and no release brings."""
    node.write("etc/hostname", "n1\n")
    node.write("etc/machine-id", "0123456789abcdef0123456789abcdef\n")


def test_pre_and_post_run_around_the_scripts_of_the_packages_on_their_hop_and_on_no_other(operator: Operator) -> None:
    operator.publish(OLD, NEW, NEXT)
    operator.upgrade(OLD)
    named(operator.node)
    assert operator.calls == []
    operator.upgrade(NEW)
    assert operator.calls == CALLS
    operator.node.path("var/lib/calls").unlink()
    operator.upgrade(NEXT)
    assert operator.calls == ["up.postinst configure 2"]


def test_a_release_carries_them_and_says_so(operator: Operator, reprov: Run) -> None:
    operator.publish(OLD, NEW)
    files = json.loads((operator.store.release(NEW, ROLE) / "release.json").read_text())["files"]
    assert [name for name in files if name.startswith("post-scripts/")] == [f"post-scripts/{OLD}/post", f"post-scripts/{OLD}/pre"]
    text = (operator.store.release(NEW, ROLE) / f"hops/{OLD}/post").read_text()
    assert [step.script for step in parse(text, "post").steps] == [f"{OLD}-to-{NEW}.pre", "up.postinst", f"{OLD}-to-{NEW}.post"]
    ran = reprov("releases", "--check", "--store", operator.store.folder)
    assert ran.status == 0, ran.stderr


def test_a_post_that_fails_takes_the_hop_back_and_is_named_with_its_line(operator: Operator) -> None:
    operator.script("post", "#!/bin/bash\nset -e\necho more > /usr/share/more\n\nls /no/such/place\n")
    operator.publish(OLD, NEW)
    operator.upgrade(OLD)
    named(operator.node)
    operator.node.write("var/lib/calls", "")
    before = operator.node.snapshot()
    ran = operator.node.upgrade(NEW, role=ROLE)
    assert ran.status == 5, ran.stderr
    reason = f"{OLD}-to-{NEW}.post failed with status 2 at line 5: ls: cannot access '/no/such/place': No such file or directory"
    assert f"reprov: {reason}; {ROLE} {OLD} is back\n" in ran.stderr
    changed = operator.node.changed_since(before, directory_times=False)
    assert [line for line in changed if "var/lib/calls" not in line] == []
    assert operator.node.leftovers() == []


def test_what_was_cut_off_after_the_scripts_goes_on_without_running_them_again(operator: Operator) -> None:
    operator.publish(OLD, NEW)
    operator.upgrade(OLD)
    named(operator.node)
    operator.node.kill(operator.node.upgrade_words(NEW, role=ROLE), "start", "native")
    assert json.loads(operator.node.run("status", "--json").stdout)["state"] == "committed"
    ran = operator.node.run("recover")
    assert ran.status == 0, ran.stderr
    assert json.loads(operator.node.run("status", "--json").stdout)["state"] == "confirmed"
    assert operator.calls == CALLS


def test_status_100_of_a_post_asks_for_a_reboot(operator: Operator) -> None:
    operator.script("post", "#!/bin/sh\nexit 100\n")
    operator.publish(OLD, NEW)
    operator.upgrade(OLD)
    named(operator.node)
    ran = operator.node.upgrade(NEW, role=ROLE)
    assert ran.status == 100, ran.stderr
    assert f"{OLD}-to-{NEW}.post asked for it" in ran.stdout


def left_by_edeploy(operator: Operator, version: str) -> None:
    """Lay the tree of D7-1 down as eDeploy has done, which says it is some version."""
    tree = make_release(operator.tree("node"), OLD, {"up": "1"}, {"up.postinst": LOGS}).done()
    shutil.copytree(tree, operator.node.root, symlinks=True, dirs_exist_ok=True)
    operator.node.write("var/lib/edeploy/conf", f"VERS={version}\nROLE={ROLE}\nRSERV=10.0.0.1\nRSERV_PORT=873\n")
    named(operator.node)


@pytest.mark.parametrize(("version", "calls"), [(OLD, CALLS), ("D7-0", CALLS[1:2])], ids=["at the version of the hop", "at another one"])
def test_a_node_that_edeploy_left_runs_what_belongs_to_its_version(operator: Operator, version: str, calls: list[str]) -> None:
    operator.publish(NEW)
    left_by_edeploy(operator, version)
    operator.upgrade(NEW)
    assert operator.calls == calls


def test_a_conf_that_says_nothing_stops_the_upgrade_before_anything_is_changed(operator: Operator) -> None:
    operator.publish(NEW)
    left_by_edeploy(operator, "")
    before = operator.node.snapshot()
    ran = operator.node.upgrade(NEW, role=ROLE)
    assert ran.status == 2
    assert ran.stderr.splitlines()[-2:] == [
        f"reprov: {operator.node.root}/var/lib/edeploy/conf: does not set VERS",
        "hint: it says which scripts of eDeploy's hops run: mend it, or remove it, and none of them does",
    ]
    assert [line for line in operator.node.changed_since(before, directory_times=False) if ".reprov" not in line] == []


def test_a_version_that_nobody_published_is_told_at_publishing(operator: Operator) -> None:
    operator.publish()
    tree = make_release(operator.tree(NEW), NEW, {"up": "2"}, {}).done()
    words = ("publish", "--tree", tree, "--role", ROLE, "--version", NEW, "--lists", f"edeploy-{ROLE}")
    ran = operator.node.run_anywhere(*words, "--store", operator.store.folder, "--library", operator.store.library)
    assert ran.status == 0, ran.stderr
    assert f"  with {OLD}-to-{NEW}.pre, {OLD}-to-{NEW}.post\n" in ran.stdout
    assert f"{ROLE} {OLD} is not in the store: {OLD}-to-{NEW}.pre and {OLD}-to-{NEW}.post can run only on a node" in ran.stderr


def test_a_tree_without_the_interpreter_is_not_published(operator: Operator) -> None:
    operator.script("post", "#!/usr/bin/python2\n")
    operator.publish()
    tree = make_release(operator.tree(NEW), NEW, {"up": "2"}, {}).done()
    words = ("publish", "--tree", tree, "--role", ROLE, "--version", NEW, "--lists", f"edeploy-{ROLE}")
    ran = operator.node.run_anywhere(*words, "--store", operator.store.folder, "--library", operator.store.library)
    assert ran.status == 2
    assert ran.stderr.splitlines()[-2] == f"reprov: post-scripts/{ROLE}/{OLD}/{NEW}/post:1: /usr/bin/python2 is not in {tree}"
    assert not operator.store.release(NEW, ROLE).exists()
