"""Links as netlink describes them, of kinds that a test machine's kernel may not have."""

from typing import Any

import pytest

from reprov.adapters.links import _link, _routes
from reprov.domain.links import Link, Network, Route


class Message(dict[str, Any]):
    """A netlink message: fields, and attributes by name."""

    def __init__(self, fields: dict[str, Any], **attributes: Any) -> None:
        super().__init__(fields)
        self._attributes = attributes

    def get_attr(self, name: str) -> Any:
        """As pyroute2's."""
        return self._attributes.get(name)


def link_message(index: int, *, kind: str = "", data: Message | None = None, flags: int = 1, type: int = 1, **attributes: Any) -> Message:
    """A message about a link."""
    info = Message({}, IFLA_INFO_KIND=kind, IFLA_INFO_DATA=data) if kind else None
    return Message({"index": index, "ifi_type": type, "flags": flags}, IFLA_LINKINFO=info, IFLA_MTU=1500, IFLA_OPERSTATE="UP", **attributes)


NAMES = {1: "lo", 2: "eth0", 3: "bond0", 4: "bond0.7", 5: "veth0"}
LINKS = {
    "a bond": (
        link_message(3, kind="bond", data=Message({}, IFLA_BOND_MODE=4), IFLA_ADDRESS="52:54:00:AB:00:01"),
        Link("bond0", "bond", "52:54:00:ab:00:01", 1500, True, "up", bond_mode="802.3ad"),
    ),
    "a member of a bond": (link_message(2, IFLA_MASTER=3), Link("eth0", "physical", "", 1500, True, "up", master="bond0")),
    "a VLAN": (
        link_message(4, kind="vlan", data=Message({}, IFLA_VLAN_ID=7), IFLA_LINK=3),
        Link("bond0.7", "vlan", "", 1500, True, "up", parent="bond0", vlan_id=7),
    ),
    "a veth whose other end has the number of another link": (
        link_message(5, kind="veth", IFLA_LINK=2, flags=0),
        Link("veth0", "veth", "", 1500, False, "up"),
    ),
    "the loopback": (link_message(1, type=772), Link("lo", "loopback", "", 1500, True, "up")),
    "a bond of a mode to come": (
        link_message(3, kind="bond", data=Message({}, IFLA_BOND_MODE=99)),
        Link("bond0", "bond", "", 1500, True, "up"),
    ),
}


@pytest.mark.parametrize(("message", "expected"), LINKS.values(), ids=LINKS)
def test_links(message: Message, expected: Link) -> None:
    assert _link(message, NAMES) == expected


def test_a_route_to_the_other_family_s_gateway() -> None:
    message = Message({"family": 2, "dst_len": 0, "table": 254}, RTA_OIF=2, RTA_VIA={"family": 10, "addr": "fe80::1"})
    assert _routes(message, NAMES) == [Route("default", "inet", "eth0", "fe80::1")]


def test_the_members_of_a_bond() -> None:
    links = tuple(Link(name, "physical", "", 1500, True, "up", master=master) for name, master in (("a", "b0"), ("b", ""), ("c", "b0")))
    assert Network(links).members_of("b0") == ("a", "c")
