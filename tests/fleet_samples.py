"""A small cloud for tests of what is generated: profiles with packages, a hop of each, and the stage that treats a profile."""

from collections.abc import Iterable, Mapping

from reprov.domain.arity import Arity
from reprov.domain.course import Spread, Stage
from reprov.domain.infra import Host, Infra, Profile
from reprov.domain.packages import Package, PackageSet
from reprov.domain.procedure import Action, Applied, HostRule, StageRule, Take, Undo
from reprov.domain.snippet import Derived

ALL_TAGS = tuple(range(1, 10))


def packages(*words: str, family: str = "debian", owns: Mapping[str, tuple[str, ...]] | None = None) -> PackageSet:
    """A set from words like "etcd-server=3.4"; `owns` gives the paths of a package by its name."""
    found = []
    for word in words:
        name, _, version = word.partition("=")
        found.append(Package(name, version or "1", "amd64", (), (owns or {}).get(name, ())))
    return PackageSet.of(family, found)


def infra(counts: dict[str, int], config: dict[str, str] | None = None) -> Infra:
    """Profiles of one role each, with hosts "compute1", "compute2", ... of failure domains "rack1", ..."""
    profiles = {name: Profile(name, name, Arity(0, 1), {}) for name in counts}
    hosts = [
        Host(f"{name}{number}", name, f"192.0.2.{number % 250}", f"rack{number % 4}", {})
        for name, count in counts.items()
        for number in range(1, count + 1)
    ]
    return Infra("cloud", profiles, tuple(counts), tuple(hosts), config or {}, (), "infra.yaml")


def stage(
    name: str,
    hosts: Iterable[str],
    derived: Iterable[Derived] = (),
    *,
    spread: Spread = Spread.EACH,
    tags: tuple[int, ...] = ALL_TAGS,
    before: tuple[Action, ...] = (),
    actions: tuple[tuple[int, Action], ...] = (),
    undo: tuple[Action, ...] = (),
) -> Applied:
    """A stage of these hosts that has the snippets of what is derived."""
    rule = StageRule(
        name=name,
        title=f"re-image {name}",
        hosts=HostRule(Take.EACH),
        impact="",
        tags=tags,
        before=before,
        touched=True,
        services=(),
        actions=actions,
        after=(),
        undo=Undo("", undo),
        line=1,
    )
    return Applied(rule, Stage(name, rule.title, tuple(hosts), tags, spread), tuple(derived))
