"""The trial of a new kernel: what its one-shot entry says to it, and how it is judged after the reboot.

Only the boot loader counts: it takes the entry away before it boots it, so that whatever follows is the old kernel. What keeps a node
from hanging in its trial is the kernel itself (`panic=`), and the watchdog that reprov/boot has in the initramfs (`reprov.trial=`).
"""

from enum import Enum
from typing import Final, NamedTuple

TRIAL_ENTRY: Final = "reprov-trial"
"""The name of the entry of a boot loader by which a kernel is tried, and of nothing else."""
BOOT_S: Final = 480
"""How long a node may take from its kernel's start to the moment when it is looked at."""
_PANIC_S: Final = 30


class Verdict(Enum):
    """What has become of a trial."""

    WAITS = "the node has not been rebooted since"
    CAME_UP = "the kernel runs"
    FAILED = "another one runs after a reboot"


class Awaited(NamedTuple):
    """A kernel that a node has been told to try."""

    version: str
    back: str
    """The kernel that the node goes back to."""
    boot: str
    """The id of the boot in which it was told so."""

    def verdict(self, *, boot: str, kernel: str) -> Verdict:
        """What has become of it, by the running system."""
        if boot == self.boot:
            return Verdict.WAITS
        return Verdict.CAME_UP if kernel == self.version else Verdict.FAILED

    @property
    def failure(self) -> str:
        """What is said when it has failed."""
        return f"kernel {self.version} did not come up"

    @property
    def reason(self) -> str:
        """Why a reboot is wanted."""
        return reboot_reason(self.version, self.back)


def reboot_reason(version: str, back: str) -> str:
    """Why a reboot is wanted for a trial."""
    return f"to try kernel {version}; the node goes back to {back} by itself if it does not come up"


def trial_words(trial_s: int) -> str:
    """What a kernel is told for its trial, after all that it is told always: it has that long to be confirmed."""
    return f"reprov.trial={trial_s} panic={_PANIC_S}"
