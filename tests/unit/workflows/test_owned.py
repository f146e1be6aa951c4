"""Whose a path is, asked where the plan has no answer: of what is linked and of what turns up during a commit."""

import pytest

from reprov.domain.ownership import Ownership
from reprov.workflows.owned import node_owns
from tests.builders import a_dir, a_file, a_link, a_tree

OWNERSHIP = Ownership.parse([("k", b"/etc/keep/\n")], [("a", b"- *.image\n/var/\n/etc/site/\n")], [("m", b"/etc/**\n")])
TARGET = a_tree(a_dir("etc"), a_dir("etc/d"), a_file("etc/d/conf"), a_dir("var"), a_link("etc/site"))
BASE = ("etc", "etc/d", "etc/d/conf", "etc/d/gone", "etc/old.d")


@pytest.mark.parametrize(
    "path, answer",
    [
        pytest.param("etc/keep/x", True, id="what a list keeps"),
        pytest.param("var/x", True, id="what is add-only"),
        pytest.param("var/x.image", False, id="what the lists except in an add-only directory of the release's"),
        pytest.param("var/own/x.image", True, id="but not in one that no scan has looked into"),
        pytest.param("var/own/deep/x.image", True, id="however deep"),
        pytest.param("etc/site/x.image", True, id="nor in one where the release has a link"),
        pytest.param("usr/x", False, id="not what is the image's"),
        pytest.param("etc/d/own", True, id="what is merged and neither release knows"),
        pytest.param("etc/d/conf", False, id="not what the release has"),
        pytest.param("etc/d/gone", False, id="not what the release dropped"),
        pytest.param("etc/d/stays", True, id="what a merge has left to the node"),
        pytest.param("etc/d/conf.reprov-new", False, id="not what an earlier upgrade laid beside a path"),
        pytest.param("etc/old.d/conf.reprov-new", False, id="nor in a directory that only the installed release has"),
        pytest.param("etc/d/stays.reprov-new", True, id="what was laid beside a path, and a merge has left to the node"),
        pytest.param("etc/own.d/conf.reprov-new", True, id="a name like that in a directory of the node's own"),
    ],
)
def test_the_node_owns(path: str, answer: bool) -> None:
    owned = node_owns(OWNERSHIP, target=TARGET, base=BASE, stays=lambda path: path.startswith("etc/d/stays"))
    assert owned(path, False) is answer
