#!/usr/bin/python
"""Waits until a member of a cluster may leave it, or is back in it. When that is, is `reprov.domain.quorum`'s."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.reprov_quorum import Before, Cluster, Move, Verdict, is_back, may_leave
from ansible.module_utils.reprov_quorum_answers import Unclear
from ansible.module_utils.reprov_quorum_looks import Looks
from ansible.module_utils.reprov_text_file import read_text, remove, write_text

DOCUMENTATION = """
module: reprov_quorum
short_description: Wait until a member of a cluster may leave it, or is back in it
description:
  - may_leave waits until every member is in step, and notes what the cluster was. It refuses where this host has no member, and in a
    cluster of two, whose other member would be no majority.
  - back waits until this host's member is in step again with all that the cluster had before, and forgets the note. It refuses where the
    member has come up in another cluster.
  - in_step waits until every member is, and nothing else.
  - It asks with the program of the service, on this host. In check mode it looks once, and neither waits nor notes anything.
  - Two hosts that ask in the same moment both hear that they may leave. That one goes after the other is up to whoever calls it.
  - In which state another member of Galera is, only that one says. Members that the cluster has lost are seen.
options:
  kind:
    description: What cluster it is.
    choices: [etcd, galera, rabbitmq, ceph-mon]
    required: true
    type: str
  state:
    description: What to wait for.
    choices: [may_leave, back, in_step]
    required: true
    type: str
  member:
    description: The name of this host's member, for ceph-mon; for etcd where its client does not ask this host's member.
    type: str
    default: ""
  client:
    description: The program that asks, with its options. By default that of the service. What etcdctl asks, its environment says.
    type: list
    elements: str
  size:
    description: How many members a Galera cluster has, where wsrep_cluster_address does not name all of them (an arbitrator).
    type: int
    default: 0
  accept_outage:
    description: Let a member of a cluster of two leave.
    type: bool
    default: false
  note:
    description: The file in which is noted what the cluster was. Without one, nothing is noted and nothing compared.
    type: path
  timeout_s:
    description: How long to wait.
    type: int
    default: 300
  delay_s:
    description: How long to wait between two looks.
    type: int
    default: 5
author:
  - the authors of reprov (@reprov)
"""

RETURN = """
move:
  description: go, or in check mode wait.
  returned: always
  type: str
reason:
  description: Why.
  returned: always
  type: str
waited_for:
  description: What it has waited for, each with the seconds after which that began.
  returned: always
  type: list
  elements: str
"""

HINTS: Final = {
    "etcd": "etcdctl endpoint status --cluster and the journal of etcd on the members",
    "galera": "SHOW STATUS LIKE 'wsrep%' and the error log on the members",
    "rabbitmq": "rabbitmqctl cluster_status, rabbitmqctl list_queues and the log of RabbitMQ on the nodes",
    "ceph-mon": "ceph mon stat, ceph health detail and the journal of the monitors",
}
"""Where to look."""


def main() -> None:
    """Wait, and say what came of it."""
    module = AnsibleModule(
        argument_spec={
            "kind": {"choices": ["etcd", "galera", "rabbitmq", "ceph-mon"], "required": True},
            "state": {"choices": ["may_leave", "back", "in_step"], "required": True},
            "member": {"type": "str", "default": ""},
            "client": {"type": "list", "elements": "str"},
            "size": {"type": "int", "default": 0},
            "accept_outage": {"type": "bool", "default": False},
            "note": {"type": "path"},
            "timeout_s": {"type": "int", "default": 300},
            "delay_s": {"type": "int", "default": 5},
        },
        required_if=[("kind", "ceph-mon", ["member"])],
        supports_check_mode=True,
    )
    before, looks, started = _noted(module), Looks(module), time.monotonic()
    waited: list[str] = []
    while True:
        cluster, verdict = _judged(module, looks, before)
        took_s = int(time.monotonic() - started)
        if verdict.move is not Move.WAIT or module.check_mode or took_s >= module.params["timeout_s"]:
            break
        if not waited or not waited[-1].endswith(f": {verdict.reason}"):
            waited.append(f"after {took_s} s: {verdict.reason}")
        time.sleep(module.params["delay_s"])
    result = {"move": verdict.move.value, "reason": verdict.reason, "waited_for": waited}
    if verdict.move is Move.REFUSE:
        module.fail_json(msg=f"{_sentence(module)}: {verdict.reason}. Waiting does not help; {verdict.hint}", **result)
    if verdict.move is Move.WAIT and not module.check_mode:
        hint = f"Look at {HINTS[module.params['kind']]}; then run this step again"
        module.fail_json(msg=f"{_sentence(module)} after {took_s} s: {verdict.reason}. {hint}", **result)
    is_changed = cluster is not None and verdict.move is Move.GO and _note(module, cluster)
    module.exit_json(changed=is_changed, **result)


def _judged(module: AnsibleModule, looks: Looks, before: Before | None) -> tuple[Cluster | None, Verdict]:
    try:
        cluster = looks.look()
    except Unclear as unclear:
        return None, Verdict(Move.WAIT, f"nothing is known of its cluster: {unclear}")
    if module.params["state"] == "may_leave":
        return cluster, may_leave(cluster, accept_outage=module.params["accept_outage"])
    return cluster, is_back(cluster, before if module.params["state"] == "back" else None)


def _sentence(module: AnsibleModule) -> str:
    what = {"may_leave": "this host's member may not leave", "back": "this host's member is not back", "in_step": "not all are in step"}
    return f"{module.params['kind']}: {what[module.params['state']]}"


def _noted(module: AnsibleModule) -> Before | None:
    """What was noted, if anything was."""
    path = module.params["note"]
    text = read_text(Path(path)) if path else None
    try:
        return None if text is None else Before.parse(text)
    except ValueError as error:
        module.fail_json(msg=f"{path}: {error}. See by hand that the cluster is whole, then remove the file")
        raise  # for whoever reads types: the module has ended


def _note(module: AnsibleModule, cluster: Cluster) -> bool:
    """Note the cluster before its member leaves, and forget it when it is back; True when that changes anything."""
    path, state = module.params["note"], module.params["state"]
    if not path or state == "in_step":
        return False
    note = Path(path)
    is_changed: bool = write_text(module, note, Before.of(cluster).to_text()) if state == "may_leave" else remove(module, note)
    return is_changed


if __name__ == "__main__":
    main()
