"""What a tree says about itself: where its symbolic links lead, which family and which machine it is for."""

import re
from collections.abc import Mapping

from reprov.domain.account_files import ACCOUNT_PATHS
from reprov.domain.entry import Entry, Kind, show

_LINKS_FOLLOWED = 40  # what Linux follows before it says ELOOP
_SETTING = re.compile(r"""^(ID|ID_LIKE)=["']?([^"'\n]*)["']?$""", re.MULTILINE)
_FAMILY_OF_ID = {"debian": "debian", "ubuntu": "debian", "fedora": "rpm", "rhel": "rpm", "centos": "rpm", "suse": "rpm", "opensuse": "rpm"}
_MACHINES = {3: "i686", 21: "ppc64le", 22: "s390x", 40: "armv7l", 62: "x86_64", 183: "aarch64", 243: "riscv64", 258: "loongarch64"}
ELF_HEADER_BYTES = 20


def real_path(entries: Mapping[str, Entry], path: str) -> str | None:
    """Where a path of the tree really is, every symbolic link followed inside the tree; None when nothing is there."""
    directory = real_directory(entries, path.rpartition("/")[0])
    if directory is None:
        return None
    return _follow(entries, _join(directory, path.rpartition("/")[2]), _LINKS_FOLLOWED)


def real_directory(entries: Mapping[str, Entry], path: str) -> str | None:
    """The same for a directory; None when the path is no directory."""
    found = _walk(entries, "", path.split("/"), _LINKS_FOLLOWED)
    return found if found is not None and entries[found].kind is Kind.DIR else None


def problems_of(entries: Mapping[str, Entry]) -> tuple[str, ...]:
    """Why the entries cannot be the root of a node, one sentence each; nothing for a tree that can be published."""
    problems = [f"{show(path)} is a socket" for path, entry in entries.items() if entry.kind is Kind.SOCKET]
    problems += [f"{show(path)} is missing" for path in ("bin/sh", "etc") if real_path(entries, path) is None]
    accounts = [entries[path] for path in ACCOUNT_PATHS if path in entries]
    problems += [f"{show(entry.path)} is a {entry.kind.value}, not a file" for entry in accounts if entry.kind is not Kind.FILE]
    if os_release_of(entries) is None:
        problems.append("neither /etc/os-release nor /usr/lib/os-release is there")
    return tuple(problems)


def os_release_of(entries: Mapping[str, Entry]) -> str | None:
    """The file that says which distribution this is, os-release(5)."""
    found = (real_path(entries, path) for path in ("etc/os-release", "usr/lib/os-release"))
    return next((path for path in found if path is not None and entries[path].kind is Kind.FILE), None)


def family_of(os_release: str) -> str | None:
    """debian or rpm, from the ID and ID_LIKE of os-release(5); None for a distribution of neither family."""
    settings = dict(_SETTING.findall(os_release))
    names = [settings.get("ID", ""), *settings.get("ID_LIKE", "").split()]
    return next((_FAMILY_OF_ID[name] for name in names if name in _FAMILY_OF_ID), None)


def machine_of(elf_header: bytes) -> str | None:
    """The machine of a program as `uname -m` names it, from its first `ELF_HEADER_BYTES`; None for any other file."""
    if len(elf_header) < ELF_HEADER_BYTES or elf_header[:4] != b"\x7fELF":
        return None
    number = int.from_bytes(elf_header[18:20], "big" if elf_header[5] == 2 else "little")
    return _MACHINES.get(number)


def _walk(entries: Mapping[str, Entry], start: str, names: list[str], links_left: int) -> str | None:
    here = start
    for name in names:
        if name in ("", "."):
            continue
        if name == "..":
            here = here.rpartition("/")[0]
            continue
        found = _follow(entries, _join(here, name), links_left)
        if found is None:
            return None
        here = found
    return here


def _follow(entries: Mapping[str, Entry], path: str, links_left: int) -> str | None:
    entry = entries.get(path)
    if entry is None or entry.kind is not Kind.LINK:
        return path if entry else None
    if not links_left:
        return None
    start = "" if entry.target.startswith("/") else path.rpartition("/")[0]
    return _walk(entries, start, entry.target.split("/"), links_left - 1)


def _join(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name
