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
    "a word where a list is expected": ("suite: bookworm\npackages: vim\n", "r.yaml:2: packages: a list is expected"),
    "a number where a name is expected": (
        "suite: bookworm\npackages:\n- vim\n- 7\n",
        "r.yaml:4: packages: text is expected (in quotes where YAML would take it for something else)",
    ),
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
        "r.yaml:1: distribution: 'slackware' is not a distribution that reprov builds (debian, almalinux, centos, fedora, rhel, rocky)",
    ),
    "a release of EL without its distribution": (
        "suite: '9'\n",
        "r.yaml:1: suite: '9' is not a suite of debian; another distribution has to be named",
    ),
    "a mirror of an RPM distribution": (
        "distribution: rocky\nsuite: '9'\nmirror: https://mirror.example/\n",
        "r.yaml:3: 'mirror' is for debian; rocky has repositories, each with its mirror",
    ),
    "an RPM distribution without repositories": (
        "suite: '9'\ndistribution: rocky\n",
        "r.yaml:2: a role of rocky needs repositories, each with its mirror",
    ),
    "an option of dnf as a package": (
        "distribution: rocky\nsuite: '9'\nrepositories: [{name: a, mirror: 'file:///x'}]\npackages: [--nogpgcheck]\n",
        "r.yaml:4: packages: '--nogpgcheck' is not a package",
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


@pytest.mark.parametrize(
    ("parent", "child", "tool"),
    [("", "", None), ("converge: {ansible: /p}\n", "", "ansible"), ("converge: {ansible: /p}\n", "converge: {puppet: agent}\n", "puppet")],
    ids=["none", "that of the parent", "its own"],
)
def test_the_hook_of_a_role(parent: str, child: str, tool: str | None) -> None:
    hook = layered(f"suite: bookworm\n{parent}", f"extends: role0\n{child}").converge
    assert (hook and hook.tool) == tool


def test_a_bad_hook_is_named_with_its_line() -> None:
    with pytest.raises(InvalidInput) as caught:
        RoleFile.parse("suite: bookworm\nconverge:\n  puppet: apply\n", "r.yaml")
    assert caught.value.message == "r.yaml:2: converge: manifest: puppet apply needs one"


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


RPM_ROLE = "distribution: almalinux\nsuite: '10'\nrepositories:\n  - {name: base, mirror: 'https://m.example/$releasever/', key: k.asc}\n"


def test_a_role_of_the_rpm_family_has_the_repositories_that_it_names() -> None:
    role = layered(
        f"{RPM_ROLE}packages: [NetworkManager, '@core', glibc-2.39-37.el10, 'perl(Socket)', kernel.x86_64]\n",
        "extends: role0\nrepositories: [{name: own, mirror: 'file:///srv/own'}]\n",
    )
    assert (role.family, role.distribution, role.suite) == ("rpm", "almalinux", "10")
    assert [(layer.name, found.name, found.key) for layer, found in role.repositories] == [
        ("role0", "base", "k.asc"),
        ("role1", "own", None),
    ]


@pytest.mark.parametrize(
    ("base", "repository", "problem"),
    [
        pytest.param(RPM_ROLE, "{name: a, suite: x}", "'a' names a suite, and almalinux has none", id="a suite"),
        pytest.param(RPM_ROLE, "{name: a, mirror: 'http://m.example/'}", "'a' comes over the network and has no key", id="no key"),
        pytest.param("suite: bookworm\n", "{name: a, mirror: 'file:///x'}", "'a' names no suite", id="no suite of debian"),
    ],
)
def test_a_repository_of_the_other_family_or_without_a_key_is_refused(base: str, repository: str, problem: str) -> None:
    role = layered(base, f"extends: role0\nrepositories: [{repository}]\n")
    with pytest.raises(InvalidInput) as caught:
        _ = role.repositories
    assert caught.value.message == f"/l/role1/role.yaml: repository {problem}"
