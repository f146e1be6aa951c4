"""What Puppet's own state says that it manages: the files among its resources, as text."""

import posixpath
import re
from collections.abc import Iterable

_RESOURCE = re.compile(r"file\[(/.+)\]", re.IGNORECASE)
_STATUS = re.compile(r"""  (["']?)File\[(/.+)\]\1:""")


def parse_resources(text: str) -> tuple[str, ...]:
    """The paths in resources.txt, which names every managed resource of the last catalogue in a line: `file[/etc/motd]`."""
    return _paths(found[1] for line in text.split("\n") if (found := _RESOURCE.fullmatch(line.strip())))


def parse_report(text: str) -> tuple[str, ...]:
    """The paths in last_run_report.yaml: the keys of `resource_statuses`, read by line because a node has no YAML library."""
    return _paths(found[2] for line in text.split("\n") if (found := _STATUS.fullmatch(line.rstrip())))


def _paths(titles: Iterable[str]) -> tuple[str, ...]:
    paths = {posixpath.normpath(title).strip("/") for title in titles}
    return tuple(sorted(paths - {""}))
