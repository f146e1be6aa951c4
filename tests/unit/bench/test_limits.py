"""Which limits a run keeps, and that a lucky tree or a lucky run does not keep them."""

from dataclasses import replace

import pytest

from bench.limits import Verdict, judge
from bench.values import (
    REPROV,
    RSYNC,
    Change,
    Cost,
    FleetCosts,
    Growth,
    LabelCosts,
    Machine,
    RecoveryCosts,
    Results,
    RolloutTimes,
    ScriptTimes,
    Upgrade,
)

MACHINE = Machine(date="2030-01-02", kernel="6.1", processors=2, rsync="3.5.0", python="3.11.2", caches="warm")
CHANGE = Change(
    paths=80_000,
    directories=10_000,
    size_bytes=2_000_000_000,
    changed_paths=7_000,
    missing_bytes=600_000_000,
    changed_bytes=600_000_000,
    changed_disk_bytes=620_000_000,
    release_bytes=4_000_000,
)
GROWTH = Growth(
    content_bytes=600_000_000, disk_bytes=620_000_000, directories=10_000, directory_bytes=40_000_000, other_bytes=0, du_bytes=660_000_000
)
RSYNC_UPGRADE = Upgrade(
    RSYNC,
    Cost(10.0, 4.0, 30_000_000),
    40_000_000,
    server_cpu_s=2.0,
    wire_bytes=590_000_000,
    mixed_s=8.0,
    resolution_s=0.03,
    observer_cpu_s=0.1,
)
REPROV_UPGRADE = Upgrade(
    REPROV,
    Cost(12.0, 9.0, 200_000_000),
    210_000_000,
    server_cpu_s=0.8,
    wire_bytes=606_000_000,
    mixed_s=0.004,
    resolution_s=0.003,
    observer_cpu_s=0.1,
    told_mixed_s=0.001,
    phases_s={"scan": 1.0, "fetch": 4.0},
)
QUICK = Cost(1.5, 1.4, 130_000_000)
LABELS = LabelCosts(13_000, (Cost(9, 5.2, 1), Cost(9, 5.6, 1)), (Cost(9, 5.3, 1), Cost(9, 5.1, 1)), (Cost(9, 7.0, 1), Cost(9, 7.2, 1)))
SCRIPTS = ScriptTimes(60, 100, 20.0, 100.0)
RECOVERY = RecoveryCosts(100, (Cost(0.5, 0.4, 1),), (Cost(0.3, 0.2, 1),))
FLEET = FleetCosts(1_000, (Cost(9.0, 8.0, 300_000_000),), 10_000, (20.0,), (RolloutTimes(20, 18, 33.0, 30.0),))
RESULTS = Results(
    MACHINE,
    CHANGE,
    (RSYNC_UPGRADE, REPROV_UPGRADE),
    (QUICK,),
    (QUICK,),
    (QUICK, QUICK),
    GROWTH,
    (0.1,),
    (0.5,),
    LABELS,
    SCRIPTS,
    RECOVERY,
    FLEET,
)


def missed(results: Results) -> list[str]:
    return [verdict.name for verdict in judge(results) if not verdict.is_kept]


def with_reprov(**changes: object) -> Results:
    return replace(RESULTS, upgrades=(RSYNC_UPGRADE, replace(REPROV_UPGRADE, **changes)))  # type: ignore[arg-type]


def test_a_run_within_every_limit_misses_none() -> None:
    assert missed(RESULTS) == []


@pytest.mark.parametrize(
    ("results", "names"),
    [
        pytest.param(
            with_reprov(client=Cost(13.1, 9.0, 1)), ["upgrade wall / rsync's"], id="an upgrade that takes more than 1.3 times as long"
        ),
        pytest.param(with_reprov(server_cpu_s=1.01), ["server CPU / rsync's"], id="more than half of the server's time"),
        pytest.param(with_reprov(mixed_s=0.049, told_mixed_s=0.0), [], id="a window just below 50 ms, 160 times shorter"),
        pytest.param(with_reprov(mixed_s=0.051), ["mixed window, longest"], id="a window just above 50 ms"),
        pytest.param(
            replace(RESULTS, upgrades=(replace(RSYNC_UPGRADE, mixed_s=0.3), REPROV_UPGRADE)),
            ["mixed window, rsync's / reprov's"],
            id="a window that is only 75 times shorter",
        ),
        pytest.param(with_reprov(wire_bytes=612_100_000), ["wire / content that the node lacks"], id="more than 2 % beside the content"),
        pytest.param(with_reprov(client=Cost(12.0, 9.0, 300_000_001)), ["client memory, largest"], id="a client of more than 300 MB"),
        pytest.param(
            replace(RESULTS, verify=(Cost(1.0, 1.0, 300_000_001),)), ["client memory, largest"], id="a verify of more than 300 MB"
        ),
        pytest.param(
            replace(RESULTS, no_op=(Cost(2.1, 1.0, 1),)), ["no-op upgrade of 80,000 paths"], id="a no-op upgrade of more than 2 s"
        ),
        pytest.param(
            replace(RESULTS, inventory_s=(0.9, 1.1, 1.2)), ["inventory of 60 disks (recorded)"], id="an inventory of more than a second"
        ),
        pytest.param(
            replace(RESULTS, recovery=replace(RECOVERY, undone=(Cost(1.1, 0.4, 1),))),
            ["recovery of 100 ops, undone"],
            id="a recovery of more than a second that undoes",
        ),
        pytest.param(
            replace(RESULTS, recovery=replace(RECOVERY, finished=(Cost(1.1, 0.4, 1),))),
            ["recovery of 100 ops, finished"],
            id="a recovery of more than a second that finishes",
        ),
        pytest.param(
            replace(RESULTS, scripts=replace(SCRIPTS, reprov_s=50.1)),
            ["scripts of the hop / apt"],
            id="scripts for more than half of apt's time",
        ),
        pytest.param(
            replace(RESULTS, labels=replace(LABELS, labelled=(Cost(1, 5.6, 1), Cost(1, 5.6, 1)))),
            ["labelling CPU / setfiles'"],
            id="labels for more than a twentieth of setfiles",
        ),
        pytest.param(
            replace(RESULTS, fleet=replace(FLEET, plans=(Cost(20.1, 8.0, 1),))), ["plan of 1,000 hosts"], id="a plan of twenty seconds"
        ),
        pytest.param(
            replace(RESULTS, fleet=replace(FLEET, plans=(Cost(9.0, 8.0, 501_000_000),))), ["memory of that"], id="a plan that takes memory"
        ),
        pytest.param(
            replace(RESULTS, fleet=replace(FLEET, simulations_s=(60.1,))),
            ["simulated rollout of 10,000 hosts"],
            id="a simulation of more than a minute",
        ),
        pytest.param(
            replace(RESULTS, fleet=replace(FLEET, rollouts=(RolloutTimes(20, 18, 36.1, 30.0),))),
            ["controller's part / Ansible's own time"],
            id="a controller that adds more than a fifth",
        ),
        pytest.param(replace(RESULTS, proof_s=(5.1,)), ["proof of 60 OSDs"], id="a proof of more than five seconds"),
        pytest.param(
            replace(RESULTS, growth=replace(GROWTH, content_bytes=631_000_000)), ["store growth / changed bytes"], id="files stored twice"
        ),
        pytest.param(
            replace(RESULTS, growth=replace(GROWTH, other_bytes=32_000_000)),
            ["store growth on disk / changed blocks"],
            id="a manifest that costs more than 5 %",
        ),
    ],
)
def test_each_limit_is_missed_by_itself(results: Results, names: list[str]) -> None:
    assert missed(results) == names


def test_a_small_tree_does_not_pass_for_being_small() -> None:
    half = replace(RESULTS, change=replace(CHANGE, paths=40_000))
    assert missed(half) == ["no-op upgrade of 80,000 paths", "verify of 80,000 paths"]


def test_a_large_tree_gets_no_allowance() -> None:
    large = replace(RESULTS, change=replace(CHANGE, paths=160_000), verify=(Cost(2.1, 2.0, 1),))
    assert missed(large) == ["verify of 80,000 paths"]


def test_the_longest_window_counts_and_ratios_are_those_of_the_medians() -> None:
    slow = replace(REPROV_UPGRADE, mixed_s=0.06, client=Cost(20.0, 9.0, 1))
    results = replace(RESULTS, upgrades=(RSYNC_UPGRADE, REPROV_UPGRADE, RSYNC_UPGRADE, slow, RSYNC_UPGRADE, REPROV_UPGRADE))
    by_name = {verdict.name: verdict for verdict in judge(results)}
    assert by_name["mixed window, longest"].value == 0.06
    assert by_name["upgrade wall / rsync's"] == Verdict("upgrade wall / rsync's", 1.2, 1.3, "x", spread=(1.2, 2.0))
