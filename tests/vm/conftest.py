"""Nodes that boot, in a virtual machine that need not be a fast one: `make vm` runs these, `make test` does not."""

from tests.system.conftest import nothing_stays_behind

__all__ = ["nothing_stays_behind"]
