"""A disk image with a node and OSDs on it, a store with releases for it, and reprov install on both."""

import hashlib
import json
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from reprov.adapters.partition_table import read_table
from reprov.domain.inventory import Partition
from tests.conftest import Ran
from tests.storage_lab import Part, make_image
from tests.system.node import Node, Run, Store
from tests.system.trees import Tree, make_library

SYSTEM: Final = (Part("linux", "boot", 24), Part("linux", "root", 160), Part("linux", "var", 48))
DATA: Final = (Part("ceph-block", "osd-3", 6, osd_id=3), Part("ceph-block-db", "db-3", osd_id=3, role="bluefs db"), Part("linux", "photos"))
LAYOUT: Final[dict[str, Any]] = {
    "partitions": [
        {"name": "boot", "size": "24M", "filesystem": "ext4", "mount": "/boot"},
        {"name": "root", "size": "160M", "filesystem": "ext4", "mount": "/"},
        {"name": "var", "size": "48M", "filesystem": "ext4", "mount": "/var"},
    ],
    "preserve": [{"type": "ceph-block"}, {"label": "photos"}],
}
IDENTITY: Final = {
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "etc/hostname": "node-17\n",
    "etc/ssh/ssh_host_ed25519_key": "secret\n",
    "var/lib/ceph/osd/ceph-3/keyring": "[osd.3]\n",
}
FSTAB_LINE: Final = "LABEL=nowhere /srv/photos xfs noauto 0 0\n"
LISTS: Final = """\
/etc/machine-id
/etc/hostname
/etc/fstab
/etc/ssh/ssh_host_*
/boot/efi/
/var/lib/ceph/*/
lost+found/
"""
_PATIENCE_S: Final = 20


class InstallLab:
    """One image, one layout for it, one store."""

    def __init__(self, folder: Path, reprov: Run) -> None:
        self.folder = folder
        self.image = folder / "disk.img"
        self.layout_file = folder / "layout.json"
        self.store = Store(folder / "store", reprov)
        self.layout = LAYOUT
        self._reprov = reprov
        make_library(self.store.library, exclude=LISTS)

    def copy(self, folder: Path, reprov: Run) -> "InstallLab":
        """The same node on an image of its own, and the same releases."""
        other = InstallLab(folder, reprov)
        subprocess.run(["cp", "--sparse=always", str(self.image), str(other.image)], check=True)
        other.store = Store(self.store.folder, reprov)
        other.write_layout()
        return other

    def publish(self, version: str) -> None:
        """A release whose content tells its version."""
        tree = Tree(self.folder / f"tree-{version}", version)
        self.store.publish(tree.file("opt/version", version).file("boot/config", version).directory("boot/efi"), version)

    def write_layout(self, **changes: Any) -> None:
        """The layout of the image, with other keys in place of some."""
        self.layout = {"disk": {"image": self.image.name}, **LAYOUT, **changes}
        self.layout_file.write_text(json.dumps(self.layout))

    def furnish(self, parts: Sequence[Part] = (*SYSTEM, *DATA), *, free_mib: int = 0) -> None:
        """A node that was installed long ago: filesystems on the system's partitions, and an identity in them."""
        make_image(self.image, (*parts, *([Part("linux", "free", free_mib)] if free_mib else [])))
        if free_mib:
            subprocess.run(["sfdisk", "--quiet", "--delete", str(self.image), str(len(parts) + 1)], check=True, capture_output=True)
        entries = {entry.label: entry for entry in self.entries()}
        for item in SYSTEM:
            place, size = f"offset={entries[item.label].start_sector * 512}", f"{item.size_mib}m"
            subprocess.run(["mkfs.ext4", "-q", "-F", "-E", place, str(self.image), size], check=True, capture_output=True)
        with self.mounted("root") as root:
            for name in ("boot", "var"):
                (root / name).mkdir()
        with self.mounted() as root:
            node = Tree.over(root)
            for path, text in IDENTITY.items():
                node.file(path, text, mode=0o600 if "key" in path else 0o644)
            node.file("srv/old", "lost").file("boot/old", "lost").file("etc/fstab", FSTAB_LINE)

    @contextmanager
    def mounted(self, *names: str, options: str = "loop") -> Iterator[Path]:
        """The node's filesystems (all of them, or these) on a directory, by other means than reprov's own."""
        point = self.folder / "mounted"
        point.mkdir(exist_ok=True)
        entries = {entry.label: entry for entry in self.entries()}
        done: list[Path] = []
        try:
            for name in names or ("root", "boot", "var"):
                entry, where = entries[name], point if name == "root" else point / name
                place = f"offset={entry.start_sector * 512},sizelimit={entry.sectors * 512}"
                subprocess.run(["mount", "-o", f"{options},{place}", str(self.image), str(where)], check=True)
                done.append(where)
            yield point
        finally:
            for where in reversed(done):
                subprocess.run(["umount", str(where)], check=True)

    def entries(self) -> tuple[Partition, ...]:
        """The table, as sfdisk reads it."""
        found = read_table(self.image)
        return found.partitions if found else ()

    def data(self) -> dict[str, tuple[Partition, str]]:
        """Every partition that is not the layout's: its entry, and the digest of all its bytes."""
        own = {item["name"] for item in self.layout["partitions"]}
        found = {}
        with self.image.open("rb") as file:
            for entry in self.entries():
                if entry.label not in own:
                    file.seek(entry.start_sector * 512)
                    found[entry.label] = (entry, hashlib.sha256(file.read(entry.sectors * 512)).hexdigest())
        return found

    def words(self, version: str, *options: object, role: str = "base") -> list[str]:
        """A command line."""
        named = ("install", *([role] if role else []), version, "--layout", self.layout_file, "--from", self.store.folder)
        return [str(word) for word in (*named, *options)]

    def run(self, version: str, *options: object, role: str = "base") -> Ran:
        """Install in this process, whatever comes of it."""
        return self._reprov(*self.words(version, *options, role=role))

    def install(self, version: str, *options: object, role: str = "base") -> Ran:
        """Install, which must succeed."""
        ran = self.run(version, "--yes", *options, role=role)
        assert ran.status == 0, ran.stderr + ran.stdout
        return ran

    def kill(self, version: str, when: str, phase: str, *options: object) -> None:
        """Install in a process that is killed when a phase starts or ends; nothing of it is left but what is on the disk."""
        node = Node(self.folder, self.store, self._reprov)
        assert node.kill(self.words(version, "--yes", *options), when, phase) == -signal.SIGKILL
        until = time.monotonic() + _PATIENCE_S
        while attached_to(self.image) and time.monotonic() < until:
            time.sleep(0.1)  # the kernel takes a mount namespace down a little after its last process

    def found(self, *paths: str) -> dict[str, str]:
        """What is in files of the node; a file that is not there is left out."""
        with self.mounted(options="loop,ro") as root:
            return {path: (root / path).read_text() for path in paths if (root / path).is_file()}


def attached_to(image: Path) -> list[str]:
    """The loop devices that show an image."""
    words = ["losetup", "--noheadings", "--output", "NAME", "--associated", str(image)]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
