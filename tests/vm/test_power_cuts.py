"""Power cuts at any instant from the start of a commit until the release is confirmed: the node comes up as the old or as the new one.

Whole, verified, and with every byte that is not of the system. `--cuts N` says how many there are.
"""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vm import machine
from tests.vm.cut_tally import Cut, Tally
from tests.vm.node_lab import CORE, LIVE, OLD, PATIENCE_S, ROLE, NodeLab, kept_of, opened
from tests.vm.power_cuts import BOOT_MARKS, LIVE_MARKS, Stretch, Victim, cut, film, instants, release_in_use, save_start

pytestmark = [
    pytest.mark.system,
    pytest.mark.commands,
    pytest.mark.needs("mmdebstrap", "rsync", "sfdisk", "partx", "losetup", "mkfs.ext4", "lz4", "zstd", "ssh-keygen", *machine.PROGRAMS),
]


def test_power_cuts_while_the_running_node_is_upgraded(
    node_lab: NodeLab, tmp_path: Path, pytestconfig: pytest.Config, tally: Tally
) -> None:
    with node_lab.node(tmp_path) as node:
        victim = Victim.of(node, tmp_path, OLD, LIVE)
        words = f"upgrade {ROLE} {LIVE} --from {node_lab.source} --commit live --confirm-timeout {PATIENCE_S}"
        node.start_job(f"reprov {words} --events /dev/ttyS0")
        assert cuts_that_failed(victim, "live", film(node, LIVE_MARKS), pytestconfig, tally) == []


@pytest.mark.long
def test_power_cuts_while_an_armed_node_boots(node_lab: NodeLab, tmp_path: Path, pytestconfig: pytest.Config, tally: Tally) -> None:
    with node_lab.node(tmp_path) as node:
        victim = Victim.of(node, tmp_path, OLD, CORE)
        words = f"upgrade {ROLE} {CORE} --from {node_lab.source} --commit boot --confirm-timeout {PATIENCE_S}"
        node.reprov(words, fine=(100,))
        node.go_off()
        node.start(wait=False)
        assert cuts_that_failed(victim, "at boot", film(node, BOOT_MARKS), pytestconfig, tally) == []


def test_a_cut_loses_what_was_not_flushed(node_lab: NodeLab, tmp_path: Path) -> None:
    with node_lab.node(tmp_path) as node:
        before = kept_of(node.disk, tmp_path / "kept")
        node.shell("cd /srv; echo x >flushed; sync flushed .; echo x >in-memory")
        node.shell("head -c 65536 /dev/zero | dd of=/dev/vda3 bs=64k oflag=direct status=none")
        node.kill()
        assert kept_of(node.disk, tmp_path / "kept") == before
        with opened(node.disk, tmp_path) as root:
            assert [path.name for path in sorted((root / "srv").iterdir())] == ["data", "flushed"]


def cuts_that_failed(victim: Victim, when: str, stretches: tuple[Stretch, ...], config: pytest.Config, tally: Tally) -> list[Cut]:
    """Cut the power as often as asked, half of that while the node runs and half at boot, after a run that ends well."""
    assert release_in_use(victim.machine) == victim.new
    victim.machine.kill()
    save_start(victim)
    chosen = instants(stretches, (config.getoption("cuts") + 1) // 2, tally.seed)
    cuts = [tally.add(cut(victim, when, stretch, after_s)) for stretch, after_s in _in_time(chosen, config)]
    return [item for item in cuts if item.outcome not in ("old", "new")]


def _in_time(chosen: Iterator[tuple[Stretch, float]], config: pytest.Config) -> Iterator[tuple[Stretch, float]]:
    """At least the first, and no more once the time for them is over, of which live cuts and those at boot have one half each."""
    deadline = time.monotonic() + config.getoption("cuts_minutes") * 60 / 2
    return itertools.chain(itertools.islice(chosen, 1), itertools.takewhile(lambda _: time.monotonic() < deadline, chosen))
