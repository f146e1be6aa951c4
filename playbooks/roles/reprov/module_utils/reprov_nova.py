"""What Nova and Placement say of a compute host, and what they are told about it, through openstacksdk."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible.module_utils.reprov_drain import MIGRATING, UNDERWAY, Instance, Migration, Service, Space

BINARY = "nova-compute"
_NEWEST_FIRST = "2.59"
"""The microversion from which on Nova lists the newest migrations first, and no more than a thousand."""
_ON_A_HOST = "2.74"
"""That from which on the scheduler can be told the host of a new instance."""


class Nova:
    """One compute host of a cloud."""

    def __init__(self, api: Any, host: str) -> None:
        """`api` is a connection of the SDK."""
        self._api = api
        self.host = host

    def services(self) -> tuple[Service, tuple[str, ...]]:
        """The service of the host, and the other hosts that could take instances. Raises `LookupError` when Nova does not know it."""
        found = {item.host: item for item in self._api.compute.services(binary=BINARY)}
        if self.host not in found:
            raise LookupError(f"Nova knows no {BINARY} on {self.host!r}, but on {', '.join(sorted(found)) or 'no host at all'}")
        self._service = own = found[self.host]
        others = tuple(name for name, item in sorted(found.items()) if item is not own and _is_up(item) and _is_enabled(item))
        return Service(self.host, _is_enabled(own), _is_up(own), own.disabled_reason or "", bool(own.is_forced_down)), others

    def disable(self, reason: str) -> None:
        """Take the host from the scheduler. After `services`, as the next one."""
        self._api.compute.disable_service(self._service, self.host, BINARY, reason)

    def enable(self) -> None:
        """Give it back."""
        self._api.compute.enable_service(self._service, self.host, BINARY)

    def instances(self) -> list[tuple[Instance, str]]:
        """All that are on the host, of every project, each with the fault that Nova shows."""
        found = self._api.compute.servers(all_projects=True, compute_host=self.host)
        return [(Instance(item.id, item.name, item.status, item.task_state or ""), _fault(item)) for item in found]

    def migrate(self, instance: Instance, block_migration: bool | None) -> str:
        """Live-migrate it to where the scheduler wants it; what Nova says when it does not begin. None: it sees which disks are local."""
        from openstack.exceptions import HttpException

        try:
            self._api.compute.live_migrate_server(instance.id, block_migration=block_migration)
        except HttpException as error:
            if is_away(error):
                raise
            return error.details or str(error)
        return ""

    def boot(self, name: str, image: str, flavor: str, network: str) -> str:
        """The id of a new instance that the scheduler has to put here. Raises `LookupError` where Nova cannot be told so."""
        from openstack.exceptions import raise_from_response
        from openstack.utils import supports_microversion

        api = self._api
        if not supports_microversion(api.compute, _ON_A_HOST):
            raise LookupError("this Nova cannot be told where a probe instance has to go (before OpenStack Stein): leave the probe out")
        body = {
            "name": name,
            "host": self.host,
            "imageRef": api.image.find_image(image, ignore_missing=False).id,
            "flavorRef": api.compute.find_flavor(flavor, ignore_missing=False).id,
            "networks": [{"uuid": api.network.find_network(network, ignore_missing=False).id}],
        }
        answer = api.compute.post("/servers", json={"server": body}, microversion=_ON_A_HOST)
        raise_from_response(answer)
        return str(answer.json()["server"]["id"])

    def settled(self, instance: str) -> tuple[str, str]:
        """The status of an instance, with the fault that Nova shows."""
        found = self._api.compute.get_server(instance)
        return found.status, _fault(found)

    def remove(self, name: str) -> None:
        """Delete every instance of our own project that has this name."""
        for item in self._api.compute.servers(name=f"^{re.escape(name)}$"):
            self._api.compute.delete_server(item.id)

    def migrations(self) -> list[Migration]:
        """The records of migrations off the host and to it, oldest first."""
        from openstack.utils import supports_microversion

        version = _NEWEST_FIRST if supports_microversion(self._api.compute, _NEWEST_FIRST) else None
        answer = _asked(self._api.compute, "/os-migrations", microversion=version, params={"host": self.host})
        found = [
            Migration(
                *(item["id"], item["instance_uuid"], item["source_compute"] or "", item["dest_compute"] or ""),
                *(item["status"], item["created_at"]),
            )
            for item in answer["migrations"]
        ]
        return sorted(found)

    def coming(self, migrations: Iterable[Migration]) -> list[str]:
        """The names of instances that are on their way to the host. A record may say so for ever: the instance itself is asked."""
        wanted = [item.instance for item in migrations if item.target == self.host and item.status in UNDERWAY]
        return [f"{item.name} ({item.id})" for item in map(self._server, wanted) if item is not None and item.task_state == MIGRATING]

    def _server(self, instance: str) -> Any:
        from openstack.exceptions import NotFoundException

        try:
            return self._api.compute.get_server(instance)
        except NotFoundException:
            return None

    def complaint(self, instance: Instance) -> str:
        """Why its last live migration failed: the last line of what Nova has noted, "" when it says nothing."""
        from openstack.exceptions import HttpException

        try:
            return self._last_error(instance)
        except HttpException as error:
            if is_away(error):
                raise
            return ""

    def _last_error(self, instance: Instance) -> str:
        path = f"/servers/{instance.id}/os-instance-actions"
        actions = [item for item in _asked(self._api.compute, path)["instanceActions"] if item["action"] == "live-migration"]
        if not actions:
            return ""
        last = max(actions, key=lambda item: str(item["start_time"]))
        events = _asked(self._api.compute, f"{path}/{last['request_id']}")["instanceAction"]["events"]
        lines = [line for event in events if event["result"] == "Error" for line in (event.get("traceback") or "").splitlines() if line]
        return lines[-1].strip() if lines else ""

    def space(self, others: Iterable[str]) -> Space | None:
        """What the instances of the host take, and what these have left, asked as it is needed; None in a cloud without Placement."""
        if not self._api.has_service("placement"):
            return None
        providers = {item.service_details["host"]: item.id for item in self._api.compute.hypervisors(details=True)}
        taken = self._of_provider(providers[self.host], "allocations") if self.host in providers else {}
        needs = {instance: allocation["resources"] for instance, allocation in taken.items()}
        return Space(needs, self._rooms(providers[name] for name in others if name in providers))

    def _rooms(self, providers: Iterable[str]) -> Iterator[Mapping[str, int]]:
        for provider in providers:
            used = self._of_provider(provider, "usages")
            yield {
                resource: int((item["total"] - item["reserved"]) * item["allocation_ratio"]) - used.get(resource, 0)
                for resource, item in self._of_provider(provider, "inventories").items()
            }

    def _of_provider(self, provider: str, what: str) -> dict[str, Any]:
        return dict(_asked(self._api.placement, f"/resource_providers/{provider}/{what}")[what])


def is_away(error: Exception) -> bool:
    """Whether an error says that the API cannot be asked now, and not that the question was wrong."""
    from keystoneauth1.exceptions import ConnectFailure

    status = getattr(error, "status_code", None) or getattr(error, "http_status", None) or 0
    return isinstance(error, ConnectFailure) or status >= 500


def _asked(service: Any, path: str, **options: Any) -> Any:
    from openstack.exceptions import raise_from_response

    answer = service.get(path, **options)
    raise_from_response(answer)
    return answer.json()


def _is_up(service: Any) -> bool:
    return bool(service.state == "up")


def _is_enabled(service: Any) -> bool:
    return bool(service.status == "enabled")


def _fault(server: Any) -> str:
    fault = getattr(server, "fault", None)
    return str(fault.get("message", "")) if isinstance(fault, Mapping) else ""
