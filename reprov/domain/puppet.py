"""What Puppet's own state says that it manages and what its last run did, as text: read by line, because a node has no YAML library."""

import posixpath
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_RESOURCE = re.compile(r"file\[(/.+)\]", re.IGNORECASE)
_STATUS = re.compile(r"""  (["']?)File\[(/.+)\]\1:""")

_STATUSES = "resource_statuses:"
_KEY = re.compile(r"  (?P<name>[^ ?:].*):")
_LONG_KEY = re.compile(r"  \? (?P<begin>.*)")
_FIELD = re.compile(r"    (?P<name>failed|changed|out_of_sync): (?P<value>true|false)")


class ResourceStatus(NamedTuple):
    """What the last run did to a resource."""

    name: str
    """As Puppet says it: `File[/etc/motd]`."""
    changed: bool
    failed: bool
    out_of_sync: bool


def parse_resources(text: str) -> tuple[str, ...]:
    """The paths in resources.txt, which names every managed resource of the last catalogue in a line: `file[/etc/motd]`."""
    return _paths(found[1] for line in text.split("\n") if (found := _RESOURCE.fullmatch(line.strip())))


def parse_report(text: str) -> tuple[str, ...]:
    """The paths in last_run_report.yaml: the keys of `resource_statuses`, read by line because a node has no YAML library."""
    return _paths(found[2] for line in text.split("\n") if (found := _STATUS.fullmatch(line.rstrip())))


def parse_statuses(text: str) -> tuple[ResourceStatus, ...]:
    """What last_run_report.yaml says of each resource, in its order."""
    found: dict[str, dict[str, bool]] = {}
    name = ""
    for name, line in _by_resource(text):
        fields = found.setdefault(name, {})
        if field := _FIELD.fullmatch(line):
            fields.setdefault(field["name"], field["value"] == "true")
    return tuple(
        ResourceStatus(name, said.get("changed", False), said.get("failed", False), said.get("out_of_sync", False))
        for name, said in found.items()
    )


def _by_resource(text: str) -> Iterator[tuple[str, str]]:
    """Every line of the resources' statuses with the name of its resource.

    A name that is long or has line breaks is a key of YAML's other form, `? NAME` over lines and then `: VALUE`.
    """
    name, is_inside, is_in_key = "", False, False
    for line in text.split("\n"):
        if line and not line.startswith(" "):
            is_inside = line.strip() == _STATUSES
            continue
        if not is_inside:
            continue
        if long_key := _LONG_KEY.fullmatch(line):
            name, is_in_key = long_key["begin"].removeprefix("|-"), True
        elif is_in_key and not line.startswith("  :"):
            name = f"{name} {line.strip()}".strip()
        elif key := _KEY.fullmatch(line):
            name, is_in_key = key["name"], False
        elif name:
            is_in_key = False
            yield name.strip("\"'"), line


def _paths(titles: Iterable[str]) -> tuple[str, ...]:
    paths = {posixpath.normpath(title).strip("/") for title in titles}
    return tuple(sorted(paths - {""}))
