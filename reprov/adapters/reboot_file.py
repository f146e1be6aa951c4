"""/.reprov/reboot.json: why the node wants to be rebooted."""

from collections.abc import Collection

from reprov.adapters.durable import sync_directory, write_durably
from reprov.adapters.node_state import NodeState
from reprov.domain.reboot import RebootReason, parse_reasons, render_reasons

_NAME = "reboot.json"


def read_reboot(state: NodeState) -> tuple[RebootReason, ...]:
    """The reasons that were written last, whether they are met by now or not; a file that cannot be read has none."""
    try:
        return parse_reasons((state.directory / _NAME).read_text("utf-8", "replace"))
    except (FileNotFoundError, ValueError):
        return ()


def write_reboot(state: NodeState, reasons: Collection[RebootReason]) -> None:
    """Keep these reasons, and no others."""
    file = state.directory / _NAME
    if reasons:
        write_durably(file, render_reasons(reasons).encode())
    elif file.exists():
        file.unlink()
        sync_directory(state.directory)
