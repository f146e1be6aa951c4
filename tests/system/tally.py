"""What the tests that count have counted, for the end of the run's report."""

from collections import Counter
from collections.abc import Iterable

_LINES: list[str] = []


def tell(what: str, outcomes: Iterable[str]) -> Counter[str]:
    """Count outcomes, and say at the end of the run how many of each there were."""
    found = Counter(outcomes)
    say(f"{what}: {found.total()}, of which {', '.join(f'{found[name]} {name}' for name in ('old', 'new', 'mixed'))}")
    return found


def say(*lines: str) -> None:
    """Say this at the end of the run."""
    _LINES.extend(lines)


def taken() -> list[str]:
    """What has been told since this was asked last."""
    lines = [*_LINES]
    _LINES.clear()
    return lines
