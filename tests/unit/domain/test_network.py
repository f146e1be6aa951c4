"""Who would configure an interface, by the files on disk."""

import pytest

from reprov.domain.network import NetworkFile, Uplink, Via, configured_by

ETH0 = Uplink("eth0", ("enp1s0",), ("02:00:00:00:00:01",))


def files(via: Via, **content: str) -> list[NetworkFile]:
    folder = "etc/network" if via is Via.IFUPDOWN else "etc/somewhere"
    return [NetworkFile(via, f"{folder}/{name.replace('__', '/').replace('_', '-')}", text) for name, text in content.items()]


@pytest.mark.parametrize(
    ("content", "configured"),
    [
        pytest.param({"interfaces": "auto eth0\niface eth0 inet dhcp\n"}, True, id="a stanza"),
        pytest.param({"interfaces": "iface enp1s0 inet6 auto\n"}, True, id="a stanza for its other name"),
        pytest.param({"interfaces": "iface eth* inet dhcp\n"}, True, id="a stanza for a pattern"),
        pytest.param({"interfaces": "iface \\\n eth0 inet dhcp\n"}, True, id="a line that goes on"),
        pytest.param({"interfaces": "#iface eth0 inet dhcp\n# iface eth0\nauto eth0\n"}, False, id="only a comment"),
        pytest.param({"interfaces": "iface eth1 inet dhcp\n"}, False, id="another interface"),
        pytest.param(
            {"interfaces": "source /etc/network/interfaces.d/*\n", "interfaces.d__up": "iface eth0 inet dhcp\n"},
            True,
            id="in a sourced file",
        ),
        pytest.param({"interfaces": "source interfaces.d/*\n", "interfaces.d__up": "iface eth0 inet dhcp\n"}, True, id="a relative source"),
        pytest.param(
            {"interfaces": "source-directory /etc/network/interfaces.d\n", "interfaces.d__up": "iface eth0 inet dhcp\n"},
            True,
            id="in a sourced directory",
        ),
        pytest.param(
            {"interfaces": "source-directory /etc/network/interfaces.d\n", "interfaces.d__up.new": "iface eth0 inet dhcp\n"},
            False,
            id="in a file that a sourced directory leaves out",
        ),
        pytest.param({"interfaces": "", "interfaces.d__up": "iface eth0 inet dhcp\n"}, False, id="in a file that nothing leads to"),
        pytest.param({"interfaces": "source /etc/network/*\n"}, False, id="a file that leads to itself"),
    ],
)
def test_ifupdown(content: dict[str, str], configured: bool) -> None:
    assert bool(configured_by(ETH0, files(Via.IFUPDOWN, **content))) is configured


@pytest.mark.parametrize(
    ("via", "name", "text", "configured"),
    [
        pytest.param(Via.NETPLAN, "a.yaml", "network:\n  ethernets:\n    eth0:\n      dhcp4: true\n", True, id="netplan: by name"),
        pytest.param(
            Via.NETPLAN, "a.yaml", 'network:\n  ethernets:\n    "eth0":\n      dhcp4: true\n', True, id="netplan: by a quoted name"
        ),
        pytest.param(Via.NETPLAN, "a.yaml", "{network: {ethernets: {eth0: {dhcp4: true}}}}", True, id="netplan: in one line"),
        pytest.param(Via.NETPLAN, "a.yaml", "    up:\n      match:\n        name: en*\n", True, id="netplan: by a pattern"),
        pytest.param(Via.NETPLAN, "a.yaml", "    up:\n      match: {name: 'eth?'}\n", True, id="netplan: by a quoted pattern"),
        pytest.param(
            Via.NETPLAN, "a.yaml", "    up:\n      match:\n        macaddress: '02:00:00:00:00:01'\n", True, id="netplan: by address"
        ),
        pytest.param(Via.NETPLAN, "a.yaml", "    up:\n      set-name: eth0\n", True, id="netplan: by the name that it gives"),
        pytest.param(Via.NETPLAN, "a.yaml", "    up:\n      match:\n        driver: virtio_net\n", True, id="netplan: by a driver"),
        pytest.param(Via.NETPLAN, "a.yaml", "    eth01:\n    up:\n      match: {name: eth1}\n", False, id="netplan: others only"),
        pytest.param(Via.NETPLAN, "a.yaml", "    # eth0:\n    eth1: # eth0: no\n", False, id="netplan: in a comment"),
        pytest.param(Via.NETWORKD, "a.network", "[Match]\nName=eth0\n[Network]\nDHCP=yes\n", True, id="networkd: by name"),
        pytest.param(Via.NETWORKD, "a.network", "[Match]\nName=lo en*\n", True, id="networkd: by one of two patterns"),
        pytest.param(Via.NETWORKD, "a.network", "[Match]\nName=!lo\n", True, id="networkd: not by another"),
        pytest.param(Via.NETWORKD, "a.network", "[Match]\nName=!eth*\n", False, id="networkd: refused by a pattern"),
        pytest.param(Via.NETWORKD, "a.network", "[Match]\nMACAddress=02-00-00-00-00-01\n", True, id="networkd: by address"),
        pytest.param(Via.NETWORKD, "a.network", "[Match]\nPermanentMACAddress=02:00:00:00:00:0A\n", False, id="networkd: another address"),
        pytest.param(
            Via.NETWORKD, "a.network", "[Match]\nName=eth0\nMACAddress=02:00:00:00:00:02\n", False, id="networkd: name and address"
        ),
        pytest.param(Via.NETWORKD, "a.network", "[Match]\nType=ether\n", True, id="networkd: by its type"),
        pytest.param(Via.NETWORKD, "a.network", "[Match]\nName=eth0\n[Link]\nUnmanaged=yes\n", False, id="networkd: left alone"),
        pytest.param(Via.NETWORKD, "a.network", "[Network]\nDHCP=yes\n", False, id="networkd: no match"),
        pytest.param(Via.NETWORKD, "a.link", "[Match]\nName=eth0\n", False, id="networkd: a .link file"),
        pytest.param(Via.NETWORK_MANAGER, "up", "[connection]\ntype=ethernet\ninterface-name=eth0\n", True, id="NetworkManager: by name"),
        pytest.param(Via.NETWORK_MANAGER, "up", "[connection]\ntype=ethernet\ninterface-name=eth1\n", False, id="NetworkManager: another"),
        pytest.param(Via.NETWORK_MANAGER, "up", "[connection]\ntype=ethernet\n", True, id="NetworkManager: any ethernet"),
        pytest.param(Via.NETWORK_MANAGER, "up", "[connection]\ntype=wifi\n", False, id="NetworkManager: any wireless"),
        pytest.param(
            Via.NETWORK_MANAGER,
            "up",
            "[connection]\ntype=ethernet\n[ethernet]\nmac-address=02:00:00:00:00:02\n",
            False,
            id="NetworkManager: another address",
        ),
        pytest.param(
            Via.NETWORK_MANAGER,
            "up",
            "[connection]\ntype=ethernet\n[match]\ninterface-name=en*;\n",
            True,
            id="NetworkManager: by a pattern",
        ),
        pytest.param(Via.SCRIPTS, "ifcfg_eth0", "BOOTPROTO=dhcp\n", True, id="ifcfg: by the name of the file"),
        pytest.param(Via.SCRIPTS, "ifcfg_up", 'DEVICE="eth0"\n', True, id="ifcfg: by device"),
        pytest.param(Via.SCRIPTS, "ifcfg_eth0", "DEVICE=eth1\n", False, id="ifcfg: the device wins over the name of the file"),
        pytest.param(Via.SCRIPTS, "ifcfg_up", "HWADDR=02:00:00:00:00:01\n", True, id="ifcfg: by address"),
        pytest.param(Via.SCRIPTS, "ifcfg_eth0", "HWADDR=02:00:00:00:00:02\n", False, id="ifcfg: another address"),
    ],
)
def test_who_else_reads_what(via: Via, name: str, text: str, configured: bool) -> None:
    assert configured_by(ETH0, files(via, **{name: text})) == (frozenset({via}) if configured else frozenset())


def test_without_any_configuration_nobody_does() -> None:
    assert configured_by(ETH0, []) == frozenset()


def test_everybody_who_does_is_named() -> None:
    both = files(Via.IFUPDOWN, interfaces="iface eth0 inet dhcp") + files(Via.NETWORKD, **{"a.network": "[Match]\nName=eth0"})
    assert configured_by(ETH0, both) == {Via.IFUPDOWN, Via.NETWORKD}
