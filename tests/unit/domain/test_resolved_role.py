"""role.json, from the build to publishing."""

import json

import pytest

from reprov.domain.hook import PuppetHook, PuppetMode
from reprov.domain.ids import NewId
from reprov.domain.release import ReleaseId
from reprov.domain.resolved_role import ResolvedRole
from reprov.errors import InvalidInput

ROLE = ResolvedRole(
    id=ReleaseId("compute", "1.1"),
    parent=ReleaseId("base", "1.0"),
    family="debian",
    suite="bookworm",
    filesystems=("boot", "var/lib"),
    excludes=("base",),
    post_scripts=("50-x",),
    services=("ssh.service",),
    checks=(),
    packages=("vim",),
    new_ids=(NewId("user", "tftp", 104), NewId("group", "tftp", 117)),
    converge=PuppetHook(PuppetMode.APPLY, "/site.pp", steps=(0, 1)),
)


@pytest.mark.parametrize("parent", [ROLE.parent, None], ids=["laid over another tree", "made from nothing"])
def test_a_resolved_role_survives_its_file(parent: ReleaseId | None) -> None:
    role = ResolvedRole(**{name: getattr(ROLE, name) for name in ROLE.__slots__} | {"parent": parent})
    assert ResolvedRole.parse(role.to_json(), "role.json") == role


def test_what_was_built_before_there_were_stable_ids_and_hooks_has_none() -> None:
    fields = json.loads(ROLE.to_json())
    del fields["new_ids"], fields["converge"]
    found = ResolvedRole.parse(json.dumps(fields), "role.json")
    assert (found.new_ids, found.converge) == ((), None)


BAD = {
    "not JSON": ("{", "role.json: not a resolved role (JSONDecodeError: "),
    "of a later version": (json.dumps({"format": 2}), "role.json: role format 2 is newer than this reprov"),
    "without its lists": (json.dumps({"format": 1, "parent": None}), "role.json: not a resolved role (KeyError: 'filesystems')"),
    "with a word for a list": (
        ROLE.to_json().replace('"checks": []', '"checks": "x"'),
        "role.json: not a resolved role (TypeError: a list is expected)",
    ),
    "with a hook that is none": (
        ROLE.to_json().replace('"puppet": "apply"', '"puppet": "x"'),
        "role.json: not a resolved role (ValueError: puppet: apply or agent, not 'x')",
    ),
    "with a word for a number": (
        ROLE.to_json().replace('"id": 104', '"id": "x"'),
        "role.json: not a resolved role (ValueError: invalid literal for int() with base 10: 'x')",
    ),
    "with a role that is no name": (ROLE.to_json().replace('"compute"', '"../x"'), "'../x' is not a role name"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD.keys())
def test_a_bad_role_json_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        ResolvedRole.parse(text, "role.json")
    assert caught.value.message.startswith(message)
