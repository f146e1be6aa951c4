"""One measurement at a time: a program with its cost, and an upgrade with all that is asked of it."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from bench import lab
from bench.observer import Window
from bench.values import Cost, Upgrade

REPROV_PROGRAM = (sys.executable, "-m", "reprov", "--quiet")
_MEASURED = (sys.executable, "-IS", str(Path(__file__).with_name("measured.py")))
_SAMPLE_S = 0.05
_RESULT = "cost.json"
_EVENTS = "events.jsonl"


class Ran(NamedTuple):
    """A program that has run to its end."""

    cost: Cost
    output: bytes
    together_bytes: int


def measure(argv: Sequence[object], folder: Path, *, fine: Sequence[int] = (0,)) -> Ran:
    """Run a program alone and tell what it cost; raises `RuntimeError` with its last words when its status is not fine."""
    result = folder / _RESULT
    words = [str(word) for word in (*_MEASURED, result, *argv)]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        with _sampled_memory(process.pid) as peak:
            output, errors = process.communicate()
    if process.returncode not in fine:
        raise RuntimeError(f"{' '.join(map(str, argv))} ended with status {process.returncode}: {errors.decode(errors='replace').strip()}")
    return Ran(Cost(**json.loads(result.read_text())), output, peak[0])


def measure_rsync(root: Path, port: int, server: lab.Daemon, watched: Sequence[str], folder: Path) -> Upgrade:
    """An upgrade as eDeploy does it: rsync over the live tree, then the filesystem to its disk."""
    options = "-aHAX --numeric-ids --delete --exclude=/.reprov"
    command = f'rsync {options} rsync://127.0.0.1:{port}/tree/ "$1/" && sync -f "$1"'
    return _upgrade("rsync", ("sh", "-c", command, "sh", root), root, server, watched, folder)[0]


def measure_reprov(root: Path, source: str, version: str, server: lab.Daemon, watched: Sequence[str], folder: Path) -> Upgrade:
    """`reprov upgrade`."""
    argv = (*REPROV_PROGRAM, "upgrade", version, "--from", source, "--root", root, "--no-post", "--json", "--events", folder / _EVENTS)
    upgrade, output = _upgrade("reprov", argv, root, server, watched, folder)
    told = float(json.loads(output)["mixed_s"])
    phases = phases_of((folder / _EVENTS).read_text(encoding="ascii"))
    phases["start and plan"] = upgrade.client.wall_s - sum(phases.values())
    return replace(upgrade, told_mixed_s=told, phases_s=phases)


def phases_of(events: str) -> dict[str, float]:
    """How long each phase took, from the text that `--events` writes."""
    found = [json.loads(line) for line in events.splitlines()]
    return {event["phase"]: float(event["elapsed_s"]) for event in found if event["event"] == "phase_ended"}


def require_same(root: Path, port: int) -> None:
    """Raise unless an upgrade by rsync has made the node what the server has."""
    differs = ("rsync", "-aHAX", "--numeric-ids", "--delete", "--exclude=/.reprov", "--dry-run", "--itemize-changes")
    listed = subprocess.run((*differs, f"rsync://127.0.0.1:{port}/tree/", f"{root}/"), check=True, capture_output=True).stdout
    if listed:
        raise RuntimeError(f"rsync left something undone: {listed.decode(errors='replace').splitlines()[0]}")


def _upgrade(
    side: str, argv: Sequence[object], root: Path, server: lab.Daemon, watched: Sequence[str], folder: Path
) -> tuple[Upgrade, bytes]:
    cpu_before_s, wire_before = server.cpu_s(), lab.wire_bytes()
    with _observed(root, watched) as windows:
        ran = measure(argv, folder)
    window = windows[0]
    if not window.changed:
        raise RuntimeError(f"{side} changed nothing that the observer watches")
    upgrade = Upgrade(
        side=side,
        client=ran.cost,
        together_bytes=ran.together_bytes,
        server_cpu_s=server.cpu_s() - cpu_before_s,
        wire_bytes=lab.wire_bytes() - wire_before,
        mixed_s=window.mixed_s,
        resolution_s=window.resolution_s,
        observer_cpu_s=window.cpu_s,
    )
    return upgrade, ran.output


@contextmanager
def _observed(root: Path, watched: Sequence[str]) -> Iterator[list[Window]]:
    """Watch paths of a live tree from another process during the block; afterwards the list holds what it saw."""
    windows: list[Window] = []
    argv = (sys.executable, "-m", "bench.observer", str(root))
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as observer:
        assert observer.stdin is not None
        assert observer.stdout is not None
        observer.stdin.write(json.dumps(list(watched)) + "\n")
        observer.stdin.flush()
        if observer.stdout.readline() != "ready\n":
            raise RuntimeError("the observer did not start")
        try:
            yield windows
        finally:
            observer.stdin.close()
            said = observer.stdout.read()
        windows.append(Window(**json.loads(said)))


@contextmanager
def _sampled_memory(pid: int) -> Iterator[list[int]]:
    """Look at the memory of all that a process starts, twenty times a second; the list holds the peak."""
    peak = [0]
    over = threading.Event()

    def sample() -> None:
        while not over.wait(_SAMPLE_S):
            peak[0] = max(peak[0], lab.resident_bytes(lab.descendants(pid)[1:]))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()
