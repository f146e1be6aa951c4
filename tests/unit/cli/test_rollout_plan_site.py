"""reprov rollout plan: what infra.yaml asks of every rollout, whatever the procedure."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from reprov.adapters.rollout_directory import RolloutDirectory
from tests.clouds import a_cloud
from tests.conftest import Ran

COUNTS = {"controller": 3, "compute": 2}
Plan = Callable[..., Ran]
ASKED = """\
checks: [checks/api, checks/test_api.py, checks/api_spec.rb]
probes:
  - {name: page, kind: url, url: "https://cloud.{{ domain }}/"}
baseline: [POOL_NO_REDUNDANCY]
config: {domain: paris.example}
"""


@pytest.fixture
def infra(tmp_path: Path) -> Path:
    """An infra that has nothing to ask, with the files beside it that it could name."""
    file, _ = a_cloud(tmp_path, COUNTS)
    (tmp_path / "checks").mkdir()
    for name, text in {
        "api": "#!/bin/sh -eu\ntrue\n",
        "test_api.py": "def test_it(): ...\n",
        "api_spec.rb": "",
        "notes": "to do\n",
    }.items():
        (tmp_path / "checks" / name).write_text(text)
    return file


@pytest.fixture
def plan(reprov: Callable[..., Ran], infra: Path, tmp_path: Path) -> Plan:
    store = tmp_path / "store"
    return lambda *words: reprov("rollout", "plan", "--infra", infra, "--store", store, "--from", "rsync://install:8730", *words)


def asking(infra: Path, text: str = ASKED) -> None:
    infra.write_text(infra.read_text() + text)


def stages(plan: Plan, *words: str) -> dict[str, Any]:
    answer = json.loads(plan("--format", "json", *words, "controller=2", "compute=2").stdout)
    return {stage["name"]: stage for stage in answer["stages"]}


def test_who_asks_for_nothing_gets_no_stage_for_it(plan: Plan) -> None:
    found = stages(plan)
    assert list(found) == ["ready", "re-image-controller", "re-image-compute", "sanity"]
    assert found["re-image-compute"]["after"] == ["role-checks"]


def test_the_site_is_looked_at_before_everything_behind_each_host_and_at_the_end(plan: Plan, infra: Path) -> None:
    asking(infra)
    found = stages(plan)
    assert list(found) == [
        "site-before",
        "ceph-before",
        "ready",
        "re-image-controller",
        "re-image-compute",
        "sanity",
        "site-after",
        "ceph-after",
    ]
    assert {name: (stage["spread"], stage["actions"], stage["after"]) for name, stage in found.items() if name.endswith("e-before")} == {
        "site-before": ("once", [{"tag": 1, "action": "probe-site"}], []),
    }
    assert (found["ceph-before"]["after"], found["ceph-before"]["hosts"]) == (
        ["ceph-healthy"],
        ["controller1", "controller2", "controller3"],
    )
    assert found["site-after"]["after"] == ["site-works"]
    assert found["re-image-compute"]["after"] == ["role-checks", "site-works"]


def test_while_the_api_is_closed_the_site_is_not_expected_to_work(plan: Plan, infra: Path) -> None:
    asking(infra, "checks: [checks/api]\n")
    found = stages(plan, "--procedure", "openstack-basic")
    assert [name for name, stage in found.items() if "site-works" in stage["after"]] == ["compute", "site-after"]


def test_the_project_has_the_checks_and_knows_how_to_run_them(plan: Plan, infra: Path, tmp_path: Path) -> None:
    asking(infra)
    assert plan(tmp_path / "may", "compute=2").status == 3
    project = tmp_path / "may/project"
    assert (project / "site/checks/api").read_text() == "#!/bin/sh -eu\ntrue\n"
    variables = yaml.safe_load((project / "group_vars/all.yml").read_text())
    assert variables["ceph_baseline"] == ["POOL_NO_REDUNDANCY"]
    assert [(probe["name"], probe.get("argv")) for probe in variables["site_probes"]] == [
        ("checks/api", ["/bin/sh", "-eu", "site/checks/api"]),
        ("checks/test_api.py", ["/usr/bin/python3", "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "site/checks/test_api.py"]),
        ("checks/api_spec.rb", ["rspec", "site/checks/api_spec.rb"]),
        ("page", None),
    ]
    assert variables["site_probes"][-1]["url"] == "https://cloud.{{ domain }}/"
    runbook = (tmp_path / "may/runbook.md").read_text()
    assert "### 1. See that the site works, before anything is changed\n" in runbook
    assert 'ansible controller1 --connection local -m reprov_probes -a \'{"state": "created",' in runbook


def test_a_baseline_of_a_site_without_ceph_is_told(plan: Plan, reprov: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    infra, store = a_cloud(tmp_path / "small", {"compute": 1})
    asking(infra, "baseline: [POOL_NO_REDUNDANCY]\n")
    ran = reprov("rollout", "plan", "--infra", infra, "--store", store, "compute=2")
    assert "ceph-before  the infra has no hosts with ceph-mon" in ran.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            "checks:\n- checks/api\n- checks/gone\n",
            "INFRA:14: checks: FOLDER/checks/gone: cannot be read (No such file or directory)",
            id="gone",
        ),
        pytest.param(
            "checks: [checks/notes]\n",
            "INFRA:12: checks: checks/notes is no check: neither test_*.py, nor *_spec.rb, nor a script",
            id="no check",
        ),
        pytest.param("probes: [{name: a, kind: port}]\n", "INFRA:12: probes: probe 'a': 'host' is missing", id="a probe of nothing"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_its_line(
    text: str, said: str, plan: Plan, infra: Path, reprov: Callable[..., Ran], tmp_path: Path
) -> None:
    asking(infra, text)
    said = said.replace("INFRA", str(infra)).replace("FOLDER", str(tmp_path))
    ran = plan("compute=2")
    assert (ran.status, ran.stderr.splitlines()[0]) == (2, f"reprov: {said}")
    linted = reprov("lint", infra)
    assert (linted.status, linted.stdout.splitlines()[0]) == (2, said)


def test_a_procedure_with_a_stage_of_such_a_name_is_refused(plan: Plan, infra: Path, tmp_path: Path) -> None:
    asking(infra, "checks: [checks/api]\n")
    own = tmp_path / "library/playbooks/procedures/re-image.yaml"
    own.parent.mkdir(parents=True)
    shipped = Path(__file__).parents[3] / "playbooks/procedures/re-image.yaml"
    own.write_text(shipped.read_text().replace("  - name: ready", "  - name: site-after"))
    line = own.read_text().splitlines().index("  - name: site-after") + 1
    ran = plan("--library", tmp_path / "library", "compute=2")
    told = f"reprov: {own}:{line}: 'site-after' is the name of a stage that every rollout of this infra has"
    assert (ran.status, ran.stderr.splitlines()[0]) == (2, told)


def test_an_infra_without_hosts_is_refused_with_what_to_add(plan: Plan, infra: Path) -> None:
    infra.write_text(infra.read_text().partition("hosts:")[0])
    ran = plan("compute=2")
    assert (ran.status, ran.stderr.splitlines()) == (
        2,
        [
            f"reprov: {infra}: names no hosts, and a rollout is for hosts",
            "hint: add `hosts:`, as in hosts: {node[1:3]: {profile: compute}}; of config-tools it is global.yml that has them",
        ],
    )


def test_so_many_of_a_failure_domain_may_be_unavailable(plan: Plan, tmp_path: Path) -> None:
    plan(tmp_path / "may", "--max-unavailable-per-domain", "2", "compute=2")
    assert RolloutDirectory(tmp_path / "may").rollout().policy.max_unavailable_per_domain == 2
