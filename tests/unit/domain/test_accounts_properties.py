"""What holds for every merge of account files, on random releases and random nodes."""

from collections.abc import Mapping

from hypothesis import assume, given, settings

from reprov.domain.account_files import AccountFiles, Accounts, Table
from reprov.domain.account_ids import USUAL_PEOPLE, AccountKind
from reprov.domain.account_lines import Group, SubRange, User, names_in
from reprov.domain.accounts import MergedAccounts, merge_accounts
from tests.account_worlds import Case, untouched_upgrades, upgrades

EXAMPLES = settings(max_examples=60)


def leaving(merged: MergedAccounts, kind: AccountKind) -> set[bytes]:
    return {account.name.encode() for account in merged.leaving if account.kind is kind}


def usable(case: Case) -> MergedAccounts:
    merged = merge_accounts(*case)
    assume(not merged.blockers)
    return merged


@EXAMPLES
@given(upgrades)
def test_no_account_of_the_node_is_lost(case: Case) -> None:
    merged = merge_accounts(*case)
    old, live, new, after = (Accounts.read(files) for files in (case.pristine or AccountFiles(), case.live, case.new, merged.files))
    for name, user in live.users.entries.items():
        if name in leaving(merged, AccountKind.USER):
            assert old.users.entries[name] == user and name not in new.users.entries
        elif name in new.users.entries:
            assert after.users.entries[name].password == user.password
        else:
            assert after.users.entries[name]._replace(gid=user.gid) == user
    for name, group in live.groups.entries.items():
        if name in leaving(merged, AccountKind.GROUP):
            assert old.groups.entries[name] == group and name not in new.groups.entries
        else:
            assert after.groups.entries[name].gid == group.gid or name in new.groups.entries
    assert live.subuids.entries.keys() <= after.subuids.entries.keys()
    assert live.subgids.entries.keys() <= after.subgids.entries.keys()


@EXAMPLES
@given(upgrades)
def test_a_person_is_the_nodes_whole_with_group_and_memberships(case: Case) -> None:
    merged = usable(case)
    live, new, after = (Accounts.read(files) for files in (case.live, case.new, merged.files))
    for name, user in live.users.entries.items():
        theirs = new.users.entries.get(name)
        if not USUAL_PEOPLE.users.holds(user.number) or (theirs and not USUAL_PEOPLE.users.holds(theirs.number)):
            continue
        assert after.users.entries[name]._replace(gid=user.gid) == user
        if primary := live.group_names.get(int(user.gid)):
            assert int(after.users.entries[name].gid) == after.groups.entries[primary].number
        for group in live.groups.entries.values():
            assert name not in names_in(group.members) or name in names_in(after.groups.entries[group.name].members)


@EXAMPLES
@given(upgrades)
def test_a_member_that_the_node_added_or_removed_stays_so(case: Case) -> None:
    assume(case.pristine)
    old, live, after = (
        Accounts.read(files or AccountFiles()).groups.entries for files in (case.pristine, case.live, merge_accounts(*case).files)
    )
    for name in old.keys() & live.keys() & after.keys():
        was, now, then = (set(names_in(groups[name].members)) for groups in (old, live, after))
        assert now - was <= then
        assert not (was - now) & then


@EXAMPLES
@given(upgrades)
def test_no_password_changes_and_no_lock_opens_or_closes(case: Case) -> None:
    merged = merge_accounts(*case)
    old, live, after = (Accounts.read(files).shadows.entries for files in (case.pristine or AccountFiles(), case.live, merged.files))
    for name, shadow in live.items():
        if name in leaving(merged, AccountKind.USER):
            continue
        assert after[name] == shadow or (old[name] == shadow and is_locked(shadow.password) and is_locked(after[name].password))
    for name in Accounts.read(case.live).users.entries.keys() - live.keys():
        assert name not in after or is_locked(after[name].password)


def is_locked(password: bytes) -> bool:
    return set(password) <= set(b"*!")


@EXAMPLES
@given(upgrades)
def test_a_merged_node_is_a_fixed_point(case: Case) -> None:
    merged = usable(case)
    assert merge_accounts(case.new, merged.files, case.new) == MergedAccounts(merged.files, (), (), (), (), ())


@EXAMPLES
@given(untouched_upgrades)
def test_a_node_that_nobody_touched_gets_the_releases_files_to_the_byte(case: Case) -> None:
    merged = merge_accounts(*case)
    assert merged == MergedAccounts(case.new, (), merged.moved, (), (), ())


@EXAMPLES
@given(upgrades)
def test_every_line_of_a_file_that_the_node_changed_stays_in_its_place(case: Case) -> None:
    after = merge_accounts(*case).files.by_path()
    before = case.pristine.by_path() if case.pristine else {}
    for path, content in case.live.by_path().items():
        if content == before.get(path):
            continue
        names = {line.partition(b":")[0] for line in after[path].splitlines()}
        stays = [mark(line) for line in content.splitlines() if mark(line) == line or line.partition(b":")[0] in names]
        rest = iter([mark(line) for line in after[path].splitlines()])
        assert all(line in rest for line in stays)


def mark(line: bytes) -> bytes:
    """The name of an entry, but the whole of a line that is none."""
    name, *fields = line.split(b":")
    return name if len(fields) > 1 and name[:1] not in (b"+", b"-", b"#") else line


@EXAMPLES
@given(upgrades)
def test_no_two_accounts_get_one_id_and_no_gid_lacks_its_group(case: Case) -> None:
    merged = usable(case)
    live, new, after = (Accounts.read(files) for files in (case.live, case.new, merged.files))
    assert pairs_of_one_id(after.users) <= pairs_of_one_id(live.users) | pairs_of_one_id(new.users)
    assert pairs_of_one_id(after.groups) <= pairs_of_one_id(live.groups) | pairs_of_one_id(new.groups)
    for name, user in after.users.entries.items():
        had = live.users.entries.get(name)
        assert int(user.gid) in after.group_names or (had and int(had.gid) not in live.group_names)


def pairs_of_one_id(table: Table[User] | Table[Group]) -> set[tuple[int, bytes, bytes]]:
    entries: Mapping[bytes, User] | Mapping[bytes, Group] = table.entries
    return {
        (one.number, one.name, two.name)
        for one in entries.values()
        for two in entries.values()
        if one.name < two.name and one.number == two.number
    }


@EXAMPLES
@given(upgrades)
def test_shadow_matches_passwd_and_gshadow_group_and_no_range_is_given_twice(case: Case) -> None:
    merged = usable(case)
    live, after = Accounts.read(case.live), Accounts.read(merged.files)
    assert after.users.entries.keys() <= after.shadows.entries.keys()
    assert after.groups.entries.keys() <= after.group_shadows.entries.keys()
    assert after.shadows.entries.keys() - after.users.entries.keys() <= live.shadows.entries.keys() - live.users.entries.keys()
    assert (
        after.group_shadows.entries.keys() - after.groups.entries.keys() <= live.group_shadows.entries.keys() - live.groups.entries.keys()
    )
    assert overlaps(after.subuids) <= overlaps(live.subuids)
    assert overlaps(after.subgids) <= overlaps(live.subgids)


def overlaps(table: Table[SubRange]) -> set[tuple[bytes, bytes]]:
    return {
        (one.key, two.key)
        for one in table.entries.values()
        for two in table.entries.values()
        if one.key < two.key and one.ids.start < two.ids.stop and two.ids.start < one.ids.stop
    }
