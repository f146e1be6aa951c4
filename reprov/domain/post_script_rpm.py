"""The steps of a hop between two RPM trees: the scriptlets that rpm would call to get from one to the other, in its order.

As in a real transaction (`domain/rpm_scripts.py`), with one difference: the files of the new tree are all there, by one exchange,
before the first script runs, so %pretrans and %pre find them. What a script of the old version does, it does in the new tree: the
%preun of a package that goes finds shared state (units that are enabled, alternatives), and none of its own files. From the previous
tree it would undo things in a tree that is not live any more. One that needs a program of its own package fails.
rpm goes on when a script other than %pre and %preun fails; here every failure takes the hop back.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from reprov.domain.post_script import Step, Work, WorkKind
from reprov.domain.rpm import RpmPackage
from reprov.domain.rpm_scripts import Call, calls_of
from reprov.domain.rpm_transaction import Transaction
from reprov.domain.rpm_work import works_of_call

_SHELLS = ("sh", "bash", "dash")


class RpmScripts(NamedTuple):
    """What the packages of a hop bring to its post-script."""

    steps: tuple[Step, ...]
    works: tuple[Work, ...]
    """In place of scripts that are known to do nothing else."""


def scripts_between(old: Sequence[RpmPackage], new: Sequence[RpmPackage]) -> RpmScripts:
    """The steps from one set of packages to the other; none when no package changes."""
    steps: list[Step] = []
    works: dict[WorkKind, Work] = {}
    names: Counter[str] = Counter()
    for call in calls_of(Transaction.between(old, new)):
        if not call.script.body and _is_shell(call):
            continue
        names[call.title] += 1
        step = _step(call, call.title if names[call.title] == 1 else f"{call.title} {names[call.title]}")
        found = works_of_call(call)
        if found is None:
            steps.append(step)
        else:
            for kind in found:
                works.setdefault(kind, Work(kind, step.script))
    return RpmScripts(tuple(steps), tuple(works.values()))


def _is_shell(call: Call) -> bool:
    return bool(call.script.interpreter) and call.script.interpreter[0].rpartition("/")[2] in _SHELLS


def _step(call: Call, name: str) -> Step:
    interpreter, body, arguments = call.script.interpreter, call.script.body, tuple(map(str, call.arguments))
    if not body:  # `%post -p /sbin/ldconfig`: the program itself, with no arguments
        interpreter, body, arguments = ("/bin/sh",), f"exec {' '.join(interpreter)}\n", ()
    return Step(
        script=name,
        interpreter=interpreter or ("/bin/sh",),
        arguments=arguments,
        body=body,
        package=call.package.name,
        version=call.package.version,
        stdin="".join(f"{path}\n" for path in call.paths),
    )
