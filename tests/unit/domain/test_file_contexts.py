"""Which label the rules of a policy give a path. That libselinux decides the same, the system tier asks setfiles."""

import pytest

from reprov.domain.entry import Kind
from reprov.domain.file_contexts import FileContexts, joined, parse_aliases
from reprov.errors import InvalidInput

FILE, DIR, LINK = Kind.FILE, Kind.DIR, Kind.LINK
RULES = r"""
# a comment
/.*                             a:default:s0
/usr(/.*)?                      a:usr:s0
/usr/bin(/.*)?                  a:bin:s0
/usr/bin/ssh.*          --      a:ssh:s0
/usr/bin/sshd           --      a:sshd:s0
/usr/bin/sshd                   a:sshd-any:s0
/usr/bin/[[:alpha:]]+\.sh       a:script:s0
/usr/lib/(x|y)/z(64)?           a:z:s0
/var/a|/var/b                   a:or:s0
/proc(/.*)?                     <<none>>
/etc/rc\.d/init\.d/x    --      a:init:s0
/opt/w+                         a:plus:s0
/opt/v{2}                       a:twice:s0
/dev/[^/]*              -l      a:link:s0
/                       -d      a:root:s0
"""
CONTEXTS = FileContexts.parse(RULES, "file_contexts")
CASES = {
    "by the most general rule": ("srv/x", FILE, "a:default:s0"),
    "the root by a rule of its own": ("", DIR, "a:root:s0"),
    "the last that matches": ("usr/bin/ls", FILE, "a:bin:s0"),
    "the directory itself": ("usr/bin", DIR, "a:bin:s0"),
    "not what only begins so": ("usr/binary", FILE, "a:usr:s0"),
    "without wildcards before all others, the last of two": ("usr/bin/sshd", FILE, "a:sshd-any:s0"),
    "one of another kind does not count": ("usr/bin/sshfs", LINK, "a:bin:s0"),
    "one of that kind does": ("usr/bin/sshfs", FILE, "a:ssh:s0"),
    "a class of characters by name": ("usr/bin/run.sh", FILE, "a:script:s0"),
    "a dot with a backslash is a dot": ("usr/bin/runxsh", FILE, "a:bin:s0"),
    "alternatives in a group": ("usr/lib/y/z64", FILE, "a:z:s0"),
    "none of them": ("usr/lib/w/z", FILE, "a:usr:s0"),
    "alternatives of the whole": ("var/b", FILE, "a:or:s0"),
    "the first of those need not be the end": ("var/ab", FILE, "a:or:s0"),
    "none, where the policy says so": ("proc/1", DIR, None),
    "a character that may be repeated": ("opt/www", FILE, "a:plus:s0"),
    "one that must be": ("opt/vv", FILE, "a:twice:s0"),
    "a name with a line in it": ("usr/bin/a\nb", FILE, "a:bin:s0"),
    "a name that is not UTF-8": ("usr/bin/\udcff", FILE, "a:bin:s0"),
}


@pytest.mark.parametrize(("path", "kind", "wanted"), CASES.values(), ids=CASES)
def test_the_label_of_a_path(path: str, kind: Kind, wanted: str | None) -> None:
    assert CONTEXTS.find(path, kind) == wanted


@pytest.mark.parametrize(("path", "kind", "wanted"), CASES.values(), ids=CASES)
def test_what_is_written_down_says_the_same(path: str, kind: Kind, wanted: str | None) -> None:
    again = FileContexts.parse(CONTEXTS.render(), "again")
    assert again.find(path, kind) == wanted
    assert [rule[:3] for rule in again.rules] == [rule[:3] for rule in CONTEXTS.rules]


ALIASES = {
    "below an alias": ("lib/x", "a:lib:s0"),
    "the alias itself": ("lib", "a:lib:s0"),
    "not what only begins so": ("library", "a:default:s0"),
    "the operator's, then the distribution's": ("mine/x", "a:lib:s0"),
    "the root": ("chroot/usr/lib/x", "a:lib:s0"),
}


@pytest.mark.parametrize(("path", "wanted"), ALIASES.values(), ids=ALIASES)
def test_an_alias_is_looked_up_where_it_leads(path: str, wanted: str) -> None:
    files = {
        "f": "/.* a:default:s0\n/usr/lib(/.*)? a:lib:s0\n",
        "f.subs": "# mine\n\n/mine /lib\n",
        "f.subs_dist": "/lib /usr/lib\n/chroot /\nnothing\n",
    }
    found = joined(files, "f")
    for contexts in (found, FileContexts.parse(found.render(), "again")):
        assert contexts.find(path, Kind.DIR) == wanted


def test_the_last_alias_is_tried_first() -> None:
    assert parse_aliases("/a /b\n/c /d\n") == (("/c", "/d"), ("/a", "/b"))


def test_the_files_of_a_policy_in_their_order() -> None:
    files = {"f": "/x.* a:1:s0", "f.homedirs": "/x.* a:2:s0", "f.local": "/xy.* a:3:s0", "f.bin": "nothing to read", "f.other": "x"}
    assert [rule.context for rule in joined(files, "f").rules] == ["a:1:s0", "a:2:s0", "a:3:s0"]
    assert joined(files, "f").find("xa", FILE) == "a:2:s0"


BAD = {
    "one word": ("/x", "f:1: not a file context: '/x'"),
    "four words": ("\n/x -- a:b:s0 more", "f:2: not a file context: '/x -- a:b:s0 more'"),
    "no such kind": ("/x -x a:b:s0", "f:1: not a file context: '/x -x a:b:s0'"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_what_is_no_rule(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        FileContexts.parse(text, "f")
    assert caught.value.message == message


def test_an_expression_that_nobody_can_read_is_named() -> None:
    contexts = FileContexts.parse("/.* a:b:s0\n/x/(y a:c:s0\n", "f")
    with pytest.raises(InvalidInput) as caught:
        contexts.check()
    assert caught.value.message == "f:2: '/x/(y' cannot be read (missing ), unterminated subpattern at position 4)"
    CONTEXTS.check()


def test_the_rules_that_differ() -> None:
    after = FileContexts.parse(RULES.replace("a:ssh:s0", "a:other:s0") + "/new a:new:s0\n", "f")
    changed = after.changed_since(CONTEXTS)
    assert sorted(rule.context for rule in changed.rules) == ["a:new:s0", "a:other:s0", "a:ssh:s0"]
    assert [path for path in ("usr/bin/ls", "usr/bin/sshx", "new") if changed.matches(path, FILE)] == ["usr/bin/sshx", "new"]
    assert CONTEXTS.changed_since(CONTEXTS).is_empty


@pytest.mark.parametrize(
    ("rules", "directory", "may"),
    [
        pytest.param("/var/lib/x(/.*)? c", "var/lib/x", True, id="a rule for the directory"),
        pytest.param("/var/lib/x/y/z c", "var/lib/x", True, id="one for something in it"),
        pytest.param("/var/[^/]+/z c", "var/lib/x", True, id="one that may be anywhere"),
        pytest.param("/var/lib/xy(/.*)? c", "var/lib/x", False, id="one for its neighbour"),
        pytest.param("/usr(/.*)? c", "var/lib/x", False, id="one for elsewhere"),
    ],
)
def test_where_it_is_worth_to_look(rules: str, directory: str, may: bool) -> None:
    assert FileContexts.parse(rules, "f").may_match_below(directory) is may


def test_rules_of_a_node_go_before_those_of_the_release() -> None:
    local = FileContexts.parse("/usr/bin/mine.* a:mine:s0\n/srv/x -- a:x:s0", "local")
    both = CONTEXTS.and_then(local)
    assert both.find("usr/bin/mine1", FILE) == "a:mine:s0"
    assert both.find("usr/bin/sshd", FILE) == "a:sshd-any:s0"
    assert both.find("srv/x", FILE) == "a:x:s0"
