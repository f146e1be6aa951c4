"""A role's checks: what kind each one is, what its answer means, and what is kept of it (JSON, and JUnit XML)."""

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, Final

from reprov.domain.junit import JUnitCase, JUnitSuite, to_junit
from reprov.errors import InvalidInput

CHECK_TIMEOUT_S: Final = 300
CHECKS_FOLDER: Final = "checks"
"""Of a role in the library, of a build, and of a release."""
RESULTS_FORMAT: Final = 1

_SHOWN: Final = 500
_SIGNALLED: Final = 128
_NOT_FOUND: Final = 127


class CheckKind(StrEnum):
    """Who runs a check."""

    TESTINFRA = "testinfra"
    """A test_*.py or a directory of them: pytest, with its plugin testinfra."""
    SERVERSPEC = "serverspec"
    """A *_spec.rb or a directory of them: rake where there is a Rakefile, else rspec."""
    PROGRAM = "program"
    """Any other file that begins with `#!` and the name of an interpreter: its exit status is the answer."""


class Outcome(StrEnum):
    """How a case, or a check of several, ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    ERROR = "error"
    """It could not be told, as when its program is not installed or was killed."""
    HUNG = "hung"


@dataclass(frozen=True, slots=True)
class Check:
    """One check of a release."""

    name: str
    kind: CheckKind
    path: str
    """Of the file or directory, relative to the node's root."""
    interpreter: tuple[str, ...] = ()
    """Of a program: its `#!` line."""
    is_folder: bool = False
    has_rakefile: bool = False
    timeout_s: int = CHECK_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Case:
    """One test of a check."""

    name: str
    outcome: Outcome
    message: str = ""
    elapsed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What came of a check."""

    name: str
    kind: CheckKind
    outcome: Outcome
    message: str
    """What is wrong, in a line; "" when nothing is."""
    elapsed_s: float
    cases: tuple[Case, ...] = ()

    @property
    def is_fine(self) -> bool:
        """True when nothing is wrong."""
        return self.outcome in (Outcome.PASSED, Outcome.SKIPPED)


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of all of them."""

    results: tuple[CheckResult, ...]

    @property
    def is_fine(self) -> bool:
        """True when no check has failed."""
        return not self.failed

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        """Those that have."""
        return tuple(result for result in self.results if not result.is_fine)

    @property
    def problem(self) -> str:
        """The failed checks with their messages, in a line; "" for none."""
        return "; ".join(f"{result.name} {result.outcome.value}: {result.message}" for result in self.failed)

    def to_fields(self) -> dict[str, Any]:
        """The fields of results.json."""
        return {"format": RESULTS_FORMAT, "fine": self.is_fine, "checks": [_fields(result) for result in self.results]}

    def to_junit(self) -> str:
        """JUnit XML: a test suite for each check."""
        return to_junit([_suite(result) for result in self.results])


def check_of(name: str, path: str, files: Mapping[str, bytes]) -> Check:
    """What kind of check the files are, by their names relative to it ("" for a check that is one file) and how they begin.

    Raises `InvalidInput` when they are none.
    """
    names = {PurePosixPath(file or name).name for file in files}
    if any(item.endswith("_spec.rb") for item in names):
        return Check(name, CheckKind.SERVERSPEC, path, is_folder="" not in files, has_rakefile="Rakefile" in files)
    if any(item.startswith("test_") and item.endswith(".py") for item in names):
        return Check(name, CheckKind.TESTINFRA, path, is_folder="" not in files)
    first_line = files.get("", b"").partition(b"\n")[0].decode("utf-8", "replace").strip()
    if first_line.startswith("#!") and first_line[2:].strip():
        return Check(name, CheckKind.PROGRAM, path, tuple(first_line[2:].strip().split(None, 1)))
    raise InvalidInput(
        f"{name} is no check: neither test_*.py, nor *_spec.rb, nor a script",
        hint="the first line of a script names its interpreter: #!/bin/sh",
    )


def judge_program(check: Check, status: int, said: str, elapsed_s: float) -> CheckResult:
    """What a program's exit status means: nothing else than 0 is fine."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = lines[-1][:_SHOWN] if lines else "it said nothing"
    if not status:
        return CheckResult(check.name, check.kind, Outcome.PASSED, "", elapsed_s)
    if status > _SIGNALLED:
        return CheckResult(check.name, check.kind, Outcome.ERROR, f"killed by signal {status - _SIGNALLED}: {last}", elapsed_s)
    outcome = Outcome.ERROR if status == _NOT_FOUND else Outcome.FAILED
    return CheckResult(check.name, check.kind, outcome, f"exit status {status}: {last}", elapsed_s)


def judge_cases(check: Check, status: int, said: str, elapsed_s: float, cases: Sequence[Case] | None) -> CheckResult:
    """What a test program's status and its cases mean together; `cases` is None when it has written no report that can be read."""
    judged = judge_program(check, status, said, elapsed_s)
    if cases is None:
        why = judged.message or "it has written no report"
        return CheckResult(check.name, check.kind, Outcome.ERROR, why, elapsed_s)
    bad = [case for case in cases if case.outcome not in (Outcome.PASSED, Outcome.SKIPPED)]
    if bad:
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        first = bad[0].message.strip().partition("\n")[0][:_SHOWN]
        return CheckResult(check.name, check.kind, Outcome.FAILED, f"{bad[0].name}: {first}{more}", elapsed_s, tuple(cases))
    if not judged.is_fine:
        return CheckResult(check.name, check.kind, judged.outcome, judged.message, elapsed_s, tuple(cases))
    if not cases:
        return CheckResult(check.name, check.kind, Outcome.ERROR, "it has no tests", elapsed_s)
    skipped = all(case.outcome is Outcome.SKIPPED for case in cases)
    return CheckResult(check.name, check.kind, Outcome.SKIPPED if skipped else Outcome.PASSED, "", elapsed_s, tuple(cases))


def parse_junit(text: str) -> tuple[Case, ...]:
    """The cases of a JUnit report as pytest writes it. Raises `ValueError` for what is none."""
    try:
        top = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(f"not XML: {error}") from None
    return tuple(_case_of(element) for element in top.iter("testcase"))


def parse_rspec(text: str) -> tuple[Case, ...]:
    """The examples of RSpec's JSON report. Raises `ValueError` for what is none."""
    outcomes = {"passed": Outcome.PASSED, "failed": Outcome.FAILED, "pending": Outcome.SKIPPED}
    try:
        report = json.loads(text)
        cases = [
            Case(
                str(item["full_description"]),
                outcomes[item["status"]],
                str(item.get("exception", {}).get("message", "") if item["status"] == "failed" else ""),
                float(item.get("run_time") or 0),
            )
            for item in report["examples"]
        ]
        outside = int(report["summary"].get("errors_outside_of_examples_count", 0))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a report of RSpec ({type(error).__name__}: {error})") from None
    if outside:
        said = " ".join(str(message).strip() for message in report.get("messages", ()))
        cases.append(Case("outside of examples", Outcome.ERROR, said))
    return tuple(cases)


def _case_of(element: ElementTree.Element) -> Case:
    name = "::".join(part for part in (element.get("classname", ""), element.get("name", "")) if part)
    elapsed_s = float(element.get("time", "0"))
    for tag, outcome in (("failure", Outcome.FAILED), ("error", Outcome.ERROR), ("skipped", Outcome.SKIPPED)):
        found = element.find(tag)
        if found is not None:
            return Case(name, outcome, found.get("message") or (found.text or ""), elapsed_s)
    return Case(name, Outcome.PASSED, "", elapsed_s)


def _suite(result: CheckResult) -> JUnitSuite:
    cases = result.cases or (Case(result.name, result.outcome, result.message, result.elapsed_s),)
    tags = {Outcome.FAILED: "failure", Outcome.ERROR: "error", Outcome.HUNG: "error", Outcome.SKIPPED: "skipped", Outcome.PASSED: ""}
    return JUnitSuite(
        result.name, result.elapsed_s, tuple(JUnitCase(case.name, case.elapsed_s, tags[case.outcome], case.message) for case in cases)
    )


def _fields(result: CheckResult) -> dict[str, Any]:
    cases = [
        {"name": case.name, "outcome": case.outcome.value, "message": case.message, "elapsed_s": case.elapsed_s} for case in result.cases
    ]
    return {
        "name": result.name,
        "kind": result.kind.value,
        "outcome": result.outcome.value,
        "message": result.message,
        "elapsed_s": round(result.elapsed_s, 3),
        "cases": cases,
    }
