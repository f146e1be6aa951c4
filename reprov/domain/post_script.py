"""The post-script of a hop: what runs on a node after a commit, step by step, and what running it tells.

A value that is made at publishing from the packages' own scripts and the role's fragments, travels as one readable text, and is
run on the node. Debian and RPM packages are turned into the same steps.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from reprov.domain.release import ReleaseId

STEP_TIMEOUT_S: Final = 600
"""After which a step has failed. The longest ones that packages bring (a database that is rewritten) take minutes."""


class WorkKind(StrEnum):
    """What many packages ask for, that is done once after all of their scripts; in the order in which it is done."""

    LDCONFIG = "ldconfig"
    SYSUSERS = "sysusers"
    TMPFILES = "tmpfiles"
    DAEMON_RELOAD = "daemon-reload"
    UDEV = "udev"
    DEPMOD = "depmod"
    INITRAMFS = "initramfs"
    CA_CERTIFICATES = "ca-certificates"
    CACHES = "caches"


class Work(NamedTuple):
    """Something that is to be done once, and who has asked for it first ("libc6.postinst", "a file below /usr/lib/sysusers.d")."""

    kind: WorkKind
    asked_by: str


class ServiceFact(NamedTuple):
    """What a scriptlet wanted to do to a service, and did not: services are settled once, after all scripts."""

    unit: str
    """With its suffix."""
    verb: str
    """As the scriptlet said it: start, stop, restart, try-restart, reload, ..."""
    package: str


@dataclass(frozen=True, slots=True)
class Step:
    """One script with its arguments, run by a process of its own."""

    script: str
    """What it is called in messages and logs, unique in its post-script: "openssh-server.postinst", "50-ceph-osd"."""
    interpreter: tuple[str, ...]
    """What runs the file that holds the text: ("/bin/sh", "-e"); ("<lua>",) is rpm's own; () when the file is a program itself."""
    arguments: tuple[str, ...]
    body: str
    """The text of the script, verbatim, without the line that names the interpreter being special."""
    package: str = ""
    """Name of the package whose script it is; "" for a fragment of the role."""
    version: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    stdin: str = ""
    """What it reads: rpm's file triggers get paths, one a line."""
    timeout_s: int = STEP_TIMEOUT_S
    path: str = ""
    """Where the package manager has it: debconf looks for templates and questions beside `$0`. "" for a text that is nowhere."""


@dataclass(frozen=True, slots=True)
class PostScript:
    """Everything that runs after the commit of a hop, in order."""

    before: ReleaseId | None
    """None for a tree that is no release."""
    after: ReleaseId
    steps: tuple[Step, ...] = ()
    works: tuple[Work, ...] = ()
    """What is known beforehand to be needed; steps ask for more while they run."""
