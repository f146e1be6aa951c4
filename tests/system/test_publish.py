"""Publishing as root: owners, capabilities, devices; what a second version costs; killed in the middle; two at a time."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from reprov.adapters.files import scan_tree
from reprov.adapters.store import Store
from reprov.domain.entry import Kind
from reprov.domain.manifest import Manifest
from reprov.domain.release import ReleaseId
from reprov.domain.resolved_role import ResolvedRole
from tests.small_root import MTIME_NS, make_library, make_root, settle

pytestmark = [pytest.mark.system, pytest.mark.commands]

FILES, FILE_BYTES = 300, 40_000
KILL_AT_RENAME = """\
import os, signal, sys
from pathlib import Path
from reprov.cli.main import main
left, target = int(sys.argv.pop(1)), sys.argv.pop(1)
really = Path.rename
def rename(self, to):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return really(self, to)
Path.rename = rename
sys.exit(main())
"""
KILL_IN_PHASE = """\
import os, signal, sys
from reprov import events
from reprov.cli.main import main
name, when = sys.argv.pop(1), sys.argv.pop(1)
wanted = events.PhaseStarted if when == "start" else events.PhaseEnded
class Killer:
    def emit(self, event):
        if isinstance(event, wanted) and event.phase == name:
            os.kill(os.getpid(), signal.SIGKILL)
from reprov.cli import monitors
monitors._monitor_for_people = lambda stack: Killer()
sys.exit(main())
"""


class Site(NamedTuple):
    """Where a test works."""

    folder: Path
    store: Path
    library: Path

    def words(self, tree: Path, version: str) -> list[str]:
        named = ["publish", "--tree", str(tree), "--role", "base", "--version", version, "--lists", "base"]
        return [*named, "--store", str(self.store), "--library", str(self.library)]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """An empty store and a library."""
    return Site(tmp_path, tmp_path / "store", make_library(tmp_path / "library"))


def make_large(folder: Path, version: int) -> Path:
    """A root of 12 MB in 300 files; another version has other content in ten of them."""
    data = folder / "usr/share/data"
    data.mkdir(parents=True)
    for number in range(FILES):
        said = f"{number} {version if number < 10 else 0} ".encode()
        (data / str(number)).write_bytes((said * (FILE_BYTES // len(said) + 1))[:FILE_BYTES])
    return make_root(folder, dash=f"0.{version}")


def disk_bytes(folder: Path) -> tuple[int, int]:
    """Disk blocks of files and of directories, each inode once."""
    seen: set[int] = set()
    files, directories = 0, 0
    for path in (folder, *folder.rglob("*")):
        status = path.lstat()
        if status.st_ino not in seen:
            seen.add(status.st_ino)
            if path.is_dir() and not path.is_symlink():
                directories += status.st_blocks * 512
            else:
                files += status.st_blocks * 512
    return files, directories


def run_python(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script, *words], check=False, capture_output=True, text=True, timeout=120)


def test_everything_that_only_root_can_make_arrives(site: Site, reprov: Callable[..., Any]) -> None:
    tree = make_root(site.folder / "tree")
    (tree / "usr/bin/setuid").write_bytes(b"x")
    os.chown(tree / "usr/bin/setuid", 0, 42)
    (tree / "usr/bin/setuid").chmod(0o4755)
    (tree / "usr/bin/ping").write_bytes(b"ping")
    capability = bytes.fromhex("0100000200200000000000000000000000000000")
    os.setxattr(tree / "usr/bin/ping", "security.capability", capability)
    os.setxattr(tree / "etc", "user.note", b"\x00\xff")
    os.mknod(tree / "null", 0o020666, os.makedev(1, 3))
    os.mkfifo(tree / "fifo")
    (tree / "usr/foreign").mkdir(mode=0o1770)
    os.chown(tree / "usr/foreign", 64045, 64045)
    os.chown(tree / "bin", 64045, 0, follow_symlinks=False)
    settle(tree)
    before = scan_tree(tree)
    assert reprov(*site.words(tree, "1.0")).status == 0
    store = Store.opened(site.store)
    sealed = scan_tree(store.tree(ReleaseId("base", "1.0")))
    assert store.manifest(ReleaseId("base", "1.0")) == before == scan_tree(tree)
    assert ungrouped(sealed) == ungrouped(before)
    assert dict(sealed.entries["usr/bin/ping"].xattrs)["security.capability"] == capability
    assert (sealed.entries["usr/bin/setuid"].mode, sealed.entries["usr/bin/setuid"].gid) == (0o4755, 42)
    assert (sealed.entries["null"].kind, sealed.entries["null"].device) == (Kind.CHAR, (1, 3))
    assert reprov("releases", "--check", "--store", site.store).status == 0


def ungrouped(manifest: Manifest) -> list[object]:
    """Twins share an inode in the store, which is no link group."""
    return [entry._replace(link_group=0) for entry in manifest.entries.values()]


def test_the_second_version_costs_what_changed(site: Site, reprov: Callable[..., Any]) -> None:
    assert reprov(*site.words(make_large(site.folder / "old", 1), "1.0")).status == 0
    before, directories_before = disk_bytes(site.store)
    assert reprov(*site.words(make_large(site.folder / "new", 2), "1.1")).status == 0
    after, directories_after = disk_bytes(site.store)
    changed = json.loads(reprov("diff", "base", "1.0", "1.1", "--json", "--store", site.store).stdout)["fetch_bytes"]
    beside = sum(path.stat().st_blocks * 512 for path in (site.store / "releases/base/1.1").rglob("*") if path.is_file())
    assert changed > 10 * FILE_BYTES
    # Small files round up to blocks: the four changed ones of a few bytes cost 16 kB.
    assert after - before - beside <= (changed + 4 * 4096) * 1.05
    assert directories_after - directories_before < 350_000


@pytest.mark.parametrize(
    ("script", "first", "second"),
    [
        pytest.param(KILL_IN_PHASE, "scan", "start", id="before the scan"),
        pytest.param(KILL_IN_PHASE, "scan", "end", id="after the scan"),
        pytest.param(KILL_IN_PHASE, "place", "start", id="before anything is laid down"),
        pytest.param(KILL_IN_PHASE, "place", "end", id="with the whole tree laid down"),
        pytest.param(KILL_IN_PHASE, "hops", "end", id="before the release is written"),
        pytest.param(KILL_IN_PHASE, "seal", "start", id="with the release written"),
        pytest.param(KILL_AT_RENAME, "0", "-", id="with everything on the disk"),
        pytest.param(KILL_AT_RENAME, "1", "-", id="with the tree under its name and no release"),
    ],
)
def test_a_killed_publish_shows_nothing_and_the_next_one_works(
    site: Site, reprov: Callable[..., Any], script: str, first: str, second: str
) -> None:
    assert reprov(*site.words(make_root(site.folder / "old"), "1.0")).status == 0
    tree = make_root(site.folder / "new", dash="0.6")
    before = scan_tree(tree)
    killed = run_python(script, first, second, *site.words(tree, "1.1"))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert [str(release) for release in Store.opened(site.store).ids()] == ["base 1.0"]
    assert reprov("releases", "--check", "--store", site.store).status == 0
    again = reprov(*site.words(tree, "1.1"))
    assert again.status == 0, again.stderr
    assert scan_tree(tree) == before
    assert Store.opened(site.store).leftovers() == ()
    assert reprov("releases", "--check", "--store", site.store).status == 0


def test_publish_killed_at_random_instants_shows_all_or_nothing(site: Site, reprov: Callable[..., Any]) -> None:
    tree = make_large(site.folder / "tree", 1)
    words = [sys.executable, "-m", "reprov", *site.words(tree, "1.0")]
    outcomes = set()
    for number in range(12):
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(0.15 + number * 0.05)
            process.kill()
        published = (site.store / "releases").is_dir() and Store.opened(site.store).has(ReleaseId("base", "1.0"))
        outcomes.add(published)
        if published:
            break
    if not published:
        assert reprov(*site.words(tree, "1.0")).status == 0
    assert False in outcomes
    assert reprov("releases", "--check", "--store", site.store).status == 0
    assert Store.opened(site.store).manifest(ReleaseId("base", "1.0")) == scan_tree(tree)


def test_a_built_tree_survives_a_killed_publish(site: Site, reprov: Callable[..., Any]) -> None:
    folder = site.store / "build/base/1.0"
    make_root(folder / "tree")
    role = ResolvedRole(ReleaseId("base", "1.0"), None, "debian", "bookworm", (), ("base",), (), (), (), ())
    (folder / "role.json").write_text(role.to_json())
    before = scan_tree(folder / "tree")
    words = ["publish", "base", "1.0", "--store", str(site.store), "--library", str(site.library)]
    assert run_python(KILL_AT_RENAME, "1", "-", *words).returncode == -signal.SIGKILL
    assert scan_tree(folder / "tree") == before
    assert reprov(*words).status == 0
    assert not folder.exists()
    assert reprov("releases", "--check", "--store", site.store).status == 0


@pytest.mark.parametrize("renames", [pytest.param("0", id="before anything"), pytest.param("1", id="when the release is out of sight")])
def test_a_killed_prune_is_finished_by_the_next_one(site: Site, reprov: Callable[..., Any], renames: str) -> None:
    for version in ("1.0", "1.1"):
        assert reprov(*site.words(make_root(site.folder / version, dash=version), version)).status == 0
    words = ["prune", "--keep", "1", "--yes", "--store", str(site.store)]
    assert run_python(KILL_AT_RENAME, renames, "-", *words).returncode == -signal.SIGKILL
    assert reprov("releases", "--check", "--store", site.store).status == 0
    assert reprov(*words).status == 0
    assert [str(release) for release in Store.opened(site.store).ids()] == ["base 1.1"]
    assert [path.name for path in (site.store / "trees").rglob("*") if path.parent.parent == site.store / "trees"] == ["1.1"]
    assert reprov("releases", "--check", "--store", site.store).status == 0


def test_two_at_a_time_both_succeed_one_after_the_other(site: Site, reprov: Callable[..., Any]) -> None:
    trees = [make_large(site.folder / str(number), number) for number in range(3)]
    words = [[sys.executable, "-m", "reprov", *site.words(tree, f"1.{number}")] for number, tree in enumerate(trees)]
    running = [subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for argv in words]
    said = [process.communicate(timeout=120)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert any(f"note: waiting for another publish or prune of {site.store}" in text for text in said)
    assert sorted(release.serial for release in Store.opened(site.store).releases()) == [1, 2, 3]
    assert reprov("releases", "--check", "--store", site.store).status == 0


@pytest.mark.needs("mkfs.xfs", "mount")
def test_a_filesystem_that_shares_blocks_stores_a_content_once(site: Site, reprov: Callable[..., Any]) -> None:
    with xfs(site.folder) as mounted:
        there = site._replace(store=mounted / "store")
        tree = make_large(mounted / "tree", 1)
        before = free_bytes(mounted)
        assert reprov(*there.words(tree, "1.0")).status == 0
        assert before - free_bytes(mounted) < FILES * FILE_BYTES // 4
        assert reprov("releases", "--check", "--store", there.store).status == 0
        assert ungrouped(scan_tree(there.store / "trees/base/1.0")) == ungrouped(scan_tree(tree))
        elsewhere = make_large(site.folder / "touched", 1)
        (elsewhere / "usr/share/new").write_bytes(os.urandom(FILE_BYTES))
        for number in range(FILES):
            os.utime(elsewhere / "usr/share/data" / str(number), ns=(0, number))
        before = free_bytes(mounted)
        answer = reprov(*there.words(elsewhere, "1.1"), "--json")
        assert json.loads(answer.stdout)["new_bytes"] == FILE_BYTES
        assert before - free_bytes(mounted) < FILES * FILE_BYTES // 4
        assert ungrouped(scan_tree(there.store / "trees/base/1.1")) == ungrouped(scan_tree(elsewhere))


@pytest.mark.needs("mkfs.xfs", "mount")
def test_access_lists_are_the_same_on_ext4_and_xfs(site: Site, reprov: Callable[..., Any]) -> None:
    """XFS shows each list a second time, as trusted.SGI_ACL_FILE and _DEFAULT, which are no attributes of the tree."""
    tree = make_root(site.folder / "tree")
    readable_by_adm = bytes.fromhex("02000000 01000700ffffffff 04000500ffffffff 0800050004000000 10000500ffffffff 20000500ffffffff")
    for name in ("system.posix_acl_access", "system.posix_acl_default"):
        os.setxattr(tree / "etc", name, readable_by_adm)
    with xfs(site.folder) as mounted:
        there = site._replace(store=mounted / "store")
        assert reprov(*there.words(tree, "1.0")).status == 0
        assert dict(scan_tree(there.store / "trees/base/1.0").entries["etc"].xattrs) == {
            "system.posix_acl_access": readable_by_adm,
            "system.posix_acl_default": readable_by_adm,
        }
        assert reprov("releases", "--check", "--store", there.store).status == 0


@contextmanager
def xfs(folder: Path) -> Iterator[Path]:
    """An empty XFS, mounted inside the block."""
    image, mounted = folder / "xfs.img", folder / "xfs"
    with image.open("wb") as file:
        file.truncate(400 << 20)
    subprocess.run(["mkfs.xfs", "-q", str(image)], check=True)
    mounted.mkdir()
    subprocess.run(["mount", "-o", "loop", str(image), str(mounted)], check=True)
    try:
        yield mounted
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


def free_bytes(mounted: Path) -> int:
    subprocess.run(["sync", "-f", str(mounted)], check=True)
    found = os.statvfs(mounted)
    return found.f_bavail * found.f_frsize


def test_something_mounted_in_the_tree_is_refused(site: Site, reprov: Callable[..., Any]) -> None:
    tree = make_root(site.folder / "tree")
    (tree / "usr/mnt").mkdir()
    subprocess.run(["mount", "--bind", str(tree / "usr/share"), str(tree / "usr/mnt")], check=True)
    try:
        answer = reprov(*site.words(tree, "1.0"))
    finally:
        subprocess.run(["umount", str(tree / "usr/mnt")], check=True)
    assert (answer.status, answer.stderr) == (4, f"reprov: {tree}: something is mounted on /usr/mnt\nhint: unmount it first\n")
    assert not site.store.exists()


def test_times_are_kept_to_the_nanosecond(site: Site, reprov: Callable[..., Any]) -> None:
    assert reprov(*site.words(make_root(site.folder / "tree"), "1.0")).status == 0
    sealed = site.store / "trees/base/1.0"
    assert {path.lstat().st_mtime_ns for path in (sealed, *sealed.rglob("*"))} == {MTIME_NS}
