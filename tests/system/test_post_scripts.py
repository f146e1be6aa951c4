"""The post-script of a hop: published with the later release, fetched with it, or made on a node that comes from something else."""

import json
from pathlib import Path

import pytest

from reprov.adapters.release_reader import ReleaseFiles
from reprov.domain.post_script import PostScript, Work, WorkKind
from reprov.domain.post_script_text import parse
from reprov.domain.release import ReleaseId
from reprov.domain.resolved_role import ResolvedRole
from tests.conftest import Ran
from tests.system.filesystems import Filesystems
from tests.system.node import Node, Run, Store
from tests.system.script_lab import LOGS, NEW, OLD, make_release, make_tree
from tests.system.trees import ADD_ONLY, EXCLUDE, make_library

pytestmark = [
    pytest.mark.system,
    pytest.mark.commands,
    pytest.mark.needs("mkfs.ext4", "mount", "rsync", "setpriv", "setsid", "bash", "dash"),
]


def publish(store: Store, folder: Path) -> None:
    """1.0 with a package that goes, 1.1 with one that comes; what is in every package logs."""
    lists = make_library(store.library, exclude=EXCLUDE, add_only=ADD_ONLY) / "excludes"
    (lists / "base.merge").write_text("/etc/**\n")
    same = {"stays.postinst": LOGS, "stays.triggers": "interest named\n"}
    old = {"gone.postrm": LOGS, "up.postrm": LOGS, "up.postinst": LOGS, **same}
    new = {"come.postinst": LOGS, "come.triggers": "activate named\n", "up.preinst": LOGS, "up.postinst": LOGS, **same}
    store.publish(make_release(folder / OLD, OLD, {"gone": "1", "stays": "1", "up": "1"}, old), OLD)
    store.publish(make_release(folder / NEW, NEW, {"come": "1", "stays": "1", "up": "2"}, new).file("etc/sysusers.d/x.conf"), NEW)


CALLS = [
    "gone.postrm remove",
    "up.preinst upgrade 1 2",
    "up.postrm upgrade 2",
    "come.postinst configure ",
    "up.postinst configure 1",
    "stays.postinst triggered named",
]


def test_a_release_carries_the_post_script_of_every_hop_to_it(store: Store, tmp_path: Path, reprov: Run) -> None:
    publish(store, tmp_path)
    post = ReleaseFiles.load(store.release(NEW)).post_script(ReleaseId("base", OLD))
    assert post is not None
    assert [f"{step.package}.{dict(step.environment)['DPKG_MAINTSCRIPT_NAME']} {' '.join(step.arguments)}" for step in post.steps] == CALLS
    assert Work(WorkKind.SYSUSERS, "/etc/sysusers.d/x.conf") in post.works
    assert "hops/1.0/post" in json.loads((store.release(NEW) / "release.json").read_text())["files"]
    assert reprov("releases", "--check", "--store", store.folder).status == 0
    (store.release(NEW) / "hops/1.0/post").write_text("rm -rf /\n")
    ran = reprov("releases", "--check", "--store", store.folder, "--json")
    assert ran.status != 0
    assert "hops/1.0/post" in ran.stdout


OTHER_UP = "Package: up\nStatus: install ok installed\nArchitecture: all\nVersion: 0.9\n"


@pytest.fixture
def node(node: Node) -> Node:
    """One that runs the scripts of its hops."""
    node.runs_scripts = True
    return node


def script_on(node: Node) -> PostScript:
    """What a node has kept of its last hop."""
    return parse((node.root / ".reprov/post/script").read_text(), "script")


def test_a_node_runs_the_published_one_and_fetches_no_other(store: Store, node: Node, tmp_path: Path) -> None:
    publish(store, tmp_path)
    node.install(OLD)
    text = (store.release(NEW) / "hops/1.0/post").read_text()
    for _ in range(2):  # the second time, the node has the files of the release already
        node.install(NEW)
        assert (node.root / ".reprov/post/script").read_text() == text
        assert (node.root / "var/lib/calls").read_text().splitlines() == CALLS
        assert [file.name for file in (node.root / ".reprov/releases/base/1.1/hops").rglob("*") if file.is_file()] == ["post"]
        node.rollback()
        (node.root / "var/lib/calls").unlink(missing_ok=True)


@pytest.mark.parametrize("apart", [False, True], ids=["one filesystem", "/var apart"])
def test_a_node_whose_packages_were_changed_makes_its_own(
    store: Store, node: Node, tmp_path: Path, filesystems: Filesystems, apart: bool
) -> None:
    if apart:
        filesystems.make("ext4", node.path("var"))
    publish(store, tmp_path)
    node.install(OLD)
    status = node.path("var/lib/dpkg/status")
    status.write_text(status.read_text().replace("Package: up\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n", OTHER_UP))
    node.install(NEW)
    assert script_on(node).before == ReleaseId("base", OLD)
    expected = [call.replace("upgrade 1 2", "upgrade 0.9 2").replace("configure 1", "configure 0.9") for call in CALLS]
    assert node.path("var/lib/calls").read_text().splitlines() == expected


def test_a_node_of_another_role_makes_its_own_from_both_trees(store: Store, node: Node, tmp_path: Path) -> None:
    publish(store, tmp_path)
    tree = make_release(tmp_path / "other", "1", {"stays": "1", "up": "0.9"}, {"up.postrm": LOGS})
    store.publish(tree, "1", "other")
    node.install("1", role="other")
    node.install(NEW)
    assert script_on(node).before == ReleaseId("other", "1")
    assert node.path("var/lib/calls").read_text().splitlines()[:2] == ["up.preinst upgrade 0.9 2", "up.postrm upgrade 2"]


def test_a_hop_without_changed_packages_runs_no_script(store: Store, node: Node, tmp_path: Path) -> None:
    publish(store, tmp_path)
    same = make_release(tmp_path / "same", NEW, {"come": "1", "stays": "1", "up": "2"}, {"up.postinst": LOGS}).file("usr/share/more", "x")
    store.publish(same, "1.2")
    node.install(NEW, "--no-post")
    node.install("1.2")
    assert script_on(node).steps == ()
    assert not node.path("var/lib/calls").exists()


FRAGMENT = "echo '{{ role }} {{ before }} {{ after }}' >> /var/lib/calls\n"


def publish_role(store: Store, folder: Path, fragment: str, run: Run) -> Ran:
    """Publish 1.0 of a role that was built, with a fragment."""
    if not store.library.exists():
        make_library(store.library)
    (store.library / "post-scripts").mkdir()
    (store.library / "post-scripts/50-x.sh.j2").write_text(fragment)
    role = ResolvedRole(ReleaseId("own", "1.0"), None, "debian", "bookworm", (), ("base",), ("50-x",), (), (), ())
    built = store.folder / "build/own/1.0"
    make_tree(built / "tree", "1.0").done()
    (built / "role.json").write_text(role.to_json())
    return run("publish", "own", "1.0", "--store", store.folder, "--library", store.library)


def test_a_role_brings_its_templates_for_hops_that_nobody_has_foreseen(store: Store, node: Node, tmp_path: Path, reprov: Run) -> None:
    publish(store, tmp_path)
    assert publish_role(store, tmp_path, FRAGMENT, reprov).status == 0
    node.install(OLD)
    node.install("1.0", role="own")
    assert script_on(node).steps[-1].script == "50-x"
    assert node.path("var/lib/calls").read_text().splitlines()[-1] == "own 1.0 1.0"


def test_a_mistake_in_a_template_stops_publishing(store: Store, tmp_path: Path, reprov: Run) -> None:
    ran = publish_role(store, tmp_path, "\n{{ nothing }}\n", reprov)
    assert ran.status == 2
    assert f"{store.library}/post-scripts/50-x.sh.j2:2: 'nothing' is undefined" in ran.stderr
    assert not store.release("1.0", "own").exists()
