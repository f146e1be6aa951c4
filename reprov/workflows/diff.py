"""What changes between two releases of a role."""

from pathlib import Path

from reprov.adapters.store import Store
from reprov.domain.hop import Hop, between
from reprov.domain.post_script import PostScript
from reprov.domain.post_script_text import parse
from reprov.domain.release import ReleaseId
from reprov.domain.store_layout import post_path


def diff(root: Path, old: ReleaseId, new: ReleaseId) -> Hop:
    """Compare two published releases. Raises `InvalidInput` when one of them is not there."""
    store = Store.opened(root)
    for release in (old, new):
        store.release(release)
    return between(store.manifest(old), store.manifest(new), store.packages(old), store.packages(new))


def post_script_of(root: Path, old: ReleaseId, new: ReleaseId) -> PostScript | None:
    """What runs after the commit of this hop; None for one that was not foreseen when the later release was published."""
    file = Store.opened(root).folder(new) / post_path(old)
    if not file.is_file():
        return None
    return parse(file.read_bytes().decode("utf-8", "surrogateescape"), str(file))
