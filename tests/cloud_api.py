"""The API of a small cloud, answered by this process: Keystone's catalogue, and resources that can be made, looked at and deleted.

Nothing is behind it but dictionaries: servers and volumes are ready when they are looked at for the second time.
"""

import json
import re
from itertools import count
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from tests.openstack_api import Answer, OpenStackApi

PATHS: Final = {
    "identity": "/identity/v3",
    "compute": "/compute/v2.1",
    "network": "/network",
    "image": "/image",
    "block-storage": "/volume/v3",
    "object-store": "/object",
}
_COLLECTIONS: Final = {
    "servers": ("/compute/v2.1/servers", "ACTIVE"),
    "flavors": ("/compute/v2.1/flavors", ""),
    "networks": ("/network/v2.0/networks", "ACTIVE"),
    "routers": ("/network/v2.0/routers", "ACTIVE"),
    "images": ("/image/v2/images", "active"),
    "volumes": ("/volume/v3/volumes", "available"),
}
"""Where the resources of a kind are, and their status when they are ready."""
_NOT_READY: Final = {"servers": "BUILD", "volumes": "creating", "images": "queued"}


class CloudApi(OpenStackApi):
    """A context manager. What is in `found` can be changed while it runs."""

    def __init__(self) -> None:
        self._ids = (f"{number:08x}-0000-4000-8000-000000000000" for number in count(1))
        self.found: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in _COLLECTIONS}
        """By kind and id."""
        self.contents: dict[str, bytes] = {}
        """Of images by id, of objects by container/name."""
        self.containers: set[str] = set()
        self.fault = ""
        """Why servers that are made do not become active."""

    def add(self, kind: str, name: str) -> dict[str, Any]:
        """What somebody else has made, and is ready."""
        made = {"id": next(self._ids), "name": name, "status": _COLLECTIONS[kind][1]}
        self.found[kind][made["id"]] = made
        return made

    def names(self, kind: str) -> list[str]:
        """Of all that there is."""
        return [item["name"] for item in self.found[kind].values()]

    def answer(self, method: str, url: str, body: bytes) -> Answer:
        """Status, body and headers of the answer to a request."""
        path = urlsplit(url).path.rstrip("/")
        if path.startswith("/object"):
            return self._answer_object(method, path.removeprefix("/object").strip("/"), body)
        if content := re.fullmatch("/image/v2/images/(.*)/file", path):
            return self._answer_content(method, content[1], body)
        for kind, (base, _) in _COLLECTIONS.items():
            if path == base or path.startswith(f"{base}/"):
                return self._answer_resource(method, kind, path[len(base) + 1 :], parse_qs(urlsplit(url).query), body)
        return self._answer_version(method, path)

    def _answer_resource(self, method: str, kind: str, id: str, query: dict[str, list[str]], body: bytes) -> Answer:
        one, all_ = kind.removesuffix("s"), self.found[kind]
        wrapped = kind != "images"
        if method == "POST":
            asked = json.loads(body)
            made = {"id": next(self._ids), **(asked[one] if wrapped else asked), "status": _NOT_READY.get(kind, "ACTIVE")}
            all_[made["id"]] = made
            return (202 if kind == "servers" else 201), {one: made} if wrapped else made, {}
        if id in ("", "detail"):
            wanted = [item for item in all_.values() if item["name"] in query.get("name", [item["name"]])]
            return 200, {kind: wanted}, {}
        if id not in all_:
            return 404, {"itemNotFound": {"message": f"no {one} {id}"}}, {}
        if method == "DELETE":
            del all_[id]
            self.contents.pop(id, None)
            return 204, None, {}
        shown = dict(all_[id])
        if kind in ("servers", "volumes") and shown["status"] == _NOT_READY[kind]:
            all_[id]["status"] = "ERROR" if self.fault else _COLLECTIONS[kind][1]
            all_[id]["OS-EXT-SRV-ATTR:host"] = "cmpt1"
            if self.fault:
                all_[id]["fault"] = {"code": 500, "message": self.fault, "created": "2026-11-22T08:00:00Z"}
        return 200, {one: shown} if wrapped else shown, {}

    def _answer_content(self, method: str, id: str, body: bytes) -> Answer:
        if method == "PUT":
            self.contents[id] = body
            self.found["images"][id]["status"] = "active"
            return 204, None, {}
        return 200, self.contents[id], {"Content-Type": "application/octet-stream"}

    def _answer_object(self, method: str, path: str, body: bytes) -> Answer:
        container, _, name = path.partition("/")
        if not container:
            return 200, [{"name": each, "count": 0, "bytes": 0} for each in sorted(self.containers)], {}
        if not name:
            if method == "PUT":
                self.containers.add(container)
            elif method == "DELETE":
                self.containers.discard(container)
            names = [each.partition("/")[2] for each in self.contents if each.startswith(f"{container}/")]
            return {"PUT": 201, "DELETE": 204}.get(method, 200), [{"name": each} for each in names] if method == "GET" else None, {}
        if method == "PUT":
            self.contents[path] = body
            return 201, None, {}
        if path not in self.contents:
            return 404, b"", {}
        if method == "DELETE":
            del self.contents[path]
            return 204, None, {}
        return 200, self.contents[path], {"Content-Type": "application/octet-stream"}

    def _answer_version(self, method: str, path: str) -> Answer:
        if (method, path) == ("POST", "/identity/v3/auth/tokens"):
            return 201, {"token": self._token()}, {"X-Subject-Token": "token"}
        versions = {"/identity/v3": ("v3.14", ""), "/compute/v2.1": ("v2.1", "2.96"), "/volume/v3": ("v3.0", "3.71")}
        if path in versions:
            id, newest = versions[path]
            links = [{"rel": "self", "href": f"{self.url}{path}/"}]
            return 200, {"version": {"id": id, "status": "CURRENT", "version": newest, "min_version": "", "links": links}}, {}
        listed = {"/network": "v2.0", "/image": "v2"}
        if path in listed:
            links = [{"rel": "self", "href": f"{self.url}{path}/{listed[path]}/"}]
            return 200, {"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]}, {}
        return 404, {"itemNotFound": {"message": f"the test's API has no {method} {path}"}}, {}

    def _token(self) -> dict[str, Any]:
        where = {"interface": "public", "region": "RegionOne", "region_id": "RegionOne"}
        catalog = [
            {"type": kind, "name": kind, "id": kind, "endpoints": [{"id": kind, "url": self.url + path, **where}]}
            for kind, path in PATHS.items()
        ]
        times = {"issued_at": "2026-11-22T08:00:00.000000Z", "expires_at": "2099-01-01T00:00:00.000000Z"}
        user = {"id": "admin", "name": "admin", "domain": {"id": "default", "name": "Default"}}
        return {"methods": ["password"], "user": user, "project": user, "catalog": catalog, "roles": [], **times}
