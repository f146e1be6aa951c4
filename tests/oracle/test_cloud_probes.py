"""reprov_probes of an OpenStack cloud, through real Ansible and openstacksdk, against an API that answers from this process."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ansible_modules import AnsibleModules, Result
from tests.cloud_api import CloudApi

pytestmark = pytest.mark.commands
WITH = {"image": "cirros", "flavor": "tiny", "network": "lan"}
MADE: list[dict[str, Any]] = [
    {"name": "p-server", "kind": "server", **WITH},
    {"name": "p-volume", "kind": "volume", "image": "p-image"},
    {"name": "p-object", "kind": "object"},
    {"name": "p-image", "kind": "image"},
    {"name": "p-network", "kind": "network"},
]
LISTED: list[dict[str, Any]] = [
    {"name": f"{of}s", "kind": "inventory", "of": of} for of in ("server", "network", "router", "volume", "image", "container")
]
Module = Callable[..., Result]


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> AnsibleModules:
    return AnsibleModules(tmp_path_factory.mktemp("roles"))


@pytest.fixture
def cloud() -> Iterator[CloudApi]:
    """A cloud with what servers are made of, and a server of somebody."""
    with CloudApi() as api:
        api.add("images", "cirros")
        api.add("flavors", "tiny")
        api.add("networks", "lan")
        api.add("routers", "gate")
        api.add("servers", "web")
        yield api


@pytest.fixture
def probes(modules: AnsibleModules, cloud: CloudApi, tmp_path: Path) -> Module:
    (tmp_path / "openrc").write_text(cloud.openrc)

    def run(state: str, *entries: dict[str, Any], **more: Any) -> Result:
        paths = {"record": f"{tmp_path}/probes.json", "openrc": f"{tmp_path}/openrc"}
        return modules.run("reprov_probes", {"state": state, "probes": entries, **paths, **more})

    return run


def test_what_is_made_is_there_afterwards_and_is_removed(probes: Module, cloud: CloudApi, tmp_path: Path) -> None:
    made = probes("created", *MADE, *LISTED)
    assert (made.is_fine, made.changed) == (True, True), made.values
    assert cloud.names("servers") == ["web", "p-server"]
    assert cloud.containers == {"p-object"}
    (volume,) = cloud.found["volumes"].values()
    assert cloud.found["images"][volume["imageRef"]]["name"] == "p-image"
    again = probes("created", *MADE, *LISTED)
    assert (again.is_fine, again.changed) == (True, False), again.values
    after = probes("checked")
    assert (after.is_fine, after.values["news"]) == (True, {}), after.values
    removed = probes("removed")
    assert (removed.is_fine, removed.changed) == (True, True), removed.values
    assert {kind: cloud.names(kind) for kind in ("servers", "volumes", "images", "networks")} == {
        "servers": ["web"],
        "volumes": [],
        "images": ["cirros"],
        "networks": ["lan"],
    }
    assert (cloud.contents, cloud.containers) == ({}, set())
    assert json.loads((tmp_path / "probes.json").read_text())["probes"].keys() == {item["name"] for item in LISTED}
    assert probes("removed").changed is False


def test_every_loss_is_named_and_what_is_new_is_fine(probes: Module, cloud: CloudApi) -> None:
    assert probes("created", *MADE, *LISTED).is_fine
    (web,) = (item for item in cloud.found["servers"].values() if item["name"] == "web")
    web["status"] = "ERROR"
    (router,) = cloud.found["routers"].values()
    cloud.found["routers"].clear()
    cloud.found["volumes"].clear()
    cloud.add("servers", "of a user")
    cloud.contents["p-object/p-object"] = b"something else"
    (server,) = (item for item in cloud.found["servers"].values() if item["name"] == "p-server")
    server["OS-EXT-SRV-ATTR:host"] = "cmpt2"
    after = probes("checked")
    assert not after.is_fine
    lost = after.values["lost"]
    assert lost["servers"] == [f"server web ({web['id']}) is in ERROR and was in ACTIVE"]
    assert lost["routers"] == [f"router gate ({router['id']}) is gone"]
    assert lost["p-object"] == ["its content is not that of before"]
    assert lost.keys() == {"servers", "routers", "volumes", "p-volume", "p-object"}
    assert lost["p-volume"][0].startswith("No Volume found for ")
    assert after.values["news"] == {"servers": ["1 more server than before"], "p-server": ["ran on cmpt1, and now on cmpt2"]}


def test_a_new_server_is_gone_when_it_was_seen_to_run(probes: Module, cloud: CloudApi) -> None:
    entry = {"name": "fresh", "kind": "new-server", **WITH}
    assert probes("checked", entry, record=None).is_fine
    assert cloud.names("servers") == ["web"]
    cloud.fault = "No valid host was found."
    answer = probes("checked", entry, record=None)
    assert answer.values["lost"] == {"fresh": ["is in ERROR: No valid host was found."]}
    assert cloud.names("servers") == ["web"]
    assert probes("checked", {**entry, "flavor": "huge"}, record=None).values["lost"] == {"fresh": ["there is no flavor 'huge'"]}


def test_what_an_interrupted_run_has_made_is_made_anew_and_what_nobody_knows_is_left_alone(
    probes: Module, cloud: CloudApi, tmp_path: Path
) -> None:
    entry = {"name": "p-network", "kind": "network", "timeout_s": 300.0}
    half = cloud.add("networks", "p-network")
    refused = probes("created", entry)
    assert refused.message == f"probe 'p-network': there is a network of that name that no record knows ({half['id']}); rename it"
    (tmp_path / "probes.json").write_text(json.dumps({"format": 1, "probes": {"p-network": {"probe": entry}}}))
    assert probes("created", entry).is_fine
    assert cloud.names("networks") == ["lan", "p-network"]
    assert half["id"] not in cloud.found["networks"]
