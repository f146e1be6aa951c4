"""Facts for a merge, and what it decided: the stage between a scan and a comparison, in a plan, in the look before a commit, in verify."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass

from reprov.adapters import kernel
from reprov.adapters.diff3 import merge_text
from reprov.adapters.release_reader import ReleaseFiles
from reprov.domain.account_files import ACCOUNT_PATHS, AccountFiles
from reprov.domain.account_ids import USUAL_PEOPLE, PeopleIds
from reprov.domain.accounts import MergedAccounts, merge_accounts
from reprov.domain.entry import Entry, Kind, show
from reprov.domain.merge import find_merges
from reprov.domain.merged import Merged, apply_merges
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


def merge(root_fd: int, scan: Scan, target: ReleaseFiles, installed: ReleaseFiles | None) -> Merging:
    """Merge what node and release share. Raises `ReprovError` when a file changes while it is looked at."""
    wanted = target.manifest.entries
    base = installed.manifest.entries if installed else None
    decided = account_paths(scan, wanted)
    accounts = _merge_accounts(root_fd, decided, scan, target, installed) if decided else None
    contents: dict[str, bytes] = {}
    shared = dict(wanted)
    for path in decided:
        ours, theirs = scan.entries.get(path), wanted.get(path)
        content = accounts.files.by_path().get(path) if accounts else None
        if entry := _merged_entry(path, content, ours, theirs):
            shared[path] = entry
        if content is not None:
            contents[hashlib.sha256(content).hexdigest()] = content
    found = find_merges(shared, scan, target.ownership, base, decided=decided)
    texts: dict[str, bytes | None] = {}
    for text in found.texts:
        before = installed.pristine.get(text.path) if installed else None
        if before is not None and text.path in target.pristine:
            texts[text.path] = merge_text(read_live(root_fd, text.ours), before, target.pristine[text.path])
    theirs_by_path = target.pristine if found.texts or found.conflicts else {}
    merged = apply_merges(shared, scan, found, texts, theirs_by_path)
    return Merging(merged, {**merged.contents, **contents}, accounts)


def account_paths(scan: Scan, wanted: Mapping[str, Entry]) -> tuple[str, ...]:
    """The account files that are merged: those that no list gives to the node; none on a root that has no accounts yet."""
    if scan.kind_at(ACCOUNT_PATHS[0]) is None or ACCOUNT_PATHS[0] not in wanted:
        return ()
    return tuple(
        path
        for path in ACCOUNT_PATHS
        if path not in scan.verdicts and path not in scan.fenced and scan.kind_at(path) in (None, Kind.FILE) and _is_file(wanted.get(path))
    )


def _is_file(entry: Entry | None) -> bool:
    return entry is None or entry.kind is Kind.FILE


def _merge_accounts(
    root_fd: int, decided: tuple[str, ...], scan: Scan, target: ReleaseFiles, installed: ReleaseFiles | None
) -> MergedAccounts | None:
    wanted = target.manifest.entries
    if all(_digest(scan.entries.get(path)) == _digest(wanted.get(path)) for path in decided):
        return None
    live = {path: read_live(root_fd, scan.entries[path]) for path in ACCOUNT_PATHS if scan.kind_at(path) is Kind.FILE}
    new = {path: _pristine(target, path) for path in decided if path in wanted}
    # A file that a list gives to the node is not written, but the others are to fit it.
    new.update({path: content for path, content in live.items() if path not in decided})
    pristine = AccountFiles.of(installed.pristine) if installed else None
    return merge_accounts(pristine, AccountFiles.of(live), AccountFiles.of(new), people_of(root_fd, scan))


def _digest(entry: Entry | None) -> str:
    return entry.digest if entry else ""


def _pristine(release: ReleaseFiles, path: str) -> bytes:
    content = release.pristine.get(path)
    if content is None:
        raise Refused(f"{release.release.id} comes without the content of {show(path)}", hint="publish the release again")
    return content


def people_of(root_fd: int, scan: Scan) -> PeopleIds:
    entry = scan.entries.get(_LOGIN_DEFS)
    if entry is None or entry.kind is not Kind.FILE:
        return USUAL_PEOPLE
    return PeopleIds.parse(_read(root_fd, _LOGIN_DEFS), show(_LOGIN_DEFS))


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
    content = _read(root_fd, entry.path)
    if hashlib.sha256(content).hexdigest() != entry.digest:
        raise ReprovError(f"{show(entry.path)} changed while it was read", hint="something is writing to it; run it again")
    return content


def _read(root_fd: int, path: str) -> bytes:
    with os.fdopen(kernel.open_beneath(path, os.O_RDONLY, dir_fd=root_fd), "rb") as file:
        return file.read()
