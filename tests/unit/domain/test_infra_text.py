"""infra.yaml: what is read, and the exact words for everything that is not accepted."""

import pytest

from reprov.domain.arity import Arity
from reprov.domain.infra import Host, Infra
from reprov.domain.infra_text import parse_infra
from reprov.errors import InvalidInput, problems_of

HEAD = "name: x\nprofiles:\n  a: {arity: n}\n"
HOST = HEAD + "hosts:\n"

BAD = {
    "nothing": ("", ["i:1: an infra is a list of 'key: value' lines"]),
    "a list": ("- a\n", ["i:1: an infra is a list of 'key: value' lines"]),
    "no keys that are needed": ("config: {}\n", ["i:1: 'name' is missing", "i:1: 'profiles' is missing"]),
    "a list where a mapping is expected": (
        "name: x\nprofiles:\n- a\n",
        ["i:2: profiles: names and values are expected (`name: value`)"],
    ),
    "a word where a host's fields are expected": (HOST + "  h: a\n", ["i:5: hosts.h: names and values are expected (`name: value`)"]),
    "an unknown key": (HEAD + "ordered-profiles: [a]\n", ["i:4: unknown key 'ordered-profiles' (did you mean 'ordered_profiles'?)"]),
    "an unknown key of a profile": (
        "name: x\nprofiles:\n  a:\n    arity: n\n    rolle: y\n",
        ["i:5: unknown key 'rolle' (did you mean 'role'?)"],
    ),
    "an unknown key of a host": (HOST + "  h:\n    profile: a\n    rack: 3\n", ["i:7: unknown key 'rack'"]),
    "a profile without arity": ("name: x\nprofiles:\n  a: {role: b}\n", ["i:3: 'arity' is missing"]),
    "a profile of nothing": ("name: x\nprofiles:\n  a:\n", ["i:3: profiles.a: names and values are expected (`name: value`)"]),
    "an arity that is none": (
        "name: x\nprofiles:\n  a: {arity: 2n+1}\n",
        [
            "i:3: profiles.a.arity: '2n+1' is not an arity, which is written as 2 (exactly two), 3n (in threes), 1+2n (an odd number)"
            " or n (any)"
        ],
    ),
    "an arity that YAML takes for eight": (
        "name: x\nprofiles:\n  a: {arity: 010}\n",
        [
            "i:3: profiles.a.arity: '010' is not an arity, which is written as 2 (exactly two), 3n (in threes), 1+2n (an odd number) or n"
            " (any)"
        ],
    ),
    "a step that there is not": (
        "name: x\nprofiles:\n  a: {arity: n, steps: {6: [b]}}\n",
        ["i:3: profiles.a.steps: '6' is no step (0 to 5)"],
    ),
    "a step that is a word": (
        "name: x\nprofiles:\n  a: {arity: n, steps: {1: b}}\n",
        ["i:3: profiles.a.steps.1: a list of services or Puppet classes is expected, or `roles:` and such a list"],
    ),
    "a template where a service is expected": (
        "name: x\nprofiles:\n  a: {arity: n, steps: {1: ['{{ b }}']}}\n",
        ["i:3: profiles.a.steps.1: '{{ b }}' is neither a service nor a Puppet class"],
    ),
    "a name with a blank": ("name: x y\nprofiles: {}\n", ["i:1: name: 'x y' is not a plain name"]),
    "a failure domain of two lines": (
        HOST + '  h: {profile: a, failure_domain: "r\\n1"}\n',
        ["i:5: hosts.h.failure_domain: 'r\\n1' has characters that no name has"],
    ),
    "a role that climbs": ("name: x\nprofiles:\n  a: {arity: n, role: ../b}\n", ["i:3: profiles.a.role: '../b' is not a role name"]),
    "a role under two words": (
        "name: x\nprofiles:\n  a: {arity: n, role: b, edeploy: b}\n",
        ["i:3: profiles.a: 'role' and 'edeploy' are two words for the same"],
    ),
    "a profile's name with a blank": (
        "name: x\nprofiles:\n  a b: {arity: n}\n",
        ["i:3: profiles.a b: 'a b' is not a name for a profile (A-Z a-z 0-9 _ . -)"],
    ),
    "a profile with the name of Ansible's group": (
        "name: x\nprofiles:\n  all: {arity: n}\n",
        ["i:3: profiles.all: 'all' is not a name for a profile: Ansible has a group of that name"],
    ),
    "a probe that is none": (
        HEAD + "probes:\n- {name: a, kind: port, host: h, port: 1}\n- {name: b, kind: ports}\n",
        [
            "i:6: probes: probe 'b': there is no kind 'ports' of probes (there is url, port, name, file, command, inventory, new-server,"
            " network, image, object, volume, server)"
        ],
    ),
    "two probes of one name": (
        HEAD + "probes:\n- {name: a, kind: name, dns: h}\n- {name: a, kind: name, dns: i}\n",
        ["i:6: probes: probe 2: there are two probes 'a'"],
    ),
    "two profiles that are one group to Ansible": (
        "name: x\nprofiles:\n  a-b: {arity: n}\n  a_b: {arity: n}\n",
        ["i:4: profiles.a_b: would be one group of Ansible with 'a-b' (line 3)"],
    ),
    "a profile that has too few hosts": (
        "name: x\nprofiles:\n  a:\n    arity: 1+2n\nhosts:\n  h[1:2]: {profile: a}\n",
        ["i:4: a has 2 hosts, and its arity is 1+2n: 1 or 3 would fit"],
    ),
    "a profile without hosts": (
        "name: x\nprofiles:\n  a: {arity: 3}\nhosts: {}\n",
        ["i:3: a has 0 hosts, and its arity is 3: 3 would fit"],
    ),
    "an order that names what is no profile": (
        "name: x\nprofiles:\n  compute: {arity: n}\nordered_profiles: [compute, computer]\n",
        ["i:4: ordered_profiles: there is no profile 'computer' (did you mean 'compute'?)"],
    ),
    "an order that lacks a profile": (
        "name: x\nprofiles:\n  a: {arity: n}\n  b: {arity: n}\nordered_profiles: [b]\n",
        ["i:3: ordered_profiles does not name 'a': when is its turn?"],
    ),
    "an order that names a profile twice": (
        HEAD + "ordered_profiles:\n- a\n- a\n",
        ["i:6: ordered_profiles: 'a' stands in line 5 already"],
    ),
    "a host of an unknown profile": (
        "name: x\nprofiles:\n  compute: {arity: n}\nhosts:\n  h:\n    profile: computes\n",
        ["i:6: h is a 'computes', which is no profile of this infra (did you mean 'compute'?)"],
    ),
    "a host without profile": (HOST + "  h: {}\n", ["i:5: h has no profile"]),
    "no as a profile": (
        HOST + "  h: {profile: no}\n",
        ["i:5: hosts.h.profile: text is expected (in quotes where YAML would take it for something else)"],
    ),
    "a host that stands twice": (HOST + "  h: {profile: a}\n  h: {profile: a}\n", ["i:6: 'h' stands in line 5 already"]),
    "a host that stands twice to DNS": (HOST + "  h: {profile: a}\n  H: {profile: a}\n", ["i:6: H stands in line 5 already"]),
    "two ranges that overlap": (HOST + "  h[1:3]: {profile: a}\n  h[3:4]: {profile: a}\n", ["i:6: h3 stands in line 5 already"]),
    "a third entry for a host": (
        HOST + "  h[1:3]: {profile: a}\n  h3: {}\n  h[3:4]: {profile: a}\n",
        ["i:7: h3 stands in line 6 already"],
    ),
    "a second own entry for a host of a range": (
        HOST + "  h[1:3]: {profile: a}\n  h3: {}\n  H3: {}\n",
        ["i:7: H3 stands in line 6 already"],
    ),
    "a host that cannot be read, which is not missed as well": (
        "name: x\nprofiles:\n  a: {arity: 1}\nhosts:\n  h_1: {profile: a}\n",
        ["i:5: 'h_1' is no host name"],
    ),
    "a host that is something else than its range": (
        "name: x\nprofiles:\n  a: {arity: n}\n  b: {arity: n}\nhosts:\n  h[1:3]: {profile: a}\n  h3: {profile: b}\n",
        ["i:7: h3 is a b here, and a a in line 6"],
    ),
    "an address of two hosts": (
        HOST + "  h: {profile: a, address: 192.0.2.1}\n  i: {profile: a, address: 192.0.2.1}\n",
        ["i:6: i has the address of h (line 5), 192.0.2.1"],
    ),
    "an address that is another host's name": (
        HOST + "  h: {profile: a}\n  i: {profile: a, address: H}\n",
        ["i:6: i has the address of h (line 5), H"],
    ),
    "an address that is none": (
        HOST + "  h:\n    profile: a\n    address: 192.0.2.300\n",
        ["i:7: '192.0.2.300' is neither an address nor a host name"],
    ),
    "an address under two words": (
        HOST + "  h: {profile: a, ip: 192.0.2.1, address: 192.0.2.1}\n",
        ["i:5: hosts.h: 'address' and 'ip' are two words for the same"],
    ),
    "fewer addresses than hosts": (
        HOST + "  h[1:3]: {profile: a, address: '192.0.2.[1:2]'}\n",
        ["i:5: hosts.h[1:3].address: 2 for 3 hosts"],
    ),
    "one address for all hosts of a range": (HOST + "  h[1:3]: {profile: a, address: x}\n", ["i:5: hosts.h[1:3].address: 1 for 3 hosts"]),
    "failure domains that hosts cannot be shared out to": (
        HOST + "  h[1:3]: {profile: a, failure_domain: 'r[1:2]'}\n",
        ["i:5: hosts.h[1:3].failure_domain: 2 for 3 hosts"],
    ),
    "a range of a billion": (
        HOST + "  h[1:1000000000]: {profile: a}\n",
        ["i:5: hosts.h[1:1000000000]: 1,000,000,000 hosts; an infra has 100,000 at most"],
    ),
    "a range that runs backwards": (HOST + "  h[3:1]: {profile: a}\n", ["i:5: hosts.h[3:1]: the range [3:1] runs backwards"]),
    "a range of Ansible's other form": (
        HOST + "  h[a:c]: {profile: a}\n",
        ["i:5: hosts.h[a:c]: 'h[a:c]' has brackets that are no range (a range is [1:40], or [01:40] for names with zeros)"],
    ),
    "a host name with an underscore": (HOST + "  h_1: {profile: a}\n", ["i:5: 'h_1' is no host name"]),
    "a host name that ends in a dash": (HOST + "  h[1:2]-: {profile: a}\n", ["i:5: 'h1-' is no host name"]),
    "a host name that is a number": (HOST + "  010: {profile: a}\n", ["i:5: '010' is no host name"]),
    "a host name that is empty": (HOST + "  '': {profile: a}\n", ["i:5: '' is no host name"]),
    "a host name of an option": (HOST + "  -oProxyCommand=x: {profile: a}\n", ["i:5: '-oProxyCommand=x' is no host name"]),
    "a host with the name of Ansible's group": (HOST + "  all: {profile: a}\n", ["i:5: 'all' is no host name"]),
    "a host name that is a list": (HOST + "  ? [h]\n  : {profile: a}\n", ["i:5: not YAML: found unhashable key"]),
    "a variable that no inventory can hold": (
        HOST + "  h:\n    profile: a\n    variables:\n      key: !!binary aGk=\n",
        ["i:8: hosts.h.variables.key: an inventory holds texts, numbers, lists and mappings, and none of YAML's other kinds"],
    ),
    "a number that no inventory can hold": (
        HEAD + "config:\n  a: {b: [.nan]}\n",
        ["i:5: config.a: a number is expected that an inventory can hold, neither .inf nor .nan"],
    ),
    "a check outside of the site": (HEAD + "checks: [../x]\n", ["i:4: checks: '../x' is not a relative path without dots"]),
    "an environment of another infra": ("infra: y\n" + HEAD, ["i:1: the environment is for the infra 'y', and this one is 'x'"]),
    "a tab": (HOST + "\th: {profile: a}\n", ["i:5: not YAML: found character '\\t' that cannot start any token"]),
    "an alias of itself": (HEAD + "config: &c\n  a: *c\n", ["i:4: what begins here has an alias of itself in it"]),
    "everything that is wrong at once, by line": (
        "name: x\nprofiles:\n  a: {arity: 2n+}\n  b: {arity: n, roll: c}\nordered_profiles: [b]\nhosts:\n  h: {profile: c}\n  i: {}\n",
        [
            "i:3: ordered_profiles does not name 'a': when is its turn?",
            "i:3: profiles.a.arity: '2n+' is not an arity, which is written as 2 (exactly two), 3n (in threes), 1+2n (an odd number) or"
            " n (any)",
            "i:4: unknown key 'roll' (did you mean 'role'?)",
            "i:7: h is a 'c', which is no profile of this infra",
            "i:8: i has no profile",
        ],
    ),
}


@pytest.mark.parametrize(("text", "messages"), BAD.values(), ids=BAD.keys())
def test_what_is_wrong_is_named_by_line(text: str, messages: list[str]) -> None:
    with pytest.raises(InvalidInput) as raised:
        parse_infra(text, "i")
    assert sorted(problem.message for problem in problems_of(raised.value)) == messages


def infra(text: str) -> Infra:
    read = parse_infra(text, "infra.yaml")
    assert read.notes == ()
    return read.infra


def test_an_infra_has_all_that_its_file_says() -> None:
    found = infra(
        "name: paris\n"
        "profiles:\n"
        "  compute: {arity: 1+n, role: nova, steps: {4: [nova-compute], 0: [base]}}\n"
        "  storage: {arity: n}\n"
        "ordered_profiles: [storage, compute]\n"
        "hosts:\n"
        "  c1: {profile: compute, address: 192.0.2.1, failure_domain: r1, variables: {pages: 4, on: yes}}\n"
        "  s1: {profile: storage}\n"
        "config: {since: 2014-11-01, mode: '0644'}\n"
        "checks: [checks/api.py]\n"
        "baseline: [POOL_NO_REDUNDANCY]\n"
        "probes: [{name: page, kind: url, url: 'https://{{ domain }}/'}]\n"
    )
    assert (found.name, found.ordered_profiles, list(found.profiles), found.path) == (
        "paris",
        ("storage", "compute"),
        ["storage", "compute"],
        "infra.yaml",
    )
    compute = found.profiles["compute"]
    assert (compute.role, compute.arity, dict(compute.steps)) == ("nova", Arity(1, 1), {0: ("base",), 4: ("nova-compute",)})
    assert found.profiles["storage"].role == "storage"
    assert found.hosts == (
        Host("c1", "compute", "192.0.2.1", "r1", {"pages": 4, "on": True}),
        Host("s1", "storage", "s1", "s1", {}),
    )
    assert found.config == {"since": "2014-11-01", "mode": "0644"}
    assert (found.checks, found.baseline) == (("checks/api.py",), ("POOL_NO_REDUNDANCY",))
    assert found.probes == ({"name": "page", "kind": "url", "url": "https://{{ domain }}/"},)
    assert found.of_profile("storage") == found.hosts[1:]


def test_a_range_shares_its_hosts_out_to_failure_domains_in_a_row() -> None:
    found = infra(HOST + "  h[08:11]: {profile: a, address: '192.0.2.[8:11]', failure_domain: 'rack[1:2]'}\n")
    assert [(host.name, host.address, host.failure_domain) for host in found.hosts] == [
        ("h08", "192.0.2.8", "rack1"),
        ("h09", "192.0.2.9", "rack1"),
        ("h10", "192.0.2.10", "rack2"),
        ("h11", "192.0.2.11", "rack2"),
    ]


@pytest.mark.parametrize("own_first", [False, True], ids=["below it", "above it"])
def test_the_own_lines_of_a_host_go_over_those_of_its_range(own_first: bool) -> None:
    entries = [
        "  h[1:2]: {profile: a, failure_domain: r, variables: {x: {y: 1, z: 2}, l: [1], k: 1}}\n",
        "  h2: {address: 192.0.2.2, variables: {x: {z: 3}, l: [2], k: 2}}\n",
    ]
    found = infra(HOST + "".join(sorted(entries, reverse=own_first)))
    own = next(host for host in found.hosts if host.name == "h2")
    assert own == Host("h2", "a", "192.0.2.2", "r", {"x": {"y": 1, "z": 3}, "l": [1, 2], "k": 2})


def test_names_that_yaml_takes_for_something_else_are_names() -> None:
    found = infra("name: 010\nprofiles:\n  on: {arity: n}\nhosts:\n  no: {profile: 'on'}\n  1e3: {profile: 'on'}\n")
    assert (found.name, [host.name for host in found.hosts]) == ("010", ["no", "1e3"])


def test_aliases_are_fine() -> None:
    found = infra(HOST + "  h: &h {profile: a, variables: &v {x: 1}}\n  i: {<<: *h}\n  j: {<<: *h, variables: {<<: *v, y: 2}}\n")
    assert [host.variables for host in found.hosts] == [{"x": 1}, {"x": 1}, {"x": 1, "y": 2}]


def test_a_few_lines_that_stand_for_a_billion_values_are_refused() -> None:
    lines = ["  a0: &a0 [x, x]"] + [f"  a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 30)]
    with pytest.raises(InvalidInput) as raised:
        parse_infra(HEAD + "config:\n" + "\n".join(lines) + "\n", "i")
    assert raised.value.message == "i:1: not an infra: its aliases stand for more than 1,000,000 values"


def test_the_first_of_several_problems_says_how_to_see_the_others() -> None:
    with pytest.raises(InvalidInput) as raised:
        parse_infra(HOST + "  h: {}\n  i: {}\n", "i")
    assert (raised.value.message, raised.value.hint) == ("i:5: h has no profile", "`reprov lint` names all 2 problems of the file")
