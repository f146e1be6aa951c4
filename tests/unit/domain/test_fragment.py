"""The role's own part of a post-script."""

import pytest

from reprov.domain.fragment import Fragment
from reprov.domain.packages import PackageChange
from reprov.domain.post_script import Step
from reprov.domain.release import ReleaseId
from reprov.errors import InvalidInput

BEFORE, AFTER = ReleaseId("base", "1.0"), ReleaseId("base", "1.1")
CHANGES = (
    PackageChange("come", "all", "added", "", "1"),
    PackageChange("gone", "all", "removed", "2", ""),
    PackageChange("up", "amd64", "upgraded", "1", "2"),
)


def rendered(text: str, before: ReleaseId | None = BEFORE) -> Step:
    return Fragment("50-x", text, "50-x.sh.j2").render(before, AFTER, CHANGES)


TEXTS = {
    "plain text": ("echo it's & done\n", "echo it's & done\n"),
    "where it goes": ("{{ role }} {{ before }} -> {{ after }}", "base 1.0 -> 1.1"),
    "packages": (
        "{% for p in changed %}{{ p.name }} {{ p.before }} {{ p.after }}{% endfor %}, {{ added[0].name }}, {{ removed[0].name }}",
        "up 1 2, come, gone",
    ),
    "one package": ("{% if changed | selectattr('name', 'equalto', 'up') %}restart\n{% endif %}", "restart\n"),
}


@pytest.mark.parametrize(("text", "body"), TEXTS.values(), ids=TEXTS.keys())
def test_what_a_template_becomes(text: str, body: str) -> None:
    assert rendered(text) == Step("50-x", ("/bin/sh", "-e"), (), body)


def test_a_fragment_may_name_its_interpreter() -> None:
    assert rendered("#!/usr/bin/python3 -I\nprint()\n").interpreter == ("/usr/bin/python3", "-I")


def test_a_tree_that_is_no_release_has_no_version_before() -> None:
    assert rendered("[{{ before }}]", None).body == "[]"


WRONG = {
    "a variable that there is not": ("one\ntwo {{ nothing }}\n", "50-x.sh.j2:2: 'nothing' is undefined"),
    "something that a package has not": (
        "\n\n{{ changed[0].colour }}",
        "50-x.sh.j2:3: 'reprov.domain.packages.PackageChange object' has no attribute 'colour'",
    ),
    "a block that stays open": ("\n{% if after %}\n", "50-x.sh.j2:2: "),
    "a tag that there is not": ("{% fi %}", "50-x.sh.j2:1: Encountered unknown tag 'fi'."),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_mistake_is_told_by_line(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        rendered(text)
    assert raised.value.message.startswith(message)


def test_other_mistakes_of_a_template_are_told_by_line() -> None:
    with pytest.raises(InvalidInput, match=r"^50-x.sh.j2:2: division by zero$"):
        rendered("\n{{ 1 / 0 }}")


def test_a_name_without_a_number_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^x.sh.j2: a post-script is called NN-name, and its number is its place among the others$"):
        Fragment("x", "", "x.sh.j2")
