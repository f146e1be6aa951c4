"""What SELinux labels cost a node: the same tree installed with and without a policy, and setfiles over the whole of it."""

import os
import shutil
import subprocess
from pathlib import Path

from bench import lab
from bench.measure import REPROV_PROGRAM, measure
from bench.values import Cost, LabelCosts
from tests.system.trees import selinux_trees

_REPEATS = 10  # the difference of two installs is as large as what they vary by
_SPARE_BYTES = 1 << 30
_CONFIG = "etc/selinux/config"
_CONTEXTS = "etc/selinux/default/contexts/files/file_contexts"
_LABELLED, _PLAIN = "labelled", "plain"


def build_tree() -> Path:
    """A Debian tree with the distribution's policy, from the cache of the tests; needs the network the first time."""
    return selinux_trees().new


def measure_labels(folder: Path) -> LabelCosts:
    """Install the tree, as one release with labels and one without, on an empty filesystem each: no path has its label already.

    Which is first changes each time: the second one finds the disk busier.
    """
    tree, store = build_tree(), folder / "labels"
    plain = folder / "plain"
    lab.run("cp", "-a", tree, plain)
    (plain / _CONFIG).unlink()
    for role, source in ((_LABELLED, tree), (_PLAIN, plain)):
        measure((*REPROV_PROGRAM, "publish", "--tree", source, "--role", role, "--version", "1", "--store", store), folder)
    shutil.rmtree(plain)
    size_bytes = sum(path.lstat().st_size for path in tree.rglob("*")) + _SPARE_BYTES
    costs: dict[str, list[Cost]] = {_LABELLED: [], _PLAIN: []}
    setfiles: list[Cost] = []
    for repeat in range(_REPEATS):
        for role in (_PLAIN, _LABELLED) if repeat % 2 else (_LABELLED, _PLAIN):
            with lab.new_filesystem(folder / "labels.img", size_bytes, folder / "node") as root:
                argv = (*REPROV_PROGRAM, "upgrade", role, "1", "--from", store, "--root", root)
                costs[role].append(measure(argv, folder).cost)
                if role == _PLAIN:
                    setfiles.append(measure(("setfiles", "-F", "-r", root, root / _CONTEXTS, root), folder).cost)
                else:
                    _require_labels(root)
    paths = sum(1 + len(files) for _, _, files in os.walk(tree))
    return LabelCosts(paths, tuple(costs[_LABELLED]), tuple(costs[_PLAIN]), tuple(setfiles))


def _require_labels(root: Path) -> None:
    """Raise unless setfiles would leave every label as it is."""
    argv = ("setfiles", "-n", "-v", "-F", "-r", root, root / _CONTEXTS, root)
    said = subprocess.run(argv, check=True, capture_output=True, text=True)
    wrong = [line for line in (said.stdout + said.stderr).splitlines() if "relabel" in line and "lost+found" not in line]
    if wrong:
        raise RuntimeError(f"a label is wrong: {wrong[0]}")
