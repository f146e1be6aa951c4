"""The rules of activation: facts of a node in, a decision for each of its OSDs out."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Final

from reprov.domain.activation import ActivationFacts, Decision, Home, Method, State
from reprov.domain.bluestore import BluestoreLabel
from reprov.domain.inventory import DeviceRef, Osd, OsdKind
from reprov.domain.proof import ProvenOsd

MOUNTABLE: Final[Collection[str]] = ("xfs", "ext4", "btrfs")
"""What ceph-disk made."""
NOTHING_OPENS_IT: Final = "it is encrypted, and there is no ceph-volume to open it"

_PARTS: Final = ("block", "data", "db", "wal", "journal")


def decide(facts: ActivationFacts, before: Sequence[ProvenOsd] = ()) -> tuple[Decision, ...]:
    """A decision for each OSD, in their order. `before` are those of an earlier proof.

    A reinstall leaves nothing by which an OSD of cephadm differs from one of ceph-volume lvm, and a label does not tell that there
    is a db, too: the earlier proof does.
    """
    planner = _Planner(facts, before)
    return tuple(planner.decision(replace(osd, kind=planner.kind(osd))) for osd in facts.osds)


class _Planner:
    """Looks at one OSD after the other; the others are there to contradict it."""

    def __init__(self, facts: ActivationFacts, before: Sequence[ProvenOsd]) -> None:
        self._facts = facts
        self._means = facts.means
        self._before = {osd.fsid: osd for osd in before if osd.fsid}

    def kind(self, osd: Osd) -> OsdKind:
        """cephadm's where anything says so, else what the inventory found."""
        earlier = self._before.get(osd.fsid)
        was_cephadm = earlier is not None and earlier.kind == OsdKind.CEPHADM.value
        return OsdKind.CEPHADM if was_cephadm or osd.cluster_fsid in self._means.cephadm_clusters else osd.kind

    def decision(self, osd: Osd) -> Decision:
        """What is to be done for the OSD."""
        if osd.fsid and any(process.fsid == osd.fsid for process in self._facts.running):
            return Decision(osd, State.RUNNING)
        first = (osd.data or osd.block) if osd.kind is OsdKind.CEPH_DISK else (osd.block or osd.data)
        device = self._path(first)
        decision = Decision(
            osd,
            State.DOWN,
            device=device,
            db=self._path(osd.db),
            wal=self._path(osd.wal),
            filesystem=self._facts.filesystems.get(device, ""),
            description=self._facts.descriptions.get(osd.fsid, ""),
        )
        if reason := next(self._contradictions(osd), ""):
            return replace(decision, state=State.LEFT_ALONE, reason=reason)
        if self._is_at_home(osd):
            return replace(decision, method=Method.START) if self._means.has_systemd else replace(decision, state=State.READY)
        method, reason = self._method(decision)
        return replace(decision, method=method) if method else replace(decision, state=State.LEFT_ALONE, reason=reason)

    def _path(self, device: DeviceRef | None) -> str:
        """Where the data of a device is read: of an open mapping, where there is one."""
        return self._facts.opened.get(device.path, device.path) if device else ""

    def _contradictions(self, osd: Osd) -> Iterator[str]:
        if not osd.fsid:
            yield "nothing is left of it but a directory that does not tell its fsid"
        yield from self._of_cluster(osd)
        yield from self._of_others(osd)
        yield from self._of_devices(osd)
        yield from self._of_label(osd)

    def _of_cluster(self, osd: Osd) -> Iterator[str]:
        if osd.kind is OsdKind.CEPHADM:
            return  # its daemons have a configuration of their own
        ours = self._means.cluster_fsid
        if ours is None:
            yield "there is no /etc/ceph/ceph.conf"
        elif ours and osd.cluster_fsid and osd.cluster_fsid != ours:
            yield f"of cluster {osd.cluster_fsid}, and the node is of {ours} (/etc/ceph/ceph.conf)"
        elif not ours:
            clusters = {other.cluster_fsid for other in self._facts.osds if other.kind is not OsdKind.CEPHADM} - {""}
            if len(clusters) > 1:
                yield "/etc/ceph/ceph.conf does not tell the node's cluster, and there are OSDs of several"

    def _of_others(self, osd: Osd) -> Iterator[str]:
        if osd.id is None:
            return
        for other in self._facts.osds:
            if other.id == osd.id and other.fsid != osd.fsid and _may_be_of_one_cluster(osd.cluster_fsid, other.cluster_fsid):
                yield f"there are two of this id: the other's fsid is {other.fsid or 'not to be found'}"
        for process in self._facts.running:
            if process.id == osd.id and _may_be_of_one_cluster(osd.cluster_fsid, process.cluster_fsid):
                yield f"process {process.pid} runs as {process.fsid or 'another OSD'} of the same id"

    def _of_devices(self, osd: Osd) -> Iterator[str]:
        if osd.block is None and osd.data is None and not osd.is_plain_directory:
            if osd.kind is not OsdKind.CEPHADM or not osd.directory:
                yield "its block device is missing"
            return
        for part in _PARTS:
            device: DeviceRef | None = getattr(osd, part)
            if device is not None and not device.path:
                yield f"its {part} is missing or not active: {device.volume or device.identity or 'unknown'}"
        earlier = self._before.get(osd.fsid)
        for part in (text.partition(" ")[0] for text in earlier.devices) if earlier else ():
            if part in _PARTS and getattr(osd, part) is None and osd.kind is OsdKind.RAW:
                yield f"its {part} is missing, which the earlier proof has"

    def _of_label(self, osd: Osd) -> Iterator[str]:
        if osd.id is None and osd.kind is not OsdKind.CEPH_DISK:
            yield "nothing tells its id"
        labelled = sorted(path for path, label in self._facts.labels.items() if label.osd_fsid == osd.fsid and label.role == "block")
        if len(labelled) > 1:
            yield f"several devices are its block: {', '.join(labelled)}"
        label = self._facts.labels.get(self._path(osd.block)) if osd.block else None
        if label is not None and not _agrees(label, osd):
            yield f"the label of {self._path(osd.block)} is that of {_said(label)}"

    def _is_at_home(self, osd: Osd) -> bool:
        """True when its directory is complete, and leads to its devices and no others."""
        home = next((home for home in self._facts.homes if home.found.directory and home.found.directory == osd.directory), None)
        if home is None:
            return False
        if osd.kind is OsdKind.CEPHADM:
            return True
        return home.has_keyring and home.found.fsid == osd.fsid and home.found.id == osd.id and self._links(home) == self._wanted(osd)

    def _links(self, home: Home) -> set[tuple[str, str]]:
        return {(role, path) for role, path in home.found.devices if role in ("block", "db", "wal", "journal")}

    def _wanted(self, osd: Osd) -> set[tuple[str, str]]:
        parts = {"block": osd.block, "db": osd.db, "wal": osd.wal, "journal": osd.journal}
        return {(role, self._path(device)) for role, device in parts.items() if device is not None}

    def _method(self, decision: Decision) -> tuple[Method | None, str]:
        """The method, or why there is none."""
        osd, means = decision.osd, self._means
        if osd.kind is OsdKind.CEPHADM:
            command = f"ceph cephadm osd activate {means.host}"
            return (Method.ORCHESTRATOR, "") if means.can_ask_cluster else (None, f"run `{command}` where the key of client.admin is")
        if osd.is_plain_directory:
            return None, f"its data are files in /{osd.directory}, which is not complete"
        if osd.kind is OsdKind.CEPH_DISK:
            return self._method_of_ceph_disk(decision)
        if osd.kind is OsdKind.LVM and means.has_ceph_volume:
            return Method.LVM, ""
        if osd.is_encrypted:
            return None, NOTHING_OPENS_IT
        if osd.block is None:
            return None, "it has no block device, and nothing else tells how it is made"
        if means.has_ceph_volume:
            return Method.RAW, ""
        return (Method.PRIME, "") if means.has_bluestore_tool else (None, "there is neither ceph-volume nor ceph-bluestore-tool")

    def _method_of_ceph_disk(self, decision: Decision) -> tuple[Method | None, str]:
        if decision.osd.data is None:
            return None, "its data partition is missing"
        if self._means.has_ceph_volume:
            return Method.SIMPLE, ""
        if decision.osd.is_encrypted:
            return None, NOTHING_OPENS_IT
        if decision.filesystem not in MOUNTABLE:
            return None, f"its data partition holds {decision.filesystem or 'nothing that can be mounted'}"
        return Method.MOUNT, ""


def _may_be_of_one_cluster(cluster: str, other: str) -> bool:
    return not (cluster and other) or cluster == other


def _agrees(label: BluestoreLabel, osd: Osd) -> bool:
    return label.osd_fsid == osd.fsid and label.osd_id in (None, osd.id) and _may_be_of_one_cluster(label.cluster_fsid, osd.cluster_fsid)


def _said(label: BluestoreLabel) -> str:
    who = "another OSD" if label.osd_id is None else f"osd.{label.osd_id}"
    return f"{who} ({label.osd_fsid or 'no fsid'}, cluster {label.cluster_fsid or 'unknown'})"
