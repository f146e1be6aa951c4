"""What a process sees mounted where, and which place of a filesystem a path of its is: paths alone lie across namespaces."""

from typing import NamedTuple

from reprov.domain.proc_text import unescaped

Place = tuple[str, str]
"""A filesystem (its device number as in mountinfo) and an absolute path in it, "" for its top."""

_LAYERS = ("lowerdir", "upperdir", "workdir")
_GONE = "//deleted"


class Mounted(NamedTuple):
    """One mount of a namespace."""

    device: str
    inside: str
    """The directory or file of its filesystem that is mounted, absolute; "" for the top."""
    point: str
    """Absolute; "" for the root."""
    layers: tuple[str, ...] = ()
    """The directories that an overlay lies over, as its maker named them."""


class MountView:
    """The mounts of one namespace, from a mountinfo (its bytes as latin-1)."""

    def __init__(self, text: str) -> None:
        self.mounts: list[Mounted] = []
        for line in text.split("\n")[:-1]:
            before, _, after = line.partition(" - ")
            fields, rest = before.split(" "), after.split(" ", 2)
            inside = unescaped(fields[3])
            if inside.endswith(_GONE):
                continue
            layers = _layers(rest[2]) if rest[0] == "overlay" else ()
            self.mounts.append(Mounted(fields[2], inside.rstrip("/"), unescaped(fields[4]).rstrip("/"), layers))
        # Of several mounts at one point the last is the visible one.
        self._visible = {mount.point: mount for mount in self.mounts}

    def place_of(self, path: str) -> Place | None:
        """Where an absolute path lies."""
        above = path
        while True:
            mount = self._visible.get(above)
            if mount is not None:
                return mount.device, mount.inside + path[len(above) :]
            if not above:
                return None
            above = above.rpartition("/")[0]

    def paths_of(self, place: Place) -> list[str]:
        """Every absolute path at which a place can be seen."""
        device, inside = place
        found = []
        for mount in self._visible.values():
            if mount.device == device and (inside == mount.inside or inside.startswith(mount.inside + "/")):
                path = mount.point + inside[len(mount.inside) :]
                if self.place_of(path) == place:
                    found.append(path)
        return found


def _layers(options: str) -> tuple[str, ...]:
    found = []
    for option in options.split(","):
        name, _, value = option.partition("=")
        if name.rstrip("+") in _LAYERS:
            found += [unescaped(path).rstrip("/") for path in value.split(":") if path.startswith("/")]
    return tuple(found)
