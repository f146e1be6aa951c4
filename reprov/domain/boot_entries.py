"""Entries of a boot loader that follow the Boot Loader Specification: a small file for each kernel.

systemd-boot reads them from the ESP, where kernel and initramfs are copied to, too; GRUB of the RPM family reads them from /boot,
where kernel and initramfs lie anyway. Source: https://uapi-group.org/specifications/specs/boot_loader_specification/
"""

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Final, Self

from reprov.domain.trial import TRIAL_ENTRY
from reprov.domain.version_order import version_key

ONE_SHOT: Final = "LoaderEntryOneShot-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
"""The variable of the firmware by which systemd-boot boots an entry once (https://systemd.io/BOOT_LOADER_INTERFACE/)."""
TRIAL_NAME: Final = f"{TRIAL_ENTRY}.conf"
_COUNTER = re.compile(r"\+\d+(-\d+)?\.conf$")  # how often systemd-boot will try, and has tried
_ATTRIBUTES: Final = 0x7  # non volatile, for the boot loader, for the running system


@dataclass(frozen=True, slots=True)
class BootEntry:
    """One entry, as far as its file says it."""

    name: str
    """Of the file, with .conf."""
    title: str
    version: str
    linux: str
    """Absolute on the filesystem that the boot loader reads."""
    initrd: str
    options: str
    machine: str = ""

    @classmethod
    def parse(cls, name: str, text: str) -> Self:
        """The entry in a file; what it does not say is ""."""
        said: dict[str, str] = {}
        for line in text.splitlines():
            key, _, value = line.strip().partition(" ")
            if key and not key.startswith("#"):
                # Options may be given in several lines; of several initramfs the last one is the system's.
                said[key] = f"{said[key]} {value.strip()}" if key == "options" and key in said else value.strip()
        keys = ("title", "version", "linux", "initrd", "options", "machine-id")
        return cls(name, *(said.get(key, "") for key in keys))

    def text(self) -> str:
        """The text of its file."""
        lines = {
            "title": self.title,
            "version": self.version,
            "machine-id": self.machine,
            "options": self.options,
            "linux": self.linux,
            "initrd": self.initrd,
        }
        return "".join(f"{key} {value}\n" for key, value in lines.items() if value)


def entry_like(pattern: BootEntry, version: str) -> BootEntry:
    """The entry of another kernel that is booted as the one of the pattern is: names and paths with the other version in them."""

    def other(text: str) -> str:
        return text.replace(pattern.version, version)

    name = _COUNTER.sub(".conf", other(pattern.name))
    return replace(pattern, name=name, version=version, linux=other(pattern.linux), initrd=other(pattern.initrd))


def trial_of(entry: BootEntry, words: str) -> BootEntry:
    """The entry by which the same kernel is tried, with these words besides its others."""
    options = f"{entry.options} {words}".lstrip()
    return replace(entry, name=TRIAL_NAME, title=f"{entry.title} (trial)", options=options)


def newest(entries: Iterable[BootEntry]) -> BootEntry | None:
    """The entry of the newest kernel: what is booted when nobody chooses, unless loader.conf says otherwise."""
    known = [entry for entry in entries if entry.version and entry.linux]
    return max(known, key=lambda entry: version_key(entry.version), default=None)


def one_shot(name: str) -> bytes:
    """The content of the file in efivarfs that makes systemd-boot boot an entry once, by the whole name of its file."""
    return struct.pack("<I", _ATTRIBUTES) + f"{name}\0".encode("utf-16-le")


def default_of(loader_conf: str) -> str:
    """The pattern of the entry that loader.conf has systemd-boot boot; "" where it has none, and the newest kernel is booted."""
    found = [line.split(None, 1)[1].strip() for line in loader_conf.splitlines() if re.match(r"\s*default\s+\S", line)]
    return found[-1] if found else ""


def with_default(loader_conf: str, pattern: str) -> str:
    """The same loader.conf with another default, "" for none."""
    lines = [line for line in loader_conf.splitlines() if not re.match(r"\s*default(\s|$)", line)]
    return "".join(f"{line}\n" for line in (*lines, *([f"default {pattern}"] if pattern else [])))


def boots(loader_conf: str, entry: BootEntry, entries: Iterable[BootEntry]) -> bool:
    """True when systemd-boot boots this entry of all when nobody chooses."""
    known = sorted(entries, key=lambda entry: version_key(entry.version), reverse=True)
    if pattern := default_of(loader_conf).removesuffix(".conf"):
        known = [entry for entry in known if fnmatchcase(entry.name.removesuffix(".conf"), pattern)]
    return known[:1] == [entry]
