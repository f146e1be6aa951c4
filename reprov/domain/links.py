"""The network of a node as the kernel has it: links, addresses, routes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Link:
    """A network interface."""

    name: str
    kind: str
    """`physical`, or the kernel's word for what is made by software: `bond`, `bridge`, `vlan`, `veth`, `dummy`, `loopback`, ..."""
    mac: str
    """Lower case; "" for one without."""
    mtu: int
    is_up: bool
    """Set up by the administrator; `state` says whether it works."""
    state: str
    """`up`, `down`, `unknown`, `lowerlayerdown`, `dormant`, ..."""
    master: str = ""
    """The bond or bridge that it is a member of."""
    parent: str = ""
    """The link that a VLAN lies on."""
    vlan_id: int | None = None
    bond_mode: str = ""
    """`802.3ad`, `active-backup`, ..."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address of a link, with the length of its prefix: `10.0.0.1/24`."""

    link: str
    address: str
    scope: str
    """`global`, `link`, `host` or `site`, else the number."""


@dataclass(frozen=True, slots=True)
class Route:
    """A unicast route of any table but the kernel's own for local addresses; one hop of a route with several is one value."""

    destination: str
    """`default`, or an address with prefix length."""
    family: str
    """`inet` or `inet6`."""
    link: str
    gateway: str = ""
    source: str = ""
    metric: int = 0
    table: int = 254
    """254 is main."""


@dataclass(frozen=True, slots=True)
class Network:
    """All of it, sorted by name and number."""

    links: tuple[Link, ...] = ()
    addresses: tuple[Address, ...] = ()
    routes: tuple[Route, ...] = ()

    def members_of(self, master: str) -> tuple[str, ...]:
        """The links that make up a bond or bridge."""
        return tuple(link.name for link in self.links if link.master == master)


NO_NETWORK = Network()
"""Of a disk image, and of a node that does not run."""
