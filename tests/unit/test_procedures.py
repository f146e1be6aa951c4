"""The shipped procedures: they load, they fit the shipped snippets and a cloud, and their order is the documents'; and so is the table."""

import re
from pathlib import Path

import pytest

from reprov.adapters.infra_file import load_infra
from reprov.adapters.library import Library
from reprov.adapters.procedure_files import load_procedure, load_site_actions, procedure_names
from reprov.adapters.snippet_files import load_snippets
from reprov.adapters.store import Store
from reprov.domain.course import Spread
from reprov.domain.derivation import derive, running
from reprov.domain.procedure import Applied, Procedure, Target
from reprov.domain.release import ReleaseId
from reprov.domain.snippet import REIMAGE
from reprov.workflows.rollout_plan import plan
from tests.clouds import COUNTS, a_cloud

REPOSITORY = Path(__file__).parents[2]
PLAYBOOKS = REPOSITORY / "playbooks"
LIBRARY = Library((REPOSITORY,))
SNIPPETS = load_snippets(LIBRARY)
NAMES = ("calico-openstack", "openstack-basic", "re-image", "side-by-side")
PROCEDURES = {name: load_procedure(name, LIBRARY, SNIPPETS) for name in NAMES}
TABLE = (REPOSITORY / "docs/procedures.md").read_text("utf-8").partition("## Every requirement")[2]
ROWS = [line.split(" | ") for line in TABLE.splitlines() if line.startswith("| ") and not line.startswith("| Paragraph")]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    """A cloud in which every role gets another release."""
    infra_file, root = a_cloud(tmp_path_factory.mktemp("cloud"))
    infra, store = load_infra(infra_file), Store.opened(root)
    sets = {role: tuple(store.packages(ReleaseId.of(role, version)) for version in ("1", "2")) for role in COUNTS}
    return Target(
        infra,
        {role: derive(role, old, new, SNIPPETS) for role, (old, new) in sets.items()},
        {role: running(new, SNIPPETS) for role, (_, new) in sets.items()},
        SNIPPETS,
    )


def stages(name: str, target: Target) -> dict[str, Applied]:
    return {item.stage.name: item for item in PROCEDURES[name].applied(target)[0]}


def indexes(name: str, target: Target) -> dict[str, int]:
    return {stage: index for index, stage in enumerate(stages(name, target))}


def test_these_procedures_are_shipped() -> None:
    assert procedure_names(LIBRARY) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_no_stage_is_left_out_where_everything_changes(name: str, target: Target) -> None:
    applied, left_out = PROCEDURES[name].applied(target)
    assert [(item.rule.name, item.reason) for item in left_out] == []
    assert {item.rule.name for item in applied} == {rule.name for rule in PROCEDURES[name].stages}
    assert all(item.stage.hosts and item.stage.tags for item in applied)


@pytest.mark.parametrize("procedure", PROCEDURES.values(), ids=NAMES)
def test_every_stage_says_its_impact_and_its_way_back(procedure: Procedure) -> None:
    assert [rule.name for rule in procedure.stages if not rule.impact.endswith(".") or not rule.undo.text.endswith(".")] == []


@pytest.mark.parametrize("procedure", PROCEDURES.values(), ids=NAMES)
def test_whoever_re_images_can_go_back_by_a_command(procedure: Procedure) -> None:
    """Of a stage that changes schemas in its wake, the stage of the re-image goes back for all."""
    tags = {rule.name: [action.name for action in rule.undo.actions] for rule in procedure.stages if rule.touched and REIMAGE in rule.tags}
    assert all("go-back" in actions for actions in tags.values())


def test_a_default_upgrade_is_profile_by_profile_with_quorums_one_by_one(target: Target) -> None:
    applied = stages("re-image", target)
    assert list(applied)[1:-1] == [f"re-image-{profile}" for profile in target.infra.ordered_profiles]
    assert {name: item.stage.spread for name, item in applied.items() if name in ("re-image-controller", "re-image-storage")} == {
        "re-image-controller": Spread.ONE_BY_ONE,
        "re-image-storage": Spread.EACH,
    }
    assert applied["re-image-compute"].stage.tags == tuple(range(1, 10))


def test_calico_is_etcd_then_compute_then_control_with_the_api_closed(target: Target) -> None:
    assert [name for name in stages("calico-openstack", target) if name in ("etcd", "compute", "control", "close-api", "open-api")] == [
        "close-api",
        "etcd",
        "compute",
        "control",
        "open-api",
    ]
    applied = stages("calico-openstack", target)
    assert applied["etcd"].stage.spread is Spread.ONE_BY_ONE
    felix = {host.name for host in target.infra.hosts if "calico-felix" in target.running[host.profile]}
    assert felix <= set(applied["etcd"].stage.hosts)
    assert felix == set(applied["compute"].stage.hosts)
    assert {host.rstrip("0123456789") for host in applied["control"].stage.hosts} == {"controller", "seed"}


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("backup-configuration", "lock-upgrade-levels"),
        ("controller-stop", "backup-databases"),
        ("backup-databases", "controller-software"),
        ("lock-upgrade-levels", "compute"),
        ("controller-software", "identity"),
        ("identity", "image"),
        ("image", "compute-control"),
        ("compute-control", "networking-control"),
        ("networking-control", "block-storage-control"),
        ("block-storage-control", "dashboard"),
        ("dashboard", "orchestration"),
        ("orchestration", "telemetry"),
        ("telemetry", "compute"),
        ("compute", "storage"),
        ("storage", "network"),
        ("network", "unlock-upgrade-levels"),
        ("unlock-upgrade-levels", "migrate-data"),
        ("verify", "notice"),
    ],
)
def test_the_operations_guides_order_is_kept(earlier: str, later: str, target: Target) -> None:
    order = indexes("openstack-basic", target)
    assert order[earlier] < order[later]


def test_backups_come_before_anything_is_changed(target: Target) -> None:
    applied = list(stages("openstack-basic", target).values())
    changing = next(index for index, item in enumerate(applied) if item.rule.touched or item.rule.services)
    saved = [action.name for item in applied[:changing] for _, action in item.rule.actions]
    assert "save-configuration" in saved
    dumped = next(index for index, item in enumerate(applied) if item.stage.name == "backup-databases")
    assert not any(REIMAGE in item.stage.tags for item in applied[:dumped])
    assert len(applied[dumped].stage.hosts) == 1


def test_every_host_is_re_imaged_in_exactly_one_stage(target: Target) -> None:
    applied = stages("openstack-basic", target).values()
    hosts = [host for item in applied if item.rule.touched and REIMAGE in item.stage.tags for host in item.stage.hosts]
    assert sorted(hosts) == sorted(host.name for host in target.infra.hosts)


def test_the_way_back_of_the_guide_stops_then_brings_packages_then_databases_then_starts() -> None:
    undone = [action.name for rule in reversed(PROCEDURES["openstack-basic"].stages[:9]) for action in rule.undo.actions]
    assert undone[:5] == ["stop-openstack-services", "go-back", "restore-databases", "start-openstack-services", "start-what-was-stopped"]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("upgrade-env", "upgrade-db-close"),
        ("upgrade-db-close", "upgrade-db-stop"),
        ("upgrade-db-stop", "upgrade-db-dump"),
        ("upgrade-db-dump", "upgrade-db-restore"),
        ("upgrade-db-restore", "upgrade-db-sync"),
        ("upgrade-db-sync", "upgrade-ceph"),
        ("upgrade-control-lock", "upgrade-control-take"),
        ("upgrade-control-release", "upgrade-control-take"),
        ("upgrade-control-take", "upgrade-control-compute"),
        ("upgrade-control-open", "upgrade-node-compute"),
        ("upgrade-node-osd", "cleanup-env"),
        ("cleanup-env", "cleanup-fuel"),
    ],
)
def test_the_seeds_order_is_kept(earlier: str, later: str, target: Target) -> None:
    order = indexes("side-by-side", target)
    assert order[earlier] < order[later]


@pytest.mark.parametrize("procedure", PROCEDURES.values(), ids=NAMES)
def test_a_stage_with_snippets_has_that_of_the_service_whose_hosts_it_is_for(procedure: Procedure) -> None:
    stages = [rule for rule in procedure.stages if rule.services and rule.hosts.service]
    assert [rule.name for rule in stages if rule.hosts.service not in rule.services] == []


def test_the_original_controllers_are_never_re_imaged_beside_their_seed(target: Target) -> None:
    applied = stages("side-by-side", target).values()
    hosts = {host for item in applied if REIMAGE in item.stage.tags for host in item.stage.hosts}
    assert not any(host.startswith("controller") for host in hosts)


def test_tasks_ask_for_groups_that_the_inventory_has() -> None:
    of_profiles = {f"profile_{name}" for name in COUNTS}
    of_services = {f"service_{name.replace('-', '_')}" for name in SNIPPETS}
    texts = [path.read_text("utf-8") for kind in ("actions", "checks", "snippets") for path in (PLAYBOOKS / kind).glob("*.yaml")]
    named = {group for text in texts for group in re.findall(r"groups\['([^']+)'\]", text)}
    assert named
    assert named <= of_profiles | of_services


def test_every_action_and_check_is_named_by_a_procedure() -> None:
    named = {action.path for procedure in PROCEDURES.values() for rule in procedure.stages for action in rule.all_actions}
    named |= {action.path for action in load_site_actions(LIBRARY)}  # what a site asks for in its infra.yaml
    assert named == {str(path) for kind in ("actions", "checks") for path in (PLAYBOOKS / kind).iterdir()}


def test_every_stage_is_in_the_table() -> None:
    known = set(re.findall(r"`([a-z-]+/[a-z0-9-]+)`", TABLE))
    untold = {"compute-answers", "controller-rest", "migrate-data", "clean", "rehearsed", "final", "ready", "verify", "probes"}
    untold |= {"prepare-probes", "upgrade-db-stop-seed", "upgrade-node-ceph", "sanity"}
    missing = [f"{name}/{rule.name}" for name in NAMES for rule in PROCEDURES[name].stages if rule.name not in untold]
    assert [stage for stage in missing if stage not in known] == []


@pytest.mark.parametrize("row", ROWS, ids=[f"{row[0].strip('| ')}: {row[1]}" for row in ROWS])
def test_every_line_of_the_table_names_what_there_is(row: list[str]) -> None:
    where = row[2]
    found = re.findall(r"`([^`]+)`", where)
    assert found or re.search(
        r"\*\*(Not yet|Another way)\*\*|impact|the (checks|plan|procedure)|the site's|is left out|one inventory", where
    )
    kinds = {"check": "checks", "action": "actions", "snippet": "snippets", "procedure": "procedures"}
    for kind, names in re.findall(r"\b(check|action|snippet|procedure)s? ((?:`[a-z-]+`(?:, | and )?)+)", where):
        for name in re.findall(r"`([a-z-]+)`", names):
            assert (PLAYBOOKS / kinds[kind] / f"{name}.yaml").is_file(), name
    for procedure, stage in re.findall(r"`([a-z-]+)/([a-z0-9-]+)`", where):
        assert stage in [rule.name for rule in PROCEDURES[procedure].stages], stage


@pytest.mark.parametrize("name", NAMES)
def test_a_runbook_is_made_of_each(name: str, tmp_path: Path) -> None:
    from reprov.domain.rollout_policy import Policy

    infra, store = a_cloud(tmp_path)
    planned = plan(infra, name, store, "rsync://x:8730", dict.fromkeys(COUNTS, "2"), {}, Policy(), "may", REPOSITORY)
    headings = re.findall(r"^### \d+\. (.*)$", planned.runbook, re.MULTILINE)
    assert headings == [item.stage.title for item in planned.stages]
    assert planned.runbook.count("\nWay back: ") == len(headings)
