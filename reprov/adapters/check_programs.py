"""Running one check on a node: pytest, rspec or rake, or the check's own interpreter."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from reprov.adapters.commands import TIMED_OUT, Commands, Ended, end_of, run_logged
from reprov.adapters.run import CommandFailed
from reprov.domain.check import Case, Check, CheckKind, CheckResult, Outcome, judge_cases, judge_program, parse_junit, parse_rspec
from reprov.errors import ReprovError

SYSTEM_PYTHON: Final = "/usr/bin/python3"
STEP: Final = "REPROV_STEP"
"""The variable that tells a check which step of a convergence it is to judge; not set after the last one."""


def run_check(commands: Commands, root: Path, check: Check, folder: Path, *, python: str, step: int | None) -> CheckResult:
    """What a check says. Its log and its own report go to a folder below the root.

    A check that fails, hangs or cannot be run is a result, and no error.
    """
    log, report = folder / f"{check.name}.log", folder / f"{check.name}.report"
    for file in (log, report):
        file.unlink(missing_ok=True)
    environment = {} if step is None else {STEP: str(step)}
    started_at = time.monotonic()
    try:
        if check.kind is CheckKind.PROGRAM:
            ended = run_logged(commands, (*check.interpreter, f"/{check.path}"), log, check.timeout_s, environment)
            return judge_program(check, *ended)
        argv, parse, more = _test_program(check, f"/{report.relative_to(root)}", python)
        ended = run_logged(commands, argv, log, check.timeout_s, {**environment, **more})
        return _judged(check, ended, report, parse)
    except ReprovError as error:
        elapsed_s = time.monotonic() - started_at
        hung = isinstance(error, CommandFailed) and error.status == TIMED_OUT
        lines = [line.strip() for line in end_of(log).splitlines() if line.strip()]
        why = f"no answer within {check.timeout_s} s{': ' + lines[-1] if lines else ''}" if hung else error.message
        return CheckResult(check.name, check.kind, Outcome.HUNG if hung else Outcome.ERROR, why, elapsed_s)


def _test_program(check: Check, report: str, python: str) -> tuple[tuple[str, ...], Callable[[str], tuple[Case, ...]], Mapping[str, str]]:
    """The command line of the program of a check, what reads its report, and what it needs in its environment."""
    path = f"/{check.path}"
    folder = path if check.is_folder else path.rpartition("/")[0]
    if check.kind is CheckKind.TESTINFRA:
        # Nothing is written beside the check: it is a file of the release.
        quiet = ("-p", "no:cacheprovider", "-q", "--rootdir", folder, "-o", "junit_family=xunit2", f"--junit-xml={report}")
        return (python, "-B", "-m", "pytest", *quiet, path), parse_junit, {"PYTHONDONTWRITEBYTECODE": "1"}
    if check.has_rakefile:
        return ("rake", "--directory", path), parse_rspec, {"SPEC_OPTS": f"--format json --out {report} --format documentation"}
    formats = ("--format", "json", "--out", report, "--format", "documentation")
    return ("env", f"--chdir={folder}", "rspec", "-I", folder, *formats, path), parse_rspec, {}


def _judged(check: Check, ended: Ended, report: Path, parse: Callable[[str], tuple[Case, ...]]) -> CheckResult:
    try:
        cases = parse(report.read_text("utf-8", "replace"))
    except (OSError, ValueError):
        cases = None
    return judge_cases(check, ended.status, ended.said, ended.elapsed_s, cases)
