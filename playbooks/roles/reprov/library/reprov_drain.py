#!/usr/bin/python
"""Ansible module: drain a compute host of OpenStack, and give it back. What is next is `reprov.domain.drain`'s to say."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable
from subprocess import SubprocessError
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.reprov_drain import (
    MIGRATING,
    UNDERWAY,
    Disable,
    Drained,
    Enable,
    Instance,
    Migrate,
    Migration,
    Policy,
    Refuse,
    Returned,
    Stuck,
    Trouble,
    View,
    Wait,
    against_probe,
    begun,
    gone_since,
    in_error,
    mark,
    next_move,
    next_return,
)
from ansible.module_utils.reprov_nova import Nova, is_away
from ansible.module_utils.reprov_openrc import environment_of

DOCUMENTATION = r"""
module: reprov_drain
short_description: Drain a compute host of OpenStack before an upgrade, and give it back afterwards
description:
  - Run it where openstacksdk is, with credentials of an administrator; the compute host itself is not touched.
  - It can be interrupted and run again at any time, and instances can be moved by hand before, meanwhile and afterwards.
  - What is shut off or suspended stays on the host, and so does what was in ERROR before.
  - What the SDK finds in the environment or in a clouds.yaml are the credentials, unless C(openrc) or C(cloud) says otherwise.
  - >-
    Where somebody else has disabled the host, no mark tells when the drain began: an instance that went into ERROR in an earlier,
    interrupted run counts as one that was in ERROR before.
options:
  state:
    description:
      - C(closed) refuses a host that cannot be drained, and takes it from the scheduler.
      - C(drained) does the same, and live-migrates its instances, until none is left that runs.
      - C(returned) waits until Nova sees the host up, and gives it back to the scheduler, where this module took it.
    choices: [closed, drained, returned]
    required: true
    type: str
  host:
    description: The name of the host in Nova.
    required: true
    type: str
  reason:
    description: Whose drain it is. A host that is disabled with another reason stays disabled.
    default: reprov
    type: str
  migrate:
    description: Whether instances are migrated. Otherwise nothing is refused, and the host is just taken from the scheduler.
    default: true
    type: bool
  block_migration:
    description: Whether disks are copied. By default Nova sees which are local; before OpenStack Mitaka it cannot, and copies none.
    type: bool
  at_once:
    description: How many instances are on their way at a time.
    default: 2
    type: int
  tries:
    description: How often an instance is told to go.
    default: 2
    type: int
  may_stay:
    description: Instances, by id or name, that may stay on the host, whatever their state is.
    default: []
    type: list
    elements: str
  migration_timeout_s:
    description: How long one migration may take.
    default: 900
    type: float
  timeout_s:
    description: How long all of it may take.
    default: 1800
    type: float
  interval_s:
    description: How often Nova is asked.
    default: 5
    type: float
  probe:
    description:
      - Of which image and flavor, and in which network, an instance is made on a host that was given back, and deleted.
      - Where it does not become ACTIVE the host is taken from the scheduler again.
    type: dict
    suboptions:
      image: {required: true, type: str, description: Its name or id.}
      flavor: {required: true, type: str, description: Its name or id.}
      network: {required: true, type: str, description: Its name or id.}
  openrc:
    description: A script that sets the OS_ variables.
    type: path
  cloud:
    description: The name of a cloud in clouds.yaml.
    type: str
author:
  - the authors of reprov (@reprov)
"""

RETURN = r"""
migrated:
  description: Ids of the instances that were told to go; in check mode of those that would be.
  returned: always
  type: list
stays:
  description: Why an instance stays on the host, by its id.
  returned: when the host is drained
  type: dict
disabled:
  description: Why the host takes no instances; empty when it does.
  returned: for closed, drained and returned
  type: str
"""


class Drain:
    """One run of the module, and what it remembers from look to look."""

    def __init__(self, module: AnsibleModule, nova: Nova) -> None:
        self.module, self.nova = module, nova
        self.params = module.params
        names = ("reason", "migrate", "at_once", "tries", "may_stay")
        self.policy = Policy(migration_s=self.params["migration_timeout_s"], **{name: self.params[name] for name in names})
        self.changed = False
        self.migrated: list[str] = []
        self._now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        self._tries: Counter[str] = Counter()
        self._moving_since: dict[str, float] = {}
        self._said: dict[str, str] = {}
        self._in_error_before: frozenset[str] | None = None

    def run(self) -> None:
        """Act and look, until it is done or cannot be done."""
        deadline = time.monotonic() + self.params["timeout_s"]
        step = self._give_back if self.params["state"] == "returned" else self._drain
        move = step()
        while True:
            if isinstance(move, Wait):
                if time.monotonic() >= deadline:
                    hint = "look at it with `openstack server show` or in the log of nova-compute; then run this again, it goes on"
                    self._fail(f"not {self.params['state']} after {self.params['timeout_s']:g} s", [Trouble(move.why, hint)])
                self.module.log(f"waits: {move.why}")
            if not isinstance(move, Disable):
                time.sleep(self.params["interval_s"])
            try:
                move = step()
            except Exception as error:
                if not is_away(error):
                    raise
                move = Wait(f"the API of the cloud does not answer: {error}")

    def _drain(self) -> Any:
        view = self._look()
        move = next_move(view, self.policy)
        if isinstance(move, Refuse):
            self._fail("refused", move.troubles)
        if isinstance(move, Stuck):
            left = f"stuck, {len(move.left)} more were not told to go" if move.left else "stuck"
            self._fail(left, move.troubles)
        if self.module.check_mode:
            self._foretell(view, move)
        if isinstance(move, Disable):
            reason = mark(self.policy.reason, self._now)
            self.nova.disable(reason)
            self.changed = True
            if self.params["state"] == "closed":
                self._end(disabled=reason)
        elif self.params["state"] == "closed":
            self._end(disabled=view.service.reason)
        elif isinstance(move, Migrate):
            for instance in move.instances:
                self._migrate(instance)
        elif isinstance(move, Drained):
            self._end(disabled=view.service.reason, stays={item.instance.id: item.why for item in move.stays})
        return move

    def _look(self) -> View:
        """Migrations before instances: whatever is told to be over then shows where it has led to."""
        first = self._in_error_before is None
        service, others = self.nova.services()
        migrations = self.nova.migrations()
        gone = gone_since(migrations, service.host, begun(service.reason, self.policy.reason) or self._now)
        found = [self._known(instance, fault, gone.get(instance.id)) for instance, fault in self.nova.instances()]
        if self._in_error_before is None:
            self._in_error_before = in_error(found, gone)
        return View(
            *(service, others, found, gone),
            coming=self.nova.coming(migrations),
            in_error_before=self._in_error_before,
            first=first,
            space=self.nova.space(others) if first and self.policy.migrate else None,
        )

    def _known(self, instance: Instance, fault: str, last: Migration | None) -> Instance:
        """With what this run knows of it."""
        now, moving_s = time.monotonic(), 0.0
        if instance.task == MIGRATING or (last and last.status in UNDERWAY):
            moving_s = now - self._moving_since.setdefault(instance.id, now)
        else:
            self._moving_since.pop(instance.id, None)
            if self._tries[instance.id] and instance.id not in self._said:
                self._said[instance.id] = fault or self.nova.complaint(instance)
        return instance._replace(tries=self._tries[instance.id], moving_s=moving_s, said=self._said.get(instance.id) or fault)

    def _migrate(self, instance: Instance) -> None:
        said = self.nova.migrate(instance, self.params["block_migration"])
        self._tries[instance.id] += 1
        if said:
            self._said[instance.id] = said
            return
        self._said.pop(instance.id, None)
        self.changed = True
        if instance.id not in self.migrated:
            self.migrated.append(instance.id)

    def _give_back(self) -> Any:
        service, _ = self.nova.services()
        move = next_return(service, self.policy.reason)
        if isinstance(move, Stuck):
            self._fail("not given back", move.troubles)
        if isinstance(move, Returned):
            if self.params["probe"] and not move.disabled and not self.module.check_mode:
                self._prove()
            self._end(disabled=move.disabled)
        if isinstance(move, Enable):
            self.changed = True
            if self.module.check_mode:
                self._end(disabled="")
            self.nova.enable()
        elif self.module.check_mode:
            self._end(disabled=service.reason, msg=move.why)
        return move

    def _prove(self) -> None:
        """That a new instance can be scheduled here."""
        name = f"reprov-probe-{self.nova.host}"
        self.nova.remove(name)  # that of an interrupted run
        deadline = time.monotonic() + self.params["timeout_s"]
        try:
            instance = self.nova.boot(name, **self.params["probe"])
            status, said = self.nova.settled(instance)
            while status == "BUILD" and time.monotonic() < deadline:
                time.sleep(self.params["interval_s"])
                status, said = self.nova.settled(instance)
        finally:
            self.nova.remove(name)
        if trouble := against_probe(self.nova.host, status, said):
            self.nova.disable(mark(self.policy.reason, self._now))
            self._fail("not given back", [trouble])

    def _foretell(self, view: View, move: Any) -> NoReturn:
        """What would be done if everybody went when told to."""
        closing = isinstance(move, Disable)
        if self.params["state"] == "drained":
            closed = view._replace(service=view.service._replace(enabled=False), first=False)
            move = next_move(closed, self.policy._replace(at_once=len(view.instances)))
            if isinstance(move, Migrate):
                self.migrated = [instance.id for instance in move.instances]
        self.changed = closing or bool(self.migrated)
        self._end(disabled=mark(self.policy.reason, self._now) if closing else view.service.reason)

    def _end(self, **told: Any) -> NoReturn:
        self.module.exit_json(changed=self.changed, migrated=self.migrated, **told)

    def _fail(self, what: str, troubles: Iterable[Trouble]) -> NoReturn:
        troubles = list(troubles)
        words = "; ".join(f"{item.why} ({item.hint})" for item in troubles)
        told = [item._asdict() for item in troubles]
        self.module.fail_json(msg=f"{self.nova.host}: {what}: {words}", changed=self.changed, migrated=self.migrated, troubles=told)


def main() -> None:
    """Connect, and run."""
    module = AnsibleModule(
        argument_spec={
            "state": {"choices": ["closed", "drained", "returned"], "required": True},
            "host": {"required": True},
            "reason": {"default": "reprov"},
            "migrate": {"type": "bool", "default": True},
            "block_migration": {"type": "bool"},
            "at_once": {"type": "int", "default": 2},
            "tries": {"type": "int", "default": 2},
            "may_stay": {"type": "list", "elements": "str", "default": []},
            "migration_timeout_s": {"type": "float", "default": 900},
            "timeout_s": {"type": "float", "default": 1800},
            "interval_s": {"type": "float", "default": 5},
            "probe": {"type": "dict", "options": {name: {"required": True} for name in ("image", "flavor", "network")}},
            "openrc": {"type": "path"},
            "cloud": {},
        },
        mutually_exclusive=[("openrc", "cloud")],
        supports_check_mode=True,
    )
    try:
        import openstack
        from keystoneauth1.exceptions import ClientException
        from openstack.exceptions import SDKException
    except ImportError:
        module.fail_json(msg=missing_required_lib("openstacksdk"))
    try:
        if module.params["openrc"]:
            os.environ.update(environment_of(module.params["openrc"]))
        nova = Nova(openstack.connect(cloud=module.params["cloud"]), module.params["host"])
        Drain(module, nova).run()
    except (OSError, LookupError, SubprocessError, ClientException, SDKException) as error:
        module.fail_json(msg=f"{module.params['host']}: {error}")


if __name__ == "__main__":
    main()
