"""The module `reprov_drain`, run by Ansible against the API of a small cloud, and the snippet that uses it in a generated project."""

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reprov.adapters.library import Library
from reprov.adapters.snippet_files import load_shared_roles
from reprov.adapters.store import Store
from reprov.domain.packages import Package, PackageSet
from reprov.domain.release import ReleaseId
from tests.clouds import add_release, an_infra
from tests.conftest import Ran
from tests.nova_api import BREAKS, COMES_BACK, GOES, GOES_ASTRAY, HANGS, MONITOR_FAILED, NO_HOST, NO_VALID_HOST, Host, NovaApi, Server

pytestmark = pytest.mark.commands
PROGRAMS = Path(sysconfig.get_path("scripts"))
"""Of the environment which runs the tests: `make setup` puts Ansible's and openstacksdk there."""
QUICK = {"host": "a", "interval_s": 0.05, "timeout_s": 300}
PROBE = {"image": "cirros", "flavor": "m1.tiny", "network": "private"}


class Answer(dict[str, Any]):
    """What the module has said."""

    @property
    def msg(self) -> str:
        """Why it has failed."""
        assert self["failed"]
        return str(self["msg"])


Module = Callable[..., Answer]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the roles that every generated project has."""
    folder = tmp_path_factory.mktemp("project")
    for path, text in load_shared_roles(Library.default()).items():
        file = folder / "roles" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def command(*words: str) -> list[str]:
    return [str(PROGRAMS / words[0]), *words[1:], "--connection", "local", "-e", f"ansible_python_interpreter={sys.executable}"]


def environment(api: NovaApi, **more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "ANSIBLE_"))}
    return {**clean, "LC_ALL": "C.UTF-8", **api.environment, **more}


@pytest.fixture
def ansible(project: Path) -> tuple[Callable[..., list[str]], Callable[[NovaApi], dict[str, str]]]:
    """The command line that runs the module, and its environment."""

    def line(state: str, *words: str, **options: object) -> list[str]:
        given = json.dumps({**QUICK, "state": state, **options})
        return command("ansible", "localhost", "-m", "reprov_drain", "-a", given, *words)

    def variables(api: NovaApi) -> dict[str, str]:
        roles = project / "roles/reprov"
        return environment(api, ANSIBLE_LIBRARY=str(roles / "library"), ANSIBLE_MODULE_UTILS=str(roles / "module_utils"))

    return line, variables


@pytest.fixture
def drain(ansible: Any) -> Module:
    """Runs the module: `drain(api, "drained", at_once=1)`."""
    line, variables = ansible

    def run(api: NovaApi, state: str, *words: str, **options: object) -> Answer:
        ran = subprocess.run(line(state, *words, **options), env=variables(api), capture_output=True, text=True, check=False)
        assert ran.returncode in (0, 2), ran.stdout + ran.stderr
        return Answer(json.loads(ran.stdout.partition(" => ")[2]), failed=ran.returncode == 2)

    return run


@pytest.fixture
def cloud() -> Iterator[Callable[..., NovaApi]]:
    """A cloud that runs until the test ends; its hosts are a, which is to be drained, and b."""
    running: list[NovaApi] = []

    def start(*servers: Server, hosts: tuple[Host, ...] = (), **more: Any) -> NovaApi:
        running.append(NovaApi([*hosts] or [Host("a"), Host("b")], [*servers], **more).__enter__())
        return running[-1]

    yield start
    for api in running:
        api.__exit__()


def where(api: NovaApi) -> dict[str, str]:
    return {server.name: server.host for server in api.servers.values()}


def test_a_host_is_drained_disabled_first_and_given_back(cloud: Callable[..., NovaApi], drain: Module) -> None:
    api = cloud(
        *(Server(f"web{number}", "a", takes=3) for number in range(5)),
        *(Server("db", "a", "SHUTOFF"), Server("old", "a", "ERROR"), Server("other", "b"), Server("still", "a", "PAUSED")),
    )
    at_once = []
    api.at_look = lambda look: at_once.append(sum(server.task is not None for server in api.servers.values()))
    said = drain(api, "drained")
    assert said["changed"] and len(said["migrated"]) == 6
    assert api.changes[0] == "disable a" and len(api.changes) == 7
    assert {name for name, host in where(api).items() if host == "a"} == {"db", "old"}
    assert sorted(said["stays"].values()) == ["SHUTOFF when the drain came", "in ERROR before the drain"]
    assert max(at_once) == 2

    again = drain(api, "drained")
    assert not again["changed"] and again["stays"] == said["stays"]
    assert len(api.changes) == 7

    assert drain(api, "returned")["changed"]
    assert not drain(api, "returned")["changed"]
    assert api.changes[7:] == ["enable a"]


def test_check_mode_foretells_and_changes_nothing(cloud: Callable[..., NovaApi], drain: Module) -> None:
    api = cloud(*(Server(f"web{number}", "a") for number in range(3)), Server("db", "a", "SHUTOFF"))
    said = drain(api, "drained", "--check")
    assert said["changed"] and len(said["migrated"]) == 3
    api.hosts["a"].enabled, api.hosts["a"].reason = False, "reprov, since 2026-11-22T08:00:00Z"
    assert drain(api, "returned", "--check", probe=PROBE)["changed"]
    assert api.changes == []


@pytest.mark.parametrize(
    ("hosts", "servers", "words"),
    [
        pytest.param(
            (Host("a"), Host("b", enabled=False), Host("c", up=False)),
            [],
            "a: refused: a is the last compute host that is up and enabled: nothing could take its instances",
            id="the last compute host",
        ),
        pytest.param(
            (Host("a"), Host("b", capacity={"VCPU": 64, "MEMORY_MB": 3000}), Host("c", capacity={"VCPU": 1, "MEMORY_MB": 1024})),
            [Server(f"web{number}", "a") for number in range(4)],
            "a: refused: no other host has room for web3 (00000007-0000-4000-8000-000000000000) MEMORY_MB=1024 VCPU=1",
            id="one instance more than will fit",
        ),
    ],
)
def test_what_cannot_be_drained_is_not_even_closed(
    hosts: tuple[Host, ...], servers: list[Server], words: str, cloud: Callable[..., NovaApi], drain: Module
) -> None:
    api = cloud(*servers, hosts=hosts)
    assert words in drain(api, "closed").msg
    assert api.changes == []


def test_those_that_are_stuck_are_named_when_the_others_have_gone(cloud: Callable[..., NovaApi], drain: Module) -> None:
    api = cloud(
        *(Server(fate, "a", fates=[fate]) for fate in (HANGS, COMES_BACK, NO_HOST, GOES_ASTRAY)),
        *(Server(f"n{i}", "a", fates=[COMES_BACK, GOES]) for i in "123"),
    )
    said = drain(api, "drained", at_once=4, migration_timeout_s=0.01)
    names = {fate: f"{fate} ({api.servers[fate].id})" for fate in (HANGS, COMES_BACK, NO_HOST, GOES_ASTRAY)}
    assert [re.sub(r"for \d+ s", "for long", trouble["why"]) for trouble in said["troubles"]] == [
        f"{names[HANGS]} has been MIGRATING for long (migration 1 to b is running)",
        f"{names[COMES_BACK]} has not gone, told 2 times: libvirt.libvirtError: {MONITOR_FAILED}",
        f"{names[NO_HOST]} has not gone, told 2 times: {NO_VALID_HOST}",
        f"migration 4 of {names[GOES_ASTRAY]} to b is completed, and yet Nova lists it on a",
    ]
    assert said.msg.startswith("a: stuck: ") and all(trouble["hint"] in said.msg for trouble in said["troubles"])
    assert {name for name, host in where(api).items() if host == "b"} == {"n1", "n2", "n3"}
    assert not api.hosts["a"].enabled


def test_one_that_goes_into_error_ends_the_drain_and_later_ones_until_somebody_has_seen_to_it(
    cloud: Callable[..., NovaApi], drain: Module
) -> None:
    api = cloud(Server("web", "a", fates=[BREAKS]), Server("old", "a", "ERROR"), *(Server(f"n{number}", "a") for number in range(3)))
    said = drain(api, "drained")
    assert "a: stuck, 2 more were not told to go: web" in said.msg
    assert f"has gone into ERROR since the drain began: {MONITOR_FAILED}" in said.msg
    assert [change for change in api.changes if change.startswith("migrate")] == ["migrate web", "migrate n0"]

    said = drain(api, "drained")
    assert "a: refused: web" in said.msg and "old" not in said.msg

    said = drain(api, "drained", may_stay=["web"])
    assert [*said["stays"].values()] == ["the site lets it stay, ERROR", "in ERROR before the drain"]
    assert {name for name, host in where(api).items() if host == "a"} == {"web", "old"}


def test_a_drain_goes_on_from_what_was_done_by_hand(cloud: Callable[..., NovaApi], drain: Module) -> None:
    api = cloud(*(Server(f"web{number}", "a", takes=2) for number in range(4)))

    def by_hand(look: int) -> None:
        if look == 2:
            api.migrate(api.servers["web3"])
            api.servers["web2"].status = "SHUTOFF"

    api.at_look = by_hand
    said = drain(api, "drained")
    assert where(api) == {"web0": "b", "web1": "b", "web2": "a", "web3": "b"}
    assert [change for change in api.changes if change.startswith("migrate")] == ["migrate web0", "migrate web1"]
    assert list(said["stays"].values()) == ["SHUTOFF when the drain came"]


def test_one_that_is_still_coming_is_waited_for_and_sent_on(cloud: Callable[..., NovaApi], drain: Module) -> None:
    api = cloud(Server("late", "b", takes=3), hosts=(Host("a"), Host("b"), Host("c")))
    api.migrate(api.servers["late"])
    drain(api, "drained")
    assert api.migrations[0]["dest_compute"] == "a" and api.migrations[1]["source_compute"] == "a"
    assert where(api) == {"late": "b"}


def test_a_host_that_somebody_else_has_disabled_stays_so(cloud: Callable[..., NovaApi], drain: Module) -> None:
    api = cloud(Server("web", "a"), hosts=(Host("a", enabled=False, reason="bad memory"), Host("b")))
    assert drain(api, "drained")["disabled"] == "bad memory"
    assert where(api) == {"web": "b"}
    said = drain(api, "returned", probe=PROBE)
    assert (said["changed"], said["disabled"]) == (False, "bad memory")
    assert api.changes == ["migrate web"]


def test_a_drain_that_was_killed_goes_on(cloud: Callable[..., NovaApi], drain: Module, ansible: Any) -> None:
    api = cloud(Server("web", "a", fates=[HANGS]), Server("db", "a"))
    line, variables = ansible
    killed = subprocess.Popen(
        line("drained"), env=variables(api), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    while api.looks < 3:
        assert killed.poll() is None
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert where(api) == {"web": "a", "db": "b"}

    began = api.hosts["a"].reason
    api.migrations[0]["fate"] = GOES
    drain(api, "drained")
    assert where(api) == {"web": "b", "db": "b"}
    assert api.hosts["a"].reason == began
    assert [change for change in api.changes if not change.startswith("migrate")] == ["disable a"]
    assert drain(api, "returned")["changed"]


def test_an_api_that_is_away_for_a_while_is_waited_for_and_placement_is_not_needed(cloud: Callable[..., NovaApi], drain: Module) -> None:
    api = cloud(Server("web", "a", takes=2, resources={"VCPU": 1000}), with_placement=False)

    def away(look: int) -> None:
        api.outage = 3 if look == 2 else 0

    api.at_look = away
    drain(api, "drained")
    assert where(api) == {"web": "b"}


def test_a_wait_is_bounded_and_says_for_what(cloud: Callable[..., NovaApi], drain: Module) -> None:
    api = cloud(Server("web", "a", "SHUTOFF", task="powering-on"))
    assert "a: not drained after 0 s: web" in (msg := drain(api, "drained", timeout_s=0).msg)
    assert "is busy: SHUTOFF, powering-on" in msg
    api.hosts["a"].up = False
    assert "a: not returned after 0 s: Nova does not see nova-compute on a up" in drain(api, "returned", timeout_s=0).msg
    assert not api.hosts["a"].enabled


def test_a_host_on_which_nothing_new_comes_up_is_taken_from_the_scheduler_again(cloud: Callable[..., NovaApi], drain: Module) -> None:
    api = cloud()
    drain(api, "closed")
    api.new_server = ("ERROR", NO_VALID_HOST)
    assert f"a new instance on a is ERROR, and not ACTIVE: {NO_VALID_HOST}" in drain(api, "returned", probe=PROBE).msg
    probed = ["enable a", "make reprov-probe-a of cirros, m1.tiny, private", "delete reprov-probe-a"]
    assert api.changes == ["disable a", *probed, "disable a"]
    api.new_server = ("ACTIVE", "")
    assert drain(api, "returned", probe=PROBE)["disabled"] == ""
    assert api.changes[5:] == probed


def test_what_the_operator_got_wrong_is_told(cloud: Callable[..., NovaApi], drain: Module, tmp_path: Path) -> None:
    api = cloud()
    assert drain(api, "closed", host="a.example").msg == "a.example: Nova knows no nova-compute on 'a.example', but on a, b"
    assert f"{tmp_path}/openrc" in drain(api, "closed", openrc=str(tmp_path / "openrc")).msg


def test_the_snippet_drains_and_gives_back_in_a_generated_project(
    cloud: Callable[..., NovaApi], reprov: Callable[..., Ran], tmp_path: Path
) -> None:
    store = Store.created(tmp_path / "store")
    for serial in (1, 2):
        packages = PackageSet.of("debian", [Package("nova-compute", str(serial), "amd64")])
        add_release(store, ReleaseId.of("compute", str(serial)), serial, packages)
    (tmp_path / "infra.yaml").write_text(an_infra({"compute": 2}))
    plan = ("rollout", "plan", tmp_path / "may", "--infra", tmp_path / "infra.yaml", "--store", store.root, "compute=2")
    assert reprov(*plan).status == 3
    api = cloud(Server("web", "compute1"), hosts=(Host("compute1"), Host("compute2")))
    (tmp_path / "openrc").write_text(api.openrc)

    node = tmp_path / "reprov"
    node.write_text(f"#!/bin/sh\ncat {tmp_path}/status\n")
    node.chmod(0o755)
    given = {
        "reprov_command": [str(node)],
        "nova_compute_openrc": str(tmp_path / "openrc"),
        "nova_compute_name": "{{ inventory_hostname }}",
        "nova_compute_probe": PROBE,
    }

    def step(tag: int, installed: str) -> None:
        status = {"state": "confirmed", "installed": installed, "interrupted": False, "reboot": []}
        (tmp_path / "status").write_text(json.dumps(status))
        words = ("ansible-playbook", "stages/re-image-compute.yml", "--limit", "compute1", "--tags", f"step{tag}", "-e", json.dumps(given))
        clean = {name: value for name, value in environment(api).items() if not name.startswith("OS_")}
        ran = subprocess.run(command(*words), cwd=tmp_path / "may/project", env=clean, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr

    for tag in (1, 2):
        step(tag, "compute 1")
    assert api.changes == ["disable compute1", "migrate web"]
    step(9, "compute 2")
    probe = "reprov-probe-compute1"
    assert api.changes[2:] == ["enable compute1", f"make {probe} of cirros, m1.tiny, private", f"delete {probe}"]
