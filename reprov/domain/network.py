"""Whether the configuration that a node has on disk names an interface.

What is asked is only whether anything would configure it at all: names and MAC addresses are compared, addresses are not.
"""

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import NamedTuple


class Via(StrEnum):
    """Who reads a configuration file."""

    IFUPDOWN = "ifupdown"
    NETPLAN = "netplan"
    NETWORKD = "systemd-networkd"
    NETWORK_MANAGER = "NetworkManager"
    SCRIPTS = "network-scripts"


class NetworkFile(NamedTuple):
    """A file of the node's network configuration."""

    via: Via
    path: str
    text: str


class Uplink(NamedTuple):
    """An interface that carries a default route."""

    name: str
    other_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    """MAC addresses in lower case with colons: the one in use and the permanent one."""

    def is_named(self, pattern: str) -> bool:
        """True when a glob matches one of its names."""
        return any(fnmatchcase(name, pattern) for name in (self.name, *self.other_names))

    def has_address(self, text: str) -> bool:
        """True for one of its MAC addresses, however it is written."""
        return text.lower().replace("-", ":") in self.addresses


def configured_by(uplink: Uplink, files: Iterable[NetworkFile]) -> frozenset[Via]:
    """Who configures the interface; empty when nobody does."""
    files = tuple(files)
    found = {file.via for file in files if file.via in _READS and _READS[file.via](uplink, file)}
    interfaces = {file.path: file.text for file in files if file.via is Via.IFUPDOWN}
    if any(uplink.is_named(name) for name in _stanzas(interfaces)):
        found.add(Via.IFUPDOWN)
    return frozenset(found)


_INTERFACES = "etc/network/interfaces"
_RUN_PARTS_NAME = re.compile(r"[A-Za-z0-9_-]+")


def _stanzas(files: dict[str, str]) -> Iterator[str]:
    """The interfaces that ifupdown has a stanza for, in the files that interfaces(5) leads to."""
    waiting, seen = [_INTERFACES], set[str]()
    while waiting:
        path = waiting.pop()
        if path in seen or path not in files:
            continue
        seen.add(path)
        for line in files[path].replace("\\\n", " ").splitlines():
            words = line.split()
            match words:
                case ["iface", name, *_]:
                    yield name
                case ["source", pattern, *_]:
                    waiting += [other for other in files if fnmatchcase(other, _from_etc_network(pattern))]
                case ["source-directory", directory, *_]:
                    top = _from_etc_network(directory).rstrip("/")
                    waiting += [f for f in files if f.rpartition("/")[0] == top and _RUN_PARTS_NAME.fullmatch(f.rpartition("/")[2])]


def _from_etc_network(path: str) -> str:
    return path.lstrip("/") if path.startswith("/") else f"etc/network/{path}"


_NETPLAN_VALUE = re.compile(r"""\b(set-name|name|macaddress|driver)\s*:\s*["']?([^"',}\s#]+)""")


def _in_netplan(uplink: Uplink, file: NetworkFile) -> bool:
    """By the text alone: a node need not have a YAML parser."""
    text = "\n".join(re.sub(r"(^|\s)#.*", "", line) for line in file.text.splitlines())
    for name in (uplink.name, *uplink.other_names):
        if re.search(rf"""(?:^|[{{,])\s*["']?{re.escape(name)}["']?\s*:""", text, re.MULTILINE):
            return True
    for key, value in _NETPLAN_VALUE.findall(text):
        if key == "driver" or (key == "macaddress" and uplink.has_address(value)) or (key != "macaddress" and uplink.is_named(value)):
            return True
    return False


def _in_networkd(uplink: Uplink, file: NetworkFile) -> bool:
    """systemd.network(5): every line of [Match] must fit; those that tell nothing of names and addresses are taken to."""
    if not file.path.endswith(".network"):
        return False
    matches = [(key, value) for section, key, value in _settings(file.text) if section == "Match"]
    if ("Link", "Unmanaged", "yes") in _settings(file.text):
        return False
    names = [word for key, value in matches if key in ("Name", "OriginalName") for word in value.split()]
    addresses = [word for key, value in matches if key in ("MACAddress", "PermanentMACAddress") for word in value.split()]
    refused = [name[1:] for name in names if name.startswith("!")]
    wanted = [name for name in names if not name.startswith("!")]
    return (
        bool(matches)
        and not any(uplink.is_named(name) for name in refused)
        and (not wanted or any(uplink.is_named(name) for name in wanted))
        and (not addresses or any(uplink.has_address(address) for address in addresses))
    )


_WIRED = {"ethernet", "802-3-ethernet", "infiniband"}


def _in_network_manager(uplink: Uplink, file: NetworkFile) -> bool:
    """nm-settings-keyfile(5): a connection without a name is for any interface of its type."""
    settings = {(section, key): value for section, key, value in _settings(file.text)}
    address = next((value for (section, key), value in settings.items() if section in _WIRED and key == "mac-address"), "")
    if address and not uplink.has_address(address):
        return False
    names = settings.get(("connection", "interface-name")) or settings.get(("match", "interface-name"), "")
    if names:
        return any(uplink.is_named(name) for name in re.split(r"[;,\s]+", names) if name)
    return settings.get(("connection", "type")) in _WIRED


def _in_scripts(uplink: Uplink, file: NetworkFile) -> bool:
    """ifcfg-NAME: DEVICE or HWADDR, which win over the name of the file."""
    values = {key: value.strip("\"'") for _, key, value in _settings(file.text)}
    if address := values.get("HWADDR", ""):
        return uplink.has_address(address)
    return uplink.is_named(values.get("DEVICE") or file.path.rpartition("/ifcfg-")[2])


_READS = {
    Via.NETPLAN: _in_netplan,
    Via.NETWORKD: _in_networkd,
    Via.NETWORK_MANAGER: _in_network_manager,
    Via.SCRIPTS: _in_scripts,
}


def _settings(text: str) -> list[tuple[str, str, str]]:
    """Section, key and value of every setting; the section of one that is in none is ""."""
    found, section = [], ""
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif "=" in line and line[0] not in "#;":
            key, _, value = line.partition("=")
            found.append((section, key.strip(), value.strip()))
    return found
