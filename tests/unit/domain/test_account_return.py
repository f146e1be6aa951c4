"""Accounts on the way back: three trees with few accounts, and what an operator did in the meantime."""

import pytest

from reprov.domain.account_files import AccountFiles
from reprov.domain.account_return import merge_into_previous

ROOT = b"root:x:0:0::/root:/bin/sh\n"
WHEEL, STAFF = b"wheel:x:10:", b"staff:x:50:"


def files(users: str, *, wheel: str = "", secrets: str = "first") -> AccountFiles:
    """Account files of these users, with these members of wheel and these passwords."""
    numbers = {"ann": 1000, "bob": 1001, "old": 101, "new": 102}
    names = users.split()
    return AccountFiles(
        passwd=ROOT + b"".join(f"{name}:x:{numbers[name]}:50::/:/bin/sh\n".encode() for name in names),
        group=b"root:x:0:\n" + WHEEL + wheel.encode() + b"\n" + STAFF + b"\n",
        shadow=b"root:*:1::::::\n" + b"".join(f"{name}:{secrets}:1::::::\n".encode() for name in names),
    )


OLD, NEW = files("old", secrets="*"), files("new", secrets="*")
# The node had ann, who is in wheel, under the old release; `old` stayed when the new one came.
PREVIOUS = files("old ann", wheel="ann")
COMMITTED = files("old ann new", wheel="ann")


def names_of(found: AccountFiles) -> set[str]:
    assert found.passwd
    return {line.split(":")[0] for line in found.passwd.decode().splitlines()} - {"root"}


@pytest.mark.parametrize(
    "live, users, wheel",
    [
        pytest.param(COMMITTED, "old ann new", "ann", id="what nobody touched is as it was, and what the new release brought stays"),
        pytest.param(files("old new"), "old new", "", id="who was removed does not come back"),
        pytest.param(files("old ann new"), "old ann new", "", id="who was taken out of a group is not in it again"),
        pytest.param(files("old ann new bob", wheel="ann,bob"), "old ann new bob", "ann,bob", id="who came comes along"),
    ],
)
def test_the_tree_that_comes_back_has(live: AccountFiles, users: str, wheel: str) -> None:
    merged = merge_into_previous(NEW, live, OLD, PREVIOUS)
    assert merged.blockers == ()
    assert names_of(merged.files) == set(users.split())
    assert merged.files.group and (WHEEL + wheel.encode() + b"\n") in merged.files.group


def test_a_password_is_that_of_now() -> None:
    merged = merge_into_previous(NEW, files("old ann new", wheel="ann", secrets="second"), OLD, PREVIOUS)
    assert merged.files.shadow and b"ann:second:1::::::\n" in merged.files.shadow


def test_forward_again_the_newer_release_has_its_accounts_though_the_tree_of_before_never_had_them() -> None:
    """The tree came back as it was put aside; then somebody joined, and the newer one comes again."""
    merged = merge_into_previous(OLD, files("old ann bob", wheel="ann"), NEW, COMMITTED)
    assert names_of(merged.files) == {"old", "ann", "bob", "new"}


def test_a_removed_account_does_not_come_back_into_a_tree_of_no_release() -> None:
    merged = merge_into_previous(NEW, files("new"), None, files("old ann", wheel="ann"))
    assert names_of(merged.files) == {"new"}
