"""The command lines of activation. Nothing here changes what a device holds: each opens, mounts or starts what is there."""

from collections.abc import Iterator
from typing import Final

from reprov.domain.activation import Decision, Means, Method
from reprov.domain.inventory import OsdKind

Argv = tuple[str, ...]

DESCRIPTIONS: Final = "/etc/ceph/osd"
"""Where `ceph-volume simple scan` writes what it finds."""
_WITHOUT_REPLAY: Final = {"xfs": "ro,norecovery", "ext4": "ro,noload", "btrfs": "ro,rescue=nologreplay"}


def preparing(decision: Decision, means: Means) -> tuple[Argv, ...]:
    """What makes the OSD's directory; ceph-volume lvm and simple start the OSD, too, where systemd runs."""
    return tuple(_preparing(decision, means))


def _preparing(decision: Decision, means: Means) -> Iterator[Argv]:
    without_systemd = () if means.has_systemd else ("--no-systemd",)
    match decision.method:
        case Method.LVM:
            yield ("ceph-volume", "lvm", "activate", *without_systemd, str(decision.osd.id), decision.osd.fsid)
        case Method.RAW:
            parts = [("--block.db", decision.db), ("--block.wal", decision.wal)]
            others = [word for option, path in parts if path for word in (option, path)]
            yield ("ceph-volume", "raw", "activate", "--device", decision.device, *others, "--no-systemd")
        case Method.SIMPLE:
            if not decision.description:
                yield ("ceph-volume", "simple", "scan", decision.device)
            description = decision.description or f"{DESCRIPTIONS}/ID-{decision.osd.fsid}.json"
            yield ("ceph-volume", "simple", "activate", "--file", description, *without_systemd)
        case Method.PRIME:
            place = f"/{decision.directory}"
            yield ("ceph-bluestore-tool", "prime-osd-dir", "--dev", decision.device, "--path", place, "--no-mon-config")
        case Method.MOUNT:
            yield mounting(decision, f"/{decision.directory}" if decision.osd.id is not None else "/var/lib/ceph/osd/ceph-ID")
        case Method.ORCHESTRATOR:
            yield ("ceph", "cephadm", "osd", "activate", means.host)


def starting(decision: Decision, osd_id: int, means: Means) -> Argv | None:
    """What starts the OSD whose directory is in order; None where no systemd runs, or where what prepared it has started it."""
    if not means.has_systemd or decision.method in (Method.LVM, Method.SIMPLE, Method.ORCHESTRATOR):
        return None
    if decision.osd.kind is OsdKind.CEPHADM:
        return ("systemctl", "start", f"ceph-{decision.osd.cluster_fsid}@osd.{osd_id}.service")
    return ("systemctl", "enable", "--runtime", "--now", f"ceph-osd@{osd_id}.service")


def looking(decision: Decision, place: str) -> Argv:
    """Mounts the data partition of ceph-disk to see whose it is; not even a journal is replayed."""
    return ("mount", "-t", decision.filesystem, "-o", f"{_WITHOUT_REPLAY[decision.filesystem]},nosuid,nodev,noexec", decision.device, place)


def mounting(decision: Decision, place: str) -> Argv:
    """Mounts it for the OSD."""
    return ("mount", "-t", decision.filesystem, "-o", "noatime,nosuid,nodev,noexec", decision.device, place)


def shown(decision: Decision, means: Means) -> tuple[Argv, ...]:
    """All command lines of a decision, as a plan shows them."""
    if decision.method is None:
        return ()
    start = None if decision.osd.id is None else starting(decision, decision.osd.id, means)
    return (*preparing(decision, means), *((start,) if start else ()))
