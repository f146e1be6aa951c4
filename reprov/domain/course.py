"""What a rollout runs, in order: stages of hosts and tags, which the engine runs without knowing anything of services."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class Spread(StrEnum):
    """How the hosts of a stage follow each other."""

    EACH = "each"
    """In batches, as the policy says; a batch goes through all tags of the stage before the next one begins."""
    ONE_BY_ONE = "one-by-one"
    """Members of a quorum: one host after the other, never two at once, whatever the policy says."""
    ONCE = "once"
    """On the first host that can be used, and on no other: `db sync`."""
    TOGETHER = "together"
    """All hosts in one run per tag: what has to happen everywhere before anything goes on."""


class Stage(NamedTuple):
    """Hosts that go through the same tags. `name` is that of its playbook, `stages/<name>.yml`."""

    name: str
    title: str
    hosts: tuple[str, ...]
    """In the order in which they are to be done; without twins."""
    tags: tuple[int, ...]
    """In the order in which they are to be run: of `snippet.STEPS`, without twins."""
    spread: Spread


class Course(NamedTuple):
    """The stages, each of which begins when the one before it is over. The names of stages are without twins."""

    stages: tuple[Stage, ...]
    domains: Mapping[str, str]
    """The failure domain of each host; a host that has none here is a domain of its own."""

    def domain_of(self, host: str) -> str:
        """The failure domain of a host; its own name where it has none."""
        return self.domains.get(host, host)


class StepKey(NamedTuple):
    """What is recorded when it has succeeded: a tag of a stage on a host."""

    stage: str
    tag: int
    host: str


def tag_name(tag: int) -> str:
    """A tag as playbooks have it: "step5"."""
    return f"step{tag}"
