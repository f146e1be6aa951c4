"""Scanning a live root: everything that the image owns in full, of the node's own just what is there."""

import os
import stat
from collections.abc import Collection, Mapping
from typing import Final

from reprov.adapters.files import digest_at, kind_of, opened_directory, read_entry
from reprov.adapters.statcache import EMPTY, StatCache
from reprov.domain.comparison import covers
from reprov.domain.entry import Entry, Kind
from reprov.domain.labels import label_in
from reprov.domain.ownership import SHARED, Owner, Ownership, Promises, Verdict
from reprov.domain.scan import CLOCK_TICK_NS, Scan, Signature
from reprov.events import Progress

OWN_DIRECTORY: Final = ".reprov"
NO_PROMISES: Final = Promises()
# What a running system makes of its own accord and no image ships: the node's, whatever the lists say.
_NODE_KINDS = (stat.S_IFSOCK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK)


def signature_of(status: os.stat_result) -> Signature:
    """The signature that an lstat result gives."""
    return Signature(status.st_dev, status.st_ino, status.st_ctime_ns, status.st_size)


def survey(
    root_fd: int,
    target: Mapping[str, Entry],
    ownership: Ownership,
    *,
    volumes: Collection[str],
    fences: Collection[str],
    cache: StatCache,
    promised: Promises = NO_PROMISES,
    base: Collection[str] = (),
    labels: bool = False,
    progress: Progress | None = None,
) -> Scan:
    """Scan the tree below `root_fd` as far as a comparison with `target` needs.

    `volumes` are the mount points whose content the release manages, `fences` all others. What the cache still knows is
    not read again; directories of another filesystem that nothing is mounted on (btrfs subvolumes) are volumes when the
    target has content in them and fences otherwise. What the target lacks and `promised` keeps (the lists of another
    release that the node is or was) is the node's, too: a promise does not end when a role changes.

    `base` are the paths of the installed release; in a rollback, where that is the target, of the one that comes back. What
    neither of the two knows is the node's when it is a directory to be merged, as there is nothing in it to merge with, or a
    name in the root directory: nobody can say what an operator has put there, nor how much it is.

    With `labels`, SELinux labels are attributes like others; a cache that has none of them knows nothing then, nor the other way round.
    """
    known = cache if cache.labels is labels else EMPTY
    surveyor = _Surveyor(root_fd, target, ownership, set(volumes), set(fences), known, promised, base, labels, progress)
    surveyor.record_root()
    surveyor.visit(root_fd, "", os.fstat(root_fd).st_dev)
    surveyor.hash_unknown()
    return Scan(
        entries=surveyor.entries,
        signatures=surveyor.signatures,
        verdicts=surveyor.verdicts,
        volumes=("", *sorted(surveyor.volumes - {""})),
        fenced=frozenset(surveyor.fences),
        labels=labels,
    )


def is_unchanged(root_fd: int, scan: Scan, linked: Collection[str], *, scanned_at_ns: int) -> bool:
    """Whether a tree is as a scan that began at `scanned_at_ns` found it; False also where only a full look could tell.

    A directory whose ctime has not moved holds the same names for the same inodes. Files in `linked` have a second name in
    the next tree, so that whatever is written into them is there, too: of those only the directory must be the same. Of
    what is the node's, only what it is counts.
    """
    touched: set[str] = set()
    for path, entry in scan.entries.items():
        if path in linked:
            continue
        try:
            status = os.stat(path or ".", dir_fd=root_fd, follow_symlinks=False)
        except OSError:
            return False
        if path in scan.verdicts or path in scan.fenced:
            if kind_of(status) is not entry.kind:
                return False
        elif signature_of(status) != scan.signatures[path] or status.st_ctime_ns > scanned_at_ns - CLOCK_TICK_NS:
            if entry.kind is not Kind.DIR:
                return False
            found = read_entry(path, status, path or ".", dir_fd=root_fd, labels=label_in(entry.xattrs) is not None)
            if not found.equals(_with_time(entry, status)):
                return False
            touched.add(path)
    return all(_is_as_listed(root_fd, names, linked, scan) for names in _names_in(scan, touched).items())


def _with_time(entry: Entry, status: os.stat_result) -> Entry:
    return entry._replace(mtime_ns=status.st_mtime_ns)


def _names_in(scan: Scan, directories: Collection[str]) -> dict[str, set[str]]:
    names: dict[str, set[str]] = {directory: set() for directory in directories}
    for path in scan.entries if directories else ():
        directory, _, name = path.rpartition("/")
        if path and directory in names:
            names[directory].add(name)
    return names


def _is_as_listed(root_fd: int, listed: tuple[str, set[str]], linked: Collection[str], scan: Scan) -> bool:
    """Whether a directory that somebody has touched (reprov's own probe is enough) still holds what it held."""
    directory, names = listed
    prefix = f"{directory}/" if directory else ""
    with opened_directory(directory or ".", dir_fd=root_fd) as fd:
        if set(os.listdir(fd)) - {OWN_DIRECTORY} != names:
            return False
        inodes = {name: os.stat(name, dir_fd=fd, follow_symlinks=False).st_ino for name in names if prefix + name in linked}
    return all(scan.signatures[prefix + name].inode == inode for name, inode in inodes.items())


class _Surveyor:
    """The state of one scan; a class because a closure per directory would cost more than the system calls."""

    def __init__(
        self,
        root_fd: int,
        target: Mapping[str, Entry],
        ownership: Ownership,
        volumes: set[str],
        fences: set[str],
        cache: StatCache,
        promised: Promises,
        base: Collection[str],
        labels: bool,
        progress: Progress | None,
    ) -> None:
        self.root_fd = root_fd
        self.target = target
        self.ownership = ownership
        self.volumes = volumes
        self.fences = fences
        self.cache = cache
        self.promised = promised
        self.base = base
        self.labels = labels
        self.progress = progress
        self.entries: dict[str, Entry] = {}
        self.signatures: dict[str, Signature] = {}
        self.verdicts: dict[str, Verdict] = {}
        self._unknown: list[str] = []

    def record_root(self) -> None:
        status = os.fstat(self.root_fd)
        self.entries[""] = read_entry("", status, ".", dir_fd=self.root_fd, labels=self._wants_label(""))
        self.signatures[""] = signature_of(status)

    def visit(self, dir_fd: int, prefix: str, device: int) -> None:
        """Record what a directory holds, and enter what has to be entered. Runs for every directory of a node: kept flat for speed."""
        signatures, known_entries, owner_of, target = self.cache.signatures, self.cache.entries, self.ownership.of, self.target
        entries, found_signatures, fences = self.entries, self.signatures, self.fences
        named = self.ownership.named_in(prefix[:-1])
        deeper: list[tuple[str, str]] = []
        with os.scandir(dir_fd) as found:
            items = list(found)
            for item in items:
                name = item.name
                path = prefix + name
                try:
                    status = item.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # gone between the listing and the look: as if it had gone before
                known_signature = signatures.get(path)
                if known_signature == (status.st_dev, status.st_ino, status.st_ctime_ns, status.st_size):
                    known_entry = known_entries[path]
                    # The release's own, by no rule anything else, and as it was: nearly every path of a node.
                    if known_entry is target.get(path) and named is not None and name not in named and path not in fences:
                        entries[path] = known_entry
                        found_signatures[path] = known_signature
                        if known_entry.kind is Kind.DIR:
                            deeper.append((name, path))
                        continue
                if name == OWN_DIRECTORY:
                    continue
                if path in fences or (status.st_dev != device and self._is_fence(path)):
                    self._record_unread(path, status, name, dir_fd)
                    continue
                is_dir = stat.S_ISDIR(status.st_mode)
                verdict = owner_of(path, is_dir=is_dir)
                known = target.get(path)
                if verdict.owner in SHARED:
                    if known is None:
                        earlier = self.promised.of(path, is_dir=is_dir)
                        verdict = earlier if earlier.owner is Owner.KEEP else verdict
                    elif (known.kind is Kind.DIR) is not is_dir:
                        # `/var/lib/mysql/` names a directory; a link that an operator put in its place is the node's, too.
                        other = owner_of(path, is_dir=not is_dir)
                        verdict = other if other.owner not in SHARED else verdict
                if verdict.owner is Owner.MERGE and is_dir and known is None and path not in self.base:
                    verdict = Verdict(Owner.KEEP, verdict.rule)
                if not prefix and verdict.owner is Owner.IMAGE and self._is_nobodys(path):
                    verdict = Verdict(Owner.KEEP, None)
                if verdict.owner not in SHARED or (known is None and stat.S_IFMT(status.st_mode) in _NODE_KINDS):
                    if verdict.owner in SHARED:
                        verdict = Verdict(Owner.KEEP, None)
                    self.verdicts[path] = verdict
                    self._record_unread(path, status, name, dir_fd)
                    if is_dir and verdict.owner is Owner.ADD_ONLY and known is not None and known.kind is Kind.DIR:
                        deeper.append((name, path))
                    continue
                if known_signature == (status.st_dev, status.st_ino, status.st_ctime_ns, status.st_size):
                    signature, entry = known_signature, known_entries[path]
                else:
                    signature = signature_of(status)
                    try:
                        entry = read_entry(path, status, name, dir_fd=dir_fd, labels=self._wants_label(path))
                    except FileNotFoundError:
                        continue
                    if entry.kind is Kind.FILE:
                        self._unknown.append(path)
                entries[path] = entry
                found_signatures[path] = signature
                if is_dir:
                    deeper.append((name, path))
        if self.progress:
            self.progress.advance(files=len(items))
        for name, path in deeper:
            try:
                fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=dir_fd)
            except FileNotFoundError:
                continue  # that a directory which was seen lacks everything by now is for the look before the commit to notice
            try:
                self.visit(fd, path + "/", os.fstat(fd).st_dev if path in self.volumes else device)
            finally:
                os.close(fd)

    def hash_unknown(self) -> None:
        """Give every file its digest; hard links are read once, files that have gone meanwhile are forgotten."""
        digests: dict[tuple[int, int], str] = {}
        for path in self._unknown:
            signature = self.signatures[path]
            inode = (signature.device, signature.inode)
            if inode not in digests:
                try:
                    digests[inode] = digest_at(path, dir_fd=self.root_fd)
                except FileNotFoundError:
                    del self.entries[path], self.signatures[path]
                    continue
                if self.progress:
                    self.progress.advance(size_bytes=signature.size)
            self.entries[path] = self.entries[path]._replace(digest=digests[inode])

    def _wants_label(self, path: str) -> bool:
        """Whether the label of a path means anything: what the release has none for (`<<none>>`) has whatever the kernel gives it."""
        known = self.target.get(path) if self.labels else None
        return self.labels and (known is None or label_in(known.xattrs) is not None)

    def _is_nobodys(self, path: str) -> bool:
        return path not in self.target and path not in self.base and path not in self.volumes

    def _is_fence(self, path: str) -> bool:
        if path in self.volumes:
            return False
        if covers(self.target, path):
            self.volumes.add(path)
            return False
        self.fences.add(path)
        return True

    def _record_unread(self, path: str, status: os.stat_result, name: str, dir_fd: int) -> None:
        try:
            self.entries[path] = read_entry(path, status, name, dir_fd=dir_fd, labels=self.labels)
            self.signatures[path] = signature_of(status)
        except FileNotFoundError:
            self.verdicts.pop(path, None)  # the node's, and gone again
