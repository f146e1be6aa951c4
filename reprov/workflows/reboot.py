"""The reboot that a change of the running system waits for."""

from pathlib import Path

from reprov.adapters.reboot import reboot_now, refuse_no_reboot


def require_reboot(root: Path) -> None:
    """Raise `Refused` where `reboot` could not reboot the node: asked before anything is done for it."""
    refuse_no_reboot(root)


def reboot(root: Path, why: str) -> None:
    """Have the node reboot, and return. Raises `Refused` or `CommandFailed` where it does not, with what is armed left as it is."""
    reboot_now(root, why)
