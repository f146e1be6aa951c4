"""/.reprov/post on a node, as far as its health after a commit goes.

/.reprov/post/
    baseline                     how well the node was before the commit (domain.health)
    patience                     how long it may take to be well after it, whose word counts, and until when that is
    confirm                      somebody has said that it is
"""

import json
from pathlib import Path
from typing import Final

from reprov.adapters.durable import write_durably
from reprov.domain.health import Baseline, Patience
from reprov.errors import NeedsAttention

_PATIENCE_FORMAT: Final = 1


class HealthState:
    """What a node knows of its health before the last commit, and of who waits for it since."""

    def __init__(self, directory: Path) -> None:
        """`directory` is reprov's own one of the node."""
        self._post = directory / "post"

    def begin(self, baseline: Baseline, patience: Patience) -> None:
        """Write both down, before the commit."""
        write_durably(self._post / "baseline", baseline.to_json().encode())
        self._write(patience, 0.0, "")

    def baseline(self) -> Baseline | None:
        """How well it was; None where nobody has looked. Raises `NeedsAttention` when that cannot be read any more."""
        file = self._post / "baseline"
        try:
            return Baseline.parse(file.read_text("ascii", "backslashreplace"), str(file))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise NeedsAttention(
                f"{file} cannot be read: {error.strerror}", hint="`reprov rollback` goes back to the tree before"
            ) from None

    def patience(self) -> Patience:
        """How long it may take, and whose word counts; the default where that is not known."""
        fields = self._fields()
        return Patience(int(fields["timeout_s"]), bool(fields["awaits_operator"])) if fields else Patience()

    def write_deadline(self, deadline_s: float, boot: str) -> None:
        """Write down until when it must be well, on the monotonic clock of a boot."""
        self._write(self.patience(), deadline_s, boot)

    def deadline(self, boot: str) -> float | None:
        """Until when it must be well, on the monotonic clock of this boot; None while nobody has said so."""
        fields = self._fields()
        return float(fields["deadline_s"]) if fields and fields["boot"] == boot else None

    def confirm(self, transaction: str) -> None:
        """Say that the node is well after that commit."""
        write_durably(self._post / "confirm", transaction.encode())

    def is_confirmed(self, transaction: str) -> bool:
        """True when somebody has said so of that commit."""
        try:
            return (self._post / "confirm").read_bytes() == transaction.encode()
        except OSError:
            return False

    def _write(self, patience: Patience, deadline_s: float, boot: str) -> None:
        fields = {"format": _PATIENCE_FORMAT, **patience._asdict(), "deadline_s": deadline_s, "boot": boot}
        write_durably(self._post / "patience", (json.dumps(fields) + "\n").encode())

    def _fields(self) -> dict[str, int | float | bool | str]:
        try:
            found: dict[str, int | float | bool | str] = json.loads((self._post / "patience").read_text("ascii", "backslashreplace"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) and found.get("format") == _PATIENCE_FORMAT else {}
