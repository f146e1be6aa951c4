"""Facts for a merge, and what it decided: the stage between a scan and a comparison, in a plan, in the look before a commit, in verify."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from reprov.adapters.diff3 import merge_text
from reprov.adapters.files import read_at
from reprov.adapters.release_reader import ReleaseFiles
from reprov.domain.account_checks import find_misplaced
from reprov.domain.account_files import ACCOUNT_PATHS, AccountFiles, AccountNote
from reprov.domain.account_ids import USUAL_PEOPLE, PeopleIds
from reprov.domain.accounts import MergedAccounts, merge_accounts
from reprov.domain.alternative_choice import NO_CHOICES, Choices, Tree, find_choices, names_touched, new_link
from reprov.domain.alternatives import admin_path
from reprov.domain.comparison import Blocker
from reprov.domain.entry import Entry, Kind, show
from reprov.domain.merge import find_merges
from reprov.domain.merged import Merged, apply_merges
from reprov.domain.owner_change import IdMoves
from reprov.domain.scan import Scan
from reprov.errors import Refused, ReprovError

_LOGIN_DEFS = "etc/login.defs"


@dataclass(frozen=True, slots=True)
class Merging:
    """A target and a scan in which release and node have both had their way."""

    merged: Merged
    contents: Mapping[str, bytes]
    """Of files that are written and that neither tree may have, by sha256 in hex."""
    accounts: MergedAccounts | None
    """None where the account files are as the release has them, or are none of its business."""
    blockers: tuple[Blocker, ...]
    """Why it must not be used."""
    alternatives: tuple[AccountNote, ...]
    """Which choices of update-alternatives the release cannot keep."""


def merge(root_fd: int, scan: Scan, target: ReleaseFiles, installed: ReleaseFiles | None) -> Merging:
    """Merge what node and release share. Raises `ReprovError` when a file changes while it is looked at."""
    wanted = target.manifest.entries
    base = installed.manifest.entries if installed else None
    decided = account_paths(scan, wanted)
    misplaced = misplaced_accounts(scan) if decided else ()
    accounts = _merge_accounts(root_fd, decided, scan, target, installed) if decided and not misplaced else None
    contents: dict[str, bytes] = {}
    shared = dict(wanted)
    account_contents = accounts.files.by_path() if accounts else {}
    for path in decided:
        ours, theirs = scan.entries.get(path), wanted.get(path)
        content = account_contents.get(path)
        if entry := _merged_entry(path, content, ours, theirs):
            shared[path] = entry
        if content is not None:
            contents[hashlib.sha256(content).hexdigest()] = content
    choices = _find_choices(root_fd, scan, target, installed)
    contents.update(_take_choices(shared, choices, scan, wanted))
    # A file that an account owns is the same one with the account's new id: by that, what release and node did to it is compared.
    moves = IdMoves.of(accounts.moved if accounts else ())
    with_new_ids = replace(scan, entries=moves.entries_after(scan.entries))
    found = find_merges(shared, with_new_ids, target.ownership, base and moves.entries_after(base), decided={*decided, *choices.decided})
    texts: dict[str, bytes | None] = {}
    for text in found.texts:
        before = installed.pristine.get(text.path) if installed else None
        if before is not None and text.path in target.pristine:
            texts[text.path] = merge_text(read_live(root_fd, text.ours), before, target.pristine[text.path])
    theirs_by_path = target.pristine if found.texts or found.conflicts else {}
    merged = apply_merges(shared, scan, found, texts, theirs_by_path)
    blockers = (*misplaced, *(accounts.blockers if accounts else ()))
    return Merging(merged, {**merged.contents, **contents}, accounts, blockers, choices.notes)


def _find_choices(root_fd: int, scan: Scan, target: ReleaseFiles, installed: ReleaseFiles | None) -> Choices:
    base = installed.manifest.entries if installed else {}
    names = names_touched(scan, base, target.ownership)
    if not names:
        return NO_CHOICES
    paths = [admin_path(name) for name in names]
    live = {path: read_live(root_fd, scan.entries[path]) for path in paths}
    new = {path: _pristine(target, path) for path in paths if path in target.manifest.entries}
    before = Tree(base, installed.pristine if installed else {})
    modes = {name: before.mode(name) for name in names}
    return find_choices(modes, Tree(scan.entries, live), Tree(target.manifest.entries, new), target.ownership)


def _take_choices(shared: dict[str, Entry], choices: Choices, scan: Scan, wanted: Mapping[str, Entry]) -> dict[str, bytes]:
    """Give the node's choices to what is to be; returns the contents that are written, by digest."""
    for path, leads_to in choices.links.items():
        ours = scan.entries.get(path)
        if not leads_to:
            shared.pop(path, None)
        elif ours and ours.kind is Kind.LINK and ours.target == leads_to:
            shared[path] = ours
        else:
            shared[path] = wanted.get(path, new_link(path))._replace(target=leads_to)
    for path, content in choices.contents.items():
        if entry := _merged_entry(path, content, scan.entries.get(path), wanted.get(path)):
            shared[path] = entry
    return {hashlib.sha256(content).hexdigest(): content for content in choices.contents.values()}


def account_paths(scan: Scan, wanted: Mapping[str, Entry]) -> tuple[str, ...]:
    """The account files that are merged: those that no list gives to the node; none on a root that has no accounts yet."""
    if scan.kind_at(ACCOUNT_PATHS[0]) is None or ACCOUNT_PATHS[0] not in wanted:
        return ()
    return tuple(
        path
        for path in ACCOUNT_PATHS
        if path not in scan.verdicts and path not in scan.fenced and scan.kind_at(path) in (None, Kind.FILE) and _is_file(wanted.get(path))
    )


def misplaced_accounts(scan: Scan) -> tuple[Blocker, ...]:
    """Why the account files of the live tree cannot be merged, whatever is in them."""
    return find_misplaced({path: entry.kind for path in ACCOUNT_PATHS if (entry := scan.entries.get(path))})


def _is_file(entry: Entry | None) -> bool:
    return entry is None or entry.kind is Kind.FILE


def _merge_accounts(
    root_fd: int, decided: tuple[str, ...], scan: Scan, target: ReleaseFiles, installed: ReleaseFiles | None
) -> MergedAccounts | None:
    wanted = target.manifest.entries
    if all(known_digest(scan.entries.get(path)) == known_digest(wanted.get(path)) for path in decided):
        return None
    live = live_accounts(root_fd, scan)
    new = {path: _pristine(target, path) for path in decided if path in wanted}
    # A file that a list gives to the node is not written, but the others are to fit it.
    new.update({path: content for path, content in live.items() if path not in decided})
    pristine = AccountFiles.of(installed.pristine) if installed else None
    return merge_accounts(pristine, AccountFiles.of(live), AccountFiles.of(new), people_of(root_fd, scan))


def known_digest(entry: Entry | None) -> str:
    """The digest of a file that there may be."""
    return entry.digest if entry else ""


def live_accounts(root_fd: int, scan: Scan) -> dict[str, bytes]:
    """The account files of the live tree by path, as the scan saw them."""
    return {path: read_live(root_fd, scan.entries[path]) for path in ACCOUNT_PATHS if scan.kind_at(path) is Kind.FILE}


def _pristine(release: ReleaseFiles, path: str) -> bytes:
    content = release.pristine.get(path)
    if content is None:
        raise Refused(f"{release.release.id} comes without the content of {show(path)}", hint="publish the release again")
    return content


def people_of(root_fd: int, scan: Scan) -> PeopleIds:
    entry = scan.entries.get(_LOGIN_DEFS)
    if entry is None or entry.kind is not Kind.FILE:
        return USUAL_PEOPLE
    return PeopleIds.parse(read_at(_LOGIN_DEFS, dir_fd=root_fd), show(_LOGIN_DEFS))


def _merged_entry(path: str, content: bytes | None, ours: Entry | None, theirs: Entry | None) -> Entry | None:
    """What the account file is to be: the merged content with the release's owner and mode; a time is no difference."""
    looks = theirs or ours
    if looks is None:
        return None
    if content is None:
        return theirs._replace(mtime_ns=ours.mtime_ns) if theirs and ours and theirs.digest == ours.digest else theirs
    digest = hashlib.sha256(content).hexdigest()
    same = next((entry for entry in (ours, theirs) if entry and entry.digest == digest), None)
    mtime_ns = same.mtime_ns if same else max(entry.mtime_ns for entry in (ours, theirs) if entry)
    return looks._replace(path=path, size=len(content), digest=digest, mtime_ns=mtime_ns, link_group=0)


def read_live(root_fd: int, entry: Entry) -> bytes:
    """The content of a live file as the scan saw it."""
    content = read_at(entry.path, dir_fd=root_fd)
    if hashlib.sha256(content).hexdigest() != entry.digest:
        raise ReprovError(f"{show(entry.path)} changed while it was read", hint="something is writing to it; run it again")
    return content
