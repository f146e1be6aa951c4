"""rollout.json: what a rollout directory is for. Written once by `reprov rollout plan`; only its policy may be edited."""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from reprov.domain.course import Course, Spread, Stage
from reprov.domain.rollout_policy import Policy
from reprov.errors import InvalidInput

ROLLOUT_FILE: Final = "rollout.json"
_FORMAT: Final = 1


class Rollout(NamedTuple):
    """A procedure, applied to an infra and its target releases."""

    procedure: str
    infra: str
    """The name of the infra."""
    releases: Mapping[str, str]
    """The version that each role is to get."""
    policy: Policy
    course: Course

    def to_json(self) -> str:
        """The text of rollout.json."""
        fields = {
            "format": _FORMAT,
            "procedure": self.procedure,
            "infra": self.infra,
            "releases": dict(self.releases),
            "policy": self.policy.model_dump(),
            "course": {"stages": [stage._asdict() for stage in self.course.stages], "domains": dict(self.course.domains)},
        }
        return json.dumps(fields, indent=1) + "\n"

    @classmethod
    def parse(cls, text: str, source: str) -> "Rollout":
        """Read rollout.json. Raises `InvalidInput` for anything else."""
        try:
            fields = json.loads(text)
            if fields["format"] != _FORMAT:
                raise InvalidInput(
                    f"{source}: format {fields['format']!r} is not one that this reprov knows", hint="use the reprov that made it"
                )
            course = Course(tuple(map(_stage, fields["course"]["stages"])), dict(fields["course"]["domains"]))
            rollout = cls(fields["procedure"], fields["infra"], dict(fields["releases"]), Policy.of(fields["policy"], source), course)
        except json.JSONDecodeError as error:
            raise InvalidInput(f"{source}:{error.lineno}: not JSON: {error.msg}") from None
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidInput(f"{source}: not a rollout: {type(error).__name__} {error}", hint="`reprov rollout plan` writes it") from None
        names = [stage.name for stage in course.stages]
        for stage in course.stages:
            for what, items in (("host", stage.hosts), ("tag", stage.tags)):
                if len(set(items)) < len(items):
                    raise InvalidInput(f"{source}: stage {stage.name!r} has a {what} twice")
            if names.count(stage.name) > 1:
                raise InvalidInput(f"{source}: there are two stages {stage.name!r}")
        return rollout


def _stage(fields: Mapping[str, Any]) -> Stage:
    return Stage(
        str(fields["name"]),
        str(fields["title"]),
        tuple(map(str, fields["hosts"])),
        tuple(map(int, fields["tags"])),
        Spread(fields["spread"]),
    )
