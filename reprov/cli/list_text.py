"""What `reprov learn` proposes, as the text of ownership lists in 80 columns with the reason above each rule."""

import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from reprov.cli.tables import human_count, human_files, human_size
from reprov.domain.entry import show
from reprov.domain.learn import Extent, Made, Proposal
from reprov.domain.ownership import Owner
from reprov.workflows.learn import Learned

T = TypeVar("T")

_WIDTH = 80
_SECTIONS = (
    (Owner.KEEP, "exclude: the node's, never touched"),
    (Owner.ADD_ONLY, "add-only: made where it is missing, then the node's"),
    (Owner.MERGE, "merge: the node's changes stay, the release's arrive"),
)
_SHOWN = 3
"""Of a number of things that are much alike."""
_DEEP = ("usr", "var")
"""Directories of which each subdirectory gets comments of its own."""


def list_text(learned: Learned, *, everything: bool) -> list[str]:
    """The lines; with `everything` also what is classed already, as comments."""
    return list(_text(learned, everything))


def _text(learned: Learned, everything: bool) -> Iterator[str]:
    proposals = learned.proposals
    yield from _head(learned)
    yield from _concerns([proposal for proposal in (*proposals.open, *proposals.already) if proposal.concern])
    own = [proposal for proposal in proposals.open if not proposal.concern]
    for owner, title in _SECTIONS:
        yield from _blocks(title, [proposal for proposal in own if proposal.owner is owner])
    yield from _image([proposal for proposal in own if proposal.owner is Owner.IMAGE], proposals.made)
    yield from _mounts(learned)
    if everything:
        yield from _already(proposals.already)


def _head(learned: Learned) -> Iterator[str]:
    packages = f"{human_count(learned.packages)} packages ({learned.family})" if learned.family else "no package database"
    lists = ",".join(learned.concerns)
    already = len(learned.proposals.already)
    yield from _comment(
        f"Proposed by reprov learn for {learned.root}: {packages}, lists {lists}. Nothing of it is in force. "
        "Review every block, cut the text at the section lines, and save the sections as NAME.exclude, NAME.add-only and NAME.merge below "
        "excludes/ of your library; a role names NAME in its excludes."
    )
    yield from _comment(f"{human_count(already)} more paths are classed by these lists already{', see --all' if already else ''}.")
    if learned.unreadable:
        shown = ", ".join(show(path) for path in learned.unreadable[:_SHOWN])
        more = f" and {len(learned.unreadable) - _SHOWN} more" if len(learned.unreadable) > _SHOWN else ""
        yield from _comment(f"Could not be looked into: {shown}{more}. Run it as root.")


def _concerns(named: Sequence[Proposal]) -> Iterator[str]:
    if named:
        yield from ("", _section("concerns that reprov has lists for: name them"))
    for concern, proposals in _grouped(named, lambda proposal: proposal.concern):
        paths = ", ".join(_shown(proposal) for proposal in proposals[:_SHOWN])
        more = f" and {len(proposals) - _SHOWN} more" if len(proposals) > _SHOWN else ""
        yield from _comment(f"{concern}: {paths}{more}")


def _blocks(title: str, proposals: Sequence[Proposal]) -> Iterator[str]:
    """A section, with one comment for all paths of a part of the tree that are proposed for the same reason."""
    if proposals:
        yield from ("", _section(title))
    for (_, why, evidence), block in _grouped(proposals, lambda proposal: (_part_of(proposal.path), proposal.why, proposal.evidence)):
        yield ""
        yield from _comment(f"{why} {_amount(proposal.extent for proposal in block)}")
        for said in evidence[:_SHOWN]:
            yield from _comment(said)
        if len(evidence) > _SHOWN:
            yield from _comment(f"and {len(evidence) - _SHOWN} more like that")
        yield from (proposal.line for proposal in block)


def _image(proposals: Sequence[Proposal], made: Sequence[Made]) -> Iterator[str]:
    if proposals or made:
        yield from ("", _section("image: no rule needed"))
    for why, block in _grouped(proposals, lambda proposal: proposal.why):
        yield from ("", *_comment(why))
        for proposal in block:
            yield from _comment(f"{_shown(proposal)} ({'; '.join(proposal.evidence)})", indent="#   ")
    for why, patterns in _grouped(made, lambda item: item.why):
        yield from ("", *_comment(f"{why[0].upper()}{why[1:]}: {_amount(item.extent for item in patterns)}"))
        yield from _comment(" ".join(item.pattern for item in patterns), indent="#   ")


def _already(proposals: Sequence[Proposal]) -> Iterator[str]:
    if proposals:
        yield from ("", _section("classed already"))
    for verdict, block in _grouped(proposals, lambda proposal: proposal.already):
        yield from ("", *_comment(f"{verdict.owner} by {verdict.rule} ({verdict.rule.place}):"))
        for proposal in block:
            yield from _comment(f"{_shown(proposal)}  {_amount([proposal.extent])}", indent="#   ")


def _mounts(learned: Learned) -> Iterator[str]:
    if learned.mounts or learned.subvolumes:
        yield from ("", _section("mounts: kept by construction, no rule needed"))
    for mount in learned.mounts:
        yield from _comment(f"{show(mount.path)}: {show(mount.source)[1:]} ({mount.filesystem}{', read-only' if mount.read_only else ''})")
    for path in learned.subvolumes:
        yield from _comment(f"{show(path)}: a filesystem of its own (a subvolume)")


def _section(title: str) -> str:
    return f"#### {title} ".ljust(_WIDTH, "#")


def _comment(text: str, indent: str = "# ") -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _grouped(items: Iterable[T], key: Callable[[T], Any]) -> list[tuple[Any, list[T]]]:
    """The items by key, both in the order in which they first came."""
    groups: dict[Any, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.items())


def _part_of(path: str) -> tuple[str, ...]:
    names = path.split("/")
    return tuple(names[: 2 if names[0] in _DEEP else 1])


def _shown(proposal: Proposal) -> str:
    return show(proposal.path) + ("/" if proposal.is_dir else "")


def _amount(extents: Iterable[Extent]) -> str:
    total = Extent()
    for extent in extents:
        total = total.plus(extent)
    if not total.files:
        return ""  # removed, not measured, or not to be read
    return f"{human_files(total.files)}, {human_size(total.size_bytes)}, newest {total.newest_day}."
