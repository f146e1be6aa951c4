"""Removing reprov's own trees where somebody has mounted something in them: what is mounted there is not reprov's."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reprov.adapters.discard import discard
from reprov.adapters.files import opened_directory
from reprov.adapters.mounts import read_mounts
from reprov.errors import NeedsAttention
from tests.system.filesystems import Filesystems
from tests.system.node import Node
from tests.system.snapshot import difference, snapshot
from tests.system.trees import Tree

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("mkfs.ext4", "mkfs.xfs", "mount", "rsync")]

on_every_filesystem = pytest.mark.parametrize("node", ["ext4", "xfs"], indirect=True)

STAGED = ".reprov/staged"
SAID = "something is mounted on {name} below /.reprov"


def bound_folder(node: Node, filesystems: Filesystems, name: str) -> Path:
    """A directory of the same filesystem: no device number tells it from what is around it."""
    return filesystems.bind(node.path("srv/data"), node.path(f"{STAGED}/{name}"))


def bound_file(node: Node, filesystems: Filesystems, name: str) -> Path:
    node.write(f"{STAGED}/{name}")
    return filesystems.bind(node.path("srv/data/rows"), node.path(f"{STAGED}/{name}"))


def another_filesystem(node: Node, filesystems: Filesystems, name: str) -> Path:
    return filesystems.tmpfs(node.path(f"{STAGED}/{name}"))


@on_every_filesystem
@pytest.mark.parametrize(
    ("mounted", "name"),
    [
        pytest.param(bound_folder, "usr/share/data", id="a directory of the same filesystem"),
        pytest.param(bound_folder, "", id="a directory of the same filesystem on the tree itself"),
        pytest.param(bound_file, "etc/rows", id="a file of the same filesystem"),
        pytest.param(another_filesystem, "usr/share/data", id="another filesystem"),
    ],
)
def test_what_is_mounted_in_a_staged_tree_is_not_removed_with_it(
    node: Node, filesystems: Filesystems, mounted: Callable[[Node, Filesystems, str], Path], name: str
) -> None:
    node.write("srv/data/rows", "the node's")
    node.write("srv/data/more/-rf \n", "the node's")
    node.write(f"{STAGED}/usr/bin/x")
    place = mounted(node, filesystems, name)
    before = snapshot(node.path("srv"))
    with opened_directory(node.path(".reprov")) as fd:
        with pytest.raises(NeedsAttention) as raised:
            discard("staged", dir_fd=fd)
        assert raised.value.message == SAID.format(name=(name or "staged").rpartition("/")[2])
        assert difference(before, snapshot(node.path("srv"))) == []
        assert place.relative_to(node.root).as_posix() in {mount.path for mount in read_mounts(node.root)}
        filesystems.unmount(place)
        discard("staged", dir_fd=fd)
    assert difference(before, snapshot(node.path("srv"))) == []
    assert not node.path(STAGED).exists()


@pytest.mark.parametrize("words", [("upgrade", "1.1"), ("rollback",), ("recover",)], ids=" ".join)
def test_nothing_is_changed_while_something_is_mounted_in_reprovs_own_directory(
    node: Node, tmp_path: Path, filesystems: Filesystems, words: tuple[str, ...]
) -> None:
    for version in ("1.0", "1.1"):
        node.store.publish(Tree(tmp_path / version).file("usr/lib/version", version).directory("usr/share/data"), version)
    node.install("1.0")
    node.write("srv/data/rows", "the node's")
    node.install("1.1", "--stage-only")
    before = node.snapshot()
    place = filesystems.bind(node.path("srv/data"), node.path(f"{STAGED}/usr/share/data"))
    ran = node.run(*words, *(("--from", node.store.folder) if words[0] == "upgrade" else ()))
    assert (ran.status, ran.stderr) == (
        4,
        "reprov: /.reprov/staged/usr/share/data is a mount in reprov's own directory, which is emptied as a whole\n"
        "hint: unmount it, then run the command again\n",
    )
    filesystems.unmount(place)
    assert node.changed_since(before) == []
    node.install("1.1")
    assert node.path("usr/lib/version").read_text() == "1.1"
    assert node.path("srv/data/rows").read_text() == "the node's"
    assert node.leftovers() == []
