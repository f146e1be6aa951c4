"""Power cuts at any instant from the first exchange until the release is confirmed: the node comes up as the old or as the new one.

Whole, verified, and with every byte that is not of the system. `--cuts N` says how many there are.
"""

import itertools
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vm import machine
from tests.vm.machine import Machine
from tests.vm.node_lab import CORE, LIVE, OLD, ROLE, NodeLab, kept_of
from tests.vm.power_cuts import BEGINS, PAUSED, Cut, Place, come_to_rest, copy_of, cut_at_boot, cut_live, facts_of, pause, release_in_use

pytestmark = [
    pytest.mark.system,
    pytest.mark.commands,
    pytest.mark.needs("mmdebstrap", "rsync", "sfdisk", "partx", "losetup", "mkfs.ext4", "lz4", "zstd", "ssh-keygen", *machine.PROGRAMS),
]
_EXCHANGE_SHARE = 0.2
"""Of the time until a release is confirmed: about what the exchange takes, with what must be on the disk before and after it."""


def test_power_cuts_while_the_running_node_is_upgraded(
    node_lab: NodeLab, tmp_path: Path, pytestconfig: pytest.Config, tally: list[Cut]
) -> None:
    with node_lab.node(tmp_path) as node:
        facts = facts_of(node)
        go_on = pause(node_lab, node, LIVE)
        node.kill()
        place = Place(node_lab, tmp_path / "paused.qcow2", tmp_path, OLD, LIVE, facts, kept_of(node.disk, tmp_path / "kept"))
        node.disk.rename(place.disk)
    instants = _instants(_time_live(place, go_on), (pytestconfig.getoption("cuts") + 1) // 2, pytestconfig)
    cuts = [_note(cut_live(place, go_on, after_s), tally) for after_s in _in_time(instants, pytestconfig)]
    place.disk.unlink()
    assert [cut for cut in cuts if cut.outcome not in ("old", "new")] == []


@pytest.mark.long
def test_power_cuts_while_an_armed_node_boots(node_lab: NodeLab, tmp_path: Path, pytestconfig: pytest.Config, tally: list[Cut]) -> None:
    with node_lab.node(tmp_path) as node:
        facts = facts_of(node)
        node.reprov(f"upgrade {ROLE} {CORE} --from {node_lab.source} --commit boot", fine=(100,))
        node.shell("systemd-run --quiet --on-active=1 systemctl poweroff")
        node.wait_until_off()
        place = Place(node_lab, tmp_path / "armed.qcow2", tmp_path, OLD, CORE, facts, kept_of(node.disk, tmp_path / "kept"))
        node.disk.rename(place.disk)
    instants = _instants(_time_at_boot(place), pytestconfig.getoption("cuts") // 2, pytestconfig)
    cuts = [_note(cut_at_boot(place, after_s), tally) for after_s in _in_time(instants, pytestconfig)]
    place.disk.unlink()
    assert [cut for cut in cuts if cut.outcome not in ("old", "new")] == []


def _instants(whole_s: float, count: int, config: pytest.Config) -> list[float]:
    """Every other one in the exchange itself, the others anywhere until the release is confirmed."""
    chosen = random.Random(config.getoption("cuts_seed"))
    return [chosen.uniform(0, whole_s * (_EXCHANGE_SHARE if number % 2 == 0 else 1)) for number in range(count)]


def _in_time(instants: list[float], config: pytest.Config) -> Iterator[float]:
    """At least the first, and no more once the time for them is over, of which live cuts and those at boot have one half each."""
    deadline = time.monotonic() + config.getoption("cuts_minutes") * 60 / 2
    yield from instants[:1]
    yield from itertools.takewhile(lambda _: time.monotonic() < deadline, instants[1:])


def _time_live(place: Place, go_on: str) -> float:
    """How long it takes when nothing is cut; by then the node must be the new release."""
    with copy_of(place) as node:
        node.start(snapshot=PAUSED)
        begin = time.monotonic()
        node.shell(go_on)
        return _wait_for_new(place, node, begin)


def _time_at_boot(place: Place) -> float:
    with copy_of(place) as node:
        node.start(wait=False)
        node.wait_until_said(BEGINS)
        return _wait_for_new(place, node, time.monotonic())


def _wait_for_new(place: Place, node: Machine, begin: float) -> float:
    state = come_to_rest(node)
    whole_s = time.monotonic() - begin
    assert (state["state"], release_in_use(node)) == ("confirmed", place.new)
    return whole_s


def _note(cut: Cut, tally: list[Cut]) -> Cut:
    tally.append(cut)
    return cut
