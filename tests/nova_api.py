"""The API of a small cloud, answered by this process: Keystone's catalogue, Nova with its live migrations, and Placement.

Time is counted in looks: whenever somebody asks for the instances of a host, migrations move on by one. So nothing depends on a clock.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from tests.openstack_api import Answer, OpenStackApi

GOES, GOES_ASTRAY = "goes", "goes astray"
"""A live migration that ends on another host, and one after which Nova still lists the instance where it was."""
HANGS, BREAKS, COMES_BACK = "hangs", "breaks", "comes back"
"""MIGRATING for ever; ERROR; ACTIVE again, with a migration in error."""
NO_HOST = "no valid host"
"""Refused by the scheduler while the request is answered."""
NO_VALID_HOST: Final = "No valid host was found. There are not enough hosts available."
MONITOR_FAILED: Final = "Live Migration failure: operation failed: migration out job: Unable to write to socket: Broken pipe"


@dataclass
class Server:
    """An instance. Its fates are those of its live migrations, one after the other; the last one is that of all that follow."""

    name: str
    host: str
    status: str = "ACTIVE"
    task: str | None = None
    fates: list[str] = field(default_factory=lambda: [GOES])
    takes: int = 1
    """How many looks a migration takes."""
    resources: dict[str, int] = field(default_factory=lambda: {"VCPU": 1, "MEMORY_MB": 1024})
    fault: str = ""
    id: str = ""


@dataclass
class Host:
    """A compute host."""

    name: str
    enabled: bool = True
    up: bool = True
    reason: str | None = None
    forced_down: bool = False
    capacity: dict[str, int] = field(default_factory=lambda: {"VCPU": 64, "MEMORY_MB": 65536})
    id: str = ""


class NovaApi(OpenStackApi):
    """A context manager. Hosts and servers can be changed while it runs."""

    def __init__(self, hosts: list[Host], servers: list[Server], with_placement: bool = True) -> None:
        ids = (f"{number:08x}-0000-4000-8000-000000000000" for number in count(1))
        self.hosts = {host.name: host for host in hosts}
        self.servers = {server.name: server for server in servers}
        for host in hosts:
            host.id = next(ids)
        for server in servers:
            server.id = next(ids)
        self.migrations: list[dict[str, Any]] = []
        self.events: dict[str, list[dict[str, str]]] = {}
        self.looks = 0
        self.at_look: Callable[[int], None] = lambda look: None
        """Called before each look with its number, from 1."""
        self.changes: list[str] = []
        """What was asked for that changes something: "disable a", "migrate web", "enable a"."""
        self.new_server = ("ACTIVE", "")
        """The status and the fault of servers that are made, from the second look at them on."""
        self.outage = 0
        """How many of the next requests to Nova are answered with 503."""
        self.with_placement = with_placement

    def answer(self, method: str, url: str, body: bytes) -> Answer:
        """Answer a request."""
        try:
            return self._answer(method, url, json.loads(body) if body else {})
        except Exception as error:  # not 500, which might be waited for
            return 400, {"badRequest": {"message": f"the test's API failed: {error!r}"}}, {}

    def _answer(self, method: str, url: str, body: dict[str, Any]) -> Answer:
        """Status, body and headers of the answer to a request."""
        split = urlsplit(url)
        if self.outage and split.path.startswith("/compute/"):
            self.outage -= 1
            return 503, {"message": "the load balancer has no server for it"}, {}
        for pattern, answer in self._routes():
            if found := re.fullmatch(pattern, f"{method} {split.path.rstrip('/')}"):
                said = answer(*found.groups(), **({"body": body} if method in ("POST", "PUT") else {"query": parse_qs(split.query)}))
                return said if isinstance(said, tuple) else (200, said, {})
        return 404, {"itemNotFound": {"message": f"the test's API has no {method} {split.path}"}}, {}

    def _routes(self) -> Iterator[tuple[str, Callable[..., Any]]]:
        nova = "/compute/v2.1"
        yield "GET /identity/v3", lambda query: {"version": {"id": "v3.14", "status": "stable", "links": self._links("/identity/v3")}}
        yield "POST /identity/v3/auth/tokens", self._token
        yield f"GET {nova}", lambda query: {"version": self._version("v2.1", "2.96", "2.1", nova)}
        yield "GET /placement", lambda query: {"versions": [self._version("v1.0", "1.39", "1.0", "/placement", "max_version")]}
        yield f"GET {nova}/os-services", lambda query: {"services": [self._service(host) for host in self.hosts.values()]}
        yield f"PUT {nova}/os-services/(.*)", self._set_service
        yield f"GET {nova}/servers/detail", self._list_servers
        yield f"GET {nova}/servers/([0-9a-f-]*)", self._show_server
        yield f"POST {nova}/servers", self._create
        yield f"DELETE {nova}/servers/(.*)", self._delete
        yield f"POST {nova}/servers/(.*)/action", self._act
        yield f"GET {nova}/servers/(.*)/os-instance-actions", self._actions
        yield f"GET {nova}/servers/.*/os-instance-actions/(.*)", lambda id, query: {"instanceAction": {"events": self.events.get(id, [])}}
        yield f"GET {nova}/os-migrations", self._list_migrations
        yield f"GET {nova}/os-hypervisors/detail", self._hypervisors
        yield f"GET {nova}/flavors/(.*)", lambda id, query: {"flavor": {"id": id, "name": id}}
        yield "GET /image/v2/images/(.*)", lambda id, query: {"id": id, "name": id}
        yield "GET /network/v2.0/networks/(.*)", lambda id, query: {"network": {"id": id, "name": id}}
        yield "GET /placement/resource_providers/(.*)/(inventories|usages|allocations)", self._provider

    def _links(self, path: str) -> list[dict[str, str]]:
        return [{"rel": "self", "href": f"{self.url}{path}"}]

    def _version(self, name: str, newest: str, oldest: str, path: str, key: str = "version") -> dict[str, Any]:
        return {"id": name, "status": "CURRENT", key: newest, "min_version": oldest, "links": self._links(path)}

    def _token(self, body: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        services = {"identity": "/identity/v3", "compute": "/compute/v2.1", "image": "/image/v2", "network": "/network/v2.0"}
        services |= {"placement": "/placement"} if self.with_placement else {}
        catalog = [
            {
                "type": kind,
                "name": kind,
                "id": kind,
                "endpoints": [{"id": kind, "interface": "public", "region": "RegionOne", "region_id": "RegionOne", "url": self.url + path}],
            }
            for kind, path in services.items()
        ]
        times = {"issued_at": "2026-11-22T08:00:00.000000Z", "expires_at": "2099-01-01T00:00:00.000000Z"}
        user = {"id": "admin", "name": "admin", "domain": {"id": "default", "name": "Default"}}
        token = {"methods": ["password"], "user": user, "project": user, "catalog": catalog, "roles": [], **times}
        return 201, {"token": token}, {"X-Subject-Token": "token"}

    def _service(self, host: Host) -> dict[str, Any]:
        return {
            **{"id": host.id, "binary": "nova-compute", "host": host.name, "zone": "nova", "disabled_reason": host.reason},
            **{"status": "enabled" if host.enabled else "disabled", "state": "up" if host.up else "down", "forced_down": host.forced_down},
        }

    def _set_service(self, id: str, body: dict[str, Any]) -> Any:
        host = next(host for host in self.hosts.values() if host.id == id)
        host.enabled, host.reason = body["status"] == "enabled", body.get("disabled_reason")
        self.changes.append(f"{'enable' if host.enabled else 'disable'} {host.name}")
        return {"service": self._service(host)}

    def _list_servers(self, query: dict[str, list[str]]) -> Any:
        if "name" in query:
            return {"servers": [self._shown(server) for server in self.servers.values() if re.search(query["name"][0], server.name)]}
        self.looks += 1
        self.at_look(self.looks)
        for migration in [item for item in self.migrations if item["status"] == "running"]:
            self._move_on(migration)
        return {"servers": [self._shown(server) for server in self.servers.values() if [server.host] == query["host"]]}

    def _shown(self, server: Server) -> dict[str, Any]:
        status = "MIGRATING" if server.task == "migrating" else server.status
        fault = {"fault": {"code": 500, "message": server.fault, "created": _now()}} if server.fault else {}
        states = {"OS-EXT-STS:task_state": server.task, "OS-EXT-STS:vm_state": server.status.lower(), "OS-EXT-SRV-ATTR:host": server.host}
        return {"id": server.id, "name": server.name, "status": status, **states, **fault}

    def _by_id(self, id: str) -> Server:
        return next(server for server in self.servers.values() if server.id == id)

    def _create(self, body: dict[str, Any]) -> Any:
        wanted = body["server"]
        server = Server(wanted["name"], wanted["host"], "BUILD", id=f"{len(self.changes):08x}-0000-4000-8000-00000000ffff")
        self.servers[server.name] = server
        self.changes.append(f"make {server.name} of {wanted['imageRef']}, {wanted['flavorRef']}, {wanted['networks'][0]['uuid']}")
        return 202, {"server": {"id": server.id}}, {}

    def _show_server(self, id: str, query: object) -> Any:
        server = self._by_id(id)
        shown = {"server": self._shown(server)}
        if server.status == "BUILD":
            server.status, server.fault = self.new_server
        return shown

    def _delete(self, id: str, query: object) -> Any:
        server = self._by_id(id)
        del self.servers[server.name]
        self.changes.append(f"delete {server.name}")
        return 204, None, {}

    def _act(self, id: str, body: dict[str, Any]) -> Any:
        server = self._by_id(id)
        assert body == {"os-migrateLive": {"host": None, "block_migration": "auto"}}
        self.changes.append(f"migrate {server.name}")
        return self.migrate(server)

    def migrate(self, server: Server) -> Any:
        """What a request for a live migration does, whoever makes it."""
        fate = server.fates.pop(0) if len(server.fates) > 1 else server.fates[0]
        number = len(self.migrations) + 1
        target = next(host.name for host in self.hosts.values() if host.enabled and host.name != server.host)
        self.migrations.append({
            **{"id": number, "instance_uuid": server.id, "source_compute": server.host, "dest_compute": target, "status": "running"},
            **{"created_at": _now(), "fate": fate, "left": server.takes, "server": server},
        })  # fmt: skip
        if fate == NO_HOST:
            self._note(self.migrations[-1], "error", f"nova.exception.NoValidHost: {NO_VALID_HOST}")
            return 400, {"badRequest": {"code": 400, "message": NO_VALID_HOST}}, {}
        server.task = "migrating"
        return 202, None, {}

    def _move_on(self, migration: dict[str, Any]) -> None:
        server, fate = migration["server"], migration["fate"]
        migration["left"] -= 1
        if fate == HANGS or migration["left"] > 0:
            return
        server.task = None
        if fate in (GOES, GOES_ASTRAY):
            migration["status"] = "completed"
            server.host = migration["dest_compute"] if fate == GOES else server.host
            return
        self._note(migration, "error", f"libvirt.libvirtError: {MONITOR_FAILED}")
        if fate == BREAKS:
            server.status, server.fault = "ERROR", MONITOR_FAILED

    def _note(self, migration: dict[str, Any], status: str, last_line: str) -> None:
        migration["status"] = status
        traceback = f'Traceback (most recent call last):\n  File "nova/compute/manager.py"\n{last_line}\n'
        self.events[f"req-{migration['id']}"] = [{"event": "live_migration", "result": "Error", "traceback": traceback}]

    def _actions(self, id: str, query: object) -> Any:
        mine = [item for item in self.migrations if item["instance_uuid"] == id]
        actions = [{"action": "live-migration", "request_id": f"req-{item['id']}", "start_time": f"{item['id']:09}"} for item in mine]
        return {"instanceActions": [{"action": "create", "request_id": "req-0", "start_time": "0"}, *actions]}

    def _list_migrations(self, query: dict[str, list[str]]) -> Any:
        shown = ("id", "instance_uuid", "source_compute", "dest_compute", "status", "created_at")
        wanted = [item for item in self.migrations if query["host"][0] in (item["source_compute"], item["dest_compute"])]
        return {"migrations": [{key: item[key] for key in shown} for item in reversed(wanted)]}

    def _hypervisors(self, query: object) -> Any:
        hosts = self.hosts.values()
        return {
            "hypervisors": [
                {"id": host.id, "hypervisor_hostname": f"{host.name}.example", "service": {"host": host.name}} for host in hosts
            ]
        }

    def _provider(self, id: str, what: str, query: object) -> Any:
        host = next(host for host in self.hosts.values() if host.id == id)
        mine = [server for server in self.servers.values() if server.host == host.name]
        if what == "allocations":
            return {what: {server.id: {"resources": server.resources} for server in mine}}
        if what == "inventories":
            return {what: {name: {"total": total, "reserved": 0, "allocation_ratio": 1.0} for name, total in host.capacity.items()}}
        return {what: {name: sum(server.resources.get(name, 0) for server in mine) for name in host.capacity}}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000000")
