"""A node whose trees can run scripts: this machine's shells and small tools with their libraries, in two small releases."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

from reprov.domain.post_script import PostScript, Step, Work
from reprov.domain.release import ReleaseId
from tests.conftest import SEARCH_PATH
from tests.system.node import Node, Store
from tests.system.trees import ADD_ONLY, EXCLUDE, Tree, make_library

TOOLS = (
    *("bash", "dash", "env", "setsid", "setpriv", "cat", "rm", "rmdir", "mkdir", "touch", "dd", "sleep", "chmod", "ln", "cp", "mv"),
    *("ls", "id", "mount", "umount", "perl", "test", "true", "false", "tail", "head", "sort", "grep", "seq"),
)
STUBS = ("systemctl", "reboot", "ldconfig", "update-ca-certificates", "invoke-rc.d")
"""Programs of the trees that say that they ran: what must not run, and what is to run once."""
OLD, NEW = "1.0", "1.1"
STATUS = "Package: {0}\nStatus: install ok installed\nArchitecture: all\nVersion: {1}\n\n"
LOGS = '#!/bin/sh\necho "$DPKG_MAINTSCRIPT_PACKAGE.$DPKG_MAINTSCRIPT_NAME $*" >> /var/lib/calls\n'
"""The script of a package that writes down how it was called."""


@cache
def _closure() -> dict[str, Path]:
    """What the tools are made of: path in a tree with merged /usr, and where it is here."""
    found: dict[str, Path] = {}
    for tool in TOOLS:
        program = Path(shutil.which(tool, path=SEARCH_PATH) or tool).resolve()
        found[f"usr/bin/{tool}"] = program
        listed = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout
        for name in re.findall(r"(/\S+)", listed):
            found[_merged(name)] = Path(name).resolve()
    return found


def _merged(name: str) -> str:
    return re.sub(r"^/(?=(bin|sbin|lib|lib64)/)", "usr/", name).lstrip("/")


def make_tree(folder: Path, version: str) -> Tree:
    """A release that can run scripts."""
    tree = Tree(folder, version)
    for path, origin in _closure().items():
        place = tree.at(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            shutil.copy2(origin, place)
    shutil.copytree("/usr/lib/locale/C.utf8", tree.at("usr/lib/locale/C.utf8"))
    tree.remove("usr/bin/sh").symlink("usr/bin/sh", "dash")
    for name in ("lib64", "sbin"):
        tree.symlink(name, f"usr/{name}")
    tree.directory("usr/sbin").directory("opt").directory("opt/vendor")
    for name in ("proc", "sys", "dev", "run", "var/lib/site"):
        tree.directory(name)
    tree.directory("tmp", mode=0o1777)
    tree.file("usr/sbin/reprov", "#!/bin/sh\nexit 1\n", mode=0o755)  # nobody hands over to it: the tree does not run
    for name in STUBS:
        tree.file(f"usr/sbin/{name}", f'#!/bin/sh\necho "{name} $*" >> /var/lib/ran\n', mode=0o755)
    tree.file("usr/share/what", f"what {version} has\n").file("etc/released", f"{version}\n")
    return tree


def make_release(folder: Path, version: str, packages: dict[str, str], scripts: dict[str, str]) -> Tree:
    """A tree that can run scripts, with these packages and files in info/."""
    tree = make_tree(folder, version)
    tree.file("var/lib/dpkg/status", "".join(STATUS.format(*package) for package in packages.items()))
    for name in packages:
        tree.file(f"var/lib/dpkg/info/{name}.list", "/.\n")
    for name, text in scripts.items():
        tree.file(f"var/lib/dpkg/info/{name}", text, mode=0o755)
    return tree


class Scripted:
    """A node at 1.0 with 1.1 in the store, and whatever scripts a test gives that hop."""

    def __init__(self, folder: Path, store: Store, node: Node, patched: pytest.MonkeyPatch) -> None:
        self.node = node
        node.runs_scripts = True
        self.folder = folder
        self._patched = patched
        lists = make_library(store.library, exclude=EXCLUDE + "/etc/machine-id\n", add_only=ADD_ONLY) / "excludes"
        (lists / "base.merge").write_text("/etc/**\n")
        for version in (OLD, NEW):
            store.publish(make_tree(folder / f"tree-{version}", version), version)
        node.install(OLD)
        node.write("etc/hostname", "n1\n")
        node.write("etc/machine-id", "0123456789abcdef0123456789abcdef\n")
        node.write("etc/site.d/own.conf", "the node's\n")
        node.write("opt/vendor/data/precious", "data\n")

    def give(self, *steps: Step, works: Sequence[Work] = ()) -> None:
        """The scripts of the hop from now on."""
        script = PostScript(ReleaseId("base", OLD), ReleaseId("base", NEW), steps, tuple(works))
        self._patched.setattr("reprov.workflows.post_scripts.post_script_of", lambda root, ready, volumes: script)

    def log(self, number: int, script: str) -> str:
        """What a step said."""
        return (self.node.root / f".reprov/post/{number:03}-{script}.log").read_text()


def step(name: str, body: str, *, interpreter: tuple[str, ...] = ("/bin/sh", "-e"), timeout_s: int = 60, **fields: object) -> Step:
    """A maintainer script of a package of that name."""
    return Step(f"{name}.postinst", interpreter, ("configure", "1.0"), body, name, "2.0-1", timeout_s=timeout_s, **fields)  # type: ignore[arg-type]


def running(word: str) -> list[str]:
    """The processes of this machine that have the word in their command line."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if word.encode() in words:
                found.append(f"{process.name}: {words}")
    return found
