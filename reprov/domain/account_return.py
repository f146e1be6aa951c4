"""The accounts of a tree that comes back: whom the node has let in, changed or removed since that tree was put aside, stays so."""

from collections.abc import Collection

from reprov.domain.account_files import AccountFiles, Accounts
from reprov.domain.account_ids import USUAL_PEOPLE, PeopleIds
from reprov.domain.accounts import MergedAccounts, merge_accounts


def merge_into_previous(
    installed: AccountFiles, live: AccountFiles, before: AccountFiles | None, previous: AccountFiles, people: PeopleIds = USUAL_PEOPLE
) -> MergedAccounts:
    """The files of now (`live`, of a node with the release `installed`), merged into those of the `previous` tree.

    `before` are the files of that tree's release, None for a tree of none. What is removed or changed since can only be seen
    against what the last commit made, and that is the same merge: the installed release's files with the previous tree's.
    """
    return merge_accounts(_made_by_the_commit(installed, before, previous, people), live, previous, people)


def _made_by_the_commit(installed: AccountFiles, before: AccountFiles | None, previous: AccountFiles, people: PeopleIds) -> AccountFiles:
    """Without what only the previous tree's release has: after a rollback nobody knows whether the node had that."""
    made = merge_accounts(before, previous, installed, people).files
    if before is None:
        return made
    theirs, ours = Accounts.read(before), Accounts.read(installed)
    users = theirs.users.entries.keys() - ours.users.entries.keys()
    groups = theirs.groups.entries.keys() - ours.groups.entries.keys()
    return AccountFiles(
        _without(made.passwd, users),
        _without(made.group, groups),
        _without(made.shadow, users),
        _without(made.gshadow, groups),
        made.subuid,
        made.subgid,
    )


def _without(content: bytes | None, names: Collection[bytes]) -> bytes | None:
    if content is None:
        return None
    return b"".join(line for line in content.splitlines(keepends=True) if line.partition(b":")[0] not in names)
