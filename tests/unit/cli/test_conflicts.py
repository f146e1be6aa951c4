"""reprov conflicts: what it answers and asks for."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from reprov.domain.conflicts import Take, Unsettled, unsettled_in
from reprov.errors import InvalidInput
from reprov.workflows import conflicts as workflow
from reprov.workflows.conflicts import Compared, Found, Settled
from tests.builders import ONE, a_dir, a_file, a_link, a_tree

ALL = unsettled_in(
    a_tree(
        a_file("etc/ssh/sshd_config", "n"),
        a_file("etc/ssh/sshd_config.reprov-new", "r"),
        a_link("etc/motd.reprov-new", "r"),
        a_file("etc/is\nsue", "r"),
        a_file("etc/is\nsue.reprov-new", "r"),
        a_dir("etc/cron.deny"),
        a_file("etc/cron.deny.reprov-new", "r"),
    )
)
CRON, ISSUE, MOTD, SSHD = ALL


@pytest.fixture
def listing(monkeypatch: pytest.MonkeyPatch, reprov: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Runs `reprov conflicts` on a node with these conflicts."""

    def run(conflicts: Sequence[Unsettled], *words: str) -> Any:
        def find_conflicts(root: Path) -> Found:
            assert root == tmp_path
            return Found(ONE, tuple(conflicts))

        monkeypatch.setattr(workflow, "find_conflicts", find_conflicts)
        return reprov("conflicts", "--root", tmp_path, *words)

    return run


@pytest.fixture
def comparing(monkeypatch: pytest.MonkeyPatch, reprov: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Runs `reprov conflicts --diff` where this comes out."""

    def run(compared: Sequence[Compared], *words: str, asking: tuple[str, ...] = ()) -> Any:
        def compare_conflicts(root: Path, paths: Sequence[str]) -> tuple[Compared, ...]:
            assert (root, paths) == (tmp_path, asking)
            return tuple(compared)

        monkeypatch.setattr(workflow, "compare_conflicts", compare_conflicts)
        return reprov("conflicts", "--diff", "--root", tmp_path, *words)

    return run


@pytest.fixture
def taking(monkeypatch: pytest.MonkeyPatch, reprov: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Runs `reprov conflicts --take` where this comes out."""

    def run(done: Settled | Exception, side: str, *words: str, asking: tuple[str, ...] = ("/etc/x",)) -> Any:
        def settle_conflicts(root: Path, take: Take, paths: Sequence[str], monitor: object) -> Settled:
            assert (root, take, paths) == (tmp_path, Take(side), asking)
            if isinstance(done, Exception):
                raise done
            return done

        monkeypatch.setattr(workflow, "settle_conflicts", settle_conflicts)
        return reprov("conflicts", "--root", tmp_path, "--take", side, *(words or asking))

    return run


def test_no_conflicts(listing: Callable[..., Any]) -> None:
    done = listing([])
    assert (done.status, done.stdout) == (0, "no conflicts\n")


def test_conflicts_are_listed_with_what_settles_them(listing: Callable[..., Any]) -> None:
    done = listing(ALL)
    assert (done.status, done.stdout) == (
        3,
        """\
STANDING  NODE  RELEASE  PATH
differs   dir   file     /etc/cron.deny
same now  file  file     /etc/is\\nsue
gone      -     link     /etc/motd
differs   file  file     /etc/ssh/sshd_config

4 conflicts on base 1.0; the release's lie beside, as PATH.reprov-new
differs   --diff PATH shows how; --take ours PATH keeps it,
          --take theirs PATH puts the release's in its place
same now  both are alike by now; --take ours PATH tidies up
gone      the node removed it; --take ours PATH leaves it so,
          --take theirs PATH brings it back
dir       is not replaced: to take the release's, move it away first
""",
    )


def test_only_what_there_is_is_explained(listing: Callable[..., Any]) -> None:
    assert listing([MOTD]).stdout.splitlines()[3:] == [
        "1 conflict on base 1.0; the release's lie beside, as PATH.reprov-new",
        "gone      the node removed it; --take ours PATH leaves it so,",
        "          --take theirs PATH brings it back",
    ]


@pytest.mark.parametrize(("conflicts", "status"), [((), 0), ((MOTD, SSHD), 3)], ids=["none", "some"])
def test_json(listing: Callable[..., Any], conflicts: tuple[Unsettled, ...], status: int) -> None:
    rows = [
        {"path": "/etc/motd", "new": "/etc/motd.reprov-new", "standing": "gone", "node": None, "release": "link"},
        {
            "path": "/etc/ssh/sshd_config",
            "new": "/etc/ssh/sshd_config.reprov-new",
            "standing": "differs",
            "node": "file",
            "release": "file",
        },
    ]
    done = listing(conflicts, "--json")
    assert (done.status, json.loads(done.stdout)) == (
        status,
        {"role": "base", "version": "1.0", "conflicts": rows if conflicts else []},
    )


def test_differences(comparing: Callable[..., Any]) -> None:
    done = comparing([Compared(SSHD, ("-n", "+r")), Compared(ISSUE, ()), Compared(CRON, None), Compared(MOTD, None)])
    assert (done.status, done.stdout) == (
        3,
        """\
-n
+r
/etc/is\\nsue and /etc/is\\nsue.reprov-new are the same
/etc/cron.deny: dir here, file of 1 B in the release; no lines to show
/etc/motd: nothing here, link in the release; no lines to show
""",
    )


def test_the_differences_of_some_paths(comparing: Callable[..., Any]) -> None:
    done = comparing([Compared(SSHD, ("-n", "+r")), Compared(CRON, None)], "/etc/x", "--json", "/etc/y", asking=("/etc/x", "/etc/y"))
    found = json.loads(done.stdout)["conflicts"]
    assert [(item["path"], item["diff"]) for item in found] == [("/etc/ssh/sshd_config", ["-n", "+r"]), ("/etc/cron.deny", None)]


def test_no_differences(comparing: Callable[..., Any]) -> None:
    done = comparing([])
    assert (done.status, done.stdout) == (0, "no conflicts\n")


SETTLED = {
    "the release's": ("theirs", "tidied up /etc/is\\nsue\ntaken /etc/motd\ntaken /etc/ssh/sshd_config\n1 conflict left\n"),
    "the node's": ("ours", "tidied up /etc/is\\nsue\nstays away /etc/motd\nstays /etc/ssh/sshd_config\n1 conflict left\n"),
}


@pytest.mark.parametrize(("side", "text"), SETTLED.values(), ids=SETTLED)
def test_what_was_settled_and_what_is_left(taking: Callable[..., Any], side: str, text: str) -> None:
    done = taking(Settled((ISSUE, MOTD, SSHD), 1), side)
    assert (done.status, done.stdout) == (0, text)


def test_settled_json(taking: Callable[..., Any]) -> None:
    done = taking(Settled((MOTD,), 0), "theirs", "--json", "/etc/x")
    row = {"path": "/etc/motd", "new": "/etc/motd.reprov-new", "standing": "gone", "node": None, "release": "link"}
    assert (done.status, json.loads(done.stdout)) == (0, {"take": "theirs", "settled": [row], "left": 0})


def test_a_path_that_is_no_conflict(taking: Callable[..., Any]) -> None:
    done = taking(InvalidInput("/etc/x is no conflict", hint="did you mean /etc/y?"), "ours")
    assert (done.status, done.stdout, done.stderr) == (2, "", "reprov: /etc/x is no conflict\nhint: did you mean /etc/y?\n")


USAGE = {
    "settling needs paths": (("--take", "ours"), "--take needs the PATHs that are to be settled"),
    "a path needs a verb": (("/etc/x",), "a PATH needs --diff or --take"),
    "one thing at a time": (("--take", "ours", "--diff", "/etc/x"), "--take and --diff are two things"),
    "there are two sides": (("--take", "mine", "/etc/x"), "Invalid value for '--take': 'mine' is not one of 'ours', 'theirs'."),
}


@pytest.mark.parametrize(("words", "message"), USAGE.values(), ids=USAGE)
def test_wrong_usage(reprov: Callable[..., Any], tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    done = reprov("conflicts", "--root", tmp_path, *words)
    assert (done.status, done.stderr) == (2, f"reprov: {message}\nhint: reprov conflicts --help\n")
