"""What an operator chose with the real update-alternatives, there and back, against the same choice on a fresh copy of the release."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from reprov.domain.release import ReleaseId
from reprov.events import NullMonitor
from reprov.workflows.publish import DEFAULT_CONCERNS, Candidate, publish
from tests.system.filesystems import Filesystems
from tests.system.node import Node, Run, Store
from tests.system.trees import RealTrees, Tree

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("update-alternatives", "mkfs.ext4", "mount", "rsync")]

OLD, NEW = "1.0", "1.1"
MAN = "/usr/share/man/man1"
NAMES = ("browser", "editor", "pager", "shell")


def type_in(root: Path, *words: str) -> str:
    """Run update-alternatives on a tree."""
    argv: tuple[str | Path, ...] = ("update-alternatives", "--root", root, "--log", "/dev/null", *words)
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def offer(tree: Tree, name: str, program: str, priority: int, *slaves: str) -> None:
    """Install a program with manual pages, and make it a candidate; `slaves` are languages of pages, "" for the usual one."""
    tree.file(f"usr/bin/{program}", program, mode=0o755)
    words = ["--install", f"/usr/bin/{name}", name, f"/usr/bin/{program}", str(priority)]
    for language in slaves:
        page = f"{program}.{language}1.gz"
        tree.file(f"{MAN[1:]}/{page}", program)
        words += ["--slave", f"{MAN}/{name}.{language}1.gz", f"{name}.{language}1.gz", f"{MAN}/{page}"]
    type_in(tree.folder, *words)


def furnish(tree: Tree, version: str) -> Tree:
    """The names of both releases: in the newer one another editor is the best, one page comes, one goes, and so do two programs."""
    tree.directory("var/lib/dpkg/alternatives").directory("etc/alternatives")
    is_new = version == NEW
    offer(tree, "editor", "nano", 40, "")
    offer(tree, "editor", "vi3", 15, "", *(("de",) if is_new else ("fr",)))
    offer(tree, "editor", "ed", -100)
    if is_new:
        offer(tree, "editor", "micro", 90, "", "fr")
    offer(tree, "pager", "less3", 77, "")
    offer(tree, "pager", "more3", 50, "")
    offer(tree, "shell", "dash3", 10)
    if not is_new:
        offer(tree, "pager", "pg", 5, "", "fr")
        offer(tree, "browser", "lynx", 50)
        offer(tree, "browser", "w3m", 40)
    tree.file(f"{MAN[1:]}/vi3.1.gz", f"vi3 of {version}")
    return tree


def published(store: Store, folder: Path, debian: RealTrees | None = None) -> dict[str, Path]:
    """Two releases in the store, of a dozen files or made of Debian's, and their trees."""
    trees = {}
    for version in (OLD, NEW):
        tree = folder / version
        if debian:
            folder.mkdir(exist_ok=True)
            subprocess.run(("cp", "-a", debian.old if version == OLD else debian.new, tree), check=True)
        furnish(Tree.over(tree) if debian else Tree(tree), version)
        publish(store.folder, None, Candidate(ReleaseId("base", version), tree, DEFAULT_CONCERNS, ()), NullMonitor())
        trees[version] = tree
    return trees


@pytest.fixture
def releases(tmp_path: Path, store: Store) -> dict[str, Path]:
    """Two small releases."""
    return published(store, tmp_path / "trees")


@pytest.fixture
def installed(node: Node, releases: dict[str, Path]) -> Node:
    """A node that has the older one."""
    node.install(OLD)
    return node


def known_in(root: Path) -> dict[str, str]:
    """Everything that update-alternatives says and has written in a tree, and where its links lead."""
    said = {f"display {name}": type_in(root, "--display", name) for name in NAMES if (root / f"var/lib/dpkg/alternatives/{name}").exists()}
    files = {str(file.relative_to(root)): file.read_text() for file in (root / "var/lib/dpkg/alternatives").iterdir()}
    links = {}
    for folder, _, names in os.walk(root):
        if ".reprov" in Path(folder).relative_to(root).parts:
            continue
        for path in (Path(folder, name) for name in names):
            if path.is_symlink() and (path.parent == root / "etc/alternatives" or str(path.readlink()).startswith("/etc/alternatives/")):
                links[str(path.relative_to(root))] = str(path.readlink())
    return said | files | links


def as_on_a_fresh(tree: Path, *choices: tuple[str, ...]) -> dict[str, str]:
    """What the same choices make of a fresh copy of a release."""
    copy = tree.parent / "fresh"
    subprocess.run(("cp", "-a", tree, copy), check=True)
    for choice in choices:
        type_in(copy, *choice)
    found = known_in(copy)
    shutil.rmtree(copy)
    return found


def planned(node: Node, version: str = NEW) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(node.run("plan", "base", version, "--from", node.store.folder, "--json").stdout)
    return answer


def drift_of(node: Node) -> list[tuple[str, str]]:
    answer = json.loads(node.run("verify", "--json").stdout)
    return [(item["path"], item["drift"]) for item in answer["drift"]]


CHOICES = {
    "none": (),
    "a candidate whose pages change": (("--set", "editor", "/usr/bin/vi3"),),
    "a candidate without slaves": (("--set", "editor", "/usr/bin/ed"),),
    "the best of the old release": (("--set", "editor", "/usr/bin/nano"),),
    "several": (("--set", "editor", "/usr/bin/vi3"), ("--set", "pager", "/usr/bin/more3"), ("--set", "shell", "/usr/bin/dash3")),
    "one that was taken back": (("--set", "editor", "/usr/bin/ed"), ("--auto", "editor")),
}


@pytest.mark.parametrize("choices", CHOICES.values(), ids=CHOICES)
def test_a_choice_lives_on_there_and_back(installed: Node, releases: dict[str, Path], choices: tuple[tuple[str, ...], ...]) -> None:
    for choice in choices:
        type_in(installed.root, *choice)
    before = known_in(installed.root)
    assert before == as_on_a_fresh(releases[OLD], *choices)
    assert drift_of(installed) == []
    for _ in range(2):
        assert planned(installed)["conflicts"] == planned(installed)["alternatives"] == []
        installed.install(NEW)
        assert known_in(installed.root) == as_on_a_fresh(releases[NEW], *choices)
        assert drift_of(installed) == []
        assert planned(installed)["counts"] == {"create": 0, "replace": 0, "metadata": 0, "delete": 0}
        installed.rollback()
        assert known_in(installed.root) == before
        assert drift_of(installed) == []


AFTERWARDS = {
    "a first one": ((), (("--set", "editor", "/usr/bin/vi3"), ("--set", "pager", "/usr/bin/more3"))),
    "another one": ((("--set", "editor", "/usr/bin/nano"),), (("--set", "editor", "/usr/bin/vi3"),)),
    "none any more": ((("--set", "editor", "/usr/bin/vi3"),), (("--auto", "editor"),)),
    "one without slaves": ((("--set", "editor", "/usr/bin/vi3"),), (("--set", "editor", "/usr/bin/ed"),)),
}


@pytest.mark.parametrize(("before", "afterwards"), AFTERWARDS.values(), ids=AFTERWARDS)
def test_a_choice_that_is_made_after_an_upgrade_comes_along_on_the_way_back(
    installed: Node, releases: dict[str, Path], before: tuple[tuple[str, ...], ...], afterwards: tuple[tuple[str, ...], ...]
) -> None:
    for choice in before:
        type_in(installed.root, *choice)
    installed.install(NEW)
    for choice in afterwards:
        type_in(installed.root, *choice)
    assert drift_of(installed) == []
    for version in (OLD, NEW, OLD):
        installed.rollback()
        assert known_in(installed.root) == as_on_a_fresh(releases[version], *before, *afterwards)
        assert drift_of(installed) == []


def test_a_choice_that_the_previous_tree_does_not_have_is_said_on_the_way_back(installed: Node, releases: dict[str, Path]) -> None:
    installed.install(NEW)
    type_in(installed.root, "--set", "editor", "/usr/bin/micro")
    said = "/usr/bin/micro, which the node has chosen for editor, is not in the release, which has /usr/bin/nano instead"
    assert said in installed.rollback().stderr
    assert known_in(installed.root) == as_on_a_fresh(releases[OLD])
    assert drift_of(installed) == []


def test_what_the_release_does_not_have_is_said_and_not_chosen(installed: Node, releases: dict[str, Path]) -> None:
    for choice in (("--set", "pager", "/usr/bin/pg"), ("--set", "browser", "/usr/bin/w3m")):
        type_in(installed.root, *choice)
    before = known_in(installed.root)
    assert drift_of(installed) == []
    plan = planned(installed)
    said = [
        ("/etc/alternatives/browser", "/usr/bin/w3m, which the node has chosen for browser, is not in the release, which has no such name"),
        (
            "/etc/alternatives/pager",
            "/usr/bin/pg, which the node has chosen for pager, is not in the release, which has /usr/bin/less3 instead",
        ),
    ]
    assert [(item["path"], item["text"]) for item in plan["alternatives"]] == said
    assert plan["conflicts"] == []
    assert f"{said[1][0]}: {said[1][1]}\n" in installed.run("plan", "base", NEW, "--from", installed.store.folder).stdout
    installed.install(NEW)
    assert known_in(installed.root) == as_on_a_fresh(releases[NEW])
    assert drift_of(installed) == []
    installed.rollback()
    assert known_in(installed.root) == before


def test_what_packages_of_the_nodes_own_have_changed_is_the_releases_again(installed: Node, releases: dict[str, Path]) -> None:
    offer(Tree.over(installed.root), "editor", "emacs", 200, "", "fr")
    installed.install(NEW)
    assert known_in(installed.root) == as_on_a_fresh(releases[NEW])


def test_a_link_that_somebody_made_by_hand_is_merged_as_any_other(installed: Node) -> None:
    link = installed.path("etc/alternatives/shell")
    link.unlink()
    link.symlink_to("/usr/local/bin/mine")
    installed.install(NEW)
    assert str(link.readlink()) == "/usr/local/bin/mine"


def test_a_choice_on_a_node_that_reprov_did_not_install_lives_on(node: Node, releases: dict[str, Path]) -> None:
    subprocess.run(("cp", "-a", f"{releases[OLD]}/.", node.root), check=True)
    choice = ("--set", "editor", "/usr/bin/vi3")
    type_in(node.root, *choice)
    node.install(NEW)
    only_here = {"etc/alternatives/browser": "/usr/bin/lynx"}  # no release ever had such a name
    assert known_in(node.root) == as_on_a_fresh(releases[NEW], choice) | only_here


def test_choices_live_on_between_two_releases_of_debian(
    filesystems: Filesystems, tmp_path: Path, store: Store, reprov: Run, debian: RealTrees
) -> None:
    releases = published(store, tmp_path / "trees", debian)
    node = Node(filesystems.make("ext4", tmp_path / "node", size_mib=1024), store, reprov)
    node.install(OLD)
    first, then = ("--set", "editor", "/usr/bin/vi3"), ("--set", "pager", "/usr/bin/more3")
    type_in(node.root, *first)
    assert drift_of(node) == []
    node.install(NEW)
    assert known_in(node.root) == as_on_a_fresh(releases[NEW], first)
    type_in(node.root, *then)
    assert drift_of(node) == []
    node.rollback()
    assert known_in(node.root) == as_on_a_fresh(releases[OLD], first, then)
    assert drift_of(node) == []
