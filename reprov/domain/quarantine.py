"""A release that a node was rolled back from: it is not tried again by itself."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from reprov.domain.release import ReleaseId
from reprov.errors import Refused


class Quarantined(NamedTuple):
    """A release, and why it is not wanted on this node."""

    release: ReleaseId
    since: str
    """UTC, ISO 8601."""
    reason: str

    def refusal(self) -> Refused:
        """What is said to whoever asks for it."""
        return Refused(
            f"{self.release} is in quarantine on this node since {self.since}: {self.reason}",
            hint="see what was wrong, then `reprov upgrade --retry` tries it again; a corrected release needs another version",
        )

    def to_fields(self) -> dict[str, str]:
        """As JSON has it."""
        return {"role": self.release.role, "version": self.release.version, "since": self.since, "reason": self.reason}

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "Quarantined":
        """What `to_fields` gave. Raises `KeyError`, `TypeError` or `InvalidInput`."""
        return cls(ReleaseId.of(str(fields["role"]), str(fields["version"])), str(fields["since"]), str(fields["reason"]))
