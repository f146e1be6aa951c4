"""What is mounted in a node's root: which filesystems the release manages, which belong to the node alone."""

from dataclasses import dataclass

from reprov.domain.proc_text import unescaped


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of mountinfo whose mount point lies in the node's root."""

    path: str
    """Mount point relative to the root; "" is the root itself."""
    filesystem: str
    source: str
    read_only: bool


def parse_mountinfo(text: str, root: str) -> tuple[Mount, ...]:
    """The mounts at or below `root` (absolute, without trailing slash; "" for /), in mount order; the last at a path is the visible one.

    The format is that of proc(5), /proc/PID/mountinfo; `text` is its bytes as latin-1, since mount points are bytes.
    """
    found: dict[str, Mount] = {}
    for line in text.split("\n")[:-1]:  # not splitlines(): a byte of a name may be any of its other line ends
        before, _, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        point = unescaped(fields[4])
        if point != root and not point.startswith(root + "/"):
            continue
        path = point[len(root) + 1 :]
        options = {*fields[5].split(","), *rest[2].split(",")}
        found.pop(path, None)
        found[path] = Mount(path, rest[0], unescaped(rest[1]), "ro" in options)
    return tuple(found.values())
