"""A script that runs on one hop of a role and on no other: `post-scripts/ROLE/FROM/TO/{pre,post}` in the library, verbatim.

As eDeploy's metadata has them, which `import-edeploy` brings; an operator may as well write one.
"""

from dataclasses import dataclass
from enum import StrEnum

from reprov.domain.fragment import FRAGMENTS_FOLDER
from reprov.domain.post_script import Step
from reprov.domain.release import ReleaseId
from reprov.domain.script_file import interpreter_of


class HopPlace(StrEnum):
    """Where in the post-script it runs, and the name of its file. Both run after the exchange."""

    PRE = "pre"
    """Before the scripts of the packages."""
    POST = "post"
    """After them, and after the role's templates."""


@dataclass(frozen=True, slots=True)
class HopFragment:
    """One of the two scripts of a hop."""

    before: ReleaseId
    after: ReleaseId
    place: HopPlace
    text: str
    """With surrogates for bytes that are no UTF-8."""

    @property
    def name(self) -> str:
        """What messages and logs call it."""
        return f"{self.before.version}-to-{self.after.version}.{self.place}"

    @property
    def path(self) -> str:
        """Where the library has it."""
        return library_path(self.before, self.after, self.place)

    @property
    def step(self) -> Step:
        """What runs it; like eDeploy's, without arguments."""
        return Step(self.name, interpreter_of(self.text), (), self.text)


def library_folder(role: str) -> str:
    """Where the library has the scripts of a role's hops, by version before and version after."""
    return f"{FRAGMENTS_FOLDER}/{role}"


def library_path(before: ReleaseId, after: ReleaseId, place: HopPlace) -> str:
    """Where the library has a script of a hop of a role."""
    return f"{library_folder(after.role)}/{before.version}/{after.version}/{place}"


def released_path(before: ReleaseId, place: HopPlace) -> str:
    """Where a release has it, which knows what it is itself."""
    return f"{FRAGMENTS_FOLDER}/{before.version}/{place}"
