"""The work that many packages ask for, as steps of reprov's own that run once, after all scripts."""

from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from reprov.domain.kernels import in_order
from reprov.domain.post_script import STEP_TIMEOUT_S, Step, Work, WorkKind

NATIVE: Final = "REPROV_NATIVE"
"""With this variable set, programs do their own work: that of these steps, and what they call."""

PROGRAMS: Final = (
    *("ldconfig", "systemd-sysusers", "systemd-tmpfiles", "systemctl", "udevadm", "systemd-hwdb", "depmod"),
    *("update-initramfs", "dracut", "update-ca-certificates", "update-ca-trust", "fc-cache", "mandb"),
)
"""What the steps may need; one that a tree does not have has no step."""

_BOOT_TIMEOUT_S: Final = 1800
_SHELL: Final = ("/bin/sh", "-e")
# Lines of other packages that cannot be carried out here are no failure, as in systemd-tmpfiles-setup.service.
_TMPFILES_FINE: Final = " || { status=$?; [ $status = 65 ] || [ $status = 73 ] || exit $status; }"
_FRAMES: Final = ("dev", "proc", "run", "sys", "tmp")


class NativeFacts(NamedTuple):
    """What of a tree the native work goes by."""

    programs: Collection[str]
    """Those of `PROGRAMS` that it has."""
    kernels: tuple[str, ...]
    """The versions that have modules in it."""
    unindexed: tuple[str, ...]
    """Those of them that have no index of their modules, or modules that no release brought: of the others the release has the index."""
    is_live: bool


def native_steps(works: Iterable[Work], caches: Collection[str], facts: NativeFacts) -> tuple[Step, ...]:
    """The steps for everything that was asked for, in the order of `WorkKind`. `caches` are the programs that scripts called for theirs."""
    wanted = {work.kind for work in works}
    found: list[Step] = []
    for kind in WorkKind:
        if kind in wanted:
            for program, script in _scripts(kind, caches, facts):
                if program in facts.programs:
                    timeout_s = _BOOT_TIMEOUT_S if kind is WorkKind.INITRAMFS else STEP_TIMEOUT_S
                    found.append(Step(program, _SHELL, (), f"{script}\n", environment=((NATIVE, "1"),), timeout_s=timeout_s))
    return tuple(found)


def _scripts(kind: WorkKind, caches: Collection[str], facts: NativeFacts) -> list[tuple[str, str]]:
    match kind:
        case WorkKind.LDCONFIG:
            return [("ldconfig", "ldconfig")]
        case WorkKind.SYSUSERS:
            return [("systemd-sysusers", "systemd-sysusers")]
        case WorkKind.TMPFILES:
            without = "" if facts.is_live else "".join(f" --exclude-prefix=/{frame}" for frame in _FRAMES)
            return [("systemd-tmpfiles", f"systemd-tmpfiles --create{without}{_TMPFILES_FINE}")]
        case WorkKind.DAEMON_RELOAD:
            return [("systemctl", "[ ! -d /run/systemd/system ] || systemctl daemon-reload")] if facts.is_live else []
        case WorkKind.UDEV:
            reload = "[ ! -e /run/udev/control ] || { udevadm control --reload; udevadm trigger; }"
            return [("systemd-hwdb", "systemd-hwdb update"), *([("udevadm", reload)] if facts.is_live else [])]
        case WorkKind.DEPMOD:
            return [("depmod", "\n".join(f"depmod -a {kernel}" for kernel in facts.unindexed))] if facts.unindexed else []
        case WorkKind.INITRAMFS:
            if not facts.kernels:
                return []
            newest = in_order(facts.kernels)[-1]  # the one that is booted: those that are left are what a node falls back to
            debian = f"update-initramfs $([ -e /boot/initrd.img-{newest} ] && echo -u || echo -c) -k {newest}"
            is_debian = "update-initramfs" in facts.programs
            return [("update-initramfs", debian) if is_debian else ("dracut", f"dracut --force --kver {newest}")]
        case WorkKind.CA_CERTIFICATES:
            return [("update-ca-certificates", "update-ca-certificates"), ("update-ca-trust", "update-ca-trust")]
        case WorkKind.CACHES:
            programs = {"fc-cache": "fc-cache -s", "mandb": "mandb -pq"}
            return [(program, script) for program, script in programs.items() if program in caches or not caches]
