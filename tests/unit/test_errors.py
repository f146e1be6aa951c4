"""Several problems in one error."""

from reprov.errors import InvalidInput, all_invalid, problems_of


def test_problems_of_problems_are_named_one_by_one() -> None:
    one, two, three = (InvalidInput(text) for text in ("a", "b", "c"))
    several = all_invalid([one, all_invalid([two, three])])
    assert problems_of(several) == (one, two, three)
    assert (several.message, several.hint) == ("a", "`reprov lint` names all 3 problems of the file")


def test_a_single_problem_is_raised_as_it_is() -> None:
    only = InvalidInput("a", hint="b")
    assert all_invalid([only]) is only
