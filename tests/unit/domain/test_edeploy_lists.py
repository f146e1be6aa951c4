"""eDeploy's lists in reprov's words, and what is said of them."""

import pytest

from reprov.domain.edeploy_lists import Topic, Translation, translate
from reprov.domain.ownership import Owner, Ownership
from reprov.errors import InvalidInput

VAR = b"+ /var/\n+ /var/**\n- *\n"


def translated(exclude: bytes, add_only: bytes = VAR) -> Translation:
    return translate(("m/exclude", exclude), ("m/add_only", add_only))


def test_the_exclude_list_says_where_each_rule_stood_and_keeps_its_comments() -> None:
    assert translated(b"; by hand\n/dev/\n+ /a\n\n/b \r\n# c\xff\n- d\xff\n").exclude == (
        b"# What the node keeps, from m/exclude of eDeploy. First match wins, syntax of rsync --exclude-from.\n"
        b"\n# by hand\n"
        b"\n# m/exclude:2-3\n- /dev/\n+ /a\n"
        b"\n# m/exclude:5\n- /b \n"
        b"\n# c\xff\n"
        b"\n# m/exclude:7\n- d\xff\n"
    )


def test_the_add_only_list_is_told_and_says_nothing() -> None:
    lines = translated(b"/dev/\n").add_only.decode().splitlines()
    assert lines[4:] == ["# m/add_only:1-3", "#   + /var/", "#   + /var/**", "#   - *", "", "- *"]
    assert all(line.startswith("#") for line in lines[:4])


@pytest.mark.parametrize(
    "exclude",
    [
        pytest.param(b"/dev/\n!\n/a\n", id="an exclamation mark clears"),
        pytest.param(b"#c\r/a\n", id="a carriage return ends a comment"),
        pytest.param(b"- /a\n- !\n- #b\n- ;c\n", id="names that look like something else"),
    ],
)
def test_the_written_list_reads_as_the_one_that_was_read(exclude: bytes) -> None:
    lists = translated(exclude)
    written = Ownership.parse([("e", lists.exclude)], [("a", lists.add_only)])
    read = Ownership.parse([("e", exclude)], [("a", b"- *\n")])
    for path in ("a", "dev", "!", "#b", ";c", "b"):
        assert written.of(path, is_dir=True).owner is read.of(path, is_dir=True).owner
    assert written.of("a", is_dir=True).owner is Owner.KEEP


def patterns(exclude: bytes, add_only: bytes, topic: Topic) -> list[str]:
    return [rule.pattern for said in translated(exclude, add_only).differences if said.topic is topic for rule in said.rules]


@pytest.mark.parametrize(
    ("pattern", "add_only", "entered", "made"),
    [
        pytest.param("/var/log/", VAR, True, False, id="a directory that the default list goes into"),
        pytest.param("/var/lib/x/*", VAR, True, False, id="what is in such a directory"),
        pytest.param("/etc/hosts", VAR, False, True, id="a path that it does not come to"),
        pytest.param("/etc/rc.local*", VAR, False, True, id="nor to any that a pattern matches"),
        pytest.param("*.key", VAR, True, True, id="a name at any depth may be either"),
        pytest.param("*.key", b"- *\n", False, True, id="unless nothing is added at all"),
        pytest.param("/a/", b"+ /var/**\n", True, False, id="a list without an end takes everything"),
        pytest.param("/var/log/", b"+ /var/\n+ /var/log/\n- *\n", True, True, id="a directory without its content is both"),
        pytest.param("/var/log/", b"+ /var/\n- /var/log/x\n+ /var/**\n- *\n", True, True, id="one with an exception, too"),
    ],
)
def test_what_the_second_pass_did(pattern: str, add_only: bytes, entered: bool, made: bool) -> None:
    exclude = pattern.encode() + b"\n"
    assert patterns(exclude, add_only, Topic.ENTERED) == ([pattern] if entered else [])
    assert patterns(exclude, add_only, Topic.MADE) == ([pattern] if made else [])


@pytest.mark.parametrize(
    ("exclude", "concerned"),
    [
        pytest.param(b"/a\n/b/\n/c/***\n/d/**\n", ["/b/", "/c/***"], id="a rule that is for directories"),
        pytest.param(b"/a\n+ /b/\n/b\n", ["/b"], id="a rule after one that brings only directories back"),
    ],
)
def test_rules_under_which_a_file_is_not_what_a_directory_is(exclude: bytes, concerned: list[str]) -> None:
    assert patterns(exclude, b"- *\n", Topic.KIND) == concerned


def test_the_sentences() -> None:
    said = [item.text for item in translated(b"/var/a/\n/var/b/\n\n/var/c\n/var/d\n/var/e\n/etc/f\n").differences]
    assert said == [
        "m/exclude:1-2,4-6 (/var/a/, /var/b/, /var/c, /var/d and 1 more): where this keeps a directory that the node has, nothing is made "
        "in it: eDeploy's second pass added the image's own files to the node's data, and set the image's owner and mode on the directory",
        "m/exclude:7 (/etc/f): what the image has of this and the node lacks is made: eDeploy did not make what add_only leaves out; take "
        "it out of the tree if no node may get it",
        "m/exclude:1-2,4-6 (/var/a/, /var/b/, /var/c, /var/d and 1 more): what the node has there stays also where it, or the image's, is "
        "no directory (a link to a data disk): eDeploy deleted it, or wrote through the link",
        "/: a name in the root directory that no release brought stays: eDeploy deleted it unless exclude named it",
    ]


def test_a_rule_that_brings_a_path_back_is_no_difference() -> None:
    assert patterns(b"+ /var/a/\n- /var/a/\n", VAR, Topic.ENTERED) == ["/var/a/"]
    assert translated(b"+ /var/a/\n- /var/a/\n").differences[0].text.startswith("m/exclude:2 (/var/a/): ")


@pytest.mark.parametrize(
    ("exclude", "add_only", "message"),
    [
        pytest.param(b"# nothing\n", VAR, "m/exclude: holds no rule", id="an exclude list without a rule"),
        pytest.param(b"/a\n", b"\n", "m/add_only: holds no rule", id="an add_only list without a rule"),
        pytest.param(b"/a\n- \n", VAR, "m/exclude:2: a rule without a pattern", id="a rule that rsync refuses"),
    ],
)
def test_a_list_that_cannot_be_read(exclude: bytes, add_only: bytes, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        translated(exclude, add_only)
    assert refused.value.message == message
