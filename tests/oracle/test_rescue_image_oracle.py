"""Images of small trees as cpio and bsdtar read them: what is in them, that they are the same to the byte, and how they appear."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.commands, pytest.mark.needs("bsdtar", "zstd", "cpio")]

NAMES = ["with space", "new\nline", "-dash", "glob*[a]?", "back\\slash", "é-漢", "non-utf8-\udcff", "#comment", "a=b", "@file", "tab\there"]
KERNEL = "6.1.0-50-amd64"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPz8nJ8cZ5mY0hVqk3cN4bq0e1X8l2m9s7QdTgV2Xw1A me\n"
ROLE_HINT = "hint: make the image of the role `rescue`, or of one that extends it"
LAYOUT = '{"disk": {"serial": "x"}, "partitions": [{"name": "root", "size": "4G", "filesystem": "ext4", "mount": "/"}]}\n'
HOUR_NS = 3_600_000_000_000

Reprov = Callable[..., Any]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with all that an image needs, names that tools stumble over, and what must not get out."""
    root = tmp_path / "tree"
    programs = ("init", "usr/sbin/reprov", "usr/sbin/sshd", "usr/bin/ssh-keygen", "usr/bin/python3", "usr/bin/rsync", "usr/bin/udevadm")
    files = {path: (f"#!{path}", 0o755) for path in programs}
    files |= {f"opt/{name}": (f"content of {name}", 0o644) for name in NAMES}
    files |= {
        f"boot/vmlinuz-{KERNEL}": ("the kernel", 0o600),
        f"boot/config-{KERNEL}": ("CONFIG_RD_ZSTD=y\n", 0o644),
        f"usr/lib/modules/{KERNEL}/modules.dep": ("none", 0o644),
        "usr/bin/su": ("su", 0o4755),
        "etc/shadow": ("root:$y$secret:1::::::\n", 0o640),
        "etc/luks.key": ("secret", 0o600),
        "etc/ssh/ssh_host_rsa_key": ("secret", 0o644),
    }
    for number, (path, (content, mode)) in enumerate(files.items()):
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content, errors="surrogateescape")
        place.chmod(mode)
        os.utime(place, ns=(0, (400_000 + number) * HOUR_NS))
    (root / "bin").symlink_to("usr/bin")
    (root / "usr/bin/second").hardlink_to(root / "usr/bin/su")
    return root


def unpacked(initrd: Path, folder: Path) -> Path:
    """The archive, read by cpio, which is what the kernel's reader is like."""
    folder.mkdir()
    archive = subprocess.run(["zstd", "-dcq", initrd], stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["cpio", "--extract", "--quiet", "--preserve-modification-time", "--directory", folder], input=archive, check=True)
    return folder


def test_cpio_reads_what_the_tree_has(reprov: Reprov, tree: Path, tmp_path: Path) -> None:
    done = reprov("rescue-image", "--tree", tree, "--output", tmp_path / "image")
    assert done.status == 0, done.stderr
    assert (tmp_path / "image/vmlinuz").read_text() == "the kernel"
    assert {file.stat().st_mode & 0o7777 for file in (tmp_path / "image").iterdir()} == {0o644}
    root = unpacked(tmp_path / "image/initrd.img", tmp_path / "unpacked")
    for name in NAMES:
        assert (root / "opt" / name).read_text(errors="surrogateescape") == f"content of {name}"
    assert (root / "bin").readlink() == Path("usr/bin")
    assert (root / "usr/bin/su").stat().st_mode & 0o7777 == 0o4755
    assert (root / "usr/bin/second").read_text() == "su"
    assert (root / "init").stat().st_mtime_ns == (tree / "init").stat().st_mtime_ns


def test_no_secret_gets_into_an_image(reprov: Reprov, tree: Path, tmp_path: Path) -> None:
    done = reprov("rescue-image", "--tree", tree, "--output", tmp_path / "image")
    root = unpacked(tmp_path / "image/initrd.img", tmp_path / "unpacked")
    assert [path for path in root.rglob("*") if path.is_file() and "secret" in path.read_text(errors="replace")] == []
    assert (root / "etc/shadow").read_text() == "root:*:1::::::\n"
    assert "left out, since an image is read by everybody: /etc/luks.key, /etc/ssh/ssh_host_rsa_key" in done.stderr
    assert "nobody can log in over ssh: no key is in the image (--ssh-key)" in done.stderr


def test_keys_and_layouts_are_baked_in(reprov: Reprov, tree: Path, tmp_path: Path) -> None:
    first, second, layout = tmp_path / "first.pub", tmp_path / "second.pub", tmp_path / "node-1.json"
    first.write_text(PUBLIC_KEY)
    second.write_text("# another\n" + PUBLIC_KEY.replace(" me", " you"))
    layout.write_text(LAYOUT)
    words = ("--ssh-key", first, "--ssh-key", second, "--layout", layout)
    done = reprov("rescue-image", "--tree", tree, "--output", tmp_path / "image", *words)
    assert done.status == 0, done.stderr
    root = unpacked(tmp_path / "image/initrd.img", tmp_path / "unpacked")
    assert (root / "root/.ssh/authorized_keys").read_text() == PUBLIC_KEY + PUBLIC_KEY.replace(" me", " you")
    assert (root / "root/.ssh").stat().st_mode & 0o777 == 0o700
    assert (root / "etc/reprov/layouts/node-1.json").read_text() == LAYOUT
    assert "nobody can log in" not in done.stderr


def test_the_same_tree_gives_the_same_bytes_and_no_time_is_later(
    reprov: Reprov, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key.pub"
    key.write_text(PUBLIC_KEY)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    reprov("rescue-image", "--tree", tree, "--output", tmp_path / "first", "--ssh-key", key)
    (tree / "init").write_bytes((tree / "init").read_bytes())  # now, and in another inode order
    subprocess.run(["cp", "-a", tree, tmp_path / "copy"], check=True)
    reprov("rescue-image", "--tree", tmp_path / "copy", "--output", tmp_path / "second", "--ssh-key", key)
    assert (tmp_path / "first/initrd.img").read_bytes() == (tmp_path / "second/initrd.img").read_bytes()
    root = unpacked(tmp_path / "second/initrd.img", tmp_path / "unpacked")
    assert max(path.lstat().st_mtime for path in root.rglob("*") if path.is_file()) == 1_000_000_000


def test_a_later_image_takes_the_place_of_an_earlier_one_as_a_whole(reprov: Reprov, tree: Path, tmp_path: Path) -> None:
    output = tmp_path / "image"
    reprov("rescue-image", "--tree", tree, "--output", output)
    before = output.stat().st_ino
    (tree / f"boot/vmlinuz-{KERNEL}").write_text("another kernel")
    done = reprov("rescue-image", "--tree", tree, "--output", output)
    assert done.status == 0, done.stderr
    assert (output / "vmlinuz").read_text() == "another kernel"
    assert output.stat().st_ino != before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image", "tree"]


def test_an_image_that_fails_leaves_the_earlier_one(reprov: Reprov, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "image"
    reprov("rescue-image", "--tree", tree, "--output", output)
    before = (output / "initrd.img").read_bytes()
    monkeypatch.setattr("reprov.domain.rescue_image.image_manifest", lambda *_, **__: "#mtree\n./gone type=file contents=/nonexistent\n")
    done = reprov("rescue-image", "--tree", tree, "--output", output)
    assert done.status == 1
    assert done.stderr.splitlines()[-2].startswith("reprov: bsdtar failed with status 1: ")
    assert (output / "initrd.img").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image", "tree"]


@pytest.mark.parametrize(
    ("prepare", "words", "status", "message"),
    [
        pytest.param(
            lambda tree: (tree / "usr/sbin/sshd").unlink(),
            (),
            2,
            f"the tree has no sshd (/usr/sbin/sshd)\n{ROLE_HINT}",
            id="no sshd",
        ),
        pytest.param(
            lambda tree: (tree / f"boot/vmlinuz-{KERNEL}").unlink(),
            (),
            2,
            f"the tree has no kernel with modules (/boot/vmlinuz-VERSION)\n{ROLE_HINT}",
            id="no kernel",
        ),
        pytest.param(lambda _: None, ("--kernel", "5"), 2, f"the tree has no kernel '5'\nhint: it has {KERNEL}", id="another kernel"),
        pytest.param(
            lambda tree: (tree.parent / "image").mkdir() or (tree.parent / "image/pxelinux.0").touch(),
            (),
            4,
            "{tmp}/image holds 'pxelinux.0', and would be replaced as a whole\nhint: name a directory of its own, which is made",
            id="a directory with other things",
        ),
        pytest.param(lambda tree: (tree.parent / "image").touch(), (), 2, "{tmp}/image is not a directory", id="a file in the place"),
        pytest.param(
            lambda tree: (tree.parent / "l.yaml").write_text("disk: {serial: x}\npartition: []\n"),
            ("--layout", "{tmp}/l.yaml"),
            2,
            "{tmp}/l.yaml:2: unknown key 'partition' (did you mean 'partitions'?)",
            id="a layout that is none",
        ),
        pytest.param(
            lambda tree: (tree.parent / "l.yaml").write_text(
                "disk: {serial: x}\npartitions: [{name: r, size: 4G, filesystem: ext4, mount: /}]\n"
            ),
            ("--layout", "{tmp}/l.yaml"),
            2,
            "{tmp}/l.yaml: the tree has no PyYAML to read it with\nhint: add python3-yaml to the role, or write it in JSON",
            id="a layout that the image could not read",
        ),
        pytest.param(
            lambda tree: (tree.parent / "my layout").write_text(LAYOUT),
            ("--layout", "{tmp}/my layout"),
            2,
            "{tmp}/my layout: a layout in an image needs a plain name\nhint: letters, digits and ._-",
            id="a layout that the command line could not name",
        ),
        pytest.param(
            lambda tree: [(tree.parent / name).mkdir() or (tree.parent / name / "l").write_text(LAYOUT) for name in ("a", "b")],
            ("--layout", "{tmp}/a/l", "--layout", "{tmp}/b/l"),
            2,
            "{tmp}/b/l: another layout has the name 'l'\nhint: rename one of them",
            id="two layouts of one name",
        ),
    ],
)
def test_what_cannot_become_an_image(
    reprov: Reprov, tree: Path, tmp_path: Path, prepare: Callable[[Path], object], words: tuple[str, ...], status: int, message: str
) -> None:
    prepare(tree)
    before = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}
    done = reprov("--quiet", "rescue-image", "--tree", tree, "--output", tmp_path / "image", *(word.format(tmp=tmp_path) for word in words))
    assert (done.status, done.stderr) == (status, f"reprov: {message}\n".replace("{tmp}", str(tmp_path)))
    assert {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_only_the_last_directory_of_the_output_is_made(reprov: Reprov, tree: Path, tmp_path: Path) -> None:
    done = reprov("--quiet", "rescue-image", "--tree", tree, "--output", tmp_path / "srv/image")
    assert done.status == 2
    assert done.stderr.splitlines()[0] == f"reprov: {tmp_path}/srv is not a directory"
    assert not (tmp_path / "srv").exists()
