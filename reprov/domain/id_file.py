"""ids/FAMILY.yaml: the table of stable ids as written, and the same text with names added."""

from collections.abc import Iterable
from typing import Annotated, NamedTuple

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from reprov.domain.ids import ACCOUNT_NAME, NOLOGIN, Group, IdTable, User, group_line, user_line
from reprov.domain.yaml_model import validated
from reprov.domain.yaml_text import Location, YamlText
from reprov.errors import InvalidInput

_INDENT = 2


def _is_account_name(text: str) -> str:
    if not ACCOUNT_NAME.fullmatch(text):
        raise ValueError(f"{text!r} is not an account name")
    return text


def _is_path(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError(f"{text!r} is not an absolute path")
    return _is_field(text)


def _is_field(text: str) -> str:
    if ":" in text or not text.isprintable():
        raise ValueError(f"{text!r} cannot be in a line of passwd")
    return text


Name = Annotated[str, AfterValidator(_is_account_name)]
Id = Annotated[int, Field(ge=0, lt=2**32 - 1)]
AbsolutePath = Annotated[str, AfterValidator(_is_path)]


class _UserFields(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    id: Id
    group: Name | None = None
    home: AbsolutePath | None = None
    shell: AbsolutePath = NOLOGIN
    gecos: Annotated[str, AfterValidator(_is_field)] = ""


class _IdFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    users: dict[Name, _UserFields] | None = None
    groups: dict[Name, Id] | None = None


def parse_id_file(text: str, source: str) -> IdTable:
    """Read a table. Raises `InvalidInput` with file:line for anything that is none, and for a name or number given twice."""
    lines = YamlText(text, source, "a table of ids")
    file = validated(_IdFile, lines, lines.data, _keys_at)
    return IdTable.of(
        (
            User(name, found.id, found.group or name, found.home, found.shell, found.gecos, lines.where(("users", name)))
            for name, found in (file.users or {}).items()
        ),
        (Group(name, gid, lines.where(("groups", name))) for name, gid in (file.groups or {}).items()),
    )


def with_added(text: str, new: IdTable, source: str) -> str:
    """The text of a table with the entries of another one at the end of each section; comments and order stay as they are.

    Raises `InvalidInput` for a text that lines cannot be added to (a section in braces).
    """
    wanted = parse_id_file(text, source).joined(new) if text else new
    lines = (text or "users:\ngroups:\n").splitlines()
    added = {"users": [user_line(user) for user in new.users.values()], "groups": [group_line(group) for group in new.groups.values()]}
    ends = {section: _end_of(section, lines) for section in added}
    for section in sorted(added, key=lambda section: ends[section].line, reverse=True):  # from below: it moves no line above it
        lines = _with_lines(lines, section, ends[section], added[section])
    result = "\n".join(lines) + "\n"
    try:
        is_right = parse_id_file(result, source) == wanted
    except InvalidInput:
        is_right = False
    if not is_right:
        raise InvalidInput(f"{source}:1: names cannot be added to it", hint="write `users:` and `groups:` with an entry on each line below")
    return result


class _End(NamedTuple):
    """Where the entries of a section end."""

    line: int
    indent: int
    is_there: bool = True
    """False: the section has to be made."""


def _end_of(section: str, lines: list[str]) -> _End:
    node = yaml.compose("\n".join(lines) + "\n", Loader=yaml.SafeLoader)
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    key, value = next(((key, value) for key, value in pairs if key.value == section), (None, None))
    if key is None:
        return _End(len(lines), _INDENT, is_there=False)
    if isinstance(value, yaml.MappingNode) and value.value:
        last = value.value[-1][1].end_mark
        return _End(last.line + (1 if last.column else 0), value.value[0][0].start_mark.column)
    return _End(key.start_mark.line + 1, _INDENT)


def _with_lines(lines: list[str], section: str, end: _End, added: list[str]) -> list[str]:
    if not added:
        return lines
    heading = [] if end.is_there else [f"{section}:"]
    return [*lines[: end.line], *heading, *(" " * end.indent + line for line in added), *lines[end.line :]]


def _keys_at(location: Location) -> Iterable[str]:
    return (_IdFile if len(location) == 1 else _UserFields).model_fields
