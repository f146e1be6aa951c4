"""Files of update-alternatives as dpkg writes them."""

import pytest

from reprov.domain.alternatives import AUTO, Candidate, Group, Member, Mode

EDITOR = b"""\
auto
/usr/bin/editor
editor.1.gz
/usr/share/man/man1/editor.1.gz
editor.fr.gz
/usr/share/man/man1/editor.fr.gz

/usr/bin/ed
-100


/usr/bin/nano
40
/usr/share/man/man1/nano.1.gz

/usr/bin/vi3
40
/usr/share/man/man1/vi3.1.gz
/usr/share/man/man1/vi3.fr.gz

"""
"""As update-alternatives 1.21.22 wrote it."""


def editor(content: bytes = EDITOR) -> Group:
    group = Group.parse("editor", content)
    assert group is not None
    return group


def test_a_file_says_which_links_there_are_and_what_may_be_chosen() -> None:
    page, french = "/usr/share/man/man1/editor.1.gz", "/usr/share/man/man1/editor.fr.gz"
    assert editor().members == (Member("editor", "/usr/bin/editor"), Member("editor.1.gz", page), Member("editor.fr.gz", french))
    assert editor().candidates == (
        Candidate("/usr/bin/ed", -100, ("", "")),
        Candidate("/usr/bin/nano", 40, ("/usr/share/man/man1/nano.1.gz", "")),
        Candidate("/usr/bin/vi3", 40, ("/usr/share/man/man1/vi3.1.gz", "/usr/share/man/man1/vi3.fr.gz")),
    )


def test_a_candidate_gives_every_member_something_or_nothing() -> None:
    given = [(member.name, target) for member, target in editor().given_by(editor().candidates[1])]
    assert given == [("editor", "/usr/bin/nano"), ("editor.1.gz", "/usr/share/man/man1/nano.1.gz"), ("editor.fr.gz", "")]


MODES = {
    "the best in mode auto": (b"auto", "/usr/bin/nano", AUTO),
    "another one in mode auto was made by hand": (b"auto", "/usr/bin/vi3", None),
    "what an operator chose": (b"manual", "/usr/bin/vi3", Mode(True, "/usr/bin/vi3")),
    "the best when an operator chose it": (b"manual", "/usr/bin/nano", Mode(True, "/usr/bin/nano")),
}


@pytest.mark.parametrize(("word", "chosen", "mode"), MODES.values(), ids=MODES)
def test_mode_and_link_say_who_chose(word: bytes, chosen: str, mode: Mode | None) -> None:
    assert editor(EDITOR.replace(b"auto", word)).mode(chosen) == mode


def test_a_group_is_written_as_it_was_but_for_its_mode() -> None:
    assert editor().written(manual=False) == EDITOR
    assert editor().written(manual=True) == EDITOR.replace(b"auto", b"manual")


def test_names_that_are_no_utf_8_stay_what_they_are() -> None:
    odd = EDITOR.replace(b"nano", b"n\xe9no")
    assert editor(odd).written(manual=False) == odd


BAD = {
    "nothing": b"",
    "another mode": EDITOR.replace(b"auto", b"automatic"),
    "an end in the middle": EDITOR[:-40],
    "no candidate": EDITOR.partition(b"\n\n")[0] + b"\n\n",
    "a priority that is no number": EDITOR.replace(b"-100", b"low"),
    "a name that leads elsewhere": EDITOR.replace(b"\neditor.1.gz", b"\n../editor.1.gz"),
    "a link that leads nowhere": EDITOR.replace(b"/usr/bin/editor", b"usr/bin/editor"),
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_what_update_alternatives_would_not_read_is_no_group(content: bytes) -> None:
    assert Group.parse("editor", content) is None
