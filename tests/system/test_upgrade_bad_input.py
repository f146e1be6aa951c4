"""Whatever goes wrong, the node is byte for byte what it was, nothing that was staged stays, and the next upgrade works."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.filesystems import Filesystems
from tests.system.node import PHASES, Hooks, Node
from tests.system.snapshot import difference, timeless, without
from tests.system.trees import Tree

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("mkfs.ext4", "mkfs.xfs", "mount", "rsync")]

on_every_filesystem = pytest.mark.parametrize("node", ["ext4", "xfs"], indirect=True)
FILLER = "home/filler"
NO_SPACE = ("no space left while fetching", "staging failed: no space left", "the exchange was given up: no space left")


def make_tree(folder: Path, version: str) -> Tree:
    """Something for every step of an upgrade: content to fetch, to link, to copy, to remove, directories that swap and that do not."""
    tree = Tree(folder, version).file("usr/lib/version", version).file("usr/lib/stays", "x" * 100_000).file("etc/version", version)
    tree.file("opt/vendor/tool", version).file(f"opt/only-in-{version}/f", version).file("usr/lib/fetched", version * 100_000)
    tree.directory("home").file("usr/lib/mode", "x" * 50_000, mode=0o644 if version == "1.0" else 0o600)
    return tree.file("usr/lib/a", version).hard_link("usr/lib/b", "usr/lib/a")


@pytest.fixture
def installed(node: Node, tmp_path: Path) -> Node:
    """A node at 1.0 with files of its own, and 1.1 in the store."""
    for version in ("1.0", "1.1"):
        node.store.publish(make_tree(tmp_path / version, version), version)
    node.install("1.0")
    node.write("opt/vendor/data/rows", "the node's")
    node.write("opt/vendor/x.key", "the node's")
    node.write("etc/site.d/conf", "the node's")
    node.write("etc/hostname", "node-17\n")
    return node


def error_of(stderr: str) -> str:
    """The line that says what failed, without the program's name."""
    return next(line.removeprefix("reprov: ") for line in stderr.splitlines() if line.startswith("reprov: "))


def rewrite(node: Node, name: str, content: bytes) -> None:
    """Replace a file of release 1.1 and its digest, as a hand that knows release.json would."""
    folder = node.store.release("1.1")
    fields = json.loads((folder / "release.json").read_text())
    (folder / name).write_bytes(content)
    fields["files"][name] = hashlib.sha256(content).hexdigest()
    (folder / "release.json").write_text(json.dumps(fields))


def without_lists(node: Node, prefix: str) -> None:
    folder = node.store.release("1.1")
    fields = json.loads((folder / "release.json").read_text())
    fields["files"] = {name: digest for name, digest in fields["files"].items() if not name.startswith(prefix)}
    (folder / "release.json").write_text(json.dumps(fields))


def lists(node: Node, kind: str) -> str:
    return next(f"{kind}/{file.name}" for file in (node.store.release("1.1") / kind).iterdir())


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def alter(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


MANIFEST = "manifest.mtree.gz"


@pytest.mark.parametrize(
    ("spoil", "status", "said"),
    [
        pytest.param(lambda node: without_lists(node, "excludes/"), 4, "base 1.1 comes without ownership lists", id="no exclude list"),
        pytest.param(lambda node: without_lists(node, "add-only/"), 4, "base 1.1 comes without ownership lists", id="no add-only list"),
        pytest.param(lambda node: rewrite(node, lists(node, "excludes"), b""), 2, "{list}: holds no rule", id="an empty exclude list"),
        pytest.param(
            lambda node: rewrite(node, lists(node, "excludes"), b"# nothing\n\n"),
            2,
            "{list}: holds no rule",
            id="an exclude list of comments",
        ),
        pytest.param(
            lambda node: (node.store.release("1.1") / lists(node, "excludes")).unlink(),
            4,
            "base 1.1: {list} cannot be read: No such file or directory",
            id="an exclude list that is lost",
        ),
        pytest.param(
            lambda node: cut_off(node.store.release("1.1") / MANIFEST),
            4,
            f"base 1.1: {MANIFEST} is not what was published (its digest differs from release.json)",
            id="a manifest that is cut off",
        ),
        pytest.param(
            lambda node: alter(node.store.release("1.1") / MANIFEST),
            4,
            f"base 1.1: {MANIFEST} is not what was published (its digest differs from release.json)",
            id="a manifest that was altered",
        ),
        pytest.param(
            lambda node: (node.store.release("1.1") / MANIFEST).unlink(),
            4,
            f"base 1.1: {MANIFEST} cannot be read: No such file or directory",
            id="no manifest",
        ),
        pytest.param(lambda node: rewrite(node, MANIFEST, b"no gzip"), 2, "{manifest}: not a manifest", id="a manifest that is none"),
    ],
)
def test_a_release_that_is_not_whole_is_refused(installed: Node, spoil: Callable[[Node], object], status: int, said: str) -> None:
    before = installed.snapshot()
    name = lists(installed, "excludes")
    spoil(installed)
    ran = installed.upgrade("1.1")
    candidate = installed.root / ".reprov/candidate" / MANIFEST
    assert (ran.status, error_of(ran.stderr)[: len(said.format(list=name, manifest=candidate))]) == (
        status,
        said.format(list=name, manifest=candidate),
    )
    assert installed.changed_since(before) == []
    assert installed.leftovers() == []
    assert installed.run("plan", "base", "1.1", "--from", installed.store.folder).status == status


@on_every_filesystem
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param(alter, "/usr/lib/fetched is not what the manifest says (sha256 ", id="altered"),
        pytest.param(cut_off, "/usr/lib/fetched is not what the manifest says (sha256 ", id="cut off"),
        pytest.param(lambda file: file.write_bytes(b""), "/usr/lib/fetched is not what the manifest says (sha256 ", id="emptied"),
        pytest.param(Path.unlink, "fetching from {source} failed: ", id="gone"),
    ],
)
def test_a_tree_on_the_server_that_is_not_the_manifests_is_found_out(installed: Node, spoil: Callable[[Path], object], said: str) -> None:
    before = installed.snapshot()
    file = installed.store.tree("1.1") / "usr/lib/fetched"
    content, times = file.read_bytes(), file.stat()
    spoil(file)
    if file.exists():
        os.utime(file, ns=(times.st_mtime_ns, times.st_mtime_ns))
    ran = installed.upgrade("1.1")
    expected = said.format(source=installed.store.folder)
    assert (ran.status, error_of(ran.stderr)[: len(expected)]) == (1, expected)
    assert installed.changed_since(before) == []
    assert installed.leftovers() == []
    file.write_bytes(content)
    installed.install("1.1")


def fill(node: Node) -> None:
    """Take all the space of the node's filesystem, as a log that runs wild."""
    with (node.root / FILLER).open("wb") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, 1 << 40)
        except OSError:
            for size in (1 << 20, 1 << 16, 1 << 12):
                try:
                    while True:
                        os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, size)
                except OSError:
                    continue


def use_up_inodes(node: Node) -> None:
    (node.root / FILLER).mkdir(parents=True)
    try:
        for number in range(1_000_000):
            (node.root / FILLER / str(number)).touch()
    except OSError:
        return


def make_room(node: Node) -> None:
    subprocess.run(["rm", "-rf", str(node.root / FILLER)], check=True)


def with_few_inodes(node: Node, filesystems: Filesystems) -> None:
    """The node gets another filesystem, empty and with a few hundred inodes."""
    node.root = filesystems.make("ext4", node.root.with_name("few"), mkfs=("-N", "600"))


@on_every_filesystem
@pytest.mark.parametrize("phase", ["fetch", "stage", "verify", "commit"])
def test_a_disk_that_fills_up_in_the_middle(installed: Node, hooks: Hooks, phase: str) -> None:
    before = installed.snapshot()
    hook = hooks.at_start(phase, lambda: fill(installed))
    ran = installed.upgrade("1.1")
    assert hook.done
    make_room(installed)
    assert (ran.status, error_of(ran.stderr) in NO_SPACE) == (1, True), ran.stderr
    assert difference(before, without(installed.snapshot(), FILLER)) == []
    assert installed.leftovers() == []
    installed.install("1.1")
    assert installed.run("verify", "--deep").status == 0


@pytest.mark.parametrize("phase", ["fetch", "stage", "commit"])
def test_inodes_that_run_out_in_the_middle(node: Node, tmp_path: Path, filesystems: Filesystems, hooks: Hooks, phase: str) -> None:
    with_few_inodes(node, filesystems)
    for version in ("1.0", "1.1"):
        node.store.publish(make_tree(tmp_path / version, version), version)
    node.install("1.0")
    before = node.snapshot()
    hook = hooks.at_start(phase, lambda: use_up_inodes(node))
    ran = node.upgrade("1.1")
    assert hook.done
    make_room(node)
    assert (ran.status, error_of(ran.stderr) in NO_SPACE) == (1, True), ran.stderr
    assert difference(before, without(node.snapshot(), FILLER)) == []
    assert node.leftovers() == []
    node.install("1.1")


@on_every_filesystem
def test_a_disk_that_is_full_before_a_rollback(installed: Node) -> None:
    installed.install("1.1")
    before = installed.snapshot()
    fill(installed)
    ran = installed.run("rollback")
    make_room(installed)
    assert (ran.status, error_of(ran.stderr)) == (1, "the rollback was given up: no space left")
    assert difference(before, without(installed.snapshot(), FILLER)) == []
    assert installed.leftovers() == []
    installed.rollback()


@on_every_filesystem
def test_a_disk_that_fills_up_after_the_commit_does_not_undo_it(installed: Node, tmp_path: Path, hooks: Hooks) -> None:
    """What is left is to tidy up; the next run does it."""
    before = installed.snapshot()
    hooks.at_start("finish", lambda: fill(installed))
    ran = installed.upgrade("1.1")
    if ran.status:
        assert (ran.status, ran.stderr) == (
            6,
            "reprov: base 1.1 is installed, but it could not be tidied up: No space left on device\n"
            "hint: make room; `reprov recover` finishes it\n",
        )
    make_room(installed)
    own = ("opt/vendor/data", "opt/vendor/x.key", "etc/site.d", "etc/hostname")
    assert installed.differs_from(tmp_path / "1.1", *own) == []
    assert installed.run("recover").status == 0
    assert installed.leftovers() == []
    installed.rollback()
    assert difference(timeless(before), timeless(without(installed.snapshot(), FILLER))) == []


@on_every_filesystem
def test_too_little_space_is_seen_before_a_byte_is_written(installed: Node, tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "big", "1.2").file("usr/lib/big", os.urandom(64 << 20))
    installed.store.publish(tree, "1.2")
    free = os.statvfs(installed.root)
    with installed.path(FILLER).open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - (48 << 20))
    before = installed.snapshot()
    ran = installed.upgrade("1.2")
    assert (ran.status, ran.stderr.partition("reprov: ")[2].startswith("/ has no room for the next tree: ")) == (4, True)
    assert "MiB are missing\nhint: make room" in ran.stderr
    assert installed.changed_since(before) == []
    assert installed.leftovers() == []
    make_room(installed)
    installed.install("1.2")


def test_too_few_inodes_are_seen_before_a_byte_is_written(node: Node, tmp_path: Path, filesystems: Filesystems) -> None:
    with_few_inodes(node, filesystems)
    tree = make_tree(tmp_path / "1.1", "1.1")
    for number in range(700):
        tree.file(f"usr/share/many/{number}", str(number))
    node.store.publish(make_tree(tmp_path / "1.0", "1.0"), "1.0")
    node.store.publish(tree, "1.1")
    node.install("1.0")
    before = node.snapshot()
    ran = node.upgrade("1.1")
    assert ran.status == 4
    assert error_of(ran.stderr).startswith("/ has no room for the next tree: ")
    assert "inodes are missing" in error_of(ran.stderr)
    assert node.changed_since(before) == []
    assert node.leftovers() == []


def test_a_second_upgrade_at_the_same_time_is_refused_and_told_which_is_the_first(installed: Node, hooks: Hooks) -> None:
    seconds: list[tuple[int, str]] = []

    def second() -> None:
        with installed.start_upgrade("1.1") as process:
            stderr = process.communicate(timeout=60)[1]
        seconds.append((process.returncode, stderr))

    hooks.at_start("stage", second)
    installed.install("1.1")
    first = f"another change of this node is under way: upgrade to base 1.1 (process {os.getpid()})"
    assert seconds == [(4, f"reprov: {first}\nhint: wait for it to end\n")]
    assert installed.run("verify").status == 0


KILLS = [(when, phase) for phase in PHASES for when in ("start", "end")]
BEFORE_THE_COMMIT = PHASES.index("commit")


@pytest.mark.parametrize(("when", "phase"), [pytest.param(*kill, id=f"at the {kill[0]} of {kill[1]}") for kill in KILLS])
def test_a_killed_upgrade_leaves_a_whole_tree_and_the_next_run_goes_on(installed: Node, tmp_path: Path, when: str, phase: str) -> None:
    before = installed.snapshot()
    assert installed.kill_upgrade("1.1", when, phase) == -signal.SIGKILL
    own = ("opt/vendor/data", "opt/vendor/x.key", "etc/site.d", "etc/hostname")
    if PHASES.index(phase) < BEFORE_THE_COMMIT or (phase, when) == ("commit", "start"):
        assert installed.changed_since(before) == []
    else:
        assert installed.differs_from(tmp_path / "1.1", *own) == []
    installed.install("1.1")
    assert installed.differs_from(tmp_path / "1.1", *own) == []
    assert [installed.path(name).read_text() for name in ("opt/vendor/data/rows", "opt/vendor/x.key", "etc/site.d/conf")] == [
        "the node's"
    ] * 3
    assert installed.leftovers() == []
    assert installed.run("verify", "--deep").status == 0
    installed.rollback()
    assert installed.changed_since(before, directory_times=False) == []


@pytest.mark.parametrize(
    ("when", "phase"),
    [
        pytest.param(when, phase, id=f"at the {when} of {phase}")
        for phase in ("check", "scan", "commit", "finish")
        for when in ("start", "end")
    ],
)
def test_a_killed_rollback_leaves_a_whole_tree_and_the_next_run_goes_on(installed: Node, when: str, phase: str) -> None:
    old = installed.snapshot()
    installed.install("1.1")
    new = installed.snapshot()
    assert installed.kill(["rollback", "--root", str(installed.root)], when, phase) == -signal.SIGKILL
    there = phase == "finish" or (phase, when) == ("commit", "end")
    assert installed.changed_since(old if there else new, directory_times=False) == []
    recovered = installed.run("recover")
    assert recovered.status == 0, recovered.stderr
    assert installed.changed_since(old if there else new, directory_times=False) == []
    installed.rollback()
    assert installed.changed_since(new if there else old, directory_times=False) == []
    assert installed.leftovers() == []


def test_an_interrupted_upgrade_cleans_up_and_says_so(installed: Node, hooks: Hooks) -> None:
    before = installed.snapshot()
    hooks.at_start("stage", lambda: os.kill(os.getpid(), signal.SIGTERM))
    ran = installed.upgrade("1.1")
    assert (ran.status, ran.stderr) == (128 + signal.SIGTERM, "reprov: interrupted: stopped by SIGTERM, after cleaning up\n")
    assert installed.changed_since(before) == []
    assert installed.leftovers() == []


def test_a_release_for_another_architecture_is_refused(installed: Node, tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "arm", "1.2")
    shell = bytearray((tree.folder / "usr/bin/sh").read_bytes())
    shell[18:20] = (183).to_bytes(2, "little")  # EM_AARCH64
    (tree.folder / "usr/bin/sh").write_bytes(shell)
    (tree.folder / "usr/bin/ash").unlink()
    installed.store.publish(tree, "1.2")
    before = installed.snapshot()
    ran = installed.upgrade("1.2")
    assert (ran.status, ran.stderr.partition("reprov: ")[2]) == (
        4,
        "/ is a x86_64 node, and the release is for aarch64\nhint: build the role for this architecture\n",
    )
    assert installed.changed_since(before) == []
    assert installed.leftovers() == []


def test_a_version_that_was_published_again_with_other_content_is_refused(installed: Node, tmp_path: Path) -> None:
    subprocess.run(["rm", "-r", str(installed.store.folder)], check=True)
    installed.store.publish(make_tree(tmp_path / "again", "1.0").file("etc/new", "x"), "1.0")
    before = installed.snapshot()
    ran = installed.upgrade("1.0")
    assert (ran.status, error_of(ran.stderr)) == (4, "base 1.0 on the server is not the base 1.0 that this node has")
    assert installed.changed_since(before) == []
    assert installed.leftovers() == []


@pytest.mark.parametrize(
    ("what", "status", "said"),
    [
        pytest.param("data", 4, "{root} is not the root of a node: it holds photos but no os-release", id="a directory of something else"),
        pytest.param("file", 2, "Invalid value for '--root': Directory '{root}' is a file.", id="a file"),
        pytest.param("missing", 2, "Invalid value for '--root': Directory '{root}' does not exist.", id="nothing"),
    ],
)
def test_a_root_that_is_none_is_refused(installed: Node, tmp_path: Path, what: str, status: int, said: str) -> None:
    root = tmp_path / what
    if what == "data":
        (root / "photos").mkdir(parents=True)
        (root / "photos/one.jpg").touch()
    elif what == "file":
        root.touch()
    node = Node(root, installed.store, installed.run_anywhere)
    for ran in (node.upgrade("1.1"), node.run("plan", "base", "1.1", "--from", node.store.folder), node.run("status")):
        assert (ran.status, error_of(ran.stderr)) == (status, said.format(root=root))
    if what == "data":
        assert sorted(os.listdir(root)) == ["photos"]


@pytest.mark.needs("setpriv")
def test_only_root_can_change_a_node() -> None:
    """A root that anybody may read, so that nothing but the question who asks can be in the way."""
    with tempfile.TemporaryDirectory(prefix="reprov-test-") as folder:
        root = Path(folder) / "root"
        Tree(root).done()
        Path(folder).chmod(0o755)
        for managed in (False, True):
            if managed:
                (root / ".reprov").mkdir(mode=0o700)
            words = ["upgrade", "base", "1.0", "--from", folder, "--root", str(root)]
            argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-m", "reprov", *words]
            ran = subprocess.run(argv, check=False, capture_output=True, text=True)
            assert (ran.returncode, ran.stderr) == (4, "reprov: only root can change a node\nhint: run it as root\n")
