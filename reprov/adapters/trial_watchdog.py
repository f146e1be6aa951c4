"""The watchdog of a trial boot (reprov/boot, scripts/init-top/reprov-trial): it reboots the node unless it is ended in time."""

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

_FOLDER: Final = Path("/run/reprov")
_SYSCTL: Final = Path("/proc/sys")
_TRIGGER: Final = "sysrq-trigger"
_TRIGGER_FD: Final = 3


def end_watchdog(folder: Path = _FOLDER, sysctl: Path = _SYSCTL) -> bool:
    """End it, and have the kernel panic as the node's own settings say; False where there is none."""
    try:
        pid = int((folder / "trial.pid").read_text())
        pidfd = os.pidfd_open(pid)
    except (OSError, ValueError):
        return False
    try:
        # The number may be another process's by now: only the watchdog holds this open.
        if not Path(f"/proc/{pid}/fd/{_TRIGGER_FD}").readlink().name == _TRIGGER:
            return False
        signal.pidfd_send_signal(pidfd, signal.SIGTERM)
    except OSError:
        return False
    finally:
        os.close(pidfd)
    _restore(folder / "trial.sysctl", sysctl)
    for name in ("trial.pid", "trial.sysctl"):
        (folder / name).unlink(missing_ok=True)
    return True


def _restore(saved: Path, sysctl: Path) -> None:
    """What the watchdog has set, unless somebody has set it since. Lines: name, the node's value, the trial's."""
    for line in saved.read_text().splitlines() if saved.exists() else ():
        with suppress(OSError, ValueError):
            name, own, trial = line.split()
            if (sysctl / name).read_text().strip() == trial:
                (sysctl / name).write_text(f"{own}\n")
