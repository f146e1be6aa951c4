"""Which maintainer scripts a hop runs; the oracle test compares the same with the real dpkg."""

import pytest

from reprov.domain.debian_package import DebianTree
from reprov.domain.post_script_debian import scripts_between
from tests.debian_trees import a_package, a_tree

DO = "#!/bin/sh -e\ndo-something\n"
ALL = {"preinst": DO, "postinst": DO, "postrm": DO}
DPKG = a_package("dpkg", "1.21.22+deb12u1", scripts={})


def calls(old: DebianTree, new: DebianTree, *changed: str) -> list[str]:
    return [f"{step.script}: {' '.join(word or '-' for word in step.arguments)}" for step in scripts_between(old, new, changed)]


def test_a_hop_without_changed_packages_runs_no_scripts() -> None:
    tree = a_tree(a_package("a", scripts=ALL), a_package("t", scripts=ALL, triggers="interest /etc\n"))
    assert scripts_between(tree, tree, ["etc/a"]) == ()


def test_phases() -> None:
    old = a_tree(
        a_package("gone", scripts=ALL), a_package("up", scripts=ALL), a_package("t", scripts=ALL, triggers="interest /etc\ninterest n\n")
    )
    new = a_tree(
        a_package("come", scripts=ALL, triggers="activate n\n"),
        a_package("up", "2", scripts=ALL, depends="z"),
        a_package("z", "2", scripts={}),
        old.packages["t:all"],
    )
    assert calls(old, new, "etc/a") == [
        "gone.postrm: remove",
        "come.preinst: install",
        "up.preinst: upgrade 1 2",
        "up.postrm: upgrade 2",
        "come.postinst: configure -",
        "up.postinst: configure 1",
        "t.postinst triggered: triggered /etc n",
    ]


def test_old_scripts_are_those_of_the_old_tree() -> None:
    old = a_tree(a_package("a", scripts={"postrm": "#!/bin/sh\nold\n"}))
    new = a_tree(a_package("a", "2", scripts={"postrm": "#!/bin/sh\nnew\n", "prerm": "#!/bin/sh\nnever\n"}))
    assert [(step.script, step.body, step.version) for step in scripts_between(old, new, ())] == [("a.postrm", "#!/bin/sh\nold\n", "1")]


def test_who_goes_does_so_before_what_it_depends_on() -> None:
    old = a_tree(a_package("a", scripts=ALL), a_package("b", scripts=ALL, depends="a"))
    assert calls(old, a_tree()) == ["b.postrm: remove", "a.postrm: remove"]


def test_who_is_replaced_as_a_whole_disappears() -> None:
    old = a_tree(a_package("a", scripts=ALL, listed=("/.", "/f")))
    new = a_tree(a_package("b", "3", scripts={}, replaces=("a",), listed=("/.", "/f", "/g")))
    assert calls(old, new) == ["a.postrm: disappear b 3"]


def test_configuration_that_was_left_makes_it_an_installation_over_that_version() -> None:
    assert calls(a_tree(left_over={"a:all": "0.9"}), a_tree(a_package("a", scripts=ALL))) == [
        "a.preinst: install 0.9 1",
        "a.postinst: configure 0.9",
    ]


def test_what_dpkg_and_debconf_tell_a_script() -> None:
    old = a_tree(a_package("a", arch="i386", same=True))
    new = a_tree(DPKG, a_package("a", arch="amd64", same=True, scripts=ALL), a_package("a", arch="i386", same=True))
    preinst, postinst = scripts_between(old, new, ())
    assert (preinst.script, preinst.package, preinst.version) == ("a:amd64.preinst", "a", "1")
    assert preinst.path == "/var/lib/dpkg/info/a:amd64.preinst"
    assert preinst.interpreter == ("/bin/sh", "-e")
    assert dict(postinst.environment) == {
        "DEBIAN_FRONTEND": "noninteractive",
        "DEBCONF_NONINTERACTIVE_SEEN": "true",
        "DEBCONF_NOWARNINGS": "yes",
        "UCF_FORCE_CONFFOLD": "1",
        "DPKG_ADMINDIR": "/var/lib/dpkg",
        "DPKG_MAINTSCRIPT_ARCH": "amd64",
        "DPKG_MAINTSCRIPT_DEBUG": "0",
        "DPKG_MAINTSCRIPT_NAME": "postinst",
        "DPKG_MAINTSCRIPT_PACKAGE": "a",
        "DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT": "2",
        "DPKG_ROOT": "",
        "DPKG_RUNNING_VERSION": "1.21.22",
    }
    assert dict(preinst.environment)["DEBCONF_PACKAGE"] == "a"


MERGED = {
    "below the path of interest": ("interest /usr/share/x\n", "/usr/share/x/a", True),
    "a path by its name before /usr was merged": ("interest /usr/lib/x\n", "/lib/x/a", True),
    "an interest by its name before /usr was merged": ("interest /lib/x\n", "/usr/lib/x/a", True),
    "a name that only begins alike": ("interest /library\n", "/lib/x", False),
}


@pytest.mark.parametrize(("triggers", "path", "wanted"), MERGED.values(), ids=MERGED.keys())
def test_paths_activate(triggers: str, path: str, wanted: bool) -> None:
    interested = a_package("t", triggers=triggers)
    new = a_tree(interested, a_package("a", scripts={}, listed=(path,)))
    assert bool(calls(a_tree(interested), new)) is wanted


CALLS = {
    "dpkg-trigger --no-await named\n": True,
    "  if x && dpkg-trigger named; then :; fi\n": True,
    "dpkg-trigger --by-package=a --no-await named\n": True,
    "# dpkg-trigger named\n": False,
    "dpkg-trigger other\n": False,
    "dpkg-trigger --no-await named-too\n": False,
}


@pytest.mark.parametrize(("line", "wanted"), CALLS.items(), ids=CALLS.keys())
def test_scripts_activate(line: str, wanted: bool) -> None:
    interested = a_package("t", triggers="interest named\n")
    new = a_tree(interested, a_package("a", scripts={"postinst": f"#!/bin/sh\ndo-it\n{line}"}))
    assert ("t.postinst triggered: triggered named" in calls(a_tree(interested), new)) is wanted
