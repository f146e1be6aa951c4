"""Who answers: every question over a new connection, as one that is open proves nothing of a network that has changed."""

import os
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from reprov.domain.health import Listener, Route

_PROC: Final = Path("/proc")
_SSH_PORT: Final = 22
_LISTENS: Final = "0A"  # TCP_LISTEN, include/net/tcp_states.h
ANSWER_S: Final = 3.0
"""Within it a server that has little else to do has taken a connection, and has greeted."""
_GREETING_BYTES: Final = 256
_ECHO: Final = {socket.AF_INET: (socket.IPPROTO_ICMP, 8, 0), socket.AF_INET6: (socket.IPPROTO_ICMPV6, 128, 129)}
"""Protocol, and the types of an echo's request and reply."""
_PINGS: Final = 2
_PING_TIMEOUT_S: Final = 1.0


def greets(server: Listener, greeting: bytes, timeout_s: float = ANSWER_S) -> bool:
    """True when a server takes a connection, and its first words begin like that; for each of the two it has that long."""
    try:
        with socket.create_connection((server.host, server.port), timeout_s) as connection:
            return connection.recv(_GREETING_BYTES).startswith(greeting)
    except OSError:
        return False


def ssh_listeners() -> tuple[Listener, ...]:
    """Where an sshd of the running system listens, by itself or at its port through systemd; any address is the node's own one."""
    of_sshd, of_systemd = {*_sockets_of("sshd")}, {*_sockets_in("1")}
    found = set()
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        with suppress(OSError):
            for line in (_PROC / "net" / table).read_text().splitlines()[1:]:
                words = line.split()
                local, state, inode = words[1], words[3], words[9]
                address, port = local.split(":")
                # Of systemd's sockets only this one: to connect to any other would start what waits behind it.
                if state == _LISTENS and (inode in of_sshd or (inode in of_systemd and int(port, 16) == _SSH_PORT)):
                    found.add(Listener(_own(_address(address, family), family), int(port, 16)))
    return tuple(sorted(found))


def gateway_answers(route: Route) -> bool:
    """True when the gateway of a route answers an echo request that goes out by its interface."""
    family = socket.AF_INET6 if ":" in route.gateway else socket.AF_INET
    protocol, request, reply = _ECHO[family]
    try:
        with socket.socket(family, socket.SOCK_RAW, protocol) as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, os.fsencode(route.interface))
            index = socket.if_nametoindex(route.interface)
            there = (route.gateway, 0, 0, index) if family == socket.AF_INET6 else (route.gateway, 0)
            for number in range(_PINGS):
                # The kernel makes the checksum of ICMPv6 itself (raw(7), RFC 3542).
                message = _echo(request, os.getpid() & 0xFFFF, number)
                raw.sendto(message, there)
                if _is_answered(raw, family, route.gateway, reply, message[4:8]):
                    return True
    except OSError:
        return False
    return False


def _echo(kind: int, identifier: int, number: int) -> bytes:
    words = struct.pack("!BBHHH", kind, 0, 0, identifier, number)
    total = sum(struct.unpack("!4H", words))
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!BBHHH", kind, 0, ~total & 0xFFFF, identifier, number)


def _is_answered(raw: socket.socket, family: int, gateway: str, reply: int, mark: bytes) -> bool:
    deadline = time.monotonic() + _PING_TIMEOUT_S
    while (left_s := deadline - time.monotonic()) > 0:
        if not select.select([raw], [], [], left_s)[0]:
            return False
        packet, sender = raw.recvfrom(1500)
        start = (packet[0] & 0x0F) * 4 if family == socket.AF_INET else 0  # a raw IPv4 socket gives the header, too
        said = packet[start : start + 8]
        if sender[0].split("%")[0] == gateway and said[:1] == bytes((reply,)) and said[4:8] == mark:
            return True
    return False


def _sockets_of(name: str) -> Iterator[str]:
    """The inodes of every socket that processes of this name have open."""
    for process in _PROC.iterdir():
        with suppress(OSError):  # it ended while we looked, or it is no process
            if process.name.isdigit() and (process / "comm").read_text(errors="replace").strip() == name:
                yield from _sockets_in(process.name)


def _sockets_in(process: str) -> Iterator[str]:
    with suppress(OSError):
        for link in (_PROC / process / "fd").iterdir():
            target = str(link.readlink())
            if target.startswith("socket:["):
                yield target[8:-1]


def _address(text: str, family: int) -> str:
    """/proc/net/tcp has addresses as words of the machine's byte order."""
    raw = bytes.fromhex(text)
    return socket.inet_ntop(family, b"".join(struct.pack("=I", *struct.unpack(">I", raw[n : n + 4])) for n in range(0, len(raw), 4)))


def _own(address: str, family: int) -> str:
    if address in ("0.0.0.0", "::"):
        return "127.0.0.1" if family == socket.AF_INET else "::1"
    return address
