"""How boldly a rollout goes: canaries, batches, what may be unavailable at a time, how many failures it bears, and when it may begin."""

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Final, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from reprov.errors import InvalidInput

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_EPOCH_WEEKDAY: Final = 3  # 1970-01-01 was a Thursday
_DAY_S: Final = 86400
_AMOUNT: Final = re.compile(r"[1-9][0-9]*|([1-9][0-9]?|100)%")
_WINDOW: Final = re.compile(
    rf"((?P<first>{'|'.join(_DAYS)})(-(?P<last>{'|'.join(_DAYS)}))? )?(?P<from>[0-2]\d:[0-5]\d)-(?P<to>[0-2]\d:[0-5]\d)"
)


class Window(NamedTuple):
    """A span of the day, in UTC, in which hosts may begin; one that ends before it begins ends on the next day."""

    weekdays: frozenset[int]
    """The days on which it opens, Monday is 0."""
    opens_s: int
    lasts_s: int

    @classmethod
    def parse(cls, text: str) -> "Window":
        """Read "mon-fri 22:00-04:00", "sun 03:00-05:00" or "01:00-05:00". Raises `ValueError`."""
        found = _WINDOW.fullmatch(text)
        if found is None or max(found["from"], found["to"]) > "24:00":
            raise ValueError(f"{text!r} is not a window, as in 'mon-fri 22:00-04:00' (UTC)")
        first = _DAYS.index(found["first"] or "mon")
        last = _DAYS.index(found["last"] or found["first"] or "sun")
        weekdays = frozenset((first + offset) % 7 for offset in range((last - first) % 7 + 1))
        opens_s = _seconds(found["from"])
        return cls(weekdays, opens_s, (_seconds(found["to"]) - opens_s) % _DAY_S or _DAY_S)

    def opens_at(self, now: float) -> float:
        """When it is open next, in seconds since the epoch: `now` while it is."""
        today = int(now // _DAY_S)
        for day in range(today - 1, today + 8):
            begins = float(day * _DAY_S + self.opens_s)
            if (day + _EPOCH_WEEKDAY) % 7 in self.weekdays and begins + self.lasts_s > now:
                return max(begins, now)
        raise AssertionError("a window opens on one day of the week at least")


def _seconds(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60


@lru_cache
def _window(text: str) -> Window:
    return Window.parse(text)


def _is_window(text: str) -> str:
    _window(text)
    return text


def _is_amount(text: str) -> str:
    if not _AMOUNT.fullmatch(text):
        raise ValueError(f"{text!r} is neither a number of hosts nor a share of them, as in '5' or '10%'")
    return text


Amount = Annotated[str, AfterValidator(_is_amount)]
"""So many hosts ("5"), or such a share of a stage's hosts ("10%", rounded up)."""


class Policy(BaseModel):
    """What an operator allows; every value has the careful default."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    canary: Annotated[int, Field(ge=0)] = 1
    """The first so many hosts of a stage go before all others, alone; when one of them fails, the rollout stops. One that
    cannot be reached tells nothing, and leaves its part to the next host."""
    ask_after_canary: bool = False
    """Stop behind the canaries of each stage until somebody says that it goes on."""
    batches: Annotated[tuple[Amount, ...], Field(min_length=1, strict=False)] = ("1",)
    """The sizes of the batches after the canaries, one after the other; the last one stays: ("1", "10%", "25%")."""
    by_domain: bool = False
    """No batch has hosts of two failure domains."""
    max_unavailable: Annotated[int, Field(ge=1)] | None = None
    """So many hosts may be unavailable in all: those being worked on, and those that failed or cannot be reached."""
    max_unavailable_per_domain: Annotated[int, Field(ge=1)] | None = None
    max_failures: Annotated[int, Field(ge=0)] = 0
    """With more failed hosts no further host begins. Those that began go through their stage."""
    soak_s: Annotated[float, Field(ge=0, strict=False)] = 0.0
    """The time between the end of a batch and the beginning of the next one."""
    skip_unreachable: bool = False
    """A host that cannot be reached is no failure. It still counts as unavailable."""
    retry_failed: bool = False
    """Begin with what was given up: hosts that failed, could not be reached, or were skipped go on at the step where they stopped."""
    windows: Annotated[tuple[Annotated[str, AfterValidator(_is_window)], ...], Field(strict=False)] = ()
    """Hosts begin only then, `Window.parse`; what has begun is brought to its end. Empty: at any time."""

    @classmethod
    def of(cls, fields: Mapping[str, object], source: str) -> "Policy":
        """The policy of these fields. Raises `InvalidInput` that says which one is wrong."""
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            problem = error.errors()[0]
            name = ".".join(map(str, problem["loc"]))
            raise InvalidInput(f"{source}: policy: {name}: {problem['msg'].removeprefix('Value error, ')}") from None

    def batch_size(self, number: int, hosts: int) -> int:
        """How many hosts the batch of that number (from 0, without canaries) has in a stage of so many; one at least."""
        amount = self.batches[min(number, len(self.batches) - 1)]
        if amount.endswith("%"):
            return max(1, math.ceil(hosts * int(amount.removesuffix("%")) / 100))
        return int(amount)

    def opens_at(self, now: float) -> float:
        """When hosts may begin: `now` inside a window, else the beginning of the next one."""
        return min((_window(text).opens_at(now) for text in self.windows), default=now)
