"""What becomes of eDeploy's hops: the files of a site directory, and what is left out."""

import json

import pytest

from reprov.domain.edeploy import HopFiles, HopName, Site, Text, family_of, ids_of, site_of
from reprov.domain.edeploy_conf import Conf
from reprov.domain.role import RoleFile
from reprov.errors import InvalidInput

EXCLUDE, ADD_ONLY = b"/var/log/\n", b"+ /var/\n+ /var/**\n- *\n"
SCRIPT = b"#!/bin/sh\necho ${#} {{ x }}\nexit 100\n"


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
) -> HopFiles:
    name = HopName.of(old, role, new)
    lists = [None if text is None else Text(f"{name.folder}/{file}", text) for file, text in (("exclude", exclude), ("add_only", add_only))]
    return HopFiles(name, lists[0], lists[1], pre, post, unknown)


def content(site: Site, name: str) -> bytes:
    (file,) = [file for file in site.files if file.name == name]
    return file.content


def test_a_hop_becomes_lists_a_role_scripts_and_a_record() -> None:
    site = site_of([a_hop(pre=Text("m/pre", b"#!/bin/sh\n", True), post=Text("m/post", SCRIPT, True))])
    assert [(file.name, oct(file.mode), file.origin) for file in site.files] == [
        ("excludes/edeploy-mysql.exclude", "0o644", "metadata/D7-1/mysql/D7-2/exclude"),
        ("excludes/edeploy-mysql.add-only", "0o644", "metadata/D7-1/mysql/D7-2/add_only"),
        ("roles/mysql/role.yaml", "0o644", "names the lists"),
        ("post-scripts/edeploy-mysql-D7-1-to-D7-2.pre", "0o755", "m/pre"),
        ("post-scripts/edeploy-mysql-D7-1-to-D7-2.post", "0o755", "m/post"),
        ("edeploy.json", "0o644", "what belongs to which hop"),
    ]
    assert content(site, "post-scripts/edeploy-mysql-D7-1-to-D7-2.post") == SCRIPT
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
            {**hop, "from": "D7-1", "to": "D7-2", "post": "post-scripts/edeploy-mysql-D7-1-to-D7-2.post"},
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
        "metadata/D7-1/base/D7-2/helper.sh: eDeploy gives it no meaning, but runs pre and post in that directory, where they may use it",
        "m/post: not executable, so eDeploy does not run it",
        "roles/base/role.yaml: not written, because reprov's own base has that name",
        "conf:3: X: no variable of eDeploy's",
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
