"""What is pinned, as the parser of oslo.config reads it."""

import importlib.util
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from reprov.domain.version_pins import pinned
from tests.debian_packages import unpacked
from tests.oslo_texts import PINS, TEXTS

pytestmark = [pytest.mark.commands, pytest.mark.needs("apt-get", "dpkg-deb")]
Read = dict[tuple[str, str], list[str]]
"""Every value by section and key, in the order of the file."""


@pytest.fixture(scope="module")
def read() -> Callable[[str], Read]:
    """Reads a file with oslo.config's parser, as its `ConfigParser` does: sections in any case, repeated keys in a list."""
    path = unpacked("python3-oslo.config") / "usr/lib/python3/dist-packages/oslo_config/iniparser.py"
    spec = importlib.util.spec_from_file_location("iniparser", path)
    assert spec and spec.loader
    iniparser: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(iniparser)

    def read_with_oslo(text: str) -> Read:
        found: Read = {}
        sections = [""]

        class Parser(iniparser.BaseParser):  # type: ignore[misc]
            def new_section(self, section: str) -> None:
                sections.append(section if section == "DEFAULT" else section.lower())

            def assignment(self, key: str, value: list[str]) -> None:
                found.setdefault((sections[-1], key), []).append("\n".join(value))

            def comment(self, comment: str) -> None:
                pass

        Parser().parse(text.splitlines())
        return found

    return read_with_oslo


@given(text=TEXTS, pins=PINS)
def test_the_pins_are_what_counts_and_nothing_else_has_changed(read: Callable[[str], Read], text: str, pins: dict[str, str]) -> None:
    before, after = read(text), read(pinned(text, "upgrade_levels", pins).text)
    for key, value in pins.items():
        assert after.pop(("upgrade_levels", key))[-1] == value
        before.pop(("upgrade_levels", key), None)
    assert after == before
