"""What has come of the power cuts: kept as JSON after each of them, so that a run that is ended early has told what it knows."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Cut(NamedTuple):
    """A power cut, and what came of it."""

    when: str
    """live or at boot."""
    stretch: str
    """From whose start on the node ran: the exchange itself is `commit`."""
    after_s: float
    """For so much wall time."""
    during: str
    """The phase that it had told of last."""
    outcome: str
    """old or new; anything else is what was wrong."""
    state: str
    """Of the node when it had come to rest."""
    boots: int
    """How many it took until then."""
    took_s: int
    """All of it."""
    said: tuple[str, ...]
    """What reprov said on the console in the last of these boots."""


class Tally:
    """All the cuts of a run."""

    def __init__(self, file: Path, seed: int) -> None:
        """`seed` is what their instants follow from."""
        self.seed = seed
        self._file = file
        self._cuts: list[Cut] = []

    def add(self, cut: Cut) -> Cut:
        """Write one down."""
        self._cuts.append(cut)
        self._file.parent.mkdir(exist_ok=True)
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps({"seed": self.seed, "cuts": [cut._asdict() for cut in self._cuts]}, indent=2) + "\n")
        new.replace(self._file)
        return cut

    def lines(self) -> Iterator[str]:
        """The sums; nothing where the power was not cut."""
        if not self._cuts:
            return
        for (when, outcome), count in sorted(Counter((cut.when, cut.outcome) for cut in self._cuts).items()):
            yield f"power cuts {when}: {count} x {outcome}"
        yield f"power cuts: {len(self._cuts)} in all, --cuts-seed {self.seed}, in {self._file}"
