"""The drain of a compute host: what is to be done next, so that nothing which runs on it is hurt by its upgrade.

Generated projects take this file along, for their module `reprov_drain`: it is written for Python 3.8, with its own library alone.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

MOVABLE = ("ACTIVE", "PAUSED")
"""What Nova can live-migrate."""
AT_REST = ("SHUTOFF", "SUSPENDED", "SHELVED", "SHELVED_OFFLOADED", "SOFT_DELETED", "DELETED")
"""What runs nowhere: its disks are the node's own, and no upgrade touches them."""
MIGRATING = "migrating"
"""The task of an instance that is being migrated."""
UNDERWAY = ("queued", "accepted", "preparing", "pre-migrating", "migrating", "running", "post-migrating")
"""What Nova says of a migration that has not ended."""

_WAYS_OUT = {
    "RESCUE": "`openstack server unrescue {}`",
    "VERIFY_RESIZE": "`openstack server resize confirm {0}`, or revert",
}
_NAMED = 5


class Service(NamedTuple):
    """nova-compute of a host, as Nova sees it."""

    host: str
    enabled: bool
    up: bool
    reason: str = ""
    """Why it is disabled."""
    forced_down: bool = False


class Instance(NamedTuple):
    """An instance of the host, and what this run of the drain knows of it."""

    id: str
    name: str
    status: str
    task: str = ""
    tries: int = 0
    """How often it was told to go."""
    moving_s: float = 0
    """For how long it has been seen MIGRATING, or with a migration that has not ended."""
    said: str = ""
    """What Nova said, when it did not go."""

    def __str__(self) -> str:
        return f"{self.name} ({self.id})"


class Migration(NamedTuple):
    """A record of Nova's."""

    number: int
    instance: str
    source: str
    target: str
    status: str
    created: str
    """In UTC, 2026-11-22T08:00:00 with or without more."""


class Space(NamedTuple):
    """What instances take, by their id, and what other hosts have left, by resource class of Placement: VCPU, MEMORY_MB, ..."""

    needs: Mapping[str, Mapping[str, int]]
    rooms: Iterable[Mapping[str, int]]
    """Looked at one after the other, as far as they are needed."""


class Policy(NamedTuple):
    """How a host is drained."""

    reason: str = "reprov"
    """Whose drain it is: what Nova is told as the reason begins so."""
    migrate: bool = True
    at_once: int = 2
    tries: int = 2
    migration_s: float = 900
    """How long one migration may take."""
    may_stay: Collection[str] = ()
    """Instances, by id or name, that may stay whatever their state is."""


class View(NamedTuple):
    """What Nova shows of the host."""

    service: Service
    others: Sequence[str]
    """Hosts that could take instances: up and enabled."""
    instances: Sequence[Instance]
    gone: Mapping[str, Migration] = MappingProxyType({})
    """The last migration of each instance off the host since the drain has begun."""
    coming: Sequence[str] = ()
    """Instances that are still being migrated to the host."""
    in_error_before: Collection[str] = ()
    first: bool = False
    """Whether it is the first look of this run: the one that may refuse."""
    space: Space | None = None
    """None where the cloud cannot tell."""


class Trouble(NamedTuple):
    """What is wrong, and what to do about it by hand."""

    why: str
    hint: str


class Stay(NamedTuple):
    """An instance that is on the host when it is upgraded."""

    instance: Instance
    why: str


class Refuse(NamedTuple):
    """Nothing is done, or nothing more."""

    troubles: tuple[Trouble, ...]


class Disable(NamedTuple):
    """Take the host from the scheduler, before anything is migrated: it would be filled again."""


class Migrate(NamedTuple):
    """Tell these to go."""

    instances: tuple[Instance, ...]


class Wait(NamedTuple):
    """Look again in a while."""

    why: str


class Stuck(NamedTuple):
    """Nothing moves any more, and a human has to look."""

    troubles: tuple[Trouble, ...]
    left: tuple[Instance, ...]
    """Those that could go, but were not told to."""


class Drained(NamedTuple):
    """What is left on the host may stay."""

    stays: tuple[Stay, ...]


class _Case(NamedTuple):
    """What an instance is to the drain: exactly one of these."""

    instance: Instance
    goes: bool = False
    waits: str = ""
    stays: str = ""
    trouble: Trouble | None = None
    broke: bool = False
    """Whether the drain has hurt it: then no other is told to go."""


def next_move(view: View, policy: Policy) -> Refuse | Disable | Migrate | Wait | Stuck | Drained:
    """What is to be done now. Whoever has moved instances, or disabled the host, before or meanwhile: it goes on from what is there.

    One that cannot go holds up nobody else, and is told of when the others have gone. But where one has gone into ERROR on its way,
    none that still runs is sent after it.
    """
    if not policy.migrate:
        return Disable() if view.service.enabled else Drained(tuple(Stay(instance, "nothing is migrated") for instance in view.instances))
    cases = [_case(instance, view, policy) for instance in view.instances]
    if view.first and (troubles := tuple(_against(view, cases))):
        return Refuse(troubles)
    if view.service.enabled:
        return Disable()
    ready = tuple(case.instance for case in cases if case.goes)
    free = policy.at_once - sum(case.instance.task == MIGRATING for case in cases)
    if ready and free > 0 and not any(case.broke for case in cases):
        return Migrate(ready[:free])
    waits = [case.waits for case in cases if case.waits] + [f"{instance} is on its way here" for instance in view.coming]
    if waits:
        return Wait(_listed(waits))
    troubles = tuple(case.trouble for case in cases if case.trouble)
    if troubles:
        return Stuck(troubles, ready)
    return Drained(tuple(Stay(case.instance, case.stays) for case in cases))


class Enable(NamedTuple):
    """Give the host back to the scheduler."""


class Returned(NamedTuple):
    """Nova sees the host up."""

    disabled: str
    """Why it takes no instances all the same; "" when it does."""


def next_return(service: Service, reason: str) -> Enable | Wait | Stuck | Returned:
    """What is to be done after the upgrade. Only what this drain has disabled is enabled, and not before Nova sees it up."""
    if service.forced_down:
        hint = f"`openstack compute service set --up {service.host} nova-compute`, when it is meant to work"
        return Stuck((Trouble(f"somebody has forced nova-compute on {service.host} down", hint),), ())
    if not service.up:
        return Wait(f"Nova does not see nova-compute on {service.host} up")
    if service.enabled:
        return Returned("")
    return Enable() if begun(service.reason, reason) else Returned(service.reason or "somebody has disabled it, without a reason")


def against_probe(host: str, status: str, said: str) -> Trouble | None:
    """What a probe instance that was asked for on the host tells, once it is no longer BUILD or its time is over."""
    if status == "ACTIVE":
        return None
    why = f"a new instance on {host} is {status}, and not ACTIVE: {said or 'Nova does not say why'}"
    return Trouble(why, "see the logs of nova-scheduler, and of nova-compute there, then run this again; until then it takes no instances")


def mark(reason: str, now: str) -> str:
    """What Nova is told as the reason why the host is disabled; `now` is in UTC, 2026-11-22T08:00:00."""
    return f"{reason}, since {now}Z"


def begun(text: str, reason: str) -> str:
    """When the drain of this reason began, as its mark says; "" when somebody else has disabled the host."""
    found = re.fullmatch(rf"{re.escape(reason)}, since (\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d)Z", text)
    return found[1] if found else ""


def gone_since(migrations: Iterable[Migration], host: str, since: str) -> dict[str, Migration]:
    """The last migration of each instance off the host since then."""
    found = sorted(item for item in migrations if item.source == host and item.created[:19] >= since[:19])
    return {item.instance: item for item in found}


def in_error(instances: Iterable[Instance], gone: Mapping[str, Migration]) -> frozenset[str]:
    """The ids of those that are in ERROR, and not because somebody has migrated them since the drain began."""
    return frozenset(instance.id for instance in instances if instance.status == "ERROR" and instance.id not in gone)


def homeless(instances: Iterable[Instance], space: Space) -> list[Instance]:
    """Those for which no room is found: the largest first, each room filled before the next is looked at."""
    left = sorted(instances, key=lambda item: space.needs.get(item.id, {}).get("MEMORY_MB", 0), reverse=True)
    for room in space.rooms:
        free = dict(room)
        left = [instance for instance in left if not _taken(free, space.needs.get(instance.id, {}))]
        if not left:
            break
    return left


def _taken(free: dict[str, int], needs: Mapping[str, int]) -> bool:
    fits = all(free.get(resource, 0) >= amount for resource, amount in needs.items())
    if fits:
        free.update({resource: free[resource] - amount for resource, amount in needs.items()})
    return fits


def _against(view: View, cases: Sequence[_Case]) -> Iterable[Trouble]:
    """What speaks against beginning, or against going on with what was begun."""
    host = view.service.host
    goes = [case.instance for case in cases if case.goes]
    if not view.others and (view.service.enabled or goes):
        yield Trouble(
            f"{host} is the last compute host that is up and enabled: nothing could take its instances", "bring up or enable another one"
        )
        return
    if goes and not view.service.up:
        yield Trouble(f"Nova sees nova-compute on {host} down: it can migrate nothing", "start it, or stop its instances")
        return
    yield from (case.trouble for case in cases if case.trouble)
    if view.space is not None and (left := homeless(goes, view.space)):
        needs = view.space.needs
        yield Trouble(
            f"no other host has room for {_listed([' '.join([str(item), *_amounts(needs.get(item.id, {}))]) for item in left])}",
            "enable another host, or stop some of its instances: what is shut off stays",
        )


def _case(instance: Instance, view: View, policy: Policy) -> _Case:
    last = view.gone.get(instance.id)
    if instance.task == MIGRATING:
        return _of_migrating(instance, last, policy)
    if instance.id in policy.may_stay or instance.name in policy.may_stay:
        return _Case(instance, stays=f"the site lets it stay, {instance.status}")
    if instance.status == "ERROR":
        return _of_error(instance, view, last)
    if last and last.status == "completed":
        return _Case(
            instance,
            trouble=Trouble(
                f"migration {last.number} of {instance} to {last.target} is completed, and yet Nova lists it on {last.source}",
                f"see with `virsh list --all` on both where it runs, and correct its host and node in Nova's database: {instance.id}",
            ),
        )
    if last and last.status in UNDERWAY and instance.moving_s < policy.migration_s:  # it has come back, and Nova is still clearing up
        return _Case(instance, waits=f"{_record(last)}, of {instance}")
    if instance.task or instance.status == "BUILD":
        return _Case(instance, waits=f"{instance} is busy: {instance.status}, {instance.task or 'no task'}")
    if instance.status in AT_REST:
        return _Case(instance, stays=f"{instance.status} when the drain came")
    if instance.status not in MOVABLE:
        way = _WAYS_OUT.get(instance.status, "`openstack server stop {}`: what is shut off stays").format(instance.id)
        return _Case(instance, trouble=Trouble(f"{instance} is in {instance.status}, and cannot be live-migrated", way))
    if instance.tries >= policy.tries:
        hint = f"remove what hinders it and run this again, or `openstack server stop {instance.id}`: what is shut off stays"
        why = f"{instance} has not gone, told {instance.tries} times: {_said(instance, last)}"
        return _Case(instance, trouble=Trouble(why, hint))
    return _Case(instance, goes=True)


def _of_migrating(instance: Instance, last: Migration | None, policy: Policy) -> _Case:
    record = f" ({_record(last)})" if last else ""
    if instance.moving_s < policy.migration_s:
        return _Case(instance, waits=f"{instance} is MIGRATING{record}")
    number = last.number if last else "MIGRATION"
    hint = (
        f"`openstack server migration force complete {instance.id} {number}` halts it until it is there, "
        f"`openstack server migration abort {instance.id} {number}` keeps it here"
    )
    return _Case(instance, trouble=Trouble(f"{instance} has been MIGRATING for {instance.moving_s:.0f} s{record}", hint))


def _of_error(instance: Instance, view: View, last: Migration | None) -> _Case:
    if instance.id in view.in_error_before:
        return _Case(instance, stays="in ERROR before the drain")
    where = f"on {last.source} and {last.target}" if last and last.target else f"on {view.service.host}"
    hint = f"see with `virsh list --all` {where} whether it runs, then `openstack server set --state active {instance.id}`, or delete it"
    why = f"{instance} has gone into ERROR since the drain began: {_said(instance, last)}"
    return _Case(instance, trouble=Trouble(why, hint), broke=True)


def _said(instance: Instance, last: Migration | None) -> str:
    return instance.said or (_record(last) if last else "Nova does not say why")


def _record(last: Migration) -> str:
    return f"migration {last.number} to {last.target or 'a host not chosen yet'} is {last.status}"


def _listed(words: Sequence[str]) -> str:
    more = len(words) - _NAMED
    return ", ".join(words[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _amounts(needs: Mapping[str, int]) -> Iterable[str]:
    return (f"{resource}={amount}" for resource, amount in sorted(needs.items()))
