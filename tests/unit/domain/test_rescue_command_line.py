"""What the kernel command line asks of the rescue system, and every way to write it wrong."""

from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprov.domain.release import ReleaseId
from reprov.domain.rescue_command_line import Dhcp, Installation, RescueOrders, Static, Then, network_alone
from reprov.errors import InvalidInput

ADDRESS = IPv4Interface("10.0.0.5/24")
GATEWAY = IPv4Address("10.0.0.1")
MAC = "52:54:00:12:34:56"


@pytest.mark.parametrize(
    ("text", "network"),
    [
        pytest.param("", Dhcp(), id="nothing is said: DHCP everywhere"),
        pytest.param("console=ttyS0 quiet", Dhcp(), id="the kernel's own words are left alone"),
        pytest.param("ip=dhcp", Dhcp(), id="ip=dhcp, as PXE configurations have it"),
        pytest.param("ip=none", None, id="ip=none"),
        pytest.param("ip=10.0.0.9::10.0.0.1:255.255.255.0::eth0:off", Dhcp(), id="the kernel's form of ip= is for the kernel"),
        pytest.param("reprov.ip=off ip=dhcp", None, id="reprov's own word wins"),
        pytest.param("reprov.ip=dhcp,eno1", Dhcp("eno1"), id="DHCP on a device"),
        pytest.param("reprov.ip=dhcp,52-54-00-12-34-56", Dhcp(MAC), id="DHCP on a MAC address, with dashes"),
        pytest.param("BOOTIF=01-52-54-00-12-34-56", Dhcp(MAC), id="DHCP where PXE booted from"),
        pytest.param("BOOTIF=rubbish", Dhcp(), id="a BOOTIF that is none"),
        pytest.param("BOOTIF=01-52-54-00-12-34-56 reprov.ip=dhcp,eno1", Dhcp("eno1"), id="a named device wins over BOOTIF"),
        pytest.param("reprov.ip=10.0.0.5/24", Static(ADDRESS), id="an address alone"),
        pytest.param("reprov.ip=10.0.0.5/24,10.0.0.1", Static(ADDRESS, GATEWAY), id="with a gateway"),
        pytest.param("reprov.ip=10.0.0.5/24,10.0.0.1,eth1", Static(ADDRESS, GATEWAY, (), "eth1"), id="with a device"),
        pytest.param("reprov.ip=10.0.0.5/24,eth1", Static(ADDRESS, None, (), "eth1"), id="without gateway, with a device"),
        pytest.param("reprov.ip=10.0.0.5/24,,52:54:00:12:34:56", Static(ADDRESS, None, (), MAC), id="an empty gateway"),
        pytest.param(
            "reprov.ip=10.0.0.5/24,10.0.0.1,9.9.9.9,2620:fe::fe,52:54:00:12:34:56",
            Static(ADDRESS, GATEWAY, (IPv4Address("9.9.9.9"), IPv6Address("2620:fe::fe")), MAC),
            id="with two name servers and a MAC address",
        ),
        pytest.param("reprov.ip=10.0.0.5/24 BOOTIF=01-52-54-00-12-34-56", Static(ADDRESS, None, (), MAC), id="BOOTIF names its device"),
        pytest.param(
            "reprov.ip=2001:db8::5/64,fe80::1",
            Static(IPv6Interface("2001:db8::5/64"), IPv6Address("fe80::1")),
            id="IPv6, link-local gateway",
        ),
        pytest.param("reprov.ip=10.0.0.5/32,10.0.0.1", Static(IPv4Interface("10.0.0.5/32"), GATEWAY), id="a network of one address"),
        pytest.param("reprov.ip=none reprov.ip=dhcp", Dhcp(), id="the last one counts"),
        pytest.param('"reprov.ip=dhcp,eno1" foo="a b reprov.x=1"', Dhcp("eno1"), id="quotes, as the kernel reads them"),
        pytest.param("reprov.ip=none -- reprov.ip=dhcp", None, id="after -- come the words of init"),
    ],
)
def test_network(text: str, network: Dhcp | Static | None) -> None:
    assert RescueOrders.parse(text) == RescueOrders(network)


@pytest.mark.parametrize(
    ("text", "network"),
    [
        pytest.param("reprov.instal=x reprov.ip=10.0.0.5/24", Static(ADDRESS), id="something else is wrong"),
        pytest.param("reprov.ip=10.0.0.5 BOOTIF=01-52-54-00-12-34-56", Dhcp(MAC), id="the network itself is: DHCP"),
        pytest.param("reprov.ip=none reprov.then=halt", None, id="none was asked for"),
    ],
)
def test_the_network_of_a_wrong_command_line(text: str, network: Dhcp | Static | None) -> None:
    assert network_alone(text) == network


INSTALL = "reprov.install=ceph-osd/1.2@"


@pytest.mark.parametrize(
    ("text", "install", "then"),
    [
        pytest.param(
            f"{INSTALL}rsync://10.0.0.1:8730 reprov.layout=osd.yaml reprov.then=reboot",
            ("rsync://10.0.0.1:8730", "/etc/reprov/layouts/osd.yaml"),
            Then.REBOOT,
            id="a layout of the image, then a reboot",
        ),
        pytest.param(
            f"{INSTALL}ssh://root@[2001:db8::1]:22/srv/reprov reprov.layout=/tmp/x",
            ("ssh://root@[2001:db8::1]:22/srv/reprov", "/tmp/x"),
            Then.SHELL,
            id="over ssh, whose source has an @ of its own; no word on what is next: a shell",
        ),
        pytest.param(
            f"{INSTALL}/mnt/store reprov.layout=https://boot/l.json?node=7 reprov.ip=none",
            ("/mnt/store", "https://boot/l.json?node=7"),
            Then.SHELL,
            id="from a directory, without network",
        ),
    ],
)
def test_installation(text: str, install: tuple[str, str], then: Then) -> None:
    found = RescueOrders.parse(text)
    assert (found.install, found.then) == (Installation(ReleaseId("ceph-osd", "1.2"), *install), then)


@pytest.mark.parametrize(("word", "may_be_new"), [("", False), (" reprov.new-node=no", False), (" reprov.new-node=yes", True)])
def test_whether_the_node_may_be_new(word: str, may_be_new: bool) -> None:
    install = RescueOrders.parse(f"{INSTALL}/s reprov.layout=x{word}").install
    assert install and install.may_be_new is may_be_new


def test_whether_the_layout_is_fetched() -> None:
    release = ReleaseId("base", "1")
    assert [Installation(release, "/s", layout).layout_is_remote for layout in ("/etc/x", "http://h/x")] == [False, True]


WHOLE = f"{INSTALL}rsync://h:1 reprov.layout=x"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("reprov.instal=x", "there is no 'reprov.instal'", id="a word that is none"),
        pytest.param("reprov.ip", "reprov.ip has no value", id="no value"),
        pytest.param("reprov.ip=", "reprov.ip has no value", id="an empty value"),
        pytest.param("reprov.ip=10.0.0.5", "reprov.ip=10.0.0.5: begins with neither dhcp nor ADDRESS/PREFIX ('10.0.0.5')", id="no prefix"),
        pytest.param(
            "reprov.ip=10.0.0.5/33",
            "reprov.ip=10.0.0.5/33: begins with neither dhcp nor ADDRESS/PREFIX ('10.0.0.5/33')",
            id="a prefix too long",
        ),
        pytest.param("reprov.ip=10.0.0.5/24,,", "reprov.ip=10.0.0.5/24,,: has an empty field", id="an empty name server"),
        pytest.param("reprov.ip=10.0.0.5/24,a,b", "reprov.ip=10.0.0.5/24,a,b: 'a' is no address", id="two devices"),
        pytest.param("reprov.ip=10.0.0.5/24,/x", "reprov.ip=10.0.0.5/24,/x: '/x' is neither an address nor a device", id="no device"),
        pytest.param(
            "reprov.ip=10.0.0.5/24,9.9.9", "reprov.ip=10.0.0.5/24,9.9.9: '9.9.9' is neither an address nor a device", id="half an address"
        ),
        pytest.param("reprov.ip=dhcp,a,b", "reprov.ip=dhcp,a,b: names more than one device", id="DHCP on two devices"),
        pytest.param(
            "reprov.ip=10.0.0.5/24,fe80::1", "reprov.ip=10.0.0.5/24,fe80::1: the gateway fe80::1 is not of the address's kind", id="mixed"
        ),
        pytest.param(
            "reprov.ip=10.0.0.5/24,10.0.0.5", "reprov.ip=10.0.0.5/24,10.0.0.5: the gateway is the node itself", id="its own gateway"
        ),
        pytest.param(
            "reprov.ip=10.0.0.5/24,10.0.1.1", "reprov.ip=10.0.0.5/24,10.0.1.1: the gateway 10.0.1.1 is not in 10.0.0.0/24", id="far gateway"
        ),
        pytest.param("reprov.install=base@/s", "reprov.install=base@/s: is not ROLE/VERSION@SOURCE", id="no version"),
        pytest.param("reprov.install=base/1", "reprov.install=base/1: is not ROLE/VERSION@SOURCE", id="no source"),
    ],
)
def test_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        RescueOrders.parse(text)
    assert caught.value.message == f"kernel command line: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(f"{INSTALL}rsync://h:1", "reprov.install= wants a layout", id="no layout"),
        pytest.param("reprov.layout=x", "reprov.layout= is for an installation, and there is none", id="a layout for nothing"),
        pytest.param("reprov.then=reboot", "reprov.then= is for an installation, and there is none", id="then for nothing"),
        pytest.param(f"{WHOLE} reprov.ip=none", "rsync://h:1 is to be installed from, without network", id="no network"),
        pytest.param(
            f"{WHOLE} reprov.then=halt", "kernel command line: reprov.then=halt: is none of reboot, poweroff, shell", id="then what"
        ),
        pytest.param(
            f"{WHOLE} reprov.new-node=1", "kernel command line: reprov.new-node=1: is neither yes nor no", id="neither yes nor no"
        ),
        pytest.param(f"{INSTALL}host reprov.layout=x", "'host' is not a source", id="no source"),
        pytest.param("reprov.install=Base/1@/s reprov.layout=x", "'Base' is not a role name", id="no role"),
        pytest.param(
            f"{INSTALL}/s reprov.layout=../x",
            "kernel command line: reprov.layout=../x: is neither the name of a layout nor an absolute path nor an http or https URL",
            id="a layout that climbs",
        ),
        pytest.param(
            f"{INSTALL}/s reprov.layout=ftp://h/x",
            "kernel command line: reprov.layout=ftp://h/x: is neither the name of a layout nor an absolute path nor an http or https URL",
            id="another kind of URL",
        ),
    ],
)
def test_what_does_not_go_together(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        RescueOrders.parse(text)
    assert caught.value.message == message


def test_the_nearest_word_is_named() -> None:
    with pytest.raises(InvalidInput) as caught:
        RescueOrders.parse("reprov.instal=x")
    assert caught.value.hint == "did you mean reprov.install=?"


_NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,14}", fullmatch=True).filter(lambda name: not name.startswith("dhcp"))


@st.composite
def _static(draw: st.DrawFn) -> Static:
    """An address with whatever may come with it; its gateway is in its network."""
    bits = draw(st.sampled_from([32, 128]))
    interface = ip_interface(f"{draw(st.ip_addresses(v=4 if bits == 32 else 6))}/{draw(st.integers(bits - 24, bits - 2))}")
    gateway = draw(st.none() | st.sampled_from([interface.network[0], interface.network[1]]).filter(lambda found: found != interface.ip))
    dns = tuple(draw(st.lists(st.ip_addresses(), max_size=3)))
    return Static(interface, gateway, dns, draw(st.just("") | _NAMES | st.just(MAC)))


@given(_static(), st.sampled_from(["", "quiet ", "BOOTIF=01-00-00-00-00-00-01 ", "ip=none "]))
def test_whatever_is_written_is_read_back(static: Static, before: str) -> None:
    words = [str(static.address), str(static.gateway or ""), *map(str, static.dns), *([static.device] if static.device else [])]
    found = RescueOrders.parse(f"{before}reprov.ip={','.join(words)}").network
    device = static.device or ("00:00:00:00:00:01" if "BOOTIF" in before else "")
    assert found == Static(static.address, static.gateway, static.dns, device)


@given(
    st.text(max_size=60), st.lists(st.sampled_from(["reprov.ip=", "reprov.install=", "reprov.layout=", "10.0.0.5/24", ",", "@", '"', " "]))
)
def test_anything_is_either_read_or_refused(noise: str, pieces: list[str]) -> None:
    try:
        orders = RescueOrders.parse("".join(pieces) + noise)
    except InvalidInput as error:
        assert error.message
    else:
        assert orders.install is None or orders.install.layout
