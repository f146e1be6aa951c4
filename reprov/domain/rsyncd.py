"""The rsync daemon of a store as text: its configuration and a systemd unit around `reprov serve`."""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import PurePath

from reprov.errors import InvalidInput

_UNSAFE_IN_PATHS = re.compile(r'[\x00-\x1f\x7f"%\\#;$]')

# munge symlinks: the trees' links must arrive as they are; nobody can upload one.
# socket options: without it, short answers wait for the acknowledgement of the one before, a tenth of a second in all.
# refuse options: what would make the daemon read devices, follow links out of a tree, or hash whole trees for a client.
_CONFIG = """\
# Written by reprov serve.
address = {{ served.address }}
port = {{ served.port }}
pid file = {{ run_folder }}/rsyncd.pid
lock file = {{ run_folder }}/rsyncd.lock
use chroot = {{ "yes" if as_root else "no" }}
{% if as_root %}
uid = 0
gid = 0
{% endif %}
numeric ids = yes
read only = yes
write only = no
list = no
munge symlinks = no
reverse lookup = no
forward lookup = no
socket options = TCP_NODELAY
max connections = {{ served.max_connections }}
timeout = {{ timeout_s }}
refuse options = checksum copy-devices write-devices copy-links copy-unsafe-links copy-dirlinks delete* remove-source-files
transfer logging = no
{% for name in ("trees", "releases") %}

[{{ name }}]
path = {{ served.store }}/{{ name }}
{% endfor %}
"""

# The daemon runs as root to read what only root may read, and can do nothing else: no writing, no devices, two of root's capabilities
# for reading and for its jail, two for giving up groups.
_UNIT = """\
[Unit]
Description=reprov: role trees for nodes, read-only
After=network-online.target
Wants=network-online.target
RequiresMountsFor="{{ served.store }}"

[Service]
ExecStart={{ program }} serve --store "{{ served.store }}" --address {{ served.address }} --port {{ served.port }}\
 --max-connections {{ served.max_connections }}
Restart=on-failure
SuccessExitStatus=143
CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_SYS_CHROOT CAP_SETUID CAP_SETGID
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
ProtectProc=invisible
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
PrivateDevices=yes
PrivateTmp=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service chroot

[Install]
WantedBy=multi-user.target
"""
_TIMEOUT_S = 600  # a node that hashes what it fetched says nothing meanwhile


@dataclass(frozen=True, slots=True)
class Served:
    """What is served where."""

    store: PurePath
    address: str
    port: int
    max_connections: int

    @classmethod
    def of(cls, store: PurePath, address: str, port: int, max_connections: int) -> "Served":
        """Check what goes into configuration files unquoted. Raises `InvalidInput`."""
        if _UNSAFE_IN_PATHS.search(str(store)) or str(store) != str(store).strip():
            raise InvalidInput(f"{str(store)!r} cannot be written into rsync's configuration", hint="give the store a plainer path")
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise InvalidInput(f"--address {address}: not an IP address", hint="0.0.0.0 serves on all of IPv4, :: on IPv6") from None
        if not 0 < port < 65536:
            raise InvalidInput(f"--port {port}: not a port")
        if max_connections < 1:
            raise InvalidInput(f"--max-connections {max_connections}: at least one")
        return cls(store, address, port, max_connections)

    @property
    def is_local(self) -> bool:
        """True when only this machine can connect."""
        return ipaddress.ip_address(self.address).is_loopback


def render_config(served: Served, run_folder: PurePath, *, as_root: bool) -> str:
    """The text of rsyncd.conf: two modules, read-only, none listed; jailed when root, who alone can."""
    return _render(_CONFIG, served=served, run_folder=run_folder, as_root=as_root, timeout_s=_TIMEOUT_S)


def render_unit(served: Served, program: str) -> str:
    """The text of a systemd unit that runs `program serve`."""
    return _render(_UNIT, served=served, program=program)


def _render(template: str, **values: object) -> str:
    # Imported here: jinja2 costs 50 ms that only printing and serving need.
    from jinja2 import Environment, StrictUndefined

    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False)
    return environment.from_string(template).render(values)
