"""The order in which packages are configured: what a package depends on before it, circles broken where dpkg breaks them."""

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping

from reprov.domain.debian_package import DebianPackage, DebianTree, Relations

_Edges = dict[str, dict[str, bool]]
"""By package, the packages that it waits for; True: even to be unpacked (Pre-Depends)."""


def configuration_order(tree: DebianTree, acting: Collection[str]) -> tuple[str, ...]:
    """Every package of the tree by its key, dependencies first, what is free to choose by name.

    Of a circle one dependency does not count: one of a package that does nothing (is not in `acting`), as dpkg prefers it
    (src/main/depcon.c, findbreakcycle), else that of the package in which the circle was met; Pre-Depends last of all.
    Dependencies through packages that do not change count, too: their programs are used by who depends on them.
    """
    edges = _edges(tree)
    while circle := _find_circle(edges):
        waiting, wanted = _breakable(circle, edges, acting)
        del edges[waiting][wanted]
    return tuple(_sorted(edges))


def _edges(tree: DebianTree) -> _Edges:
    providers = _providers(tree.packages)
    edges: _Edges = {}
    for key in sorted(tree.packages):
        package = tree.packages[key]
        wanted = dict.fromkeys(_wanted(package, package.depends, providers, tree), False)
        wanted |= dict.fromkeys(_wanted(package, package.pre_depends, providers, tree), True)
        wanted.pop(key, None)
        edges[key] = wanted
    return edges


def _providers(packages: Mapping[str, DebianPackage]) -> dict[str, list[str]]:
    """The keys of the packages that are called so, first of all, or stand for it."""
    real: dict[str, list[str]] = {}
    virtual: dict[str, list[str]] = {}
    for key in sorted(packages):
        real.setdefault(packages[key].entry.name, []).append(key)
        for name in packages[key].provides:
            virtual.setdefault(name, []).append(key)
    return {name: real.get(name, []) + virtual.get(name, []) for name in real.keys() | virtual.keys()}


def _wanted(package: DebianPackage, relations: Relations, providers: Mapping[str, list[str]], tree: DebianTree) -> Iterator[str]:
    """Who satisfies the relations: of alternatives the first that is there, of several architectures the package's own."""
    for group in relations:
        there = next((providers[name] for name in group if name in providers), [])
        fitting = [key for key in there if tree.packages[key].entry.arch in (package.entry.arch, "all")]
        yield from fitting or there


def _find_circle(edges: _Edges) -> list[str] | None:
    """The first circle that a search in the order of names meets: each waits for the next one, the last one for the first."""
    done: set[str] = set()
    for start in edges:
        path: list[str] = []
        on_path: set[str] = set()
        left: list[Iterator[str]] = []
        waiting: str | None = start
        while waiting is not None or left:
            if waiting is None:
                waiting = next(left[-1], None)
                if waiting is None:
                    left.pop()
                    done.add(path[-1])
                    on_path.remove(path.pop())
                    continue
            if waiting in on_path:
                return path[path.index(waiting) :]
            if waiting not in done:
                path.append(waiting)
                on_path.add(waiting)
                left.append(iter(edges[waiting]))
            waiting = None
    return None


def _breakable(circle: list[str], edges: _Edges, acting: Collection[str]) -> tuple[str, str]:
    """The dependency of a circle that is given up, as dpkg would choose it."""
    links = [(waiting, circle[(at + 1) % len(circle)]) for at, waiting in enumerate(circle)][::-1]
    candidates = [link for link in links if not edges[link[0]][link[1]]] or links
    return next((link for link in candidates if link[0] not in acting), candidates[-1])


def _sorted(edges: _Edges) -> Iterable[str]:
    """The packages so that none comes before one that it waits for; no circle is left."""
    missing = {key: len(wanted) for key, wanted in edges.items()}
    waiting: dict[str, list[str]] = {}
    for key, wanted in edges.items():
        for name in wanted:
            waiting.setdefault(name, []).append(key)
    ready = [key for key, count in missing.items() if not count]
    heapq.heapify(ready)
    order: list[str] = []
    while ready:
        key = heapq.heappop(ready)
        order.append(key)
        for name in waiting.get(key, ()):
            missing[name] -= 1
            if not missing[name]:
                heapq.heappush(ready, name)
    return order
