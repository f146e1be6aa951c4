"""The merged users and groups: whose each is, and who is in which group.

People and what the node alone knows are the node's. System accounts are the release's: their ids always, because its tree
is full of them; gecos, home, shell and primary group three-way. What the node removed stays away.
"""

from collections.abc import Collection, Mapping

from reprov.domain.account_files import GROUP, PASSWD, AccountNote, Accounts
from reprov.domain.account_ids import AccountKind, MovedId, PeopleIds, is_persons
from reprov.domain.account_lines import Group, User, readable
from reprov.domain.account_members import Membership
from reprov.domain.three_way import Side, side_of


class EntryMerger:
    """The state of one merge of users and groups. First the users, then the groups, then the users' gids."""

    def __init__(
        self, base: Accounts, live: Accounts, new: Accounts, people: PeopleIds, leaving: Collection[tuple[AccountKind, bytes]]
    ) -> None:
        self.base = base
        self.live = live
        self.new = new
        self.people = people
        self.leaving = leaving
        self.notes: list[AccountNote] = []
        self.moved: list[MovedId] = []
        self._primary: dict[bytes, bytes | None] = {}  # user: name of the primary group

    def users(self) -> dict[bytes, User]:
        """The merged users, with the gids that they had where they come from."""
        live, new = self.live.users.entries, self.new.users.entries
        found = {name: self._user(name, live.get(name), new.get(name)) for name in {**live, **new}}
        return {name: user for name, user in found.items() if user}

    def _user(self, name: bytes, ours: User | None, theirs: User | None) -> User | None:
        base = self.base.users.entries.get(name)
        if ours is None:
            if base is None and theirs:
                self._primary[name] = self.new.group_names.get(int(theirs.gid))
                return theirs
            self._say_removed(PASSWD, name, base, theirs)
            return None
        if (AccountKind.USER, name) in self.leaving:
            return None
        self._primary[name] = self._live_group_of(int(ours.gid))
        if theirs is None or is_persons(self.people.users, base, ours, theirs):
            return ours
        return self._system_user(base, ours, theirs)

    def _system_user(self, base: User | None, ours: User, theirs: User) -> User:
        name = ours.name
        gid = ours.gid
        group = self.new.group_names.get(int(theirs.gid))
        was = self.base.group_names.get(int(base.gid)) or base.gid if base else None
        if self._takes_theirs(name, "primary group", was, self._primary[name] or ours.gid, group or theirs.gid):
            gid = theirs.gid
            self._primary[name] = group
        if ours.number != theirs.number:
            self.moved.append(MovedId(AccountKind.USER, readable(name), ours.number, theirs.number))
        return User(
            name,
            ours.password,
            theirs.uid,
            gid,
            theirs.gecos if self._takes_theirs(name, "gecos", base and base.gecos, ours.gecos, theirs.gecos) else ours.gecos,
            theirs.home if self._takes_theirs(name, "home", base and base.home, ours.home, theirs.home) else ours.home,
            theirs.shell if self._takes_theirs(name, "shell", base and base.shell, ours.shell, theirs.shell) else ours.shell,
        )

    def _takes_theirs(self, name: bytes, what: str, base: bytes | None, ours: bytes, theirs: bytes) -> bool:
        side = side_of(base, ours, theirs)
        if side is Side.CLASH:
            self._say(PASSWD, f"the {what} of {readable(name)} stays the node's ({readable(ours)}); the release has {readable(theirs)}")
        return side in (Side.SAME, Side.THEIRS)

    def _live_group_of(self, gid: int) -> bytes | None:
        """The node's group of that gid; one that the node has removed is known from the installed release."""
        return self.live.group_names.get(gid) or self.base.group_names.get(gid)

    def groups(self, users: Mapping[bytes, User], membership: Membership) -> dict[bytes, Group]:
        """The merged groups, for the merged users."""
        live, new = self.live.groups.entries, self.new.groups.entries
        found = {name: self._group(name, live.get(name), new.get(name), users, membership) for name in {**live, **new}}
        return {name: group for name, group in found.items() if group}

    def _group(
        self, name: bytes, ours: Group | None, theirs: Group | None, users: Mapping[bytes, User], membership: Membership
    ) -> Group | None:
        base = self.base.groups.entries.get(name)
        if (AccountKind.GROUP, name) in self.leaving:
            return None
        if ours is None:
            needing = [user for user in users if self._primary[user] == name]
            if theirs is None or (base and not needing):
                self._say_removed(GROUP, name, base, theirs)
                return None
            if base:
                self._say(GROUP, f"{readable(name)}, which the node removed, comes back: it is the primary group of {readable(needing)}")
            return theirs._replace(members=membership.merge(b"", b"", theirs.members))
        members = membership.merge(base.members if base else b"", ours.members, theirs.members if theirs else None)
        if theirs is None or is_persons(self.people.groups, base, ours, theirs):
            return ours._replace(members=members)
        if ours.number != theirs.number:
            self.moved.append(MovedId(AccountKind.GROUP, readable(name), ours.number, theirs.number))
        return ours._replace(gid=theirs.gid, members=members)

    def with_gids(self, users: Mapping[bytes, User], groups: Mapping[bytes, Group]) -> dict[bytes, User]:
        """The merged users, each with the gid that its primary group has by now."""
        return {name: self._with_gid(user, groups.get(self._primary[name] or b"")) for name, user in users.items()}

    def _with_gid(self, user: User, group: Group | None) -> User:
        if group is None or int(user.gid) == group.number:
            return user
        name = readable(user.name)
        self._say(PASSWD, f"the gid of {name} follows its primary group {readable(group.name)} from {int(user.gid)} to {group.number}")
        return user._replace(gid=group.gid)

    def _say(self, path: str, text: str) -> None:
        self.notes.append(AccountNote(path, text))

    def _say_removed(self, path: str, name: bytes, base: User | Group | None, theirs: User | Group | None) -> None:
        if theirs and theirs != base:
            self._say(path, f"{readable(name)}, which the release has changed, stays away: the node removed it")
