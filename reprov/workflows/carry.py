"""What of shared files comes along when the previous tree comes back: what the node has changed since, above all its passwords."""

import hashlib
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass

from reprov.adapters.files import digest_at
from reprov.adapters.node_state import PREVIOUS
from reprov.adapters.previous import write_file
from reprov.adapters.release_reader import ReleaseFiles
from reprov.adapters.statcache import StatCache
from reprov.adapters.volumes import Volumes
from reprov.domain.account_files import ACCOUNT_PATHS, AccountFiles
from reprov.domain.accounts import MergedAccounts, merge_accounts
from reprov.domain.entry import Entry, Kind, show
from reprov.domain.journal import Journal, Written
from reprov.domain.merge import find_merges
from reprov.domain.merged import kept_in, stays_in
from reprov.domain.scan import Scan
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
    accounts: MergedAccounts | None
    """The accounts of now in the previous tree; None where they have not changed since."""


def carry(root_fd: int, scan: Scan, installed: ReleaseFiles, previous: AccountFiles, written: Collection[Written]) -> Carried:
    """Find out what the node has changed since the commit that installed its release.

    What that commit wrote by merging (`written`), and nobody has touched since, goes with its tree. `previous` are the
    account files of the previous tree.
    """
    wanted = installed.manifest.entries
    decided = account_paths(scan, wanted)
    digests = {**{path: wanted[path].digest for path in decided if path in wanted}, **{item.path: item.digest for item in written}}
    found = find_merges(wanted, scan, installed.ownership, wanted, decided=decided)
    untouched = {item.path for item in written if _digest(scan.entries.get(item.path)) == item.digest}
    nodes = {path: why for path, why in found.nodes.items() if path not in untouched}
    accounts = None
    if any(_digest(scan.entries.get(path)) != digests.get(path, "") for path in decided):
        live = {path: read_live(root_fd, scan.entries[path]) for path in ACCOUNT_PATHS if scan.kind_at(path) is Kind.FILE}
        accounts = merge_accounts(AccountFiles.of(installed.pristine), AccountFiles.of(live), previous, people_of(root_fd, scan))
    return Carried(kept_in(scan, nodes), lambda path: stays_in(nodes, path), accounts)


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


def write_accounts(node: Node, volumes: Volumes, journal: Journal, previous: ReleaseFiles | None, contents: Mapping[str, bytes]) -> None:
    """Write account files into the previous tree. Its record forgets them first: an interruption must not make them look damaged."""
    if not contents:
        return
    known = record.load_previous(node, previous)
    others = StatCache(
        {path: entry for path, entry in known.entries.items() if path not in contents},
        {path: signature for path, signature in known.signatures.items() if path not in contents},
    )
    record.save_previous(node, others, previous)
    volumes.sync()
    for path, content in contents.items():
        write_file(volumes, journal.volume_of(path), path, content)


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
