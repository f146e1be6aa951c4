"""The words for a key that nobody knows, with the one that was probably meant."""

import difflib
from collections.abc import Iterable


def unknown_key(key: object, known: Iterable[str]) -> str:
    """`unknown key 'pakages' (did you mean 'packages'?)`, without the question where no known key is like it."""
    return f"unknown key {str(key)!r}{did_you_mean(str(key), known)}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'compute'?)` for a name that is like a known one, else nothing; to be put behind a message."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
