"""What is known of both trees after a commit, written down for the next plan and for a rollback, without reading a file again."""

import os
from collections.abc import Mapping
from dataclasses import replace

from reprov.adapters import statcache
from reprov.adapters.node_state import PREVIOUS
from reprov.adapters.release_reader import ReleaseFiles
from reprov.adapters.statcache import StatCache
from reprov.adapters.survey import signature_of
from reprov.adapters.volumes import Volumes
from reprov.domain.entry import Entry, Kind, parent_of
from reprov.domain.journal import Journal
from reprov.domain.manifest import Manifest
from reprov.domain.scan import Scan, Signature
from reprov.domain.units import OpKind
from reprov.workflows.node import Node

PREVIOUS_RECORD = "previous.record"


def after_upgrade(
    journal: Journal,
    scan: Scan,
    target: Mapping[str, Entry],
    staged: Mapping[str, Signature],
) -> tuple[StatCache, StatCache]:
    """The cache of the new live tree, and the record of the tree that it replaced.

    `scan` is the tree before the commit, `staged` what staging made. Linking a file gives it a new ctime, so where a
    staged file is a link, its signature is that of the old file, too.
    """
    stays, old = _divided(scan, journal)
    linked = {path: staged[path] for path, signature in old.signatures.items() if path in staged and staged[path].inode == signature.inode}
    live = StatCache({**stays.entries, **{path: target[path] for path in staged}}, {**stays.signatures, **staged}, scan.labels)
    return live, replace(old, signatures={**old.signatures, **linked})


def after_rollback(journal: Journal, scan: Scan, back: StatCache) -> tuple[StatCache, StatCache]:
    """The cache of the tree that came back (recorded in `back`), and the record of the one that left (`scan` saw it live)."""
    stays, gone = _divided(scan, journal)
    if back.labels is not stays.labels:
        return stays, gone  # of the tree that came back nothing is known in these terms
    return StatCache({**back.entries, **stays.entries}, {**back.signatures, **stays.signatures}, stays.labels), gone


def save_live(node: Node, cache: StatCache, installed: ReleaseFiles | None) -> None:
    """Save the cache of the live tree, against the release that it is."""
    statcache.save(cache, node.state.directory / "stat-cache", *_base(installed))


def load_live(node: Node, installed: ReleaseFiles | None) -> StatCache:
    """What is still known of the live tree; empty when nothing is."""
    return statcache.load(node.state.directory / "stat-cache", *_base(installed))


def save_previous(node: Node, record: StatCache, previous: ReleaseFiles | None) -> None:
    """Save the record of the previous tree, against the release that it is."""
    statcache.save(record, node.state.directory / PREVIOUS_RECORD, *_base(previous))


def load_previous(node: Node, previous: ReleaseFiles | None) -> StatCache:
    """What the previous tree was when it was put aside; empty when nobody wrote it down."""
    return statcache.load(node.state.directory / PREVIOUS_RECORD, *_base(previous))


def known_of(scan: Scan) -> StatCache:
    """What a scan knows of the paths that are the image's."""
    entries, signatures = dict(scan.entries), dict(scan.signatures)
    for path in (*scan.verdicts, *scan.fenced):
        entries.pop(path, None)
        signatures.pop(path, None)
    return StatCache(entries, signatures, scan.labels)


def without_links_to(cache: StatCache, volumes: Volumes, journal: Journal, *, previous: bool, since_ns: int) -> StatCache:
    """The cache after trees were removed whose files were links of these: losing a name moved their ctime, and nothing else.

    A file is believed to be unchanged when inode, size and modification time are as known and its ctime is younger than
    `since_ns`, the beginning of the removal; any other is left as it is, and will be read again.
    """
    signatures = dict(cache.signatures)
    for path, entry in cache.entries.items():
        if entry.kind is not Kind.FILE:
            continue
        volume = journal.volume_of(path)
        name, dir_fd = (f"{PREVIOUS}/{volumes.inside(volume, path)}", volumes.own_fds[volume]) if previous else (path, volumes.root_fd)
        try:
            status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        except OSError:
            continue
        known = signatures[path]
        same = (status.st_ino, status.st_size, status.st_mtime_ns) == (known.inode, known.size, entry.mtime_ns)
        if same and status.st_ctime_ns >= since_ns:
            signatures[path] = signature_of(status)
    return replace(cache, signatures=signatures)


def _base(release: ReleaseFiles | None) -> tuple[Manifest | None, str]:
    return (release.as_published, release.cache_key) if release else (None, "")


def _divided(scan: Scan, journal: Journal) -> tuple[StatCache, StatCache]:
    """The image's paths that stayed where they were when the journal's exchanges were done, and those that were exchanged."""
    gone = {entry.op.path for entry in journal.ops if entry.op.kind in (OpKind.SWAP, OpKind.REMOVE)}
    stays: dict[str, Entry] = {}
    left: dict[str, Entry] = {}
    for path, entry in scan.entries.items():  # parents first
        if path in scan.verdicts or path in scan.fenced:
            continue
        if path in gone:
            left[path] = entry
        elif parent_of(path) in gone:
            gone.add(path)
            left[path] = entry
        else:
            stays[path] = entry
    signatures, labels = scan.signatures, scan.labels
    return (
        StatCache(stays, {path: signatures[path] for path in stays}, labels),
        StatCache(left, {path: signatures[path] for path in left}, labels),
    )
