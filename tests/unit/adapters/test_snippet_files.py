"""The snippets that reprov brings, and how a site's own shadow them."""

import ast
import re
from pathlib import Path

import pytest

from reprov.adapters.library import Library
from reprov.adapters.snippet_files import load_shared_roles, load_snippets
from reprov.domain.derivation import in_order
from reprov.domain.snippet_text import OWN_MODULES
from reprov.errors import InvalidInput, problems_of

OF_THE_REFERENCE_ARCHITECTURE = {
    *("etcd", "mariadb", "mongodb", "rabbitmq", "memcached", "redis", "haproxy", "keepalived", "pacemaker", "apache", "horizon"),
    *(
        "keystone",
        "glance",
        "nova-api",
        "nova-conductor",
        "nova-scheduler",
        "nova-compute",
        "neutron-server",
        "neutron-agents",
        "cinder",
        "heat",
    ),
    *("ceilometer", "swift", "ceph-mon", "ceph-osd", "ceph-rgw", "calico-felix", "calico-dhcp-agent", "calico-neutron", "dnsmasq"),
    *("puppetdb", "sensu", "elasticsearch", "kibana", "libvirt"),
}
NEVER_TWO_AT_ONCE = {"etcd", "mariadb", "mongodb", "rabbitmq", "redis", "pacemaker", "elasticsearch", "ceph-mon", "ceph-osd"}
SNIPPET = """\
title: {title}
packages: {{debian: [x]}}
units: {{debian: [x.service]}}
{more}tasks:
  - name: Be ready
    ansible.builtin.meta: noop
    tags: step1
"""


def library(folder: Path, **texts: str) -> Library:
    snippets = folder / "playbooks/snippets"
    snippets.mkdir(parents=True)
    for service, text in texts.items():
        (snippets / f"{service}.yaml").write_text(text)
    return Library((folder, *Library.default().folders))


def test_there_is_one_for_every_service_of_the_reference_architecture() -> None:
    snippets = load_snippets(Library.default())
    assert snippets.keys() >= OF_THE_REFERENCE_ARCHITECTURE
    assert {service for service, snippet in snippets.items() if snippet.quorum} == NEVER_TWO_AT_ONCE
    in_order(snippets, snippets)  # no circle


@pytest.mark.parametrize("service", sorted(OF_THE_REFERENCE_ARCHITECTURE))
def test_what_a_snippet_stops_it_starts_again(service: str) -> None:
    snippet = load_snippets(Library.default())[service]
    assert all(snippet.packages.values()), "names of both families"
    assert all(snippet.units.values())
    used = {name: [task.step for task in snippet.tasks if f"tasks_from: {name}\n" in task.text] for name in ("stop", "start")}
    assert len(used["stop"]) == len(used["start"]) == 1
    assert used["stop"] < [5] < used["start"]
    assert all(f"reprov_service: {service}\n" in task.text for task in snippet.tasks if "reprov_service" in task.text)


def test_a_database_is_only_brought_to_a_release_that_the_host_has() -> None:
    brings = [
        task
        for snippet in load_snippets(Library.default()).values()
        for task in snippet.tasks
        if any(words in task.text for words in ("db_sync", "db sync", "expand", "upgrade --expand"))
    ]
    assert len(brings) >= 8
    assert not [task.name for task in brings if "reprov_arrived" not in task.text and "reprov_everywhere" not in task.text]


def test_the_own_snippet_of_a_site_goes_before(tmp_path: Path) -> None:
    snippets = load_snippets(library(tmp_path, etcd=SNIPPET.format(title="ours", more="")))
    assert snippets["etcd"].title == "ours"
    assert "mariadb" in snippets


def test_the_mistakes_of_all_snippets_are_told(tmp_path: Path) -> None:
    found = library(tmp_path, a=SNIPPET.format(title="[]", more=""), b=SNIPPET.format(title="b", more="after: [no-such]\n"))
    with pytest.raises(InvalidInput) as caught:
        load_snippets(found)
    told = [problem.message.removeprefix(f"{tmp_path}/playbooks/snippets/") for problem in problems_of(caught.value)]
    assert [message.partition(" ")[0] for message in told] == ["a.yaml:1:", "b.yaml:"]
    assert told[1] == "b.yaml: after: there is no snippet of 'no-such'"


def test_shared_roles_have_step_5() -> None:
    assert {"reprov/tasks/reimage.yml", "reprov/tasks/stop.yml", "reprov/tasks/start.yml"} <= load_shared_roles(Library.default()).keys()


def test_tasks_may_use_the_modules_that_the_project_brings() -> None:
    modules = {Path(path).stem for path in load_shared_roles(Library.default()) if path.startswith("reprov/library/")}
    assert modules == OWN_MODULES


def test_every_module_comes_with_what_it_decides_by() -> None:
    shared = load_shared_roles(Library.default())
    needed = {name for text in shared.values() for name in re.findall(r"ansible\.module_utils\.(reprov_\w+)", text)}
    assert needed
    assert needed == {Path(path).stem for path in shared if "/module_utils/" in path}


def test_decisions_run_on_a_host_without_reprov_and_with_an_old_python() -> None:
    """Python 3.8 is the oldest that this Ansible manages hosts with."""
    shared = load_shared_roles(Library.default())
    for path, text in shared.items():
        if path.endswith(".py"):
            tree = ast.parse(text, path, feature_version=(3, 8))
            imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
            assert not [name for name in imported if name and name.startswith("reprov.")], path
