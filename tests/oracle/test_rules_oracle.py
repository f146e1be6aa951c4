"""The ownership lists match what rsync matches: generated lists against generated trees, decided by the real rsync.

A case is one list against one tree. Every example holds a tree and a batch of lists, because rsync's processes spend
most of their time waiting for each other: BATCH of them run at once.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from reprov.domain.entry import ancestors_of, show
from reprov.domain.ownership import Owner, Ownership
from reprov.errors import InvalidInput

pytestmark = [pytest.mark.commands, pytest.mark.needs("rsync")]

BATCH = 20
EXCLUDE_EXAMPLES = 65
INCLUDE_EXAMPLES = 45
assert (EXCLUDE_EXAMPLES + INCLUDE_EXAMPLES) * BATCH >= 2000

Tree = dict[bytes, str]
"""Every path of a tree as bytes, and whether it is a dir, a file or a link."""

PIECES = [b"a", b"b", b"ab", b"B", b"7", b".", b"-", b"+", b" ", b"\n", b"\t", b"*", b"?", b"[", b"]", b"!", b"^", b"\\", b"#", b";", b":"]
PIECES += [b"\xff", b"\xc3", "é".encode(), b"\r", b"\x7f", b"a-b", b"- a", b"~"]
WILD = [
    b"*",
    b"**",
    b"***",
    b"?",
    b"[a-b]",
    b"[!a]",
    b"[^a]",
    b"[[:alpha:]]",
    b"[[:punct:][:digit:]]",
    b"[]a]",
    b"[!]a]",
    b"[a\\]]",
    b"[\\a-\\b]",
]
WILD += [
    b"[[:nope:]]",
    b"[[:a]",
    b"[:alpha:]",
    b"[a/b]",
    b"[!b/]",
    b"[--a]",
    b"[b-]",
    b"[a",
    b"[]",
    b"\\*",
    b"\\a",
    b"\\",
    b"[[:space:][:cntrl:]]",
]
WILD += [b"[\x80-\xff]", b"[b-a]", b"[[:upper:]-a]", b"[!-~]"]


def one_of_names() -> st.SearchStrategy[bytes]:
    simple = st.sampled_from([b"a", b"b", b"ab"])
    evil = st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).map(b"".join).filter(lambda name: name not in (b".", b".."))
    return st.one_of(simple, evil)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """A few dozen paths, up to four deep, with names that repeat at different depths."""
    names = draw(st.lists(one_of_names(), min_size=2, max_size=6, unique=True))
    tree: Tree = {}
    leaves = st.tuples(st.lists(st.sampled_from(names), min_size=1, max_size=4), st.sampled_from(["file", "dir", "link"]))
    for parts, kind in draw(st.lists(leaves, min_size=1, max_size=16)):
        above = [b"/".join(parts[:depth]) for depth in range(1, len(parts))]
        if all(tree.get(path, "dir") == "dir" for path in above):
            tree.update(dict.fromkeys(above, "dir"))
            tree.setdefault(b"/".join(parts), kind)
    return tree


@st.composite
def patterns(draw: st.DrawFn, paths: Sequence[bytes]) -> bytes:
    """Half of them made from a path of the tree, so that they match something; the others from anything."""
    if draw(st.booleans()):
        parts = draw(st.sampled_from(paths)).split(b"/")
        parts = parts[draw(st.integers(0, len(parts) - 1)) :] if draw(st.booleans()) else parts
        for at in range(len(parts)):
            change = draw(st.integers(0, 5))
            if change == 0:
                parts[at] = draw(st.sampled_from(WILD))
            elif change == 1:
                parts[at] = parts[at][:1] + draw(st.sampled_from(WILD))
            elif change == 2:
                parts[at] = draw(st.sampled_from(WILD)) + parts[at][-1:]
        pattern = b"/".join(parts)
    else:
        token = st.one_of(st.sampled_from(WILD), st.sampled_from(PIECES), st.just(b"/"))
        pattern = b"".join(draw(st.lists(token, min_size=1, max_size=5)))
    start = draw(st.sampled_from([b"", b"/", b"", b"/", b"**", b"**/", b"*/", b"//"]))
    end = draw(st.sampled_from([b"", b"", b"", b"/", b"/*", b"/**", b"/***", b"***", b"//", b"/***/"]))
    return (start + pattern + end).translate(None, b"\n\r")


@st.composite
def lists(draw: st.DrawFn, paths: Sequence[bytes]) -> bytes:
    """The text of a list, with everything that rsync reads from one; it never ends up without a rule."""
    lines = []
    for _ in range(draw(st.integers(1, 6))):
        form = draw(st.integers(0, 19))
        if form == 0:
            lines.append(draw(st.sampled_from([b"", b"# a", b"; a", b"!", b"! ", b"!a", b" ", b"# ", b"-", b"+", b"- #", b"- ;a"])))
        else:
            prefix = draw(st.sampled_from([b"", b"- ", b"+ ", b"-", b"-  "] if form == 1 else [b"", b"- ", b"+ "]))
            lines.append(prefix + draw(patterns(paths)))
    lines.append(b"- /nothing/has/this/name")
    return draw(st.sampled_from([b"\n", b"\n", b"\r\n", b"\n\n", b"\r"])).join(lines) + draw(st.sampled_from([b"\n", b""]))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Tree, list[bytes]]:
    tree = draw(trees())
    return tree, [draw(lists(sorted(tree))) for _ in range(BATCH)]


def make(tree: Tree, root: Path) -> None:
    for path, kind in sorted(tree.items()):
        full = os.fsencode(root) + b"/" + path
        if kind == "dir":
            os.mkdir(full)  # noqa: PTH102 - a name of bytes
        elif kind == "link":
            os.symlink(b"nowhere", full)  # noqa: PTH211 - a name of bytes
        else:
            os.close(os.open(full, os.O_CREAT | os.O_WRONLY))


def transferred_by_rsync(root: Path, option: str, texts: Sequence[bytes]) -> list[set[bytes] | None]:
    """What rsync would transfer of the tree, list by list; None where it refuses the list."""
    running = []
    for number, text in enumerate(texts):
        list_file = root.parent / f"list-{number}"
        list_file.write_bytes(text)
        argv = ["rsync", "-rln8", "--out-format=%n", f"{option}={list_file}", f"{root}/", f"{root.parent}/absent/"]
        running.append(
            subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"})
        )
    found: list[set[bytes] | None] = []
    for process in running:
        output, complaint = process.communicate()
        if process.returncode == 0:
            found.append({unescape(line).rstrip(b"/") for line in output.split(b"\n")[:-1] if line != b"./"})
        else:
            assert b"unexpected end of filter rule" in complaint, complaint
            found.append(None)
    return found


def unescape(line: bytes) -> bytes:
    """The name that rsync printed; it writes what is not printable as a backslash, # and three octal digits."""
    return re.sub(rb"\\#([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), line)


def of_owner(tree: Tree, ownership: Ownership, owners: tuple[Owner, ...]) -> set[bytes]:
    return {path for path, kind in tree.items() if ownership.of(os.fsdecode(path), is_dir=kind == "dir").owner in owners}


def disagreements(tree: Tree, option: str, texts: Sequence[bytes], scratch: Path) -> list[tuple[bytes, str]]:
    """The lists on which rsync and the ownership rules differ, and how."""
    with tempfile.TemporaryDirectory(dir=scratch) as directory:
        root = Path(directory, "tree")
        root.mkdir()
        make(tree, root)
        answers = transferred_by_rsync(root, option, texts)
    found = [(text, disagreement(tree, option, text, theirs)) for text, theirs in zip(texts, answers, strict=True)]
    return [(text, how) for text, how in found if how]


def disagreement(tree: Tree, option: str, text: bytes, theirs: set[bytes] | None) -> str:
    try:
        if option == "--exclude-from":
            ownership = Ownership.parse([("list", text)], [("none", b"- *\n")])
            ours = of_owner(tree, ownership, (Owner.IMAGE,))
        else:
            ownership = Ownership.parse([("none", b"/nothing/has/this/name")], [("list", text)])
            ours = of_owner(tree, ownership, (Owner.ADD_ONLY,))
    except InvalidInput as error:
        refused_by_both = theirs is None and "a rule without a pattern" in error.message
        return "" if refused_by_both else f"rsync {'refuses' if theirs is None else 'reads'} the list, but: {error.message}"
    if theirs is None:
        return "rsync refuses the list"
    wrong = sorted(os.fsdecode(path) for path in ours ^ theirs)
    tops = [path for path in wrong if not set(ancestors_of(path)) & set(wrong)]
    said = [f"{show(path)} ({tree[os.fsencode(path)]}): rsync {'takes' if os.fsencode(path) in theirs else 'leaves'} it" for path in tops]
    return "; ".join(said)


def compare(tree: Tree, option: str, texts: Sequence[bytes], scratch: Path) -> None:
    """Fail with the smallest list and tree that still show the first disagreement."""
    for text, _ in disagreements(tree, option, texts, scratch):
        small_tree, small_text = shrink(tree, option, text, scratch)
        _, how = disagreements(small_tree, option, [small_text], scratch)[0]
        pytest.fail(f"the list {small_text!r} on the tree {small_tree!r}: {how}")


def shrink(tree: Tree, option: str, text: bytes, scratch: Path) -> tuple[Tree, bytes]:
    # hypothesis would shrink the whole batch, which takes minutes; one list is done in a second or two.
    for line in text.splitlines(keepends=True):
        shorter = text.replace(line, b"", 1)
        if disagreements(tree, option, [shorter], scratch):
            text = shorter
    for path in sorted(tree, reverse=True):
        smaller = {other: kind for other, kind in tree.items() if other != path and not other.startswith(path + b"/")}
        if disagreements(smaller, option, [text], scratch):
            tree = smaller
    return tree, text


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rules")


CHECKS = settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    phases=[Phase.reuse, Phase.generate],
)


@settings(CHECKS, max_examples=EXCLUDE_EXAMPLES)
@given(case=cases())
def test_a_keep_list_keeps_what_rsync_excludes(case: tuple[Tree, list[bytes]], scratch: Path) -> None:
    tree, texts = case
    compare(tree, "--exclude-from", texts, scratch)


@settings(CHECKS, max_examples=INCLUDE_EXAMPLES)
@given(case=cases())
def test_an_add_only_list_that_ends_in_a_catch_all_adds_what_rsync_includes(case: tuple[Tree, list[bytes]], scratch: Path) -> None:
    tree, texts = case
    compare(tree, "--include-from", [text + b"\n- *\n" for text in texts], scratch)


MIXTURES = 10
MIXTURE_EXAMPLES = 40
CATCH_ALL = b"\n- *\n"


class Mixture(NamedTuple):
    """The three lists of a release; the last two end in a catch-all, so that rsync takes only what they include."""

    keep: bytes
    add_only: bytes
    merge: bytes

    @property
    def for_rsync(self) -> tuple[bytes, bytes, bytes]:
        """With what rsync does not know written as it would have to be."""
        return self.keep, self.add_only, re.sub(rb"(?m)(^|(?<=\r))merge=text ", b"+ ", self.merge)


@st.composite
def mixtures(draw: st.DrawFn) -> tuple[Tree, list[Mixture]]:
    tree = draw(trees())
    paths = sorted(tree)

    def mixture() -> Mixture:
        by_line = draw(st.lists(patterns(paths), max_size=2))
        merge = b"".join(b"merge=text " + pattern + b"\n" for pattern in by_line) + draw(lists(paths))
        return Mixture(draw(lists(paths)), draw(lists(paths)) + CATCH_ALL, merge + CATCH_ALL)

    return tree, [mixture() for _ in range(MIXTURES)]


def misjudged(tree: Tree, mixed: Sequence[Mixture], scratch: Path) -> list[str]:
    """How the classes differ from those that rsync's answers to the three lists make, mixture by mixture; "" for none."""
    with tempfile.TemporaryDirectory(dir=scratch) as directory:
        root = Path(directory, "tree")
        root.mkdir()
        make(tree, root)
        keep = transferred_by_rsync(root, "--exclude-from", [mixture.for_rsync[0] for mixture in mixed])
        add_only = transferred_by_rsync(root, "--include-from", [mixture.for_rsync[1] for mixture in mixed])
        merge = transferred_by_rsync(root, "--include-from", [mixture.for_rsync[2] for mixture in mixed])
    return [misjudgement(tree, mixture, answers) for mixture, *answers in zip(mixed, keep, add_only, merge, strict=True)]


def misjudgement(tree: Tree, mixture: Mixture, answers: Sequence[set[bytes] | None]) -> str:
    try:
        ownership = Ownership.parse([("k", mixture.keep)], [("a", mixture.add_only)], [("m", mixture.merge)])
    except InvalidInput as error:
        return "" if None in answers and "a rule without a pattern" in error.message else f"refused: {error.message}"
    open_to_image, added, merged = answers
    if open_to_image is None or added is None or merged is None:
        return "rsync refuses a list"
    for path, kind in sorted(tree.items()):
        if path not in open_to_image:
            expected = Owner.KEEP
        else:
            expected = Owner.ADD_ONLY if path in added else Owner.MERGE if path in merged else Owner.IMAGE
        found = ownership.of(os.fsdecode(path), is_dir=kind == "dir").owner
        if found is not expected:
            return f"{show(os.fsdecode(path))} ({kind}) is {found}, by rsync {expected}"
    return ""


@settings(CHECKS, max_examples=MIXTURE_EXAMPLES)
@given(case=mixtures())
def test_three_lists_together_make_the_classes_that_rsync_makes_of_each(case: tuple[Tree, list[Mixture]], scratch: Path) -> None:
    tree, mixed = case
    for mixture, how in zip(mixed, misjudged(tree, mixed, scratch), strict=True):
        assert not how, f"{mixture!r} on the tree {tree!r}: {how}"


EVIL: Tree = {
    b"a": "dir",
    b"a/b": "dir",
    b"a/b/c": "dir",
    b"a/b/c/f": "file",
    b"a/b/f": "link",
    b"a/[x]": "file",
    b"a/b*": "file",
    b"a/bb": "file",
    b"b": "dir",
    b"b/a": "dir",
    b"b/a/b": "dir",
    b"b/a/b/f": "file",
    b"b/new\nline": "file",
    b"b/\xff\xfe": "file",
    b"b/\xc3\xa9": "file",
    b"-dash": "file",
    b"- dash": "file",
    b"#hash": "file",
    b";semi": "file",
    b"!": "file",
    b"back\\slash": "file",
    b"backslash": "file",
    b"sp ace": "dir",
    b"sp ace/f ": "file",
    b"**": "file",
    b"a.b": "file",
    b"]": "file",
    b"^": "file",
    b"A": "file",
}

KNOWN = {
    "an anchored name": b"/a",
    "an anchored name with a slash at its end spares files": b"/A/",
    "a name at any depth": b"f",
    "two components at any depth": b"a/b",
    "two components are not found across one": b"a/f",
    "one star does not cross a slash": b"/a/*/f",
    "two stars cross slashes": b"/a/**/f",
    "two stars at the start also match at the top": b"**/a",
    "two stars without a slash are matched against the path": b"b**f",
    "three stars match the directory and what is in it": b"/a/***",
    "three stars at any depth": b"a/***",
    "two stars leave the directory": b"/a/**",
    "two stars at the end of a floating pattern": b"a/**",
    "a question mark is one byte": b"/b/?",
    "two question marks are the two bytes of a letter": b"/b/??",
    "a question mark is no slash": b"/a?b",
    "a negated class is no slash": b"/a[!x]b",
    "a class that names the slash is no slash": b"/a[/]b",
    "a slash in brackets counts as one": b"a[/]b",
    "a backslash is itself in a pattern without wildcards": b"back\\slash",
    "a backslash escapes once there are wildcards": b"back\\sl*",
    "two backslashes are one once there are wildcards": b"back\\\\sl*",
    "an escaped star": b"/a/b\\*",
    "an escaped bracket without wildcards is one": b"a/\\[x\\]",
    "a bracket that is first is a member": b"[]]",
    "a negated bracket that is first is a member": b"[!]]",
    "a caret negates, too": b"[^^]",
    "an open class matches nothing": b"[a",
    "an unknown class matches nothing": b"[[:nope:]]",
    "a backslash at the end matches nothing": b"back*\\",
    "a range of bytes above ASCII": b"/b/[\x80-\xff]*",
    "a plus brings a name back": b"+ f\n- /a/b/*",
    "what lies in an excluded directory cannot be brought back": b"+ /a/b/f\n- /a",
    "an exclamation mark clears": b"- a\n!\n- b",
    "an exclamation mark with more is a name": b"!\n- !\n",
    "a comment is a comment only at the start": b"# a\n; a\n- #hash",
    "a prefix without its space is part of the name": b"-dash",
    "a prefix with two spaces leaves one": b"-  a",
    "space at the end of a line counts": b"f ",
    "carriage returns end lines": b"a\rb\r\n",
    "a slash alone matches nothing": b"/",
    "two slashes at the end match nothing": b"a//",
    "two slashes at the start match nothing": b"//a\n//**",
    "everything": b"*",
    "everything with three stars": b"***",
    "everything below the top": b"/*/*",
    "a dot is not the root": b".",
    "an escaped star before a star still counts as two": b"\\**b",
}
MIXED = [
    Mixture(b"+ /a/b/c/\n- /a/b/*", b"- /a/b/\n/a/***\n- *", b"merge=text /a/b/f\n/b/**\n- *"),
    Mixture(b"- /b/a", b"+ /a/\n+ /a/b/\n- *", b"/a/***\n- f\n/b/***\n- *"),
    Mixture(b"+ f\n- /a/b/*", b"- f\n+ /a/***\n- *", b"- /a/b/c\n/a/***\n- *"),
    Mixture(b"- f", b"- b\n+ **\n- *", b"+ *\n- *"),
    Mixture(b"- /sp ace/**", b"+ /sp ace/***\n- *", b"+ sp ace\n+ [[:punct:]]*\n- *"),
    Mixture(b"!\n- \\**b", b"+ ?\n!\n+ a*\n- *", b"merge=text *b*\n- *"),
]


@pytest.mark.parametrize("option", ["--exclude-from", "--include-from"])
def test_what_lists_are_made_of_means_what_it_means_to_rsync(option: str, scratch: Path) -> None:
    ending = b"" if option == "--exclude-from" else b"\n- *\n"
    compare(EVIL, option, [text + b"\n- /nothing/has/this/name" + ending for text in KNOWN.values()], scratch)


@pytest.mark.parametrize("mixture", MIXED, ids=repr)
def test_mixtures_of_plus_and_minus_make_the_classes_that_rsync_makes_of_each(mixture: Mixture, scratch: Path) -> None:
    assert misjudged(EVIL, [mixture], scratch) == [""]
