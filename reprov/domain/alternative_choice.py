"""What an operator has chosen with update-alternatives lives on in the next release, as long as that has what was chosen.

Candidates, links and slaves are the release's, and so is the choice unless somebody on the node has made another one. Slaves
follow, also the links of theirs in /usr that a choice makes or takes away: what comes out is what `update-alternatives --set`
leaves on a fresh node of that release.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from reprov.domain.account_files import AccountNote
from reprov.domain.alternatives import AUTO, Candidate, Group, Member, Mode, admin_path, link_path
from reprov.domain.entry import Entry, Kind, parent_of, show
from reprov.domain.ownership import SHARED, Owner, Ownership
from reprov.domain.scan import Scan
from reprov.domain.tree import real_directory, real_path


class Tree(NamedTuple):
    """What is known of a tree: its paths, and the content of the files below `admin_path` that matter."""

    entries: Mapping[str, Entry]
    contents: Mapping[str, bytes]

    def group(self, name: str) -> Group | None:
        """What update-alternatives knows of a name there; None for nothing."""
        content = self.contents.get(admin_path(name))
        return Group.parse(name, content) if content is not None else None

    def chosen(self, name: str) -> str:
        """Where the link of a name leads; "" where it is none."""
        entry = self.entries.get(link_path(name))
        return entry.target if entry else ""

    def mode(self, name: str) -> Mode | None:
        """Who has chosen what; None where nobody can say."""
        group = self.group(name)
        return group.mode(self.chosen(name)) if group else None


@dataclass(frozen=True, slots=True)
class Choices:
    """What becomes of the names whose choice, or whose candidates, the node has changed."""

    links: Mapping[str, str]
    """Where links of the next tree lead; "" for one that is not to be."""
    contents: Mapping[str, bytes]
    """Of files below `admin_path` that are not as the release has them, or only as old."""
    decided: frozenset[str]
    """The links in `LINK_DIRECTORY` that are no matter of merging, because update-alternatives made them."""
    notes: tuple[AccountNote, ...]
    """Which choices the release cannot keep."""


NO_CHOICES = Choices({}, {}, frozenset(), ())


def names_touched(scan: Scan, base: Mapping[str, Entry], ownership: Ownership) -> tuple[str, ...]:
    """The names of which somebody may have changed something since the release was installed whose paths are `base`."""
    found, folder = [], admin_path("")
    for path in [path for path in scan.entries if path.startswith(folder)]:
        ours, name = scan.entries[path], path.removeprefix(folder)
        if ours.kind is not Kind.FILE:
            continue
        link, was, was_link = scan.entries.get(link_path(name)), base.get(path), base.get(link_path(name))
        same = was is not None and was.equals(ours) and (link and link.target) == (was_link and was_link.target)
        nodes = any(known in scan.verdicts or known in scan.fenced for known in (path, link_path(name)))
        if not same and not nodes and ownership.of(path, is_dir=False).owner is Owner.IMAGE:
            found.append(name)
    return tuple(sorted(found))


def find_choices(before: Mapping[str, Mode | None], ours: Tree, theirs: Tree, ownership: Ownership) -> Choices:
    """Decide for the names in `before`, which says who had chosen what of each when the live tree became live.

    `ours` is the node, `theirs` what its next tree is without it.
    """
    links: dict[str, str] = {}
    contents: dict[str, bytes] = {}
    decided: set[str] = set()
    notes: list[AccountNote] = []
    for name, was in before.items():
        mode, live, group = ours.mode(name), ours.group(name), theirs.group(name)
        if mode is None or live is None or (group is None and was is None):
            continue
        decided.update(link_path(member.name) for known in (live, group) if known for member in known.members)
        if mode == was or mode == theirs.mode(name) or (was is None and mode == AUTO):
            if live == group:
                contents[admin_path(name)] = live.written(manual=live.manual)  # its time is no difference
            continue
        candidate = _candidate(mode, group, theirs)
        if group is None or candidate is None:
            notes.append(AccountNote(link_path(name), _lost(name, mode, theirs)))
            continue
        contents[admin_path(name)] = group.written(manual=mode.manual)
        for member, target in group.given_by(candidate):
            links.update(_links_of(member, target, theirs, is_master=member is group.master))
    mine = {path: target for path, target in links.items() if ownership.of(path, is_dir=False).owner in SHARED}
    return Choices(mine, contents, frozenset(decided), tuple(notes))


def new_link(path: str) -> Entry:
    """A link that the release does not have, as update-alternatives would make it; where it leads is still to be said."""
    return Entry(path, Kind.LINK, 0o777, 0, 0, 0)


def _candidate(mode: Mode, group: Group | None, theirs: Tree) -> Candidate | None:
    if group is None:
        return None
    candidate = group.candidate(mode.choice) if mode.manual else group.best
    return candidate if candidate and _is_there(candidate.path, theirs) else None


def _is_there(path: str, tree: Tree) -> bool:
    return bool(path) and real_path(tree.entries, path.lstrip("/")) is not None


def _links_of(member: Member, target: str, theirs: Tree, *, is_master: bool) -> Iterable[tuple[str, str]]:
    """The two links of a member, as update-alternatives makes or removes them; what is no link in their place stays."""
    is_given = is_master or _is_there(target, theirs)
    yield link_path(member.name), target if is_given else ""
    folder, _, last = member.link.strip("/").rpartition("/")
    directory = real_directory(theirs.entries, folder)
    if directory is None:
        return
    public = f"{directory}/{last}" if directory else last
    there = theirs.entries.get(public)
    if (there is None or there.kind is Kind.LINK) and parent_of(public) in theirs.entries:
        yield public, f"/{link_path(member.name)}" if is_given else ""


def _lost(name: str, mode: Mode, theirs: Tree) -> str:
    chosen = theirs.chosen(name)
    instead = f"{show(chosen.lstrip('/'))} instead" if chosen else "no such name"
    return f"{show(mode.choice.lstrip('/'))}, which the node has chosen for {name}, is not in the release, which has {instead}"
