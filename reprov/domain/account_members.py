"""Who is in a group, and who administers it: the node's lists and the release's, merged name by name."""

from collections.abc import Collection
from dataclasses import dataclass

from reprov.domain.account_lines import names_in


@dataclass(frozen=True, slots=True)
class Membership:
    """Which names are a special case in the lists of a node's groups."""

    people: Collection[bytes]
    """Users of the node who stay members even where the release takes them out: nobody is locked out of `sudo` by an upgrade."""
    leaving: Collection[bytes]
    """Users of the node who go, from every list, too."""
    absent: Collection[bytes]
    """Users of the release whom the node removed; they do not become members."""

    def merge(self, base: bytes, ours: bytes, theirs: bytes | None) -> bytes:
        """The node's list, without whom the release took out and with whom it took in; None: the release has no such list."""
        old, now = names_in(base), names_in(ours)
        new = now if theirs is None else names_in(theirs)
        stay = [name for name in now if name not in self.leaving and (name in new or name not in old or name in self.people)]
        merged = stay + [name for name in new if name not in now and name not in old and name not in self.absent]
        if theirs is not None and ours == base and sorted(merged) == sorted(new):
            return theirs
        return ours if merged == now else b",".join(merged)
