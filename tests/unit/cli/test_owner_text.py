"""The files that follow accounts to other ids, as an operator reads them."""

from reprov.cli.owner_text import owner_lines
from reprov.domain.account_ids import AccountKind, MovedId
from reprov.domain.owner_change import FoundFiles, Ids, Owned, Unseen
from reprov.domain.owner_plan import NO_OWNER_CHANGES, OwnerPlan

MOVED = [MovedId(AccountKind.USER, "ceph", 167, 64045), MovedId(AccountKind.GROUP, "ceph", 167, 64045)]
CEPH, GROUP_ONLY = Ids(167, 167), Ids(0, 167)


def plan(*owned: Owned, unseen: tuple[Unseen, ...] = ()) -> OwnerPlan:
    return OwnerPlan.of(MOVED, [], FoundFiles(owned, unseen))


def test_directories_are_told_with_what_is_in_them() -> None:
    found = plan(
        *(Owned(f"var/lib/ceph{rest}", CEPH) for rest in ("", "/mon", "/mon/db", "/osd")),
        *(Owned(f"var/log/{number}.log", GROUP_ONLY) for number in range(1200)),
        Owned("srv/one\n", GROUP_ONLY),
        unseen=(Unseen("mnt/shared", "nfs4: other machines may use it, too"),),
    )
    assert owner_lines(found, everything=False) == [
        "user ceph: uid 167 becomes 64045",
        "group ceph: gid 167 becomes 64045",
        "Owners: 1,205 paths of the node's would follow",
        "  0:167 -> 0:64045  /srv/one\\n",
        "  167:167 -> 64045:64045  /var/lib/ceph and 3 paths below",
        "  0:167 -> 0:64045  1,200 paths in /var/log",
        "not looked into: /mnt/shared (nfs4: other machines may use it, too)",
    ]


def test_a_long_list_is_cut_and_all_of_it_is_there_on_demand() -> None:
    found = plan(*(Owned(f"home/{number:02}/{file}", CEPH) for number in range(20) for file in "ab"))
    short, long = owner_lines(found, everything=False), owner_lines(found, everything=True)
    assert short[-1] == "  ... and 16 paths more in 8 places; --all lists them"
    assert short[:-1] == long[: len(short) - 1]
    assert long[-1] == "  167:167 -> 64045:64045  2 paths in /home/19"


def test_what_is_not_looked_into_is_folded_to_80_columns_and_cut() -> None:
    found = plan(unseen=tuple(Unseen(f"mnt/{'x' * 30}/{number}", "a read-only snapshot " * 2) for number in range(14)))
    lines = owner_lines(found, everything=False)
    assert all(len(line) < 80 for line in lines)
    assert lines[2:4] == [f"not looked into: /mnt/{'x' * 30}/0", "  (a read-only snapshot a read-only snapshot )"]
    assert lines[-1] == "not looked into: 2 more; --all lists them"


def test_access_lists_alone_are_named_so() -> None:
    acl = b"\x02\0\0\0" + b"\x02\0\x07\0\xa7\0\0\0"
    found = plan(Owned("srv/a", Ids(0, 0), acls=(("system.posix_acl_access", acl),)))
    assert owner_lines(found, everything=False)[-1] == "  access list  /srv/a"


def test_without_files_there_is_nothing_to_say() -> None:
    assert owner_lines(plan(), everything=True) == owner_lines(NO_OWNER_CHANGES, everything=True) == []
