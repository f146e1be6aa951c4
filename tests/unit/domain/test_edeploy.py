"""What becomes of eDeploy's hops: the files of a site directory, and what is left out."""

import json

import pytest

from reprov.domain.edeploy import Site, family_of, ids_of, site_of
from reprov.domain.edeploy_conf import Conf
from reprov.domain.edeploy_hop import HopFiles, HopName, Text
from reprov.domain.role import RoleFile
from reprov.errors import InvalidInput

EXCLUDE, ADD_ONLY = b"/var/log/\n", b"+ /var/\n+ /var/**\n- *\n"
SCRIPT = b"#!/bin/sh\necho ${#} {{ x }} \xe9\nexit 100\n"
GENERATED = b"#!/bin/sh\n\n# echo commands\nset -x\n\n"
SCRIPTLET = (
    b"# bash-4.2\n(\n# put the scriptlet in upgrade mode by passing 2 (package count is 2\n# during upgrades) as the first argument.\n"
    b"set 2\n\ntrue\n)\n\n"
)


def a_hop(
    old: str = "D7-1",
    new: str = "D7-2",
    role: str = "mysql",
    *,
    exclude: bytes | None = EXCLUDE,
    add_only: bytes | None = ADD_ONLY,
    pre: Text | None = None,
    post: Text | None = None,
    unknown: tuple[str, ...] = (),
    replaced: tuple[str, ...] = (),
) -> HopFiles:
    name = HopName.of(old, role, new)
    lists = [None if text is None else Text(f"{name.folder}/{file}", text) for file, text in (("exclude", exclude), ("add_only", add_only))]
    return HopFiles(name, lists[0], lists[1], pre, post, unknown, replaced)


def content(site: Site, name: str) -> bytes:
    (file,) = [file for file in site.files if file.name == name]
    return file.content


def test_a_hop_becomes_lists_a_role_scripts_and_a_record() -> None:
    site = site_of([a_hop(pre=Text("m/pre", b"#!/bin/sh\n", True), post=Text("m/post", SCRIPT, True))])
    assert [(file.name, oct(file.mode), file.origin) for file in site.files] == [
        ("excludes/edeploy-mysql.exclude", "0o644", "metadata/D7-1/mysql/D7-2/exclude"),
        ("excludes/edeploy-mysql.add-only", "0o644", "metadata/D7-1/mysql/D7-2/add_only"),
        ("roles/mysql/role.yaml", "0o644", "names the lists"),
        ("post-scripts/mysql/D7-1/D7-2/pre", "0o755", "m/pre"),
        ("post-scripts/mysql/D7-1/D7-2/post", "0o755", "m/post"),
        ("edeploy.json", "0o644", "what belongs to which hop"),
    ]
    assert content(site, "post-scripts/mysql/D7-1/D7-2/post") == SCRIPT
    assert site.left_out == ()


def test_the_role_is_one() -> None:
    role = RoleFile.parse(content(site_of([a_hop()]), "roles/mysql/role.yaml").decode(), "role.yaml")
    assert (role.extends, role.excludes) == ("base", ("edeploy-mysql",))


def test_the_record_says_which_script_belongs_to_which_hop_and_where_the_node_was() -> None:
    hops = [a_hop(post=Text("m/post", SCRIPT, True)), a_hop("D7-2", "D7-3")]
    site = site_of(hops, Conf("D7-1", "mysql", "10.0.0.1", 873, "install", ()))
    hop = {"role": "mysql", "lists": ["edeploy-mysql"], "reboot_status": 100}
    assert json.loads(content(site, "edeploy.json")) == {
        "format": 1,
        "hops": [
            {**hop, "from": "D7-1", "to": "D7-2", "post": "post-scripts/mysql/D7-1/D7-2/post"},
            {**hop, "from": "D7-2", "to": "D7-3"},
        ],
        "node": {
            "role": "mysql",
            "version": "D7-1",
            "edeploy_address": "rsync://10.0.0.1:873/install",
            "source": "rsync://10.0.0.1:8730",
        },
    }


def test_what_is_left_out_is_named() -> None:
    hops = [a_hop(role="base", post=Text("m/post", SCRIPT), unknown=("helper.sh",))]
    site = site_of(hops, Conf("D7-1", "base", None, 873, "install", ("conf:3: X",)), unknown=("metadata/README",))
    assert [file.name for file in site.files] == ["excludes/edeploy-base.exclude", "excludes/edeploy-base.add-only", "edeploy.json"]
    assert site.left_out == (
        "metadata/README: eDeploy knows no such file",
        "metadata/D7-1/base/D7-2/helper.sh: eDeploy gives it no meaning; a script of the hop that uses it is named above",
        "m/post: not executable, so eDeploy does not run it",
        "roles/base/role.yaml: not written, because reprov's own base has that name",
        "conf:3: X: no variable of eDeploy's",
    )


@pytest.mark.parametrize(
    ("script", "why"),
    [
        pytest.param(Text("m/post", SCRIPT), "not executable, so eDeploy does not run it", id="not executable"),
        pytest.param(Text("m/post", b"\n", True), "empty, so there is nothing to run", id="empty"),
        pytest.param(
            Text("m/post", GENERATED + SCRIPTLET, True),
            "eDeploy made it of the scripts of all packages; reprov makes its own, of those that change",
            id="made at the build of the role",
        ),
    ],
)
def test_a_script_that_is_not_imported(script: Text, why: str) -> None:
    site = site_of([a_hop(post=script)])
    assert not any(file.name.startswith("post-scripts/") for file in site.files)
    assert site.left_out == (f"m/post: {why}",)
    assert not any("status 100" in said for said in site.differences)


def test_a_script_of_the_role_that_the_hop_replaces_is_named() -> None:
    site = site_of([a_hop(post=Text("m/post", SCRIPT, True), replaced=("install/D7-2/mysql/var/lib/edeploy/D7-2/post",))])
    assert site.left_out == ("install/D7-2/mysql/var/lib/edeploy/D7-2/post: eDeploy replaces it by metadata/D7-1/mysql/D7-2/post",)


def test_what_reprov_does_otherwise_with_scripts_is_said_once() -> None:
    pre, post = Text("m/pre", SCRIPT, True), Text("m/post", SCRIPT, True)
    said = site_of([a_hop(pre=pre, post=post), a_hop("D7-2", "D7-3", pre=pre, post=post)]).differences
    beginnings = (
        "pre: runs after the exchange, before the scripts of the packages",
        "post: runs last, after the",
        "a script may take 600 s",
    )
    assert [[text for text in said if text.startswith(beginning)] for beginning in beginnings] == [[text] for text in said[-3:]]


def test_lines_of_scripts_to_look_at_are_named() -> None:
    site = site_of([a_hop(pre=Text("m/pre", b"#!/bin/sh\n./helper.sh\n", True), unknown=("helper.sh",))])
    assert site.to_look_at == (
        "m/pre:2: ./helper.sh: eDeploy ran it in the folder of the hop, reprov runs it in /",
        "m/pre:2: ./helper.sh: helper.sh is not imported: put what it does into this script",
    )


@pytest.mark.parametrize(
    ("hops", "message"),
    [
        pytest.param(
            [a_hop(exclude=None)],
            "metadata/D7-1/mysql/D7-2/exclude: missing, so eDeploy refuses the upgrade, and so does reprov",
            id="no exclude",
        ),
        pytest.param(
            [a_hop(add_only=None)],
            "metadata/D7-1/mysql/D7-2/add_only: missing, so eDeploy refuses the upgrade, and so does reprov",
            id="no add_only",
        ),
        pytest.param(
            [a_hop(add_only=b"")],
            "metadata/D7-1/mysql/D7-2/add_only: empty, so eDeploy refuses the upgrade, and so does reprov",
            id="an empty add_only",
        ),
        pytest.param([a_hop(exclude=b"")], "metadata/D7-1/mysql/D7-2/exclude: holds no rule", id="an exclude that would keep nothing"),
        pytest.param(
            [a_hop(post=Text("m/post", b"exit 0\n", True))],
            "m/post:1: not `#!` and the path of what runs the script",
            id="a script that only eDeploy's bash would run",
        ),
        pytest.param(
            [a_hop(), a_hop("D7-2", "D7-3", exclude=b"/other\n")],
            "metadata/D7-2/mysql/D7-3/exclude: not the same as metadata/D7-1/mysql/D7-2/exclude, and a release has one set of lists",
            id="hops of one role with several lists",
        ),
    ],
)
def test_what_stops_an_import(hops: list[HopFiles], message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        site_of(hops)
    assert refused.value.message == message


def test_hops_of_several_roles_may_have_several_lists() -> None:
    names = [file.name for file in site_of([a_hop(), a_hop(role="install-server", exclude=b"/other\n")]).files]
    assert "excludes/edeploy-mysql.exclude" in names
    assert "excludes/edeploy-install-server.exclude" in names


def test_ids_of_all_versions_are_one_table() -> None:
    ids = ids_of([("a", "uids = {'mysql': (112, 120)}\ngids = {'mysql': (120, '')}\n"), ("b", "uids = {}\ngids = {'nova': (130, '')}\n")])
    assert ids is not None
    site = site_of([a_hop()], ids=("debian", ids))
    assert content(site, "ids/debian.yaml") == ids.render().encode()
    assert [str(new) for new in ids.new_ids] == ["user mysql 112", "group mysql 120", "group nova 130"]


def test_without_tables_there_are_no_ids() -> None:
    assert ids_of([]) is None


@pytest.mark.parametrize(
    ("versions", "family"),
    [
        pytest.param(["D7-H.1.0.0"], "debian", id="Debian"),
        pytest.param(["U14.04-H.1.0.0"], "debian", id="Ubuntu"),
        pytest.param(["RH7.0-J.1.3.0", "RH7.0-J.1.4.0"], "rpm", id="Red Hat"),
        pytest.param(["C7.0-J.1"], "rpm", id="CentOS"),
    ],
)
def test_a_version_says_its_family(versions: list[str], family: str) -> None:
    assert family_of(HopName.of("X-1", "mysql", version) for version in versions) == family


@pytest.mark.parametrize(
    ("versions", "message"),
    [
        pytest.param(["1.0"], "version 1.0 does not say whose ids the ids.tables holds", id="no distribution"),
        pytest.param(["D7-1", "RH7.0-1"], "the hops are of several families, and each has its own ids.tables", id="two distributions"),
    ],
)
def test_versions_that_do_not_say_a_family(versions: list[str], message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        family_of(HopName.of("X-1", "mysql", version) for version in versions)
    assert refused.value.message == message
