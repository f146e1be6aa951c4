"""What changes between two releases of a role."""

from pathlib import Path

from reprov.adapters.store import Store
from reprov.domain.hop import Hop, between
from reprov.domain.release import ReleaseId


def diff(root: Path, old: ReleaseId, new: ReleaseId) -> Hop:
    """Compare two published releases. Raises `InvalidInput` when one of them is not there."""
    store = Store.opened(root)
    for release in (old, new):
        store.release(release)
    return between(store.manifest(old), store.manifest(new), store.packages(old), store.packages(new))
