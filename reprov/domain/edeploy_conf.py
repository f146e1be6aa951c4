"""eDeploy's conf: what a node is and where it gets releases, as shell assignments that are read and never executed."""

import re
from dataclasses import dataclass

from reprov.errors import InvalidInput

_ASSIGNMENT = re.compile(
    r"""\s*(?:export\s+)?(?P<name>[A-Za-z_]\w*)=
        (?:'(?P<single>[^']*)' | "(?P<double>[^"$`\\]*)" | (?P<bare>[\w./:@%+,^\[\]-]*))
        \s*(?:(?<=\s)\#.*)?""",
    re.VERBOSE | re.ASCII,
)
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\]")
_RPATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*(/[A-Za-z0-9_][A-Za-z0-9._+-]*)*")
_KNOWN = ("VERS", "ROLE", "RSERV", "RSERV_PORT", "RPATH", "SERV", "PROFILE")
_DEFAULT_PORT = "873"
_DEFAULT_RPATH = "install"


@dataclass(frozen=True, slots=True)
class Conf:
    """What eDeploy knows of a node."""

    version: str
    role: str
    server: str | None
    """RSERV; None in the conf of a role tree, which belongs to no node yet."""
    port: int
    module: str
    """RPATH: the rsync module, and a path in it, that hold the trees."""
    unknown: tuple[str, ...]
    """`source:line: NAME` of every variable that is not eDeploy's."""

    @property
    def address(self) -> str | None:
        """Where eDeploy fetched from."""
        return f"rsync://{self.server}:{self.port}/{self.module}" if self.server else None

    @classmethod
    def parse(cls, text: str, source: str) -> "Conf":
        """Read a conf: one assignment of a literal a line; as in the shell, the last of a name counts.

        Raises `InvalidInput` with the line for anything that a shell would have to evaluate, and for a value that cannot be right.
        """
        values: dict[str, tuple[str, int]] = {}
        unknown: list[str] = []
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            found = _ASSIGNMENT.fullmatch(line)
            if found is None:
                raise InvalidInput(f"{source}:{number}: not NAME=value with a literal value; nothing in it is executed")
            name = found["name"]
            values[name] = (found["single"] or found["double"] or found["bare"] or "", number)
            if name not in _KNOWN:
                unknown.append(f"{source}:{number}: {name}")
        return _of(values, source, tuple(unknown))


def _of(values: dict[str, tuple[str, int]], source: str, unknown: tuple[str, ...]) -> Conf:
    for name in ("VERS", "ROLE"):
        if not values.get(name, ("", 0))[0]:
            raise InvalidInput(f"{source}: does not set {name}")

    def checked(name: str, default: str, pattern: re.Pattern[str], meaning: str) -> str:
        value, line = values.get(name, ("", 0))
        if value and not pattern.fullmatch(value):
            raise InvalidInput(f"{source}:{line}: {name} is {value!r}, which is not {meaning}")
        return value or default

    port = checked("RSERV_PORT", _DEFAULT_PORT, re.compile(r"[0-9]{1,5}"), "a port")
    if not 0 < int(port) < 65536:
        raise InvalidInput(f"{source}:{values['RSERV_PORT'][1]}: RSERV_PORT is {port!r}, which is not a port")
    return Conf(
        version=values["VERS"][0],
        role=values["ROLE"][0],
        server=checked("RSERV", "", _HOST, "a host") or None,
        port=int(port),
        module=checked("RPATH", _DEFAULT_RPATH, _RPATH, "a module and a path in it"),
        unknown=unknown,
    )
