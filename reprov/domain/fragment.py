"""The role's own part of a post-script: templates `NN-name.sh.j2`, rendered for a hop."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from reprov.domain.known_keys import did_you_mean
from reprov.domain.packages import PackageChange
from reprov.domain.post_script import Step
from reprov.domain.release import ReleaseId
from reprov.domain.script_file import interpreter_of
from reprov.errors import InvalidInput

FRAGMENTS_FOLDER: Final = "post-scripts"
"""Of the library, and of a release."""
FRAGMENT_SUFFIX: Final = ".sh.j2"
VARIABLES: Final = frozenset({"role", "before", "after", "changed", "added", "removed"})
"""What a template knows of its hop."""
_NAME: Final = re.compile(r"([0-9]+)-[A-Za-z0-9_.+-]+")


@dataclass(frozen=True, slots=True)
class Fragment:
    """A template."""

    name: str
    """As a role names it: "50-ceph-osd"."""
    text: str
    source: str
    """Where it was read, for messages."""

    def __post_init__(self) -> None:
        """Raises `InvalidInput` for a name that tells no place in the order."""
        if not _NAME.fullmatch(self.name):
            raise InvalidInput(f"{self.source}: a post-script is called NN-name, and its number is its place among the others")

    @property
    def place(self) -> tuple[int, str]:
        """By which fragments are sorted."""
        return int(self.name.partition("-")[0]), self.name

    def check(self) -> None:
        """Raises `InvalidInput` with the line for a wrong syntax, and for a name that no hop has, in whatever branch it stands."""
        from jinja2 import Environment, TemplateSyntaxError, nodes
        from jinja2.meta import find_undeclared_variables

        try:
            template = Environment(autoescape=False).parse(self.text)
        except TemplateSyntaxError as error:
            raise InvalidInput(f"{self.source}:{error.lineno}: {error.message}") from None
        unknown = find_undeclared_variables(template) - VARIABLES
        for name in template.find_all(nodes.Name):
            if name.name in unknown:
                said = f"{name.name!r} is undefined{did_you_mean(name.name, VARIABLES)}"
                raise InvalidInput(f"{self.source}:{name.lineno}: {said}", hint=f"there are {', '.join(sorted(VARIABLES))}")

    def render(self, before: ReleaseId | None, after: ReleaseId, changes: Iterable[PackageChange]) -> Step:
        """The step for a hop. Raises `InvalidInput` with the line for a template that is wrong or uses a variable that there is not."""
        # Imported here: jinja2 costs 50 ms, and most nodes get their post-script rendered.
        from jinja2 import Environment, StrictUndefined

        changes = tuple(changes)
        variables = {
            "before": before.version if before else "",
            "after": after.version,
            "role": after.role,
            "added": tuple(change for change in changes if not change.before),
            "removed": tuple(change for change in changes if not change.after),
            "changed": tuple(change for change in changes if change.before and change.after),
        }
        # What is made is a script, no page of the web: nothing is to be escaped.
        environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
        try:
            body = environment.from_string(self.text).render(variables)
        except Exception as error:  # an expression of a template may raise anything
            raise InvalidInput(f"{self.source}:{_line_of(error)}: {error}") from None
        interpreter = interpreter_of(body) if body.startswith("#!") else ("/bin/sh", "-e")
        return Step(self.name, interpreter, (), body)


def _line_of(error: Exception) -> int:
    """The line of a template at which it failed: of a wrong syntax as the error says, else that which was being rendered."""
    line = getattr(error, "lineno", None) or 1
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return int(line)
