"""The text of a snippet, with every mistake reported by file and line."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from reprov.domain.known_keys import did_you_mean
from reprov.domain.snippet import NAME, REIMAGE, STEPS, Family, Snippet, Task
from reprov.domain.yaml_model import validated
from reprov.domain.yaml_text import Location, YamlText
from reprov.errors import InvalidInput, all_invalid

MODULES: Final = "ansible.builtin."
"""Whose modules a snippet may use: ansible-core has them, so that a generated project needs no collection."""
OWN_MODULES: Final = frozenset({
    "reprov_ceph_gate", "reprov_database", "reprov_db_sync", "reprov_drain", "reprov_probes", "reprov_quorum", "reprov_version_pins",
})  # fmt: skip
"""Those that the shared role of every generated project brings."""

_NAMES: Final = r"[A-Za-z0-9*][][A-Za-z0-9*?.+_:@-]*"
_COMMANDS: Final = (f"{MODULES}command", f"{MODULES}shell")
_GUARDS: Final = ("when", "creates", "removes")
_KEYWORDS: Final = frozenset((
    *("args", "become", "become_user", "changed_when", "check_mode", "delay", "delegate_to", "diff", "environment", "failed_when"),
    *("ignore_unreachable", "loop", "loop_control", "name", "no_log", "register", "retries", "tags", "throttle", "until", "vars", "when"),
))  # fmt: skip
"""Keywords of a task that a snippet may use. Not `ignore_errors`, which hides a failure, and not `notify`: handlers run in no step."""


def _is_glob(text: str) -> str:
    if not re.fullmatch(_NAMES, text):
        raise ValueError(f"{text!r} is not a name of a package or a unit, or a glob of such")
    return text


_Globs = Annotated[tuple[Annotated[str, AfterValidator(_is_glob)], ...], Field(strict=False)]


class _Names(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    debian: _Globs = ()
    rpm: _Globs = ()

    def by_family(self) -> dict[Family, tuple[str, ...]]:
        return {Family.DEBIAN: self.debian, Family.RPM: self.rpm}


class _SnippetFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    title: str
    packages: _Names
    parts: _Names = _Names()
    units: _Names
    quorum: bool = False
    after: Annotated[tuple[str, ...], Field(strict=False)] = ()
    defaults: dict[str, Any] = {}
    tasks: Annotated[list[dict[str, Any]], Field(min_length=1)]


def parse(text: str, source: str, service: str) -> Snippet:
    """Read a snippet. Raises `InvalidInput` with file:line, of all problems that there are."""
    lines = YamlText(text, source, "a snippet")
    if not NAME.fullmatch(service):
        raise InvalidInput(f"{source}: {service!r} is not the name of a service", hint="lower case letters and digits, with single dashes")
    file = validated(_SnippetFile, lines, lines.data, lambda at: (_Names if len(at) > 1 else _SnippetFile).model_fields)
    problems = [*_problems_of_names(file, service, lines), *_problems_of_tasks(file.tasks, lines)]
    if problems:
        raise all_invalid(problems)
    starts = [lines.line(("tasks", index)) for index in range(len(file.tasks))]
    texts = task_texts(text, starts)
    return Snippet(
        service=service,
        title=file.title,
        packages=file.packages.by_family(),
        parts=file.parts.by_family(),
        units=file.units.by_family(),
        quorum=file.quorum,
        after=file.after,
        defaults=file.defaults,
        tasks=tuple(
            Task(str(task["name"]), _steps_in(task)[0], own, line) for task, own, line in zip(file.tasks, texts, starts, strict=True)
        ),
        path=source,
    )


def variable_prefix(service: str) -> str:
    """What the variables and the role of a service begin with: Ansible takes no dashes there."""
    return service.replace("-", "_")


def task_texts(text: str, starts: list[int]) -> list[str]:
    """The texts of the items of a list that begin in these lines (from 1), each with the comments above it, its dash in the first column.

    The list is the last thing in the text.
    """
    lines = text.splitlines()
    begins = [_with_comments_above(lines, start - 1) for start in starts]
    texts = []
    for start, begin, end in zip(starts, begins, [*begins[1:], len(lines)], strict=True):
        indent = len(lines[start - 1]) - len(lines[start - 1].lstrip())
        texts.append("\n".join(line[indent:].rstrip() for line in lines[begin:end]).strip("\n") + "\n")
    return texts


def problems_of_task(task: Mapping[str, Any], at: Location, lines: YamlText) -> Iterable[InvalidInput]:
    """What is wrong with a task, whatever step it is of: its name, its module, and whether a command can be run twice."""
    if not str(task.get("name", ""))[:1].isupper():
        yield lines.invalid(at, "a task has a name that begins with a capital letter")
    modules = [key for key in task if key not in _KEYWORDS]
    foreign = [key for key in modules if not key.startswith(MODULES) and key not in OWN_MODULES]
    for key in foreign:
        near = did_you_mean(key, [*_KEYWORDS, *OWN_MODULES])
        yield lines.invalid(
            (*at, key), f"{key!r} is neither a module of {MODULES}* or reprov nor a keyword that a task may have here{near}"
        )
    if not foreign and len(modules) != 1:
        yield lines.invalid(at, f"a task has one module, this one has {', '.join(modules) or 'none'}")
    if any(module in _COMMANDS for module in modules):
        yield from _problems_of_command(task, at, lines)


def _problems_of_command(task: Mapping[str, Any], at: Location, lines: YamlText) -> Iterable[InvalidInput]:
    if "changed_when" not in task:
        yield lines.invalid(at, "a command says with `changed_when` whether it has changed anything")
    elif task["changed_when"] is not False and not _has_guard(task):
        yield lines.invalid(
            at, f"a command that changes something has a guard ({', '.join(_GUARDS)}): it is run again after an interruption"
        )


def _has_guard(task: Mapping[str, Any]) -> bool:
    given = [task, task.get("args"), *(task.get(module) for module in _COMMANDS)]
    return any(guard in mapping for mapping in given if isinstance(mapping, dict) for guard in _GUARDS)


def _problems_of_names(file: _SnippetFile, service: str, lines: YamlText) -> Iterable[InvalidInput]:
    if not file.packages.debian and not file.packages.rpm:
        yield lines.invalid(("packages",), "packages: at least one of debian and rpm has a package")
    prefix = f"{variable_prefix(service)}_"
    for name in file.defaults:
        if not re.fullmatch(f"{prefix}[a-z0-9_]+", name):
            yield lines.invalid(("defaults", name), f"{name!r}: a variable of this snippet begins with {prefix}")
    if service in file.after:
        yield lines.invalid(("after",), "after: a service is not after itself")


def _problems_of_tasks(tasks: list[dict[str, Any]], lines: YamlText) -> Iterable[InvalidInput]:
    for index, task in enumerate(tasks):
        at = ("tasks", index)
        yield from problems_of_task(task, at, lines)
        steps = _steps_in(task)
        if len(steps) != 1 or len(steps) != len(_tags_of(task)):
            allowed = ", ".join(f"step{step}" for step in STEPS if step != REIMAGE)
            yield lines.invalid((*at, "tags"), f"a task has exactly one tag, which is its step: {allowed}")


def _steps_in(task: Mapping[str, Any]) -> list[int]:
    known = {f"step{step}": step for step in STEPS if step != REIMAGE}
    return [known[tag] for tag in _tags_of(task) if tag in known]


def _tags_of(task: Mapping[str, Any]) -> list[str]:
    tags = task.get("tags", [])
    return [str(tag) for tag in tags] if isinstance(tags, list) else [str(tags)]


def _with_comments_above(lines: list[str], index: int) -> int:
    while index and lines[index - 1].lstrip().startswith("#"):
        index -= 1
    return index
