"""The interfaces that carry the default route of the running system."""

import socket

from reprov.domain.network import Uplink
from reprov.errors import ReprovError

_MAIN_TABLE = 254
_UNICAST = 1


def read_uplinks() -> tuple[Uplink, ...]:
    """The interfaces of every IPv4 and IPv6 default route in the main table. Raises `ReprovError` when the kernel does not tell."""
    # Imported here: it takes as long as everything else, and only a live commit needs it.
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        with IPRoute() as netlink:
            indexes = set()
            for family in (socket.AF_INET, socket.AF_INET6):
                for route in netlink.get_routes(family=family, table=_MAIN_TABLE, type=_UNICAST):
                    if route["dst_len"] == 0:
                        hops = route.get_attr("RTA_MULTIPATH") or ()
                        indexes |= {route.get_attr("RTA_OIF"), *(hop["oif"] for hop in hops)}
            return tuple(_uplink(link) for index in sorted(indexes - {None}) for link in netlink.get_links(index))
    except (OSError, NetlinkError) as error:
        raise ReprovError(f"the kernel does not tell its routes: {error}") from None


def _uplink(link: object) -> Uplink:
    attribute = link.get_attr  # type: ignore[attr-defined]
    addresses = {attribute("IFLA_ADDRESS"), attribute("IFLA_PERM_ADDRESS")}
    names = attribute("IFLA_PROP_LIST")
    others = names.get_attrs("IFLA_ALT_IFNAME") if names is not None else ()
    return Uplink(attribute("IFLA_IFNAME"), tuple(others), tuple(sorted(str(address).lower() for address in addresses if address)))
