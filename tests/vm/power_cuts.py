"""Cutting the power of a node while its trees are exchanged, or soon after it, and looking at what comes up.

What leads to a confirmed release runs once, and where another part of it begins, a snapshot of memory and disk is taken (`film`). Each
cut goes on from one of these for a random time. Then qemu is killed, and with it all that the node has not flushed: its memory, and
whatever of its disk's image qemu has not written down (`test_a_cut_loses_what_was_not_flushed`).
"""

import json
import random
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.vm.cut_tally import Cut
from tests.vm.machine import Machine
from tests.vm.node_lab import ROLE, kept_of, opened
from tests.vm.node_trees import run_reprov

BEGINS: Final = "reprov: something is to be done before the system starts"
"""What the initramfs says on the console before it exchanges anything."""
LIVE_MARKS: Final = {
    name: f'"event": "phase_started", "phase": "{name}"' for name in ("commit", "finish", "scripts", "native", "services", "health")
}
"""By the name of each part of a running node's upgrade: what `--events` says when it begins."""
BOOT_MARKS: Final = {
    "recover": BEGINS,
    "commit": "reprov: Exchanging",
    "finish": "reprov: Keeping the way back",
    "boot": "reprov: done: the system starts from the tree that is now in place",
    "confirm": "reprov-confirm",
}
"""By the name of each part of a boot with an armed upgrade: what the console says when it begins."""

_IN_USE: Final = """\
for file in /usr/lib/lab/version /etc/lab.conf /opt/lab/data /boot/lab; do cat $file; echo; done
systemctl show -p Description --value lab
"""
_FACTS: Final = """\
cat /etc/machine-id /etc/hostname /etc/fstab; sha256sum /etc/ssh/ssh_host_*
find /etc/systemd/system/lab.service.d /usr/local/bin/local /srv /root/notes /home /var/lib/data -type f \
    -printf '%m %U:%G %n %T@ %p\\n' | sort
cat /srv/data/old /home/op/work /var/lib/data/db; getent passwd op; sha256sum </dev/data/kept
"""
_QUICK: Final = """\
mkdir -p /etc/systemd/system/systemd-udev-trigger.service.d
cat >/etc/systemd/system/systemd-udev-trigger.service.d/quick.conf <<'END'
[Service]
ExecStart=
ExecStart=udevadm trigger --action=add -s pci -s virtio -s virtio-ports -s block -s net
END
"""
"""Of all devices, these are what the lab needs at a boot: the others take several seconds."""
_UNTIL_REST: Final = """\
until systemctl is-system-running --wait | grep -Eq 'running|degraded'; do sleep 1; done
cd /.reprov
while systemctl -q is-active reprov-confirm || [ -e journal ] || [ -e armed ] || [ -e post/unfinished ]; do sleep 0.5; done
"""
_UNTIL_CONFIRMED: Final = """until grep -q '"state": "confirmed"' /.reprov/state.json; do sleep 0.3; done"""
_REST_S: Final = 1800
_PHASES: Final = re.compile('"event": "phase_started", "phase": "([^"]+)"')


class Stretch(NamedTuple):
    """A part of what leads from the start of a commit to its confirmation."""

    name: str
    """Of the snapshot, too, that was taken where it begins."""
    length_s: float
    """Of wall time."""


class Victim(NamedTuple):
    """A node whose power is cut, and what it must be afterwards."""

    machine: Machine
    folder: Path
    old: str
    new: str
    facts: str
    kept: dict[str, str]
    memory: Path
    """Of a kernel that has started, and has not seen a disk yet (`save_start`): what every boot begins with."""

    @classmethod
    def of(cls, machine: Machine, folder: Path, old: str, new: str) -> "Victim":
        """The running node, which is not changed by reprov but from one version to another."""
        machine.shell(_QUICK)
        facts = facts_of(machine)
        machine.shell("sync")
        return cls(machine, folder, old, new, facts, kept_of(machine.disk, folder / "kept"), folder / "memory")


def facts_of(machine: Machine) -> str:
    """Who the node is, and what it keeps for itself."""
    return machine.shell(_FACTS)


def release_in_use(machine: Machine) -> str:
    """The version that its files and its service are of; all versions that were found, if it is a mixture."""
    return " and ".join(sorted(set(machine.shell(_IN_USE).split())))


def state_of(machine: Machine) -> dict[str, object]:
    """What reprov says of the node."""
    found: dict[str, object] = json.loads(machine.reprov("status --json").stdout)
    return found


def come_to_rest(machine: Machine) -> dict[str, object]:
    """Boot the node, as often as it reboots by itself, until it goes on with nothing any more; gives its state."""
    rest(machine)
    return state_of(machine)


def rest(machine: Machine, memory: Path | None = None) -> None:
    """Boot the node, as often as it reboots by itself, until its system is up and it goes on with nothing any more.

    The first boot goes on from a memory, if there is one.
    """
    deadline = time.monotonic() + _REST_S
    while time.monotonic() < deadline:
        if not machine.is_on:
            machine.start(memory=memory, wait=False)
            memory = None
        try:
            machine.shell(_UNTIL_REST, timeout_s=_REST_S)
            return
        except AssertionError:
            if machine.is_on:
                raise  # otherwise it reboots
    raise AssertionError(f"the node is not at rest after {_REST_S} s")


def film(machine: Machine, marks: Mapping[str, str]) -> tuple[Stretch, ...]:
    """Take a snapshot at each of these marks, which the console of a running node is about to tell, until its release is confirmed."""
    stretches: list[Stretch] = []
    name, began = "", 0.0
    for following, text in marks.items():
        machine.wait_until_said(text)
        if name:
            stretches.append(Stretch(name, time.monotonic() - began))
        machine.save(following)
        name, began = following, time.monotonic()
    machine.shell(_UNTIL_CONFIRMED, timeout_s=_REST_S)
    return (*stretches, Stretch(name, time.monotonic() - began))


def save_start(victim: Victim) -> None:
    """Boot until right before the kernel finds its disk, and keep that: a third of the time of every boot after a cut.

    Kernel and initramfs come from this machine. And the node's clock does not go back, as it would with a boot from before the cuts.
    """
    victim.machine.start(wait=False)
    victim.machine.wait_until_said("Starting systemd-udevd")
    victim.machine.save_memory(victim.memory)
    assert "virtio_blk" not in victim.machine.serial


def instants(stretches: Sequence[Stretch], count: int, seed: int) -> Iterator[tuple[Stretch, float]]:
    """Where to cut, and how long after the snapshot: every other time in the exchange, else anywhere.

    Most of the exchange's stretch looks at the node once more: there, later instants are the likelier ones.
    """
    chosen = random.Random(seed)
    exchange = next(stretch for stretch in stretches if stretch.name == "commit")
    for number in range(count):
        if number % 2 == 0:
            yield exchange, chosen.triangular(0, exchange.length_s, exchange.length_s)
        else:
            stretch = chosen.choice(stretches)
            yield stretch, chosen.uniform(0, stretch.length_s)


def cut(victim: Victim, when: str, stretch: Stretch, after_s: float) -> Cut:
    """Go on where a stretch begins, cut the power some time later, boot what is left, and look at all of it."""
    machine, began = victim.machine, time.monotonic()
    machine.start(snapshot=stretch.name, wait=False)
    time.sleep(after_s)
    machine.kill()
    cut_at, during = machine.boots, [stretch.name, *_PHASES.findall(machine.serial)][-1]
    try:
        found = _look(victim)
    except AssertionError as error:
        found = _Found("", "", (f"no rest: {str(error).splitlines()[0]}",))
    finally:
        machine.kill()
    if found.wrong:
        _keep_logs(victim.folder)
    outcome = "; ".join(found.wrong) or ("old" if found.version == victim.old else "new")
    said = tuple(line.partition("reprov: ")[2] for line in machine.serial.splitlines() if "reprov: " in line)
    took_s = round(time.monotonic() - began)
    return Cut(when, stretch.name, round(after_s, 2), during, outcome, found.state, machine.boots - cut_at, took_s, said)


class _Found(NamedTuple):
    """A node after a cut."""

    version: str
    state: str
    wrong: tuple[str, ...]


def _look(victim: Victim) -> _Found:
    """Boot the node, look at what runs, switch it off, and look at what is on its disk."""
    machine, wrong = victim.machine, []
    rest(machine, victim.memory)
    version = release_in_use(machine)
    if facts := _differs(victim.facts, facts_of(machine)):
        wrong.append(f"kept files: {facts}")
    if failed := machine.shell("systemctl --failed --no-legend --plain"):
        wrong.append(f"failed: {failed}")
    machine.shell("sync")
    machine.kill()
    with opened(machine.disk, victim.folder) as root:
        state = json.loads(run_reprov("status", "--json", "--root", root).stdout)
        verified = run_reprov("verify", "--deep", "--root", root)
    if version not in (victim.old, victim.new) or state["installed"] != f"{ROLE} {version}":
        wrong.append(f"{state['installed']} runs {version}")
    if state["interrupted"]:
        wrong.append(f"interrupted while {state['state']}")
    if verified.status != 0:
        wrong.append(f"verify: {verified.stdout}{verified.stderr}")
    if kept_of(machine.disk, victim.folder / "kept") != victim.kept:
        wrong.append("the data of others has changed")
    return _Found(version, state["state"], tuple(wrong))


def _differs(before: str, after: str) -> str:
    """The lines that came, and those that went."""
    came, went = after.splitlines(), before.splitlines()
    return " ".join([*(f"-{line}" for line in went if line not in came), *(f"+{line}" for line in came if line not in went)])


def _keep_logs(folder: Path) -> None:
    """Of a cut that went wrong, beside those of the next ones."""
    kept = Path(tempfile.mkdtemp(prefix="wrong-", dir=folder))
    for log in folder.glob("serial-*.log"):
        shutil.copy(log, kept)
