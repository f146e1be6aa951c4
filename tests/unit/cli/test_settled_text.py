"""What was done to services, as an operator reads it."""

import sys

import pytest

from reprov.cli.settled_text import print_settled
from reprov.domain.services import Act, LeftAlone, Verb
from reprov.workflows.services import Failure, Settled

OSD = "ceph-01234567-89ab-cdef-0123-456789abcdef@osd.3.service"
SHORT = Settled(
    (Act("cron.service", Verb.RESTART, "runs an old /usr/sbin/cron"),),
    left_alone=(
        LeftAlone(
            "dbus.service", "runs an old /usr/bin/dbus-daemon", "every service would lose its connection to the message bus", "reboot"
        ),
    ),
    failed=(Failure("x.service", "is failed after its restart"),),
    reboot_reasons=("dbus.service runs an old /usr/bin/dbus-daemon, and is not restarted: it is the message bus",),
)
LONG = Settled(
    (Act("cron.service", Verb.RESTART, "runs an old /usr/sbin/cron"),),
    left_alone=(
        LeftAlone(
            OSD,
            "runs an old /usr/bin/ceph-osd",
            "an OSD is restarted behind its gate alone",
            "set noout, then restart the OSDs of one host at a time",
        ),
    ),
)
PIPED = """\
unit          what        why
cron.service  restart     runs an old /usr/sbin/cron
dbus.service  left alone  runs an old /usr/bin/dbus-daemon; every service would lose its connection to the message bus: reboot
x.service     failed      is failed after its restart
reboot wanted: dbus.service runs an old /usr/bin/dbus-daemon, and is not restarted: it is the message bus
"""
FOLDED = """\
unit          what        why
cron.service  restart     runs an old /usr/sbin/cron
dbus.service  left alone  runs an old /usr/bin/dbus-daemon; every service would
                          lose its connection to the message bus: reboot
x.service     failed      is failed after its restart
reboot wanted: dbus.service runs an old /usr/bin/dbus-daemon, and is not
  restarted: it is the message bus
"""
BELOW = f"""\
unit{" " * 53}what        why
cron.service{" " * 45}restart
  runs an old /usr/sbin/cron
{OSD}  left alone
  runs an old /usr/bin/ceph-osd; an OSD is restarted behind its gate alone: set
  noout, then restart the OSDs of one host at a time
"""


@pytest.mark.parametrize(
    ("done", "on_terminal", "wanted"),
    [
        pytest.param(Settled(), True, "", id="nothing where nothing was done"),
        pytest.param(SHORT, False, PIPED, id="a line for each in a pipe"),
        pytest.param(SHORT, True, FOLDED, id="reasons folded on a terminal"),
        pytest.param(LONG, True, BELOW, id="reasons below names that leave no room"),
    ],
)
def test_the_answer(
    done: Settled, on_terminal: bool, wanted: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: on_terminal)
    print_settled(done)
    out = capsys.readouterr().out
    assert out == wanted
    assert not on_terminal or max(map(len, out.splitlines()), default=0) <= 80
