"""Accounts: what becomes of passwd, group, shadow, gshadow, subuid and subgid, decided together and entry by entry.

What the node has stays: people, passwords, members, and accounts that it alone knows. What the release brings is the
release's: system accounts and their ids. An account that the node removed stays away, and one that the release dropped
stays, because files may be its.
"""

from collections.abc import Collection
from dataclasses import dataclass

from reprov.domain.account_checks import added_ranges, find_blockers
from reprov.domain.account_entries import EntryMerger
from reprov.domain.account_files import SUBGID, SUBUID, AccountFiles, AccountNote, Accounts, Table, lay_out
from reprov.domain.account_ids import (
    USUAL_PEOPLE,
    Account,
    AccountKind,
    DroppedAccount,
    LeavingAccount,
    MovedId,
    PeopleIds,
    find_leaving,
)
from reprov.domain.account_lines import SubRange, readable
from reprov.domain.account_members import Membership
from reprov.domain.account_secrets import SecretMerger
from reprov.domain.comparison import Blocker


@dataclass(frozen=True, slots=True)
class MergedAccounts:
    """The account files of a node after an upgrade, and what is to be said and to be checked before one."""

    files: AccountFiles
    """Not to be used when there are blockers."""
    notes: tuple[AccountNote, ...]
    moved: tuple[MovedId, ...]
    """Kept files of the live id need the new one. Two accounts may exchange their ids: change each file once, by all of these."""
    dropped: tuple[DroppedAccount, ...]
    leaving: tuple[LeavingAccount, ...]
    """Kept files of these ids would get another owner, and no `chown` helps."""
    blockers: tuple[Blocker, ...]


def merge_accounts(
    pristine: AccountFiles | None, live: AccountFiles, new: AccountFiles, people: PeopleIds = USUAL_PEOPLE
) -> MergedAccounts:
    """The files of the installed release (None on a node that never had one), of the node and of the new release, merged.

    `people` says which ids are people's, as the node's login.defs has it. A node that nobody touched gets the release's
    files; one that was merged with a release gets by that release what it has.
    """
    base, ours, theirs = Accounts.read(pristine or AccountFiles()), Accounts.read(live), Accounts.read(new)
    leaving = find_leaving(base, ours, theirs, people)
    entries = EntryMerger(base, ours, theirs, people, leaving)
    users = entries.users()
    membership = Membership(
        people={name for name, user in ours.users.entries.items() if people.users.holds(user.number)},
        leaving={name for kind, name in leaving if kind is AccountKind.USER},
        absent=theirs.users.entries.keys() - users.keys(),
    )
    groups = entries.groups(users, membership)
    users = entries.with_gids(users, groups)
    notes = entries.notes
    secrets = SecretMerger(base, ours, theirs, leaving, membership, notes)
    files = AccountFiles(
        passwd=lay_out(base.users, ours.users, theirs.users, users),
        group=lay_out(base.groups, ours.groups, theirs.groups, groups),
        shadow=lay_out(base.shadows, ours.shadows, theirs.shadows, secrets.shadows(users)),
        gshadow=lay_out(base.group_shadows, ours.group_shadows, theirs.group_shadows, secrets.group_shadows(groups)),
        subuid=_merge_ranges(SUBUID, base.subuids, ours.subuids, theirs.subuids, notes),
        subgid=_merge_ranges(SUBGID, base.subgids, ours.subgids, theirs.subgids, notes),
    )
    return MergedAccounts(
        files,
        tuple(notes),
        tuple(entries.moved),
        (
            *_dropped(AccountKind.USER, base.users, ours.users, theirs.users, leaving),
            *_dropped(AccountKind.GROUP, base.groups, ours.groups, theirs.groups, leaving),
        ),
        tuple(leaving.values()),
        find_blockers(base, ours, theirs, people, users, groups),
    )


def _merge_ranges(path: str, base: Table[SubRange], live: Table[SubRange], new: Table[SubRange], notes: list[AccountNote]) -> bytes | None:
    """The file with all of the node's ranges, because files may be in them, and those of names that are new."""
    for name in dict.fromkeys(entry.name for entry in live.entries.values()):
        old, ours, theirs = ({key for key, entry in table.entries.items() if entry.name == name} for table in (base, live, new))
        if theirs - ours and theirs != old:
            notes.append(AccountNote(path, f"the ranges of {readable(name)} stay the node's; the release has others"))
    return lay_out(base, live, new, {**live.entries, **{entry.key: entry for entry in added_ranges(base, live, new)}})


def _dropped(
    kind: AccountKind, base: Table[Account], live: Table[Account], new: Table[Account], leaving: Collection[tuple[AccountKind, bytes]]
) -> list[DroppedAccount]:
    return [
        DroppedAccount(kind, readable(name), entry.number)
        for name, entry in live.entries.items()
        if name in base.entries and name not in new.entries and (kind, name) not in leaving
    ]
