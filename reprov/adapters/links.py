"""Links, addresses and routes of the running kernel, through netlink."""

import socket
from typing import TYPE_CHECKING, Any

from reprov.domain.links import Address, Link, Network, Route
from reprov.errors import ReprovError

if TYPE_CHECKING:
    from pyroute2 import IPRoute

_IFF_UP = 0x1
_ARPHRD_LOOPBACK = 772
_UNICAST = 1
_LOCAL_TABLE = 255
_BOND_MODES = ("balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb")
_SCOPES = {0: "global", 200: "site", 253: "link", 254: "host"}
_FAMILIES = {socket.AF_INET: "inet", socket.AF_INET6: "inet6"}


def read_network() -> Network:
    """The network of the running system, sorted. Raises `ReprovError` when the kernel does not tell."""
    # Imported here: it takes as long as everything else.
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        with IPRoute() as netlink:
            return _network(netlink)
    except (OSError, NetlinkError) as error:
        raise ReprovError(f"the kernel does not tell its network: {error}") from None


def _network(netlink: "IPRoute") -> Network:
    messages = list(netlink.get_links())
    names = {message["index"]: str(message.get_attr("IFLA_IFNAME")) for message in messages}
    links = [_link(message, names) for message in messages]
    addresses = [_address(message, names) for message in netlink.get_addr()]
    routes = [
        route
        for family in _FAMILIES
        for message in netlink.get_routes(family=family)
        if message["type"] == _UNICAST
        for route in _routes(message, names)
        if route.table != _LOCAL_TABLE
    ]
    return Network(
        tuple(sorted(links, key=lambda link: link.name)),
        tuple(sorted(addresses, key=lambda address: (address.link, ":" in address.address, address.address))),
        tuple(
            sorted(
                routes,
                key=lambda route: (
                    route.family,
                    route.table,
                    route.destination != "default",
                    route.destination,
                    route.metric,
                    route.link,
                    route.gateway,
                ),
            )
        ),
    )


def _link(message: Any, names: dict[int, str]) -> Link:
    attribute = message.get_attr
    info = attribute("IFLA_LINKINFO")
    kind = info.get_attr("IFLA_INFO_KIND") if info is not None else None
    data = info.get_attr("IFLA_INFO_DATA") if info is not None else None
    mode = data.get_attr("IFLA_BOND_MODE") if kind == "bond" and data is not None else None
    loopback = "loopback" if message["ifi_type"] == _ARPHRD_LOOPBACK else "physical"
    return Link(
        name=names[message["index"]],
        kind=str(kind or loopback),
        mac=str(attribute("IFLA_ADDRESS") or "").lower(),
        mtu=int(attribute("IFLA_MTU") or 0),
        is_up=bool(message["flags"] & _IFF_UP),
        state=str(attribute("IFLA_OPERSTATE") or "unknown").lower(),
        master=names.get(attribute("IFLA_MASTER"), ""),
        # A veth's other end has this attribute, too, and may be in another network namespace.
        parent=names.get(attribute("IFLA_LINK"), "") if kind in ("vlan", "macvlan", "ipvlan") else "",
        vlan_id=data.get_attr("IFLA_VLAN_ID") if kind == "vlan" and data is not None else None,
        bond_mode=_BOND_MODES[mode] if mode is not None and mode < len(_BOND_MODES) else "",
    )


def _address(message: Any, names: dict[int, str]) -> Address:
    address = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
    scope = message["scope"]
    return Address(names.get(message["index"], ""), f"{address}/{message['prefixlen']}", _SCOPES.get(scope, str(scope)))


def _routes(message: Any, names: dict[int, str]) -> list[Route]:
    attribute = message.get_attr
    target = attribute("RTA_DST")
    hops = [(attribute("RTA_OIF"), _gateway(attribute))]
    if several := attribute("RTA_MULTIPATH"):
        hops = [(hop["oif"], _gateway(hop.get_attr)) for hop in several]
    return [
        Route(
            destination=f"{target}/{message['dst_len']}" if target else "default",
            family=_FAMILIES[message["family"]],
            link=names.get(index, ""),
            gateway=gateway,
            source=str(attribute("RTA_PREFSRC") or ""),
            metric=int(attribute("RTA_PRIORITY") or 0),
            table=int(attribute("RTA_TABLE") or message["table"]),
        )
        for index, gateway in hops
    ]


def _gateway(attribute: Any) -> str:
    """The next hop; one of the other family comes as a family with an address."""
    via = attribute("RTA_VIA")
    return str(attribute("RTA_GATEWAY") or (via or {}).get("addr", ""))
