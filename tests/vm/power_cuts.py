"""Cutting the power of a node while its trees are exchanged, or soon after it, and looking at what comes up."""

import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Final, NamedTuple

from tests.vm.machine import BOOT_TIMEOUT_S, Machine
from tests.vm.node_lab import ROLE, NodeLab, kept_of

PAUSED: Final = "paused"
"""The snapshot right before the first exchange."""
BEGINS: Final = "reprov: something is to be done before the system starts"
"""What the initramfs says on the console before it exchanges anything."""
_PID: Final = "/run/lab/paused"
_IN_USE: Final = """\
for file in /usr/lib/lab/version /etc/lab.conf /opt/lab/data /boot/lab; do cat $file; echo; done
systemctl show -p Description --value lab
"""
_FACTS: Final = """\
cat /etc/machine-id /etc/hostname /etc/fstab; sha256sum /etc/ssh/ssh_host_*
find /etc/systemd/system/lab.service.d /usr/local/bin/local /srv /root/notes /home /var/lib/data -type f -printf '%m %U:%G %T@ %p\\n' |
    sort
cat /srv/data/old /home/op/work /var/lib/data/db; getent passwd op; sha256sum </dev/data/kept
"""
_REST_S: Final = 900
_WAITS: Final = ("committing", "rolling-back", "committed")
"""The states of a node that goes on by itself."""


class Cut(NamedTuple):
    """A power cut, and what came of it."""

    when: str
    """live or at boot."""
    after_s: float
    """Of wall time, from right before the first exchange, or from when the initramfs began with it."""
    outcome: str
    """old or new; anything else is what was wrong."""
    state: str
    """Of the node when it had come to rest."""
    said: tuple[str, ...]
    """What reprov said on the console when it came up."""


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
    deadline = time.monotonic() + _REST_S
    while time.monotonic() < deadline:
        if not machine.is_on:
            machine.start(wait=False)
        try:
            machine.wait_for_shell()
            machine.wait_for_boot()
            machine.shell("while systemctl -q is-active reprov-confirm; do sleep 1; done", timeout_s=600)
            state = state_of(machine)
        except AssertionError:
            if machine.is_on:
                raise
            continue  # it reboots
        if not state["interrupted"] and state["state"] not in _WAITS:
            return state
        time.sleep(1)
    raise AssertionError(f"the node is not at rest after {_REST_S} s: {state_of(machine)}")


def pause(lab: NodeLab, machine: Machine, version: str) -> str:
    """Stop an upgrade right before the first exchange, and take a snapshot of that; gives the words that let it go on."""
    words = f"{ROLE} {version} --from {lab.source} --commit live"
    machine.start_job(f"echo $$ >{_PID}; exec python3 -I -X pycache_prefix=/run/lab/bytecode /usr/lib/lab/paused-upgrade upgrade {words}")
    machine.shell(f"until grep -q '^State:.T' /proc/$(cat {_PID})/status; do sleep 0.2; done", timeout_s=BOOT_TIMEOUT_S)
    machine.save(PAUSED)
    return f"kill -CONT $(cat {_PID})"


class Place(NamedTuple):
    """Where a node's power is cut: its disk, and what it must be afterwards."""

    lab: NodeLab
    disk: Path
    folder: Path
    old: str
    new: str
    facts: str
    kept: dict[str, str]


def cut_live(place: Place, go_on: str, after_s: float) -> Cut:
    """Let a paused upgrade go on, and cut the power some time later."""
    with copy_of(place) as machine:
        machine.start(snapshot=PAUSED)
        machine.shell(go_on)
        time.sleep(after_s)
        machine.kill()
        return _judge(place, machine, "live", after_s)


def cut_at_boot(place: Place, after_s: float) -> Cut:
    """Let an armed node boot, and cut the power some time after its initramfs has begun."""
    with copy_of(place) as machine:
        machine.start(wait=False)
        machine.wait_until_said(BEGINS)
        time.sleep(after_s)
        machine.kill()
        return _judge(place, machine, "at boot", after_s)


def copy_of(place: Place) -> Machine:
    """The machine with a copy of its disk."""
    shutil.copyfile(place.disk, place.folder / "cut.qcow2")
    return Machine(place.folder / "cut.qcow2", place.lab.boot, place.folder)


def _judge(place: Place, machine: Machine, when: str, after_s: float) -> Cut:
    """Boot what is left, and look at all of it."""
    machine.start(wait=False)
    state = come_to_rest(machine)
    said = tuple(line.partition("reprov: ")[2] for line in machine.serial.splitlines() if "reprov: " in line)
    version = release_in_use(machine)
    verified = machine.reprov("verify", fine=(0, 1, 2, 3, 4))
    facts = facts_of(machine)
    machine.shell("sync")
    machine.kill()
    wrong = []
    if version not in (place.old, place.new) or state["installed"] != f"{ROLE} {version}":
        wrong.append(f"{state['installed']} runs {version}")
    if verified.status != 0:
        wrong.append(f"verify: {verified.stdout}{verified.stderr}")
    if facts != place.facts:
        wrong.append(f"kept files: {facts}")
    if (kept := kept_of(machine.disk, place.folder / "kept")) != place.kept:
        wrong.append(f"data: {kept}")
    if wrong:
        _keep_logs(place.folder)
    outcome = "; ".join(wrong) or ("old" if version == place.old else "new")
    return Cut(when, round(after_s, 2), outcome, str(state["state"]), said)


def _keep_logs(folder: Path) -> None:
    """Of a cut that went wrong, beside those of the next ones."""
    kept = Path(tempfile.mkdtemp(prefix="wrong-", dir=folder))
    for log in folder.glob("serial-*.log"):
        shutil.copy(log, kept)
