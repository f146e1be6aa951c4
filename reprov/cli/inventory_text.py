"""An inventory as tables for people, which fit into 80 columns unless names are long."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from reprov.cli.tables import Table, human_size
from reprov.domain.entry import show
from reprov.domain.inventory import DeviceRef, Inventory, Osd, Signature
from reprov.domain.protected import Protected
from reprov.domain.storage_stack import StorageStack

Row = tuple[str, ...]


def inventory_tables(inventory: Inventory, data: Sequence[Protected]) -> list[Table]:
    """Disks, partitions and what is made of them, OSDs, network; those that have no rows are left out."""
    tables = [
        Table.of("DISK", "> SIZE", "TABLE", "IDENTITY", "MODEL", rows=[*_disks(inventory)]),
        Table.of("DEVICE", "> SIZE", "TYPE", "CONTENT", "DATA", "USE", rows=[*_devices(inventory, data)]),
        Table.of("OSD", "KIND", "FSID", "ON", rows=[*_osds(inventory)]),
        Table.of("CLUSTER", "OSDS", rows=[*_clusters(inventory)]),
        Table.of("LINK", "KIND", "STATE", "ON", "ADDRESSES", rows=[*_links(inventory)]),
        Table.of("DEFAULT ROUTE", "LINK", "> METRIC", rows=[*_routes(inventory)]),
    ]
    return [table for table in tables if table.rows]


def _disks(inventory: Inventory) -> Iterator[Row]:
    for disk in inventory.disks:
        table = disk.table.kind.value if disk.table else "-"
        if disk.sector_bytes != 512:
            table = f"{table} {disk.sector_bytes}"
        if disk.table and disk.table.problems:
            table += " damaged"
        identity = disk.identity if disk.identity != disk.path else disk.kind.value
        yield _short(disk.path), human_size(disk.size_bytes), table, _printable(identity), _printable(disk.model) or "-"


def _devices(inventory: Inventory, data: Sequence[Protected]) -> Iterator[Row]:
    uses = _uses(inventory)
    kept = {item.device.path or item.device.volume for item in data}

    def row(name: str, size_bytes: int, kind: str, content: Signature | None) -> Row:
        use = ", ".join(uses.get(name, ())) or "-"
        return _short(name), human_size(size_bytes), kind or "-", _content(content), "yes" if name in kept else "-", use

    for disk in inventory.disks:
        if disk.content is not None or disk.path in uses or disk.path in kept:
            yield row(disk.path, disk.size_bytes, disk.kind.value, disk.content)
        for partition in disk.partitions:
            yield row(partition.path, partition.sectors * disk.sector_bytes, partition.type_name or partition.type, partition.content)
    disks = {disk.path for disk in inventory.disks}
    for array in inventory.arrays:
        if array.path not in disks:
            yield row(array.path, array.size_bytes, array.level, array.content)
    # The volumes of OSDs and mappings on them have the longest names of all, and a row in the next table.
    of_osds = {device.volume for osd in inventory.osds for device in osd.devices} - {""}
    stack = StorageStack(inventory)
    for crypt in inventory.crypts:
        if stack.ref(crypt.path).volume not in of_osds:
            yield row(crypt.path, crypt.size_bytes, crypt.kind, crypt.content)
    for volume in inventory.volumes:
        if volume.full_name not in of_osds:
            yield row(volume.path or volume.full_name, volume.size_bytes, "LV", volume.content)
    for mapped in inventory.mapped:
        if mapped.path not in disks:
            yield row(mapped.path, mapped.size_bytes, "mapped", mapped.content)


def _uses(inventory: Inventory) -> dict[str, list[str]]:
    uses: dict[str, list[str]] = defaultdict(list)
    owners: dict[str, dict[str, None]] = defaultdict(dict)
    for osd in inventory.osds:
        for role, part in _parts(osd):
            if part.volume:
                owners[part.volume.partition("/")[0]][_name_of(osd)] = None
            elif part.path:
                uses[part.path].append(f"{_name_of(osd)} {role}")
    for physical in inventory.physical_volumes:
        of_osds = " ".join(owners.get(physical.group, ()))
        uses[physical.path].append(f"PV of {of_osds or _printable(physical.group)}" if physical.group else "PV")
    for mounted in inventory.mounts:
        if mounted.device:
            uses[mounted.device].append(show(mounted.mount.path))
    for swap in inventory.swaps:
        uses[swap.path].append("swap")
    mounted_devices = {mounted.device for mounted in inventory.mounts} | {swap.path for swap in inventory.swaps}
    for line in inventory.fstab:
        for device in line.devices:
            if device not in mounted_devices:
                uses[device].append(f"fstab {_printable(line.entry.mount_point)}")
    for array in inventory.arrays:
        for member in array.members:
            uses[member].append(f"of {_short(array.path)}")
    for crypt in inventory.crypts:
        uses[crypt.device].append(f"of {_short(crypt.path)}")
    for mapped in inventory.mapped:
        for below in mapped.devices:
            uses[below].append(f"of {_short(mapped.path)}")
    return uses


def _osds(inventory: Inventory) -> Iterator[Row]:
    stack = StorageStack(inventory)
    for osd in inventory.osds:
        places = [f"{'' if role in ('block', 'data') else role + ' '}{_place(stack, device)}" for role, device in _parts(osd)]
        if osd.is_plain_directory:
            places.append(show(osd.directory))
        encrypted = " encrypted" if osd.is_encrypted else ""
        yield _name_of(osd), osd.kind.value + encrypted, osd.fsid or "-", ", ".join(dict.fromkeys(places)) or "-"


def _clusters(inventory: Inventory) -> Iterator[Row]:
    count: dict[str, int] = defaultdict(int)
    for osd in inventory.osds:
        count[osd.cluster_fsid or "unknown"] += 1
    yield from ((cluster, str(osds)) for cluster, osds in sorted(count.items()))


def _links(inventory: Inventory) -> Iterator[Row]:
    network = inventory.network
    for link in network.links:
        kind = " ".join(filter(None, (link.kind, link.bond_mode, str(link.vlan_id) if link.vlan_id is not None else "")))
        on = ", ".join(network.members_of(link.name)) or link.parent or "-"
        addresses = [address.address for address in network.addresses if address.link == link.name and address.scope != "link"]
        yield _printable(link.name), kind, link.state if link.is_up else "off", on, ", ".join(addresses) or "-"


def _routes(inventory: Inventory) -> Iterator[Row]:
    for route in inventory.network.routes:
        if route.destination == "default" and route.table == 254:
            yield route.gateway or "-", route.link, str(route.metric)


def _parts(osd: Osd) -> list[tuple[str, DeviceRef]]:
    parts = {"block": osd.block, "data": osd.data, "db": osd.db, "wal": osd.wal, "journal": osd.journal}
    return [(role, device) for role, device in parts.items() if device is not None]


def _place(stack: StorageStack, device: DeviceRef) -> str:
    """The disks and partitions that a device lies on."""
    name = device.path or device.volume
    lowest = [lower for lower in (name, *stack.beneath(name)) if lower in stack.partitions or lower in stack.disks]
    return "+".join(_short(lower) for lower in lowest) or "missing"


def _name_of(osd: Osd) -> str:
    return f"osd.{'?' if osd.id is None else osd.id}"


def _content(content: Signature | None) -> str:
    return _printable(f"{content.type} {content.label}".rstrip()) if content else "-"


def _short(path: str) -> str:
    """Without /dev/, which every device has; an image's by its name alone."""
    if path.startswith("/dev/"):
        return _printable(path.removeprefix("/dev/"))
    return _printable(path.rpartition("/")[2] if path.startswith("/") else path)


def _printable(text: str) -> str:
    return show(text)[1:]
