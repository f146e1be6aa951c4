"""Kinds of filesystems, by their names in the mount table, as far as they say whose the files in them are."""

from typing import Final

# What the kernel, or a boot, makes anew.
_NOT_LASTING: Final = frozenset(
    "autofs bdev binder binfmt_misc bpf cgroup cgroup2 configfs cpuset debugfs devpts devtmpfs efivarfs functionfs fusectl hugetlbfs"
    " mqueue nfsd nsfs pipefs proc pstore ramfs resctrl rootfs rpc_pipefs securityfs selinuxfs smackfs sockfs sysfs tmpfs tracefs".split()
)
_NO_OWNERS: Final = frozenset("exfat hfs msdos ntfs ntfs3 umsdos vfat".split())
_SHARED: Final = frozenset(
    "9p acfs afs beegfs ceph cifs coda davfs gfs gfs2 glusterfs gpfs lustre ncpfs nfs nfs4 ocfs2 orangefs pvfs2 smb3 smbfs virtiofs".split()
)
_LAYERED: Final = frozenset("aufs ecryptfs overlay shiftfs unionfs".split())
_SEALED: Final = frozenset("cramfs erofs iso9660 romfs squashfs udf".split())


def is_lasting(filesystem: str) -> bool:
    """False for what is empty, or made anew, after each boot."""
    return filesystem not in _NOT_LASTING


def has_lasting_owners(filesystem: str) -> bool:
    """False where no file outlives the boot, or has an owner of its own."""
    return filesystem not in _NOT_LASTING and filesystem not in _NO_OWNERS


def is_shared(filesystem: str) -> bool:
    """True where other machines, or a program, have a say in what is there: a lock may not mean anything."""
    return filesystem in _SHARED or filesystem.startswith("fuse")


def why_not_ours(filesystem: str) -> str:
    """Why the owners of the files there are not the node's to change; empty when they are."""
    if filesystem in _SHARED:
        return f"{filesystem}: other machines may use it, too"
    if filesystem.startswith("fuse"):
        return f"{filesystem}: a program makes up what is there"
    if filesystem in _LAYERED:
        return f"{filesystem}: shows what lies elsewhere"
    return f"{filesystem}: cannot be changed" if filesystem in _SEALED else ""
