"""Which services a hop touches, and which package is the reason."""

from collections.abc import Iterable

import pytest

from reprov.domain.derivation import derive, in_order, running
from reprov.domain.snippet import Derived, Family, Snippet
from reprov.errors import InvalidInput
from tests.fleet_samples import packages


def snippet(service: str, own: Iterable[str], parts: Iterable[str] = (), units: Iterable[str] = (), after: Iterable[str] = ()) -> Snippet:
    def of(globs: Iterable[str]) -> dict[Family, tuple[str, ...]]:
        return {Family.DEBIAN: tuple(globs), Family.RPM: ()}

    return Snippet(service, service, of(own), of(parts), of(units), False, tuple(after), {}, (), f"{service}.yaml")


SNIPPETS = {
    found.service: found
    for found in (
        snippet("nova-api", ["nova-api"], ["python3-nova"], after=["mariadb"]),
        snippet("nova-compute", ["nova-compute", "nova-compute-*"], ["python3-nova"], after=["libvirt"]),
        snippet("libvirt", ["libvirt-daemon-system"], ["libvirt0"], ["libvirtd*.socket", "libvirtd.service"]),
        snippet("mariadb", ["mariadb-server"]),
    )
}
UNIT = "usr/lib/systemd/system/"


def services(derived: Derived) -> dict[str, list[str]]:
    return {touched.service: [change.name for change in touched.because] for touched in derived.services}


CASES = [
    pytest.param("nova-compute=1 a=1", "nova-compute=2 a=2", {"nova-compute": ["nova-compute"]}, id="its own package"),
    pytest.param("nova-compute-kvm=1", "nova-compute-kvm=2", {"nova-compute": ["nova-compute-kvm"]}, id="a package that a glob names"),
    pytest.param(
        "nova-compute=1 python3-nova=1",
        "nova-compute=1 python3-nova=2",
        {"nova-compute": ["python3-nova"]},
        id="a part touches only what is installed",
    ),
    pytest.param("python3-nova=1", "python3-nova=2", {}, id="a part of nothing that is installed"),
    pytest.param("a=1", "a=1 mariadb-server=1", {"mariadb": ["mariadb-server"]}, id="a package that comes"),
    pytest.param("mariadb-server=1", "a=1", {"mariadb": ["mariadb-server"]}, id="a package that goes"),
    pytest.param("mariadb-server=1 a=1", "mariadb-server=1 a=2", {}, id="no package of a service: step 5 alone"),
    pytest.param(
        "nova-compute=1 libvirt-daemon-system=1 mariadb-server=1 nova-api=1",
        "nova-compute=2 libvirt-daemon-system=2 mariadb-server=2 nova-api=2",
        {
            "libvirt": ["libvirt-daemon-system"],
            "mariadb": ["mariadb-server"],
            "nova-api": ["nova-api"],
            "nova-compute": ["nova-compute"],
        },
        id="in the order in which they are started",
    ),
]


@pytest.mark.parametrize(("old", "new", "expected"), CASES)
def test_only_what_changes_is_touched(old: str, new: str, expected: dict[str, list[str]]) -> None:
    derived = derive("p", packages(*old.split()), packages(*new.split()), SNIPPETS)
    assert list(services(derived).items()) == list(expected.items())
    assert derived.unknown == ()


def test_a_package_that_owns_a_unit_of_a_service_touches_it() -> None:
    owns = {"libvirt-daemon-other": (f"{UNIT}libvirtd-tls.socket",)}
    old = packages("libvirt-daemon-system=1", "libvirt-daemon-other=1", owns=owns)
    new = packages("libvirt-daemon-system=1", "libvirt-daemon-other=2", owns=owns)
    assert services(derive("p", old, new, SNIPPETS)) == {"libvirt": ["libvirt-daemon-other"]}


def test_a_package_with_units_that_no_snippet_knows_is_told() -> None:
    owns = {"frobd": (f"{UNIT}frobd.service", f"{UNIT}frobd.target", "usr/bin/frobd"), "lib": ("usr/lib/lib.so",)}
    old, new = packages("frobd=1", "lib=1", owns=owns), packages("frobd=2", "lib=2", owns=owns)
    derived = derive("p", old, new, SNIPPETS)
    assert derived.services == ()
    assert [(unknown.package.line, unknown.units) for unknown in derived.unknown] == [("upgraded frobd amd64 1 2", ("frobd.service",))]


def test_units_of_a_package_that_goes_are_told_too() -> None:
    old = packages("frobd=1", owns={"frobd": ("etc/init.d/frobd",)})
    derived = derive("p", old, packages("a=1"), SNIPPETS)
    assert [unknown.units for unknown in derived.unknown] == [("frobd.service",)]


def test_a_release_runs_what_it_has_a_package_of() -> None:
    assert running(packages("nova-compute-kvm", "python3-nova", "libvirt0"), SNIPPETS) == {"nova-compute"}


def test_a_service_is_behind_one_that_only_another_is_behind() -> None:
    chain = {found.service: found for found in (snippet("a", ["a"], after=["b"]), snippet("b", ["b"], after=["c"]), snippet("c", ["c"]))}
    assert in_order(["a", "c"], chain) == ("c", "a")


def test_a_circle_is_refused() -> None:
    chain = {found.service: found for found in (snippet("a", ["a"], after=["b"]), snippet("b", ["b"], after=["a"]))}
    with pytest.raises(InvalidInput, match=r"a\.yaml: after: a after b after a"):
        in_order(["a"], chain)
