"""How `reprov_probes` makes, looks at and deletes what is in an OpenStack cloud, through openstacksdk."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.reprov_probes import Probe

CONTENT = b"".join(b"%07d\n" % number for number in range(8192))
"""Of images and objects that are made: 64 KiB, every line of which is another one."""
INTERVAL_S = 2.0
END_S = 60.0
"""How long a server may take to be gone."""

SERVICES = {
    "server": "compute",
    "network": "network",
    "router": "network",
    "volume": "block_storage",
    "image": "image",
    "container": "object_store",
}


class Cloud:
    """A cloud; connected to when something is first asked of it."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._connection: Any = None

    @property
    def api(self) -> Any:
        """The SDK's connection."""
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _service(self, kind: str) -> Any:
        """What the SDK has for a kind of resources; nothing else is asked, since a site need not have all services."""
        return getattr(self.api, SERVICES[kind])

    def inventory(self, probe: Probe) -> dict[str, Any]:
        """Everything of a kind, by id, with name and status."""
        of = probe.options["of"]
        more = {"all_projects": True} if of in ("server", "volume") else {}
        found = getattr(self._service(of), f"{of}s")(**more)
        return {"found": {item.id: {"name": item.name or "", "status": getattr(item, "status", None) or ""} for item in found}}

    def new_server(self, probe: Probe) -> dict[str, Any]:
        """A server that is scheduled and becomes active; it is gone afterwards, whatever became of it."""
        server = probe._replace(kind="server")
        made = self.make(server)
        try:
            return self._settled(server, made)
        finally:
            self.delete("server", made)

    def find(self, probe: Probe) -> str | None:
        """The id of the resource that has the name of a probe; None when there is none."""
        api = self.api
        if probe.kind == "object":
            container = _container(probe)
            names = {item.name for item in api.object_store.containers()}
            there = container in names and probe.name in {item.name for item in api.object_store.objects(container)}
            return f"{container}/{probe.name}" if there else None
        found = getattr(self._service(probe.kind), f"find_{probe.kind}")(probe.name, ignore_missing=True)
        return found.id if found else None

    def make(self, probe: Probe) -> str:
        """The id of a new resource with the name of the probe; it may not be ready yet."""
        api, options = self.api, probe.options
        if probe.kind == "object":
            container = _container(probe)
            api.object_store.create_container(name=container)
            api.object_store.upload_object(container=container, name=probe.name, data=CONTENT)
            return f"{container}/{probe.name}"
        if probe.kind == "network":
            made = api.network.create_network(name=probe.name)
        elif probe.kind == "image":
            made = api.image.create_image(probe.name, data=CONTENT, disk_format="raw", container_format="bare", wait=True)
        elif probe.kind == "volume":
            more = {"image_id": self._id(api.image.find_image, "image", options["image"])} if "image" in options else {}
            made = api.block_storage.create_volume(name=probe.name, size=options.get("size_gb", 1), **more)
        else:
            made = api.compute.create_server(
                name=probe.name,
                image_id=self._id(api.image.find_image, "image", options["image"]),
                flavor_id=self._id(api.compute.find_flavor, "flavor", options["flavor"]),
                networks=[{"uuid": self._id(api.network.find_network, "network", options["network"])}],
            )
        return str(made.id)

    def facts(self, probe: Probe, made: str) -> dict[str, Any]:
        """What a resource is like now, with the digest of its content where that can be read. Raises what the SDK raises."""
        api = self.api
        if probe.kind == "object":
            container, _, name = made.partition("/")
            return {"sha256": hashlib.sha256(api.object_store.download_object(name, container=container)).hexdigest()}
        if probe.kind == "image":
            image, content = api.image.get_image(made), io.BytesIO()
            api.image.download_image(image, output=content)
            return {"status": image.status, "sha256": hashlib.sha256(content.getvalue()).hexdigest()}
        if probe.kind in ("server", "volume"):
            return self._settled(probe, made)
        return {"status": api.network.get_network(made).status}

    def delete(self, kind: str, made: str) -> None:
        """Also when it is gone already."""
        api = self.api
        if kind == "object":
            container, _, name = made.partition("/")
            api.object_store.delete_object(name, container=container, ignore_missing=True)
            if container == name:  # made with the object, and not the site's
                api.object_store.delete_container(container, ignore_missing=True)
            return
        getattr(self._service(kind), f"delete_{kind}")(made, ignore_missing=True)
        if kind == "server":  # its port keeps the network from being deleted
            self._await_end(made)

    def _settled(self, probe: Probe, made: str) -> dict[str, Any]:
        """What a server or a volume is like when nothing is being done with it any more. Raises `RuntimeError`."""
        get = getattr(self._service(probe.kind), f"get_{probe.kind}")
        deadline = time.monotonic() + probe.timeout_s
        found = get(made)
        while found.status.lower() in ("build", "creating", "downloading"):
            if time.monotonic() > deadline:
                raise RuntimeError(f"is still in {found.status} after {probe.timeout_s:g} s")
            time.sleep(INTERVAL_S)
            found = get(made)
        facts = {"status": found.status, "host": getattr(found, "compute_host", None), "why": _fault(found)}
        return {name: value for name, value in facts.items() if value}

    def _await_end(self, made: str) -> None:
        deadline = time.monotonic() + END_S
        while self.api.compute.find_server(made, ignore_missing=True) is not None:
            if time.monotonic() > deadline:
                raise RuntimeError(f"server {made} is still there {END_S:g} s after it was deleted")
            time.sleep(INTERVAL_S)

    def _id(self, find: Callable[..., Any], what: str, name: str) -> str:
        found = find(name, ignore_missing=True)
        if found is None:
            raise LookupError(f"there is no {what} {name!r}")
        return str(found.id)


def _container(probe: Probe) -> str:
    options: Mapping[str, str] = probe.options
    return options.get("container", probe.name)


def _fault(server: Any) -> str:
    fault = getattr(server, "fault", None)
    return str(fault.get("message", "")) if isinstance(fault, Mapping) else ""
