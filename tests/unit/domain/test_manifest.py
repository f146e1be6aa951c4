"""Manifests: what is rendered is read again, and what is not a manifest is refused with its line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprov.domain.entry import Entry, Kind, parent_of
from reprov.domain.manifest import Manifest, escape, unescape
from reprov.errors import InvalidInput
from tests.builders import a_dir, a_file

DIGEST = "0123456789abcdef" * 4
ROOT = ". type=dir mode=0755 uid=0 gid=0 time=5.000000000"
DIR = "./d type=dir mode=0755 uid=0 gid=0 time=5.000000000"
FILE = f"./d/f type=file mode=4755 uid=0 gid=7 time=5.000000001 size=3 sha256digest={DIGEST} nlink=1"
LINK = "./l type=link mode=0777 uid=0 gid=0 time=5.000000000 link=d"

names = (
    st.binary(min_size=1, max_size=6)
    .map(lambda raw: raw.replace(b"\0", b"\n").replace(b"/", b" ").decode("utf-8", "surrogateescape"))
    .filter(lambda name: name not in (".", ".."))
)
evil_names = st.one_of(
    names, st.sampled_from(["-rf", "a b", "new\nline", "\udcff\udcfe", "*", "[x]", "?", "back\\slash", "#x", "ü", "\\012", "a=b", " "])
)
xattrs = st.lists(st.tuples(names.map("user.".__add__), st.binary(max_size=9)), max_size=2, unique_by=lambda pair: pair[0]).map(
    lambda pairs: tuple(sorted(pairs))
)


@st.composite
def entries(draw: st.DrawFn, path: str, kind: Kind) -> Entry:
    is_file, is_device = kind is Kind.FILE, kind in (Kind.CHAR, Kind.BLOCK)
    return Entry(
        path,
        kind,
        draw(st.integers(0, 0o7777)),
        draw(st.integers(0, 2**32 - 2)),
        draw(st.integers(0, 2**32 - 2)),
        draw(st.integers(-(10**18), 4 * 10**18)),
        draw(st.integers(0, 2**50)) if is_file else 0,
        draw(st.binary(min_size=32, max_size=32)).hex() if is_file else "",
        draw(evil_names) if kind is Kind.LINK else "",
        draw(st.tuples(st.integers(0, 4095), st.integers(0, 2**20 - 1))) if is_device else (0, 0),
        draw(st.integers(0, 3)) if is_file else 0,
        draw(xattrs),
    )


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    kinds = {"": Kind.DIR}
    for parts in draw(st.lists(st.lists(evil_names, min_size=1, max_size=3), max_size=8)):
        path = "/".join(parts)
        while path and path not in kinds:
            kinds[path] = Kind.DIR if any(parent_of(other) == path for other in kinds) else draw(st.sampled_from(list(Kind)))
            path = parent_of(path)
        if kinds[path] is not Kind.DIR:  # nothing can lie below it
            kinds = {other: kind for other, kind in kinds.items() if not other.startswith(path + "/")}
    return Manifest.of([draw(entries(path, kind)) for path, kind in kinds.items()])


@given(manifests())
def test_what_is_rendered_is_read_again(manifest: Manifest) -> None:
    assert Manifest.parse(manifest.render(), "m") == manifest


@given(manifests())
def test_the_order_of_the_entries_does_not_show(manifest: Manifest) -> None:
    assert Manifest.of(reversed(list(manifest.entries.values()))).render() == manifest.render()


@given(names)
def test_an_escaped_name_is_one_printable_word_without_globs(name: str) -> None:
    word = escape(name)
    assert word.isascii() and word.isprintable() and not set(word) & set(" *?[]#=")
    assert unescape(word) == name


def text_of(*lines: str, header: str = "#mtree v2.0") -> str:
    return "\n".join((header, *lines, ""))


def test_hard_links_and_extended_attributes_stand_before_their_entry() -> None:
    common = (Kind.FILE, 0o644, 0, 0, 5_000_000_000, 3, DIGEST, "", (0, 0))
    manifest = Manifest.of(
        [
            Entry("", Kind.DIR, 0o755, 0, 0, 5_000_000_000),
            Entry("a", *common, 1, (("user.x y", b"\0"),)),
            Entry("b", *common, 1),
        ]
    )
    attributes = f"type=file mode=0644 uid=0 gid=0 time=5.000000000 size=3 sha256digest={DIGEST} nlink=2"
    expected = text_of(ROOT, "#@ group=1 xattr.user.x\\040y=AA==", f"./a {attributes}", "#@ group=1", f"./b {attributes}")
    assert manifest.render() == expected


def test_an_entry_of_a_known_line_is_the_known_object() -> None:
    old = Manifest.of([a_dir(""), a_dir("d"), a_file("d/f"), a_file("d/g")._replace(xattrs=(("user.x", b"1"),)), a_file("a b")])
    text = Manifest.of([*old.entries.values(), a_file("d/e")]).render()
    new = Manifest.parse(text, "m", old.lines_of(old.render()))
    assert new == Manifest.parse(text, "m")
    assert [path for path, entry in new.entries.items() if entry is old.entries.get(path)] == ["", "a b", "d", "d/f", "d/g"]


def test_a_label_is_a_word_of_its_own_before_the_entry() -> None:
    label = ("security.selinux", b"system_u:object_r:bin_t:s0:c1,c2\0")
    capability = ("security.capability", b"\1")
    manifest = Manifest.of([a_dir(""), a_file("f")._replace(link_group=7, xattrs=(capability, label))])
    text = manifest.render()
    assert "#@ group=7 xattr.security.capability=AQ== selinux=system_u:object_r:bin_t:s0:c1,c2\n./f " in text
    assert Manifest.parse(text, "m") == manifest


@pytest.mark.parametrize("value", [b"bin_t", b"two words\0", b"two\0zeros\0", b"\xff\0", b"\0", b""])
def test_a_label_that_is_none_is_an_attribute_like_others(value: bytes) -> None:
    manifest = Manifest.of([a_dir("")._replace(xattrs=(("security.selinux", value),))])
    assert "xattr.security.selinux=" in manifest.render()
    assert Manifest.parse(manifest.render(), "m") == manifest


def test_a_known_line_with_another_comment_before_it_is_another_entry() -> None:
    old = Manifest.of([a_dir(""), a_file("f")])
    new = Manifest.of([a_dir(""), a_file("f")._replace(xattrs=(("user.x", b"1"),))])
    assert Manifest.parse(new.render(), "m", old.lines_of(old.render())) == new


BAD_LINES = {
    "an empty line": "",
    "an absolute path": DIR.replace("./d", "/d"),
    "an unknown kind": DIR.replace("dir", "door"),
    "a kind with the keywords of another": DIR.replace("dir", "file"),
    "an unknown keyword in an entry": DIR.replace("mode", "flags"),
    "a word too many": f"{DIR} optional",
    "an unknown keyword before an entry": "#@ colour=red",
    "a comment": "# hello",
    "a comment that belongs to no entry": "#@ group=1",
    "a mode that is not octal": DIR.replace("0755", "0855"),
    "a keyword is missing": "./d type=dir mode=0755",
    "a time without nanoseconds": DIR.replace("000000000", "5"),
    "a size below zero": FILE.replace("size=", "size=-"),
    "a digest that is cut off": FILE.replace(DIGEST, DIGEST[1:]),
    "an attribute that is not base64": "#@ xattr.user.x=!",
}


@pytest.mark.parametrize("line", BAD_LINES.values(), ids=BAD_LINES)
def test_a_line_that_is_none_of_ours_is_refused(line: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Manifest.parse(text_of(ROOT, LINK, line), "m")
    assert caught.value.message == f"m:4: not a line of a manifest: {line[:80]!r}"


OUTSIDE = "is not a path inside the tree"
HANGING = "does not lie in a directory of the manifest"
BAD = {
    "empty": ("", "m:1: not a manifest (it does not start with '#mtree v2.0')"),
    "another header": (text_of(ROOT, header="#mtree v1.0"), "m:1: not a manifest (it does not start with '#mtree v2.0')"),
    "cut off in a line": (text_of(ROOT, DIR)[:-9], "m:3: the manifest is cut off"),
    "cut off before the last newline": (text_of(ROOT, DIR)[:-1], "m:3: the manifest is cut off"),
    "a path outside the tree": (text_of(ROOT, DIR.replace("./d", "./..")), f"m: /.. {OUTSIDE}"),
    "a path that climbs": (text_of(ROOT, DIR, DIR.replace("./d", "./d/..")), f"m: /d/.. {OUTSIDE}"),
    "a path that climbs and comes back": (text_of(ROOT, DIR, DIR.replace("./d", "./d/../x")), f"m: /d/../x {HANGING}"),
    "an absolute path in disguise": (text_of(ROOT, DIR.replace("./d", ".//d")), f"m: //d {OUTSIDE}"),
    "an escaped slash that makes it absolute": (text_of(ROOT, DIR.replace("./d", "./\\057d")), f"m: //d {OUTSIDE}"),
    "an escaped climb": (text_of(ROOT, DIR.replace("./d", "./\\056\\056")), f"m: /.. {OUTSIDE}"),
    "an escaped NUL byte": (text_of(ROOT, DIR.replace("./d", "./\\000")), f"m: /\\x00 {OUTSIDE}"),
    "a path through a symlink": (text_of(ROOT, LINK, FILE.replace("./d/f", "./l/f")), f"m: /l/f {HANGING}"),
    "a path through a file": (text_of(ROOT, DIR, FILE, FILE.replace("./d/f", "./d/f/g")), f"m: /d/f/g {HANGING}"),
    "a directory that is missing": (text_of(ROOT, FILE), f"m: /d/f {HANGING}"),
    "no root": (text_of(DIR), "m: there is no root directory in the manifest"),
    "a header alone": (text_of(), "m: there is no root directory in the manifest"),
    "a path that is listed twice": (text_of(ROOT, DIR, LINK, DIR), "m:5: /d is listed twice"),
    "a path that is listed twice, once escaped": (text_of(ROOT, DIR, DIR.replace("./d", "./\\144")), "m:4: /d is listed twice"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_what_is_not_a_manifest_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Manifest.parse(text, "m")
    assert caught.value.message == message
