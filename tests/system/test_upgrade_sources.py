"""The three kinds of source, each with the real program at the other end, and what happens when it goes away."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.system.filesystems import Filesystems
from tests.system.node import Hooks, Node, Store
from tests.system.servers import free_port, relayed, served, ssh_config, sshd
from tests.system.trees import CAP_NET_RAW, EVIL_NAMES, Tree

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("mkfs.ext4", "mount", "rsync")]

BIG_BYTES = 6 << 20


def rich_tree(folder: Path, version: str) -> Tree:
    """What a source could get wrong: names, content that compresses and not, modes that only root can read, links."""
    tree = Tree(folder, version).file("usr/lib/zeros", bytes(1 << 20) + version.encode()).file("etc/secret", version, mode=0o000)
    tree.file("usr/bin/ping", version, mode=0o755).xattr("usr/bin/ping", "security.capability", CAP_NET_RAW)
    tree.file("usr/lib/a", version).hard_link("usr/lib/b", "usr/lib/a").file("usr/lib/empty").device("opt/null", stat.S_IFCHR, (1, 3))
    for name in EVIL_NAMES:
        tree.file(f"opt/evil/{name}", f"{version} {name!a}")
    return tree


SourceOf = Callable[[Store, Filesystems, Path], AbstractContextManager[str]]


@contextmanager
def as_directory(store: Store, filesystems: Filesystems, folder: Path) -> Iterator[str]:
    yield str(store.folder)


@contextmanager
def as_daemon(store: Store, filesystems: Filesystems, folder: Path) -> Iterator[str]:
    with served(store.folder) as source:
        yield source


@contextmanager
def as_ssh(store: Store, filesystems: Filesystems, folder: Path) -> Iterator[str]:
    with sshd(folder / "sshd") as port:
        # reprov gives ssh a clean environment, and ssh its user's own home: this file, in our mount namespace, is the door left.
        filesystems.bind(ssh_config(folder / "sshd"), Path("/etc/ssh/ssh_config"))
        yield f"ssh://root@127.0.0.1:{port}{store.folder}"


@pytest.mark.needs("sshd", "ssh-keygen")
@pytest.mark.parametrize(
    "source_of",
    [pytest.param(as_directory, id="a directory"), pytest.param(as_daemon, id="rsync://"), pytest.param(as_ssh, id="ssh://")],
)
def test_an_upgrade_from_each_kind_of_source(node: Node, tmp_path: Path, filesystems: Filesystems, source_of: SourceOf) -> None:
    trees = {version: rich_tree(tmp_path / version, version) for version in ("1.0", "1.1")}
    for version, tree in trees.items():
        node.store.publish(tree, version)
    with source_of(node.store, filesystems, tmp_path) as source:
        node.install("1.0", source=source)
        assert node.differs_from(trees["1.0"].folder) == []
        node.install("1.1", source=source)
        assert node.differs_from(trees["1.1"].folder) == []
        before = node.snapshot()
        unknown = node.upgrade("9.9", source=source)
        assert (unknown.status, unknown.stderr.partition("reprov: ")[2]) == (2, f"{source} has no base 9.9\nhint: it has 1.0, 1.1\n")
        stranger = node.upgrade("1.0", role="stranger", source=source)
        assert (stranger.status, stranger.stderr.partition("reprov: ")[2]) == (
            2,
            f"{source} has no stranger 1.0\nhint: it has no release of stranger\n",
        )
    assert node.changed_since(before) == []
    assert node.leftovers() == []
    if source_of is not as_directory:
        gone = node.upgrade("1.0", source=source)
        said = gone.stderr.partition("reprov: ")[2]
        assert (gone.status, said.startswith(f"{source} cannot be reached: "), "Connection refused" in said) == (1, True, True), said
        assert ("hint: check that this works without a question: ssh " in said) is (source_of is as_ssh), said
        assert node.changed_since(before) == []


def with_big_files(folder: Path, version: str) -> Tree:
    tree = Tree(folder, version).file("usr/lib/first", version)
    for number in range(4):
        tree.file(f"usr/lib/big/{number}", (os.urandom(1 << 16) if version == "1.1" else b"old") * (BIG_BYTES >> 16))
    return tree.file("usr/lib/last", version)


@pytest.fixture
def installed(node: Node, tmp_path: Path) -> Node:
    """A node at 1.0 with 1.1 in the store, whose fetching takes a while."""
    for version in ("1.0", "1.1"):
        node.store.publish(with_big_files(tmp_path / version, version), version)
    node.install("1.0")
    return node


@pytest.mark.parametrize(
    "after_bytes", [pytest.param(BIG_BYTES // 2, id="in the first file"), pytest.param(3 * BIG_BYTES, id="in the last file")]
)
def test_a_server_that_goes_away_in_the_middle_leaves_the_node_as_it_was(installed: Node, after_bytes: int) -> None:
    before = installed.snapshot()
    with served(installed.store.folder) as source:
        with relayed(int(source.rpartition(":")[2]), breaks_after_bytes=after_bytes) as relay:
            ran = installed.upgrade("1.1", source=f"rsync://127.0.0.1:{relay.port}")
            assert relay.has_broken
        assert ran.status == 1
        assert f"reprov: rsync://127.0.0.1:{relay.port} broke off: " in ran.stderr
        assert installed.changed_since(before) == []
        assert installed.leftovers() == []
        installed.install("1.1", source=source)
    assert installed.run("verify", "--deep").status == 0


def test_a_daemon_that_is_killed_before_it_serves_content_leaves_the_node_as_it_was(installed: Node, hooks: Hooks) -> None:
    before = installed.snapshot()
    with served(installed.store.folder) as source:
        pass  # it has ended
    ran = installed.upgrade("1.1", source=source)
    assert ran.status == 1
    assert "cannot be reached" in ran.stderr
    assert installed.changed_since(before) == []
    with ExitStack() as serving:
        source = serving.enter_context(served(installed.store.folder))
        hook = hooks.at_start("fetch", serving.close)
        ran = installed.upgrade("1.1", source=source)
        assert hook.done
    assert (ran.status, "cannot be reached" in ran.stderr) == (1, True)
    assert installed.changed_since(before) == []
    assert installed.leftovers() == []


def test_nobody_at_the_address(node: Node, tmp_path: Path) -> None:
    source = f"rsync://127.0.0.1:{free_port()}"
    before = node.snapshot()
    ran = node.upgrade("1.0", source=source)
    assert (ran.status, ran.stderr.partition("reprov: ")[2].partition(": ")[0]) == (1, f"{source} cannot be reached")
    assert node.changed_since(before) == []
