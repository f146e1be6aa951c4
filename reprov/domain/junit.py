"""JUnit XML, as CI systems read it: suites of cases. Hosts without reprov have this file, too, and an older Python."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from typing import Final, NamedTuple

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_COUNTS: Final = (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"))


class JUnitCase(NamedTuple):
    """One test."""

    name: str
    elapsed_s: float
    tag: str = ""
    """What went wrong: "failure", "error" (it could not be told), "skipped", or "" for nothing."""
    message: str = ""


class JUnitSuite(NamedTuple):
    """Tests that belong together."""

    name: str
    elapsed_s: float
    cases: tuple[JUnitCase, ...]


def to_junit(suites: Sequence[JUnitSuite]) -> str:
    """The text of a report. Characters that XML cannot hold are question marks in it."""
    top = ElementTree.Element("testsuites")
    for suite in suites:
        counts = {word: str(sum(case.tag == tag for case in suite.cases)) for word, tag in _COUNTS}
        fields = {"name": suite.name, "tests": str(len(suite.cases)), **counts, "time": f"{suite.elapsed_s:.3f}"}
        element = ElementTree.SubElement(top, "testsuite", fields)
        for case in suite.cases:
            _add_case(element, suite.name, case)
    return ElementTree.tostring(top, encoding="unicode") + "\n"


def _add_case(suite: ElementTree.Element, suite_name: str, case: JUnitCase) -> None:
    fields = {"classname": suite_name, "name": _xml(case.name), "time": f"{case.elapsed_s:.3f}"}
    element = ElementTree.SubElement(suite, "testcase", fields)
    if case.tag:
        ElementTree.SubElement(element, case.tag, {"message": _xml(case.message)})


def _xml(text: str) -> str:
    """Without what XML cannot hold."""
    return _NOT_XML.sub("?", text)
