"""What scripts ask of services and of programs that need to run only once, and what becomes of each asking.

`TREATMENT` says which command lines are collected instead of carried out, and which no script may give; a wrapper made from it lies
over each program (`adapters.step_wrappers`). `read` turns what the wrappers wrote down into facts, works and triggers.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from reprov.domain.post_script import ServiceFact, Work, WorkKind

SEPARATOR: Final = "\x1f"
"""Between the words of a record."""

_SERVICE_VERBS: Final = (
    *("start", "stop", "restart", "try-restart", "condrestart", "force-reload", "kill", "condstop", "condreload"),
    *("reload", "reload-or-restart", "reload-or-try-restart", "try-reload-or-restart"),
)
_MANAGER_VERBS: Final = ("daemon-reload", "daemon-reexec")
_ENDING_VERBS: Final = (
    *("reboot", "poweroff", "halt", "kexec", "exit", "soft-reboot", "switch-root", "rescue", "emergency", "default", "isolate"),
    *("suspend", "hibernate", "hybrid-sleep", "suspend-then-hibernate"),
)
_SYSTEMCTL_VALUES: Final = ("-p", "-P", "-t", "-s", "-n", "-o", "-H", "-M", "-C", "--property", "--type", "--state", "--signal", "--lines")
_UNIT_SUFFIX: Final = re.compile(
    r"\.(service|socket|device|mount|automount|swap|target|path|timer|slice|scope)$",
)
_BOOT: Final = WorkKind.INITRAMFS
_WORK_OF: Final = {
    "ldconfig": WorkKind.LDCONFIG,
    "depmod": WorkKind.DEPMOD,
    "udevadm": WorkKind.UDEV,
    "update-initramfs": _BOOT,
    "dracut": _BOOT,
    "kernel-install": _BOOT,
    # A boot loader's menu follows from kernels and initramfs, and is written with these.
    "update-grub": _BOOT,
    "update-grub2": _BOOT,
    "grub-mkconfig": _BOOT,
    "grub2-mkconfig": _BOOT,
    "update-ca-certificates": WorkKind.CA_CERTIFICATES,
    "update-ca-trust": WorkKind.CA_CERTIFICATES,
    "fc-cache": WorkKind.CACHES,
    "mandb": WorkKind.CACHES,
}
# Only these arguments make a program of the kind above do something else than what is done once; each a pattern of sh.
_PASSES: Final = {
    "ldconfig": ("-p", "--print-cache", "-r*", "-n", "-l", "-V", "--version", "-?", "--help"),
    "depmod": ("-n", "--dry-run", "-b*", "--basedir*", "-V", "--version", "-h", "--help"),
    "udevadm": ("info", "test*", "monitor", "hwdb", "verify", "wait", "lock", "--version", "--help", "-h"),
    "dracut": ("--list*", "--print*", "--help", "-h", "--version"),
    "kernel-install": ("inspect", "list", "--help", "--version"),
    "update-ca-trust": ("check", "--help"),
    "fc-cache": ("--version", "-V", "--help", "-h", "-y*", "--sysroot*"),
    "mandb": ("--version", "-V", "--help", "-?", "--usage"),
    "grub-mkconfig": ("--help", "-h", "--version"),
    "grub2-mkconfig": ("--help", "-h", "--version"),
}
_ENDING: Final = ("reboot", "shutdown", "poweroff", "halt", "telinit", "init", "kexec")
_ASIDE: Final = ("start-stop-daemon", "initctl")
"""Programs by which nothing is started, and that tell nothing about a unit."""

PROGRAMS: Final = frozenset(
    {"systemctl", "invoke-rc.d", "service", "deb-systemd-invoke", "dpkg-trigger", "runlevel", *_WORK_OF, *_ENDING, *_ASIDE}
)
"""Names of programs over which a wrapper lies. `runlevel`, because it is systemctl by another name."""


def _any(words: Iterable[str]) -> str:
    return "|".join(word.replace("?", "\\?") for word in words)


_TREATMENT: Final = """\
systemctl)
    verb= now= user= skip= first=yes
    for word; do
        if [ -n "$skip" ]; then skip=; continue; fi
        case $word in
        --now) now=yes ;;
        --user) user=yes ;;
        --root*|--image*|--version|--help|-h) real "$@" ;;
        {values}) skip=yes ;;
        -*) ;;
        *) [ -n "$verb" ] || verb=$word ;;
        esac
    done
    case $verb in
    {services}) [ -n "$user" ] || collect "$@"; exit 0 ;;
    {ending_verbs}) collect "$@"; refuse ;;
    esac
    if [ -n "$now" ]; then
        collect "$@"
        for word; do
            [ -z "$first" ] || set --
            first=
            [ "$word" = --now ] || set -- "$@" "$word"
        done
    fi ;;
invoke-rc.d|service)
    case " $* " in *" --query "*|*" status "*|*" --status-all "*|*" --help "*|*" --version "*) real "$@" ;; esac
    collect "$@"; exit 0 ;;
deb-systemd-invoke)
    case " $* " in *" --user "*) exit 0 ;; esac
    collect "$@"; exit 0 ;;
dpkg-trigger)
    case " $* " in *" --check-supported "*) exit 0 ;; *" --no-act "*|*" --help "*|*" --version "*) real "$@" ;; esac
    collect "$@"; exit 0 ;;
start-stop-daemon)
    case " $* " in *" --status "*|*" -T "*|*" --test "*|*" -t "*|*" --help "*) real "$@" ;; esac
    exit 0 ;;
initctl) exit 0 ;;
{works}
{ending})
    case ${{1-}} in --help|--version) real "$@" ;; esac
    collect "$@"; refuse ;;
"""


def _work_branch(program: str) -> str:
    passes = f'for word; do case $word in {_any(_PASSES[program])}) real "$@" ;; esac; done\n    ' if program in _PASSES else ""
    return f'{program})\n    {passes}collect "$@"; exit 0 ;;'


TREATMENT: Final = _TREATMENT.format(
    values=_any(_SYSTEMCTL_VALUES),
    services=_any((*_SERVICE_VERBS, *_MANAGER_VERBS)),
    ending_verbs=_any(_ENDING_VERBS),
    works="\n".join(map(_work_branch, _WORK_OF)),
    ending=_any(_ENDING),
)
"""Branches of a `case $name in` of sh, with `collect`, `refuse` and `real` as functions; what no branch ends goes to the program."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What the scripts of one package have asked for, in order, nothing twice."""

    services: tuple[ServiceFact, ...] = ()
    works: tuple[Work, ...] = ()
    caches: tuple[str, ...] = ()
    """Names of the programs that rebuild caches."""
    triggers: tuple[str, ...] = ()
    """Names of dpkg's triggers."""
    refused: tuple[str, ...] = ()
    """Command lines that would have ended the system."""


def read(text: str, package: str, asker: str) -> Collected:
    """What the records of wrappers say; `asker` is the script that has called them. What a script wrote there itself is left out."""
    services: dict[ServiceFact, None] = {}
    works: dict[Work, None] = {}
    triggers: dict[str, None] = {}
    caches: dict[str, None] = {}
    refused: dict[str, None] = {}
    for line in text.splitlines():
        program, *words = line.split(SEPARATOR)
        if program in _WORK_OF:
            works[Work(_WORK_OF[program], asker)] = None
            if _WORK_OF[program] is WorkKind.CACHES:
                caches[program] = None
        elif program == "dpkg-trigger":
            triggers |= dict.fromkeys(word for word in words if word and not word.startswith("-"))
        elif program in _ENDING:
            refused[" ".join((program, *words))] = None
        elif program in _READERS:
            verb, units, ends = _READERS[program](words)
            if ends:
                refused[" ".join((program, *words))] = None
            elif verb in _MANAGER_VERBS:
                works[Work(WorkKind.DAEMON_RELOAD, asker)] = None
            elif verb:
                services |= dict.fromkeys(ServiceFact(_unit(unit), verb, package) for unit in units)
    return Collected(tuple(services), tuple(works), tuple(caches), tuple(triggers), tuple(refused))


def _systemctl(words: Sequence[str]) -> tuple[str, tuple[str, ...], bool]:
    plain: list[str] = []
    values = iter(words)
    for word in values:
        if word in _SYSTEMCTL_VALUES:
            next(values, "")
        elif not word.startswith("-"):
            plain.append(word)
    verb, units = (plain[0], tuple(plain[1:])) if plain else ("", ())
    if "--now" in words:  # the unit is enabled, disabled or masked as was asked; this is the other half
        verb = {"enable": "start", "reenable": "restart", "disable": "stop", "mask": "stop"}.get(verb, verb)
    return verb, units, verb in _ENDING_VERBS


def _action_first(words: Sequence[str]) -> tuple[str, tuple[str, ...], bool]:
    plain = [word for word in words if not word.startswith("-")]
    return (plain[0], tuple(plain[1:]), False) if plain else ("", (), False)


def _name_first(words: Sequence[str]) -> tuple[str, tuple[str, ...], bool]:
    plain = [word for word in words if not word.startswith("-")]
    if len(plain) < 2:
        return "", (), False
    return plain[1], (plain[0].removesuffix(".sh"),), False


_READERS: Final = {"systemctl": _systemctl, "deb-systemd-invoke": _action_first, "invoke-rc.d": _name_first, "service": _name_first}


def _unit(name: str) -> str:
    """As systemd calls it: a path is a mount, and what has no suffix a service."""
    if _UNIT_SUFFIX.search(name):
        return name
    if name.startswith("/"):
        return name.strip("/").replace("/", "-") + ".mount"
    return f"{name}.service"
