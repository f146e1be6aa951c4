"""Files of config-tools: the infra.yaml of a scenario, and the global.yml that has an environment merged over it."""

import pytest

from reprov.domain.arity import Arity
from reprov.domain.infra import Host
from reprov.domain.infra_text import parse_infra
from reprov.errors import InvalidInput

SCENARIO = """\
# Three controllers, and any number of computes.
name: 3ctrl_xcpt
profiles:
  install-server:
    arity: 1
    edeploy: install-server
    steps:
      1:
        roles:
          - cloud::install::puppetdb::server
  openstack-full:
    arity: 3
    edeploy: openstack-full
    steps:
      1:
        roles:
          - cloud::database::sql::mysql
          - cloud::messaging
# Experimental
#          - cloud::database::dbaas::api
      4:
        roles:
          - cloud::compute::api
    serverspec_config:
      vip_public: vip_public_fqdn
      virt_type: libvirt_type
  compute:
    arity: 1+n
    edeploy: openstack-full
    steps:
      4:
        roles:
          - cloud::compute::hypervisor

ordered_profiles:
  - install-server
  - openstack-full
  - compute

serverspec:
  cloud::database::sql::mysql: database
  cloud::compute::hypervisor: compute
"""

ENVIRONMENT = """\
config:
  ceph_osd_devices: [vdb, vdc]
  current_version: I.1.3.0
  domain: ring.example
  neutron_tunnel_id_ranges: 1:10000
  nova_ssh_private_key: '-----BEGIN RSA PRIVATE KEY-----

    MIIE

    -----END RSA PRIVATE KEY-----

    '
  parallel_steps: 2|4|5
  puppet_master: os-test4.ring.example
  user: jenkins
hosts:
  =os-test10-12:
    =cmdb:
      =mac: ['d8:9d:67:1a:8f:58', 'd8:9d:67:1a:41:7c', 'd8:9d:67:32:12:a4']
      netmask: 255.255.255.0
    =ip: 192.0.2.54-56
    config:
      cloud::compute::hypervisor::vm_rbd: true
      cloud::storage::rbd::osd::devices: '%{hiera(''ceph_osd_devices'')}'
    profile: openstack-full
  os-test11:
    config: {'cloud::loadbalancer::keepalived_priority': 49, 'cloud::compute::hypervisor::vm_rbd': false}
  os-test4:
    ip: 192.0.2.48
    profile: install-server
  os-test20:
    ip: 192.0.2.60
    profile: compute
infra: 3ctrl_xcpt
"""


def test_the_file_of_a_scenario_is_read_as_it_is() -> None:
    infra, notes = parse_infra(SCENARIO, "infra.yaml")
    assert (infra.name, infra.ordered_profiles, infra.hosts) == ("3ctrl_xcpt", ("install-server", "openstack-full", "compute"), ())
    full = infra.profiles["openstack-full"]
    assert (full.role, full.arity) == ("openstack-full", Arity(3))
    assert full.steps == {1: ("cloud::database::sql::mysql", "cloud::messaging"), 4: ("cloud::compute::api",)}
    assert infra.profiles["compute"].role == "openstack-full"
    assert infra.config == {
        "serverspec": {"cloud::database::sql::mysql": "database", "cloud::compute::hypervisor": "compute"},
        "serverspec_config": {"openstack-full": {"vip_public": "vip_public_fqdn", "virt_type": "libvirt_type"}},
    }
    assert notes == ("infra.yaml:1: names no hosts: they are in the environment that config-tools merges into it, as in its global.yml",)


def test_the_merged_file_is_read_as_it_is() -> None:
    infra, notes = parse_infra(SCENARIO + ENVIRONMENT, "global.yml")
    assert [(host.name, host.profile, host.address) for host in infra.hosts] == [
        ("os-test10", "openstack-full", "192.0.2.54"),
        ("os-test11", "openstack-full", "192.0.2.55"),
        ("os-test12", "openstack-full", "192.0.2.56"),
        ("os-test4", "install-server", "192.0.2.48"),
        ("os-test20", "compute", "192.0.2.60"),
    ]
    assert infra.hosts[1] == Host(
        "os-test11",
        "openstack-full",
        "192.0.2.55",
        "os-test11",
        {
            "cmdb": {"mac": "d8:9d:67:1a:41:7c", "netmask": "255.255.255.0"},
            "cloud::compute::hypervisor::vm_rbd": False,
            "cloud::storage::rbd::osd::devices": "%{hiera('ceph_osd_devices')}",
            "cloud::loadbalancer::keepalived_priority": 49,
        },
    )
    assert infra.config["parallel_steps"] == "2|4|5"
    assert infra.config["neutron_tunnel_id_ranges"] == "1:10000"
    assert notes == ("global.yml:60: reprov has no use for 'cmdb' of a host; it is kept among the host's variables",)


def test_an_unknown_key_is_noted_and_kept() -> None:
    infra, notes = parse_infra("infra: x\nname: x\nkey: 1\nprofiles:\n  a:\n    arity: n\n    min_step: 1\nhosts: {}\n", "g")
    assert infra.config["key"] == 1
    assert notes == (
        "g:3: unknown key 'key'; it is kept in config.key",
        "g:7: unknown key 'min_step' (did you mean 'steps'?); it is left out",
    )


BAD = {
    "fewer addresses than hosts, where config-tools forgets the third host": (
        "=h1-3: {profile: a, =ip: 192.0.2.1-2}",
        "g:6: hosts.=h1-3: =ip: 2 values for 3 hosts",
    ),
    "a list that is too long": ("=h1-2: {profile: a, =mac: [x, y, z]}", "g:6: hosts.=h1-2: =mac: 3 values for 2 hosts"),
    "the same below a mapping": ("=h1-2: {profile: a, =cmdb: {=mac: [x]}}", "g:6: hosts.=h1-2: =mac: 1 values for 2 hosts"),
    "a key with and without the mark": (
        "=h1-2: {profile: a, ip: x, =ip: 192.0.2.1-2}",
        "g:6: hosts.=h1-2: 'ip' stands there with and without '='",
    ),
    "a range of a billion": (
        "=h1-1000000000: {profile: a}",
        "g:6: hosts.=h1-1000000000: 1,000,000,000 hosts; an infra has 100,000 at most",
    ),
    "a host without profile": ("=h1-2: {=ip: 192.0.2.1-2}", "g:6: h1 has no profile"),
    "an address that is none": ("=h1-2: {profile: a, =ip: 192.0.2.255-256}", "g:6: '192.0.2.256' is neither an address nor a host name"),
    "a key that config and file both have": ("h: {profile: a}\nserverspec: {}\nconfig: {serverspec: 1}", None),
}


@pytest.mark.parametrize(("hosts", "message"), BAD.values(), ids=BAD.keys())
def test_what_config_tools_would_have_taken_is_refused(hosts: str, message: str | None) -> None:
    with pytest.raises(InvalidInput) as raised:
        parse_infra(f"infra: x\nname: x\nprofiles:\n  a: {{arity: n}}\nhosts:\n  {hosts}\n", "g")
    assert raised.value.message == (
        message or "g:8: config.serverspec: the file has 'serverspec' beside `config`, too, where config-tools keeps its own"
    )
