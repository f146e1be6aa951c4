"""What has been chosen with update-alternatives since a commit, for the previous tree when it comes back."""

from collections.abc import Mapping
from dataclasses import replace

from reprov.adapters.previous import find, read, remove, write_link
from reprov.adapters.release_reader import ReleaseFiles
from reprov.adapters.volumes import Volumes
from reprov.domain.alternative_choice import NO_CHOICES, Choices, Tree, find_choices, names_touched
from reprov.domain.alternatives import admin_path, link_path
from reprov.domain.entry import Entry, Kind, ancestors_of
from reprov.domain.journal import Journal
from reprov.domain.scan import Scan
from reprov.workflows.merging import read_live


def choices_since(volumes: Volumes, scan: Scan, installed: ReleaseFiles, before: Mapping[str, Entry], journal: Journal) -> Choices:
    """What of the node's choices the previous tree gets, whose release has the paths `before`.

    A choice that the commit brought along, and nobody has changed since, is in that tree already.
    """
    names = names_touched(scan, installed.manifest.entries, installed.ownership)
    if not names:
        return NO_CHOICES
    live = {admin_path(name): read_live(volumes.root_fd, scan.entries[admin_path(name)]) for name in names}
    previous = _previous(volumes, scan, live, before or installed.manifest.entries, journal, names)
    written = {item.path for item in journal.written}
    committed = Tree(installed.manifest.entries, installed.pristine)
    modes = {name: (previous if admin_path(name) in written else committed).mode(name) for name in names}
    found = find_choices(modes, Tree(scan.entries, live), previous, installed.ownership)
    # What was not exchanged stays as it is, and update-alternatives has been there.
    contents = {path: content for path, content in found.contents.items() if _is_exchanged(path, journal)}
    return replace(found, contents=contents)


def write_links(volumes: Volumes, journal: Journal, choices: Choices) -> None:
    """Let the links of the previous tree lead where the node has chosen; those that are exchanged by themselves are the live ones."""
    for path in links_inside(journal, choices):
        target, volume = choices.links[path], journal.volume_of(path)
        if target:
            write_link(volumes, volume, path, target)
        elif (there := find(volumes, volume, path)) and there.kind is Kind.LINK:
            remove(volumes, volume, path)


def links_inside(journal: Journal, choices: Choices) -> tuple[str, ...]:
    """The links that come back with a directory."""
    alone = links_alone(journal, choices)
    return tuple(path for path in choices.links if path not in alone and _is_exchanged(path, journal))


def links_alone(journal: Journal, choices: Choices) -> frozenset[str]:
    """The links that were exchanged by themselves: they stay as update-alternatives has made them in the live tree."""
    return frozenset(entry.op.path for entry in journal.ops if entry.op.path in choices.links)


def _previous(
    volumes: Volumes, scan: Scan, live: Mapping[str, bytes], before: Mapping[str, Entry], journal: Journal, names: tuple[str, ...]
) -> Tree:
    entries, contents = dict(before), dict(live)
    for name in names:
        admin, link = admin_path(name), link_path(name)
        if _is_exchanged(admin, journal):
            content = read(volumes, journal.volume_of(admin), admin)
            del contents[admin]
            if content is not None:
                contents[admin] = content
        there = find(volumes, journal.volume_of(link), link) if _is_exchanged(link, journal) else scan.entries.get(link)
        entries.pop(link, None)
        if there:
            entries[link] = there
    return Tree(entries, contents)


def _is_exchanged(path: str, journal: Journal) -> bool:
    return not {path, *ancestors_of(path)}.isdisjoint(entry.op.path for entry in journal.ops)
