"""A network that nobody else sees: a switch in a namespace of its own, with the machine that controls a fleet, and nodes plugged in.

    with switched("192.0.2.1/24") as switch:
        with booted(root) as node:
            switch.plug("n1", node.leader, "192.0.2.11/24")
            with switch.running("python3", "-m", "http.server"): ...

Nothing of it has a name outside: it is gone with the process of the test, however that ends.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

PROGRAMS: Final = ("ip", "nsenter", "setpriv", "unshare")
"""For the `needs` marker of tests."""
_BRIDGE: Final = "bridge"
_NODE_SIDE: Final = "uplink"


class Switch:
    """The switch, which is at the same time the machine that the fleet is controlled from."""

    def __init__(self, holder: int) -> None:
        self._namespace = f"/proc/{holder}/ns/net"
        self.machine: Final = ("setpriv", "--pdeathsig", "KILL", "nsenter", f"--net={self._namespace}", "--")
        """The words that have a command run there; it is executed in their process."""

    def plug(self, port: str, leader: int, address: str) -> None:
        """Give a node, of which this is PID 1, its network card, with a cable to the switch."""
        self._ip("link", "add", port, "type", "veth", "peer", "name", _NODE_SIDE, "netns", str(leader))
        self._ip("link", "set", port, "master", _BRIDGE, "up")
        inside = ("nsenter", "--net", "--target", str(leader), "--", "ip")
        subprocess.run([*inside, "address", "add", address, "dev", _NODE_SIDE], check=True)
        subprocess.run([*inside, "link", "set", _NODE_SIDE, "up"], check=True)
        # Whoever had the address before had another card, and would be asked for ten seconds whether he still has it.
        self._ip("neighbour", "flush", "to", address.partition("/")[0])

    def cut(self, port: str) -> None:
        """Have nothing pass on a cable any more."""
        self._ip("link", "set", port, "down")

    def mend(self, port: str) -> None:
        """Undo `cut`."""
        self._ip("link", "set", port, "up")

    @contextmanager
    def running(self, *argv: str) -> Iterator["subprocess.Popen[str]"]:
        """A program on the machine that controls, while the block lasts; what it says is on a pipe."""
        with subprocess.Popen(
            (*self.machine, *argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            try:
                yield process
            finally:
                process.terminate()

    def end_all(self) -> None:
        """End what runs on the machine that controls: connections that ssh keeps for a while, among others."""
        own = Path(self._namespace).stat()
        for process in Path("/proc").iterdir():
            with suppress(OSError):
                if process.name.isdigit() and os.path.samestat((process / "ns/net").stat(), own):
                    os.kill(int(process.name), signal.SIGKILL)

    def _ip(self, *words: str) -> None:
        subprocess.run([*self.machine, "ip", *words], check=True)


@contextmanager
def switched(address: str) -> Iterator[Switch]:
    """A switch; the machine that controls has this address on it."""
    script = f"""
        ip link set lo up
        ip link add {_BRIDGE} type bridge
        ip address add {address} dev {_BRIDGE}
        ip link set {_BRIDGE} up
        echo ready
        exec sleep infinity
    """
    with subprocess.Popen(
        ("setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sh", "-ec", script), stdout=subprocess.PIPE, text=True
    ) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "ready\n"
            switch = Switch(holder.pid)
            try:
                yield switch
            finally:
                switch.end_all()
        finally:
            holder.kill()
