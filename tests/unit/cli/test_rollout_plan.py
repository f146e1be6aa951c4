"""reprov rollout plan: what it answers and writes, and how it ends."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reprov.adapters.rollout_directory import RolloutDirectory
from reprov.domain.rollout_events import GatePassed, to_line
from tests.clouds import a_cloud
from tests.conftest import Ran

COUNTS = {"controller": 3, "compute": 2}
Plan = Callable[..., Ran]


@pytest.fixture
def plan(reprov: Callable[..., Ran], tmp_path: Path) -> Plan:
    """Plans for a small cloud, with options and words."""
    infra, store = a_cloud(tmp_path, COUNTS)
    return lambda *words: reprov("rollout", "plan", "--infra", infra, "--store", store, "--from", "rsync://install:8730", *words)


def test_a_plan_is_told_in_words(plan: Plan) -> None:
    ran = plan("compute=2")
    assert (ran.status, ran.stderr) == (3, "")
    lines = ran.stdout.splitlines()
    assert lines[:3] == [
        "re-image: Re-image every profile in order, on paris (5 hosts)",
        "controller, 3 hosts: controller 2, which stays",
        "compute, 2 hosts: compute 1 -> 2",
    ]
    assert [line.split()[:4] for line in lines[5:8]] == [
        ["ready", "5", "together", "1"],
        ["re-image-compute", "2", "one-by-one", "1-9"],
        ["sanity", "5", "once", "9"],
    ]
    assert "re-image  no release changes for hosts of profile controller" in lines


def test_nothing_to_do_is_status_0(plan: Plan) -> None:
    ran = plan("--now", "compute=2", "compute=2")
    assert ran.status == 0
    assert "compute, 2 hosts: compute 2, which stays" in ran.stdout


def test_a_plan_is_data(plan: Plan) -> None:
    ran = plan("--format", "json", "--procedure", "calico-openstack", "--batch", "1", "--batch", "10%", "--canary", "0", "compute=2")
    answer = json.loads(ran.stdout)
    assert (ran.status, answer["releases"], answer["before"]) == (3, {"compute": "2"}, {"controller": "2", "compute": "1"})
    assert (answer["policy"]["canary"], answer["policy"]["batches"]) == (0, ["1", "10%"])
    compute = next(stage for stage in answer["stages"] if stage["name"] == "compute")
    assert compute["hosts"] == ["compute1", "compute2"]
    assert compute["derived"][0]["services"][0]["because"][0]["name"] == "calico-felix"
    assert {
        "stage": "control",
        "reason": "no release touches calico-neutron, neutron-server, calico-felix, calico-dhcp-agent, dnsmasq there",
    } in (answer["left_out"])


def test_a_directory_can_be_run(plan: Plan, tmp_path: Path) -> None:
    ran = plan(tmp_path / "may", "--max-failures", "2", "compute=2")
    assert ran.status == 3
    rollout = RolloutDirectory(tmp_path / "may").rollout()
    assert (rollout.procedure, rollout.infra, dict(rollout.releases), rollout.policy.max_failures) == (
        "re-image",
        "paris",
        {"compute": "2"},
        2,
    )
    assert [stage.name for stage in rollout.course.stages] == ["ready", "re-image-compute", "sanity"]
    assert rollout.course.domain_of("compute1") == "rack0"
    project = tmp_path / "may/project"
    assert {path.name for path in (project / "stages").iterdir()} == {f"{stage.name}.yml" for stage in rollout.course.stages}
    assert "rollout_name: may" in (project / "group_vars/all.yml").read_text()
    assert (tmp_path / "may/runbook.md").read_text().startswith("# Re-image every profile in order: paris\n")


def test_packages_in_place_are_named_with_their_versions_and_no_release_is_brought(plan: Plan, tmp_path: Path) -> None:
    plan(tmp_path / "may", "--procedure", "calico-openstack", "compute=2")
    project = tmp_path / "may/project"
    stage = (project / "stages/etcd.yml").read_text()
    assert '    stage_packages:\n      - "etcd-server=2"\n    stage_packages_before:\n      - "etcd-server=1"\n' in stage
    assert "reimage" not in stage
    assert '    stage_packages_before:\n      - "etcd-server=1"\n' in (project / "undo/etcd.yml").read_text()
    assert "reprov_version" not in (project / "group_vars/profile_compute.yml").read_text()


def test_only_stages_of_a_re_image_re_image(tmp_path: Path, reprov: Callable[..., Ran]) -> None:
    infra, store = a_cloud(tmp_path, {"controller": 1, "seed": 1, "compute": 2, "osd": 1})
    words = ("controller=2", "seed=2", "compute=2", "osd=2")
    reprov("rollout", "plan", tmp_path / "may", "--infra", infra, "--store", store, "--procedure", "side-by-side", *words)
    found = {path.stem for path in (tmp_path / "may/project/stages").iterdir() if "tasks_from: reimage" in path.read_text()}
    assert found == {"upgrade-env", "upgrade-node-compute", "upgrade-node-osd"}


def test_a_plan_can_be_made_anew_until_it_has_begun(plan: Plan, tmp_path: Path) -> None:
    plan(tmp_path / "may", "compute=2")
    assert plan(tmp_path / "may", "compute=2", "controller=2").status == 3
    assert dict(RolloutDirectory(tmp_path / "may").rollout().releases) == {"compute": "2", "controller": "2"}
    (tmp_path / "may/events.jsonl").write_text(to_line(GatePassed(1.0, "ready", "me")) + "\n")
    ran = plan(tmp_path / "may", "compute=2")
    assert (ran.status, ran.stderr) == (
        4,
        f"reprov: {tmp_path}/may: this rollout has begun, and its plan stays\nhint: plan into another directory, or resume this one\n",
    )


def test_a_directory_of_something_else_stays_as_it_is(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home/letter").write_text("dear")
    ran = plan(tmp_path / "home", "compute=2")
    assert (ran.status, ran.stderr.splitlines()[0]) == (
        4,
        f"reprov: {tmp_path}/home holds something that is not a rollout, and stays as it is",
    )
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["letter"]


BAD = {
    "no release": ((), "Missing argument '[DIR] ROLE=VERSION...'."),
    "a directory and no release": (("may",), "it is not said what is to be rolled out"),
    "two directories": (("may", "june", "compute=2"), "one directory is made, not 'may' and 'june'"),
    "a role without a version": (("compute=",), "'compute=' is not ROLE=VERSION"),
    "two versions of a role": (("compute=1", "compute=2"), "the role 'compute' has two versions, 1 and 2"),
    "a directory whose name no path on hosts may have": (
        ("may 2026", "compute=2"),
        "'may 2026' is no name for a rollout, whose backups on hosts go by it",
    ),
    "a release that there is not": (("compute=3",), "compute 3 is not in STORE"),
    "a role that no profile has": (("router=3",), "INFRA: no profile has the role 'router'"),
    "the first release of a role": (("compute=1",), "compute 1: nothing was published before it"),
    "a procedure that there is not": (("--procedure", "reimage", "compute=2"), "there is no procedure 'reimage'"),
    "a procedure for profiles that there are not": (
        ("--procedure", "side-by-side", "compute=2"),
        "PROCEDURES/side-by-side.yaml:LINE: stage 'upgrade-env' is for profile 'seed', which INFRA does not have",
    ),
    "a batch that is no amount": (
        ("--batch", "many", "compute=2"),
        "command line: policy: batches.0: 'many' is neither a number of hosts nor a share of them, as in '5' or '10%'",
    ),
}


@pytest.mark.parametrize(("words", "said"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_status_2_with_the_reason(words: tuple[str, ...], said: str, plan: Plan, tmp_path: Path) -> None:
    ran = plan(*words)
    shipped = Path(__file__).parents[3] / "playbooks/procedures"
    line = (shipped / "side-by-side.yaml").read_text().splitlines().index("  - name: upgrade-env") + 1
    said = (
        said.replace("LINE", str(line))
        .replace("STORE", f"{tmp_path}/store")
        .replace("INFRA", f"{tmp_path}/infra.yaml")
        .replace("PROCEDURES", str(shipped))
    )
    assert (ran.status, ran.stdout, ran.stderr.splitlines()[0]) == (2, "", f"reprov: {said}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["infra.yaml", "store"]


def test_a_library_of_the_site_goes_before_the_shipped_one(plan: Plan, tmp_path: Path) -> None:
    own = tmp_path / "library/playbooks/procedures/re-image.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("title: Ours\nsource: us\nimpact: i\nstages:\n- name: a\n  titel: x\n")
    ran = plan("--library", tmp_path / "library", "compute=2")
    assert (ran.status, ran.stderr.splitlines()[0]) == (2, f"reprov: {own}:5: 'title' is missing")
