"""Node -> the devices on it that are data; where nothing speaks for any, that is told in milliseconds and without any tool."""

from typing import TYPE_CHECKING, Final

from reprov.adapters.files import opened_directory
from reprov.adapters.run import is_installed
from reprov.domain.data_devices import DataDevices, Proving, why_not_looked
from reprov.errors import Refused
from reprov.events import Monitor
from reprov.workflows.node import Node

if TYPE_CHECKING:
    from reprov.domain.inventory import Inventory

_PROGRAMS: Final = ("sfdisk", "blkid")
"""Without them an inventory has less than there is where udev does not know, and a proof has no table entries and no contents."""


def find_data_devices(node: Node, proving: Proving, monitor: Monitor) -> DataDevices:
    """The data devices of this machine. Nothing is opened for writing."""
    if why := why_not_looked(proving, is_live=node.is_live):
        return DataDevices(not_looked=why)
    sign = _sign_of_data(node)
    if not sign:
        return DataDevices()
    if missing := [f"{name}: not installed" for name in _PROGRAMS if not is_installed(name)]:
        return DataDevices(problem=f"{'; '.join(missing)} (found {sign})")
    # Imported here: a node without data devices would wait for nothing.
    from reprov.domain.protected import protected
    from reprov.workflows.inventory import take_inventory

    inventory = take_inventory(node.root, monitor=monitor)
    found = protected(inventory)
    return DataDevices(found, inventory if found or inventory.osds else None)


def inventory_to_guard(node: Node, monitor: Monitor) -> "Inventory | None":
    """What the programs of a running node are guarded by; None where there is no data device. Raises `Refused` where nobody can tell."""
    data = find_data_devices(node, Proving.AUTO, monitor)
    if data.problem:
        raise Refused(f"data devices cannot be guarded: {data.problem}", hint="install what is missing; nothing runs without the guard")
    return data.inventory


def _sign_of_data(node: Node) -> str:
    from reprov.adapters.data_signs import sign_of_devices
    from reprov.adapters.mounted_devices import mounted_devices
    from reprov.adapters.osd_directories import osd_places
    from reprov.adapters.root_view import RootView
    from reprov.domain.data_signs import sign_of_mounts
    from reprov.domain.osd_directory import SIMPLE_FILES

    with opened_directory(node.root) as root_fd:
        view = RootView(root_fd)
        osds = (*osd_places(view), *(f"{SIMPLE_FILES}/{name}" for name in view.names(SIMPLE_FILES)))
        fstab = view.fstab()
    return sign_of_mounts(mounted_devices(node.root), fstab, osds) or sign_of_devices()
