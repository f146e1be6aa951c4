"""Giving a machine its network, in a rescue system where nobody else does."""

import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from reprov.adapters.run import CommandFailed, run
from reprov.domain.rescue_command_line import Static
from reprov.domain.wired_links import WiredLink, is_settled
from reprov.errors import ReprovError

_CLASS = Path("/sys/class/net")
_ETHERNET = 1  # ARPHRD_ETHER
_ONLINK = 4  # RTNH_F_ONLINK
_RESOLV_CONF = Path("/etc/resolv.conf")
_CARRIER_TIMEOUT_S = 15
_POLL_S = 0.2
_DHCP_LOG = Path("/run/udhcpc.log")
# -n: an end when nobody answers; without -q it stays and renews the lease. Five questions, three seconds apart: a switch port
# may need that long until it forwards. Its output goes to a file, because a child that stays would hold a pipe open.
_SCRIPT = "/etc/udhcpc/default.script"
_DHCP = ("sh", "-c", f'exec "$@" >>{_DHCP_LOG} 2>&1', "sh", "busybox", "udhcpc", "-n", "-t", "5", "-T", "3", "-s", _SCRIPT)


def wired_links(device: str) -> tuple[WiredLink, ...]:
    """The Ethernet devices of the hardware, switched on, after waiting for the carrier of `device` ("": of all, at most 15 s)."""
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    deadline = time.monotonic() + _CARRIER_TIMEOUT_S
    try:
        with IPRoute() as netlink:
            for link in _read(netlink):
                netlink.link("set", index=link.number, state="up")
            netlink.link("set", index=netlink.link_lookup(ifname="lo")[0], state="up")
            while True:
                links = _read(netlink)
                if is_settled(links, device) or time.monotonic() > deadline:
                    return links
                time.sleep(_POLL_S)
    except (OSError, NetlinkError) as error:
        raise ReprovError(f"the network devices cannot be switched on: {error}") from None


def set_static(link: WiredLink, wanted: Static) -> None:
    """Give a device its address, the default route and the name servers; what it has is replaced. Raises `ReprovError`."""
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    address, family = wanted.address, _family(wanted)
    try:
        with IPRoute() as netlink:
            netlink.flush_addr(index=link.number, family=family)
            netlink.addr("add", index=link.number, address=str(address.ip), prefixlen=address.network.prefixlen, family=family)
            if wanted.gateway is not None:
                flags = _ONLINK if wanted.gateway_is_outside else 0
                netlink.route("replace", dst="default", gateway=str(wanted.gateway), oif=link.number, family=family, flags=flags)
    except (OSError, NetlinkError) as error:
        raise ReprovError(f"{link.name} cannot be given {address}: {error}") from None
    if wanted.dns:
        _RESOLV_CONF.write_text("".join(f"nameserver {server}\n" for server in wanted.dns))


def ask_dhcp(links: Sequence[WiredLink]) -> tuple[WiredLink, ...]:
    """Ask for addresses on all of these devices at once; gives those that have one now. The clients stay and renew them."""
    with ThreadPoolExecutor(len(links)) as pool:
        answered = pool.map(_ask_dhcp, links)
        return tuple(link for link, has_address in zip(links, answered, strict=True) if has_address)


def _ask_dhcp(link: WiredLink) -> bool:
    try:
        run((*_DHCP, "-i", link.name, "-p", f"/run/udhcpc.{link.name}.pid"))
    except CommandFailed:
        return False
    return True


def addresses() -> tuple[str, ...]:
    """The addresses by which others reach this machine, with prefix length and device."""
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        with IPRoute() as netlink:
            found = [(item["index"], item.get_attr("IFA_ADDRESS"), item["prefixlen"]) for item in netlink.get_addr(scope=0)]
            return tuple(f"{address}/{length} on {_name(netlink, index)}" for index, address, length in found)
    except (OSError, NetlinkError) as error:
        raise ReprovError(f"the kernel does not tell its addresses: {error}") from None


def _family(wanted: Static) -> int:
    return socket.AF_INET if wanted.address.version == 4 else socket.AF_INET6


def _name(netlink: object, index: int) -> str:
    (link,) = netlink.get_links(index)  # type: ignore[attr-defined]
    return str(link.get_attr("IFLA_IFNAME"))


def _read(netlink: object) -> tuple[WiredLink, ...]:
    found = []
    for link in netlink.get_links():  # type: ignore[attr-defined]
        name = str(link.get_attr("IFLA_IFNAME"))
        if link["ifi_type"] == _ETHERNET and (_CLASS / name / "device").exists():
            address = str(link.get_attr("IFLA_ADDRESS")).lower()
            found.append(WiredLink(link["index"], name, address, bool(link.get_attr("IFLA_CARRIER"))))
    return tuple(sorted(found))
