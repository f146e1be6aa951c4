"""Why a node wants to be rebooted, kept until it is true that it has been."""

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum

from reprov.domain.release import ReleaseId

REBOOT_FORMAT = 1


class Origin(StrEnum):
    """Who found a reason."""

    CHANGED = "changed"
    """What changed can be had by a boot alone: the way back ends it, too."""
    PROCESS = "process"
    """A process goes on with what was replaced: looked at anew after every exchange."""
    SCRIPT = "script"
    """A script has asked: the way back ends it, too."""


_KERNEL = ("boot/vmlinuz-", "usr/lib/modules/", "lib/modules/")


@dataclass(frozen=True, slots=True)
class RebootReason:
    """One reason, and what ends it."""

    origin: Origin
    text: str
    boot_id: str
    """Of the boot in which it came up: any other ends it, unless a kernel is waited for."""
    before: str = ""
    """What was installed before the exchange, and what it installed."""
    after: str = ""
    kernels: tuple[str, ...] = ()
    """Releases of the kernel one of which must run then; none for any."""

    def is_met(self, boot_id: str, kernel: str) -> bool:
        """True when the node has been rebooted for it."""
        return boot_id != self.boot_id and (not self.kernels or kernel in self.kernels)

    def is_undone_by(self, other: "RebootReason") -> bool:
        """True when the way back has brought what runs still, as long as this is not met: neither needs a boot any more."""
        is_back = (self.before, self.after) == (other.after, other.before)
        return is_back and self.origin is other.origin is Origin.CHANGED and self.text == other.text

    def is_taken_back(self, way: tuple[str, str]) -> bool:
        """True when it came up in the hop that the exchange from the one to the other of these goes back."""
        return (self.after, self.before) == way


def not_taken_back(reasons: Iterable[RebootReason], way: tuple[str, str]) -> tuple[RebootReason, ...]:
    """What holds after an exchange from the one to the other of these in a root that does not run: its next boot has nothing of before."""
    return tuple(reason for reason in reasons if not reason.is_taken_back(way))


def reasons_after(
    earlier: Iterable[RebootReason], new: Collection[RebootReason], *, way: tuple[str, str], boot_id: str, kernel: str
) -> tuple[RebootReason, ...]:
    """What holds after an exchange from the one to the other of `way`: earlier reasons that are not met, and new ones.

    But for those that undo each other, and what scripts of a hop that was taken back have asked for.
    """
    waiting = [reason for reason in earlier if reason.origin is not Origin.PROCESS and not reason.is_met(boot_id, kernel)]
    waiting = [reason for reason in waiting if not (reason.origin is Origin.SCRIPT and reason.is_taken_back(way))]
    left = [reason for reason in waiting if not any(reason.is_undone_by(other) for other in new)]
    added = [reason for reason in new if not any(other.is_undone_by(reason) for other in waiting)]
    return tuple(dict.fromkeys((*left, *added)))


def kernels_in(changed: Iterable[str]) -> frozenset[str]:
    """The releases of the kernel that these paths belong to."""
    found = set()
    for path in changed:
        prefix = next((prefix for prefix in _KERNEL if path.startswith(prefix)), None)
        if prefix:
            found.add(path.removeprefix(prefix).partition("/")[0])
    return frozenset(found - {""})


def name_of(release: ReleaseId | None) -> str:
    """What a reason calls a tree."""
    return str(release) if release else "the tree from before reprov"


def render_reasons(reasons: Iterable[RebootReason]) -> str:
    """The text of reboot.json."""
    return json.dumps({"format": REBOOT_FORMAT, "reasons": [asdict(reason) for reason in reasons]}, indent=2) + "\n"


def parse_reasons(text: str) -> tuple[RebootReason, ...]:
    """Read reboot.json. Raises `ValueError` for what is none."""
    try:
        fields = json.loads(text)
        if fields["format"] != REBOOT_FORMAT:
            raise ValueError(f"format {fields['format']}")
        return tuple(
            RebootReason(
                Origin(item["origin"]),
                str(item["text"]),
                str(item["boot_id"]),
                str(item["before"]),
                str(item["after"]),
                tuple(str(name) for name in item["kernels"]),
            )
            for item in fields["reasons"]
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None
