"""What of shared files comes along when the previous tree comes back: what the node has changed since, above all its passwords."""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from reprov.adapters.files import digest_at
from reprov.adapters.node_state import PREVIOUS
from reprov.adapters.previous import is_there, remove, write_file
from reprov.adapters.release_reader import ReleaseFiles
from reprov.adapters.statcache import StatCache
from reprov.adapters.volumes import Volumes
from reprov.domain.account_files import ACCOUNT_PATHS, AccountFiles
from reprov.domain.account_return import merge_into_previous
from reprov.domain.accounts import MergedAccounts
from reprov.domain.entry import Entry, Kind, ancestors_of, show
from reprov.domain.journal import Journal, Written
from reprov.domain.merge import Stays, find_merges
from reprov.domain.merged import kept_in, stays_in
from reprov.domain.ownership import Owner
from reprov.domain.scan import Scan
from reprov.domain.units import OpKind
from reprov.errors import Refused
from reprov.workflows import record
from reprov.workflows.merging import account_paths, people_of, read_live
from reprov.workflows.node import Node


@dataclass(frozen=True, slots=True)
class Carried:
    """What of shared paths comes along when the previous tree comes back."""

    scan: Scan
    """The live tree, where what the node has changed since the commit is kept."""
    stays: Callable[[str], bool]
    """Whether a path is among that."""
    removed: frozenset[str]
    """What the node has removed and the previous tree may still have; it stays away."""
    accounts: MergedAccounts | None
    """The accounts of now in the previous tree; None where they have not changed since."""
    moving: MergedAccounts | None
    """Which ids move with the tree, whether or not the accounts have changed since; None without accounts."""


def carry(
    volumes: Volumes, scan: Scan, installed: ReleaseFiles, previous: ReleaseFiles | None, old_accounts: AccountFiles, journal: Journal
) -> Carried:
    """Find out what the node has changed since the commit that installed its release, whose journal this is.

    What that commit wrote by merging, and nobody has touched since, goes with its tree. What the previous tree should have and
    does not comes along whatever it is by now. `previous` is that tree's release, `old_accounts` are its account files.
    """
    root_fd = volumes.root_fd
    wanted = installed.manifest.entries
    decided = account_paths(scan, wanted)
    digests = {**{path: wanted[path].digest for path in decided if path in wanted}, **{item.path: item.digest for item in journal.written}}
    found = find_merges(wanted, scan, installed.ownership, wanted, decided=decided)
    untouched = {item.path for item in journal.written if _digest(scan.entries.get(item.path)) == item.digest}
    nodes = {path: why for path, why in found.nodes.items() if path not in untouched}
    nodes.update(_lacking(volumes, scan, installed, previous, journal))
    moving = None
    changed_now = any(_digest(scan.entries.get(path)) != digests.get(path, "") for path in decided)
    if decided:
        live = {path: read_live(root_fd, scan.entries[path]) for path in ACCOUNT_PATHS if scan.kind_at(path) is Kind.FILE}
        before = AccountFiles.of(previous.pristine) if previous else None
        people = people_of(root_fd, scan)
        moving = merge_into_previous(AccountFiles.of(installed.pristine), AccountFiles.of(live), before, old_accounts, people)
    return Carried(
        kept_in(scan, nodes), lambda path: stays_in(nodes, path), frozenset(found.removed), moving if changed_now else None, moving
    )


def _lacking(volumes: Volumes, scan: Scan, installed: ReleaseFiles, previous: ReleaseFiles | None, journal: Journal) -> dict[str, Stays]:
    """What the node has and the previous tree should have and does not: it was the node's alone then, or had been removed."""
    swapped = {entry.op.path for entry in journal.ops if entry.op.kind is OpKind.SWAP}
    of_both = (path for path in (previous.manifest.entries if previous else ()) if path in installed.manifest.entries)
    found: dict[str, Stays] = {}
    for path in (*(item.path for item in journal.linked), *of_both):
        if path in scan.verdicts or scan.kind_at(path) in (None, Kind.DIR) or path in ACCOUNT_PATHS:
            continue
        verdict = installed.ownership.of(path, is_dir=False)
        if verdict.owner is not Owner.MERGE or verdict.rule is None or swapped.isdisjoint(ancestors_of(path)):
            continue
        if not is_there(volumes, journal.volume_of(path), path):
            found[path] = Stays("the previous tree has none", verdict.rule)
    return found


def refuse_accounts(accounts: MergedAccounts | None) -> None:
    """Raise `Refused` with the first reason why the accounts of now do not fit the previous tree."""
    if accounts and accounts.blockers:
        first = accounts.blockers[0]
        raise Refused(f"{show(first.path)} {first.problem}", hint=first.hint)


def changed_accounts(old: AccountFiles, accounts: MergedAccounts | None) -> dict[str, bytes]:
    """The account files that the previous tree must get before it comes back: a password that was changed must not come back."""
    before = old.by_path()
    after = accounts.files.by_path() if accounts else {}
    return {path: content for path, content in after.items() if path in before and before[path] != content}


def change_previous(
    node: Node, volumes: Volumes, journal: Journal, previous: ReleaseFiles | None, carried: Carried, contents: Mapping[str, bytes]
) -> None:
    """Write account files into the previous tree, and take out of it what the node has removed.

    Its record forgets them first, and what the node's files will take the place of: an interruption must not make it look damaged.
    """
    gone = [path for path in carried.removed if is_there(volumes, journal.volume_of(path), path)]
    known = record.load_previous(node, previous)
    changed = {*contents, *gone, *(path for path in known.entries if carried.stays(path))}
    if not changed:
        return
    others = StatCache(
        {path: entry for path, entry in known.entries.items() if path not in changed},
        {path: signature for path, signature in known.signatures.items() if path not in changed},
    )
    record.save_previous(node, others, previous)
    volumes.sync()
    for path, content in contents.items():
        write_file(volumes, journal.volume_of(path), path, content)
    for path in sorted(gone, reverse=True):  # what is in a directory before it
        remove(volumes, journal.volume_of(path), path)


def written_before(journal: Journal, volumes: Volumes, accounts: Mapping[str, bytes]) -> tuple[Written, ...]:
    """The merged files of the commit that is undone, as the previous tree has them."""
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in accounts.items()}
    for item in journal.written:
        volume = journal.volume_of(item.path)
        if item.path not in digests:
            with suppress(FileNotFoundError):
                digests[item.path] = digest_at(f"{PREVIOUS}/{volumes.inside(volume, item.path)}", dir_fd=volumes.own_fds[volume])
    return tuple(Written(path, digest) for path, digest in sorted(digests.items()))


def _digest(entry: Entry | None) -> str:
    return entry.digest if entry else ""
