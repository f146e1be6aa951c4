"""What a change of a node knows of the devices that are data: which there are, or why nobody has looked."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # most nodes have no data device, and no need of all that describes one
    from reprov.domain.inventory import Inventory
    from reprov.domain.protected import Protected

PROOF_FILE: Final = "storage-proof.json"
"""What the fingerprints of both sides of a change are kept as, in the state directory of the node."""


class Proving(StrEnum):
    """Whether a change of a node proves that it has left data devices alone."""

    AUTO = "auto"
    """On the running system."""
    ALWAYS = "always"
    """With another root, too: the devices are those of this machine."""
    NEVER = "never"


_NOT_HERE: Final = "this is the root of another system, whose disks need not be this machine's"
_NOT_WANTED: Final = "by --prove never"


@dataclass(frozen=True, slots=True)
class DataDevices:
    """The devices that are data."""

    found: "tuple[Protected, ...]" = ()
    inventory: "Inventory | None" = None
    """What a proof is made of; None where there is neither a data device nor an OSD, or nobody has looked."""
    not_looked: str = ""
    """Why nobody has looked."""
    problem: str = ""
    """Why nobody can tell which devices are data, although some may be."""

    def described(self) -> list[dict[str, object]]:
        """Each device by its name, with the reasons why it is data: what JSON has of them."""
        return [{"device": item.device.path or item.device.volume, "reasons": [*item.reasons]} for item in self.found]

    def by_mount_point(self, managed: Collection[str]) -> dict[str, str]:
        """Why the device of a mount is data, by mount point. Being mounted at one that a release names as `managed` is no reason."""
        if self.inventory is None:
            return {}
        # Imported here for the same reason as above.
        from reprov.domain.protected import SYSTEM_MOUNTS, DataRules, protected

        found = protected(self.inventory, DataRules(system_mounts=SYSTEM_MOUNTS | {*managed}))
        reasons = {item.device.path: item.reasons for item in found}
        return {
            mounted.mount.path: f"{mounted.device} is data: {'; '.join(reasons[mounted.device])}"
            for mounted in self.inventory.mounts
            if mounted.device in reasons
        }


NO_DATA_DEVICES: Final = DataDevices()


def why_not_looked(proving: Proving, *, is_live: bool) -> str:
    """Why the devices of this machine are none of a change's business; "" when they are."""
    if proving is Proving.NEVER:
        return _NOT_WANTED
    return "" if is_live or proving is Proving.ALWAYS else _NOT_HERE
