#!/usr/bin/python
"""Ansible module: ask a Ceph cluster whether the OSDs of a host may go, or are back, and keep noout for the time between."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.reprov_ceph_gate import (
    CLUSTER,
    KEY,
    Ask,
    Flag,
    Go,
    Own,
    Record,
    Refuse,
    Save,
    Turn,
    Wait,
    after_start,
    at_end,
    before_stop,
    cluster_of,
    healthy,
)
from ansible.module_utils.reprov_ceph_health import unclean, unwell

DOCUMENTATION = r"""
module: reprov_ceph_gate
short_description: Let the OSDs of a host be stopped when the cluster can do without them
description:
  - Looks once. With C(passed) false it is too early, and C(msg) says why; a task repeats it with C(until).
  - It fails when waiting would not help, and C(msg) says what to do.
  - Run it on one host at a time (C(throttle) 1), where C(ceph) has a key that may set flags and keep keys.
options:
  state:
    description:
      - C(open), before the OSDs of the host are stopped. The cluster is theirs and has them on this host, its health is within the
        baseline, and it could do without them and all that are away already; then noout is set for the host.
      - C(closed), after they were started. Those that were stopped are up, and every placement group is active and clean.
      - C(restored), when the rollout is over. Noout is taken back where this rollout has set it, or one whose lease has run out.
      - C(healthy), at any time. The health is within the baseline.
    choices: [open, closed, restored, healthy]
    required: true
    type: str
  owner:
    description: The rollout. What another one has set stays as long as its lease runs.
    type: str
  host:
    description: What the CRUSH map calls the host; by default its short name.
    type: str
  osds:
    description: Ids of the OSDs that run here; by default those that have a directory.
    type: list
    elements: int
  directories:
    description: Globs of the directories of OSDs.
    type: list
    elements: str
    default: [/var/lib/ceph/osd/*, /var/lib/ceph/*/osd.*]
  baseline:
    description: Codes of health checks that the cluster had before, and may have.
    type: list
    elements: str
    default: []
  lease_s:
    description: How long nobody else may take over what is set, after the last host that came or went. More than a host takes.
    type: int
    default: 21600
  command:
    description: How C(ceph) is called, as in C([cephadm, shell, --, ceph]).
    type: list
    elements: str
    default: [ceph]
  timeout_s:
    description: How long one question may take.
    type: int
    default: 60
author: [the authors of reprov]
"""

RETURN = r"""
passed:
  description: Whether to go on.
  returned: always
  type: bool
msg:
  description: Why, or why not yet.
  returned: always
  type: str
"""

_NOT_FOUND = 2
_INVALID = 22
_TIMED_OUT = 124
_NO_PROGRAM = (126, 127)


class NoAnswer(Exception):
    """The cluster said nothing that is of use; it may later."""


class Ceph:
    """The `ceph` of this host."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module

    def run(self, *words: str) -> tuple[int, str, str]:
        """Status and both outputs. Raises `NoAnswer` when it takes too long."""
        seconds = self._module.params["timeout_s"]
        bounded = ["timeout", "--kill-after=5", str(seconds), *self._module.params["command"], "--connect-timeout", str(seconds)]
        status, said, complaint = self._module.run_command([*bounded, *words])
        if status in _NO_PROGRAM:
            self._module.fail_json(msg=f"{complaint.strip()}: install ceph-common, or say in `command` how ceph is called here")
        if status == _TIMED_OUT:
            raise NoAnswer(f"`ceph {' '.join(words)}` has not answered for {seconds} s: is there a quorum (`ceph quorum_status`)?")
        return status, said, complaint

    def ask(self, *words: str) -> Any:
        """An answer in JSON. Raises `NoAnswer`."""
        status, said, complaint = self.run(*words, "--format", "json")
        if status:
            raise NoAnswer(
                f"`ceph {' '.join(words)}` ended with {status}: {_last_line(complaint)}; "
                "it needs /etc/ceph/ceph.conf and a key of an administrator here, or `command` with the --id of one"
            )
        try:
            return json.loads(said)
        except ValueError:
            raise NoAnswer(f"`ceph {' '.join(words)}` said no JSON: {said[:80]!r}") from None

    def record(self) -> Record | None:
        """The note of the rollout that has set noout. Raises `ValueError` when it is none."""
        status, said, complaint = self.run("config-key", "get", KEY)
        if status == _NOT_FOUND:
            return None
        if status:
            raise NoAnswer(f"`ceph config-key get {KEY}` ended with {status}: {_last_line(complaint)}")
        return Record.parse(said)

    def against_stop(self, osds: tuple[int, ...]) -> str:
        """What is against stopping these at once; "" for nothing."""
        status, _, complaint = self.run("osd", "ok-to-stop", *map(str, osds))
        if status == _INVALID:
            self._module.fail_json(
                msg=f"this cluster does not tell whether OSDs may stop ({_last_line(complaint)}), which is of Luminous and newer: "
                "stop and upgrade its OSDs by hand, one host at a time with every placement group active and clean"
            )
        return _last_line(complaint) if status else ""

    def do(self, move: Save | Flag) -> None:
        """Make one change; ends the module when the cluster does not take it."""
        if isinstance(move, Flag):
            verb = "set" if move.on else "unset"
            words = ("osd", verb, "noout") if move.scope == CLUSTER else ("osd", f"{verb}-group", "noout", move.scope)
        elif move.record is None:
            words = ("config-key", "rm", KEY)
        else:
            words = ("config-key", "set", KEY, move.record.to_json())
        status, _, complaint = self.run(*words)
        if status:
            self._module.fail_json(msg=f"`ceph {' '.join(words)}` ended with {status}: {_last_line(complaint)}; run the step again")


def found_osds(globs: Sequence[str]) -> Iterator[tuple[int, Own]]:
    """The OSDs that have a directory on this host."""
    for pattern in globs:
        for folder in sorted(Path("/").glob(pattern.lstrip("/"))):
            number = _content(folder / "whoami")
            if number.isdecimal():
                yield int(number), Own(_content(folder / "fsid"), _content(folder / "ceph_fsid"))


def decide(module: AnsibleModule, ceph: Ceph, turn: Turn) -> Wait | Refuse | Go:
    """What the cluster as it is now means for the host."""
    state, baseline = module.params["state"], module.params["baseline"]
    status, osd_dump = ceph.ask("status"), ceph.ask("osd", "dump")
    cluster = cluster_of(status, osd_dump, ceph.ask("osd", "tree"), unwell(status, osd_dump, baseline), unclean(status, baseline))
    if state == "healthy":
        return healthy(cluster)
    record = ceph.record()
    if state == "closed":
        return after_start(cluster, record, turn)
    if state == "restored":
        return at_end(cluster, record, turn)
    decision = before_stop(cluster, record, turn, None)
    if isinstance(decision, Ask):
        decision = before_stop(cluster, record, turn, ceph.against_stop(decision.osds))
    return decision


def act(module: AnsibleModule, ceph: Ceph, turn: Turn) -> None:
    """Decide, do what there is to be done, and end the module."""
    changed = False
    try:
        decision = decide(module, ceph, turn)
        for move in decision.moves if isinstance(decision, Go) else ():
            if not module.check_mode:
                ceph.do(move)
            changed = True
    except NoAnswer as problem:
        decision = Wait(str(problem))
    except ValueError as problem:
        decision = Refuse(str(problem))
    if isinstance(decision, Refuse):
        module.fail_json(msg=decision.reason, passed=False)
    if isinstance(decision, Wait):
        module.exit_json(msg=decision.reason, passed=False, changed=changed)
    module.exit_json(msg=decision.said, passed=True, changed=changed)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"choices": ["open", "closed", "restored", "healthy"], "required": True},
            "owner": {},
            "host": {},
            "osds": {"type": "list", "elements": "int"},
            "directories": {"type": "list", "elements": "str", "default": ["/var/lib/ceph/osd/*", "/var/lib/ceph/*/osd.*"]},
            "baseline": {"type": "list", "elements": "str", "default": []},
            "lease_s": {"type": "int", "default": 21600},
            "command": {"type": "list", "elements": "str", "default": ["ceph"]},
            "timeout_s": {"type": "int", "default": 60},
        },
        required_if=[("state", state, ["owner"]) for state in ("open", "closed", "restored")],
        supports_check_mode=True,
    )
    found = dict(found_osds(module.params["directories"]))
    ids = found if module.params["osds"] is None else module.params["osds"]
    turn = Turn(
        owner=module.params["owner"],
        host=module.params["host"] or socket.gethostname().partition(".")[0],
        osds={number: found.get(number, Own("", "")) for number in ids},
        now=time.time(),
        lease_s=module.params["lease_s"],
    )
    act(module, Ceph(module), turn)


def _content(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()
    except OSError:
        return ""


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]


if __name__ == "__main__":
    main()
