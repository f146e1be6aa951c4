"""What it costs to look at a node with sixty OSDs: from what its tools say to the inventory, and the proof of its devices."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from reprov.domain.assembly import assemble
from reprov.domain.protected import protected
from reprov.events import NullMonitor
from reprov.workflows.inventory import take_inventory
from reprov.workflows.prove import prove_inventory
from tests.inventory_layouts import facts_of
from tests.storage_lab import Part, attached, make_image

OSDS = 60
_OSDS_OF_A_DB = 12
_IMAGES = 5
_SECTORS = 7_814_037_168
_DB_SECTORS = 125_829_120
_REPEATS = 5
_CLUSTER = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def measure_inventory() -> tuple[float, ...]:
    """Seconds from the text of all tools to the inventory and what of it is data, for disks with an OSD on LVM each."""
    text = recording()
    found = assemble(facts_of(text))
    if (len(found.osds), len(protected(found))) != (OSDS, 3 * OSDS + OSDS // _OSDS_OF_A_DB):
        raise RuntimeError(f"the inventory has {len(found.osds)} OSDs and {len(protected(found))} data devices")
    return _timed(lambda: protected(assemble(facts_of(text))))


def measure_proof(folder: Path) -> tuple[float, ...]:
    """Seconds that the proof of OSDs on partitions takes, first and last MiB of each read from the disk. Needs root."""
    folder.mkdir()
    parts = [Part("ceph-block", f"osd-{number}", osd_id=number) for number in range(OSDS // _IMAGES)]
    images = [make_image(folder / f"{number}.img", parts, number=number) for number in range(_IMAGES)]
    with attached(*images) as loops:
        found = take_inventory(Path("/"), monitor=NullMonitor())
        # As if the machine had no other disks.
        inventory = replace(found, disks=tuple(disk for disk in found.disks if Path(disk.path) in loops), mounts=(), osds=(), notes=())
        proof = prove_inventory(inventory, boot="this boot", monitor=NullMonitor())
        if sum(bool(device.fingerprint) for device in proof.devices) != OSDS:
            raise RuntimeError(f"the proof has {len(proof.devices)} devices, and not {OSDS} with a fingerprint")
        return _timed(lambda: prove_inventory(inventory, boot="this boot", monitor=NullMonitor()))


def _timed(run: Callable[[], object]) -> tuple[float, ...]:
    took_s = []
    for _ in range(_REPEATS):
        start_s = time.perf_counter()
        run()
        took_s.append(time.perf_counter() - start_s)
    return tuple(took_s)


def recording() -> str:
    """A node of ceph-volume lvm, recorded as those in tests/recordings/inventory are: its OSDs' dbs lie on some NVMe disks."""
    blocks = [*_nvme_disks(), *(block for osd in range(OSDS) for block in _devices_of(osd))]
    report = {
        "pvs": {"pv": [*map(_pv, _physical_volumes())]},
        "vgs": {"vg": [*map(_vg, _physical_volumes())]},
        "lvs": {"lv": [_lv(osd, role) for osd in range(OSDS) for role in ("block", "db")]},
    }
    sections = [f"## {name}\n{json.dumps({'report': [body]})}\n" for name, body in report.items()]
    return "".join((f"{OSDS} OSDs.\n## block\n", "\n".join(blocks), *sections))


def _nvme_disks() -> Iterator[str]:
    for index in range(OSDS // _OSDS_OF_A_DB):
        yield _block(f"nvme{index}n1", f"259:{index}", _OSDS_OF_A_DB * _DB_SECTORS + 2048, "LVM2_member", f"eui.0025385b{index:08x}")


def _devices_of(osd: int) -> Iterator[str]:
    """A disk, and the volumes of block and db."""
    yield _block(_disk(osd), f"8:{16 * osd}", _SECTORS, "LVM2_member", f"0x5000c500{osd:08x}")
    for number, role, below, sectors in ((2 * osd, "block", _disk(osd), _SECTORS - 4096), (2 * osd + 1, "db", _db_disk(osd), _DB_SECTORS)):
        name = f"{_group(osd, role)}-{_volume(osd, role)}".replace("-", "--").replace("--osd--", "-osd--", 1)
        lines = [
            f"N: dm-{number}",
            f"B: {below}",
            f"S: {_group(osd, role)}/{_volume(osd, role)}",
            f"A: dev=253:{number}",
            f"A: size={sectors}",
        ]
        yield "\n".join(
            [
                *lines,
                f"A: dm/name={name}",
                f"A: dm/uuid=LVM-{_uuid('vg', _group(osd, role))}{_uuid('lv', _volume(osd, role))}",
                "E: ID_FS_TYPE=ceph_bluestore",
                "",
            ]
        )


def _block(name: str, number: str, sectors: int, content: str, wwn: str) -> str:
    lines = [f"N: {name}", f"A: dev={number}", f"A: size={sectors}", "A: queue/logical_block_size=512", f"E: ID_FS_TYPE={content}"]
    return "\n".join([*lines, f"E: ID_SERIAL_SHORT={name.upper()}", f"E: ID_WWN_WITH_EXTENSION={wwn}", ""])


def _physical_volumes() -> Iterator[tuple[str, str, int]]:
    """Disk, group and size."""
    for osd in range(OSDS):
        yield _disk(osd), _group(osd, "block"), _SECTORS * 512
    for osd in range(0, OSDS, _OSDS_OF_A_DB):
        yield _db_disk(osd), _group(osd, "db"), _OSDS_OF_A_DB * _DB_SECTORS * 512


def _pv(item: tuple[str, str, int]) -> dict[str, str]:
    disk, group, size_bytes = item
    return {"pv_name": f"/dev/{disk}", "pv_uuid": f"pv-{disk}", "vg_name": group, "pv_size": str(size_bytes)}


def _vg(item: tuple[str, str, int]) -> dict[str, str]:
    _, group, size_bytes = item
    return {"vg_name": group, "vg_uuid": _uuid("vg", group), "vg_size": str(size_bytes), "vg_free": "0", "vg_tags": ""}


def _lv(osd: int, role: str) -> dict[str, str]:
    paths = {name: f"/dev/{_group(osd, name)}/{_volume(osd, name)}" for name in ("block", "db")}
    tags = {
        **{f"ceph.{name}_device": path for name, path in paths.items()},
        **{f"ceph.{name}_uuid": _uuid("lv", _volume(osd, name)) for name in paths},
        "ceph.cluster_fsid": _CLUSTER,
        "ceph.cluster_name": "ceph",
        "ceph.encrypted": "0",
        "ceph.osd_fsid": str(uuid.UUID(int=osd + 1)),
        "ceph.osd_id": str(osd),
        "ceph.type": role,
    }
    return {
        "vg_name": _group(osd, role),
        "lv_name": _volume(osd, role),
        "lv_uuid": _uuid("lv", _volume(osd, role)),
        "lv_path": paths[role],
        "lv_size": str(_DB_SECTORS * 512 if role == "db" else _SECTORS * 512 - (4 << 20)),
        "lv_tags": ",".join(f"{name}={value}" for name, value in tags.items()),
        "devices": f"/dev/{_db_disk(osd) if role == 'db' else _disk(osd)}(0)",
    }


def _uuid(kind: str, name: str) -> str:
    return f"{kind}{name}".replace("-", "").ljust(32, "0")


def _disk(osd: int) -> str:
    return f"sd{_LETTERS[osd // 26 - 1] if osd >= 26 else ''}{_LETTERS[osd % 26]}"


def _db_disk(osd: int) -> str:
    return f"nvme{osd // _OSDS_OF_A_DB}n1"


def _group(osd: int, role: str) -> str:
    return f"ceph-db-{osd // _OSDS_OF_A_DB}" if role == "db" else f"ceph-{osd:04x}"


def _volume(osd: int, role: str) -> str:
    return f"osd-{role}-{osd:04x}"
