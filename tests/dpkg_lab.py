"""Small Debian packages whose scripts write down how they were called, and a tree of their own that the real dpkg changes.

dpkg runs without root and without a chroot (`--force-not-root --force-script-chrootless`), so it needs no system in the tree.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

ENVIRONMENT = ("DPKG_MAINTSCRIPT_ARCH", "DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT", "DPKG_MAINTSCRIPT_DEBUG", "DPKG_RUNNING_VERSION")
_SCRIPT = """\
#!/bin/sh
{
    printf '%s' "$DPKG_MAINTSCRIPT_PACKAGE.$DPKG_MAINTSCRIPT_NAME of VERSION with"
    for word; do printf ' [%s]' "$word"; done
    printf ' |'
    for name in NAMES; do eval "printf ' %s' \\"\\$$name\\""; done
    echo
} >> "$DPKG_LAB_LOG"
"""
_DPKG_OPTIONS = ("--force-not-root", "--force-script-chrootless", "--force-bad-path", "--force-unsafe-io", "--force-architecture")


@dataclass(frozen=True)
class Deb:
    """A package: version "1", architecture all, with every script, unless it says otherwise."""

    name: str
    version: str = "1"
    arch: str = "all"
    fields: str = ""
    """More lines of its control file."""
    scripts: Sequence[str] = ("preinst", "postinst", "prerm", "postrm")
    triggers: str = ""
    files: Sequence[str] = ()
    more: dict[str, str] = field(default_factory=dict)
    """Lines that a script has besides."""


class Call(NamedTuple):
    """A script that was called."""

    script: str
    version: str
    arguments: tuple[str, ...]
    environment: tuple[str, ...]
    """The values of `ENVIRONMENT`."""


def script_of(deb: Deb, name: str) -> str:
    """The text of a script."""
    return _SCRIPT.replace("VERSION", deb.version).replace("NAMES", " ".join(ENVIRONMENT)) + deb.more.get(name, "")


class Lab:
    """A tree, and the packages that were made for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.log = folder / "log"
        for name in ("updates", "info", "triggers"):
            (self.root / "var/lib/dpkg" / name).mkdir(parents=True, exist_ok=True)
        (self.root / "var/lib/dpkg/status").touch()

    def copied(self) -> "Lab":
        """Another one whose tree is as this one's is now."""
        shutil.copytree(self.folder, self.folder / "copy", symlinks=True)
        return Lab(self.folder / "copy")

    def dpkg(self, *words: str | Path, fine: Iterable[int] = (0,)) -> list[Call]:
        """Run dpkg on the tree; the calls that it has made, without those of prerm, which no hop makes."""
        self.log.write_text("")
        argv = ["dpkg", f"--root={self.root}", f"--log={self.folder / 'dpkg.log'}", *_DPKG_OPTIONS, *map(str, words)]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DPKG_LAB_LOG": os.fspath(self.log), "LC_ALL": "C"}
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode in fine, done.stdout + done.stderr
        calls = [_call(line) for line in self.log.read_text().splitlines()]
        return [call for call in calls if not call.script.endswith(".prerm")]

    def build(self, debs: Iterable[Deb]) -> list[Path]:
        """The package files, in the order of the packages."""
        return [self._build(deb) for deb in debs]

    def _build(self, deb: Deb) -> Path:
        folder = self.folder / "made" / f"{deb.name}_{deb.version}_{deb.arch}".replace(":", "%3a")
        made = folder.with_name(f"{folder.name}.deb")
        if made.exists():
            return made
        (folder / "DEBIAN").mkdir(parents=True)
        head = f"Package: {deb.name}\nVersion: {deb.version}\nArchitecture: {deb.arch}\nMaintainer: lab\nDescription: lab\n"
        (folder / "DEBIAN/control").write_text(head + deb.fields)
        for name in deb.scripts:
            (folder / "DEBIAN" / name).write_text(script_of(deb, name))
            (folder / "DEBIAN" / name).chmod(0o755)
        if deb.triggers:
            (folder / "DEBIAN/triggers").write_text(deb.triggers)
        for path in deb.files:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(deb.version)
        subprocess.run(["dpkg-deb", "--build", "-Znone", folder, made], check=True, capture_output=True)
        return made


def _call(line: str) -> Call:
    head, _, environment = line.partition(" |")
    name, _, rest = head.partition(" with")
    script, _, version = name.partition(" of ")
    arguments = tuple(word.removesuffix("]") for word in rest.split(" [")[1:])
    return Call(script, version, arguments, tuple(environment.removeprefix(" ").split(" ")))
