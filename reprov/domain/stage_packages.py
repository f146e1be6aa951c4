"""The packages of a stage that the package manager brings, in the words of apt and dnf."""

from typing import Final

from reprov.domain.ansible_yaml import quoted
from reprov.domain.procedure import Applied
from reprov.domain.snippet import Derived, Family

AFTER: Final = "stage_packages"
"""The variable of actions with the packages as the release has them; those that it no longer has are left alone."""
BEFORE: Final = "stage_packages_before"
"""As the release of before has them; those that are new stay."""
_JOINED: Final = {Family.DEBIAN: "=", Family.RPM: "-"}


def package_variables(item: Applied, derived: Derived, family: Family) -> str:
    """The lines of `vars:` of a play of the stage; "" where none of its actions asks for them."""
    if not any(AFTER in task.text for action in item.rule.all_actions for task in action.tasks):
        return ""
    text = "  vars:\n"
    for name, specs in packages_of(derived, family).items():
        text += f"    {name}:\n" + "".join(f"      - {quoted(spec)}\n" for spec in specs) if specs else f"    {name}: []\n"
    return text


def packages_of(derived: Derived, family: Family) -> dict[str, tuple[str, ...]]:
    """The packages that change with the services of the stage, by the name of the variable: "etcd-server=3.4.30-1"."""
    changes = sorted({change for touched in derived.services for change in touched.because})
    return {
        AFTER: tuple(f"{change.name}{_JOINED[family]}{change.after}" for change in changes if change.after),
        BEFORE: tuple(f"{change.name}{_JOINED[family]}{change.before}" for change in changes if change.before),
    }
