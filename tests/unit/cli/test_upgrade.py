"""reprov upgrade: what it passes on, what it answers."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reprov.domain.check import Checked
from reprov.domain.commit_time import Chosen, CommitTime
from reprov.domain.data_devices import Proving
from reprov.domain.deployment import State
from reprov.domain.health import Patience
from reprov.domain.labels import Labelling
from reprov.domain.merge import Conflict
from reprov.domain.plan import Plan
from reprov.domain.source import Source
from reprov.errors import HopFailed, NeedsAttention, ProofFailed, Refused, ReprovError
from reprov.workflows import upgrade as workflow
from reprov.workflows.after_commit import Finished
from reprov.workflows.kernels import Booted
from reprov.workflows.services import Settled
from reprov.workflows.taken_into_use import InUse
from reprov.workflows.upgrade import Upgraded
from tests.builders import a_file, a_plan, a_tree
from tests.proofs import a_hop_proof

PLAN = a_plan(a_tree(a_file("usr/a", "1")), a_tree(a_file("usr/a", "2" * 2000)))
NOTHING = a_plan(a_tree(a_file("usr/a")), a_tree(a_file("usr/a")))


@pytest.fixture
def upgrading(monkeypatch: pytest.MonkeyPatch, reprov: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Runs `reprov upgrade 1.1` where this comes out; the call is at `.seen`."""

    def run(found: Upgraded | Exception, *words: str) -> Any:
        def upgrade(*arguments: object, **options: object) -> Upgraded:
            seen.append((arguments, {name: value for name, value in options.items() if name != "monitor"}))
            if isinstance(found, Exception):
                raise found
            return found

        monkeypatch.setattr(workflow, "upgrade", upgrade)
        return reprov("upgrade", *(words or ("1.1",)), "--from", "/srv", "--root", tmp_path)

    seen: list[Any] = []
    run.seen = seen  # type: ignore[attr-defined]
    return run


def upgraded(plan: Plan = PLAN, state: State | None = State.CONFIRMED, after: Finished | None = None) -> Upgraded:
    return Upgraded(plan, state, 0.0093, after)


def ran_scripts(steps: int, *reboot_wanted_by: str) -> Finished:
    return Finished(steps, 2.54, reboot_wanted_by, InUse(Booted(()), Settled()), None, Checked(()))


def in_conflict(*beside: str) -> Plan:
    """A plan with a conflict for each of these places of the release's."""
    return replace(PLAN, conflicts=tuple(Conflict(f"etc/{new or 'x'}", "changed", a_file("x"), a_file("x"), new=new) for new in beside))


ANSWERS = {
    "installed": (upgraded(), ("1.1",), "base 1.1 is installed: 1 path by 1 exchange in 9 ms, 2.0 kB fetched\n"),
    "installed with conflicts": (
        upgraded(in_conflict("etc/f.reprov-new", "etc/g.reprov-new")),
        ("1.1",),
        "base 1.1 is installed: 1 path by 1 exchange in 9 ms, 2.0 kB fetched\n"
        "2 paths that both sides changed: the node's stay; `reprov conflicts` lists them\n",
    ),
    "installed with a conflict that leaves nothing to settle": (
        upgraded(in_conflict("etc/f.reprov-new", "")),
        ("1.1",),
        "base 1.1 is installed: 1 path by 1 exchange in 9 ms, 2.0 kB fetched\n"
        "2 paths that both sides changed: the node's stay; `reprov conflicts` lists 1 of them, `reprov history --json` all\n",
    ),
    "staged only": (
        upgraded(state=State.STAGED),
        ("1.1", "--stage-only"),
        "base 1.1 is staged; `reprov upgrade` without --stage-only exchanges it\n",
    ),
    "installed, and nothing was to run": (
        upgraded(after=ran_scripts(0)),
        ("1.1",),
        "base 1.1 is installed: 1 path by 1 exchange in 9 ms, 2.0 kB fetched\n",
    ),
    "installed, and scripts ran": (
        upgraded(after=ran_scripts(1)),
        ("1.1",),
        "base 1.1 is installed: 1 path by 1 exchange in 9 ms, 2.0 kB fetched\nafter it: 1 step in 2.5 s\n",
    ),
    "nothing to do": (upgraded(NOTHING), ("1.1",), "base 1.1: nothing to do\n"),
    "nothing to stage": (upgraded(NOTHING), ("1.1", "--stage-only"), "base 1.1: nothing to do\n"),
}


@pytest.mark.parametrize(("found", "words", "text"), ANSWERS.values(), ids=ANSWERS)
def test_one_line_says_what_was_done(upgrading: Callable[..., Any], found: Upgraded, words: tuple[str, ...], text: str) -> None:
    done = upgrading(found, *words)
    assert (done.status, done.stdout, done.stderr) == (0, text, "")


def test_a_reboot_that_is_wanted_is_told_by_the_status_too(upgrading: Callable[..., Any]) -> None:
    done = upgrading(upgraded(after=ran_scripts(3, "linux.postinst", "dbus.postinst")), "1.1")
    assert (done.status, done.stdout.splitlines()[1:]) == (
        100,
        ["after it: 3 steps in 2.5 s", "reboot wanted: linux.postinst asked for it", "reboot wanted: dbus.postinst asked for it"],
    )


def test_json(upgrading: Callable[..., Any]) -> None:
    assert json.loads(upgrading(upgraded(), "1.1", "--json").stdout) == {
        "role": "base",
        "version": "1.1",
        "state": "confirmed",
        "changed_paths": 1,
        "exchanges": 1,
        "fetched_bytes": 2000,
        "mixed_s": 0.0093,
        "armed": None,
        "conflicts": [],
        "storage": None,
        "after": None,
    }


def test_json_of_what_followed(upgrading: Callable[..., Any]) -> None:
    done = upgrading(upgraded(after=ran_scripts(3, "dbus.postinst")), "1.1", "--json")
    assert done.status == 100
    assert json.loads(done.stdout)["after"] == {
        "steps": 3,
        "elapsed_s": 2.54,
        "services": {"restarted": [], "reloaded": [], "left_alone": [], "failed": [], "reboot": []},
        "kernel": None,
        "converged": None,
        "checks": {"format": 1, "fine": True, "checks": []},
        "reboot": ["dbus.postinst asked for it"],
    }


def test_json_of_a_node_that_never_had_to_be_changed(upgrading: Callable[..., Any]) -> None:
    assert json.loads(upgrading(upgraded(NOTHING, None), "1.1", "--json").stdout)["state"] is None


@pytest.mark.parametrize(
    ("words", "role", "stage_only"),
    [
        pytest.param(("1.1", "--apply-chown"), None, False, id="files may follow their accounts"),
        pytest.param(("1.1", "--no-post"), None, False, id="without scripts"),
        pytest.param(("1.1", "--retry"), None, False, id="to be tried again"),
        pytest.param(("1.1",), None, False, id="a version alone"),
        pytest.param(("base", "1.1"), "base", False, id="role and version"),
        pytest.param(("1.1", "--stage-only"), None, True, id="to be staged only"),
        pytest.param(("1.1", "--commit", "live"), None, False, id="now or never"),
        pytest.param(("1.1", "--commit", "boot"), None, False, id="at the next boot"),
    ],
)
def test_what_the_workflow_is_told(upgrading: Any, tmp_path: Path, words: tuple[str, ...], role: str | None, stage_only: bool) -> None:
    upgrading(upgraded(), *words)
    flags = {"apply_chown": "--apply-chown" in words, "no_post": "--no-post" in words, "retry": "--retry" in words}
    commit = CommitTime(words[-1]) if "--commit" in words else CommitTime.AUTO
    asked = {"commit": commit, "reboots": False, "patience": Patience()}
    options = {"stage_only": stage_only, **flags, **asked, "proving": Proving.AUTO, "labelling": Labelling.AUTO}
    assert upgrading.seen == [((tmp_path, Source.parse("/srv"), role, "1.1"), options)]


def test_a_proof_is_asked_for_and_told(upgrading: Any) -> None:
    done = upgrading(replace(upgraded(), proof=a_hop_proof("upgrade to base 1.1")), "1.1", "--prove", "always")
    assert upgrading.seen[0][1]["proving"] is Proving.ALWAYS
    assert done.stdout.splitlines()[1] == "1 data device and 1 OSD proved untouched by the upgrade to base 1.1"


ERRORS = {
    "failed, and the node is as it was": (ReprovError("staging failed", hint="again"), 1),
    "refused": (Refused("another change is under way"), 4),
    "rolled back": (HopFailed("x.postinst failed with status 1; base 1.0 is back"), 5),
    "neither old nor new": (NeedsAttention("could not be undone"), 6),
    "upgraded, and data is not proved to be untouched": (ProofFailed("DATA PROOF FAILED"), 7),
}


@pytest.mark.parametrize(("error", "status"), ERRORS.values(), ids=ERRORS)
def test_the_status_says_how_it_failed(upgrading: Callable[..., Any], error: ReprovError, status: int) -> None:
    done = upgrading(error)
    assert (done.status, done.stdout, done.stderr.splitlines()[0]) == (status, "", f"reprov: {error.message}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(
            ("1.1", "--commit", "soon"),
            "reprov: Invalid value for '--commit': 'soon' is not one of 'auto', 'live', 'boot'.",
            id="a time that there is not",
        ),
        pytest.param(("a", "b", "c"), "reprov: a release is [ROLE] VERSION, not 'a b c'", id="a word too many"),
    ],
)
def test_wrong_usage(upgrading: Any, words: tuple[str, ...], message: str) -> None:
    done = upgrading(upgraded(), *words)
    assert (done.status, done.stderr.splitlines()[0], upgrading.seen) == (2, message, [])


def test_what_waits_for_a_boot(upgrading: Any) -> None:
    reasons = ("/usr/lib/libc.so.6 belongs to the C library", "/a", "/b", "/c")
    armed = upgraded(state=State.ARMED)
    done = upgrading(replace(armed, plan=replace(armed.plan, commit=Chosen(CommitTime.BOOT, reasons))), "1.1")
    assert (done.status, done.stdout) == (
        100,
        """\
base 1.1 is staged and checked; the next boot exchanges the trees, before anything runs
not now: /usr/lib/libc.so.6 belongs to the C library
not now: /a
not now: /b
and 1 more reason; --json lists them
""",
    )


def test_a_reboot_of_what_is_not_the_running_system_is_refused_beforehand(upgrading: Any) -> None:
    done = upgrading(upgraded(), "1.1", "--reboot")
    assert (done.status, upgrading.seen) == (4, [])
    assert done.stderr.endswith("it cannot be rebooted\nhint: leave --reboot out\n")
