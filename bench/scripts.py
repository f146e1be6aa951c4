"""What a hop's scripts cost beside apt, which unpacks and configures the same packages on the same node."""

import json
from pathlib import Path

from bench import lab
from bench.apt import packages_between, unexplained, upgrade_by_apt
from bench.measure import REPROV_PROGRAM, measure
from bench.trees import NEW, OLD, ROLE
from bench.values import ScriptTimes


def measure_scripts(store: Path, source: str, master: Path, folder: Path) -> ScriptTimes:
    """Upgrade a copy of the node with all that follows the commit, and another one with apt; each once, for apt takes minutes.

    Raises `RuntimeError` when they do not leave the same, path by path.
    """
    wanted = packages_between(*(store / "trees" / ROLE / version for version in (OLD, NEW)))
    with (
        lab.copy_mounted(master, folder / "node.img", folder / "node") as root,
        lab.copy_mounted(master, folder / "twin.img", folder / "twin") as twin,
    ):
        ran = measure((*REPROV_PROGRAM, "upgrade", NEW, "--from", source, "--root", root, "--json"), folder)
        after = json.loads(ran.output)["after"]
        apt_s = upgrade_by_apt(twin, wanted)
        if differences := unexplained(root, twin):
            raise RuntimeError(f"reprov and apt do not leave the same: {differences[0]}")
    return ScriptTimes(len(wanted.changed) + len(wanted.removed), int(after["steps"]), float(after["elapsed_s"]), apt_s)
