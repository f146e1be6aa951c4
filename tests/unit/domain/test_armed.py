"""What a node is to do at its next boot, written and read again."""

import json

import pytest

from reprov.domain.armed import Armed, ArmedKind
from reprov.domain.labels import LabelChange
from reprov.domain.owner_change import Ids, OwnerChange
from reprov.domain.units import Op, OpKind
from reprov.errors import NeedsAttention
from tests.builders import a_dir

EVIL = "etc/\udcff\n "
UPGRADE = Armed(
    ArmedKind.UPGRADE,
    "t1",
    ("/usr/lib/libc.so.6 belongs to the C library",),
    ("", "boot"),
    labels=True,
    fences=("srv", EVIL),
    ops=(Op(OpKind.SWAP, "usr", ""), Op(OpKind.CREATE, EVIL, "boot")),
    directories=(a_dir("var", 0o1777)._replace(xattrs=(("user.a", b"\0\xff"),)),),
    owners=(OwnerChange("home/x", Ids(1, 2), Ids(3, 4)),),
    relabelled=(LabelChange("home/x", b"a\0", b"b\0"),),
    conflicts=("/etc/a",),
)


@pytest.mark.parametrize(
    "armed",
    [
        pytest.param(UPGRADE, id="an upgrade"),
        pytest.param(Armed(ArmedKind.ROLLBACK, "t2", (), ("",), note="it failed", accept_changed=True), id="a rollback"),
        pytest.param(Armed(ArmedKind.TRIAL, "t3", (), ("",), kernel="6.1.0-51", note="did not come up"), id="a trial"),
    ],
)
def test_it_comes_back_as_it_was(armed: Armed) -> None:
    text = armed.to_json()
    assert text.isascii()
    assert Armed.parse(text, "armed") == armed


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="cut off"),
        pytest.param("[]", id="no object"),
        pytest.param('{"format": 1}', id="nothing in it"),
        pytest.param(json.dumps({**json.loads(UPGRADE.to_json()), "format": 2}), id="a later format"),
        pytest.param(json.dumps({**json.loads(UPGRADE.to_json()), "kind": "other"}), id="nobody knows what"),
        pytest.param(json.dumps({**json.loads(UPGRADE.to_json()), "ops": [["swap", "usr"]]}), id="half an exchange"),
    ],
)
def test_nothing_is_done_by_what_cannot_be_read(text: str) -> None:
    with pytest.raises(NeedsAttention, match=r"^/\.reprov/armed: what was armed cannot be read \("):
        Armed.parse(text, "/.reprov/armed")
