"""Addresses and routes of the running system: as they are, and put back as they were."""

import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

from reprov.domain.health import Address, Network, Route
from reprov.errors import Refused, ReprovError

_MAIN_TABLE: Final = 254
_UNICAST: Final = 1
_OF_HOST: Final = 254
"""The scope of addresses that nobody else can use."""
_TEMPORARY: Final = 0x01
_STEADY_PROTOCOLS: Final = (3, 4, 9, 16)
"""boot (ip route), static, ra, dhcp (rtnetlink(7)): those of the kernel go with addresses, those of daemons come and go."""
_ONLINK: Final = 4
_PASSING: Final = ("veth", "vxlan", "tun")
"""Kinds of interfaces that come and go with containers and guests."""


def read_network(*, passing: bool = True) -> Network:
    """What the kernel says; without `passing`, not of interfaces that come and go with containers and guests, and carry no route.

    Raises `Refused` without the library that asks it, `ReprovError` when it does not tell.
    """
    try:
        # Imported here: it takes as long as everything else, and only a live commit needs it.
        from pyroute2 import IPRoute
        from pyroute2.netlink.exceptions import NetlinkError
    except ImportError:
        raise Refused(
            "the network of this node cannot be watched: its Python has no pyroute2",
            hint="install python3-pyroute2, and run it again: without it nobody could tell whether the node has lost its network",
        ) from None
    try:
        with IPRoute() as netlink:
            return _read(netlink, passing=passing)
    except (OSError, NetlinkError) as error:
        raise ReprovError(f"the kernel does not tell its addresses and routes: {error}") from None


def put_back(missing: Network) -> tuple[str, ...]:
    """Add addresses and routes that the running system had before; gives what could not be added, and why."""
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    failed = []
    with IPRoute() as netlink:
        for interface in sorted({item.interface for items in missing for item in items}):
            with suppress(OSError, NetlinkError):  # whatever needs it says so
                netlink.link("set", index=_index(netlink, interface), state="up")
        for address in missing.addresses:
            try:
                index = _index(netlink, address.interface)
                netlink.addr("replace", index=index, address=address.text, prefixlen=address.prefix_length)
            except (OSError, NetlinkError) as error:
                failed.append(f"{address} cannot be put back: {error}")
        for route in sorted(missing.routes, key=lambda route: bool(route.gateway)):  # a gateway may lie behind a route on the link
            try:
                _add_route(netlink, route)
            except (OSError, NetlinkError) as error:
                failed.append(f"{route} cannot be put back: {error}")
    return tuple(failed)


def _read(netlink: Any, *, passing: bool) -> Network:
    names, left_out = {}, set[str]()
    for link in netlink.get_links():
        names[link["index"]] = str(link.get_attr("IFLA_IFNAME"))
        info = link.get_attr("IFLA_LINKINFO")
        if not passing and info is not None and info.get_attr("IFLA_INFO_KIND") in _PASSING:
            left_out.add(names[link["index"]])
    addresses = {
        Address(names.get(item["index"], ""), str(item.get_attr("IFA_LOCAL") or item.get_attr("IFA_ADDRESS")), int(item["prefixlen"]))
        for item in netlink.get_addr()
        if item["scope"] < _OF_HOST and not (item.get_attr("IFA_FLAGS") or item["flags"]) & _TEMPORARY
    }
    routes = set()
    for family in (socket.AF_INET, socket.AF_INET6):
        for item in netlink.get_routes(family=family, table=_MAIN_TABLE, type=_UNICAST):
            if item["proto"] in _STEADY_PROTOCOLS:
                routes |= {*_routes(item, names, is_ipv6=family == socket.AF_INET6)}
    left_out -= {route.interface for route in routes}
    return Network(tuple(sorted(address for address in addresses if address.interface not in left_out)), tuple(sorted(routes)))


def _routes(item: Any, names: dict[int, str], *, is_ipv6: bool) -> Iterable[Route]:
    destination = f"{item.get_attr('RTA_DST')}/{item['dst_len']}" if item["dst_len"] else ""
    metric = int(item.get_attr("RTA_PRIORITY") or 0)
    hops = item.get_attr("RTA_MULTIPATH")
    ways = [(hop.get_attr("RTA_GATEWAY"), hop["oif"]) for hop in hops] if hops else [(_gateway(item), item.get_attr("RTA_OIF"))]
    for gateway, index in ways:
        if index in names:
            yield Route(is_ipv6, destination, str(gateway or ""), names[index], metric)


def _gateway(item: Any) -> str:
    """An IPv4 route may go through an IPv6 gateway (RFC 5549)."""
    via = item.get_attr("RTA_VIA")
    return str(item.get_attr("RTA_GATEWAY") or (via["addr"] if via else ""))


def _index(netlink: Any, interface: str) -> int:
    found = netlink.link_lookup(ifname=interface)
    if not found:
        raise OSError(f"there is no {interface}")
    return int(found[0])


def _add_route(netlink: Any, route: Route) -> None:
    from pyroute2.netlink.exceptions import NetlinkError

    wanted: dict[str, object] = {
        "dst": route.destination or "default",
        "oif": _index(netlink, route.interface),
        "family": socket.AF_INET6 if route.is_ipv6 else socket.AF_INET,
    }
    if route.metric:
        wanted["priority"] = route.metric
    if route.gateway:
        wanted["gateway"] = route.gateway
    try:
        netlink.route("replace", **wanted)
    except NetlinkError:
        if not route.gateway:
            raise
        netlink.route("replace", **wanted, flags=_ONLINK)  # it lies outside of every network, and was used all the same
