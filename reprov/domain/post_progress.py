"""How far the phase after a commit got: one line for every step that is done, so that an interruption costs only the step it hit."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from reprov.domain.collected import Collected
from reprov.domain.post_script import ServiceFact, Work, WorkKind
from reprov.domain.trial import Awaited

PROGRESS_FORMAT: Final = 1


class Done(NamedTuple):
    """A step that has ended well."""

    script: str
    elapsed_s: float
    wants_reboot: bool
    collected: Collected = Collected()
    is_synced: bool = False
    """Everything up to here has been written to the disks."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The phase after one commit."""

    transaction: str
    """Of that commit."""
    boot: str
    """Of the running system, when the phase was begun or last taken up again: what is not on the disks is lost with it."""
    was_live: bool
    """The commit was that of the running system."""
    steps: int
    """How many the post-script has; what follows from them comes on top."""
    began_ns: int = 0
    """When this was written down first, before the commit."""
    done: tuple[Done, ...] = ()
    awaits: Awaited | None = None
    """The kernel whose trial is all that is left; None for none."""
    end: str = ""
    """"confirmed", or what went wrong; "" while the phase is not over."""
    reboots: bool = False
    """The node reboots by itself where a reboot is the next step."""

    @property
    def collected(self) -> Collected:
        """What all steps have asked for, nothing twice."""
        parts = [item.collected for item in self.done]

        def unique(name: str) -> tuple[Any, ...]:
            return tuple(dict.fromkeys(item for part in parts for item in getattr(part, name)))

        return Collected(unique("services"), unique("works"), unique("caches"), unique("triggers"), unique("refused"))

    @property
    def reboot_wanted_by(self) -> tuple[str, ...]:
        """The scripts that asked for a reboot."""
        return tuple(dict.fromkeys(item.script for item in self.done if item.wants_reboot))

    def with_done(self, item: Done) -> "Progress":
        """With one more step."""
        return replace(self, done=(*self.done, item))

    def waiting(self, awaited: Awaited) -> "Progress":
        """With everything done and on the disks but the trial of a kernel."""
        *others, last = self.done or (None,)
        done = (*others, last._replace(is_synced=True)) if last else ()
        return replace(self, done=done, awaits=awaited)

    def taken_up(self, boot: str) -> "Progress":
        """Where to go on: after the last step that is done, or, when the system has been down, the last that was on the disks by then."""
        if boot == self.boot:
            return self
        kept = max((number for number, item in enumerate(self.done, start=1) if item.is_synced), default=0)
        return replace(self, boot=boot, done=self.done[:kept])

    def first_line(self) -> str:
        """The line that a file of it begins with."""
        fields = {
            "format": PROGRESS_FORMAT,
            "transaction": self.transaction,
            "boot": self.boot,
            "live": self.was_live,
            "steps": self.steps,
            "began_ns": self.began_ns,
            "reboots": self.reboots,
        }
        return json.dumps(fields) + "\n"

    def to_text(self) -> str:
        """All lines."""
        ends = (awaits_line(self.awaits) if self.awaits else "", end_line(self.end) if self.end else "")
        return "".join((self.first_line(), *map(done_line, self.done), *ends))

    @classmethod
    def parse(cls, text: str) -> "Progress | None":
        """Read the lines; one that a power cut tore, and what follows it, is not there. None for a file that tells nothing."""
        lines = text.splitlines()
        try:
            head = json.loads(lines[0])
            if head["format"] != PROGRESS_FORMAT:
                return None
            found = cls(
                str(head["transaction"]),
                str(head["boot"]),
                bool(head["live"]),
                int(head["steps"]),
                int(head["began_ns"]),
                reboots=bool(head.get("reboots", False)),
            )
        except (ValueError, KeyError, TypeError, IndexError):
            return None
        done: list[Done] = []
        awaits: Awaited | None = None
        end = ""
        for line in lines[1:]:
            try:
                fields = json.loads(line)
                if "end" in fields:
                    end = str(fields["end"])
                elif "awaits" in fields:
                    awaits = Awaited(*_words(fields["awaits"], 3))
                else:
                    done.append(_done(fields))
            except (ValueError, KeyError, TypeError):
                break
        return replace(found, done=tuple(done), awaits=awaits, end=end)


def done_line(item: Done) -> str:
    """The line of a step."""
    found = item.collected
    fields: dict[str, Any] = {"script": item.script, "elapsed_s": round(item.elapsed_s, 3)}
    if item.wants_reboot:
        fields["reboot"] = True
    if item.is_synced:
        fields["synced"] = True
    for name in ("services", "works", "caches", "triggers"):
        if some := getattr(found, name):
            fields[name] = some
    return json.dumps(fields) + "\n"


def awaits_line(awaited: Awaited) -> str:
    """The line that says which kernel is on trial."""
    return json.dumps({"awaits": awaited}) + "\n"


def end_line(end: str) -> str:
    """The line that says how it ended."""
    return json.dumps({"end": end}) + "\n"


def _done(fields: dict[str, Any]) -> Done:
    collected = Collected(
        tuple(ServiceFact(*_words(item, 3)) for item in fields.get("services", ())),
        tuple(Work(WorkKind(kind), asker) for kind, asker in fields.get("works", ())),
        tuple(map(str, fields.get("caches", ()))),
        tuple(map(str, fields.get("triggers", ()))),
    )
    return Done(str(fields["script"]), float(fields["elapsed_s"]), "reboot" in fields, collected, "synced" in fields)


def _words(item: Iterable[object], count: int) -> tuple[str, ...]:
    words = tuple(map(str, item))
    if len(words) != count:
        raise ValueError(f"{count} words are expected")
    return words
