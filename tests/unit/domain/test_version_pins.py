"""Pins in a configuration file, and the way back to every byte of it."""

import pytest
from hypothesis import given

from reprov.domain.version_pins import REMARK, Prior, pinned, restored, wrong_pins
from tests.oslo_texts import PINS, TEXTS

SECTION = "upgrade_levels"
AUTO = {"compute": "auto"}
R = REMARK


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("[upgrade_levels]\ncompute = xena\n", f"[upgrade_levels]\n{R}\ncompute = auto\n", id="in place of another value"),
        pytest.param(
            "[upgrade_levels]\ncompute=auto\n", "[upgrade_levels]\ncompute=auto\n", id="nothing, where the value is there already"
        ),
        pytest.param("[upgrade_levels]\ncompute: 'auto'\n", "[upgrade_levels]\ncompute: 'auto'\n", id="and written otherwise"),
        pytest.param(
            "[upgrade_levels]\n#compute = <None>\n[x]\n",
            f"[upgrade_levels]\n{R}\ncompute = auto\n#compute = <None>\n[x]\n",
            id="below the header where there is none",
        ),
        pytest.param("[upgrade_levels]\ncompute = auto\n  \n", "[upgrade_levels]\ncompute = auto\n  \n", id="a blank line ends a value"),
        pytest.param(
            "[upgrade_levels]\n[x]\n[upgrade_levels]\n",
            f"[upgrade_levels]\n[x]\n[upgrade_levels]\n{R}\ncompute = auto\n",
            id="below the last of two headers",
        ),
        pytest.param(
            "[DEFAULT]\na = 1\n",
            f"[DEFAULT]\na = 1\n[upgrade_levels]\n{R}\ncompute = auto\n",
            id="in a section of its own where there is none",
        ),
        pytest.param("", f"[upgrade_levels]\n{R}\ncompute = auto\n", id="in an empty file"),
        pytest.param(
            "a = 1", f"a = 1\n[upgrade_levels]\n{R}\ncompute = auto", id="a last line without an end: the new one has none either"
        ),
        pytest.param(
            "[upgrade_levels]\ncompute = a\ncompute = b\n",
            f"[upgrade_levels]\ncompute = a\n{R}\ncompute = auto\n",
            id="of repeated keys the last one, which counts",
        ),
        pytest.param(
            "[upgrade_levels]\ncompute = a\n[x]\ncompute = c\n[UPGRADE_LEVELS]\ncompute = b\n",
            f"[upgrade_levels]\ncompute = a\n[x]\ncompute = c\n[UPGRADE_LEVELS]\n{R}\ncompute = auto\n",
            id="of a section that stands twice the last one",
        ),
        pytest.param(
            "[upgrade_levels]\ncompute = a,\n  b,\n\tc\nconductor = x\n",
            f"[upgrade_levels]\n{R}\ncompute = auto\nconductor = x\n",
            id="with the lines in which the value goes on",
        ),
        pytest.param(
            "[upgrade_levels]\r\ncompute = a\r\n", f"[upgrade_levels]\r\n{R}\r\ncompute = auto\r\n", id="lines that end as in Windows"
        ),
        pytest.param(
            "[upgrade_levels\ncompute = a\n",
            f"[upgrade_levels\ncompute = a\n[upgrade_levels]\n{R}\ncompute = auto\n",
            id="not below what is no header",
        ),
        pytest.param(
            "[x]\nb = 1\x0b[upgrade_levels]\n",
            f"[x]\nb = 1\x0b[upgrade_levels]\n[upgrade_levels]\n{R}\ncompute = auto\n",
            id="a line ends where it ends for oslo.config",
        ),
    ],
)
def test_where_a_pin_is_written(text: str, wanted: str) -> None:
    found = pinned(text, SECTION, AUTO)
    assert found.text == wanted
    assert restored(found.text, SECTION, found.prior) == (text, ())


def test_several_pins_stand_in_their_order() -> None:
    found = pinned("", SECTION, {"compute": "auto", "conductor": "xena"})
    assert found.text == f"[upgrade_levels]\n{R}\ncompute = auto\n{R}\nconductor = xena\n"


@given(TEXTS, PINS)
def test_pinned_and_restored_is_what_it_was(text: str, pins: dict[str, str]) -> None:
    found = pinned(text, SECTION, pins)
    assert restored(found.text, SECTION, found.prior) == (text, ())


@given(TEXTS, PINS, PINS)
def test_pinned_again_nothing_changes_and_with_other_pins_it_is_as_if_they_were_the_first(
    text: str, pins: dict[str, str], others: dict[str, str]
) -> None:
    found = pinned(text, SECTION, pins)
    assert pinned(found.text, SECTION, pins, found.prior) == found
    assert pinned(found.text, SECTION, others, found.prior) == pinned(text, SECTION, others)


@given(TEXTS, PINS)
def test_an_interruption_between_the_note_and_the_file_does_no_harm(text: str, pins: dict[str, str]) -> None:
    found = pinned(text, SECTION, pins)
    assert restored(text, SECTION, found.prior) == (text, ())
    assert pinned(text, SECTION, pins, found.prior) == found


@pytest.mark.parametrize(
    ("before", "edit", "wanted", "left"),
    [
        pytest.param(
            "[upgrade_levels]\ncompute = xena\n",
            ("compute = auto", "compute = 5.0"),
            f"[upgrade_levels]\n{R}\ncompute = 5.0\n",
            ("compute",),
            id="a value that was changed since is left",
        ),
        pytest.param(
            "[upgrade_levels]\ncompute = xena\n",
            (f"{R}\ncompute = auto\n", ""),
            "[upgrade_levels]\n",
            ("compute",),
            id="one that was removed since is not brought back",
        ),
        pytest.param(
            "[upgrade_levels]\ncompute = xena\n",
            (f"{R}\n", ""),
            "[upgrade_levels]\ncompute = xena\n",
            (),
            id="the remark alone was removed",
        ),
        pytest.param(
            "a = 1\n",
            ("compute = auto\n", "compute = auto\nconductor = x\n"),
            "a = 1\n[upgrade_levels]\nconductor = x\n",
            (),
            id="something was added to a section that was ours: it stays",
        ),
        pytest.param(
            "a = 1\n", ("a = 1\n", "a = 2\n# b\n"), "a = 2\n# b\n", (), id="the rest of the file was edited: it stays as it is now"
        ),
        pytest.param("a = 1", ("compute = auto", "compute = auto\n[x]\n"), "a = 1\n[x]\n", (), id="something was added to the end"),
        pytest.param(
            "[upgrade_levels]\ncompute = xena\n",
            ("compute = auto\n", "compute = auto\n\n[upgrade_levels]\nconductor = y\n"),
            "[upgrade_levels]\ncompute = xena\n\n[upgrade_levels]\nconductor = y\n",
            (),
            id="the section was written a second time",
        ),
    ],
)
def test_the_file_was_edited_while_it_was_pinned(before: str, edit: tuple[str, str], wanted: str, left: tuple[str, ...]) -> None:
    found = pinned(before, SECTION, AUTO)
    assert edit[0] in found.text
    assert restored(found.text.replace(*edit), SECTION, found.prior) == (wanted, left)


@pytest.mark.parametrize(
    ("pins", "message"),
    [
        pytest.param({"compute": "auto", "cert": "5.0", "conductor": 6, "scheduler": "2023.1"}, "", id="as they should be"),
        pytest.param({"com pute": "x"}, "'com pute' is not the name of an option", id="no name"),
        pytest.param({"compute": 4.1}, "compute: 4.1 is a number, in which 4.1 and 4.10 are the same: write it in quotes", id="a float"),
        pytest.param(
            {"compute": ""}, "compute: '' is neither \"auto\" nor the name of a release nor a version of messages", id="an empty value"
        ),
        pytest.param(
            {"compute": True}, 'compute: True is neither "auto" nor the name of a release nor a version of messages', id="yes"
        ),
        pytest.param(
            {"compute": "a\n[x]"},
            "compute: 'a\\n[x]' is neither \"auto\" nor the name of a release nor a version of messages",
            id="more than a line",
        ),
    ],
)  # fmt: skip
def test_pins_that_cannot_be_written(pins: dict[str, object], message: str) -> None:
    assert wrong_pins(pins) == message


def test_a_note_is_read_as_it_was_written() -> None:
    prior = pinned("[upgrade_levels]\ncompute = caf\udce9\n", SECTION, {"compute": "auto", "conductor": "x"}).prior
    assert Prior.parse(prior.to_text()) == prior
    prior.to_text().encode()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pins": 1, "before": 2, "section_is_ours": 3}'])
def test_what_is_no_note(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Prior.parse(text)
