"""Package managers that a managed node does not use: the texts of the stubs that say so, and what they let through.

A stub lies in /usr/local/sbin, where root's PATH and sudo's look first: no file of a package is moved, so nothing drifts, no package
database knows of it, and an upgrade leaves it alone. dpkg has a door of its own as well, a hook in its configuration that runs
before it changes anything: who calls /usr/bin/apt-get or /usr/bin/dpkg by path, or dpkg by a library, is stopped there.
"""

from enum import StrEnum
from typing import Final, NamedTuple

ACTIVE: Final = ("REPROV_PKGMNGR", "active")
"""The variable with which everything that reprov itself starts gets the real programs."""
DPKG_HOOK: Final = "etc/dpkg/dpkg.cfg.d/reprov-pkgmngr"

_FOLDER: Final = "usr/local/sbin"
_REAL: Final = "usr/bin"
_MARKER: Final = "# Laid by `reprov pkgmngr deactivate`; `reprov pkgmngr activate` takes it away."
_REFUSED_STATUS: Final = 4
_APT: Final = (
    *("list", "search", "show", "showsrc", "policy", "depends", "rdepends", "madison", "changelog", "check", "indextargets"),
    *("download", "source", "update", "clean", "autoclean", "help", "versions", "why", "why-not"),
)
_DNF: Final = (
    *("list", "info", "search", "repoquery", "provides", "whatprovides", "repolist", "repoinfo", "check", "check-update", "deplist"),
    *("updateinfo", "makecache", "clean", "help"),
)
_ZYPPER: Final = ("search", "se", "info", "if", "list-updates", "lu", "repos", "lr", "refresh", "ref", "what-provides", "wp", "help")
_DPKG: Final = (
    *("-l", "--list", "-s", "--status", "-L", "--listfiles", "-S", "--search", "-p", "--print-avail", "-W", "--show", "-V", "--verify"),
    *("-I", "--info", "-c", "--contents", "-f", "--field", "-x", "--extract", "-X", "--vextract", "-e", "--control", "-b", "--build"),
    *("-C", "--audit", "--compare-versions", "--get-selections", "--print-*", "--assert-*", "--validate-*", "--predep-package"),
    *("--yet-to-unpack", "--version", "--help", "-?", "--force-help", "-Dh", "-Dhelp"),
)
_RPM: Final = ("-q*", "--query", "-V*", "--verify", "-K", "--checksig", "-E", "--eval", "--showrc", "--querytags", "--version", "--help")


class Words(StrEnum):
    """Which word of a command line says what is to be done."""

    FIRST = "first"
    """The first that is no option: `apt-get -y install`."""
    ANY = "any"
    """Any: `dpkg --root=/mnt --install`."""


class Manager(NamedTuple):
    """A program that changes what is installed."""

    name: str
    words: Words
    asking: tuple[str, ...]
    """The words that change nothing, as patterns of sh: those go to the real program, everything else does not."""
    has_hook: bool
    """Whether dpkg's hook stops it as well when somebody calls it by its path."""

    @property
    def real(self) -> str:
        """The program itself."""
        return f"{_REAL}/{self.name}"

    @property
    def stub(self) -> str:
        """What lies before it in PATH."""
        return f"{_FOLDER}/{self.name}"


MANAGERS: Final = (
    Manager("apt", Words.FIRST, _APT, has_hook=True),
    Manager("apt-get", Words.FIRST, _APT, has_hook=True),
    Manager("aptitude", Words.FIRST, _APT, has_hook=True),
    Manager("dpkg", Words.ANY, _DPKG, has_hook=True),
    Manager("dnf", Words.FIRST, _DNF, has_hook=False),
    Manager("yum", Words.FIRST, _DNF, has_hook=False),
    Manager("zypper", Words.FIRST, _ZYPPER, has_hook=False),
    Manager("rpm", Words.ANY, _RPM, has_hook=False),
)

_STUB: Final = """\
#!/bin/sh
{marker}
[ "${variable}" != {active} ] || exec /{real} "$@"
for word; do
    case $word in
    {asking}) exec /{real} "$@" ;;
{others}    esac
done
echo "{name}: this node is managed by reprov: what is installed by hand is gone with the next upgrade" >&2
echo "hint: change the role and run 'reprov upgrade'; for a hot fix: reprov pkgmngr activate" >&2
exit {status}
"""
_OTHERS: Final = {Words.ANY: "", Words.FIRST: "    -*) ;;\n    *) break ;;\n"}
_HOOK: Final = """\
{marker}
pre-invoke=[ "${variable}" = {active} ] || {{ echo "dpkg: this node is managed by reprov: {what}; {hint}" >&2; exit 1; }}
"""


def stub_text(manager: Manager) -> str:
    """The stub of a package manager, a script for sh."""
    asking = "|".join((*manager.asking, "--version", "--help") if manager.words is Words.FIRST else manager.asking)
    return _STUB.format(
        marker=_MARKER,
        variable=ACTIVE[0],
        active=ACTIVE[1],
        real=manager.real,
        asking=asking.replace("?", "\\?"),
        others=_OTHERS[manager.words],
        name=manager.name,
        status=_REFUSED_STATUS,
    )


def hook_text() -> str:
    """dpkg's configuration that has it ask before it changes anything (dpkg(1), --pre-invoke)."""
    what, hint = "what is installed by hand is gone with the next upgrade", "reprov pkgmngr activate lets it"
    return _HOOK.format(marker=_MARKER, variable=ACTIVE[0], active=ACTIVE[1], what=what, hint=hint)


def is_ours(content: bytes) -> bool:
    """Whether a file is one that this laid, of this version of reprov or another one."""
    return _MARKER.encode() in content.split(b"\n")[:2]
