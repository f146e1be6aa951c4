"""The text of a procedure, with every mistake reported by file and line."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from reprov.domain.known_keys import did_you_mean
from reprov.domain.procedure import Action, HostRule, Procedure, StageRule, Take, Undo
from reprov.domain.snippet import NAME, STEPS, Service
from reprov.domain.yaml_model import validated
from reprov.domain.yaml_text import Location, YamlText
from reprov.errors import InvalidInput, all_invalid

_TOUCHED: Final = "touched"


def _is_stage_name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise ValueError(f"{text!r} is not the name of a stage (lower case letters and digits, with single dashes)")
    return text


def _are_tags(tags: tuple[int, ...]) -> tuple[int, ...]:
    if not tags or list(tags) != sorted(set(tags)) or not set(tags) <= STEPS.keys():
        raise ValueError(f"{list(tags)} are not tags in their order, each from {min(STEPS)} to {max(STEPS)}")
    return tags


_Names = Annotated[tuple[str, ...], Field(strict=False)]
_Text = Annotated[str, Field(min_length=1)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=lambda name: name.replace("_", "-"))


class _HostsFile(_Model):
    take: Annotated[Take, Field(strict=False)]
    profile: str = ""
    service: str = ""
    without: _Names = ()
    each_profile: bool = False


class _UndoFile(_Model):
    text: _Text
    actions: _Names = ()


class _StageFile(_Model):
    name: Annotated[str, AfterValidator(_is_stage_name)]
    title: _Text
    hosts: _HostsFile
    impact: _Text
    tags: Annotated[tuple[int, ...], Field(strict=False), AfterValidator(_are_tags)]
    before: _Names = ()
    snippets: Literal["touched"] | _Names = ()
    actions: dict[str, _Names] = {}
    after: _Names = ()
    undo: _UndoFile


class _ProcedureFile(_Model):
    title: _Text
    source: _Text
    impact: _Text
    in_place: bool = False
    variables: dict[str, Any] = {}
    stages: Annotated[tuple[_StageFile, ...], Field(strict=False)]


def parse_procedure(
    text: str, source: str, name: str, snippets: Iterable[Service], checks: Mapping[str, Action], actions: Mapping[str, Action]
) -> Procedure:
    """Read a procedure whose stages name these. Raises `InvalidInput` with file:line, of all problems that there are."""
    lines = YamlText(text, source, "a procedure")
    file = validated(_ProcedureFile, lines, lines.data, _keys_at)
    if not file.stages:
        raise lines.invalid(("stages",), "stages: there is none")
    problems = [problem for index, stage in enumerate(file.stages) for problem in _unknown(index, stage, lines, snippets, checks, actions)]
    problems += _problems_of_stages(file.stages, lines)
    if problems:
        raise all_invalid(problems)
    stages = tuple(_stage(stage, lines.line(("stages", index)), checks, actions) for index, stage in enumerate(file.stages))
    return Procedure(name, file.title, file.source, file.impact, file.in_place, file.variables, stages, source)


def _keys_at(at: Location) -> Iterable[str]:
    """The keys that a mapping may have in which the last part of this place stands."""
    models: dict[str, type[_Model]] = {"hosts": _HostsFile, "undo": _UndoFile}
    model: type[BaseModel] = _ProcedureFile if len(at) < 3 else models.get(str(at[2]), _StageFile) if len(at) > 3 else _StageFile
    return [field.alias or name for name, field in model.model_fields.items()]


def _stage(file: _StageFile, line: int, checks: Mapping[str, Action], actions: Mapping[str, Action]) -> StageRule:
    steps = sorted((int(step), names) for step, names in file.actions.items())
    return StageRule(
        name=file.name,
        title=file.title,
        hosts=HostRule(**dict(file.hosts)),
        impact=file.impact,
        tags=file.tags,
        before=tuple(checks[name] for name in file.before),
        touched=file.snippets == _TOUCHED,
        services=() if isinstance(file.snippets, str) else file.snippets,
        actions=tuple((step, actions[name]) for step, names in steps for name in names),
        after=tuple(checks[name] for name in file.after),
        undo=Undo(file.undo.text, tuple(actions[name] for name in file.undo.actions)),
        line=line,
    )


def _unknown(
    index: int, stage: _StageFile, lines: YamlText, snippets: Iterable[Service], checks: Iterable[str], actions: Iterable[str]
) -> Iterator[InvalidInput]:
    at: Location = ("stages", index)
    services = () if isinstance(stage.snippets, str) else stage.snippets
    named: list[tuple[Location, str, Iterable[str], str]] = [
        *(((*at, "before", number), name, checks, "check") for number, name in enumerate(stage.before)),
        *(((*at, "after", number), name, checks, "check") for number, name in enumerate(stage.after)),
        *(((*at, "snippets", number), name, snippets, "snippet") for number, name in enumerate(services)),
        *(((*at, "hosts", "without", number), name, snippets, "snippet") for number, name in enumerate(stage.hosts.without)),
        *(((*at, "undo", "actions", number), name, actions, "action") for number, name in enumerate(stage.undo.actions)),
    ]
    for step, names in stage.actions.items():
        named += [((*at, "actions", step, number), name, actions, "action") for number, name in enumerate(names)]
    if stage.hosts.service:
        named.append(((*at, "hosts", "service"), stage.hosts.service, snippets, "snippet"))
    for where, name, known, what in named:
        if name not in known:
            yield lines.invalid(where, f"stage {stage.name!r}: there is no {what} {name!r}{did_you_mean(name, known)}")


def _problems_of_stages(stages: Iterable[_StageFile], lines: YamlText) -> Iterator[InvalidInput]:
    seen: set[str] = set()
    for index, stage in enumerate(stages):
        at: Location = ("stages", index)
        if stage.name in seen:
            yield lines.invalid((*at, "name"), f"there are two stages {stage.name!r}")
        seen.add(stage.name)
        for step in stage.actions:
            if step not in map(str, stage.tags):
                yield lines.invalid((*at, "actions", step), f"stage {stage.name!r} has actions in step {step}, and no such tag")
        if not (stage.before or stage.after or stage.snippets or stage.actions):
            yield lines.invalid(at, f"stage {stage.name!r} does nothing")
        if stage.hosts.each_profile and stage.hosts.profile:
            yield lines.invalid((*at, "hosts", "each-profile"), f"stage {stage.name!r} is for one profile and for each of them")
