"""role.yaml: what is accepted, and the exact words for everything that is not."""

import pytest

from reprov.domain.release import MANAGED_FILESYSTEMS
from reprov.domain.role import Layer, Role, RoleFile
from reprov.errors import InvalidInput

BAD = {
    "an unknown key names the nearest one": (
        "suite: bookworm\npakages: [vim]\n",
        "r.yaml:2: unknown key 'pakages' (did you mean 'packages'?)",
    ),
    "an unknown key with an underscore names the one with a dash": (
        "suite: bookworm\npost_scripts: [x]\n",
        "r.yaml:2: unknown key 'post_scripts' (did you mean 'post-scripts'?)",
    ),
    "an unknown key like no other names none": ("suite: bookworm\n\nzzz: 1\n", "r.yaml:3: unknown key 'zzz'"),
    "an unknown key of a repository": (
        "suite: bookworm\nrepositories:\n  - name: a\n    suite: b\n    mirrors: http://x/\n",
        "r.yaml:5: unknown key 'mirrors' (did you mean 'mirror'?)",
    ),
    "a repository without a suite": ("suite: bookworm\nrepositories:\n  - name: a\n", "r.yaml:3: 'suite' is missing"),
    "a key that stands twice": ("suite: bookworm\npackages: [a1]\npackages: [b1]\n", "r.yaml:3: 'packages' stands in line 2 already"),
    "a word where a list is expected": ("suite: bookworm\npackages: vim\n", "r.yaml:2: packages: should be a valid tuple"),
    "a number where a name is expected": ("suite: bookworm\npackages:\n- vim\n- 7\n", "r.yaml:4: packages: should be a valid string"),
    "a package name with a space": ("suite: bookworm\npackages:\n- vim nano\n", "r.yaml:3: packages: 'vim nano' is not a package"),
    "an option of apt as a package": ("suite: bookworm\npackages: ['-o']\n", "r.yaml:2: packages: '-o' is not a package"),
    "a script outside the folder": ("suite: bookworm\nscripts: [../x]\n", "r.yaml:2: scripts: '../x' is not a plain name"),
    "an absolute filesystem": (
        "suite: bookworm\nfilesystems: [/boot]\n",
        "r.yaml:2: filesystems: '/boot' is not a relative path without dots",
    ),
    "a filesystem that climbs": (
        "suite: bookworm\nfilesystems: [a/../b]\n",
        "r.yaml:2: filesystems: 'a/../b' is not a relative path without dots",
    ),
    "an option of systemctl as a unit": ("suite: bookworm\nenabled: [--now]\n", "r.yaml:2: enabled: '--now' is not a unit"),
    "a distribution that cannot be built": (
        "distribution: slackware\nsuite: x\n",
        "r.yaml:1: distribution: 'slackware' is not a distribution that reprov builds (debian)",
    ),
    "yes for a bool, as text": ("suite: bookworm\nrecommends: 'yes'\n", "r.yaml:2: recommends: should be a valid boolean"),
    "neither suite nor parent": ("packages: [vim]\n", "r.yaml:1: the role names neither the role it extends nor a suite"),
    "a suite in a role that extends one": (
        "extends: base\nsuite: bookworm\n",
        "r.yaml:2: 'suite' is for the role that extends no other; this one takes it from 'base'",
    ),
    "YAML that is cut off": ("suite: [bookworm\n", "r.yaml:2: not YAML: expected ',' or ']', but got '<stream end>'"),
    "a tab for indentation": (
        "suite: bookworm\nrepositories:\n\t- a\n",
        "r.yaml:3: not YAML: found character '\\t' that cannot start any token",
    ),
    "a list": ("- suite\n", "r.yaml:1: a role is a list of 'key: value' lines"),
    "nothing": ("", "r.yaml:1: a role is a list of 'key: value' lines"),
    "an object of Python": ("suite: !!python/name:os.system x\n", None),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD.keys())
def test_bad_role_is_refused(text: str, message: str | None) -> None:
    with pytest.raises(InvalidInput) as caught:
        RoleFile.parse(text, "r.yaml")
    if message is None:
        assert caught.value.message.startswith("r.yaml:1: not YAML: could not determine a constructor")
    else:
        assert caught.value.message == message


def test_every_key_of_a_role_is_read() -> None:
    text = """\
suite: bookworm
mirror: http://mirror.example/debian
components: [main, contrib]
repositories:
  - {name: security, suite: bookworm-security}
  - {name: own, suite: stable, mirror: "http://p.example/x", key: own.asc, components: [main]}
packages: [vim, g++, nano-, curl=7.88.1-10, nova/bookworm-backports]
scripts: [one]
enabled: [a.service]
disabled: [b.timer]
masked: [getty@tty1.service]
excludes: [base]
post-scripts: [50-x]
services: [ssh.service]
checks: [boot]
filesystems: [boot, var/lib]
recommends: true
"""
    role = RoleFile.parse(text, "r.yaml")
    assert role.packages == ("vim", "g++", "nano-", "curl=7.88.1-10", "nova/bookworm-backports")
    assert [repository.key for repository in role.repositories] == [None, "own.asc"]
    assert (role.post_scripts, role.filesystems, role.recommends) == (("50-x",), ("boot", "var/lib"), True)


def layered(*texts: str) -> Role:
    return Role(tuple(Layer(f"role{number}", f"/l/role{number}", RoleFile.parse(text, "r.yaml")) for number, text in enumerate(texts)))


def test_a_role_adds_to_what_it_extends() -> None:
    role = layered(
        "suite: bookworm\npackages: [a1, b1]\nservices: [x.service]\n", "extends: role0\npackages: [b1, c1]\nservices: [y.service]\n"
    )
    assert role.named(lambda file: file.packages) == ("a1", "b1", "c1")
    assert role.named(lambda file: file.services) == ("x.service", "y.service")
    assert (role.name, role.parent_name, role.suite, role.family) == ("role1", "role0", "bookworm", "debian")


def test_the_lists_of_a_role_are_tried_before_those_of_the_roles_that_it_extends() -> None:
    role = layered(
        "suite: bookworm\nexcludes: [base, ssh]\n", "extends: role0\nexcludes: [ceph]\n", "extends: role1\nexcludes: [site, ssh]\n"
    )
    assert role.concerns == ("site", "ssh", "ceph", "base")


def test_repositories_begin_with_that_of_the_suite() -> None:
    role = layered("suite: bookworm\n", "extends: role0\nrepositories: [{name: own, suite: stable}]\n")
    assert [(layer.name, repository.name, repository.suite) for layer, repository in role.repositories] == [
        ("role0", "main", "bookworm"),
        ("role1", "own", "stable"),
    ]


@pytest.mark.parametrize(
    ("parent", "child", "filesystems"),
    [("", "", MANAGED_FILESYSTEMS), ("filesystems: [usr]\n", "", ("usr",)), ("filesystems: [usr]\n", "filesystems: []\n", ())],
    ids=["the usual ones when no role names any", "those of the parent when the role names none", "none when the role says so"],
)
def test_filesystems_of_a_role(parent: str, child: str, filesystems: tuple[str, ...]) -> None:
    assert layered(f"suite: bookworm\n{parent}", f"extends: role0\n{child}").filesystems == filesystems
