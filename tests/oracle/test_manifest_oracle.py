"""Manifests mean to mtree(8) and bsdtar what they mean to reprov: both accept the tree, and miss no change of it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprov.adapters.files import scan_tree
from reprov.domain.manifest import Manifest

pytestmark = [pytest.mark.commands, pytest.mark.needs("mtree", "bsdtar")]

EVIL_NAMES = [
    b"-rf", b"a b", b" ", b"new\nline", b"tab\t", b"\xff\xfe", "grün".encode(), b"*", b"?", b"[x]", b"[", b"back\\slash", b"\\012", b"\\",
    b"#x", b"#mtree", b"/set"[1:], b"a=b", b"...", b"..a", b"~", b"$HOME", b"'", b'"', b"\x1b[2J", b"\x7f", b"!", b"x" * 200,
]  # fmt: skip


# mtree(8) takes a name with one of these for a pattern, escaped or not: it rejects what `mtree -c` wrote of such a tree.
GLOBS = frozenset(b"*?[")
NO_GLOBS = [name for name in EVIL_NAMES if not GLOBS & set(name)]


def make_tree(root: Path, names: list[bytes]) -> None:
    """A tree with every kind of path that an ordinary user can make, below and with every evil name."""
    top = os.fsencode(root)
    for name in names:
        directory = top + b"/" + name
        os.mkdir(directory)  # noqa: PTH102 - a name of bytes
        write(directory + b"/" + name, name)
        os.symlink(b"../" + name, directory + b"/link " + name[:40])  # noqa: PTH211 - a name of bytes
        os.link(directory + b"/" + name, top + b"/linked " + name[:40])
    os.mkfifo(top + b"/fifo")
    write(top + b"/empty", b"")
    write(top + b"/setuid", b"x", 0o4755)
    os.symlink(b"no where\n\xff", top + b"/dangling")  # noqa: PTH211 - a name of bytes
    os.utime(top + b"/empty", ns=(0, 123_456_789_987_654_321))


def write(path: bytes, content: bytes, mode: int = 0o640) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    os.write(fd, content)
    os.fchmod(fd, mode)
    os.close(fd)


def mtree(root: Path, manifest: Manifest) -> tuple[int, bytes]:
    """What mtree says of the tree."""
    spec = root.parent / "manifest.mtree"
    spec.write_text(manifest.render())
    done = subprocess.run(["mtree", "-p", str(root), "-f", str(spec)], capture_output=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    make_tree(root, NO_GLOBS)
    return root


def test_mtree_finds_nothing_to_complain_about(root: Path) -> None:
    assert mtree(root, scan_tree(root)) == (0, b"")


def rewrite(path: Path, content: bytes) -> None:
    """Other content of the same size and age."""
    before = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def relink(path: Path) -> None:
    path.unlink()
    path.symlink_to("elsewhere")


def break_link(path: Path) -> None:
    before = path.stat()
    copied = path.read_bytes()
    path.unlink()
    path.write_bytes(copied)
    path.chmod(before.st_mode)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES = {
    "a byte is changed": lambda root: rewrite(root / "-rf" / "-rf", b"-rg"),
    "a byte is changed in a name with a newline": lambda root: rewrite(root / "new\nline" / "new\nline", b"new-line"),
    "a byte is changed in a name that is not UTF-8": lambda root: rewrite(
        Path(os.fsdecode(os.fsencode(root) + b"/\xff\xfe/\xff\xfe")), b"\xff\xff"
    ),
    "a file grows": lambda root: rewrite(root / "empty", b"x"),
    "a file goes": lambda root: (root / "empty").unlink(),
    "a file appears": lambda root: (root / "new").write_bytes(b""),
    "a mode is changed": lambda root: (root / "setuid").chmod(0o755),
    "a time is changed": lambda root: os.utime(root / "empty", ns=(0, 123_456_788_987_654_321)),
    "a link points elsewhere": lambda root: relink(root / "dangling"),
    "a hard link becomes a copy": lambda root: break_link(root / "linked #x"),
    "a file becomes a directory": lambda root: ((root / "empty").unlink(), (root / "empty").mkdir()),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_mtree_complains_when(change: "object", root: Path) -> None:
    manifest = scan_tree(root)
    assert callable(change)
    change(root)
    status, said = mtree(root, manifest)
    assert status != 0 or said != b""


def test_bsdtar_packs_from_a_manifest_the_very_tree(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    make_tree(root, EVIL_NAMES)
    manifest = scan_tree(root)
    spec = root.parent / "manifest.mtree"
    spec.write_text(manifest.render())
    archive = root.parent / "tree.tar"
    packed = subprocess.run(
        ["bsdtar", "-cf", str(archive), "--format=pax", "--options=hdrcharset=BINARY", f"@{spec}"],
        cwd=root,
        capture_output=True,
        check=False,
    )
    assert (packed.returncode, packed.stderr) == (0, b"")
    copy = root.parent / "copy"
    copy.mkdir()
    unpacked = subprocess.run(["bsdtar", "-xpf", str(archive), "-C", str(copy)], capture_output=True, check=False)
    assert (unpacked.returncode, unpacked.stderr) == (0, b"")
    found = scan_tree(copy).entries
    # bsdtar goes on unpacking after it has set the time of ".": that of the root is the only thing to differ.
    assert found == {**manifest.entries, "": manifest.entries[""]._replace(mtime_ns=found[""].mtime_ns)}


names = st.binary(min_size=1, max_size=8).filter(lambda name: not set(name) & {0, ord("/"), *GLOBS} and name not in (b".", b".."))


@settings(max_examples=60)
@given(files=st.dictionaries(names, st.binary(max_size=5), min_size=1, max_size=12), directories=st.lists(names, max_size=4))
def test_mtree_accepts_generated_trees(files: dict[bytes, bytes], directories: list[bytes], scratch: Path) -> None:
    root = scratch / "tree"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    deepest = os.fsencode(root)
    for name in directories:
        deepest += b"/" + name
        os.mkdir(deepest)  # noqa: PTH102 - a name of bytes
    for name, content in files.items():
        write(deepest + b"/" + name, content)
    manifest = scan_tree(root)
    assert mtree(root, manifest) == (0, b"")
    name, content = min(files.items())
    changed = Path(os.fsdecode(deepest + b"/" + name))
    changed.write_bytes(bytes([content[0] ^ 1]) + content[1:] if content else b"x")
    assert mtree(root, manifest)[0] != 0


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("manifests")
