"""Triggers that scripts activate while they run."""

from dataclasses import replace

from reprov.domain.late_triggers import late_trigger_steps
from reprov.domain.post_script import Step
from tests.debian_trees import a_package, a_tree

SCRIPTS = {"postinst": "#!/bin/sh -e\ndo-something\n"}
TREE = a_tree(
    a_package("libc-bin", "2.36", scripts=SCRIPTS, triggers="interest-noawait ldconfig\n"),
    a_package("man-db", scripts=SCRIPTS, triggers="interest /usr/share/man\ninterest manuals\n"),
    a_package("silent", triggers="interest ldconfig\n", scripts={}),
)
KNOWN = Step("libc-bin.postinst triggered", ("/bin/sh",), ("triggered", "ldconfig other"), "", "libc-bin")


def test_who_is_interested_is_told_all_at_once() -> None:
    (step,) = late_trigger_steps(["manuals", "/usr/share/man", "manuals", "nobody's"], TREE, (), ())
    assert (step.script, step.arguments) == (
        "man-db.postinst triggered late: manuals /usr/share/man",
        ("triggered", "manuals /usr/share/man"),
    )
    assert (step.package, step.interpreter, step.path) == ("man-db", ("/bin/sh", "-e"), "/var/lib/dpkg/info/man-db.postinst")


def test_what_the_post_script_has_a_step_for_is_no_late_one() -> None:
    assert late_trigger_steps(["ldconfig"], TREE, (KNOWN,), ()) == ()
    assert len(late_trigger_steps(["ldconfig"], TREE, (replace(KNOWN, package="another"),), ())) == 1


def test_what_has_run_does_not_run_again() -> None:
    (step,) = late_trigger_steps(["ldconfig"], TREE, (), ())
    assert late_trigger_steps(["ldconfig"], TREE, (), {step.script}) == ()
