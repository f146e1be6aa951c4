"""The cluster that a ceph.conf speaks of."""

import re
from typing import Final

_SECTION: Final = re.compile(r"\s*\[([^\]]*)\]")
_FSID: Final = re.compile(r"\s*fsid\s*=\s*\"?([0-9A-Fa-f-]{36})\"?\s*(?:[#;].*)?")


def cluster_fsid(text: str) -> str:
    """The `fsid` of [global], lower case; "" when there is none: a node can find its cluster by `mon_host` alone."""
    section, found = "global", ""
    for line in text.splitlines():
        if heading := _SECTION.match(line):
            section = heading[1].strip()
        elif section == "global" and (setting := _FSID.fullmatch(line)):
            found = setting[1].lower()
    return found
