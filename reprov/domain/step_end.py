"""How a step of a post-script ended, and whether the hop has failed with it."""

from typing import Final, NamedTuple

from reprov.domain.collected import Collected
from reprov.domain.post_script import Step

WANTS_REBOOT: Final = 100
"""The status by which a script asks for a reboot."""
_SIGNALLED: Final = 128


class StepEnd(NamedTuple):
    """How a step ended."""

    status: int
    """128 and the signal when one ended it."""
    problem: str
    """Why it was stopped; "" when it ended by itself."""
    line: int | None
    """Of its script, where it was at the end."""
    last: str
    """The last line that it wrote; "" for none."""
    elapsed_s: float
    log: str
    """The file that has all of it."""
    collected: Collected

    @property
    def wants_reboot(self) -> bool:
        """It ended well, and asked for a reboot."""
        return self.status == WANTS_REBOOT

    def failure(self, step: Step) -> str:
        """What went wrong, as a sentence that names package, script and line; "" when nothing did."""
        name = f"{step.script} ({step.package} {step.version})" if step.package else step.script
        where = f" at line {self.line}" if self.line else ""
        if self.collected.refused:
            return f"{name} wanted to end the system by {self.collected.refused[0]!r}"
        if self.problem:
            return f"{name} was stopped{where}: {self.problem}"
        if self.status in (0, WANTS_REBOOT):
            return ""
        said = self.last or "it said nothing"
        if self.status > _SIGNALLED:
            return f"{name} was ended by signal {self.status - _SIGNALLED}{where}: {said}"
        return f"{name} failed with status {self.status}{where}: {said}"
