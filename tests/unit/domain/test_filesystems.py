"""Whose the files of a filesystem are, by its name in the mount table."""

import pytest

from reprov.domain.filesystems import has_lasting_owners, why_not_ours

KINDS = {
    "ext4": (True, ""),
    "zfs": (True, ""),
    "a filesystem of tomorrow": (True, ""),
    "tmpfs": (False, ""),
    "cgroup2": (False, ""),
    "vfat": (False, ""),
    "nfs4": (True, "nfs4: other machines may use it, too"),
    "fuse.sshfs": (True, "fuse.sshfs: a program makes up what is there"),
    "overlay": (True, "overlay: shows what lies elsewhere"),
    "squashfs": (True, "squashfs: cannot be changed"),
}


@pytest.mark.parametrize(("filesystem", "expected"), KINDS.items(), ids=KINDS)
def test_a_kind_of_filesystem(filesystem: str, expected: tuple[bool, str]) -> None:
    assert (has_lasting_owners(filesystem), why_not_ours(filesystem)) == expected
