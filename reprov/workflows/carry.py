"""What of shared files comes along when the previous tree comes back: what the node has changed since, above all its passwords."""

import hashlib
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass

from reprov.adapters import returned
from reprov.adapters.files import digest_at
from reprov.adapters.node_state import PREVIOUS
from reprov.adapters.previous import dress, find, is_there, remove, write_file
from reprov.adapters.release_reader import ReleaseFiles
from reprov.adapters.returned import Returned
from reprov.adapters.statcache import StatCache
from reprov.adapters.volumes import Volumes
from reprov.domain.account_files import ACCOUNT_PATHS, AccountFiles
from reprov.domain.account_ids import PeopleIds
from reprov.domain.account_return import merge_into_previous
from reprov.domain.accounts import MergedAccounts, merge_accounts
from reprov.domain.alternative_choice import NO_CHOICES, Choices
from reprov.domain.comparison import Blocker
from reprov.domain.entry import Entry, Kind, ancestors_of
from reprov.domain.journal import Journal, Written
from reprov.domain.merge import Stays, find_merges
from reprov.domain.merged import kept_in, stays_in
from reprov.domain.metadata_return import wear_of_now
from reprov.domain.owner_change import IdMoves
from reprov.domain.ownership import Owner, Ownership
from reprov.domain.scan import Scan
from reprov.domain.units import Op, OpKind
from reprov.errors import NeedsAttention
from reprov.workflows import record
from reprov.workflows.choices import choices_since, links_inside, write_links
from reprov.workflows.merging import account_paths, known_digest, live_accounts, misplaced_accounts, people_of
from reprov.workflows.node import Node


@dataclass(frozen=True, slots=True)
class Trees:
    """The live tree as the last commit left it and the previous one, as far as the node knows them; one of the two is a release."""

    installed: ReleaseFiles | None
    previous: ReleaseFiles | None
    returned: Returned
    """What the live tree was when it became live, where it is no release."""
    old_accounts: AccountFiles
    """Of the previous tree."""

    @property
    def release(self) -> ReleaseFiles:
        """The release by whose lists paths are shared, and by whose paths the node is looked at: the installed one if there is one."""
        release = self.installed or self.previous
        if release is None:
            raise NeedsAttention(
                "the node knows neither its installed nor its previous release", hint="/.reprov/state.json was changed by hand"
            )
        return release

    @property
    def committed(self) -> Mapping[str, Entry]:
        """What the live tree was when it became live, without what was merged; of one that is no release only what it shares."""
        return self.installed.manifest.entries if self.installed else self.returned.entries

    @property
    def before(self) -> Mapping[str, Entry]:
        """The paths of the previous tree's release; none where it is no release."""
        return self.previous.manifest.entries if self.previous else {}


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
    blockers: tuple[Blocker, ...]
    """Why the accounts of now cannot come along."""
    moving: MergedAccounts | None
    """Which ids move with the tree, whether or not the accounts have changed since; None without accounts."""
    worn: Mapping[str, Entry]
    """What gets another mode, owner or attributes in the previous tree, as it will be there."""
    live_accounts: Mapping[str, bytes]
    """The account files of now, by path."""
    choices: Choices
    """What has been chosen with update-alternatives since."""


def carry(volumes: Volumes, scan: Scan, trees: Trees, journal: Journal, *, by_scripts: bool = False) -> Carried:
    """Find out what the node has changed since the commit that made its tree live, whose journal this is.

    What that commit wrote by merging, and nobody has touched since, goes with its tree. What the previous tree should have and
    does not comes along whatever it is by now. So do accounts. With `by_scripts` nothing else does: whatever has changed, the
    scripts of that hop have written, and they are taken back.
    """
    wanted, ownership = trees.committed, trees.release.ownership
    decided = account_paths(scan, trees.release.manifest.entries)
    installed = None if by_scripts else trees.installed
    choices = choices_since(volumes, scan, installed, trees.before, journal) if installed else NO_CHOICES
    found = find_merges(wanted, scan, ownership, wanted, decided={*decided, *choices.decided})
    untouched = {item.path for item in journal.written if known_digest(scan.entries.get(item.path)) == item.digest}
    nodes = {} if by_scripts else {path: why for path, why in found.nodes.items() if path not in untouched}
    lacking = _lacking(volumes, scan, trees, journal)
    nodes.update({path: why for path, why in lacking.items() if path not in choices.decided})
    live = live_accounts(volumes.root_fd, scan) if decided else {}
    moving = _accounts_of_now(trees, AccountFiles.of(live), people_of(volumes.root_fd, scan)) if decided else None
    digests = _committed_digests(trees, journal)
    changed_now = any(known_digest(scan.entries.get(path)) != digests.get(path, "") for path in decided)
    accounts = moving if changed_now else None
    misplaced = misplaced_accounts(scan) if decided else ()
    kept = kept_in(scan, nodes)
    return Carried(
        kept,
        lambda path: stays_in(nodes, path),
        frozenset() if by_scripts else frozenset(found.removed),
        accounts,
        misplaced or (accounts.blockers if accounts else ()),
        moving,
        {} if by_scripts else _worn(volumes, kept, trees, journal, IdMoves.of(moving.moved if moving else ())),
        live,
        choices,
    )


def _accounts_of_now(trees: Trees, live: AccountFiles, people: PeopleIds) -> MergedAccounts:
    if trees.installed is None:
        return merge_accounts(trees.returned.accounts, live, trees.old_accounts, people)
    before = AccountFiles.of(trees.previous.pristine) if trees.previous else None
    return merge_into_previous(AccountFiles.of(trees.installed.pristine), live, before, trees.old_accounts, people)


def _committed_digests(trees: Trees, journal: Journal) -> dict[str, str]:
    """Of the account files that the commit left, by path."""
    if trees.installed is None:
        return {path: hashlib.sha256(content).hexdigest() for path, content in trees.returned.accounts.by_path().items()}
    released = {path: trees.committed[path].digest for path in ACCOUNT_PATHS if path in trees.committed}
    return {**released, **{item.path: item.digest for item in journal.written}}


def _worn(volumes: Volumes, scan: Scan, trees: Trees, journal: Journal, moves: IdMoves) -> dict[str, Entry]:
    """What the node has given another mode, owner or attributes since, but not content, as the previous tree is to have it."""
    found: dict[str, Entry] = {}
    for path, installed in trees.committed.items():
        live = scan.entries.get(path)
        if live is None or path in scan.verdicts or path in scan.fenced or path in ACCOUNT_PATHS:
            continue
        if not _is_shared(trees.release.ownership, live):
            continue
        previous = find(volumes, journal.volume_of(path), path)
        if previous is None:
            continue
        worn = wear_of_now(moves.entry_after(live), moves.entry_after(installed), trees.before.get(path), previous)
        if worn:
            found[path] = worn
    return found


def _is_shared(ownership: Ownership, entry: Entry) -> bool:
    return ownership.of(entry.path, is_dir=entry.kind is Kind.DIR).owner is Owner.MERGE


def _lacking(volumes: Volumes, scan: Scan, trees: Trees, journal: Journal) -> dict[str, Stays]:
    """What the node has and the previous tree should have and does not: it was the node's alone then, or had been removed."""
    swapped = {entry.op.path for entry in journal.ops if entry.op.kind is OpKind.SWAP}
    of_both = (path for path in trees.before if path in trees.committed)
    found: dict[str, Stays] = {}
    for path in (*(item.path for item in journal.linked), *of_both):
        if path in scan.verdicts or scan.kind_at(path) in (None, Kind.DIR) or path in ACCOUNT_PATHS:
            continue
        verdict = trees.release.ownership.of(path, is_dir=False)
        if verdict.owner is not Owner.MERGE or verdict.rule is None or swapped.isdisjoint(ancestors_of(path)):
            continue
        if not is_there(volumes, journal.volume_of(path), path):
            found[path] = Stays("the previous tree has none", verdict.rule)
    return found


def changed_accounts(old: AccountFiles, accounts: MergedAccounts | None) -> dict[str, bytes]:
    """The account files that the previous tree must get before it comes back: a password that was changed must not come back."""
    before = old.by_path()
    after = accounts.files.by_path() if accounts else {}
    return {path: content for path, content in after.items() if path in before and before[path] != content}


def change_previous(
    node: Node, volumes: Volumes, journal: Journal, previous: ReleaseFiles | None, carried: Carried, contents: Mapping[str, bytes]
) -> None:
    """Write merged files, modes, owners and links of choices into the previous tree, and take out of it what the node has removed.

    Its record forgets them first, and what the node's files will take the place of: an interruption must not make it look damaged.
    """
    gone = [path for path in carried.removed if is_there(volumes, journal.volume_of(path), path)]
    known = record.load_previous(node, previous)
    linked = links_inside(journal, carried.choices)
    changed = {*contents, *gone, *carried.worn, *linked, *(path for path in known.entries if carried.stays(path))}
    if not changed:
        return
    others = StatCache(
        {path: entry for path, entry in known.entries.items() if path not in changed},
        {path: signature for path, signature in known.signatures.items() if path not in changed},
        known.labels,
    )
    record.save_previous(node, others, previous)
    volumes.sync()
    for path, content in contents.items():
        write_file(volumes, journal.volume_of(path), path, content)
    for path, entry in carried.worn.items():
        dress(volumes, journal.volume_of(path), entry)
    write_links(volumes, journal, carried.choices)
    for path in sorted(gone, reverse=True):  # what is in a directory before it
        remove(volumes, journal.volume_of(path), path)


def written_before(journal: Journal, volumes: Volumes, accounts: Mapping[str, bytes]) -> tuple[Written, ...]:
    """The merged files of the commit that is undone, as the previous tree has them."""
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in accounts.items()}
    for item in journal.written:
        if item.path not in digests:
            with suppress(FileNotFoundError):
                digests[item.path] = _previous_digest(volumes, journal, item.path)
    return tuple(Written(path, digest) for path, digest in sorted(digests.items()))


def remember(
    node: Node, volumes: Volumes, journal: Journal, carried: Carried, trees: Trees, ops: Collection[Op], accounts: Mapping[str, bytes]
) -> None:
    """Write down what a tree that is no release is when it comes back, by these ops and with these account files.

    Before it does: there is no instant at which it is live, and nobody knows what of it is changed from then on.
    """
    scan, ownership = carried.scan, trees.release.ownership
    leaving = {op.path for op in ops if op.kind in (OpKind.SWAP, OpKind.REMOVE)}

    def stays(path: str) -> bool:
        return path not in scan.fenced and leaving.isdisjoint((path, *ancestors_of(path)))

    back = record.load_previous(node, None).entries
    worn = {
        path: entry._replace(digest=_previous_digest(volumes, journal, path)) if entry.kind is Kind.FILE else entry
        for path, entry in carried.worn.items()
    }
    staying = {path: entry for path, entry in scan.entries.items() if path not in scan.verdicts and stays(path)}
    entries = {path: entry for path, entry in {**back, **worn, **staying}.items() if _is_shared(ownership, entry)}
    contents = {path: content for path, content in carried.live_accounts.items() if stays(path)}
    returned.save(
        Returned(
            {path: entry._replace(link_group=0) for path, entry in sorted(entries.items()) if path not in ACCOUNT_PATHS},
            AccountFiles.of({**contents, **trees.old_accounts.by_path(), **accounts}),
        ),
        node.state.directory,
    )


def _previous_digest(volumes: Volumes, journal: Journal, path: str) -> str:
    volume = journal.volume_of(path)
    return digest_at(f"{PREVIOUS}/{volumes.inside(volume, path)}", dir_fd=volumes.own_fds[volume])
