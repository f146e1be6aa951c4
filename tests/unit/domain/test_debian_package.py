"""Reading relations and triggers of Debian packages."""

import pytest

from reprov.domain.debian_package import Directive, Relations, Trigger, parse_packages, parse_relations, parse_triggers
from reprov.errors import InvalidInput

STATUS = """\
Package: libpam0g
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Version: 1.5.2-6
Depends: libc6 (>= 2.34), debconf (>= 0.5) | debconf-2.0
Pre-Depends: python3:any
Provides: pam, pam-abi (= 1)
Replaces: libpam0g-util
Description: x
 Depends: of a description, not of the package

Package: left
Status: deinstall ok config-files
Architecture: all
Version: 2
Config-Version: 1

Package: gone
Status: deinstall ok not-installed
"""


def test_relations_of_installed_packages_and_what_has_left_configuration() -> None:
    packages, left_over = parse_packages(STATUS, "status")
    assert [(package.key, package.info_name) for package in packages] == [("libpam0g:amd64", "libpam0g:amd64")]
    assert packages[0].depends == (("libc6",), ("debconf", "debconf-2.0"))
    assert packages[0].pre_depends == (("python3",),)
    assert packages[0].provides == ("pam", "pam-abi")
    assert packages[0].replaces == ("libpam0g-util",)
    assert left_over == {"left:all": "1"}


@pytest.mark.parametrize(
    ("text", "relations"),
    [
        pytest.param("", (), id="none"),
        pytest.param("a,b (<< 1~), ", (("a",), ("b",)), id="versions and a comma at the end"),
        pytest.param("a:amd64 (= 1) | b+c.d-1", (("a", "b+c.d-1"),), id="alternatives and architectures"),
        pytest.param("a\t,\tb", (("a",), ("b",)), id="any space"),
    ],
)
def test_relations(text: str, relations: Relations) -> None:
    assert parse_relations(text, "here") == relations


@pytest.mark.parametrize("text", ["A", "a b", "a (", "a | ", "$(x)", "a (= 1) (= 2)"])
def test_what_is_no_relation_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"^status:1: x: Depends: not a relation: "):
        parse_packages(f"Package: x\nStatus: install ok installed\nArchitecture: all\nVersion: 1\nDepends: {text}\n", "status")


def test_a_package_without_an_architecture_is_refused_by_line() -> None:
    with pytest.raises(InvalidInput, match=r"^status:2: a package without Architecture$"):
        parse_packages("\nPackage: x\nStatus: install ok installed\nVersion: 1\n", "status")


def test_triggers() -> None:
    text = "# by debhelper\n\ninterest-noawait /usr/share/x\nactivate ldconfig # now\ninterest-await a\nactivate-noawait b\n"
    assert parse_triggers(text, "x.triggers") == (
        Trigger(Directive.INTEREST, "/usr/share/x"),
        Trigger(Directive.ACTIVATE, "ldconfig"),
        Trigger(Directive.INTEREST, "a"),
        Trigger(Directive.ACTIVATE, "b"),
    )


@pytest.mark.parametrize("line", ["interest", "interest a b", "wants a", "interest-later a", "-await a"])
def test_what_is_no_trigger_is_refused_by_line(line: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        parse_triggers(f"interest a\n{line}\n", "x.triggers")
    assert raised.value.message == f"x.triggers:2: not a line of a triggers file: {line!r}"
