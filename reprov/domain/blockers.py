"""Blockers as a refusal: the first one in words, and how many more there are."""

from collections.abc import Iterable

from reprov.domain.comparison import Blocker
from reprov.errors import Refused


def refuse(blockers: Iterable[Blocker], *, more: str = "") -> None:
    """Raise `Refused` with the first of these, if there is one; `more` is what is said of the others, with `{}` for their number."""
    found = tuple(blockers)
    if not found:
        return
    first, *others = found
    raise Refused(f"{first.text}{more.format(len(others)) if others else ''}", hint=first.hint)
