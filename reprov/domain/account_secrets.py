"""The merged passwords: who may log in, and who may join a group, is the node's alone to say.

A release brings the passwords of the accounts that it brings. Of an account that the node has it only decides how it is locked,
and only where nobody on the node ever touched its entry: no upgrade opens an account, closes one, or brings an old password back.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from reprov.domain.account_files import GSHADOW, SHADOW, AccountNote, Accounts
from reprov.domain.account_ids import AccountKind
from reprov.domain.account_lines import Group, GroupShadow, Shadow, User, readable
from reprov.domain.account_members import Membership

_IN_SHADOW: Final = b"x"
"""The password field of an account whose password is in shadow or gshadow."""
_NO_PASSWORD: Final = b"!"
_NO_AGEING: Final = b"::::::"


@dataclass(frozen=True, slots=True)
class SecretMerger:
    """What the merge of passwords asks: the three sides, who leaves, the lists of members; `notes` grows with it."""

    base: Accounts
    live: Accounts
    new: Accounts
    leaving: Collection[tuple[AccountKind, bytes]]
    membership: Membership
    notes: list[AccountNote]

    def shadows(self, users: Mapping[bytes, User]) -> dict[bytes, Shadow]:
        """The passwords and their ages: the node's, those of new users, and a locked one for whom has none."""
        if self.live.shadows.content is None and self.new.shadows.content is None:
            return {}
        found = {name: self._shadow(name, users.get(name)) for name in {**users, **self.live.shadows.entries}}
        return {name: shadow for name, shadow in found.items() if shadow}

    def _shadow(self, name: bytes, user: User | None) -> Shadow | None:
        base, ours, theirs = (accounts.shadows.entries.get(name) for accounts in (self.base, self.live, self.new))
        if (AccountKind.USER, name) in self.leaving:
            return None
        if ours:
            if theirs and ours == base and _is_locked(ours.password) and _is_locked(theirs.password):
                return theirs
            if theirs and not _is_locked(theirs.password) and theirs.password not in (ours.password, base and base.password):
                self._say(SHADOW, f"the password of {readable(name)} stays the node's; the release has another one")
            return ours
        if name not in self.live.users.entries:
            return theirs
        if user is None or user.password != _IN_SHADOW or (name in self.new.users.entries and theirs is None):
            return None
        self._say(SHADOW, f"{readable(name)}, which had no entry, gets a locked one")
        return theirs if theirs and _is_locked(theirs.password) else Shadow(name, _NO_PASSWORD, _NO_AGEING)

    def group_shadows(self, groups: Mapping[bytes, Group]) -> dict[bytes, GroupShadow]:
        """The passwords of groups like those of users; administrators and members are merged as a group's members are."""
        if self.live.group_shadows.content is None and self.new.group_shadows.content is None:
            return {}
        found = {name: self._group_shadow(name, groups.get(name)) for name in {**groups, **self.live.group_shadows.entries}}
        return {name: shadow for name, shadow in found.items() if shadow}

    def _group_shadow(self, name: bytes, group: Group | None) -> GroupShadow | None:
        base, ours, theirs = (accounts.group_shadows.entries.get(name) for accounts in (self.base, self.live, self.new))
        if (AccountKind.GROUP, name) in self.leaving:
            return None
        if ours:
            return self._known_group_shadow(base, ours, theirs)
        if group is None:
            return None
        if name not in self.live.groups.entries:
            return theirs and self._merged_lists(None, theirs._replace(admins=b"", members=b""), theirs)
        if group.password != _IN_SHADOW or (name in self.new.groups.entries and theirs is None):
            return None
        self._say(GSHADOW, f"{readable(name)}, which had no entry, gets one without a password")
        return GroupShadow(name, theirs.password if theirs and _admits_nobody(theirs) else _NO_PASSWORD, b"", group.members)

    def _known_group_shadow(self, base: GroupShadow | None, ours: GroupShadow, theirs: GroupShadow | None) -> GroupShadow:
        merged = self._merged_lists(base, ours, theirs)
        is_untouched = base is not None and ours.password == base.password
        if theirs and is_untouched and _admits_nobody(ours) and _admits_nobody(theirs):
            return merged._replace(password=theirs.password)
        return merged

    def _merged_lists(self, base: GroupShadow | None, ours: GroupShadow, theirs: GroupShadow | None) -> GroupShadow:
        return ours._replace(
            admins=self.membership.merge(base.admins if base else b"", ours.admins, theirs.admins if theirs else None),
            members=self.membership.merge(base.members if base else b"", ours.members, theirs.members if theirs else None),
        )

    def _say(self, path: str, text: str) -> None:
        self.notes.append(AccountNote(path, text))


def _is_locked(password: bytes) -> bool:
    """True for a password field that no password matches; an empty one lets everybody in."""
    return bool(password) and not password.strip(b"*!")


def _admits_nobody(shadow: GroupShadow) -> bool:
    """True for a group that nobody joins by a password; an empty one is none that anybody could give."""
    return not shadow.password.strip(b"*!")
