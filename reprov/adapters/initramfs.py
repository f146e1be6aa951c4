"""Kernel and initramfs in a folder of their own: the archive is bsdtar's work, the folder appears as a whole."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters import kernel
from reprov.adapters.files import opened_directory, read_entry, walk
from reprov.adapters.run import CommandFailed, spawn
from reprov.domain.entry import Entry
from reprov.errors import InvalidInput, Refused

KERNEL = "vmlinuz"
INITRD = "initrd.img"
_MODE = 0o644
# Any level is unpacked at the same speed; of zstd, 9 takes three times as long as 6 and saves 6 %.
_COMPRESSION = {"zstd": "zstd:compression-level=6", "gzip": "gzip:compression-level=6,gzip:!timestamp"}


def read_tree(root: Path) -> dict[str, Entry]:
    """What lstat tells of every path of a tree; no file is read."""
    with opened_directory(root) as root_fd:
        entries = [read_entry("", os.fstat(root_fd), ".", dir_fd=root_fd)]
        entries += [read_entry(path, status, name, dir_fd=dir_fd) for path, status, name, dir_fd in walk(root_fd)]
    return {entry.path: entry for entry in entries}


def read_text(root: Path, path: str) -> str:
    """A file of a tree, "" when it has none; symlinks do not lead out of the tree."""
    with opened_directory(root) as root_fd:
        try:
            fd = kernel.open_in_root(path, os.O_RDONLY, dir_fd=root_fd)
        except FileNotFoundError:
            return ""
        with open(fd, encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123 - a descriptor has no path
            return file.read()


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """The folder while it is made: beside the place where it will appear, gone when that does not happen."""

    place: Path
    output: Path

    @property
    def initrd(self) -> Path:
        """The archive."""
        return self.place / INITRD

    def take_kernel(self, root: Path, path: str) -> None:
        """Copy the kernel of the tree."""
        shutil.copyfile(root / path, self.place / KERNEL, follow_symlinks=False)

    def pack(self, root: Path, manifest: str, compression: str) -> None:
        """Archive what the mtree text lists, content from the tree at `root` where it names no other. Raises `CommandFailed`."""
        with tempfile.NamedTemporaryFile(suffix=".mtree") as listed, tempfile.TemporaryFile() as said:
            listed.write(manifest.encode("ascii"))
            listed.flush()
            # By way of tar, which has no inode numbers: cpio has, and bsdtar would take those of this machine's disk.
            read = ("bsdtar", "--create", "--file", "-", "--format", "gnutar", "--directory", os.fspath(root), f"@{listed.name}")
            options = ("--format", "newc", f"--{compression}", "--options", _COMPRESSION[compression])
            write = ("bsdtar", "--create", "--file", os.fspath(self.initrd), *options, "@-")
            with spawn(read, stderr=said) as reader, spawn(write, stdin=reader.stdout, stderr=said) as writer:
                written = writer.wait()
                if reader.stdout:
                    reader.stdout.close()  # a reader that still has something to say to a dead writer ends by it
                statuses = {read: reader.wait(), write: written}
            for argv, status in statuses.items():
                if status not in (0, -signal.SIGPIPE):
                    said.seek(0)
                    raise CommandFailed(argv, status, said.read())

    def appear(self) -> None:
        """Make the folder appear under its name, in place of the one that was there, safe on the disk."""
        for file in (self.place / KERNEL, self.initrd):
            file.chmod(_MODE)
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
        with opened_directory(self.output.parent) as fd:
            if self.output.exists():
                kernel.exchange(self.place.name, self.output.name, first_dir_fd=fd, second_dir_fd=fd)
            else:
                self.place.rename(self.output)
            os.fsync(fd)


@contextmanager
def opened_image_folder(output: Path) -> Iterator[ImageFolder]:
    """The folder to make an image in. Raises `Refused` when the place holds anything but an earlier image."""
    if output.is_symlink() or (output.exists() and not output.is_dir()):
        raise InvalidInput(f"{output} is not a directory")
    if not output.parent.is_dir():
        raise InvalidInput(f"{output.parent} is not a directory", hint="only the last part of --output is made")
    others = sorted(item.name for item in output.iterdir() if item.name not in (KERNEL, INITRD)) if output.is_dir() else []
    if others:
        raise Refused(f"{output} holds {others[0]!r}, and would be replaced as a whole", hint="name a directory of its own, which is made")
    place = Path(tempfile.mkdtemp(prefix=f".{output.name}.", suffix=".tmp", dir=output.parent))
    place.chmod(0o755)
    try:
        yield ImageFolder(place, output)
    finally:
        for name in (KERNEL, INITRD):
            (place / name).unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            place.rmdir()


@contextmanager
def laid_out(files: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Files with these contents, by the paths that they will have; gives where they lie meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        places = {path: str(Path(folder, str(number))) for number, path in enumerate(files)}
        for path, place in places.items():
            Path(place).write_text(files[path], encoding="utf-8", errors="surrogateescape")
        yield places
