"""Role trees to publish: small ones as plain directories, and two real Debian trees, built once a machine.

What is built here is whole enough for `reprov publish`: os-release, a shell that names the machine, dpkg's status.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import NamedTuple

from tests.small_root import make_root, settle

CAP_NET_RAW = bytes.fromhex("0100000200200000000000000000000000000000")
"""security.capability of a file with cap_net_raw=ep, as setcap writes it for ping."""

EVIL_NAMES = (
    "with space",
    " leading space",
    "new\nline",
    "non-utf8-\udcff\udcfe",
    "-dash",
    "--delete",
    "#comment",
    ";semicolon",
    "glob*",
    "que?tion",
    "[a-c]",
    "back\\slash",
    "back\\#012slash",
    'quo"te',
    "sin'gle",
    "$HOME",
    "tab\there",
    "\x1b[31mred",
    "é-ü-漢",
    "x" * 250,
)
"""Names that every tool on the way must leave alone (test lab: all of them are legal on ext4, xfs and btrfs)."""

EXCLUDE = """\
/etc/hostname
/etc/site.d/
/etc/*.local
/opt/vendor/data/
/opt/vendor/*.key
/usr/lib/site/
/boot/efi/**
/home/**
lost+found/
"""
ADD_ONLY = """\
- /var/lib/dpkg/
/var/
/srv/
/home/
/etc/once.conf
"""


class Tree:
    """A small role tree while it is being made; `done()` gives every path one time and returns the folder."""

    def __init__(self, folder: Path, version: str = "1.0") -> None:
        """A usr-merged root whose shell, and nothing else, depends on the version."""
        self.folder = make_root(folder, dash=version)
        self._top = self.folder

    @classmethod
    def over(cls, folder: Path) -> "Tree":
        """The same tools for a tree that is there: a node's, whose operator makes files."""
        tree = cls.__new__(cls)
        tree.folder = tree._top = folder
        return tree

    def inside(self, directory: str) -> "Tree":
        """The same tree, in which every path means one below a directory."""
        view = copy(self)
        view._top = self.folder / directory
        return view

    def file(self, path: str, content: str | bytes = "", *, mode: int = 0o644, owner: int = 0, group: int = 0) -> "Tree":
        """A file, with the directories above it; one that is there gets new content in a new inode."""
        place = self._place(path)
        if place.is_symlink() or place.exists():
            place.unlink()
        place.write_bytes(content if isinstance(content, bytes) else content.encode())
        os.chown(place, owner, group)
        place.chmod(mode)
        return self

    def directory(self, path: str, *, mode: int = 0o755, owner: int = 0, group: int = 0) -> "Tree":
        place = self._place(path)
        place.mkdir(exist_ok=True)
        os.chown(place, owner, group)
        place.chmod(mode)
        return self

    def symlink(self, path: str, target: str) -> "Tree":
        self._place(path).symlink_to(target)
        return self

    def hard_link(self, path: str, other: str) -> "Tree":
        self._place(path).hardlink_to(self._top / other)
        return self

    def device(self, path: str, kind: int, numbers: tuple[int, int], *, mode: int = 0o660) -> "Tree":
        """A device node; `kind` is stat.S_IFCHR or S_IFBLK."""
        os.mknod(self._place(path), kind | mode, os.makedev(*numbers))
        self._place(path).chmod(mode)
        return self

    def fifo(self, path: str, *, mode: int = 0o600) -> "Tree":
        os.mkfifo(self._place(path), mode)
        return self

    def xattr(self, path: str, name: str, value: bytes) -> "Tree":
        os.setxattr(self._top / path, name, value, follow_symlinks=False)
        return self

    def at(self, path: str) -> Path:
        """Where a path of the tree lies."""
        return self._top / path

    def remove(self, path: str) -> "Tree":
        place = self._top / path
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink()
        return self

    def settle(self) -> None:
        """Give every path the same time."""
        settle(self._top)

    def done(self) -> Path:
        """The folder, every path with the same time, so that nothing but what a test changes differs."""
        self.settle()
        return self.folder

    def _place(self, path: str) -> Path:
        place = self._top / path
        place.parent.mkdir(parents=True, exist_ok=True)
        return place


def make_library(folder: Path, *, exclude: str = EXCLUDE, add_only: str = ADD_ONLY) -> Path:
    """A library whose `base` lists are these; `other` keeps nothing of a node but its name."""
    lists = folder / "excludes"
    lists.mkdir(parents=True)
    (lists / "base.exclude").write_text(exclude, errors="surrogateescape")
    (lists / "base.add-only").write_text(add_only, errors="surrogateescape")
    (lists / "base.merge").write_text("- *\n")  # or that of the shipped library would do
    (lists / "other.exclude").write_text("/etc/hostname\nlost+found/\n")
    (lists / "other.add-only").write_text("- /var/lib/dpkg/\n/var/\n")
    return folder


_ROLES = Path(__file__).parents[2] / "roles"
_SHIPPED = ("base", "ceph-osd")
_UPDATES = ("updates", "security")


class RealTrees(NamedTuple):
    """Two Debian trees that differ as two releases of a role do."""

    old: Path
    """As the distribution was released."""
    new: Path
    """The same with the security updates of the day on which it was built."""


_REPROV = """\
  - python3-click
  - python3-rich
  - python3-plumbum
  - python3-jinja2
  - python3-pyroute2
  - python3-pyudev
"""
"""What reprov runs on."""


_REAL_ROLE = """\
suite: bookworm
repositories:
  - {name: security, suite: bookworm-security, components: [main]}
packages: [iputils-ping, openssl, perl]
excludes: [base]
"""


_CEPH_ROLE = f"""\
suite: bookworm
repositories:
  - {{name: security, suite: bookworm-security, components: [main]}}
packages:
  - ceph-mgr
  - ceph-mon
  - ceph-osd
  - ceph-common
  - fdisk
  - iproute2
  - openssl
  - udev
  - xfsprogs
{_REPROV}excludes: [base, identity, network, ssh, logs-and-caches, ceph]
"""


_BOOT_ROLE = """\
suite: bookworm
repositories:
  - {name: security, suite: bookworm-security, components: [main]}
packages:
  - systemd-sysv
  - udev
  - kmod
  - linux-image-cloud-amd64
  - initramfs-tools
  - busybox
  - zstd
  - grub-pc-bin
  - grub-efi-amd64-bin
  - grub2-common
  - e2fsprogs
  - lvm2
  - python3
excludes: [base, identity, network, ssh, logs-and-caches]
"""


_SERVICE_ROLE = f"""\
suite: bookworm
repositories:
  - {{name: security, suite: bookworm-security, components: [main]}}
packages:
  - systemd-sysv
  - dbus
  - libpam-systemd
  - openssh-server
  - cron
  - udev
  - kmod
  - iproute2
  - procps
  - openssl
  - rsync
{_REPROV}excludes: [base, identity, network, ssh, logs-and-caches]
"""


_DRACUT_ROLE = """\
suite: bookworm
repositories:
  - {name: security, suite: bookworm-security, components: [main]}
packages:
  - systemd-sysv
  - udev
  - kmod
  - linux-image-cloud-amd64
  - dracut
  - systemd-boot-efi
  - zstd
  - e2fsprogs
excludes: [base]
"""


_RESCUE_ROLE = f"""\
suite: bookworm
repositories:
  - {{name: security, suite: bookworm-security, components: [main]}}
packages:
  - linux-image-cloud-amd64
  - udev
  - kmod
  - procps
  - busybox
  - udhcpc
  - iproute2
  - openssh-server
  - fdisk
  - e2fsprogs
  - lvm2
  - rsync
  - python3
{_REPROV}excludes: [base]
"""


_CONVERGE_ROLE = f"""\
suite: bookworm
repositories:
  - {{name: security, suite: bookworm-security, components: [main]}}
packages:
  - puppet-agent
  - ruby-serverspec
  - ansible-core
  - git
  - python3-testinfra
  - python3-pytest
{_REPROV}excludes: [base]
"""


_DATABASE_ROLE = """\
suite: bookworm
repositories:
  - {name: security, suite: bookworm-security, components: [main]}
packages:
  - mariadb-server
  - postgresql
  - keystone
  - openssl
  - sudo
excludes: [base]
"""


_SELINUX_ROLE = """\
suite: bookworm
repositories:
  - {name: security, suite: bookworm-security, components: [main]}
packages: [selinux-policy-default, selinux-basics, policycoreutils, semodule-utils, iputils-ping, openssl, perl, cron]
excludes: [base]
"""


def real_trees() -> RealTrees:
    """The real trees, from the cache outside the checkout; built there, in a minute or two, by the first test that asks.

    They are never written to: whoever needs to change one copies it.
    """
    return _cached(_REAL_ROLE)


def ceph_trees() -> RealTrees:
    """The same with Ceph's monitor, manager and OSD, and what reprov runs on."""
    return _cached(_CEPH_ROLE)


def boot_trees() -> RealTrees:
    """Two that boot: with a kernel, an initramfs that knows LVM, systemd, GRUB for BIOS and EFI, and what runs a part of reprov."""
    return _cached(_BOOT_ROLE)


def service_trees() -> RealTrees:
    """Two whose systemd runs services, and what reprov runs on: for nodes that are booted in a container (nspawn_lab)."""
    return _cached(_SERVICE_ROLE)


def dracut_trees() -> RealTrees:
    """Two that boot by systemd-boot, with an initramfs that dracut makes."""
    return _cached(_DRACUT_ROLE)


def rescue_trees() -> RealTrees:
    """Two with what a rescue system runs on, a small kernel among it; of the role `rescue` they lack its files."""
    return _cached(_RESCUE_ROLE)


def converge_trees() -> RealTrees:
    """Two with Puppet, Ansible, serverspec and testinfra, and what reprov runs on."""
    return _cached(_CONVERGE_ROLE)


def database_trees() -> RealTrees:
    """Two with MariaDB, PostgreSQL and Keystone, of whose versions the second has later ones."""
    return _cached(_DATABASE_ROLE)


def selinux_trees() -> RealTrees:
    """Two with Debian's SELinux policy, and what rebuilds it."""
    return _cached(_SELINUX_ROLE)


def role_trees(role: str) -> RealTrees:
    """Two releases of a role that reprov ships, without and with the updates of the day, as `reprov build` has left them.

    Built when they are asked for first, in some minutes.
    """
    from reprov.events import NullMonitor
    from reprov.workflows.build import Wanted, build

    definitions = sorted(path for name in _SHIPPED for path in (_ROLES / name).rglob("*") if path.is_file())
    key = hashlib.sha256(b"".join(path.read_bytes() for path in definitions)).hexdigest()[:12]
    store = Path("~/.cache/reprov/tests").expanduser() / f"roles-{key}"
    with _locked(store):
        for wanted in (
            Wanted("base", "1.0", skipped_repositories=_UPDATES),
            Wanted(role, "1.0", parent_version="1.0" if role != "base" else None, skipped_repositories=_UPDATES),
            Wanted(role, "1.1", from_version="1.0"),
        ):
            if not (store / "build" / wanted.role / wanted.version / "role.json").is_file():
                build(store, None, wanted, NullMonitor())
    return RealTrees(*(store / "build" / role / version / "tree" for version in ("1.0", "1.1")))


def _cached(role: str) -> RealTrees:
    key = hashlib.sha256(role.encode()).hexdigest()[:12]
    cache = Path("~/.cache/reprov/tests").expanduser()
    done = cache / f"trees-{key}"
    if not done.is_dir():  # it appears as a whole: whoever needs it does not wait for those who build others
        with _locked(cache):
            if not done.is_dir():
                work = cache / f"building-{key}"
                shutil.rmtree(work, ignore_errors=True)
                _build(work, role)
                work.rename(done)
    return RealTrees(done / "build/real/1.0/tree", done / "build/real/1.1/tree")


def _build(store: Path, role: str) -> None:
    from reprov.events import NullMonitor
    from reprov.workflows.build import Wanted, build

    library = store / "library"
    (library / "roles/real").mkdir(parents=True)
    (library / "roles/real/role.yaml").write_text(role)
    build(store, library, Wanted("real", "1.0", skipped_repositories=("security",)), NullMonitor())
    build(store, library, Wanted("real", "1.1", from_version="1.0"), NullMonitor())


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One builder at a time: test runs side by side share the cache."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
