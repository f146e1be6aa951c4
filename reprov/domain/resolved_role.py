"""role.json: what a build leaves beside the tree, everything that publishing needs to know of the role.

Standard library only: publishing runs where no role definition is read.
"""

import json
from dataclasses import asdict, dataclass

from reprov.domain.hook import Hook, fields_of, hook_of
from reprov.domain.ids import NewId
from reprov.domain.release import ReleaseId
from reprov.errors import InvalidInput

ROLE_FORMAT = 1
ROLE_NAME = "role.json"

_LISTS = ("filesystems", "excludes", "post_scripts", "services", "checks", "packages")


@dataclass(frozen=True, slots=True)
class ResolvedRole:
    """A role as it was built: its definition with that of the roles it extends folded in, the first of them first."""

    id: ReleaseId
    parent: ReleaseId | None
    """The tree that this one was laid over; None when it was made from nothing."""
    family: str
    """debian or rpm: which package database and which ids table."""
    suite: str
    filesystems: tuple[str, ...]
    """Mount points (relative paths, "boot") whose content the release manages when a node mounts them apart."""
    excludes: tuple[str, ...]
    """Concerns: the base names of the ownership lists ("ceph", "base"), in the order in which they are tried."""
    post_scripts: tuple[str, ...]
    services: tuple[str, ...]
    checks: tuple[str, ...]
    packages: tuple[str, ...]
    """The packages that the role and those it extends name, without their dependencies."""
    new_ids: tuple[NewId, ...] = ()
    """Accounts that this build met first and added to the table of stable ids."""
    converge: Hook | None = None
    """What has the last word on a node's configuration; None for nothing."""

    def to_json(self) -> str:
        """The text of role.json."""
        fields = asdict(self)
        del fields["id"]
        fields["converge"] = fields_of(self.converge) if self.converge else None
        return json.dumps({"format": ROLE_FORMAT, "role": self.id.role, "version": self.id.version, **fields}, indent=2) + "\n"

    @classmethod
    def parse(cls, text: str, source: str) -> "ResolvedRole":
        """Read role.json. Raises `InvalidInput` naming the source when it is not one that this version understands."""
        try:
            fields = json.loads(text)
            if fields["format"] != ROLE_FORMAT:
                raise InvalidInput(f"{source}: role format {fields['format']} is newer than this reprov", hint="update reprov")
            parent = fields["parent"]
            lists = {name: _names(fields[name]) for name in _LISTS}
            return cls(
                id=ReleaseId.of(fields["role"], fields["version"]),
                parent=ReleaseId.of(parent["role"], parent["version"]) if parent else None,
                family=str(fields["family"]),
                suite=str(fields["suite"]),
                new_ids=tuple(NewId(str(found["kind"]), str(found["name"]), int(found["id"])) for found in fields.get("new_ids", ())),
                converge=hook_of(fields["converge"]) if fields.get("converge") else None,
                **lists,
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidInput(f"{source}: not a resolved role ({type(error).__name__}: {error})") from None


def _names(found: object) -> tuple[str, ...]:
    if not isinstance(found, list):
        raise TypeError("a list is expected")
    return tuple(str(name) for name in found)
