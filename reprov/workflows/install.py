"""Plan -> partitions -> an ordinary upgrade on them -> a disk that boots: a node installed anew, with its data left alone."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from reprov.adapters.durable import write_durably
from reprov.adapters.held_disk import held_disk
from reprov.adapters.identity_archive import files_in
from reprov.adapters.node_state import NodeState
from reprov.adapters.partition_writer import dump_table, make_filesystem, require_programs, uuid_of, write_table
from reprov.adapters.private_mounts import PrivateMounts, private_mounts, require_filesystems
from reprov.adapters.proof import boot_id
from reprov.adapters.release_reader import ReleaseFiles
from reprov.adapters.source import fetch_release
from reprov.adapters.volume_writer import require_lvm
from reprov.domain.account_files import ACCOUNT_PATHS
from reprov.domain.boot import INITRAMFS_WITH_LVM, firmwares_of, refuse_foreign_bios_boot
from reprov.domain.data_devices import PROOF_FILE
from reprov.domain.device_names import DeviceNames
from reprov.domain.entry import show
from reprov.domain.fstab import Needs, parse_fstab
from reprov.domain.hop_proof import HopProof
from reprov.domain.install_plan import InstallChoices, InstallPlan, in_mount_order, mounted_below
from reprov.domain.inventory import Disk, FstabLine, Inventory
from reprov.domain.layout import Layout, OsDevice
from reprov.domain.new_fstab import fstab_of, sources_on
from reprov.domain.ownership import Owner
from reprov.domain.partition_plan import Fate
from reprov.domain.partition_planner import data_rules
from reprov.domain.proof_comparison import Comparison, compare
from reprov.domain.protected import DataRules
from reprov.domain.release import ReleaseId
from reprov.domain.source import Source
from reprov.errors import InvalidInput, NeedsAttention, Refused, ReprovError
from reprov.events import Monitor, Note, phase
from reprov.workflows.bootable import make_bootable
from reprov.workflows.hop_proof import require_proven
from reprov.workflows.install_devices import InstallDevices, install_devices
from reprov.workflows.install_identity import (
    Identity,
    check_room,
    find_identity,
    forget_archive,
    keep_identity,
    private_options,
    restore_identity,
)
from reprov.workflows.install_plan import Target, plan_for
from reprov.workflows.prove import prove_inventory
from reprov.workflows.upgrade import Upgraded, upgrade

_OSD_DIRECTORIES = "var/lib/ceph/osd/"
_KEPT = ("etc/machine-id", "etc/fstab")
"""What is in the new root before the release comes, and has to stay."""
_LVM = ("usr/sbin/lvm", "sbin/lvm")
_DEVICES_FILE = "etc/lvm/devices/system.devices"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is installed."""

    source: Source
    role: str | None
    """None for the one that the old root had."""
    version: str
    choices: InstallChoices
    table_copy: Path
    """Where the partition table is kept as it was before it is written to."""


@dataclass(frozen=True, slots=True)
class Installed:
    """What an installation did."""

    upgraded: Upgraded
    proven: Comparison


def install(target: Target, plan: InstallPlan, wanted: Wanted, monitor: Monitor) -> Installed:
    """Carry out a plan that was shown and agreed to. What is not the operating system's is proven to be as before.

    Raises `Refused` before anything is written: among others when the plan would be another one by now. Raises `NeedsAttention` when
    the disk was left half installed: the same install again begins anew.
    """
    plan.partitions.require_accepted()
    require_programs(plan.partitions)
    require_lvm(plan.partitions)
    require_filesystems(device.filesystem for device in target.layout.devices if device.mount)
    found_disk = plan.partitions.disk
    path = found_disk.path
    rules = _rules(target, plan)
    inventory = target.inventory()
    before = prove_inventory(inventory, boot=boot_id(), rules=rules, monitor=monitor)
    require_proven(before, inventory.notes, "install what is missing, or take the device out")
    with _held(plan) as (devices, mounts):
        found = target.inventory()
        if change := plan.first_change(plan_for(target, found, wanted.choices)):
            raise Refused(f"{path} is not as it was when the plan was made: {change}", hint="something else is changing it; run it again")
        devices.disk.refuse_uses(item.entry for item in plan.partitions.partitions if item.fate is Fate.FORMATTED)
        devices.activate()
        identity = find_identity(plan, devices, mounts, may_be_new=wanted.choices.may_be_new)
        if identity.is_left:
            monitor.emit(Note("the node's identity is the one that an interrupted installation has kept"))
        check_room(identity, plan)
        release = _release_of(wanted, identity, target.layout, found_disk)
        _keep_table(plan, wanted.table_copy, target.image or path, monitor)
        with _half_installed(target.image or path, monitor):
            with phase(monitor, "partitions", "Writing partitions"):
                write_table(plan.partitions, devices.disk)
            root = _new_root(plan, devices, mounts, identity, monitor)
            NodeState(root).create()
            _write_fstab(target, plan, devices, found, root, identity)
            upgraded = upgrade(root, wanted.source, release.role, release.version, stage_only=False, monitor=monitor)
            make_bootable(root, path, target.layout, monitor)
            _note_devices_file(root, devices, monitor)
            mounts.close()
    after = prove_inventory(target.inventory(), boot=boot_id(), before=before, rules=rules, monitor=monitor)
    _keep_proof(plan, HopProof(f"installation of {release}", before, after))
    return Installed(upgraded, compare(before, after))


def _rules(target: Target, plan: InstallPlan) -> DataRules:
    """What is proven: what is data anyway, and every partition of the disk that is not the operating system's."""
    rules = data_rules(target.layout)
    others = {item.entry.uuid for item in plan.partitions.partitions if item.os is None and item.entry.uuid}
    return replace(rules, partuuids=rules.partuuids | others)


@contextmanager
def _held(plan: InstallPlan) -> Iterator[tuple[InstallDevices, PrivateMounts]]:
    """The devices of the plan, whose disk is locked, and a place of our own to mount them in."""
    found = plan.partitions.disk
    with (
        private_mounts() as mounts,
        held_disk(found.path, found.sector_bytes) as disk,
        install_devices(plan.partitions, disk) as devices,
    ):
        try:
            yield devices, mounts
        finally:
            mounts.close()  # before the lock goes


@contextmanager
def _half_installed(disk: str, monitor: Monitor) -> Iterator[None]:
    """Around everything that writes: what fails there leaves a disk that is neither what it was nor what it is to be."""
    hint = "run the same command again: it begins anew, and knows where the node's identity is kept"
    try:
        yield
    except (ReprovError, OSError) as error:
        said = error.message if isinstance(error, ReprovError) else str(error)
        raise NeedsAttention(f"{disk} is half installed: {said}", hint=hint) from error
    except BaseException:
        monitor.emit(Note(f"{disk} is half installed; {hint}"))
        raise


def check_release(target: Target, plan: InstallPlan, wanted: Wanted) -> None:
    """Raise what stands against a release, as far as that can be told without looking into the old root: that the source lacks it
    (`InvalidInput`), that it does not fit the layout (`Refused`). Of a role that only the old root knows nothing can be told."""
    if wanted.role:
        release = ReleaseId.of(wanted.role, wanted.version)
        with _fetched(wanted.source, release) as files:
            _refuse_unfit(release, files, target.layout, plan.partitions.disk)


def _release_of(wanted: Wanted, identity: Identity, layout: Layout, disk: Disk) -> ReleaseId:
    """The release, which the source has, which leaves the node its own and can be made bootable: to be known before anything is written."""
    role = wanted.role or identity.role
    if not role:
        raise InvalidInput("there is no installed release whose role could be kept", hint=f"name it: ROLE {wanted.version}")
    release = ReleaseId.of(role, wanted.version)
    with _fetched(wanted.source, release) as files:
        _refuse_unfit(release, files, layout, disk)
        _refuse_lists_that_lose(identity, release, files)
    return release


@contextmanager
def _fetched(source: Source, release: ReleaseId) -> Iterator[ReleaseFiles]:
    with tempfile.TemporaryDirectory(prefix="reprov-release-") as folder:
        fetch_release(source, release, Path(folder), Path(folder) / "none")
        yield ReleaseFiles.load(Path(folder))


def _refuse_unfit(release: ReleaseId, files: ReleaseFiles, layout: Layout, disk: Disk) -> None:
    """What a release has to keep, and to have, for a layout."""
    entries = files.manifest.entries
    for path in _KEPT:
        if files.ownership.of(path, is_dir=False).owner is Owner.IMAGE:
            raise Refused(f"the lists of {release} do not keep {show(path)}", hint="publish it with the list identity, too")
    if layout.volumes and not any(path in entries for path in _LVM):
        hint = "install a role with lvm2, or take the volumes out of the layout"
        raise Refused(f"{release} has no /{_LVM[0]}, and the layout has volumes", hint=hint)
    if not firmwares_of(layout):
        return
    refuse_foreign_bios_boot(layout, disk.partitions)
    if layout.starts_from_volumes and INITRAMFS_WITH_LVM not in entries:
        hint = "install a role with lvm2 and initramfs-tools, or give / and /usr partitions"
        raise Refused(f"{release} has no /{INITRAMFS_WITH_LVM}: its initramfs would not find / or /usr on LVM", hint=hint)
    if not any(path.startswith("boot/vmlinuz-") for path in entries):
        hint = "install a role with a kernel, or take esp and bios-boot out of the layout"
        raise Refused(f"{release} has no kernel (/boot/vmlinuz-*), and the layout is that of a disk which boots", hint=hint)


def _refuse_lists_that_lose(identity: Identity, release: ReleaseId, files: ReleaseFiles) -> None:
    """What the lists leave to the image, the upgrade replaces or deletes; and when that is done, the archive is gone.

    Whatever the lists say, accounts are merged and directories of OSDs stay.
    """
    saved = files_in(identity.archive) if identity.archive else ()
    listed = (path for path in saved if path not in ACCOUNT_PATHS and not path.startswith(_OSD_DIRECTORIES))
    lost = [path for path in listed if files.ownership.of(path, is_dir=False).owner is Owner.IMAGE]
    if lost:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        raise Refused(
            f"the lists of {release} do not keep {show(lost[0])}{more} of the node's identity",
            hint="publish it with the lists that do (identity, network, ssh, ceph), or remove from the node what it needs no more",
        )


def _keep_table(plan: InstallPlan, file: Path, disk: str, monitor: Monitor) -> None:
    """Keep the table as it is, durably, when it is to be written to. One that an earlier run has kept stays, too."""
    if plan.partitions.disk.table is None or not plan.partitions.script():
        return
    named = file.with_name(f"{file.name}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    try:
        write_durably(named, dump_table(plan.partitions.disk.path))
    except OSError as error:
        raise ReprovError(f"the partition table cannot be kept in {named}: {error.strerror}", hint="nothing was written") from None
    monitor.emit(Note(f"the partition table is kept: sfdisk {disk} < {named} puts it back"))


def _new_root(plan: InstallPlan, devices: InstallDevices, mounts: PrivateMounts, identity: Identity, monitor: Monitor) -> Path:
    """New filesystems, mounted as they will be, with the identity in them; it is nowhere else from then on."""
    keeper = plan.keeper if plan.keeper and not plan.archive and identity.archive else None
    kept_on = keeper.os if keeper else None
    mounted = in_mount_order(plan.partitions)
    later = mounted_below(mounted, kept_on.mount) if kept_on else ()
    with phase(monitor, "filesystems", "Making filesystems"):
        keep_identity(identity, plan, devices, mounts)
        devices.make_groups()
        for device, number in plan.partitions.formatted():
            if device != kept_on:
                make_filesystem(device, devices.of(device, number))
    root = mounts.folder("root")
    with phase(monitor, "identity", "Restoring the node's identity"):
        _mount(devices, mounts, root, [item for item in mounted if item not in later])
        restore_identity(identity, root)
        if keeper and kept_on and identity.was_kept:
            make_filesystem(kept_on, devices.of(kept_on, keeper.entry.number))
        _mount(devices, mounts, root, later)
        forget_archive(plan, root / kept_on.mount.strip("/") if kept_on else None)
    return root


def _mount(devices: InstallDevices, mounts: PrivateMounts, root: Path, some: Sequence[tuple[OsDevice, int]]) -> None:
    for device, number in some:
        point = root / device.mount.strip("/")
        point.mkdir(mode=0o755, parents=True, exist_ok=True)
        mounts.mount(devices.of(device, number), point, device.filesystem, *private_options(device))


def _write_fstab(target: Target, plan: InstallPlan, devices: InstallDevices, found: Inventory, root: Path, identity: Identity) -> None:
    """fstab by UUID, from that of the old root; before the upgrade, which keeps it and looks at whether its entries resolve."""
    file = root / "etc/fstab"
    old = file.read_bytes().decode("utf-8", "surrogateescape") if file.is_file() and not file.is_symlink() else ""
    names = DeviceNames((), found)
    lines = [FstabLine(entry, names.devices(entry.source)) for entry in parse_fstab(old.encode("utf-8", "surrogateescape"))]
    gone = sources_on(lines, {item.entry.path for item in plan.partitions.partitions if item.fate is Fate.FORMATTED})
    gone |= devices.old_sources()
    if identity.is_left:  # the swap that it names was formatted by the installation that was interrupted
        gone |= {line.entry.source for line in lines if line.entry.needs is Needs.DEVICE and not (line.entry.is_mounted or line.devices)}
    uuids = {device.name: uuid_of(devices.of(device, number)) for device, number in plan.partitions.formatted()}
    new = fstab_of(target.layout, uuids, old, formatted=gone)
    if new != old:
        file.parent.mkdir(mode=0o755, exist_ok=True)
        write_durably(file, new.encode("utf-8", "surrogateescape"))
        file.chmod(0o644)


def _note_devices_file(root: Path, devices: InstallDevices, monitor: Monitor) -> None:
    """The list of LVM's devices is carried over as it was; on a node whose LVM goes by it, a new device is to be added."""
    if (root / _DEVICES_FILE).is_file():
        for group, device in devices.new_groups():
            monitor.emit(Note(f"/{_DEVICES_FILE} is that of before, without {group}: `lvmdevices --adddev {device}` on the node adds it"))


def _keep_proof(plan: InstallPlan, proof: HopProof) -> None:
    """Both sides in reprov's directory of the new root, as an upgrade keeps them."""
    with _held(plan) as (devices, mounts):
        devices.activate_made()
        root = mounts.folder("root")
        top = [item for item in in_mount_order(plan.partitions) if item[0].mount == "/"]
        _mount(devices, mounts, root, top)
        write_durably(NodeState(root).directory / PROOF_FILE, proof.to_json().encode())
