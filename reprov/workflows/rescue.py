"""A node that has booted a rescue image: its network, a way in over ssh, and the installation that its command line asks for."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from reprov.adapters import network_setup
from reprov.adapters.mounts import read_mounts
from reprov.adapters.rescue_install import fetch_layout, install
from reprov.adapters.rescue_ssh import AUTHORIZED_KEYS, start_sshd
from reprov.adapters.source import list_versions
from reprov.domain.rescue_command_line import Dhcp, Installation, RescueOrders, Static, Then, network_alone
from reprov.domain.source import Source
from reprov.domain.wired_links import link_to_set, links_to_ask
from reprov.errors import InvalidInput, Refused, ReprovError
from reprov.events import Monitor, Note, phase

Found = TypeVar("Found")

_COMMAND_LINE = Path("/proc/cmdline")
_PATIENCE_S = 60  # a switch port with spanning tree passes nothing for half a minute after it came up
_PAUSE_S = 5


def boot(command_line: str | None, monitor: Monitor) -> Then:
    """Do what the command line (None: the kernel's) asks for, and return what is to happen next.

    Whatever fails, the rest of what lets people in is tried; then the first error is raised, and nothing was installed.
    Raises `Refused` anywhere but in a rescue system.
    """
    if not any(mount.path == "" and mount.filesystem == "rootfs" for mount in read_mounts(Path("/"))):
        raise Refused("this is no rescue system: its root is on a disk", hint="`reprov rescue-image` makes one")
    problems: list[ReprovError] = []
    text = _COMMAND_LINE.read_text() if command_line is None else command_line
    orders = RescueOrders(network_alone(text))
    with _noting(problems):
        orders = RescueOrders.parse(text)
    with _noting(problems):
        _set_up_network(orders.network, monitor)
    with _noting(problems):
        _let_people_in(monitor)
    if problems:
        for further in problems[1:]:
            monitor.emit(Note(further.message))
        raise problems[0]
    if orders.install is None:
        return Then.SHELL
    _install(orders.install, monitor)
    return orders.then


@contextmanager
def _noting(problems: list[ReprovError]) -> Iterator[None]:
    try:
        yield
    except ReprovError as error:
        problems.append(error)
    except OSError as error:
        problems.append(ReprovError(f"{error.filename or 'system'}: {error.strerror}"))


def _set_up_network(wanted: Dhcp | Static | None, monitor: Monitor) -> None:
    if wanted is None:
        return
    with phase(monitor, "network", "setting up the network"):
        links = network_setup.wired_links(wanted.device)
        if isinstance(wanted, Static):
            network_setup.set_static(link_to_set(links, wanted.device), wanted)
        else:
            asked = links_to_ask(links, wanted.device)
            if not network_setup.ask_dhcp(asked):
                names = ", ".join(map(str, asked))
                raise ReprovError(f"nobody answers DHCP on {names}", hint="give an address: reprov.ip=ADDRESS/PREFIX,GATEWAY")


def _let_people_in(monitor: Monitor) -> None:
    if not AUTHORIZED_KEYS.exists():
        monitor.emit(Note("no ssh: the image has no key"))
        return
    fingerprint = start_sshd()
    there = ", ".join(network_setup.addresses()) or "no address yet"
    monitor.emit(Note(f"ssh as root, by key: {there}; the host key of this boot is {fingerprint}"))


def _install(wanted: Installation, monitor: Monitor) -> None:
    """Install, once the servers that it takes are reached. Raises `ReprovError`."""
    with phase(monitor, "source", f"reaching {wanted.source}"):
        versions = _patiently(lambda: list_versions(Source.parse(wanted.source), wanted.release.role), monitor)
        if wanted.release.version not in versions:
            raise InvalidInput(f"{wanted.source} has no {wanted.release}", hint=f"it has {', '.join(versions) or 'no version of it'}")
        layout = _patiently(lambda: fetch_layout(wanted.layout), monitor) if wanted.layout_is_remote else wanted.layout
    install(wanted, layout, lambda line: monitor.emit(Note(line)))


def _patiently(ask: Callable[[], Found], monitor: Monitor) -> Found:
    """The answer, asked for again and again while there is an error, for a minute."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return ask()
        except ReprovError as error:
            if time.monotonic() > deadline:
                raise
            monitor.emit(Note(f"{error.message}; trying again"))
        time.sleep(_PAUSE_S)
