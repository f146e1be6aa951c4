"""The Ansible project of a rollout as text: an ordinary one, that an operator can read, compare and run by hand.

    inventory.yaml, group_vars/    hosts, their profiles (`profile_<name>`) and where services are (`service_<name>`)
    site.yml                       every stage in its order
    stages/<stage>.yml             a play for each profile of the stage: step by step, service by service
    undo.yml, undo/<stage>.yml     the way back of the stages that have one, last stage first
    roles/<service>/               the snippets as they are in the library, a file for each step
    roles/action_<name>/           actions and checks of the procedure
    roles/reprov/                  what all of them share, and step 5; its modules, which `ansible -m` finds in the project's folder, too

A stage and a tag of some hosts is `ansible-playbook stages/<stage>.yml --limit a,b --tags step4`; with `--extra-vars reprov_serial=100%`
these go at once, by themselves one after the other.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from reprov.domain.ansible_yaml import quoted, to_yaml
from reprov.domain.course import Spread, tag_name
from reprov.domain.derivation import in_step_order
from reprov.domain.infra import Infra
from reprov.domain.packages import PackageChange
from reprov.domain.procedure import Action, Applied
from reprov.domain.release import ReleaseId
from reprov.domain.snippet import REIMAGE, STEPS, Derived, Family, Service, Snippet
from reprov.domain.snippet_text import variable_prefix
from reprov.domain.stage_packages import package_variables

SHARED_ROLE: Final = "reprov"


class Gets(NamedTuple):
    """What hosts of a profile are, and get."""

    family: Family
    release: ReleaseId | None
    """None where the rollout brings them no release: they have no step 5."""
    source: str
    """Where they fetch it from, as `reprov upgrade --from` takes it."""


class Library(NamedTuple):
    """What the project is made from."""

    snippets: Mapping[Service, Snippet]
    shared_roles: Mapping[str, str]
    """Files of `roles/` that every project has, by their path there."""


def project(
    infra: Infra, stages: Sequence[Applied], gets: Mapping[str, Gets], running: Mapping[str, frozenset[Service]], library: Library
) -> dict[str, str]:
    """Every file of the project by its path."""
    actions = {action.name: action for item in stages for action in item.rule.all_actions}.values()
    # Not defaults of their roles: actions share variables, which there would have to begin with the name of one of them.
    variables = {name: value for action in actions for name, value in action.defaults.items()} | dict(infra.config)
    files = {
        "ansible.cfg": _CONFIGURATION,
        "inventory.yaml": _inventory(infra, running),
        "group_vars/all.yml": to_yaml(variables) if variables else "---\n{}\n",
        "site.yml": _imports([item.stage.name for item in stages], "stages", [item.stage.title for item in stages]),
    }
    for profile, got in gets.items():
        files[f"group_vars/{profile_group(profile)}.yml"] = to_yaml(_variables(got))
    for item in stages:
        files[f"stages/{item.stage.name}.yml"] = "---\n" + "\n".join(_plays(item, infra, gets, library))
    ways_back = [item for item in reversed(stages) if item.rule.undo.actions]
    for item in ways_back:
        files[f"undo/{item.stage.name}.yml"] = "---\n" + "\n".join(_undo_plays(item, infra, gets))
    if ways_back:
        files["undo.yml"] = _imports(
            [item.stage.name for item in ways_back], "undo", [f"Back from {item.stage.title}" for item in ways_back]
        )
    for service in sorted({touched.service for item in stages for derived in item.derived for touched in derived.services}):
        files |= _service_role(library.snippets[service])
    for action in actions:
        files |= _action_role(action)
    return files | {f"roles/{path}": text for path, text in library.shared_roles.items()}


def profile_group(profile: str) -> str:
    """The inventory's group of a profile's hosts. It has an underscore, which the name of a host has not: Ansible tells them apart."""
    return f"profile_{variable_prefix(profile)}"


def service_group(service: Service) -> str:
    """The inventory's group of the hosts that have a service, whether or not it changes."""
    return f"service_{variable_prefix(service)}"


def told(change: PackageChange) -> str:
    """A package that changes, in words: "etcd-server 3.4.23-4 -> 3.4.30-1"."""
    return " ".join(f"{change.name} {change.before or 'nothing'} -> {change.after or 'nothing'}".split())


def _plays(item: Applied, infra: Infra, gets: Mapping[str, Gets], library: Library) -> Iterator[str]:
    derived = {found.profile: found for found in item.derived}
    for profile, hosts in _by_profile(item, infra).items():
        found = derived.get(profile) or Derived(profile, ())
        tasks = [text for step in item.stage.tags for text in _tasks_of_step(step, item, found, gets[profile], library)]
        if tasks:
            yield _play(item, profile, hosts, found, tasks, infra, variables=package_variables(item, found, gets[profile].family))


def _undo_plays(item: Applied, infra: Infra, gets: Mapping[str, Gets]) -> Iterator[str]:
    derived = {found.profile: found for found in item.derived}
    for profile, hosts in _by_profile(item, infra).items():
        tasks = [_action(action, gets[profile].family, None) for action in item.rule.undo.actions]
        variables = package_variables(item, derived.get(profile, Derived(profile, ())), gets[profile].family)
        title = f"Back from {item.stage.title}"
        yield _play(item, profile, hosts, Derived(profile, ()), tasks, infra, title=title, variables=variables)


def _play(
    item: Applied,
    profile: str,
    hosts: Sequence[str],
    derived: Derived,
    tasks: Iterable[str],
    infra: Infra,
    *,
    variables: str,
    title: str | None = None,
) -> str:
    """The text of a play; what it is derived from stands above it."""
    because = [f"# {touched.service}: {', '.join(told(change) for change in touched.because)}\n" for touched in derived.services]
    because += [
        f"# no snippet: {', '.join(unknown.units)}, of {told(unknown.package)}; only step {REIMAGE} sees to it\n"
        for unknown in derived.unknown
    ]
    whole = len(hosts) == len(infra.of_profile(profile))
    pattern = profile_group(profile) if whole else "\n" + "".join(f"    - {quoted(host)}\n" for host in hosts).rstrip("\n")
    separator = " " if whole else ""
    serial = {
        Spread.EACH: '  serial: "{{ reprov_serial | default(1) }}"\n',
        Spread.ONE_BY_ONE: "  serial: 1\n",
        Spread.ONCE: "",
        Spread.TOGETHER: "",
    }[item.stage.spread]
    name = title or item.stage.title
    text = "".join(because)
    text += f"- name: {quoted(name[:1].upper() + name[1:])}\n  hosts:{separator}{pattern}\n"
    text += f"  gather_facts: false\n  become: true\n{serial}{variables}"
    text += "  tasks:\n" + _import(f"Ask what {profile} has", SHARED_ROLE, "status", "always")
    body = "".join(f"\n{task}" for task in tasks)
    if item.stage.spread is Spread.ONCE:
        # Of those that --limit leaves: the engine goes to another one when the first cannot be reached.
        body = "\n    - name: On the first of the hosts\n      when: inventory_hostname == (ansible_play_hosts_all | first)\n      block:\n"
        body += "".join(_indented(task, 4) for task in tasks)
    return text + body


def _tasks_of_step(step: int, item: Applied, derived: Derived, got: Gets, library: Library) -> Iterator[str]:
    rule = item.rule
    if step == item.stage.tags[0]:
        yield from (_action(action, got.family, step) for action in rule.before)
    yield from (_action(action, got.family, step) for own_step, action in rule.actions if own_step == step)
    if step == REIMAGE and rule.touched and got.release:
        yield _import(f"Re-image to {got.release}", SHARED_ROLE, "reimage", tag_name(step))
    services = [touched.service for touched in derived.services]
    for service in in_step_order(services, step):
        if step in library.snippets[service].tags:
            title = f"{service[:1].upper()}{service[1:]}, step {step} ({STEPS[step]})"
            yield _import(title, variable_prefix(service), f"step{step}", tag_name(step))
    if step == item.stage.tags[-1]:
        yield from (_action(action, got.family, step) for action in rule.after)


def _action(action: Action, family: Family, step: int | None) -> str:
    return _import(action.title, _action_name(action), family.value, tag_name(step) if step else None)


def _import(title: str, role: str, tasks_from: str, tag: str | None) -> str:
    text = f"    - name: {quoted(title[:1].upper() + title[1:])}\n      ansible.builtin.import_role:\n"
    text += f"        name: {role}\n        tasks_from: {tasks_from}\n"
    return text + (f"      tags: {tag}\n" if tag else "")


def _service_role(snippet: Snippet) -> Iterator[tuple[str, str]] | dict[str, str]:
    role = f"roles/{variable_prefix(snippet.service)}"
    prefix = variable_prefix(snippet.service)
    files = {f"{role}/vars/main.yml": to_yaml(_unit_variables(snippet, prefix))}
    if snippet.defaults:
        files[f"{role}/defaults/main.yml"] = to_yaml(snippet.defaults)
    steps = sorted(snippet.tags)
    for step in steps:
        texts = [task.text for task in snippet.tasks_of(step)]
        files[f"{role}/tasks/step{step}.yml"] = f"---\n# Step {step}, {STEPS[step]}. From {snippet.path}\n" + "\n".join(texts)
    main = "".join(f"- name: Step {step}, {STEPS[step]}\n  ansible.builtin.import_tasks: step{step}.yml\n\n" for step in steps)
    files[f"{role}/tasks/main.yml"] = f"---\n{main}".rstrip("\n") + "\n"
    return files


def _unit_variables(snippet: Snippet, prefix: str) -> dict[str, object]:
    units = {family.value: list(globs) for family, globs in snippet.units.items()}
    return {f"{prefix}_units_of": units, f"{prefix}_units": f"{{{{ {prefix}_units_of[reprov_family] }}}}"}


def _action_role(action: Action) -> dict[str, str]:
    role = f"roles/{_action_name(action)}"
    files: dict[str, str] = {}
    for family in Family:
        texts = [task.text for task in action.tasks if task.family in (None, family)]
        files[f"{role}/tasks/{family}.yml"] = f"---\n# From {action.path}\n" + ("\n".join(texts) or "[]\n")
    return files


def _action_name(action: Action) -> str:
    return f"action_{variable_prefix(action.name)}"


def _variables(got: Gets) -> dict[str, str]:
    found = {"reprov_family": got.family.value}
    if got.release:
        found |= {"reprov_role": got.release.role, "reprov_version": got.release.version, "reprov_source": got.source}
    return found


def _inventory(infra: Infra, running: Mapping[str, frozenset[Service]]) -> str:
    groups: dict[str, dict[str, object]] = {}
    for profile in infra.ordered_profiles:
        groups[profile_group(profile)] = {"hosts": {host.name: None for host in infra.of_profile(profile)}}
    for service in sorted({service for found in running.values() for service in found}):
        profiles = [profile for profile in infra.ordered_profiles if service in running.get(profile, ())]
        groups[service_group(service)] = {"children": {profile_group(profile): None for profile in profiles}}
    hosts = {
        host.name: {"ansible_host": host.address, **host.variables} if host.address != host.name else dict(host.variables)
        for host in infra.hosts
    }
    return to_yaml({"all": {"hosts": hosts, "children": groups}})


def _imports(names: Sequence[str], folder: str, titles: Sequence[str]) -> str:
    plays = [
        f"- name: {quoted(title[:1].upper() + title[1:])}\n  ansible.builtin.import_playbook: {folder}/{name}.yml\n"
        for name, title in zip(names, titles, strict=True)
    ]
    return "---\n" + "\n".join(plays)


def _by_profile(item: Applied, infra: Infra) -> dict[str, list[str]]:
    profiles = {host.name: host.profile for host in infra.hosts}
    found: dict[str, list[str]] = {}
    for host in item.stage.hosts:
        found.setdefault(profiles[host], []).append(host)
    return found


def _indented(text: str, by: int) -> str:
    return "".join(" " * by + line if line.strip() else line for line in text.splitlines(keepends=True))


_CONFIGURATION: Final = """\
[defaults]
inventory = inventory.yaml
roles_path = roles
library = roles/reprov/library
module_utils = roles/reprov/module_utils
gathering = explicit
forks = 25
interpreter_python = auto_silent
retry_files_enabled = false

[connection]
pipelining = true

[ssh_connection]
# As by default, and a connection that is dead ends within a minute: TCP alone would take a quarter of an hour to notice it.
ssh_args = -C -o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=15 -o ServerAliveCountMax=3
"""
