"""The convergence hook as an operator writes it."""

import json
from typing import Any

import pytest

from reprov.domain.hook import AnsibleHook, Hook, PuppetHook, PuppetMode, fields_of, hook_of, parse_hook
from reprov.errors import InvalidInput

HOOKS = [
    pytest.param(
        {"puppet": "apply", "manifest": "/m.pp", "modulepath": ["/a", "/b"], "hiera": "/h.yaml", "steps": [0, 5], "timeout-s": 9},
        PuppetHook(PuppetMode.APPLY, "/m.pp", ("/a", "/b"), "/h.yaml", "", "", (0, 5), 9),
        id="puppet with what is on the node",
    ),
    pytest.param(
        {"puppet": "agent", "server": "master", "environment": "prod"},
        PuppetHook(PuppetMode.AGENT, environment="prod", server="master"),
        id="puppet with its server",
    ),
    pytest.param(
        {"ansible": "/site.yml", "inventory": "/hosts", "tags": ["a", "b"], "vars": {"n": 1}},
        AnsibleHook("/site.yml", inventory="/hosts", tags=("a", "b"), variables='{"n": 1}'),
        id="a playbook of the node",
    ),
    pytest.param(
        {"pull": "https://git/plays", "revision": "v1"},
        AnsibleHook(pull="https://git/plays", revision="v1"),
        id="a repository of playbooks",
    ),
]


@pytest.mark.parametrize(("fields", "hook"), HOOKS)
def test_keys_and_hook_are_two_forms_of_one_thing(fields: dict[str, Any], hook: Hook) -> None:
    assert hook_of(fields) == hook
    assert hook_of(fields_of(hook)) == hook
    assert parse_hook(json.dumps(fields), "f") == hook


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ([], "a hook is keys and values: puppet: apply, or ansible: PLAYBOOK"),
        ({}, "it names neither puppet, nor ansible, nor pull"),
        ({"puppet": "aply"}, "puppet: apply or agent, not 'aply'"),
        ({"puppet": "apply"}, "manifest: puppet apply needs one"),
        ({"puppet": "apply", "manifset": "/m"}, "unknown key 'manifset' (did you mean 'manifest'?)"),
        ({"puppet": "apply", "manifest": "--test"}, "manifest: a word is expected, that is no option"),
        ({"puppet": "apply", "manifest": "/m", "server": "s"}, "server: not of puppet apply"),
        ({"puppet": "agent", "manifest": "/m"}, "manifest: not of puppet agent"),
        ({"puppet": "agent", "steps": [0, 6]}, "steps: numbers from 0 to 5 in their order are expected"),
        ({"puppet": "agent", "steps": [2, 1]}, "steps: numbers from 0 to 5 in their order are expected"),
        ({"puppet": "agent", "steps": [True]}, "steps: numbers from 0 to 5 in their order are expected"),
        ({"puppet": "agent", "tags": ["a"]}, "unknown key 'tags'"),
        ({"puppet": "agent", "timeout-s": 0}, "timeout-s: a number of seconds is expected"),
        ({"ansible": ""}, "ansible: a word is expected, that is no option"),
        ({"ansible": "/p", "tags": "a"}, "tags: a list of words is expected"),
        ({"ansible": "/p", "vars": ["a"]}, "vars: names and values are expected"),
        ({"ansible": "/p", "revision": "v1"}, "revision: of a repository, and pull names none"),
    ],
)
def test_what_is_no_hook(fields: object, problem: str) -> None:
    with pytest.raises(ValueError) as caught:
        hook_of(fields)
    assert str(caught.value) == problem


def test_the_file_and_the_line_are_named() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_hook('{\n"puppet" "apply"}', "/etc/reprov/converge.json")
    assert caught.value.message == "/etc/reprov/converge.json:2: not JSON (Expecting ':' delimiter)"
    with pytest.raises(InvalidInput, match=r"^/c\.json: it names neither"):
        parse_hook("{}", "/c.json")
