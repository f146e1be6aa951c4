"""The limits that an upgrade is held to, and whether a run kept them. Ratios compare the two sides of one run."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

from bench.values import REPROV, RSYNC, Cost, FleetCosts, LabelCosts, Results, Upgrade

REFERENCE_PATHS = 80_000
"""What the limits of verify and of an upgrade to the same version are given for."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One figure beside its limit."""

    name: str
    value: float
    limit: float
    unit: str
    """s, B, or x for a ratio."""
    at_least: bool = False
    """The limit is the smallest that is fine; otherwise the largest."""
    spread: tuple[float, float] | None = None
    """The smallest and the largest value of the run."""

    @property
    def is_kept(self) -> bool:
        """True when the limit is kept."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def judge(results: Results) -> tuple[Verdict, ...]:
    """Every limit with what the run found, ratios of the two sides first."""
    rsync, reprov = results.of(RSYNC), results.of(REPROV)
    change = results.change
    clients = [*(upgrade.client for upgrade in reprov), *results.no_op, *results.verify]
    return (
        _ratio("upgrade wall / rsync's", reprov, rsync, lambda upgrade: upgrade.client.wall_s, 1.3),
        _ratio("server CPU / rsync's", reprov, rsync, lambda upgrade: upgrade.server_cpu_s, 0.5),
        _mixed_ratio(rsync, reprov),
        _spread("wire / content that the node lacks", [upgrade.wire_bytes / change.missing_bytes for upgrade in reprov], 1.02, "x"),
        Verdict("store growth / changed bytes", results.growth.content_bytes / change.changed_bytes, 1.05, "x"),
        Verdict(
            "store growth on disk / changed blocks",
            (results.growth.disk_bytes + results.growth.other_bytes) / change.changed_disk_bytes,
            1.05,
            "x",
        ),
        Verdict("mixed window, longest", max(upgrade.mixed_s for upgrade in reprov), 0.050, "s"),
        _spread(f"no-op upgrade of {REFERENCE_PATHS:,} paths", _scaled(results.no_op, change.paths), 2.0, "s"),
        _spread(f"verify of {REFERENCE_PATHS:,} paths", _scaled(results.verify, change.paths), 2.0, "s"),
        _spread("inventory of 60 disks (recorded)", list(results.inventory_s), 1.0, "s"),
        _spread("proof of 60 OSDs", list(results.proof_s), 5.0, "s"),
        _spread(f"recovery of {results.recovery.ops} ops, undone", [cost.wall_s for cost in results.recovery.undone], 1.0, "s"),
        _spread(f"recovery of {results.recovery.ops} ops, finished", [cost.wall_s for cost in results.recovery.finished], 1.0, "s"),
        _labelling(results.labels),
        Verdict("scripts of the hop / apt", results.scripts.reprov_s / results.scripts.apt_s, 0.5, "x"),
        *_fleet(results.fleet),
        Verdict("client memory, largest", max(client.largest_bytes for client in clients), 300e6, "B"),
    )


def _scaled(costs: Iterable[Cost], paths: int) -> list[float]:
    """Wall times as they would be for the reference tree: a smaller tree shall not pass for being small."""
    factor = max(1.0, REFERENCE_PATHS / paths)
    return [cost.wall_s * factor for cost in costs]


def _spread(name: str, values: list[float], limit: float, unit: str) -> Verdict:
    return Verdict(name, median(values), limit, unit, spread=(min(values), max(values)))


def _ratio(name: str, ours: tuple[Upgrade, ...], theirs: tuple[Upgrade, ...], of: Callable[[Upgrade], float], limit: float) -> Verdict:
    pairs = [of(mine) / of(other) for mine, other in zip(ours, theirs, strict=True)]
    return Verdict(name, median(map(of, ours)) / median(map(of, theirs)), limit, "x", spread=(min(pairs), max(pairs)))


def _labelling(labels: LabelCosts) -> Verdict:
    """CPU time, because an install waits for the disk most of the time; what varies more than the labels cost may be less than nothing."""
    setfiles = median(cost.cpu_s for cost in labels.setfiles)
    pairs = [(one.cpu_s - other.cpu_s) / setfiles for one, other in zip(labels.labelled, labels.plain, strict=True)]
    return Verdict("labelling CPU / setfiles'", max(0.0, median(pairs)), 0.05, "x", spread=(min(pairs), max(pairs)))


def _fleet(fleet: FleetCosts) -> Iterable[Verdict]:
    added = [run.reprov_s / run.ansible_s - 1 for run in fleet.rollouts]
    yield _spread(f"plan of {fleet.planned_hosts:,} hosts", [cost.wall_s for cost in fleet.plans], 20.0, "s")
    yield Verdict("memory of that", max(cost.largest_bytes for cost in fleet.plans), 500e6, "B")
    yield _spread(f"simulated rollout of {fleet.simulated_hosts:,} hosts", list(fleet.simulations_s), 60.0, "s")
    yield _spread("controller's part / Ansible's own time", added, 0.2, "x")


def _mixed_ratio(rsync: tuple[Upgrade, ...], reprov: tuple[Upgrade, ...]) -> Verdict:
    pairs = [other.mixed_s / mine.mixed_s for mine, other in zip(reprov, rsync, strict=True)]
    value = median(upgrade.mixed_s for upgrade in rsync) / median(upgrade.mixed_s for upgrade in reprov)
    return Verdict("mixed window, rsync's / reprov's", value, 100, "x", at_least=True, spread=(min(pairs), max(pairs)))
