#!/usr/bin/python
"""Ansible module: bring the schema of a service's database to the release of this host, once. `reprov.domain.db_sync` decides."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.reprov_db_sync import Broken, Rule, Schema, is_due, is_moved, version_in

DOCUMENTATION = r"""
module: reprov_db_sync
short_description: Bring the schema of a service's database to the release of this host, once
description:
  - Changes nothing where the service's check says that there is nothing to do, and asks for the version before and after otherwise. Run it
    on one host at a time (C(throttle) 1), as the account of the service.
  - It fails where the schema is not what it should be afterwards, and says what it was and is.
  - In check mode it can tell only where the service has a check; otherwise it is skipped.
options:
  service:
    description: Whose database it is, for messages.
    required: true
    type: str
  version:
    description: The commands that tell the version.
    required: true
    type: list
    elements: list
  sync:
    description: The commands that bring it to the release, in order.
    required: true
    type: list
    elements: list
  check:
    description: The command whose status says whether there is something to do, where the service has one.
    type: list
    elements: str
  current:
    description: With which statuses of the check there is nothing to do.
    type: list
    elements: int
    default: [0]
  behind:
    description: With which there is. Any other status is an error.
    type: list
    elements: int
    default: []
author:
  - the authors of reprov (@reprov)
"""

RETURN = r"""
before:
  description: The version before, in the service's own words.
  returned: when the commands were run
  type: str
after:
  description: The version after.
  returned: when the commands were run
  type: str
"""


def status_of(module: AnsibleModule) -> tuple[int | None, str]:
    """How the service's own check ends, and what it says; None where it has no check."""
    if not module.params["check"]:
        return None, ""
    status, out, err = module.run_command(module.params["check"])
    return status, shortened(err or out)


def version_of(module: AnsibleModule, *, is_needed: bool) -> str:
    """What the service says of its database now."""
    return version_in([module.run_command(command, check_rc=is_needed)[1] for command in module.params["version"]])


def sync(module: AnsibleModule) -> Broken | None:
    """Run the commands; the one that fails is the last."""
    for command in module.params["sync"]:
        status, out, err = module.run_command(command)
        if status:
            return Broken(" ".join(command), status, shortened(err or out))
    return None


def shortened(said: str) -> str:
    """The end of it, on one line."""
    return " ".join(said.split()[-60:])


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "service": {"type": "str", "required": True},
            "version": {"type": "list", "elements": "list", "required": True},
            "sync": {"type": "list", "elements": "list", "required": True},
            "check": {"type": "list", "elements": "str"},
            "current": {"type": "list", "elements": "int", "default": [0]},
            "behind": {"type": "list", "elements": "int", "default": []},
        },
        supports_check_mode=True,
    )
    rule = Rule(module.params["current"], module.params["behind"])
    status, words = status_of(module)
    try:
        due = is_due(status, rule)
    except ValueError as error:
        module.fail_json(msg=f"{module.params['service']}: {error}: {words}")
    if due is False or module.check_mode:
        module.exit_json(changed=bool(due), skipped=due is None)
    before = Schema(version_of(module, is_needed=True), status)
    broken = sync(module)
    after = Schema(version_of(module, is_needed=False), status_of(module)[0])
    try:
        module.exit_json(changed=is_moved(before, after, rule, broken), before=before.version, after=after.version)
    except ValueError as error:
        module.fail_json(msg=f"{module.params['service']}: {error}", before=before.version, after=after.version)


if __name__ == "__main__":
    main()
