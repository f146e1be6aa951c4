"""YAML as Ansible people write it: lists indented, keys in their order, so that ansible-lint has nothing to say."""

import json
from collections.abc import Mapping
from typing import Any, Final

import yaml

_WIDTH: Final = 140


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True  # a value that stands in two places is written twice: nobody wants to read &id001


def to_yaml(value: Mapping[str, Any]) -> str:
    """The text of a YAML file."""
    return "---\n" + yaml.dump(_plain(value), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)


def quoted(text: str) -> str:
    """A text as a value on one line, whatever is in it."""
    return json.dumps(" ".join(text.split()), ensure_ascii=False)


def _plain(value: Any) -> Any:
    """Without the classes that a mapping or a sequence has as a frozen value."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
