"""How many hosts a profile may have, in the words of config-tools: `2`, `3n`, `1+2n`, `n`."""

import re
from typing import NamedTuple

_NUMBER = "[1-9][0-9]{0,5}"
_EXACT = re.compile(rf" *(0|{_NUMBER}) *")
_GROUPS = re.compile(rf" *(?:(?P<least>0|{_NUMBER}) *\+ *)?(?P<step>{_NUMBER})? *n *")


class Arity(NamedTuple):
    """So many hosts at least, and beyond them groups of `step` hosts; a step of 0 is exactly so many."""

    least: int
    step: int = 0

    @classmethod
    def parse(cls, text: str) -> "Arity":
        """Read `2` (two), `3n` (any number of threes, none included), `1+2n` (an odd number), `n` (any). Raises `ValueError`."""
        if exact := _EXACT.fullmatch(text):
            return cls(int(exact[1]))
        if groups := _GROUPS.fullmatch(text):
            return cls(int(groups["least"] or 0), int(groups["step"] or 1))
        raise ValueError(f"{text!r} is not an arity, which is written as 2 (exactly two), 3n (in threes), 1+2n (an odd number) or n (any)")

    def fits(self, count: int) -> bool:
        """True when a profile may have so many hosts."""
        if self.step == 0:
            return count == self.least
        return count >= self.least and (count - self.least) % self.step == 0

    def nearest(self, count: int) -> tuple[int, ...]:
        """The counts that would fit, nearest to this one from below and from above."""
        if self.fits(count):
            return (count,)
        if count < self.least or self.step == 0:
            return (self.least,)
        below = count - (count - self.least) % self.step
        return below, below + self.step

    def __str__(self) -> str:
        """As it is written in infra.yaml."""
        if self.step == 0:
            return str(self.least)
        group = f"{self.step if self.step > 1 else ''}n"
        return f"{self.least}+{group}" if self.least else group
