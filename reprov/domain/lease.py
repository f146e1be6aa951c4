"""Who controls a rollout, as written into its lease."""

import json
from typing import NamedTuple

from reprov.errors import InvalidInput


class Holder(NamedTuple):
    """One controller."""

    who: str
    """The user."""
    host: str
    pid: int
    since: str
    """UTC, as in 2026-11-22T04:05:06Z."""

    def __str__(self) -> str:
        """In words, for whoever comes second."""
        return f"{self.who}@{self.host}, process {self.pid}, since {self.since}"

    def to_json(self) -> str:
        """The text of the lease."""
        return json.dumps(self._asdict()) + "\n"

    @classmethod
    def parse(cls, text: str, source: str) -> "Holder | None":
        """Who is named; None for an empty lease. Raises `InvalidInput` for one that says anything else."""
        if not text.strip("\0 \n"):
            return None
        try:
            fields = json.loads(text)
            return cls(str(fields["who"]), str(fields["host"]), int(fields["pid"]), str(fields["since"]))
        except (ValueError, TypeError, KeyError):
            hint = "make sure that no other controller runs, then remove the file"
            raise InvalidInput(f"{source}: nobody can tell whose lease this is", hint=hint) from None
