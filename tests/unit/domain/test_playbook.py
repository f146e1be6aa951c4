"""The text of a project: what is in it for whom, in which order, and why."""

import pytest
import yaml

from reprov.domain.course import Spread
from reprov.domain.infra_fields import is_host
from reprov.domain.packages import PackageChange
from reprov.domain.playbook import Gets, Library, profile_group, project, service_group
from reprov.domain.procedure import Action, Applied, OwnTask
from reprov.domain.release import ReleaseId
from reprov.domain.snippet import Derived, Family, Snippet, Task, Touched, Unknown
from tests.fleet_samples import infra, stage

CHANGE = PackageChange("etcd-server", "amd64", "upgraded", "3.4.1", "3.4.2")


def snippet(service: str, *steps: int, defaults: dict[str, object] | None = None) -> Snippet:
    units = {Family.DEBIAN: (f"{service}.service",), Family.RPM: ()}
    tasks = tuple(Task(f"Do {step}", step, f"# why\n- name: Do {step}\n  tags: step{step}\n", 1) for step in steps)
    return Snippet(service, service, units, units, units, False, (), defaults or {}, tasks, f"{service}.yaml")


LIBRARY = Library(
    {"etcd": snippet("etcd", 4, 6), "nova-api": snippet("nova-api", 3, 7, defaults={"nova_api_x": 1})}, {"reprov/tasks/status.yml": "---\n"}
)
INFRA = infra({"control": 2, "load-balancer": 1}, {"domain": "example.org"})
GETS = {name: Gets(Family.DEBIAN, ReleaseId(name, "2.0"), "rsync://server") for name in INFRA.profiles}
RUNNING = {"control": frozenset({"etcd", "nova-api"}), "load-balancer": frozenset({"etcd"})}
DERIVED = Derived("control", (Touched("etcd", (CHANGE,)), Touched("nova-api", (CHANGE,))))


def made(*stages: Applied, gets: dict[str, Gets] | None = None) -> dict[str, str]:
    return project(INFRA, stages, gets or GETS, RUNNING, LIBRARY)


def imports(files: dict[str, str], name: str = "control", play: int = 0) -> list[str]:
    """What the play imports in its order: role, tasks and tag."""
    tasks = yaml.safe_load(files[f"stages/{name}.yml"])[play]["tasks"]
    inner = [task for item in tasks for task in item.get("block", [item])]
    found = [(*task["ansible.builtin.import_role"].values(), task["tags"]) for task in inner]
    return [f"{role}/{tasks_from} {tag}" for role, tasks_from, tag in found]


def test_services_are_stopped_in_the_reverse_of_the_order_in_which_they_start() -> None:
    derived = Derived("control", (Touched("a", (CHANGE,)), Touched("b", (CHANGE,))))
    library = Library({"a": snippet("a", 4, 6), "b": snippet("b", 4, 6)}, {})
    files = project(INFRA, [stage("control", ["control1"], [derived])], GETS, {}, library)
    assert imports(files) == [
        "reprov/status always",
        "b/step4 step4",
        "a/step4 step4",
        "reprov/reimage step5",
        "a/step6 step6",
        "b/step6 step6",
    ]


def test_a_hop_that_touches_no_service_is_step_5_alone() -> None:
    files = made(stage("control", ["control1", "control2"], [Derived("control", ())]))
    assert imports(files) == ["reprov/status always", "reprov/reimage step5"]
    assert not [path for path in files if path.startswith(("roles/etcd", "roles/nova"))]


def test_a_stage_has_no_other_steps_than_its_own() -> None:
    assert imports(made(stage("control", ["control1"], [DERIVED], tags=(3, 4)))) == [
        "reprov/status always",
        "nova_api/step3 step3",
        "etcd/step4 step4",
    ]


def test_who_gets_no_release_is_not_re_imaged() -> None:
    files = made(stage("control", ["control1"], [DERIVED]), gets=GETS | {"control": Gets(Family.RPM, None, "rsync://server")})
    assert "reprov/reimage step5" not in imports(files)
    assert yaml.safe_load(files["group_vars/profile_control.yml"]) == {"reprov_family": "rpm"}


def test_the_package_that_is_the_reason_stands_above_the_play() -> None:
    unknown = Unknown(PackageChange("frobd", "amd64", "added", "", "1"), ("frobd.service",))
    text = made(stage("control", ["control1"], [DERIVED._replace(unknown=(unknown,))]))["stages/control.yml"]
    assert text.startswith(
        "---\n# etcd: etcd-server 3.4.1 -> 3.4.2\n# nova-api: etcd-server 3.4.1 -> 3.4.2\n"
        "# no snippet: frobd.service, of frobd nothing -> 1; only step 5 sees to it\n- name:"
    )


@pytest.mark.parametrize(
    ("spread", "serial"),
    [
        pytest.param(Spread.EACH, "{{ reprov_serial | default(1) }}", id="each: one after the other, unless it is said otherwise"),
        pytest.param(Spread.ONE_BY_ONE, 1, id="members of a quorum: never two, whatever is said"),
        pytest.param(Spread.TOGETHER, None, id="together"),
        pytest.param(Spread.ONCE, None, id="once"),
    ],
)
def test_how_hosts_follow_each_other_by_hand(spread: Spread, serial: object) -> None:
    play = yaml.safe_load(made(stage("control", ["control1", "control2"], [DERIVED], spread=spread))["stages/control.yml"])[0]
    assert play.get("serial") == serial
    assert ("ansible_play_hosts_all | first" in str(play)) == (spread is Spread.ONCE)


def test_a_stage_of_some_hosts_names_them_and_one_of_all_names_the_group() -> None:
    files = made(stage("control", ["control2"], [DERIVED]), stage("all", ["load-balancer1", "control1", "control2"], [DERIVED]))
    assert yaml.safe_load(files["stages/control.yml"])[0]["hosts"] == ["control2"]
    assert [play["hosts"] for play in yaml.safe_load(files["stages/all.yml"])] == ["profile_load_balancer", "profile_control"]
    assert imports(files, "all", 0) == ["reprov/status always", "reprov/reimage step5"]


def test_roles_have_the_tasks_of_the_snippet_as_they_are_written() -> None:
    files = made(stage("control", ["control1"], [DERIVED]))
    assert files["roles/etcd/tasks/step4.yml"] == (
        "---\n# Step 4, stop infrastructure services. From etcd.yaml\n# why\n- name: Do 4\n  tags: step4\n"
    )
    assert yaml.safe_load(files["roles/nova_api/defaults/main.yml"]) == {"nova_api_x": 1}
    assert yaml.safe_load(files["roles/nova_api/vars/main.yml"]) == {
        "nova_api_units_of": {"debian": ["nova-api.service"], "rpm": []},
        "nova_api_units": "{{ nova_api_units_of[reprov_family] }}",
    }


def test_the_inventory_knows_where_services_are() -> None:
    found = yaml.safe_load(made()["inventory.yaml"])["all"]
    assert list(found["hosts"]) == ["control1", "control2", "load-balancer1"]
    assert found["hosts"]["control2"] == {"ansible_host": "192.0.2.2"}
    assert list(found["children"]["profile_load_balancer"]["hosts"]) == ["load-balancer1"]
    assert list(found["children"]["service_etcd"]["children"]) == ["profile_control", "profile_load_balancer"]
    assert list(found["children"]["service_nova_api"]["children"]) == ["profile_control"]


def test_no_host_can_have_the_name_of_a_group() -> None:
    """Ansible would take one for the other."""
    assert is_host("compute1")
    assert not any(is_host(name) for name in (profile_group("compute1"), service_group("etcd"), "all", "ungrouped"))


def test_actions_are_done_before_the_snippets_of_their_step_and_checks_before_all() -> None:
    tasks = (OwnTask("One", None, "m", "", "- name: One\n"), OwnTask("Two", Family.RPM, "m", "", "- name: Two\n"))
    action, check = (Action(name, f"do {name}", {"x": 1}, tasks, f"{name}.yaml") for name in ("pin-versions", "healthy"))
    files = made(stage("control", ["control1"], [DERIVED], tags=(3, 4), before=(check,), actions=((4, action),), undo=(action,)))
    assert imports(files) == [
        "reprov/status always",
        "action_healthy/debian step3",
        "nova_api/step3 step3",
        "action_pin_versions/debian step4",
        "etcd/step4 step4",
    ]
    assert files["roles/action_healthy/tasks/debian.yml"] == "---\n# From healthy.yaml\n- name: One\n"
    assert files["roles/action_healthy/tasks/rpm.yml"] == "---\n# From healthy.yaml\n- name: One\n\n- name: Two\n"
    assert yaml.safe_load(files["undo.yml"]) == [
        {"name": "Back from re-image control", "ansible.builtin.import_playbook": "undo/control.yml"}
    ]
    assert "action_pin_versions" in files["undo/control.yml"]
