"""Which maintainer scripts run, with which arguments and in which order, against the real dpkg that changes a tree of small packages.

dpkg is made to go in the phases of a post-script: it removes, unpacks in the order of the post-script, configures in an order of its own,
and processes triggers at the end. Only the calls of prerm are left out.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from reprov.adapters.package_tree import read_package_tree
from reprov.domain.debian_package import DebianTree
from reprov.domain.post_script import Step
from reprov.domain.post_script_debian import scripts_between
from tests.dpkg_lab import ENVIRONMENT, Call, Deb, Lab

pytestmark = [pytest.mark.commands, pytest.mark.needs("dpkg", "dpkg-deb", "dpkg-trigger")]

INTERESTED = "interest named\ninterest /usr/share/x\n"


class Case(NamedTuple):
    """From some packages to others."""

    old: Sequence[Deb] = ()
    new: Sequence[Deb] = ()
    """Those that are installed anew or upgraded."""
    gone: Sequence[str] = ()
    removed_before: Sequence[str] = ()
    """Of the old ones, those of which configuration files alone are left."""


SAME = "Multi-Arch: same\n"
CASES = {
    "a package is upgraded": Case([Deb("a")], [Deb("a", "2")]),
    "a package is downgraded": Case([Deb("a", "2:2")], [Deb("a", "1~rc1")]),
    "a package comes, one goes, one stays": Case([Deb("gone"), Deb("stays")], [Deb("comes")], gone=["gone"]),
    "a package comes back of which configuration is left": Case([Deb("a"), Deb("b")], [Deb("a", "2")], removed_before=["a"]),
    "the same version comes back": Case([Deb("a"), Deb("b")], [Deb("a")], removed_before=["a"]),
    "only some scripts are there": Case(
        [Deb("a", scripts=["postrm"]), Deb("b", scripts=[])], [Deb("a", "2", scripts=["postinst"]), Deb("b", "2", scripts=["preinst"])]
    ),
    "the architecture changes": Case([Deb("a"), Deb("b", arch="amd64")], [Deb("a", "2", arch="amd64"), Deb("b", "2")]),
    "two architectures of a package": Case(
        [Deb("a", arch="amd64", fields=SAME), Deb("a", arch="i386", fields=SAME)],
        [Deb("a", "2", arch="amd64", fields=SAME), Deb("a", "2", arch="i386", fields=SAME)],
    ),
    "one of two architectures goes": Case(
        [Deb("a", arch="amd64", fields=SAME), Deb("a", arch="i386", fields=SAME)], [Deb("b")], gone=["a:i386"]
    ),
    "a second architecture comes": Case([Deb("a", arch="amd64", fields=SAME)], [Deb("a", arch="i386", fields=SAME)]),
    "who goes is depended on by who goes": Case(
        [Deb("a"), Deb("b", fields="Depends: a\n"), Deb("c", fields="Depends: b\n")], gone=["a", "b", "c"]
    ),
    "a package disappears": Case(
        [Deb("a", files=["usr/share/f"]), Deb("b")],
        [Deb("c", "3", fields="Replaces: a\nConflicts: a (= 9)\n", files=["usr/share/f", "usr/share/g"])],
    ),
    "dependencies are configured first": Case(
        [],
        [Deb("a", fields="Depends: b, c | d\n"), Deb("b", fields="Depends: d\n"), Deb("c"), Deb("d", fields="Pre-Depends: c\n")],
    ),
    "what is provided counts": Case([], [Deb("a", fields="Depends: mta\n"), Deb("z", fields="Provides: mta\n")]),
    "a circle": Case([], [Deb("a", fields="Depends: b\n"), Deb("b", fields="Depends: a\n")]),
    "a circle with one that does nothing": Case(
        [], [Deb("a", fields="Depends: b\n"), Deb("b", fields="Depends: c\n", scripts=["preinst"]), Deb("c", fields="Depends: a\n")]
    ),
    "a circle of three": Case(
        [],
        [
            Deb("c", fields="Depends: a\n"),
            Deb("b", fields="Depends: c\n"),
            Deb("a", fields="Depends: b\n"),
            Deb("d", fields="Depends: b\n"),
        ],
    ),
    "a path activates": Case([Deb("t", triggers=INTERESTED), Deb("a")], [Deb("a", "2", files=["usr/share/x/deep/f"])]),
    "a path that goes activates": Case([Deb("t", triggers=INTERESTED), Deb("a", files=["usr/share/x/f"])], gone=["a"]),
    "a path that looks alike does not": Case([Deb("t", triggers=INTERESTED), Deb("a")], [Deb("a", "2", files=["usr/share/xy/f"])]),
    "the path of interest itself activates": Case(
        [Deb("t", triggers="interest /usr/share/x\n"), Deb("a")], [Deb("a", "2", files=["usr/share/x"])]
    ),
    "a package activates": Case([Deb("t", triggers=INTERESTED), Deb("a")], [Deb("a", "2", triggers="activate named\n")]),
    "a package that goes activates": Case([Deb("t", triggers=INTERESTED), Deb("a", triggers="activate-noawait named\n")], gone=["a"]),
    "a package that no longer activates does once more": Case(
        [Deb("t", triggers=INTERESTED), Deb("a", triggers="activate named\n")], [Deb("a", "2")]
    ),
    "a script activates": Case(
        [Deb("t", triggers=INTERESTED), Deb("a")], [Deb("a", "2", more={"postinst": "dpkg-trigger --no-await named\n"})]
    ),
    "two are interested": Case(
        [Deb("t", triggers=INTERESTED), Deb("u", triggers="interest-noawait named\n"), Deb("a")],
        [Deb("a", "2", triggers="activate named\n", files=["usr/share/x/f"])],
    ),
    "who is configured last has done it all": Case(
        [Deb("t", triggers=INTERESTED), Deb("a")],
        [Deb("a", "2", files=["usr/share/x/f"]), Deb("t", "2", triggers=INTERESTED, fields="Depends: a\n")],
    ),
    "who activates is configured after who is interested": Case(
        [Deb("t", triggers=INTERESTED), Deb("a")],
        [Deb("a", "2", fields="Depends: t\n", triggers="activate named\n", files=["usr/share/x/f"]), Deb("t", "2", triggers=INTERESTED)],
    ),
    "who is interested is configured after who activates": Case(
        [Deb("t", triggers=INTERESTED), Deb("a")],
        [Deb("a", "2", triggers="activate named\n"), Deb("t", "2", triggers=INTERESTED, fields="Depends: a\n")],
    ),
    "a package activates what itself is interested in": Case(
        [Deb("t", triggers=INTERESTED)], [Deb("t", "2", triggers=f"{INTERESTED}activate named\n", files=["usr/share/x/f"])]
    ),
    "a script activates its own package": Case(
        [Deb("t", triggers=INTERESTED)],
        [Deb("t", "2", triggers=INTERESTED, more={"postinst": '[ "$1" = triggered ] || dpkg-trigger --no-await named\n'})],
    ),
    "the interest is new": Case(
        [Deb("t"), Deb("a")], [Deb("a", "2", triggers="activate named\n"), Deb("t", "2", triggers=INTERESTED, fields="Depends: a\n")]
    ),
}


def call_of(step: Step) -> Call:
    """The call that a step stands for."""
    environment = dict(step.environment)
    script = f"{step.package}.{environment['DPKG_MAINTSCRIPT_NAME']}"
    return Call(script, step.version, step.arguments, tuple(environment[name] for name in ENVIRONMENT))


def by_name(call: Call) -> Call:
    """dpkg tells triggers in the order in which they came, the last one first; a post-script by name, so that it is always the same."""
    return call._replace(arguments=("triggered", " ".join(sorted(call.arguments[1].split())))) if call.arguments[0] == "triggered" else call


def change(lab: Lab, case: Case, order: Sequence[str]) -> list[Call]:
    """Have dpkg do it, in the phases of a post-script, the packages in this order; all that it calls."""
    debs = {f"{deb.name}:{deb.arch}": made for deb, made in zip(case.new, lab.build(case.new), strict=True)}
    keys = sorted(debs, key=lambda key: order.index(key) if key in order else 0)
    calls = lab.dpkg("--no-triggers", "--remove", *case.gone) if case.gone else []
    if keys:
        calls += lab.dpkg("--no-triggers", "--force-depends", "--unpack", *(debs[key] for key in keys))
        calls += lab.dpkg("--no-triggers", "--configure", *keys)
    calls += lab.dpkg("--triggers-only", "--pending")
    # What disappears does so while another package is unpacked; in a post-script, what goes comes first.
    return sorted(calls, key=lambda call: call.arguments[0] != "disappear")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_dpkg_calls_the_same(case: Case, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    (lab.root / "var/lib/dpkg/arch").write_text("amd64\ni386\n")
    lab.dpkg("--install", *lab.build([*case.old, Deb("dpkg", "1.21.22", scripts=[])]))
    if case.removed_before:
        lab.dpkg("--remove", *case.removed_before)
    tried = lab.copied()
    change(tried, case, ())
    old, new = read_package_tree(lab.root), read_package_tree(tried.root)
    assert isinstance(old, DebianTree) and isinstance(new, DebianTree)
    steps = scripts_between(old, new, ())
    expected = [call_of(step) for step in steps]
    order = [f"{step.package}:{dict(step.environment)['DPKG_MAINTSCRIPT_ARCH']}" for step in steps]
    assert [by_name(call) for call in change(lab, case, order)] == expected
    assert expected
