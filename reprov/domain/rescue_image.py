"""What of a role tree goes into a rescue image, which everybody who can reach the boot server can read."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from reprov.domain.entry import Entry, Kind, ancestors_of, is_below
from reprov.domain.manifest import escape
from reprov.domain.pristine import EMPTY_DIRECTORIES, MACHINE_ID, Cleaning, cleaning_of
from reprov.domain.version_order import version_key
from reprov.errors import InvalidInput

INIT: Final = "init"
AUTHORIZED_KEYS: Final = "root/.ssh/authorized_keys"
PASSWORDS: Final = "etc/shadow"
RESCUE_ROLE_HINT: Final = "make the image of the role `rescue`, or of one that extends it"

_NEEDED: Final = (
    (INIT, "no /init, which would be PID 1"),
    ("usr/sbin/reprov", "no reprov"),
    ("usr/sbin/sshd", "no sshd"),
    ("usr/bin/ssh-keygen", "no ssh-keygen"),
    ("usr/bin/python3", "no Python"),
    ("usr/bin/rsync", "no rsync"),
    ("usr/bin/udevadm", "no udev"),
)
_KERNEL: Final = re.compile(r"boot/vmlinuz-([^/]+)")
# What takes room in memory and is of no use there: the kernel is beside the image, and nobody reads manuals in it.
_USELESS: Final = (
    *("boot", "usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/lintian", "usr/share/bug"),
    *("usr/share/initramfs-tools", "usr/lib/udev/hwdb.d", "var/cache/apt", "var/cache/debconf", "var/lib/apt", "var/lib/dpkg/info"),
)
_USELESS_DRIVERS: Final = (
    *("sound", "net/bluetooth", "net/wireless", "net/mac80211", "drivers/bluetooth", "drivers/gpu", "drivers/media"),
    *("drivers/net/wireless", "drivers/isdn", "drivers/staging", "drivers/iio"),
)
_PUBLIC_KEY: Final = re.compile(r"(?:sk-)?(?:ssh|ecdsa)-[A-Za-z0-9@.-]+ AAAA[A-Za-z0-9+/]{16,}={0,3}")
_LIBRARIES: Final = ("usr/lib/modules", "lib/modules")


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel of the tree."""

    version: str
    """As in `uname -r`."""
    path: str
    modules: str
    """Its directory of modules."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What goes into the image, and what does not for a reason that the operator may want to know."""

    entries: tuple[Entry, ...]
    private: tuple[str, ...]
    """Left out, because not everybody may read it in the tree, or because it is the identity of one machine."""

    @property
    def size_bytes(self) -> int:
        """What it takes in memory, metadata aside."""
        return sum(entry.size for entry in self.entries)


def choose_kernel(tree: Mapping[str, Entry], wanted: str | None) -> Kernel:
    """The kernel that is wanted, else the newest that has modules. Raises `InvalidInput`."""
    found: dict[str, Kernel] = {}
    for path in tree:
        if match := _KERNEL.fullmatch(path):
            modules = [f"{library}/{match[1]}" for library in _LIBRARIES if f"{library}/{match[1]}" in tree]
            if modules and tree[path].kind is Kind.FILE:
                found[match[1]] = Kernel(match[1], path, modules[0])
    if not found:
        raise InvalidInput("the tree has no kernel with modules (/boot/vmlinuz-VERSION)", hint=RESCUE_ROLE_HINT)
    if wanted is not None and wanted not in found:
        raise InvalidInput(f"the tree has no kernel {wanted!r}", hint=f"it has {', '.join(sorted(found, key=version_key))}")
    return found[wanted if wanted is not None else max(found, key=version_key)]


def check_tree(tree: Mapping[str, Entry]) -> None:
    """Return when a rescue system can run on the tree. Raises `InvalidInput` naming the first thing that it lacks."""
    for path, problem in _NEEDED:
        if path not in tree:
            raise InvalidInput(f"the tree has {problem} (/{path})", hint=RESCUE_ROLE_HINT)
    if tree[INIT].kind is not Kind.FILE or not tree[INIT].mode & 0o100:
        raise InvalidInput(f"/{INIT} of the tree is not a program", hint="chmod +x")


def select(tree: Mapping[str, Entry], kernel: Kernel) -> Selection:
    """What goes into the image.

    Neither what is useless there, nor what not everybody may read, nor what says which machine this is: an image is read by
    all who can reach the boot server, and many machines boot it.
    """
    entries: list[Entry] = []
    private: list[str] = []
    closed = {path for path, entry in tree.items() if entry.kind is Kind.DIR and not entry.mode & 0o001}
    for path, entry in tree.items():
        if _is_useless(path, kernel):
            continue
        if _is_private(entry, closed):
            private.append(path)
            continue
        # mtree(5) and cpio know no more of a file than this; a second name of an inode becomes a file of its own.
        entries.append(entry._replace(digest="", link_group=0, xattrs=()))
    return Selection(tuple(entries), tuple(path for path in private if path != PASSWORDS))


def without_passwords(shadow: str) -> str:
    """shadow(5) with the same accounts, none of which has a password."""
    lines = [line.split(":") for line in shadow.splitlines() if line]
    return "".join(":".join([name, "*", *rest]) + "\n" for name, _, *rest in lines)


def authorized_keys(text: str, source: str) -> str:
    """The public keys of a file, one a line. Raises `InvalidInput` for anything else, a private key above all."""
    if "PRIVATE KEY" in text:
        raise InvalidInput(f"{source}: a private key; an image is no place for one", hint=f"{source}.pub is the public one")
    keys = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if not any(_PUBLIC_KEY.fullmatch(f"{kind} {data}") for kind, data in pairwise(words)):
            raise InvalidInput(f"{source}:{number}: not a public key as ssh-keygen writes it")
        keys.append(line.strip() + "\n")
    if not keys:
        raise InvalidInput(f"{source}: there is no public key in it")
    return "".join(keys)


def decompressor(config: str) -> str:
    """The compression of the image, given the kernel's configuration: zstd, or gzip where the kernel may not know that."""
    return "zstd" if "CONFIG_RD_ZSTD=y" in config.splitlines() else "gzip"


def image_manifest(selection: Selection, added: Mapping[str, str], *, epoch_s: int, latest_s: int | None) -> str:
    """mtree(5) text from which bsdtar makes the archive: the selection, and files that lie elsewhere.

    `added` gives by path in the image where the content of a file is; they are root's, readable by all, and of the time `epoch_s`,
    except that nothing below /root may be writable or enterable by others. No time is after `latest_s`.
    """
    lines = ["#mtree"]
    known = {entry.path: entry for entry in selection.entries if entry.path not in added}
    for path in {parent for name in added for parent in ancestors_of(name)} - known.keys():
        known[path] = Entry(path, Kind.DIR, 0o700 if is_below(path, "root") else 0o755, 0, 0, epoch_s * 1_000_000_000)
    for path in added:
        known[path] = Entry(path, Kind.FILE, 0o644, 0, 0, epoch_s * 1_000_000_000)
    for path in sorted(known):
        lines += _lines(known[path], added.get(path), latest_s)
    return "\n".join(lines) + "\n"


def _lines(entry: Entry, content: str | None, latest_s: int | None) -> Iterator[str]:
    name = f"./{escape(entry.path)}" if entry.path else "."
    seconds = entry.mtime_ns // 1_000_000_000
    if latest_s is not None:
        seconds = min(seconds, latest_s)
    line = f"{name} type={entry.kind.value} mode={entry.mode:04o} uid={entry.uid} gid={entry.gid} time={seconds}.0 nlink=1"
    if entry.kind is Kind.LINK:
        line += f" link={escape(entry.target)}"
    elif entry.kind in (Kind.CHAR, Kind.BLOCK):
        line += f" device=linux,{entry.device[0]},{entry.device[1]}"
    elif content is not None:
        line += f" contents={escape(content)}"
    yield line


def _is_useless(path: str, kernel: Kernel) -> bool:
    if any(path != directory and is_below(path, directory) for directory in (*_USELESS, *EMPTY_DIRECTORIES)):
        return True
    for library in _LIBRARIES:
        if path != library and is_below(path, library) and not is_below(path, kernel.modules):
            return True
    return any(is_below(path, f"{kernel.modules}/kernel/{driver}") for driver in _USELESS_DRIVERS)


def _is_private(entry: Entry, closed: Collection[str]) -> bool:
    if any(parent in closed for parent in ancestors_of(entry.path)):
        return True
    if entry.kind is Kind.SOCKET or cleaning_of(entry.path) is not Cleaning.KEEP:
        return entry.path != MACHINE_ID or entry.size > 0
    return entry.kind is Kind.FILE and not entry.mode & 0o005
