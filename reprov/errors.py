"""Everything that reprov refuses, reports or fails with: one base error with a hint and an exit code.

Only `reprov.cli.main` prints errors and exits; every other module raises one of these. The codes are the
contract of the man page: scripts and the fleet engine branch on them.
"""

from collections.abc import Sequence
from enum import IntEnum


class ExitCode(IntEnum):
    """What the exit status of the `reprov` command means."""

    DONE = 0
    FAILED = 1  # and the node is as it was
    INVALID = 2  # wrong usage or invalid input file
    PENDING = 3  # plan: there is something to do; verify: drift; conflicts: there are some
    REFUSED = 4  # a guard said no
    ROLLED_BACK = 5
    NEEDS_ATTENTION = 6  # neither old nor new could be confirmed
    PROOF_FAILED = 7
    REBOOT_WANTED = 100


class ReprovError(Exception):
    """The operation failed and the node (or the store) is as it was.

    `message` is one sentence with the user's own names; `hint` says the way out, if there is one.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidInput(ReprovError):
    """A file, an option or a name that the user wrote cannot be used; the message starts with file:line where there is one."""

    exit_code = ExitCode.INVALID


class SeveralInvalid(InvalidInput):
    """More than one thing of a file is wrong; the message is that of the first."""

    def __init__(self, problems: Sequence[InvalidInput]) -> None:
        super().__init__(problems[0].message, hint=f"`reprov lint` names all {len(problems)} problems of the file")
        self.problems = tuple(problems)


def all_invalid(problems: Sequence[InvalidInput]) -> InvalidInput:
    """One error for at least one problem."""
    flat = [each for problem in problems for each in problems_of(problem)]
    return flat[0] if len(flat) == 1 else SeveralInvalid(flat)


def problems_of(error: InvalidInput) -> tuple[InvalidInput, ...]:
    """The single problems that an error stands for."""
    return error.problems if isinstance(error, SeveralInvalid) else (error,)


class Refused(ReprovError):
    """A guard stopped the operation before anything was changed."""

    exit_code = ExitCode.REFUSED


class NotLive(Refused):
    """A guard said no to an exchange under the running system; the next boot may do it. `reasons` are all of them, in words."""

    def __init__(self, message: str, *, hint: str | None = None, reasons: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.reasons = reasons or (message,)


class HopFailed(ReprovError):
    """What runs after a commit failed, and the node was rolled back."""

    exit_code = ExitCode.ROLLED_BACK


class NeedsAttention(ReprovError):
    """Neither the old nor the new state could be established; a person has to look."""

    exit_code = ExitCode.NEEDS_ATTENTION


class ProofFailed(ReprovError):
    """Something protected is not as it was before; nothing else may be changed until a person knows why."""

    exit_code = ExitCode.PROOF_FAILED
