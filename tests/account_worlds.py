"""Releases and nodes with account files, drawn at random: what the property tests and the oracle of the merge run on."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple, TypeVar

from hypothesis import strategies as st

from reprov.domain.account_files import AccountFiles

SYSTEM_NAMES = ("daemon", "_apt", "sshd", "ceph", "nova", "messagebus")
GROUP_NAMES = ("adm", "sudo", "kvm")
PEOPLE_NAMES = ("alice", "bob", "admin")
LOCKED = ("*", "!", "!*", "!!")
HASHES = ("$y$j9T$aaaa$bbbb", "!$6$cccc$dddd")
GECOSES = ("", "a", "gr\udcfcn")
SHELLS = ("/usr/sbin/nologin", "/bin/sh")
IDS = range(100, 116)
OPAQUE = (b"# by hand", b"", b"+@ops::::::", b"-mallory::::::", b"+", b"no entry at all", b"\xff\xfe:x")

Name = TypeVar("Name", str, bytes)


class AUser(NamedTuple):
    """A user of a tree."""

    uid: int
    group: str
    gecos: str = ""
    home: str = "/"
    shell: str = "/usr/sbin/nologin"
    password: str = "*"
    ageing: str = "20000:0:99999:7:::"


class AGroup(NamedTuple):
    """A group of a tree."""

    gid: int
    members: tuple[str, ...] = ()
    password: str = "!"


@dataclass(frozen=True)
class ATree:
    """The accounts of a release, consistent among themselves."""

    users: dict[str, AUser] = field(default_factory=dict)
    groups: dict[str, AGroup] = field(default_factory=dict)
    ranges: dict[str, int] = field(default_factory=dict)
    """The first subordinate id by name."""

    def files(self) -> AccountFiles:
        """As a build leaves them."""
        gids = {name: group.gid for name, group in self.groups.items()}
        ranges = text(f"{name}:{start}:65536" for name, start in self.ranges.items())
        return AccountFiles(
            passwd=text(f"{n}:x:{u.uid}:{gids[u.group]}:{u.gecos}:{u.home}:{u.shell}" for n, u in self.users.items()),
            group=text(f"{n}:x:{g.gid}:{','.join(g.members)}" for n, g in self.groups.items()),
            shadow=text(f"{n}:{u.password}:{u.ageing}" for n, u in sorted(self.users.items())),
            gshadow=text(f"{n}:{g.password}::{','.join(g.members)}" for n, g in sorted(self.groups.items())),
            subuid=ranges,
            subgid=ranges,
        )


def text(lines: Iterable[str]) -> bytes:
    """The lines as a file."""
    return b"".join(f"{line}\n".encode("utf-8", "surrogateescape") for line in lines)


ROOT = ATree({"root": AUser(0, "root", "root", "/root", "/bin/bash")}, {"root": AGroup(0)})


def release(rng: Random, before: ATree = ROOT, *, drops: bool = True) -> ATree:
    """A release; after another one, most of it is as before. Without `drops` nothing goes, and no password, that a node would keep."""
    users, groups, ranges = dict(before.users), dict(before.groups), dict(before.ranges)
    for name in _some(rng, [*SYSTEM_NAMES, "admin"], 2) if drops else []:
        users.pop(name, None)
        ranges.pop(name, None)
        if not any(user.group == name for user in users.values()):
            groups.pop(name, None)
    for name in _some(rng, GROUP_NAMES, 3):
        groups[name] = AGroup(_free(rng, name, {other: group.gid for other, group in groups.items()}), tuple(_some(rng, users, 2)))
    for name in _some(rng, SYSTEM_NAMES, 4):
        gid = _free(rng, name, {other: group.gid for other, group in groups.items()})
        groups[name] = AGroup(gid, groups[name].members if name in groups else ())
        uid = _free(rng, name, {other: user.uid for other, user in users.items()})
        password = rng.choice((*LOCKED, *HASHES) if drops else LOCKED)
        if not drops and name in users and users[name].password in HASHES:
            continue
        ageing = rng.choice(["20000:0:99999:7:::", "20800::::::"])
        users[name] = AUser(uid, rng.choice([name, "root"]), rng.choice(GECOSES), "/", rng.choice(SHELLS), password, ageing)
    if rng.random() < 0.5 and "admin" not in users:
        users["admin"] = AUser(1000, "admin", home="/home/admin", password=HASHES[0])
        groups.setdefault("admin", AGroup(1000))
        ranges["admin"] = 100000
    for name, group in groups.items():
        groups[name] = group._replace(members=tuple(member for member in group.members if member in users))
    return ATree(users, groups, ranges)


def node(rng: Random, installed: ATree) -> AccountFiles:
    """What operators made of a release: by the tools first, then by hand."""
    users, groups, ranges = dict(installed.users), dict(installed.groups), dict(installed.ranges)
    for name in _some(rng, PEOPLE_NAMES, 2):
        groups.setdefault(name, AGroup(rng.choice([number for number in range(1000, 1009) if number not in _gids(groups)])))
        users[name] = AUser(rng.randint(1000, 1003), rng.choice([*groups]), "gr\udcfcn", f"/home/{name}", "/bin/bash", rng.choice(HASHES))
        if rng.random() < 0.5:
            ranges[name] = rng.choice([100000, 165536, 200000])
    for name in _some(rng, ["local", "nova"], 1):
        groups.setdefault(name, AGroup(_free(rng, name, {other: group.gid for other, group in groups.items()})))
        users.setdefault(name, AUser(rng.choice(IDS), name))
    for name in _some(rng, users, 2):
        users[name] = rng.choice(
            [
                users[name]._replace(shell="/bin/zsh"),
                users[name]._replace(gecos="local"),
                users[name]._replace(password=HASHES[1]),
                users[name]._replace(password=f"!{users[name].password}"),
                users[name]._replace(uid=rng.choice(IDS)),
                users[name]._replace(group=rng.choice([*groups])),
            ]
        )
    for name in _some(rng, users, 1):
        del users[name]
        groups = {other: group._replace(members=tuple(m for m in group.members if m != name)) for other, group in groups.items()}
    for name in _some(rng, groups, 2):
        groups[name] = groups[name]._replace(members=tuple(_some(rng, users, 3)))
    files = ATree(users, groups, ranges).files().by_path()
    return AccountFiles.of({**files, **{path: _scribbled(rng, files[path]) for path in _some(rng, files, 2)}})


def _scribbled(rng: Random, content: bytes) -> bytes:
    """A file with lines that are no entries, in another order, without an entry, or without its last newline."""
    lines = content.splitlines()
    if rng.random() < 0.5:
        rng.shuffle(lines)
    if lines and rng.random() < 0.5:
        lines.remove(rng.choice(lines))
    for line in _some(rng, [*OPAQUE, *lines[:2]], 3):
        lines.insert(rng.randint(0, len(lines)), line)
    newline = rng.choice([b"\n", b""]) if lines and lines[-1] else b"\n" * bool(lines)
    return b"\n".join(lines) + newline


def _some(rng: Random, names: Iterable[Name], most: int) -> list[Name]:
    known = list(names)
    return rng.sample(known, min(len(known), rng.randint(0, most)))


def _gids(groups: dict[str, AGroup]) -> set[int]:
    return {group.gid for group in groups.values()}


def _free(rng: Random, name: str, taken: dict[str, int]) -> int:
    """An id for the name: mostly the one that it has, else one that no other name has."""
    if name in taken and rng.random() < 0.7:
        return taken[name]
    return rng.choice([number for number in IDS if number not in taken.values()])


class Case(NamedTuple):
    """One upgrade."""

    pristine: AccountFiles | None
    live: AccountFiles
    new: AccountFiles


def upgrade(seed: int) -> Case:
    """A node with a release and its own history, or one that never had a release, and the release that is to come."""
    rng = Random(seed)
    installed = release(rng)
    live = node(rng, installed)
    pristine = None if rng.random() < 0.15 else installed.files()
    return Case(pristine, live, release(rng, installed).files())


def untouched_upgrade(seed: int) -> Case:
    """A node as the release left it, and a release that drops nothing."""
    rng = Random(seed)
    installed = release(rng)
    return Case(installed.files(), installed.files(), release(rng, installed, drops=False).files())


seeds = st.integers(0, 2**32)
"""A world has some fifty choices: drawn one by one they would take longer than the merge by two orders of magnitude."""
upgrades = st.builds(upgrade, seeds)
untouched_upgrades = st.builds(untouched_upgrade, seeds)
