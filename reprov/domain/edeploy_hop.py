"""What eDeploy's server has of an upgrade: `metadata/<from>/<role>/<to>/{exclude,add_only,pre,post}`."""

from dataclasses import dataclass
from typing import NamedTuple

from reprov.domain.edeploy_scripts import is_generated
from reprov.domain.hop_fragment import HopPlace
from reprov.domain.release import ReleaseId

METADATA = "metadata"
IDS_NAME = "ids.tables"
EXCLUDE, ADD_ONLY = "exclude", "add_only"


class HopName(NamedTuple):
    """An upgrade of a role."""

    old: ReleaseId
    new: ReleaseId

    @classmethod
    def of(cls, old: str, role: str, new: str) -> "HopName":
        """Check the names, which become path components. Raises `InvalidInput`."""
        return cls(ReleaseId.of(role, old), ReleaseId.of(role, new))

    @property
    def role(self) -> str:
        """The role that goes from one version to the other."""
        return self.new.role

    @property
    def folder(self) -> str:
        """Where eDeploy has its files."""
        return f"{METADATA}/{self.old.version}/{self.role}/{self.new.version}"

    @property
    def ids_tables(self) -> str:
        """Where the build of the new version left its table of ids."""
        return f"install/{self.new.version}/{IDS_NAME}"

    @property
    def scripts_in_role(self) -> str:
        """Where a role tree brings scripts of its own, which those of `folder` replace one by one."""
        return f"install/{self.new.version}/{self.role}/var/lib/edeploy/{self.new.version}"

    def __str__(self) -> str:
        return f"{self.role} {self.old.version} to {self.new.version}"


class Text(NamedTuple):
    """A file of eDeploy's and where it is, below the imported directory."""

    source: str
    content: bytes
    executable: bool = False


@dataclass(frozen=True, slots=True)
class HopFiles:
    """What was found of one hop."""

    name: HopName
    exclude: Text | None
    add_only: Text | None
    pre: Text | None
    post: Text | None
    unknown: tuple[str, ...]
    """Names in the folder that eDeploy gives no meaning."""
    replaced: tuple[str, ...] = ()
    """Scripts of the role's tree that eDeploy replaces by those of the folder."""

    @property
    def scripts(self) -> dict[HopPlace, Text]:
        """Those that eDeploy would run, and that reprov does not make itself: it leaves out what is not executable."""
        found = {HopPlace.PRE: self.pre, HopPlace.POST: self.post}
        return {place: text for place, text in found.items() if text is not None and not why_left_out(text)}


def why_left_out(script: Text) -> str:
    """Why a script that was found is not imported; "" when it is."""
    if not script.executable:
        return "not executable, so eDeploy does not run it"
    if not script.content.strip():
        return "empty, so there is nothing to run"
    if is_generated(script.content):
        return "eDeploy made it of the scripts of all packages; reprov makes its own, of those that change"
    return ""
