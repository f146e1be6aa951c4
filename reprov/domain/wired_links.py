"""Which network devices of a machine the rescue system configures."""

from collections.abc import Sequence
from typing import NamedTuple

from reprov.errors import ReprovError


class WiredLink(NamedTuple):
    """An Ethernet device of the hardware; up, so that its carrier is known."""

    number: int
    """The kernel's index."""
    name: str
    address: str
    """MAC address in lower case with colons."""
    has_carrier: bool

    def is_called(self, device: str) -> bool:
        """True when a name or a MAC address in lower case means this device."""
        return device in (self.name, self.address)

    def __str__(self) -> str:
        return f"{self.name} ({self.address}{'' if self.has_carrier else ', no carrier'})"


def links_to_ask(links: Sequence[WiredLink], device: str) -> tuple[WiredLink, ...]:
    """Those that DHCP is asked on: the one that is named, else all with a carrier. Raises `ReprovError` when there is none."""
    if device:
        return (_named(links, device),)
    found = tuple(link for link in links if link.has_carrier)
    if not found:
        raise ReprovError("no wired network device has a carrier", hint=_there_is(links))
    return found


def link_to_set(links: Sequence[WiredLink], device: str) -> WiredLink:
    """The one that gets the address: the one that is named, else the only one with a carrier. Raises `ReprovError`."""
    found = links_to_ask(links, device)
    if len(found) > 1:
        names = ", ".join(map(str, found))
        raise ReprovError(f"which network device gets the address? These have a carrier: {names}", hint="reprov.ip=...,DEVICE")
    return found[0]


def is_settled(links: Sequence[WiredLink], device: str) -> bool:
    """True when waiting longer for a carrier would not change what is configured."""
    return bool(links) and all(link.has_carrier for link in links if not device or link.is_called(device))


def _named(links: Sequence[WiredLink], device: str) -> WiredLink:
    found = [link for link in links if link.is_called(device)]
    if not found:
        raise ReprovError(f"there is no wired network device {device}", hint=_there_is(links))
    return found[0]


def _there_is(links: Sequence[WiredLink]) -> str:
    if not links:
        return "there is no wired network device at all: the driver is missing in this kernel, or its firmware"
    return f"there is {', '.join(map(str, links))}"
