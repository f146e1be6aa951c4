"""reprov explain, on a node with a release."""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reprov.adapters.node_state import NodeState
from reprov.domain.deployment import Deployment, State
from reprov.domain.manifest import Manifest
from reprov.domain.release import MANIFEST_NAME
from tests.builders import ONE, a_file, a_link, a_tree
from tests.unit.adapters.test_release_reader import FILES, publish

MERGE = b"merge=text /etc/default/**\n/etc/**\n"
DIGEST = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A node that is base 1.0."""
    state = NodeState(tmp_path)
    state.create()
    publish(state.release_directory(ONE), FILES | {"merge/10-base.merge": MERGE})
    state.write_deployment(Deployment(State.COMMITTED, ONE))
    (tmp_path / "srv").mkdir()
    return tmp_path


TEXTS = {
    "/usr/bin/x": f"""\
path     /usr/bin/x
class    image
rule     none: what no list names is the image's
package  x
release  base 1.0: file mode 0644 sha256 {DIGEST}
""",
    "//usr/../usr//bin/": """\
path     /usr/bin
class    image
rule     none: what no list names is the image's
package  none
release  base 1.0: dir mode 0755
""",
    "/srv": """\
path     /srv
class    keep
rule     - /srv/ (excludes/20-more.exclude:2)
package  none
release  base 1.0 has no such path
""",
    "/etc/hostname": """\
path     /etc/hostname
class    keep
rule     - /etc/hostname (excludes/10-base.exclude:1)
package  none
release  base 1.0 has no such path
""",
    "/etc/default/ssh": """\
path     /etc/default/ssh
class    merge
rule     merge=text /etc/default/** (merge/10-base.merge:1)
package  none
release  base 1.0 has no such path
""",
    "/etc/ssh/moduli": """\
path     /etc/ssh/moduli
class    merge
rule     + /etc/** (merge/10-base.merge:2)
package  none
release  base 1.0 has no such path
""",
    "/etc/passwd": """\
path     /etc/passwd
class    accounts
rule     built in: the six account files are merged together, entry by entry
package  none
release  base 1.0 has no such path
""",
    "/proc": """\
path     /proc
class    add-only
rule     + /proc (built in)
package  none
release  base 1.0 has no such path
""",
    "/": """\
path     /
class    image
rule     none: what no list names is the image's
package  none
release  base 1.0: dir mode 0755
""",
}


@pytest.mark.parametrize("path", TEXTS)
def test_whose_a_path_is_and_why(reprov: Callable[..., Any], node: Path, path: str) -> None:
    done = reprov("explain", path, "--root", node)
    assert (done.status, done.stdout, done.stderr) == (0, TEXTS[path], "")


def test_a_rule_for_directories_is_asked_about_what_is_there(reprov: Callable[..., Any], node: Path) -> None:
    shutil.rmtree(node / "srv")
    (node / "srv").symlink_to("data")
    assert "class    image\n" in reprov("explain", "/srv", "--root", node).stdout


def test_what_is_not_there_may_be_asked_for_as_a_directory(reprov: Callable[..., Any], node: Path) -> None:
    (node / "srv").rmdir()
    assert "class    image\n" in reprov("explain", "/srv", "--root", node).stdout
    assert "class    keep\n" in reprov("explain", "/srv/", "--root", node).stdout
    (node / "srv").symlink_to("data")
    assert "class    image\n" in reprov("explain", "/srv/", "--root", node).stdout


def test_a_path_through_a_link_of_the_release_is_where_that_leads(reprov: Callable[..., Any], tmp_path: Path) -> None:
    state = NodeState(tmp_path)
    state.create()
    merged = Manifest(a_tree(a_file("usr/bin/x", "1"), a_link("bin", "usr/bin"), a_link("usr/bin/y", "x")))
    publish(state.release_directory(ONE), FILES | {MANIFEST_NAME: gzip.compress(merged.render().encode())})
    state.write_deployment(Deployment(State.COMMITTED, ONE))
    said = reprov("explain", "/bin/x", "--root", tmp_path).stdout
    assert said == TEXTS["/usr/bin/x"].replace("/usr/bin/x\n", "/usr/bin/x (where /bin/x leads)\n")
    for path in ("/bin", "/usr/bin/y", "/bin/y"):
        assert "release  base 1.0: link mode 0777\n" in reprov("explain", path, "--root", tmp_path).stdout


def test_json(reprov: Callable[..., Any], node: Path) -> None:
    known = json.loads(reprov("explain", "/usr/bin/x", "--root", node, "--json").stdout)
    assert known == {
        "path": "/usr/bin/x",
        "class": "image",
        "rule": None,
        "place": None,
        "protected": None,
        "release": "base 1.0",
        "package": "x",
        "digest": DIGEST,
    }
    unknown = json.loads(reprov("explain", "/etc/hostname", "--root", node, "--json").stdout)
    assert (unknown["class"], unknown["rule"], unknown["place"]) == ("keep", "- /etc/hostname", "excludes/10-base.exclude:1")
    assert (unknown["package"], unknown["digest"]) == (None, None)


@pytest.mark.parametrize("path", ["", "/keyring"], ids=["the directory itself", "a path in it"])
def test_the_directory_of_an_osd_is_protected_whatever_the_lists_say(reprov: Callable[..., Any], node: Path, path: str) -> None:
    osd = "/var/lib/ceph/osd/ceph-3"
    (node / osd[1:]).mkdir(parents=True)
    (node / osd[1:] / "whoami").write_text("3\n")
    said = reprov("explain", f"{osd}{path}", "--root", node).stdout.splitlines()
    assert said[1:3] == ["class    protected", f"rule     built in: {osd} stays as it is (the directory of an OSD)"]
    fields = json.loads(reprov("explain", f"{osd}{path}", "--root", node, "--json").stdout)
    assert (fields["class"], fields["rule"], fields["protected"]) == ("protected", None, {"path": osd, "reason": "the directory of an OSD"})
    assert "class    add-only\n" in reprov("explain", "/var/lib/ceph/osd", "--root", node).stdout


def test_an_account_file_belongs_to_no_rule(reprov: Callable[..., Any], node: Path) -> None:
    account = json.loads(reprov("explain", "/etc/shadow", "--root", node, "--json").stdout)
    assert (account["class"], account["rule"], account["place"]) == ("accounts", None, None)


def test_a_list_that_keeps_an_account_file_has_its_way(reprov: Callable[..., Any], tmp_path: Path) -> None:
    state = NodeState(tmp_path)
    state.create()
    publish(state.release_directory(ONE), FILES | {"excludes/10-base.exclude": b"/etc/passwd\n"})
    state.write_deployment(Deployment(State.COMMITTED, ONE))
    assert "class    keep\n" in reprov("explain", "/etc/passwd", "--root", tmp_path).stdout


def test_a_relative_path_is_no_question(reprov: Callable[..., Any], node: Path) -> None:
    done = reprov("explain", "usr/bin", "--root", node)
    assert (done.status, done.stderr) == (2, "reprov: 'usr/bin' is not an absolute path\n")


def test_without_a_release_no_lists_are_in_force(reprov: Callable[..., Any], tmp_path: Path) -> None:
    done = reprov("explain", "/usr", "--root", tmp_path)
    assert (done.status, done.stderr.splitlines()[0]) == (4, "reprov: this node was not installed by reprov, so that no lists are in force")
