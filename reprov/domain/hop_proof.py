"""The proof that one change of a node has left its data alone: the devices before and after it, side by side, and the verdict."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from reprov.domain.proof import PROOF_FORMAT, Proof
from reprov.domain.proof_comparison import Comparison, compare
from reprov.errors import InvalidInput

_TOOLS: Final = ("blkid:", "LVM:")
"""How a note of the inventory begins that is about all devices."""


@dataclass(frozen=True, slots=True)
class HopProof:
    """What is known of the data devices around a change."""

    hop: str
    """`upgrade to base 1.1`."""
    before: Proof
    after: Proof | None = None
    """None until the change is done, and when it was given up."""
    problem: str = ""
    """Why there is no proof afterwards although the change was done."""

    @property
    def comparison(self) -> Comparison | None:
        """What the two proofs prove together."""
        return compare(self.before, self.after) if self.after else None

    @property
    def has_failed(self) -> bool:
        """True when something is not as it was, or when nobody can say."""
        return bool(self.problem) or (self.after is not None and bool(compare(self.before, self.after).differences))

    @property
    def verdict(self) -> str:
        """The result in one line."""
        if self.problem:
            return f"DATA PROOF FAILED after the {self.hop}: {self.problem}"
        compared = self.comparison
        if compared is None:
            return f"{_count(len(self.before.devices), 'data device')} looked at before the {self.hop}, and not since"
        if compared.differences:
            return f"DATA PROOF FAILED after the {self.hop}: {_count(len(compared.differences), 'difference')}"
        osds = f" and {_count(len(self.before.osds), 'OSD')}" if self.before.osds else ""
        return f"{_count(len(self.before.devices), 'data device')}{osds} proved untouched by the {self.hop}"

    def to_json(self) -> str:
        """The text of storage-proof.json in a node's state directory."""
        compared = self.comparison
        fields = {
            "format": PROOF_FORMAT,
            "hop": self.hop,
            "problem": self.problem,
            "differences": [item._asdict() for item in compared.differences] if compared else [],
            "remarks": compared.remarks if compared else [],
            "before": self.before.to_fields(),
            "after": self.after.to_fields() if self.after else None,
        }
        return json.dumps(fields, indent=2) + "\n"

    @staticmethod
    def is_one(text: str) -> bool:
        """Whether a text is meant to be one of these, and not the proof of one moment."""
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError):
            return False
        return isinstance(fields, dict) and "hop" in fields

    @classmethod
    def parse(cls, text: str, source: str) -> "HopProof":
        """Read what `to_json` wrote. Raises `InvalidInput` naming the source when it is something else."""
        try:
            fields = json.loads(text)
            before, after = (json.dumps(fields[name]) if fields[name] else "" for name in ("before", "after"))
            return cls(
                str(fields["hop"]), Proof.parse(before, source), Proof.parse(after, source) if after else None, str(fields["problem"])
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InvalidInput(f"{source}: not the proof of a change ({type(error).__name__}: {error})") from None


def why_unproven(proof: Proof, inventory_notes: Sequence[str]) -> tuple[str, ...]:
    """What keeps a proof from being one: devices that cannot be read, tools that are missing. `inventory_notes` are among its own.

    A device that is no data and cannot be read, as a disk that has died, keeps nothing from being proved.
    """
    return tuple(dict.fromkeys(_problems(proof, inventory_notes)))


def _problems(proof: Proof, inventory_notes: Sequence[str]) -> Iterator[str]:
    for device in proof.devices:
        if device.error:
            yield f"{device.path}: {device.error}"
    for note in proof.notes:
        if note not in inventory_notes or note.startswith(_TOOLS):
            yield note


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
