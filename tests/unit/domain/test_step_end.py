"""What is said of a step that ended, and the line of its script."""

from dataclasses import replace

import pytest

from reprov.domain.collected import Collected
from reprov.domain.failing_line import complained_line, traced_line
from reprov.domain.post_script import Step
from reprov.domain.step_end import StepEnd

STEP = Step("ssh.postinst", ("/bin/sh",), (), "", "openssh-server", "1:9.2")
FINE = StepEnd(0, "", None, "", 0.1, "/log", Collected())

ENDS = {
    "well": (FINE, ""),
    "well, but with a reboot": (FINE._replace(status=100), ""),
    "with a line and words": (
        FINE._replace(status=1, line=7, last="no such user"),
        "ssh.postinst (openssh-server 1:9.2) failed with status 1 at line 7: no such user",
    ),
    "in silence": (FINE._replace(status=2), "ssh.postinst (openssh-server 1:9.2) failed with status 2: it said nothing"),
    "by a signal": (
        FINE._replace(status=137, line=3),
        "ssh.postinst (openssh-server 1:9.2) was ended by signal 9 at line 3: it said nothing",
    ),
    "by us": (
        FINE._replace(status=124, problem="it took too long", line=2),
        "ssh.postinst (openssh-server 1:9.2) was stopped at line 2: it took too long",
    ),
    "well, having called reboot": (
        FINE._replace(collected=Collected(refused=("reboot -f",))),
        "ssh.postinst (openssh-server 1:9.2) wanted to end the system by 'reboot -f'",
    ),
}


@pytest.mark.parametrize(("end", "text"), ENDS.values(), ids=ENDS)
def test_how_it_ended(end: StepEnd, text: str) -> None:
    assert end.failure(STEP) == text


def test_a_fragment_of_the_role_has_no_package() -> None:
    fragment = replace(STEP, script="50-ceph-osd", package="", version="")
    assert FINE._replace(status=1, last="no").failure(fragment) == "50-ceph-osd failed with status 1: no"


def test_the_last_line_that_the_script_itself_has_begun() -> None:
    trace = b"+/s/x.postinst:3: echo\n++/s/x.postinst:5: ls /\n+/usr/share/debconf/confmodule:80: read\nwords of 5:9: one\n"
    assert traced_line(trace, "/s/x.postinst") == 5
    assert traced_line(b"+/other:1: x\n", "/s/x.postinst") is None


COMPLAINTS = {
    "/s/x: 12: nope: not found\n": 12,
    "/s/x: line 4: syntax error near `fi'\n": 4,
    'Traceback:\n  File "/s/x", line 2, in <module>\n  File "/s/x", line 9, in f\n': 9,
    "Died at /s/x line 33.\n": 33,
    "/s/y: 12: nope\n": None,
}


@pytest.mark.parametrize(("output", "line"), COMPLAINTS.items())
def test_the_line_that_an_interpreter_complains_about(output: str, line: int | None) -> None:
    assert complained_line(output, "/s/x") == line
