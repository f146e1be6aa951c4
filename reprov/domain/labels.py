"""SELinux labels: the attribute `security.selinux`, which belongs to the policy of a tree and not to whoever last wrote a file.

A release with a policy carries the label of every path in its manifest. A node that has SELinux takes them for what they are,
an attribute of the path; for any other node they are taken out before anything is compared.
"""

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from functools import partial
from typing import Any, Final, NamedTuple

from reprov.domain.entry import Entry, Xattrs
from reprov.domain.file_contexts import FileContexts

LABEL: Final = "security.selinux"
_entry_of = partial(tuple.__new__, Entry)  # what `_replace` does at a multiple of the price, for each of 80,000


class Labelling(StrEnum):
    """Whether a change of a node sets SELinux labels."""

    AUTO = "auto"
    """Where the node has SELinux: in its kernel, or with another root in its tree."""
    ENABLED = "enabled"
    """In any case; a release without labels is refused."""
    DISABLED = "disabled"


def value_of(context: str) -> bytes:
    """The attribute's value, with the zero byte at its end that the kernel gives and takes."""
    return context.encode() + b"\0"


def settled(value: bytes) -> bytes:
    """A value as `value_of` writes it, whether or not whoever set it left the zero byte out."""
    return value.rstrip(b"\0") + b"\0"


def label_in(xattrs: Xattrs) -> bytes | None:
    """The label among these attributes; None without one."""
    for name, value in xattrs:  # asked of every path, several times: a generator would cost more than the answer
        if name == LABEL:
            return value
    return None


def without_label(xattrs: Xattrs) -> Xattrs:
    """The attributes that are no label: the same object where there is none."""
    return tuple(item for item in xattrs if item[0] != LABEL) if xattrs and label_in(xattrs) is not None else xattrs


def only_label(xattrs: Xattrs) -> Xattrs:
    """The label alone, if there is one."""
    return tuple(item for item in xattrs if item[0] == LABEL)


def with_label(xattrs: Xattrs, label: bytes | None) -> Xattrs:
    """The attributes with this label, or with none."""
    others = without_label(xattrs)
    return others if label is None else tuple(sorted((*others, (LABEL, label))))


def label_entries(entries: Mapping[str, Entry], contexts: FileContexts) -> dict[str, Entry]:
    """The entries with the labels that the contexts give their paths; names of one inode all have that of the first of them.

    A path for which the policy says `<<none>>` has none.
    """
    groups: dict[int, bytes] = {}
    pool: dict[Xattrs, Xattrs] = {}
    labelled: dict[str, Entry] = {}
    for path, entry in entries.items():
        label = groups.get(entry.link_group) if entry.link_group else None
        if label is None:
            context = contexts.find(path, entry.kind)
            label = value_of(context) if context else None
            if label and entry.link_group:
                groups[entry.link_group] = label
        xattrs = with_label(entry.xattrs, label)
        # One object for one label: 75,000 entries have a few hundred of them.
        labelled[path] = entry._replace(xattrs=pool.setdefault(xattrs, xattrs))
    return labelled


def strip_entries(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """The entries without their labels."""
    bare = {xattrs: without_label(xattrs) for xattrs in {entry.xattrs for entry in entries.values()}}
    return {path: _entry_of((*entry[:-1], bare[entry.xattrs])) if entry.xattrs else entry for path, entry in entries.items()}


def relabel(entries: Mapping[str, Entry], concerned: Collection[str], contexts: FileContexts) -> dict[str, Entry]:
    """These paths, with all names of the same inodes, whose labels are others by these contexts; nothing else is looked up."""
    groups = {entries[path].link_group for path in concerned if entries[path].link_group}
    together = {path for path, entry in entries.items() if entry.link_group in groups} if groups else set()
    labelled = label_entries({path: entries[path] for path in sorted({*concerned, *together})}, contexts)
    return {path: entry for path, entry in labelled.items() if entry.xattrs != entries[path].xattrs}


class LabelChange(NamedTuple):
    """A path of the node's own that gets another label, because the rule for it has changed with the release."""

    path: str
    before: bytes | None
    """None: it had none."""
    after: bytes


def to_fields(changes: Iterable[LabelChange]) -> list[Any]:
    """The changes for a journal."""
    return [[item.path, item.before.hex() if item.before is not None else None, item.after.hex()] for item in changes]


def of_fields(fields: Iterable[Any]) -> tuple[LabelChange, ...]:
    """What `to_fields` wrote. Raises `ValueError` or `TypeError` for anything else."""
    return tuple(
        LabelChange(path, bytes.fromhex(before) if before is not None else None, bytes.fromhex(after)) for path, before, after in fields
    )
