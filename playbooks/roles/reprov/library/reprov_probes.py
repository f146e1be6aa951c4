#!/usr/bin/python
"""Probes before and after an upgrade: what was there must be there, and work. What that means is `reprov.domain.probes`'."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.reprov_junit import JUnitCase, JUnitSuite, to_junit
from ansible.module_utils.reprov_openrc import environment_of
from ansible.module_utils.reprov_probe_cloud import END_S, Cloud
from ansible.module_utils.reprov_probe_looks import KILL_S, LOOKS, bounded
from ansible.module_utils.reprov_probes import Probe, Seen, Verdict, in_words, judge, read_probes, to_make, to_remove

DOCUMENTATION = """
module: reprov_probes
short_description: See that what was there before an upgrade is there and works after it
description:
  - Looks at probes, and fails with the name of every one that does not hold. What was seen before the upgrade is kept in a record.
  - >-
    Kinds of probes that need no cloud: url (url, status, body, ca_file), port (host, port), name (dns, addresses), file (path, sha256),
    command (argv, status, output, folder).
  - >-
    Kinds that need OpenStack, and openstacksdk on the host: inventory (of: server, network, router, volume, image or container);
    new-server (image, flavor, network), which is made and deleted at once; and what created makes and removed deletes, which is network,
    image, object (container), volume (size_gb, image) and server (image, flavor, network).
options:
  state:
    description:
      - created makes what has to be made, looks at everything that the record does not have, and records it.
      - checked looks at everything, compares it with the record, and changes nothing.
      - removed deletes what was made, and keeps the rest of the record.
    choices: [created, checked, removed]
    default: checked
    type: str
  probes:
    description: Mappings with a name, a kind, the options of the kind, and timeout_s. By default those of the record.
    type: list
    elements: dict
    default: []
  record:
    description: The JSON file that keeps what was seen before.
    type: path
  openrc:
    description: A script that sets the OS_ variables. By default the environment has them.
    type: path
  wait_s:
    description: How long checked looks again and again at what does not hold.
    default: 0
    type: float
  junit:
    description: Where the report is written, as JUnit XML.
    type: path
author:
  - the authors of reprov (@reprov)
"""

RETURN = """
lost:
  description: What does not hold, in words, by probe.
  returned: always
  type: dict
news:
  description: What is otherwise than before, and may be, by probe.
  returned: always
  type: dict
"""

RECORD_FORMAT = 1
INTERVAL_S = 5.0
ACTING = ("command", "new-server")
"""Kinds that --check leaves alone: to look at them is to do something."""


class Record:
    """The file that knows what there was before, and what was made for it: by probe its fields, `made` (an id) and `facts`."""

    def __init__(self, path: str | None) -> None:
        self.path = Path(path) if path else None
        self.probes: dict[str, dict[str, Any]] = {}
        self.is_there = self.path is not None and self.path.exists()
        if self.path and self.is_there:
            found = json.loads(self.path.read_text("utf-8"))
            if found.get("format") != RECORD_FORMAT:
                raise ValueError(f"{self.path}: its format is {found.get('format')!r}, and not {RECORD_FORMAT}")
            self.probes = found["probes"]

    def add(self, probe: Probe, **more: Any) -> None:
        """Durably: what was made must not be forgotten, also when we are killed."""
        fields = {"name": probe.name, "kind": probe.kind, "timeout_s": probe.timeout_s}
        fields.update(probe.options)
        self.probes[probe.name] = dict(self.probes.get(probe.name, {}), probe=fields, **more)
        self.write()

    def forget(self, name: str) -> None:
        """The same, of what is gone."""
        del self.probes[name]
        self.write()

    def write(self) -> None:
        assert self.path
        text = json.dumps({"format": RECORD_FORMAT, "probes": self.probes}, indent=1, sort_keys=True) + "\n"
        write_file(self.path, text)


class Probing:
    """One run of the module."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.params: Mapping[str, Any] = module.params
        self.cloud = Cloud(self._connect)
        self.record = Record(self.params["record"])
        entries = self.params["probes"] or [known["probe"] for known in self.record.probes.values()]
        self.probes = read_probes(entries)
        self.told: dict[str, Any] = {"lost": {}, "news": {}}

    def created(self) -> bool:
        """Whether there was anything that the record did not have."""
        known = self.record.probes
        new = [probe for probe in self.probes if "facts" not in known.get(probe.name, {})]
        if self.module.check_mode:
            return bool(new)
        for probe in to_make(new, [name for name in known if "made" in known[name]]):
            self._make(probe)
        seen = {probe.name: self._look(probe) for probe in new}
        verdicts = [judge(probe, None, seen[probe.name]) for probe in new]
        for probe, verdict in zip(new, verdicts):  # noqa: B905 # strict= is of Python 3.10
            if not verdict.lost:
                self.record.add(probe, facts=seen[probe.name].facts)
        self._end(verdicts, hint="nothing was upgraded yet: mend it, or leave the probe out, and run this again")
        return bool(new)

    def checked(self) -> bool:
        """Never: fails when something does not hold in the end."""
        if self.record.path and not self.record.is_there:
            self.module.fail_json(msg=f"{self.record.path}: nobody has looked at the probes before the upgrade (state: created)")
        probes = [probe for probe in self.probes if not (self.module.check_mode and probe.kind in ACTING)]
        deadline = time.monotonic() + self.params["wait_s"]
        verdicts = {probe.name: self._judge(probe) for probe in probes}
        while any(verdict.lost for verdict in verdicts.values()) and time.monotonic() < deadline:
            time.sleep(min(INTERVAL_S, max(0.0, deadline - time.monotonic())))
            verdicts.update({probe.name: self._judge(probe) for probe in probes if verdicts[probe.name].lost})
        where = f"{self.record.path} has what was there before" if self.record.path else "look at each of them by hand"
        self._end(list(verdicts.values()), hint=f"{where}; mend it, or go back")
        return False

    def removed(self) -> bool:
        """Whether anything was still there that had been made."""
        known = self.record.probes
        names = to_remove({name: entry["probe"]["kind"] for name, entry in known.items()})
        if self.module.check_mode:
            return bool(names)
        for name in names:
            probe = read_probes([known[name]["probe"]])[0]
            self._done(probe, f"cannot be deleted ({known[name].get('made') or 'not made to its end'})", self._delete)
            self.record.forget(name)
        return bool(names)

    def _make(self, probe: Probe) -> None:
        """Noted before it is made: what an interrupted run has made is found by its name, and made anew."""
        if probe.name in self.record.probes:
            self._done(probe, "cannot be made anew", self._delete)
        elif found := self._done(probe, "cannot be asked for", self.cloud.find):
            self.module.fail_json(
                msg=f"probe {probe.name!r}: there is a {probe.kind} of that name that no record knows ({found}); rename it"
            )
        self.record.add(probe)
        self.record.add(probe, made=self._done(probe, "cannot be made", self.cloud.make))

    def _delete(self, probe: Probe) -> None:
        made = self.record.probes[probe.name].get("made") or self.cloud.find(probe)
        if made:
            self.cloud.delete(probe.kind, made)

    def _done(self, probe: Probe, what: str, do: Any) -> Any:
        """What it gives. Ends the module where it does not come to its end in time."""
        seen = bounded(probe, lambda probe: {"gave": do(probe)}, END_S)
        if seen.trouble:
            self.module.fail_json(msg=f"probe {probe.name!r}: the {probe.kind} {what}: {seen.trouble}")
        return seen.facts["gave"]

    def _judge(self, probe: Probe) -> Verdict:
        return judge(probe, self.record.probes.get(probe.name, {}).get("facts"), self._look(probe))

    def _look(self, probe: Probe) -> Seen:
        if probe.kind in LOOKS:
            return bounded(probe, LOOKS[probe.kind], KILL_S if probe.kind == "command" else 0.0)
        if probe.kind == "inventory":
            return bounded(probe, self.cloud.inventory)
        if probe.kind == "new-server":
            return bounded(probe, self.cloud.new_server, END_S)
        made = self.record.probes.get(probe.name, {}).get("made")
        if not made:
            return Seen({}, "was not made before the upgrade")
        return bounded(probe, lambda probe: self.cloud.facts(probe, made), END_S)

    def _end(self, verdicts: list[Verdict], hint: str) -> None:
        """Writes the report. Fails where something does not hold."""
        if self.params["junit"] and verdicts and not self.module.check_mode:
            cases = tuple(JUnitCase(item.probe, item.elapsed_s, "failure" if item.lost else "", ", ".join(item.lost)) for item in verdicts)
            write_file(Path(self.params["junit"]), to_junit([JUnitSuite("probes", sum(case.elapsed_s for case in cases), cases)]))
        self.told = {
            "lost": {item.probe: list(item.lost) for item in verdicts if item.lost},
            "news": {item.probe: list(item.news) for item in verdicts if item.news},
        }
        if self.told["lost"]:
            self.module.fail_json(msg=f"{in_words(verdicts)} ({hint})", **self.told)

    def _connect(self) -> Any:
        try:
            import openstack
        except ImportError:
            raise ImportError(missing_required_lib("openstacksdk")) from None
        if self.params["openrc"]:
            os.environ.update(environment_of(self.params["openrc"]))
        return openstack.connect()


def write_file(path: Path, text: str) -> None:
    """All of it or nothing, and on the disk."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(temporary).replace(path)


def main() -> None:
    """Look, and act."""
    module = AnsibleModule(
        argument_spec={
            "state": {"choices": ["created", "checked", "removed"], "default": "checked"},
            "probes": {"type": "list", "elements": "dict", "default": []},
            "record": {"type": "path"},
            "openrc": {"type": "path"},
            "wait_s": {"type": "float", "default": 0},
            "junit": {"type": "path"},
        },
        required_if=[("state", "created", ["record"]), ("state", "removed", ["record"])],
        supports_check_mode=True,
    )
    try:
        probing = Probing(module)
        changed = {"created": probing.created, "checked": probing.checked, "removed": probing.removed}[module.params["state"]]()
    except (OSError, ValueError, KeyError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, **probing.told)


if __name__ == "__main__":
    main()
