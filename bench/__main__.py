"""The outer half: trees that are built where the network is, then a supervised child in namespaces of its own that measures.

Whatever happens to either half, nothing stays: mounts, loop devices, daemons and the network end with the namespaces
of the child, and the child ends with this process.
"""

import argparse
import fcntl
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from bench.labels import build_tree
from bench.trees import RUN_FOLDER, cache_folder, cached_trees

_NAMESPACES = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child=KILL", "--mount-proc")


def main() -> int:
    """Build what is missing, measure, and return the exit status: 0, or 1 when a limit is missed or something failed."""
    parser = argparse.ArgumentParser(prog="bench/run", description="Compare an upgrade by reprov with rsync over the live tree.")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), metavar="FILE", help="where all figures go [%(default)s]")
    parser.add_argument("--pairs", type=int, default=3, metavar="N", help="how many times each side upgrades, in turn [%(default)s]")
    parser.add_argument("--caches", choices=("warm", "cold"), default="warm", help="the node's page cache at the start [%(default)s]")
    options = parser.parse_args()
    if options.pairs < 1:
        parser.error("--pairs: at least one")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    cache = cache_folder()
    with (cache / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"another benchmark runs: it holds {cache}/.lock", file=sys.stderr)
            return 1
        trees = cached_trees(cache)
        build_tree()
        folder = cache / RUN_FOLDER
        _remove(folder)
        folder.mkdir()
        try:
            return _supervised(trees, folder, options)
        finally:
            _remove(folder)


def _supervised(trees: Path, folder: Path, options: argparse.Namespace) -> int:
    measuring = (sys.executable, "-m", "bench.inside", trees, folder, options.json.absolute(), str(options.pairs), options.caches)
    # setpriv: killed with this process, however that ends. A session of its own: Ctrl-C at the terminal reaches this process only.
    argv = ("setpriv", "--pdeathsig", "KILL", *_NAMESPACES, *measuring)
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            return process.wait()
        except BaseException:
            process.kill()
            raise


def _remove(folder: Path) -> None:
    """Remove what a run works in; the trees are links into the cache, of which only names go."""
    if folder.name == RUN_FOLDER and folder.exists():
        shutil.rmtree(folder)


def _stop(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except subprocess.CalledProcessError as error:
        sys.exit(f"bench: {error}")
