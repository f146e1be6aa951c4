"""Whether the OSDs that are up are those that were there before: the same ids, fsids and clusters."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from reprov.domain.activation import Decision, OsdProcess, State
from reprov.domain.inventory import Inventory, Osd
from reprov.domain.proof import Proof, ProvenOsd
from reprov.domain.proof_comparison import Comparison, compare
from reprov.domain.proof_subjects import osds_of


def proven_before(osds: Sequence[Osd], before: Proof | None) -> tuple[ProvenOsd, ...]:
    """The OSDs that are to be up: an earlier proof's, else those that are here.

    What has no fsid is none: a directory that an OSD has left behind.
    """
    found = before.osds if before else osds_of(Inventory(osds=tuple(osds)))
    return tuple(osd for osd in found if osd.fsid)


def proven_now(decisions: Sequence[Decision], running: Sequence[OsdProcess]) -> tuple[ProvenOsd, ...]:
    """The OSDs that are up, or ready to be, each with what it says of itself."""
    return tuple(_up(decisions, running))


def _up(decisions: Sequence[Decision], running: Sequence[OsdProcess]) -> Iterator[ProvenOsd]:
    processes = {process.fsid: process for process in running}
    for decision in decisions:
        osd = decision.osd
        if decision.state is State.RUNNING:
            process = processes[osd.fsid]
            osd = replace(osd, id=process.id, cluster_fsid=process.cluster_fsid or osd.cluster_fsid)
        if decision.state in (State.RUNNING, State.READY):
            yield ProvenOsd(osd.id, osd.fsid, osd.cluster_fsid, osd.kind.value)


def missing_osds(before: Sequence[ProvenOsd], now: Sequence[ProvenOsd]) -> Comparison:
    """What is not as it was: an OSD that is not up, or is up as another id or in another cluster."""
    nothing = Proof(made_at="", boot_id="", is_deep=False)
    return compare(replace(nothing, osds=tuple(before)), replace(nothing, osds=tuple(now)))
