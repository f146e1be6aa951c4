"""How long a node needs to recover: a commit of a hundred ops that was cut off when all of them were done."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import lab
from bench.measure import REPROV_PROGRAM, measure
from bench.values import Cost, RecoveryCosts
from tests.system.hazard_lab import NEW, OLD, around_exchanges, die, in_child
from tests.system.node import Hooks, Node, Store, run_here
from tests.system.trees import Tree

OPS = 100
_FILES_OF_A_UNIT = 20
_IMAGE_BYTES = 1 << 30
_REPEATS = 5


def measure_recovery(folder: Path) -> RecoveryCosts:
    """What `reprov recover` costs, the start of the program included: where the exchanges are undone, and where the rest is finished."""
    folder.mkdir()
    store = Store(folder / "store", run_here)
    for version in (OLD, NEW):
        store.publish(_release(folder / version, version), version)
    master = folder / "master.img"
    with lab.new_filesystem(master, _IMAGE_BYTES, folder / "node") as root:
        Node(root, store, run_here).install(OLD)
    undone = tuple(_recovery(master, store, _after_the_last_exchange, "undid an interrupted commit", folder) for _ in range(_REPEATS))
    finished = tuple(_recovery(master, store, _after_the_seal, "finished an interrupted commit", folder) for _ in range(_REPEATS))
    return RecoveryCosts(OPS, undone, finished)


def _release(folder: Path, version: str) -> Tree:
    """The trees differ in /usr, /var/lib/dpkg, and 98 paths in /: directories that swap, files that change, come and go."""
    tree = Tree(folder, version)
    for number in range(58):
        for name in range(_FILES_OF_A_UNIT):
            tree.file(f"unit-{number}/{name}", f"{number} {name} {version}\n")
    for number in range(20):
        tree.file(f"changes-{number}", version)
        tree.file(f"{'goes' if version == OLD else 'comes'}-{number // 2}", version)
    return tree


def _recovery(master: Path, store: Store, cut_off: Callable[[pytest.MonkeyPatch], None], said: str, folder: Path) -> Cost:
    """Of a copy of a node whose upgrade is cut off."""
    with lab.copy_mounted(master, folder / "node.img", folder / "node") as root:
        node = Node(root, store, run_here)

        def dying() -> int:
            with pytest.MonkeyPatch.context() as patched:
                cut_off(patched)
                return node.upgrade(NEW).status

        status, ops = in_child(dying), len(json.loads(node.path(".reprov/journal").read_text())["ops"])
        if (status, ops) != (-signal.SIGKILL, OPS):
            raise RuntimeError(f"a commit of {ops} ops ended with status {status}; it should have been cut off with {OPS}")
        lab.settle_disks()
        ran = measure((*REPROV_PROGRAM, "recover", "--root", root), folder)
        if said not in ran.output.decode():
            raise RuntimeError(f"recover says {ran.output.decode().strip()!r}, and not {said!r}")
        return ran.cost


def _after_the_last_exchange(patched: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def count(path: str) -> None:
        done.append(path)
        if len(done) == OPS:
            die()

    around_exchanges(patched, after=count)


def _after_the_seal(patched: pytest.MonkeyPatch) -> None:
    Hooks(patched).at_start("finish", die)
