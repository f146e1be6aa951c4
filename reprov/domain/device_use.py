"""Whether anything uses a device at the moment, so that nothing may be written to it."""

from collections.abc import Iterator

from reprov.domain.entry import show
from reprov.domain.inventory import Inventory


def uses_of(path: str, inventory: Inventory) -> tuple[str, ...]:
    """What uses the device, each a clause for people: `mounted at /srv`, `swap`, `physical volume of vg0`; none when it is free.

    A volume group counts whether it is active or not: what it holds cannot be seen from one of its parts.
    """
    return tuple(dict.fromkeys(_uses(path, inventory)))


def _uses(path: str, inventory: Inventory) -> Iterator[str]:
    for mounted in inventory.mounts:
        if mounted.device == path:
            yield f"mounted at {show(mounted.mount.path)}"
    if any(swap.path == path for swap in inventory.swaps):
        yield "swap"
    for physical in inventory.physical_volumes:
        if physical.path == path and physical.group:
            yield f"physical volume of {physical.group}"
    for volume in inventory.volumes:
        if path in volume.devices:
            yield f"physical volume of {volume.group}"
    for array in inventory.arrays:
        if path in array.members:
            yield f"member of {array.path}"
    for crypt in inventory.crypts:
        if crypt.device == path:
            yield f"open as {crypt.path}"
    for mapped in inventory.mapped:
        if path in mapped.devices:
            yield f"below {mapped.path}"
