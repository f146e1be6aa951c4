"""A reboot of the running system, by its own systemd."""

from pathlib import Path

from reprov.adapters import systemctl
from reprov.adapters.run import CommandFailed, is_installed, run
from reprov.errors import Refused

_TIMEOUT_S = 60


def refuse_no_reboot(root: Path) -> None:
    """Raise `Refused` where `reboot_now` could not do it: asked before anything is changed for it."""
    if root != Path("/"):
        raise Refused(f"{root} is not the running system: it cannot be rebooted", hint="leave --reboot out")
    if not systemctl.is_running():
        raise Refused("systemd does not run here: only it can reboot the node", hint="leave --reboot out, and reboot it yourself")


def reboot_now(root: Path, reason: str) -> None:
    """Ask systemd to reboot, and return: services are stopped as in any reboot. `reason` goes to the log and to who is logged in.

    Raises `Refused` like `refuse_no_reboot`, `CommandFailed` when systemd does not take it.
    """
    refuse_no_reboot(root)
    if is_installed("journalctl"):
        try:
            run(("journalctl", "--sync"), timeout_s=_TIMEOUT_S)
        except CommandFailed:
            pass  # a log that cannot be written is no reason to stay in a system that is to go
    run(("systemctl", "reboot", f"--message=reprov: {reason}"), timeout_s=_TIMEOUT_S)
