"""Where releases come from: rsync://host:8730, ssh://user@host/srv/reprov, or a directory."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from reprov.domain.release import ReleaseId
from reprov.errors import InvalidInput

_RSYNC = re.compile(r"rsync://[^/\s]+/?")
_RSYNC_HOST = re.compile(r"rsync://(?:[^/@]*@)?(?P<host>\[[0-9A-Fa-f:]+\]|[^/:\s]+)(?::(?P<port>\d+))?")
_RSYNC_PORT = 873
_SSH_PORT = 22
_SSH = re.compile(r"ssh://(?:(?P<user>[\w.-]+)@)?(?P<host>[\w.-]+|\[[0-9A-Fa-f:]+\])(?::(?P<port>\d+))?(?P<path>/\S*)")


@dataclass(frozen=True, slots=True)
class Source:
    """A store as rsync reaches it."""

    text: str
    """As the operator wrote it."""
    prefix: str
    """What comes before `trees/...` and `releases/...` in an rsync argument; ends in a slash."""
    remote_shell: tuple[str, ...] = ()
    """The --rsh command of an ssh source."""

    @classmethod
    def parse(cls, text: str) -> "Source":
        """Read what an operator wrote after --from. Raises `InvalidInput`."""
        if _RSYNC.fullmatch(text):
            return cls(text, text.rstrip("/") + "/")
        if found := _SSH.fullmatch(text):
            user = f"{found['user']}@" if found["user"] else ""
            port = ("-p", found["port"]) if found["port"] else ()
            shell = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", *port)
            return cls(text, f"{user}{found['host']}:{found['path'].rstrip('/')}/", shell)
        if "://" in text or not PurePosixPath(text).is_absolute():
            raise InvalidInput(
                f"{text!r} is not a source", hint="write rsync://HOST:8730, ssh://USER@HOST/srv/reprov or an absolute directory"
            )
        return cls(text, text.rstrip("/") + "/")

    @property
    def server(self) -> tuple[str, int] | None:
        """The host and the TCP port that answer, where the address names them; None for a directory."""
        if self.remote_shell:
            found = _SSH.fullmatch(self.text)
            assert found is not None, "it was parsed"
            return found["host"].strip("[]"), int(found["port"] or _SSH_PORT)
        if found := _RSYNC_HOST.match(self.text):
            return found["host"].strip("[]"), int(found["port"] or _RSYNC_PORT)
        return None

    @property
    def trees(self) -> str:
        """The rsync argument of the folder that holds all trees: a daemon without chroot reads file lists below its module only."""
        return f"{self.prefix}trees/"

    def release(self, release: ReleaseId) -> str:
        """The rsync argument of a release's own files."""
        return f"{self.prefix}releases/{release.path}/"

    def versions(self, role: str) -> str:
        """The rsync argument of the folder that has a folder for each version of a role."""
        return f"{self.prefix}releases/{role}/"
