"""Whether a node is as well after a change as it was before: its network, its services, and who could reach it.

What a node did not have before is nobody's fault: only what is worse than the baseline is a problem.
"""

import json
from dataclasses import dataclass, fields
from typing import Any, Final, NamedTuple

from reprov.errors import NeedsAttention

BASELINE_FORMAT: Final = 1
DEFAULT_TIMEOUT_S: Final = 120
"""Long enough for a lease, a bond and a spanning tree to settle; short enough for an operator to wait for."""
_STUCK: Final = ("maintenance", "stopping", "offline")


class Patience(NamedTuple):
    """How long a node may take to be well, and whether that is for somebody else to say."""

    timeout_s: int = DEFAULT_TIMEOUT_S
    """From the moment when everything that follows the commit has run."""
    awaits_operator: bool = False
    """It is confirmed by `reprov confirm` alone, within the same time."""


class Address(NamedTuple):
    """An address of an interface."""

    interface: str
    text: str
    prefix_length: int

    @property
    def is_of_the_link(self) -> bool:
        """True for one that an interface gives itself: nobody needs just this one, but whoever loses it does not hear routers."""
        return self.text.startswith("fe80:")

    def __str__(self) -> str:
        return f"{self.text}/{self.prefix_length} on {self.interface}"


class Route(NamedTuple):
    """A route that an administrator, a lease or a router advertisement has made; those of routing daemons come and go."""

    is_ipv6: bool
    destination: str
    """With its prefix length; "" for a default route."""
    gateway: str
    """"" for one that is on the link."""
    interface: str
    metric: int = 0

    @property
    def place(self) -> tuple[object, ...]:
        """What makes it the same route: metrics change with the order in which interfaces come up."""
        return self[:-1]

    def __str__(self) -> str:
        family = "IPv6 " if self.is_ipv6 else ""
        what = f"the {family}route to {self.destination}" if self.destination else f"the {family}default route"
        return f"{what}{f' through {self.gateway}' if self.gateway else ''} on {self.interface}"


class Network(NamedTuple):
    """Addresses and routes of a running system."""

    addresses: tuple[Address, ...] = ()
    routes: tuple[Route, ...] = ()

    @property
    def gateways(self) -> tuple[Route, ...]:
        """The default routes that name a gateway."""
        return tuple(route for route in self.routes if not route.destination and route.gateway)

    def missing_in(self, now: "Network") -> "Network":
        """What is here and not there."""
        places = {route.place for route in now.routes}
        addresses = tuple(address for address in self.addresses if address not in now.addresses)
        return Network(addresses, tuple(route for route in self.routes if route.place not in places))


class Listener(NamedTuple):
    """Where a server takes connections."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host} port {self.port}"


@dataclass(frozen=True, slots=True)
class Baseline:
    """How well a node is. Of one from before a change, what did not answer then is not in it."""

    network: Network
    state: str = ""
    """What systemd says of the whole system; "" where it does not run."""
    failed_units: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    """Those that ran. A release may end some; who goes back from it has them run again."""
    ssh: tuple[Listener, ...] = ()
    """Where sshd answers."""
    install_server: Listener | None = None
    """The source of the release, if it answers."""
    gateways: tuple[Route, ...] = ()
    """Those that answer."""

    def to_json(self) -> str:
        """The text of the file that keeps it."""
        return json.dumps({"format": BASELINE_FORMAT, **{item.name: getattr(self, item.name) for item in fields(self)}}) + "\n"

    @classmethod
    def parse(cls, text: str, source: str) -> "Baseline":
        """Read what `to_json` wrote. Raises `NeedsAttention`: without it nobody can say that the node is well."""
        try:
            found = json.loads(text)
            if found["format"] != BASELINE_FORMAT:
                raise ValueError(f"format {found['format']}")
            addresses, routes = found["network"]
            server = found["install_server"]
            return cls(
                network=Network(tuple(_address(item) for item in addresses), tuple(_route(item) for item in routes)),
                state=str(found["state"]),
                failed_units=tuple(map(str, found["failed_units"])),
                services=tuple(map(str, found["services"])),
                ssh=tuple(_listener(item) for item in found["ssh"]),
                install_server=_listener(server) if server else None,
                gateways=tuple(_route(item) for item in found["gateways"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise NeedsAttention(
                f"{source}: how the node was before cannot be read ({error})", hint="`reprov rollback` goes back to the tree before"
            ) from None


def problems(before: Baseline, now: Baseline) -> tuple[str, ...]:
    """What is worse than it was, in an operator's words; the cause before what follows from it."""
    missing = before.network.missing_in(now.network)
    lost = {route.place for route in missing.routes}
    found = [f"{address} is gone" for address in missing.addresses if not address.is_of_the_link]
    found += [f"{route} is gone" for route in missing.routes]
    answering = {route.place for route in now.gateways}
    found += [
        f"the gateway {route.gateway} on {route.interface} does not answer any more"
        for route in before.gateways
        if route.place not in answering | lost
    ]
    found += [f"sshd does not answer on {listener} any more" for listener in before.ssh if listener not in now.ssh]
    if before.install_server and now.install_server != before.install_server:
        found.append(f"the install server cannot be reached any more ({before.install_server})")
    found += [f"{unit} has failed" for unit in now.failed_units if unit not in before.failed_units]
    if now.state in _STUCK and now.state != before.state:
        found.append(f"systemd is {now.state}, and was {before.state}")
    if before.state and not now.state:
        found.append("systemd does not answer any more")
    return tuple(found)


def _address(item: list[Any]) -> Address:
    interface, text, prefix_length = item
    return Address(str(interface), str(text), int(prefix_length))


def _route(item: list[Any]) -> Route:
    is_ipv6, destination, gateway, interface, metric = item
    return Route(bool(is_ipv6), str(destination), str(gateway), str(interface), int(metric))


def _listener(item: list[Any]) -> Listener:
    host, port = item
    return Listener(str(host), int(port))
