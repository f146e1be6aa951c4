"""A published version of a role: its name and the facts that a node needs before it looks at a single file."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from reprov.errors import InvalidInput

RELEASE_FORMAT = 1
MANIFEST_NAME = "manifest.mtree.gz"
PACKAGES_NAME = "packages.json"
CONTEXTS_NAME = "file_contexts"
"""The SELinux contexts of the release's policy; a release without a policy has no such file, and no labels in its manifest."""
MANAGED_FILESYSTEMS = ("boot", "usr", "var", "opt", "var/lib", "var/log", "var/cache", "var/spool")
"""What a release manages where a node mounts it apart, unless the role says otherwise: the customary filesystems of a system.

Not /home and /srv: what has a filesystem of its own there is data, which nobody but a role that names it may touch.
"""

_NAME = re.compile(r"[a-z0-9][a-z0-9._+-]*")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]*")


@dataclass(frozen=True, slots=True, order=True)
class ReleaseId:
    """Role and version: what an operator types and what names the folders of the store."""

    role: str
    version: str

    @classmethod
    def of(cls, role: str, version: str) -> "ReleaseId":
        """Check both names, which become path components. Raises `InvalidInput`."""
        if not _NAME.fullmatch(role):
            raise InvalidInput(f"{role!r} is not a role name", hint="a role name is lower case letters, digits and ._+-")
        if not _VERSION.fullmatch(version):
            raise InvalidInput(f"{version!r} is not a version", hint="a version is letters, digits and ._+~-")
        return cls(role, version)

    @property
    def path(self) -> str:
        """Where it lies below `trees/` and `releases/` of a store, and below `releases/` of a node."""
        return f"{self.role}/{self.version}"

    def __str__(self) -> str:
        return f"{self.role} {self.version}"


@dataclass(frozen=True, slots=True)
class Release:
    """release.json: what was published, and the sha256 of every file that came with it."""

    id: ReleaseId
    serial: int
    """Counts the releases of the role in the order of their publishing, from 1."""
    created_at: str
    """UTC, ISO 8601 with seconds."""
    family: str
    """debian or rpm: which package database and which ids table."""
    machine: str
    """As in `uname -m`."""
    filesystems: tuple[str, ...]
    """Mount points (relative paths, "boot") whose content the release manages when a node mounts them apart."""
    files: Mapping[str, str]
    """sha256 in hex of every file beside release.json that a node fetches, by its relative name."""

    def to_json(self) -> str:
        """The text of release.json."""
        fields = {
            "format": RELEASE_FORMAT,
            "role": self.id.role,
            "version": self.id.version,
            "serial": self.serial,
            "created_at": self.created_at,
            "family": self.family,
            "machine": self.machine,
            "filesystems": list(self.filesystems),
            "files": dict(sorted(self.files.items())),
        }
        return json.dumps(fields, indent=2) + "\n"

    @classmethod
    def parse(cls, text: str, source: str) -> "Release":
        """Read release.json. Raises `InvalidInput` naming the source when it is not one that this version understands."""
        try:
            fields = json.loads(text)
            if fields["format"] != RELEASE_FORMAT:
                raise InvalidInput(f"{source}: release format {fields['format']} is newer than this reprov", hint="update reprov")
            files = {str(name): str(digest) for name, digest in fields["files"].items()}
            return cls(
                id=ReleaseId.of(fields["role"], fields["version"]),
                serial=int(fields["serial"]),
                created_at=str(fields["created_at"]),
                family=str(fields["family"]),
                machine=str(fields["machine"]),
                filesystems=tuple(str(path) for path in fields["filesystems"]),
                files=_inside(files, source),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidInput(f"{source}: not a release ({type(error).__name__}: {error})") from None


def _inside(files: dict[str, str], source: str) -> dict[str, str]:
    for name in files:
        if name.startswith("/") or ".." in name.split("/") or "\0" in name:
            raise InvalidInput(f"{source}: {name!r} is not a file name inside a release")
    return files
