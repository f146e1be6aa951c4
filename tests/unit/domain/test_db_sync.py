"""When the schema of a service's database is brought to the release, and what of its outcomes is a failure."""

import pytest

from reprov.domain.db_sync import Broken, Rule, Schema, is_due, is_moved, version_in

RULE = Rule(current=(0, 3), behind=(2,))
AGAIN = "it can be run again when the cause is gone; the way back is the dump of before (action restore-databases)"


@pytest.mark.parametrize(
    ("status", "due"),
    [
        pytest.param(0, False, id="there is nothing to do"),
        pytest.param(3, False, id="what there is to do is of another phase"),
        pytest.param(2, True, id="the check says that it is behind"),
        pytest.param(None, None, id="only the sync itself can tell where there is no check"),
    ],
)
def test_whether_to_sync(status: int | None, due: bool | None) -> None:
    assert is_due(status, RULE) is due


def test_a_check_that_fails_is_no_answer() -> None:
    with pytest.raises(ValueError, match=r"^nothing was changed, because its check ended with 1, and not with one of 0, 2, 3$"):
        is_due(1, RULE)


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        pytest.param(Schema("41", None), Schema("42", None), True, id="the version has moved"),
        pytest.param(Schema("42", None), Schema("42", None), False, id="a second sync moves nothing"),
        pytest.param(Schema("", None), Schema("42", None), True, id="the database was empty"),
        pytest.param(Schema("42", 2), Schema("42", 3), True, id="the check is of another mind, whatever the version"),
    ],
)
def test_what_has_changed(before: Schema, after: Schema, moved: bool) -> None:
    assert is_moved(before, after, RULE, None) is moved


@pytest.mark.parametrize(
    ("before", "after", "broken", "why"),
    [
        pytest.param(
            Schema("41", None),
            Schema("41", None),
            Broken("nova-manage db sync", 1, "no such table"),
            f"nova-manage db sync ended with 1, and the schema was 41 and is 41 now, or on its way: no such table; {AGAIN}",
            id="a sync that fails may have done a half of it",
        ),
        pytest.param(
            Schema("", 2),
            Schema("", 2),
            None,
            f"its check ends with 2 after the sync as it did with 2 before; the schema was empty and is empty now; {AGAIN}",
            id="a sync that ends well and leaves the schema behind",
        ),
        pytest.param(
            Schema("41", 2),
            Schema("", 1),
            None,
            f"its check ends with 1 after the sync as it did with 2 before; the schema was 41 and is empty now; {AGAIN}",
            id="a database that cannot be asked any more",
        ),
    ],
)
def test_a_sync_that_did_not_bring_it_to_the_release(before: Schema, after: Schema, broken: Broken | None, why: str) -> None:
    with pytest.raises(ValueError) as raised:
        is_moved(before, after, RULE, broken)
    assert str(raised.value) == why


@pytest.mark.parametrize(
    ("answers", "version"),
    [
        pytest.param(["78\n"], "78", id="a number"),
        pytest.param(
            ["2026-11-22 08:26:44.611 167 INFO alembic.runtime.migration [-] Context impl MySQLImpl.\x1b[00m\n29e87d24a316\n"],
            "29e87d24a316",
            id="Debian's Keystone logs to its standard output",
        ),
        pytest.param(
            ["INFO  [alembic.runtime.migration] Context impl SQLiteImpl.\n  Running current for neutron ...\nc3e9d13c4367 (head)\n"],
            "Running current for neutron ..., c3e9d13c4367 (head)",
            id="so does alembic",
        ),
        pytest.param(["d42\n", "\n", "fe3\n"], "d42, fe3", id="a service with two databases"),
        pytest.param([""], "", id="a database that has no schema yet"),
    ],
)
def test_the_version_is_what_is_not_logged(answers: list[str], version: str) -> None:
    assert version_in(answers) == version
