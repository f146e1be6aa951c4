"""SELinux labels of entries."""

import pytest

from reprov.domain.comparison import Blocker
from reprov.domain.entry import Entry, Xattrs
from reprov.domain.file_contexts import FileContexts
from reprov.domain.label_guard import blockers_of_labels
from reprov.domain.labels import (
    LABEL,
    LabelChange,
    label_entries,
    label_in,
    of_fields,
    only_label,
    relabel,
    settled,
    strip_entries,
    to_fields,
    value_of,
    with_label,
    without_label,
)
from reprov.domain.placement import may_link
from reprov.domain.policy_store import compiled_paths, local_parts
from reprov.domain.three_way import Side, dressed, metadata_side
from tests.builders import a_dir, a_file

CONTEXTS = FileContexts.parse("/.* a:any:s0\n/usr/bin/.* a:bin:s0\n/usr/share/b a:b:s0\n/proc <<none>>", "f")
CAPABILITY = ("security.capability", b"\1")


def labelled(entry: Entry, name: str) -> Entry:
    return entry._replace(xattrs=with_label(entry.xattrs, value_of(f"a:{name}:s0")))


def by_path(*entries: Entry) -> dict[str, Entry]:
    return {entry.path: entry for entry in entries}


def test_every_entry_gets_its_label_and_keeps_its_attributes() -> None:
    entries = by_path(a_dir(""), a_dir("proc"), a_file("usr/bin/x")._replace(xattrs=(CAPABILITY,)))
    found = label_entries(entries, CONTEXTS)
    assert found["usr/bin/x"].xattrs == (CAPABILITY, (LABEL, b"a:bin:s0\0"))
    assert (label_in(found[""].xattrs), label_in(found["proc"].xattrs)) == (b"a:any:s0\0", None)
    assert strip_entries(found) == entries


def test_names_of_one_inode_have_one_label() -> None:
    entries = by_path(a_file("usr/share/a")._replace(link_group=1), a_file("usr/share/b")._replace(link_group=1))
    found = label_entries(entries, CONTEXTS)
    assert {label_in(entry.xattrs) for entry in found.values()} == {b"a:any:s0\0"}
    local = CONTEXTS.and_then(FileContexts.parse("/usr/share/a a:mine:s0", "local"))
    assert set(relabel(found, ["usr/share/a"], local)) == {"usr/share/a", "usr/share/b"}


def test_only_what_is_concerned_is_labelled_again() -> None:
    entries = label_entries(by_path(a_file("usr/bin/x"), a_file("usr/bin/y")), FileContexts.parse("/.* a:any:s0", "f"))
    assert relabel(entries, ["usr/bin/y"], CONTEXTS) == {"usr/bin/y": labelled(entries["usr/bin/y"], "bin")}
    assert relabel(entries, ["usr/bin/y"], FileContexts.parse("/.* a:any:s0", "f")) == {}


XATTRS = {
    "none": ((), None, (), ()),
    "others": ((CAPABILITY,), None, (CAPABILITY,), ()),
    "a label": (((LABEL, b"x\0"),), b"x\0", (), ((LABEL, b"x\0"),)),
    "both": ((CAPABILITY, (LABEL, b"x\0")), b"x\0", (CAPABILITY,), ((LABEL, b"x\0"),)),
}


@pytest.mark.parametrize(("xattrs", "label", "others", "alone"), XATTRS.values(), ids=XATTRS)
def test_a_label_among_attributes(xattrs: Xattrs, label: bytes | None, others: Xattrs, alone: Xattrs) -> None:
    assert (label_in(xattrs), without_label(xattrs), only_label(xattrs)) == (label, others, alone)
    assert with_label(others, label) == xattrs
    assert with_label(xattrs, None) == others


def test_a_value_ends_with_one_zero() -> None:
    assert [settled(value) for value in (b"x", b"x\0", b"x\0\0")] == [b"x\0"] * 3


def test_a_label_is_no_reason_to_copy_a_file() -> None:
    entry = a_file("usr/bin/x")
    assert may_link(labelled(entry, "bin"))
    assert not may_link(labelled(entry._replace(xattrs=(CAPABILITY,)), "bin"))


def test_a_label_is_the_policys_and_nobodys_change() -> None:
    base, ours, theirs = (labelled(a_file("etc/x"), name) for name in ("old", "mine", "new"))
    assert metadata_side(base, ours, theirs) is Side.SAME
    assert metadata_side(a_file("etc/x"), ours._replace(mode=0o600), theirs) is Side.OURS
    assert dressed(theirs, ours._replace(mode=0o600)) == theirs._replace(mode=0o600)
    assert dressed(a_file("etc/x"), ours).xattrs == ()


def test_changes_in_a_journal() -> None:
    changes = (LabelChange("a", b"x\0", b"y\0"), LabelChange("b", None, b"y\0"))
    assert of_fields(to_fields(changes)) == changes


def test_a_node_with_selinux_needs_labels() -> None:
    hint = "publish a tree with a policy, and leave --selinux at auto"
    assert blockers_of_labels([], labels=False) == [Blocker("", "is a node with SELinux, and no labels would be set", hint)]
    assert blockers_of_labels([], labels=True) == []


@pytest.mark.parametrize(
    ("unknown", "what"), [([b"a:b:s0\0"], "the label a:b:s0"), ([b"a:b:s0\0", b"a:c:s0\0", b"x\0"], "a:b:s0 and 2 more labels")]
)
def test_labels_that_the_running_policy_has_not_stop_a_running_system(unknown: list[bytes], what: str) -> None:
    problem = f"runs a policy without {what}, which the release gives to files"
    hint = "do it from a rescue system with --root: the running kernel lets nobody set such a label"
    assert blockers_of_labels(unknown, labels=True) == [Blocker("", problem, hint)]


def test_what_an_operator_has_in_a_policy() -> None:
    names = (
        "booleans.local ports.local modules/400/mine modules/disabled/telnet disable_dontaudit"
        " modules/100/ssh policy.kern commit_num seusers.linked file_contexts modules/100 x.local"
    )
    assert local_parts(names.split()) == tuple(sorted(names.split()[:5]))


def test_what_is_compiled_of_both() -> None:
    paths = compiled_paths("targeted", ["policy.33", "README", "policy.31"])
    assert {"var/lib/selinux/targeted/active/policy.kern", "etc/selinux/targeted/contexts/files/file_contexts.bin"} <= set(paths)
    assert paths[-2:] == ("etc/selinux/targeted/policy/policy.31", "etc/selinux/targeted/policy/policy.33")
