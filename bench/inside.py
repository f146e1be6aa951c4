"""The inner half, in namespaces of its own: publish, install, upgrade in turn, and the report.

`python -m bench.inside TREES FOLDER JSON PAIRS CACHES`: a store with the built trees, a folder to work in, and the options.
"""

import gzip
import json
import os
import platform
import re
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from bench import content, lab, report
from bench.fleet import measure_fleet
from bench.labels import measure_labels
from bench.limits import judge
from bench.measure import REPROV_PROGRAM, measure, measure_reprov, measure_rsync, require_same
from bench.recovery import measure_recovery
from bench.scripts import measure_scripts
from bench.storage import measure_inventory, measure_proof
from bench.trees import NEW, OLD, ROLE, tree_of
from bench.values import Change, Cost, Growth, Machine, Results, Upgrade
from reprov.domain.manifest import Manifest

_RSYNC_PORT = 8731
_REPROV_PORT = 8730
_SOURCE = f"rsync://127.0.0.1:{_REPROV_PORT}"
_REPEATS = 5
_WATCHED = 24  # paths that change, beside those that are exchanged: a look at all of them takes a tenth of a millisecond
_SPARE_BYTES = 2 << 30
_PENDING = 3  # of `reprov plan`: there is something to do


def main() -> int:
    """Measure, print the table, write the JSON; returns 1 when a limit is missed."""
    trees, folder, json_file = map(Path, sys.argv[1:4])
    pairs, caches = int(sys.argv[4]), sys.argv[5]
    lab.raise_loopback()
    store = folder / "store"
    publish, growth = _publish(trees, store, folder)
    with ExitStack() as stack:
        reprov_server = stack.enter_context(lab.reprov_server(store, _REPROV_PORT, folder))
        rsync_server = stack.enter_context(lab.rsync_daemon(tree_of(trees, NEW), _RSYNC_PORT, folder))
        master = folder / "master.img"
        watched, changed_paths = _install(store, master, folder)
        change = _change(store, changed_paths)
        upgrades: list[Upgrade] = []
        no_op: tuple[Cost, ...] = ()
        verify: tuple[Cost, ...] = ()
        for pair in range(1, pairs + 1):
            _say(f"pair {pair} of {pairs}: rsync")
            with lab.copy_mounted(master, folder / "node.img", folder / "node") as root:
                _begin(root, tree_of(trees, NEW), caches, folder)
                upgrades.append(measure_rsync(root, _RSYNC_PORT, rsync_server, watched, folder))
                require_same(root, _RSYNC_PORT)
            _say(f"pair {pair} of {pairs}: reprov")
            with lab.copy_mounted(master, folder / "node.img", folder / "node") as root:
                _begin(root, store / "trees" / ROLE / NEW, caches, folder)
                upgrades.append(measure_reprov(root, _SOURCE, NEW, reprov_server, watched, folder))
                if pair == pairs:
                    _say("no-op upgrade and verify")
                    again = (*REPROV_PROGRAM, "upgrade", NEW, "--from", _SOURCE, "--root", root, "--no-post")
                    no_op = tuple(measure(again, folder).cost for _ in range(_REPEATS))
                    verify = tuple(measure((*REPROV_PROGRAM, "verify", "--root", root), folder).cost for _ in range(_REPEATS))
        _say("the scripts of the hop, and apt")
        scripts = measure_scripts(store, _SOURCE, master, folder)
    _say("planning for a fleet, and rolling out")
    fleet = measure_fleet(store, folder / "fleet")
    _say("inventory and proof of a node with 60 OSDs")
    looks = measure_inventory(), measure_proof(folder / "osds")
    _say("recovery")
    recovery = measure_recovery(folder / "recovery")
    _say("SELinux labels")
    labels = measure_labels(folder)
    results = Results(_machine(caches), change, tuple(upgrades), no_op, verify, publish, growth, *looks, labels, scripts, recovery, fleet)
    json_file.parent.mkdir(parents=True, exist_ok=True)
    json_file.write_text(report.to_json(results), encoding="ascii")
    print(report.render(results), end="")
    print(f"all figures: {json_file}")
    return 0 if all(verdict.is_kept for verdict in judge(results)) else 1


def _publish(trees: Path, store: Path, folder: Path) -> tuple[tuple[Cost, ...], Growth]:
    """Publish both versions into a new store, from links to the built trees: publishing takes a built tree away."""
    costs: list[Cost] = []
    looks = []
    for version in (OLD, NEW):
        built = tree_of(store, version).parent
        built.parent.mkdir(parents=True, exist_ok=True)
        lab.run("cp", "-al", tree_of(trees, version).parent, built)
        _say(f"publishing {ROLE} {version}")
        lab.warm(built / "tree")
        lab.settle_disks()
        costs.append(measure((*REPROV_PROGRAM, "publish", ROLE, version, "--store", store), folder).cost)
        looks.append(content.inodes_of(store))
    return tuple(costs), content.find_growth(*looks)


def _install(store: Path, master: Path, folder: Path) -> tuple[list[str], int]:
    """Make the node that every upgrade begins with, and find out which paths to watch and how many change."""
    _say(f"installing {ROLE} {OLD} on an empty ext4")
    old, new = (sum(file.stat().st_size for file in _files(store, version)) for version in (OLD, NEW))
    with lab.new_filesystem(master, 2 * (old + new) + _SPARE_BYTES, folder / "node") as root:
        measure((*REPROV_PROGRAM, "upgrade", ROLE, OLD, "--from", _SOURCE, "--root", root), folder)
        plan = json.loads(
            measure((*REPROV_PROGRAM, "plan", NEW, "--from", _SOURCE, "--root", root, "--json"), folder, fine=(_PENDING,)).output
        )
    changes = [change["path"].lstrip("/") for change in plan["changes"]]
    exchanged = [exchange["path"].lstrip("/") for exchange in plan["exchanges"]]
    return sorted({*content.evenly(changes, _WATCHED), *content.evenly(exchanged, _WATCHED)}), len(changes)


def _files(store: Path, version: str) -> list[Path]:
    return [path for path in (store / "trees" / ROLE / version).rglob("*") if path.is_file() and not path.is_symlink()]


def _change(store: Path, changed_paths: int) -> Change:
    old, new = (store / "releases" / ROLE / version for version in (OLD, NEW))
    manifests = [
        Manifest.parse(gzip.decompress((release / "manifest.mtree.gz").read_bytes()).decode("ascii"), str(release)).entries
        for release in (old, new)
    ]
    release_bytes = sum(path.stat().st_size for path in new.rglob("*") if path.is_file() and "hops" not in path.parts)
    return content.find_change(manifests[0], manifests[1], changed_paths, release_bytes)


def _begin(root: Path, served: Path, caches: str, folder: Path) -> None:
    """Bring the machine into the state that both sides begin with.

    The stat cache of the node is renewed: it knows the number of the loop device that the image was on before.
    """
    measure((*REPROV_PROGRAM, "verify", "--root", root), folder)
    lab.settle_disks()
    if caches == "cold":
        lab.drop_caches()
    else:
        lab.warm(root)
    lab.warm(served)


def _machine(caches: str) -> Machine:
    rsync = re.search(r"version (\S+)", subprocess.run(("rsync", "--version"), check=True, capture_output=True, text=True).stdout)
    return Machine(
        date=time.strftime("%Y-%m-%d"),
        kernel=platform.release(),
        processors=len(os.sched_getaffinity(0)),
        rsync=rsync[1] if rsync else "unknown",
        python=platform.python_version(),
        caches=caches,
    )


def _say(what: str) -> None:
    print(f"bench: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RuntimeError, subprocess.CalledProcessError) as error:
        sys.exit(f"bench: {error}")
