"""A node has neither the server's libraries nor time to wait for libraries that a verb may not need."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from reprov.cli.verbs import VERBS, Section

NODE_VERBS = [name for name, verb in VERBS.items() if verb.section is Section.NODE]
SERVER_ONLY = ("yaml", "pydantic", "ansible", "ansible_runner")
SLOW = ("rich", "jinja2", "plumbum", "pyroute2", "pyudev", "selinux", "asyncio", "urllib.request", "http.client")
"""Between 30 and 250 ms each: to be imported where they are used, not when a verb is loaded."""


@contextmanager
def hidden(*names: str) -> Iterator[None]:
    """Inside the block these modules cannot be imported, and nothing of reprov has been."""
    before = dict(sys.modules)
    tops = {*names, "reprov"}
    for loaded in before:
        if loaded in tops or loaded.split(".")[0] in tops:
            del sys.modules[loaded]
    sys.modules.update(dict.fromkeys(names))  # type: ignore[arg-type] # None is how Python spells "cannot be imported"
    try:
        yield
    finally:
        sys.modules.clear()
        sys.modules.update(before)


@pytest.mark.parametrize("verb", NODE_VERBS)
def test_a_node_verb_needs_no_server_library(verb: str) -> None:
    with hidden(*SERVER_ONLY):
        importlib.import_module("reprov.cli.verbs").load(verb)


@pytest.mark.parametrize("verb", NODE_VERBS)
def test_a_node_verb_loads_without_slow_libraries(verb: str) -> None:
    with hidden(*SLOW):
        importlib.import_module("reprov.cli.verbs").load(verb)


def test_the_entry_point_loads_without_slow_libraries() -> None:
    with hidden(*SLOW, "logging", "subprocess", "dataclasses"):
        importlib.import_module("reprov.cli.main")


def test_a_hidden_library_cannot_be_imported() -> None:
    with hidden("yaml"), pytest.raises(ModuleNotFoundError, match="yaml"):
        importlib.import_module("yaml")
