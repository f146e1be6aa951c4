"""The text of an action or a check of procedures, with every mistake reported by file and line."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from reprov.domain.procedure import Action, OwnTask
from reprov.domain.snippet import Family
from reprov.domain.snippet_text import MODULES, OWN_MODULES, problems_of_task, task_texts
from reprov.domain.yaml_model import validated
from reprov.domain.yaml_text import YamlText
from reprov.errors import InvalidInput, all_invalid

_ALL: Final = "all"
_LOOKING: Final = frozenset(f"{MODULES}{name}" for name in ("assert", "command", "find", "shell", "slurp", "uri"))
"""Modules of Ansible that change nothing; of commands, `changed_when: false` is what says so."""
_LOOKING_STATES: Final[Mapping[str, frozenset[str]]] = {
    "reprov_ceph_gate": frozenset({"healthy"}),
    "reprov_database": frozenset({"verified"}),
    "reprov_probes": frozenset({"checked"}),
    "reprov_quorum": frozenset({"in_step"}),
}
"""Of modules of ours that only look in these states."""
_LOOKING_TASKS: Final = {"name": "reprov", "tasks_from": "everywhere"}
"""Of the shared role."""

_Tasks = Annotated[tuple[dict[str, Any], ...], Field(strict=False)]


class _TasksFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    all: _Tasks = ()
    debian: _Tasks = ()
    rpm: _Tasks = ()


class _ActionFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    title: Annotated[str, Field(min_length=1)]
    defaults: dict[str, Any] = {}
    tasks: _TasksFile


def parse_action(text: str, source: str, name: str, *, is_check: bool) -> Action:
    """Read an action, or a check. Raises `InvalidInput` with file:line, of all problems that there are."""
    lines = YamlText(text, source, "a check" if is_check else "an action")
    file = validated(_ActionFile, lines, lines.data, lambda at: (_TasksFile if len(at) > 1 else _ActionFile).model_fields)
    written: dict[str, Any] = lines.data
    if list(written)[-1] != "tasks":
        raise lines.invalid((list(written)[-1],), "tasks are the last of the file")
    families: list[str] = list(written["tasks"])
    if not any(written["tasks"].values()):
        raise lines.invalid(("tasks",), "tasks: there is none")
    problems = [problem for family in families for problem in _problems(family, getattr(file.tasks, family), lines, is_check=is_check)]
    if problems:
        raise all_invalid(problems)
    all_first = sorted(families, key=lambda family: family != _ALL)
    tasks = tuple(task for family in all_first for task in _tasks(family, families, getattr(file.tasks, family), text, lines))
    return Action(name, file.title, file.defaults, tasks, source)


def module_of(task: Mapping[str, Any]) -> str:
    """The module of a task in which nothing is wrong."""
    return next(key for key in task if key.startswith(MODULES) or key in OWN_MODULES)


def _tasks(family: str, families: list[str], tasks: Iterable[Mapping[str, Any]], text: str, lines: YamlText) -> Iterator[OwnTask]:
    """The tasks of a family with their texts, which end where the next family begins."""
    here = families.index(family)
    end = lines.line(("tasks", families[here + 1])) - 1 if here + 1 < len(families) else None
    items = list(tasks)
    texts = task_texts("\n".join(text.splitlines()[:end]), [lines.line(("tasks", family, index)) for index in range(len(items))])
    for task, own in zip(items, texts, strict=True):
        module = module_of(task)
        yield OwnTask(str(task["name"]), None if family == _ALL else Family(family), module, task[module], own)


def _problems(family: str, tasks: Iterable[Mapping[str, Any]], lines: YamlText, *, is_check: bool) -> Iterator[InvalidInput]:
    for index, task in enumerate(tasks):
        at = ("tasks", family, index)
        found = list(problems_of_task(task, at, lines))
        yield from found
        if "tags" in task:
            yield lines.invalid((*at, "tags"), "a task of an action has no tags: the stage that names the action gives it the stage's")
        if is_check and not found and not _only_looks(task):
            known = ", ".join([*sorted(_LOOKING), *sorted(_LOOKING_STATES)])
            yield lines.invalid(at, f"a check changes nothing: `changed_when: false` and a module of {known}")


def _only_looks(task: Mapping[str, Any]) -> bool:
    module = module_of(task)
    if module == f"{MODULES}import_role":
        return bool(task[module] == _LOOKING_TASKS)
    if module in _LOOKING_STATES:
        arguments = task[module]
        return isinstance(arguments, Mapping) and arguments.get("state") in _LOOKING_STATES[module]
    return module in _LOOKING and task.get("changed_when", False) is False
