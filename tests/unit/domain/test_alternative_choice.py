"""What an operator chose among the candidates of a release, in the next one. (With the real program: system/test_alternatives.py.)"""

from typing import NamedTuple

import pytest

from reprov.domain.alternative_choice import Choices, Tree, find_choices, names_touched
from reprov.domain.alternatives import AUTO, Mode, admin_path, link_path
from reprov.domain.entry import Entry
from reprov.domain.ownership import Ownership
from reprov.domain.scan import Scan
from tests.builders import a_dir, a_file, a_link, a_tree

NEVER = b"/nothing/has/this/name\n"
IMAGE = Ownership.parse([("k", NEVER)], [("a", NEVER)], [("m", b"/etc/**\n")])
ADMIN, LINK, PAGE, PUBLIC_PAGE = admin_path("ed"), link_path("ed"), link_path("ed.1"), "usr/man/ed.1"


def known(manual: bool = False, programs: str = "ab", pages: str = "ab") -> bytes:
    """The file of `ed`, whose candidates /bin/a, ... are the better the earlier they are named."""
    listed = "".join(
        f"/bin/{program}\n{50 - number}\n{f'/usr/man/{program}.1' if program in pages else ''}\n" for number, program in enumerate(programs)
    )
    return f"{'manual' if manual else 'auto'}\n/usr/bin/ed\ned.1\n/usr/man/ed.1\n\n{listed}\n".encode()


def tree(content: bytes, chosen: str, *more: Entry, programs: str = "ab") -> Tree:
    """A merged-usr tree with these programs, whose `ed` leads to a program."""
    files = [a_file(f"usr/bin/{program}") for program in programs] + [a_file(f"usr/man/{program}.1") for program in programs]
    links = [a_link("bin", "usr/bin"), a_link(LINK, f"/bin/{chosen}"), a_link("usr/bin/ed", f"/{LINK}")]
    return Tree(a_tree(*files, *links, a_file(ADMIN, content.decode()), *more), {ADMIN: content})


class World(NamedTuple):
    was: Mode | None
    ours: Tree
    theirs: Tree
    links: dict[str, str]
    content: bytes | None
    notes: int = 0


RELEASED = tree(known(), "a")
CHOSEN_B = tree(known(manual=True), "b")
WITH_B = {LINK: "/bin/b", "usr/bin/ed": f"/{LINK}", PAGE: "/usr/man/b.1", PUBLIC_PAGE: f"/{PAGE}"}
WORLDS = {
    "nobody chose": World(AUTO, RELEASED, RELEASED, {}, known()),
    "the node chose": World(AUTO, CHOSEN_B, RELEASED, WITH_B, known(manual=True)),
    "candidates are the new release's": World(
        AUTO, CHOSEN_B, tree(known(programs="cba"), "c", programs="abc"), WITH_B, known(manual=True, programs="cba")
    ),
    "a candidate without a page has none": World(
        AUTO, CHOSEN_B, tree(known(pages="a"), "a"), {**WITH_B, PAGE: "", PUBLIC_PAGE: ""}, known(manual=True, pages="a")
    ),
    "a page that the release lacks is not linked": World(
        AUTO, CHOSEN_B, Tree({**RELEASED.entries, "usr/man/b.1": a_link("usr/man/b.1", "gone")}, RELEASED.contents),
        {**WITH_B, PAGE: "", PUBLIC_PAGE: ""}, known(manual=True),
    ),
    "a file in the place of a link stays": World(
        AUTO, CHOSEN_B, tree(known(), "a", a_file(PUBLIC_PAGE)), {path: to for path, to in WITH_B.items() if path != PUBLIC_PAGE},
        known(manual=True),
    ),
    "the node took the release's choice back": World(
        Mode(True, "/bin/b"), RELEASED, CHOSEN_B, {LINK: "/bin/a", "usr/bin/ed": f"/{LINK}", PAGE: "/usr/man/a.1", PUBLIC_PAGE: f"/{PAGE}"},
        known(),
    ),
    "both chose the same": World(AUTO, CHOSEN_B, CHOSEN_B, {}, known(manual=True)),
    "the release chose": World(AUTO, RELEASED, CHOSEN_B, {}, None),
    "what was chosen is no candidate any more": World(AUTO, CHOSEN_B, tree(known(programs="a"), "a"), {}, None, 1),
    "what was chosen is not there any more": World(AUTO, CHOSEN_B, tree(known(), "a", programs="a"), {}, None, 1),
    "there is no such name any more": World(AUTO, CHOSEN_B, Tree(a_tree(a_dir("usr")), {}), {}, None, 1),
}  # fmt: skip


def found(world: World, ownership: Ownership = IMAGE) -> Choices:
    return find_choices({"ed": world.was}, world.ours, world.theirs, ownership)


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_what_becomes_of_a_choice(world: World) -> None:
    choices = found(world)
    assert (dict(choices.links), choices.contents.get(ADMIN), len(choices.notes)) == (world.links, world.content, world.notes)
    assert choices.decided == {LINK, PAGE}


NOT_OURS = {
    "a link that was made by hand": (AUTO, tree(known(), "b"), RELEASED),
    "a name that no release ever had": (None, CHOSEN_B, Tree(a_tree(a_dir("usr")), {})),
    "a file that cannot be read": (AUTO, tree(b"manual\n", "b"), RELEASED),
}


@pytest.mark.parametrize(("was", "ours", "theirs"), NOT_OURS.values(), ids=NOT_OURS)
def test_what_is_no_choice_is_left_to_the_merge(was: Mode | None, ours: Tree, theirs: Tree) -> None:
    choices = found(World(was, ours, theirs, {}, None))
    assert (choices.links, choices.contents, choices.decided, choices.notes) == ({}, {}, frozenset(), ())


def test_a_link_that_a_list_gives_to_the_node_is_its_own() -> None:
    keeping = Ownership.parse([("k", b"/usr/man/\n")], [("a", NEVER)], [("m", b"/etc/**\n")])
    assert found(WORLDS["the node chose"], keeping).links == {path: to for path, to in WITH_B.items() if path != PUBLIC_PAGE}


def scanned(of: Tree) -> Scan:
    return Scan(of.entries, {}, {}, ("",), frozenset())


TOUCHED = {
    "as the release has it": (RELEASED, RELEASED, IMAGE, ()),
    "other content": (CHOSEN_B, RELEASED, IMAGE, ("ed",)),
    "another link": (tree(known(), "b"), RELEASED, IMAGE, ("ed",)),
    "another time": (
        Tree({**RELEASED.entries, ADMIN: RELEASED.entries[ADMIN]._replace(mtime_ns=1)}, RELEASED.contents), RELEASED, IMAGE, ("ed",),
    ),
    "only on the node": (RELEASED, Tree({}, {}), IMAGE, ("ed",)),
    "a file of the node's by a list": (
        CHOSEN_B, RELEASED, Ownership.parse([("k", b"/var/lib/dpkg/alternatives/\n")], [("a", NEVER)]), ()
    ),
}  # fmt: skip


@pytest.mark.parametrize(("ours", "base", "ownership", "names"), TOUCHED.values(), ids=TOUCHED)
def test_only_names_that_somebody_touched_are_looked_at(ours: Tree, base: Tree, ownership: Ownership, names: tuple[str, ...]) -> None:
    assert names_touched(scanned(ours), base.entries, ownership) == names
