"""Triggers of dpkg that scripts activated while they ran: the steps that process them, but for those that the post-script has already."""

from collections.abc import Collection, Iterable
from typing import Final

from reprov.domain.debian_package import ADMIN, DebianTree, Directive
from reprov.domain.post_script import Step
from reprov.domain.script_file import interpreter_of

_TRIGGERED: Final = "triggered"
_ENVIRONMENT: Final = (
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
    ("DPKG_ADMINDIR", ADMIN),
    ("DPKG_MAINTSCRIPT_NAME", "postinst"),
    ("DPKG_ROOT", ""),
)


def late_trigger_steps(activated: Iterable[str], tree: DebianTree, known: Iterable[Step], done: Collection[str]) -> tuple[Step, ...]:
    """A step for every package that is interested in a trigger which no step of `known` processes, and none of `done`, by their names."""
    names = tuple(dict.fromkeys(activated))
    processed: dict[str, set[str]] = {}
    for step in known:
        if step.arguments[:1] == (_TRIGGERED,):
            processed.setdefault(step.package, set()).update(step.arguments[1].split())
    found: list[Step] = []
    for package in tree.packages.values():
        interests = package.named(Directive.INTEREST)
        wanted = [name for name in names if name in interests and name not in processed.get(package.entry.name, ())]
        body = package.scripts.get("postinst")
        if not wanted or body is None:
            continue
        info_name = package.entry.info_names[0]
        script = f"{info_name}.postinst triggered late: {' '.join(wanted)}"
        if script not in done:
            own = (("DPKG_MAINTSCRIPT_ARCH", package.entry.arch), ("DPKG_MAINTSCRIPT_PACKAGE", package.entry.name))
            arguments = (_TRIGGERED, " ".join(wanted))
            path = f"{ADMIN}/info/{info_name}.postinst"
            found.append(
                Step(
                    script,
                    interpreter_of(body),
                    arguments,
                    body,
                    package.entry.name,
                    package.entry.version,
                    (*_ENVIRONMENT, *own),
                    path=path,
                )
            )
    return tuple(found)
