"""A snippet: what an upgrade does around one service, as Ansible tasks in nine steps; and what a hop of packages has to do with it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from reprov.domain.packages import PackageChange

STEPS: Final = {
    1: "first actions",
    2: "evacuation",
    3: "stop OpenStack services",
    4: "stop infrastructure services",
    5: "re-image",
    6: "start infrastructure services",
    7: "start OpenStack services",
    8: "start OpenStack agents",
    9: "last actions",
}
"""What happens in each step. Snippets have tasks for all but `REIMAGE`, which is reprov's own."""
REIMAGE: Final = 5

NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
"""How services and the stages of procedures are named: lower case letters and digits, with single dashes."""

Service = str
"""The name of a service and of its snippet, "nova-compute"."""


class Family(StrEnum):
    """Whose names packages and units have, as a release says it."""

    DEBIAN = "debian"
    RPM = "rpm"


class Task(NamedTuple):
    """One Ansible task of a snippet."""

    name: str
    step: int
    text: str
    """As it stands in the snippet, comments above it included, the dash in the first column; ends with a line break."""
    line: int
    """Of the snippet's file, where its text begins."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """playbooks/snippets/<service>.yaml."""

    service: Service
    title: str
    """What it is, in a few words."""
    packages: Mapping[Family, tuple[str, ...]]
    """Globs of the packages that are the service: where one of them is installed, the service is."""
    parts: Mapping[Family, tuple[str, ...]]
    """Globs of packages that touch the service when they change, and are installed elsewhere, too ("python3-nova")."""
    units: Mapping[Family, tuple[str, ...]]
    quorum: bool
    """Whether its hosts are members of a quorum, of which never two may be away at once."""
    after: tuple[Service, ...]
    """Services that are started before it, where they are on the same host, and stopped after it."""
    defaults: Mapping[str, object]
    """Variables of its tasks that an infra can set otherwise, by name."""
    tasks: tuple[Task, ...]
    path: str

    @property
    def tags(self) -> frozenset[int]:
        """The steps that it has tasks for."""
        return frozenset(task.step for task in self.tasks)

    def tasks_of(self, step: int) -> tuple[Task, ...]:
        """Its tasks of that step, in the order of the file."""
        return tuple(task for task in self.tasks if task.step == step)


class Touched(NamedTuple):
    """A service that a hop changes."""

    service: Service
    because: tuple[PackageChange, ...]
    """The packages that change, in the order of their names; never empty."""


class Unknown(NamedTuple):
    """A changed package that has units of its own, and that no snippet knows: only step 5 sees to these units."""

    package: PackageChange
    units: tuple[str, ...]


class Derived(NamedTuple):
    """What a hop of one profile means for its services."""

    profile: str
    services: tuple[Touched, ...]
    """In the order in which they are started; empty when no package of a known service changes: then step 5 is all."""
    unknown: tuple[Unknown, ...] = ()
