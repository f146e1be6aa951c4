"""What convergence wrote to although it is the image's: the next upgrade would undo it, so a list line is proposed."""

from dataclasses import dataclass
from typing import Any

from reprov.domain.entry import is_below, show
from reprov.domain.list_line import pattern_of
from reprov.domain.ownership import Owner


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A path of the image that a hook has changed, added or removed."""

    path: str
    drift: str
    """As `verify` says it: changed, metadata, added or missing."""
    package: str
    """Whose it is; "" for none."""
    is_dir: bool = False

    @property
    def owner(self) -> Owner:
        """The class that would let both live: merge for what the release has, too, keep for what only the node has."""
        return Owner.KEEP if self.drift == "added" and not is_below(self.path, "etc") else Owner.MERGE

    @property
    def line(self) -> str:
        """The line of a list of that class."""
        return pattern_of(self.path, is_dir=self.is_dir)

    @property
    def why(self) -> str:
        """The reason, as a sentence."""
        of = f" of {self.package}" if self.package else ""
        what = {"added": "Made", "missing": "Removed", "metadata": "Given another owner or mode"}.get(self.drift, "Rewritten")
        return f"{what} by convergence, and the image's{of}: the next upgrade undoes it, and convergence does it again."

    def to_fields(self) -> dict[str, Any]:
        """As JSON."""
        return {"path": show(self.path), "drift": self.drift, "package": self.package, "class": self.owner.value, "line": self.line}
