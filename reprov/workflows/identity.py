"""Before a commit is sealed: is the node still who it was?"""

from collections.abc import Callable, Mapping
from pathlib import Path

from reprov.adapters.identity import look
from reprov.domain.entry import Entry
from reprov.domain.identity import new_problems, released_files
from reprov.errors import ReprovError

_SHOWN = 3


def identity_check(root: Path, installed: Mapping[str, Entry], *, live: bool) -> Callable[[], None]:
    """Look at who the node is now. What comes back is called after the exchanges; it raises `ReprovError` when something was lost.

    `installed` are the entries of the installed release (none for a node without): a file that is the release's to the byte is
    not the node's own, and the next release may bring another one.
    """
    before = look(root, live=live)
    released = released_files(before, {path: installed[path].digest for path in before.digests if path in installed})

    def check() -> None:
        problems = new_problems(before, look(root, live=live), released)
        if problems:
            shown = "; ".join(map(str, problems[:_SHOWN])) + (f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else "")
            raise ReprovError(f"the node would not be itself any more, so the exchange was undone: {shown}", hint=problems[0].hint)

    return check
