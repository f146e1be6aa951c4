"""Asking a cluster of etcd, Galera, RabbitMQ or Ceph's monitors, with its own programs on this host."""

from __future__ import annotations

import os
import time
from typing import Final

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.reprov_quorum import Cluster, Member
from ansible.module_utils.reprov_quorum_answers import EtcdMembers, EtcdStatuses, Told, Unclear, ceph_mon, etcd, galera, rabbitmq

CLIENTS: Final = {
    "etcd": ["etcdctl"],
    "galera": ["mysql"],
    "rabbitmq": ["rabbitmqctl"],
    "ceph-mon": ["ceph"],
}
ANSWER_S: Final = 60
"""How long a client may take."""
CALM_S: Final = 1
"""Between the first two looks at etcd: what raft's log has at the first, every member has to have at the second."""
WSREP: Final = r"SHOW GLOBAL VARIABLES LIKE 'wsrep\_%'; SHOW GLOBAL STATUS LIKE 'wsrep\_%'"
QUEUE_CHECKS: Final = ("check_if_node_is_quorum_critical", "check_if_node_is_mirror_sync_critical")
UNKNOWN_COMMAND: Final = (64, 127)
"""How it ends where RabbitMQ does not have it: the first check came with 3.8, the second went with 4.0."""


class Looks:
    """Looks at the cluster of a module's arguments, again and again."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        kind = module.params["kind"]
        self.client: list[str] = module.params["client"] or CLIENTS[kind]
        module.get_bin_path(self.client[0], required=True)
        self.member: str = module.params["member"]
        self.ask = {"etcd": self._etcd, "galera": self._galera, "rabbitmq": self._rabbitmq, "ceph-mon": self._ceph_mon}[kind]
        self.reached: int | None = None

    def look(self) -> Cluster:
        """The cluster as it is now. Raises `Unclear`."""
        told = self.ask()
        return Cluster(told.id, told.here, tuple(Member(*member) for member in told.members), told.trouble)

    def _etcd(self) -> Told:
        os.environ.setdefault("ETCDCTL_API", "3")
        if self.reached is None:
            self.reached = self._etcd_statuses(self._etcd_members()).reached
            time.sleep(CALM_S)
        members = self._etcd_members()
        statuses = self._etcd_statuses(members)
        reached, self.reached = self.reached, statuses.reached
        return etcd(members, statuses, reached=reached, name=self.member)

    def _etcd_members(self) -> EtcdMembers:
        return EtcdMembers.parse(self._said("member", "list", "--write-out", "json"))

    def _etcd_statuses(self, members: EtcdMembers) -> EtcdStatuses:
        # It fails when one of them does not answer, and tells nevertheless what the others say. Not by an option: etcdctl refuses one
        # where the site has the variable.
        words = ("endpoint", "status", "--write-out", "json")
        return EtcdStatuses.parse(self._run(*self.client, *words, ETCDCTL_ENDPOINTS=",".join(members.endpoints))[1])

    def _galera(self) -> Told:
        return galera(self._said("--batch", "--skip-column-names", "--execute", WSREP), self.module.params["size"])

    def _rabbitmq(self) -> Told:
        status, here = self._said("cluster_status", "--formatter", "json"), self._said("eval", "node().").strip().strip("'")
        members = rabbitmq(status, here, {}).members
        if self.module.params["state"] == "may_leave":
            asked = [] if self.module.params["accept_outage"] and len(members) == 2 else [here]
        else:  # this node has what the others need when none of these is the last to have it
            asked = [name for name, trouble in members if not trouble and name != here]
        critical = {}
        for node in asked:
            for check in QUEUE_CHECKS:
                code, said, wrong = self._run("rabbitmq-diagnostics", "--node", node, check)
                if code and code not in UNKNOWN_COMMAND:
                    critical[node] = f"has queues that only it has: {wrong or said}"
        return rabbitmq(status, here, critical)

    def _ceph_mon(self) -> Told:
        return ceph_mon(self._said("--connect-timeout", "30", "quorum_status", "--format", "json"), self.member)

    def _said(self, *words: str) -> str:
        status, said, wrong = self._run(*self.client, *words)
        if status:
            lines = (wrong or said).strip().splitlines() or ["it says nothing"]
            told = next((line for line in lines if line.lower().startswith("error")), lines[-1])
            raise Unclear(f"{' '.join((*self.client, *words))} ended with {status}: {told[:300]}")
        return said

    def _run(self, *argv: str, **environment: str) -> tuple[int, str, str]:
        status, said, wrong = self.module.run_command(["timeout", str(ANSWER_S), *argv], environ_update=environment)
        return status, said, wrong
