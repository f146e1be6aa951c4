"""The post-script of a hop, put together: what the packages bring, the fragments of role and hop, and work that changed paths ask for.

The one place that knows which family makes which steps.
"""

from collections.abc import Collection, Iterable, Sequence

from reprov.domain import post_script_debian, post_script_rpm
from reprov.domain.debian_package import DebianTree
from reprov.domain.fragment import Fragment
from reprov.domain.hop_fragment import HopFragment, HopPlace
from reprov.domain.known_work import works_of_paths
from reprov.domain.packages import Package, PackageSet, difference
from reprov.domain.post_script import PostScript, Step, Work, WorkKind
from reprov.domain.release import ReleaseId
from reprov.domain.rpm import RpmPackage

PackageTree = DebianTree | Sequence[RpmPackage]
"""The packages of a tree with their scripts, as its family has them."""


def post_script_between(
    before: ReleaseId | None,
    after: ReleaseId,
    old: PackageTree,
    new: PackageTree,
    changed_paths: Collection[str],
    fragments: Iterable[Fragment],
    hop_fragments: Iterable[HopFragment],
) -> PostScript:
    """What runs after the commit of this hop. `changed_paths` are those that come, go or say something else (relative).

    Of `hop_fragments`, those of this very hop are in it.

    Raises `InvalidInput` for a fragment that cannot be rendered.
    """
    steps, works = _scripts(old, new, changed_paths)
    changes = difference(_as_set(old), _as_set(new), None)
    own = [fragment.render(before, after, changes) for fragment in sorted(fragments, key=lambda fragment: fragment.place)]
    of_hop = {fragment.place: (fragment.step,) for fragment in hop_fragments if (fragment.before, fragment.after) == (before, after)}
    steps = (*of_hop.get(HopPlace.PRE, ()), *steps, *own, *of_hop.get(HopPlace.POST, ()))
    return PostScript(before, after, steps, _once((*works, *works_of_paths(changed_paths))))


def _scripts(old: PackageTree, new: PackageTree, changed_paths: Collection[str]) -> tuple[Sequence[Step], Sequence[Work]]:
    """The steps of the packages. None where the family changes: neither package manager knows what the other one has done."""
    if isinstance(old, DebianTree):
        return (post_script_debian.scripts_between(old, new, changed_paths), ()) if isinstance(new, DebianTree) else ((), ())
    return ((), ()) if isinstance(new, DebianTree) else post_script_rpm.scripts_between(old, new)


def _as_set(tree: PackageTree) -> PackageSet:
    if isinstance(tree, DebianTree):
        entries = [package.entry for package in tree.packages.values()]
        return PackageSet.of("debian", [Package(entry.name, entry.version, entry.arch) for entry in entries])
    return PackageSet.of("rpm", [Package(package.name, package.version, package.arch) for package in tree])


def _once(works: Iterable[Work]) -> tuple[Work, ...]:
    """Each kind once, with who asked first, in the order in which they are done."""
    first: dict[WorkKind, Work] = {}
    for work in works:
        first.setdefault(work.kind, work)
    return tuple(first[kind] for kind in WorkKind if kind in first)
