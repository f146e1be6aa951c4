"""What kind a check is, and what its answer means."""

import pytest

from reprov.domain.check import (
    Case,
    Check,
    Checked,
    CheckKind,
    CheckResult,
    Outcome,
    check_of,
    judge_cases,
    judge_program,
    parse_junit,
    parse_rspec,
)
from reprov.errors import InvalidInput

PYTEST = """\
<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite name="pytest" errors="0" failures="1" skipped="1" tests="3" time="0.2">
<testcase classname="test_a" name="test_ok[local]" time="0.05" />
<testcase classname="test_a" name="test_bad" time="0.01"><failure message="assert 1 == 2">trace</failure></testcase>
<testcase classname="test_a" name="test_off" time="0.0"><skipped type="pytest.skip" message="not here">x</skipped></testcase>
<testcase classname="" name="test_b" time="0.0"><error message="collection failure">E ModuleNotFoundError</error></testcase>
</testsuite></testsuites>
"""
RSPEC = """\
{"version": "3.12.0", "messages": ["An error occurred while loading x"], "examples": [
 {"full_description": "File is file", "status": "passed", "run_time": 0.02, "pending_message": null},
 {"full_description": "Port is open", "status": "failed", "run_time": 0.5, "exception": {"class": "E", "message": "expected open"}},
 {"full_description": "Later", "status": "pending", "run_time": 0.0, "pending_message": "x"}],
 "summary": {"example_count": 3, "errors_outside_of_examples_count": 1}}
"""
PROGRAM = Check("c", CheckKind.PROGRAM, "c", ("/bin/sh",))
TESTS = Check("t", CheckKind.TESTINFRA, "t")
PASSED, FAILED = Case("a", Outcome.PASSED), Case("b", Outcome.FAILED, "one\ntwo")


@pytest.mark.parametrize(
    ("name", "files", "check"),
    [
        ("test_a.py", {"": b"x"}, Check("test_a.py", CheckKind.TESTINFRA, "p")),
        ("dir", {"conftest.py": b"", "sub/test_a.py": b""}, Check("dir", CheckKind.TESTINFRA, "p", is_folder=True)),
        ("a_spec.rb", {"": b"#!/x"}, Check("a_spec.rb", CheckKind.SERVERSPEC, "p")),
        ("dir", {"Rakefile": b"", "spec/a_spec.rb": b""}, Check("dir", CheckKind.SERVERSPEC, "p", is_folder=True, has_rakefile=True)),
        ("x", {"": b"#!/usr/bin/env python3\nimport os"}, Check("x", CheckKind.PROGRAM, "p", ("/usr/bin/env", "python3"))),
        ("x", {"": b"#! /bin/sh -e -u\n"}, Check("x", CheckKind.PROGRAM, "p", ("/bin/sh", "-e -u"))),
    ],
)
def test_the_kind_of_a_check(name: str, files: dict[str, bytes], check: Check) -> None:
    assert check_of(name, "p", files) == check


@pytest.mark.parametrize("files", [{"": b"\x7fELF"}, {"": b""}, {"": b"#!\n"}, {"README": b"#!/bin/sh\n"}, {}])
def test_what_is_no_check(files: dict[str, bytes]) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_of("x", "p", files)
    assert caught.value.message == "x is no check: neither test_*.py, nor *_spec.rb, nor a script"


@pytest.mark.parametrize(
    ("status", "said", "outcome", "message"),
    [
        (0, "noise", Outcome.PASSED, ""),
        (1, "one\n\ntwo\n", Outcome.FAILED, "exit status 1: two"),
        (3, "", Outcome.FAILED, "exit status 3: it said nothing"),
        (127, "sh: not found", Outcome.ERROR, "exit status 127: sh: not found"),
        (137, "so far\n", Outcome.ERROR, "killed by signal 9: so far"),
    ],
)
def test_an_exit_status(status: int, said: str, outcome: Outcome, message: str) -> None:
    judged = judge_program(PROGRAM, status, said, 1.0)
    assert (judged.outcome, judged.message, judged.is_fine) == (outcome, message, outcome is Outcome.PASSED)


@pytest.mark.parametrize(
    ("status", "cases", "outcome", "message"),
    [
        pytest.param(0, [PASSED], Outcome.PASSED, "", id="all pass"),
        pytest.param(1, [PASSED, FAILED, FAILED], Outcome.FAILED, "b: one (and 1 more)", id="some fail"),
        pytest.param(0, [FAILED], Outcome.FAILED, "b: one", id="a failure counts whatever the status says"),
        pytest.param(0, [], Outcome.ERROR, "it has no tests", id="nothing was tested"),
        pytest.param(0, [Case("a", Outcome.SKIPPED)], Outcome.SKIPPED, "", id="all were skipped"),
        pytest.param(2, [PASSED], Outcome.FAILED, "exit status 2: said", id="interrupted after some passed"),
        pytest.param(1, None, Outcome.ERROR, "exit status 1: said", id="no report, as without pytest"),
        pytest.param(0, None, Outcome.ERROR, "it has written no report", id="no report of a success"),
    ],
)
def test_cases_and_status_together(status: int, cases: list[Case] | None, outcome: Outcome, message: str) -> None:
    judged = judge_cases(TESTS, status, "said", 1.0, cases)
    assert (judged.outcome, judged.message) == (outcome, message)


def test_a_report_of_pytest() -> None:
    assert parse_junit(PYTEST) == (
        Case("test_a::test_ok[local]", Outcome.PASSED, "", 0.05),
        Case("test_a::test_bad", Outcome.FAILED, "assert 1 == 2", 0.01),
        Case("test_a::test_off", Outcome.SKIPPED, "not here", 0.0),
        Case("test_b", Outcome.ERROR, "collection failure", 0.0),
    )
    with pytest.raises(ValueError, match="not XML"):
        parse_junit("<testsuites>")


def test_a_report_of_rspec() -> None:
    assert parse_rspec(RSPEC) == (
        Case("File is file", Outcome.PASSED, "", 0.02),
        Case("Port is open", Outcome.FAILED, "expected open", 0.5),
        Case("Later", Outcome.SKIPPED, "", 0.0),
        Case("outside of examples", Outcome.ERROR, "An error occurred while loading x"),
    )
    for text in ("", "[]", "{}", '{"examples": [{"full_description": "x", "status": "odd"}], "summary": {}}'):
        with pytest.raises(ValueError):
            parse_rspec(text)


def test_results_in_both_forms() -> None:
    failed = CheckResult("s", CheckKind.SERVERSPEC, Outcome.FAILED, "b: \x1b[31m<", 1.25, (PASSED, Case("b", Outcome.FAILED, "\x1b[31m<&")))
    hung = CheckResult("h", CheckKind.PROGRAM, Outcome.HUNG, "no answer within 2 s", 2.0)
    checked = Checked((failed, hung, CheckResult("fine", CheckKind.PROGRAM, Outcome.PASSED, "", 0.1)))
    assert (checked.is_fine, checked.problem) == (False, "s failed: b: \x1b[31m<; h hung: no answer within 2 s")
    assert [(item["name"], item["outcome"], len(item["cases"])) for item in checked.to_fields()["checks"]] == [
        ("s", "failed", 2),
        ("h", "hung", 0),
        ("fine", "passed", 0),
    ]
    cases = parse_junit(checked.to_junit())
    assert [(case.name, case.outcome, case.message) for case in cases] == [
        ("s::a", Outcome.PASSED, ""),
        ("s::b", Outcome.FAILED, "?[31m<&"),
        ("h::h", Outcome.ERROR, "no answer within 2 s"),
        ("fine::fine", Outcome.PASSED, ""),
    ]
    assert '<testsuite name="h" tests="1" failures="0" errors="1" skipped="0" time="2.000">' in checked.to_junit()
