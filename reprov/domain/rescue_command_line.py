"""What the kernel command line asks of the rescue system.

    reprov.ip=dhcp[,DEVICE]                          also ip=dhcp, and the default
    reprov.ip=ADDRESS/PREFIX[,GATEWAY][,DNS...][,DEVICE]
    reprov.ip=none
    BOOTIF=01-52-54-00-12-34-56                      the device that pxelinux booted from, when no other is named
    reprov.install=ROLE/VERSION@SOURCE reprov.layout=NAME|/PATH|URL reprov.then=reboot|poweroff|shell
    reprov.new-node=yes|no                           whether the node may have no identity to keep

DEVICE is a name or a MAC address. Words without `reprov.` belong to the kernel or to others, and are left to them.
"""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address, ip_interface
from typing import NoReturn

from reprov.domain.release import ReleaseId
from reprov.domain.source import Source
from reprov.errors import InvalidInput

LAYOUTS = "etc/reprov/layouts"
"""Where an image has the layouts that were baked in."""

_WORDS = ("reprov.ip", "reprov.install", "reprov.layout", "reprov.then", "reprov.new-node")
_WORD = re.compile(r'(?:[^\s"]|"[^"]*"?)+')
_DEVICE = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,14}")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_URL = re.compile(r"https?://[^\s/]+/\S*")
_LAYOUT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_STATIC_HINT = "reprov.ip=ADDRESS/PREFIX[,GATEWAY][,DNS...][,DEVICE], reprov.ip=dhcp[,DEVICE], or reprov.ip=none"
_BOOTIF_ETHERNET = "01-"


def is_layout_name(name: str) -> bool:
    """True for a name that `reprov.layout=` can give."""
    return _LAYOUT.fullmatch(name) is not None


class Then(StrEnum):
    """What happens after an installation that went well; after any other there is a shell."""

    REBOOT = "reboot"
    POWEROFF = "poweroff"
    SHELL = "shell"


@dataclass(frozen=True, slots=True)
class Dhcp:
    """Ask for an address."""

    device: str = ""
    """Name or MAC address in lower case; "": every wired device that has a carrier."""


@dataclass(frozen=True, slots=True)
class Static:
    """An address that is given."""

    address: IPv4Interface | IPv6Interface
    gateway: IPv4Address | IPv6Address | None = None
    dns: tuple[IPv4Address | IPv6Address, ...] = ()
    device: str = ""
    """Name or MAC address in lower case; "": the one wired device that has a carrier."""

    @property
    def gateway_is_outside(self) -> bool:
        """True when the gateway does not lie in the address's own network, as where every node has a network of one address."""
        return self.gateway is not None and not self.gateway.is_link_local and self.gateway not in self.address.network


@dataclass(frozen=True, slots=True)
class Installation:
    """An installation that nobody is asked about."""

    release: ReleaseId
    source: str
    layout: str
    """An absolute path in the image, or a URL."""
    may_be_new: bool = False
    """Whether to go on where there is no identity to keep."""

    @property
    def layout_is_remote(self) -> bool:
        """True when the layout has to be fetched."""
        return "://" in self.layout


@dataclass(frozen=True, slots=True)
class RescueOrders:
    """Everything that the command line asks for."""

    network: Dhcp | Static | None = Dhcp()
    """None: none."""
    install: Installation | None = None
    then: Then = Then.SHELL

    @classmethod
    def parse(cls, text: str) -> "RescueOrders":
        """Read a kernel command line. Raises `InvalidInput` naming the word that cannot be meant."""
        values = dict(_assignments(text))
        _check_words(values)
        network = _network_of(values)
        try:
            then = Then(values.get("reprov.then", Then.SHELL))
        except ValueError:
            _refuse("reprov.then", values["reprov.then"], f"is none of {', '.join(Then)}")
        install = _installation(values)
        if install and not install.source.startswith("/") and network is None:
            raise InvalidInput(f"{install.source} is to be installed from, without network", hint=_STATIC_HINT)
        return cls(network, install, then)


def network_alone(text: str) -> Dhcp | Static | None:
    """What a command line asks of the network, whatever else of it is wrong; DHCP where that is wrong, too."""
    values = dict(_assignments(text))
    try:
        return _network_of(values)
    except InvalidInput:
        return Dhcp(_booted_from(values))


def _assignments(text: str) -> Iterator[tuple[str, str]]:
    """The words with their values, by the kernel's quoting (a quote may stand before the value or before the name); later ones win."""
    for word in _WORD.findall(text):
        if word == "--":
            return  # what follows is for init
        key, _, value = word.replace('"', "").partition("=")
        yield key, value


def _check_words(values: dict[str, str]) -> None:
    for key, value in values.items():
        if key.startswith("reprov.") and key not in _WORDS:
            near = difflib.get_close_matches(key, _WORDS, n=1)
            hint = f"did you mean {near[0]}=?" if near else f"there are {', '.join(_WORDS)}"
            raise InvalidInput(f"kernel command line: there is no {key!r}", hint=hint)
        if key in _WORDS and not value:
            raise InvalidInput(f"kernel command line: {key} has no value", hint=f"{key}=VALUE")


def _network_of(values: dict[str, str]) -> Dhcp | Static | None:
    return _network(values["reprov.ip"], _booted_from(values)) if "reprov.ip" in values else _usual(values)


def _usual(values: dict[str, str]) -> Dhcp | None:
    """What `ip=` says as far as it is about DHCP; its other forms are for other systems, and DHCP is asked all the same."""
    return None if values.get("ip") in ("none", "off") else Dhcp(_booted_from(values))


def _booted_from(values: dict[str, str]) -> str:
    mac = values.get("BOOTIF", "").lower()
    mac = mac.removeprefix(_BOOTIF_ETHERNET).replace("-", ":")
    return mac if _MAC.fullmatch(mac) else ""


def _network(value: str, booted_from: str) -> Dhcp | Static | None:
    if value in ("none", "off"):
        return None
    first, *rest = value.split(",")
    if first == "dhcp":
        if len(rest) > 1:
            _refuse("reprov.ip", value, "names more than one device", _STATIC_HINT)
        return Dhcp(_device(rest[0], value) if rest else booted_from)
    try:
        address = ip_interface(first) if "/" in first else None
    except ValueError:
        address = None
    if address is None:
        _refuse("reprov.ip", value, f"begins with neither dhcp nor ADDRESS/PREFIX ({first!r})", _STATIC_HINT)
    device = booted_from
    if rest and _address(rest[-1]) is None and rest[-1]:
        device = _device(rest.pop(), value)
    gateway, *dns = rest or [""]
    static = Static(address, _server(gateway, value) if gateway else None, tuple(_server(word, value) for word in dns), device)
    _check_gateway(static, value)
    return static


def _check_gateway(static: Static, value: str) -> None:
    gateway, network = static.gateway, static.address.network
    if gateway is None:
        return
    if gateway.version != static.address.version:
        _refuse("reprov.ip", value, f"the gateway {gateway} is not of the address's kind")
    if gateway == static.address.ip:
        _refuse("reprov.ip", value, "the gateway is the node itself")
    if static.gateway_is_outside and network.num_addresses > 1:
        _refuse("reprov.ip", value, f"the gateway {gateway} is not in {network}", "is the prefix length right?")


def _device(word: str, value: str) -> str:
    mac = word.lower().replace("-", ":")
    if _MAC.fullmatch(mac):
        return mac
    if not _DEVICE.fullmatch(word):
        _refuse("reprov.ip", value, f"{word!r} is neither an address nor a device", _STATIC_HINT)
    return word


def _server(word: str, value: str) -> IPv4Address | IPv6Address:
    found = _address(word)
    if found is None:
        _refuse("reprov.ip", value, f"{word!r} is no address" if word else "has an empty field", _STATIC_HINT)
    return found


def _address(word: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(word)
    except ValueError:
        return None


def _installation(values: dict[str, str]) -> Installation | None:
    if "reprov.install" not in values:
        for key in ("reprov.layout", "reprov.then", "reprov.new-node"):
            if key in values:
                raise InvalidInput(f"{key}= is for an installation, and there is none", hint="add reprov.install=ROLE/VERSION@SOURCE")
        return None
    wanted = values["reprov.install"]
    names, _, source = wanted.partition("@")
    role, _, version = names.partition("/")
    if not (role and version and source):
        _refuse("reprov.install", wanted, "is not ROLE/VERSION@SOURCE", "reprov.install=base/1.0@rsync://HOST:8730")
    if "reprov.layout" not in values:
        raise InvalidInput("reprov.install= wants a layout", hint="add reprov.layout=NAME (baked in), /PATH or URL")
    may_be_new = values.get("reprov.new-node", "no")
    if may_be_new not in ("yes", "no"):
        _refuse("reprov.new-node", may_be_new, "is neither yes nor no")
    return Installation(ReleaseId.of(role, version), Source.parse(source).text, _layout(values["reprov.layout"]), may_be_new == "yes")


def _layout(value: str) -> str:
    if _URL.fullmatch(value) or (value.startswith("/") and "://" not in value):
        return value
    if not is_layout_name(value):
        _refuse("reprov.layout", value, "is neither the name of a layout nor an absolute path nor an http or https URL")
    return f"/{LAYOUTS}/{value}"


def _refuse(key: str, value: str, problem: str, hint: str | None = None) -> NoReturn:
    raise InvalidInput(f"kernel command line: {key}={value}: {problem}", hint=hint)
