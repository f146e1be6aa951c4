"""What a node knows of itself, through every change of state."""

import json
from dataclasses import replace

import pytest

from reprov.domain.deployment import IN_FLIGHT, Deployment, State
from reprov.domain.release import ReleaseId
from reprov.errors import NeedsAttention

ONE, TWO = ReleaseId("base", "1.0"), ReleaseId("base", "1.1")
FRESH = Deployment()
INSTALLED = Deployment(State.COMMITTED, ONE, has_previous=True, source="/srv/a", changed_at="then")


def staging(before: Deployment) -> Deployment:
    return before.moved_to(State.STAGING, "now", target=TWO, transaction="t", volumes=("", "boot"), target_source="/srv/b")


def committing(before: Deployment) -> Deployment:
    return staging(before).moved_to(State.STAGED, "now").moved_to(State.COMMITTING, "now")


MAY_FOLLOW = {
    None: "staging",
    State.STAGING: "staged",
    State.STAGED: "committing armed",
    State.ARMED: "committing rolling-back",
    State.COMMITTING: "committed",
    State.COMMITTED: "confirmed staging rolling-back armed",
    State.CONFIRMED: "staging rolling-back armed",
    State.ROLLING_BACK: "rolled-back",
    State.ROLLED_BACK: "staging rolling-back armed",
}


@pytest.mark.parametrize("state", [None, *State], ids=str)
def test_a_state_is_followed_by_what_the_design_says_and_nothing_else(state: State | None) -> None:
    for following in State:
        if following.value in MAY_FOLLOW[state].split():
            assert replace(FRESH, state=state).moved_to(following, "now").state is following
        else:
            with pytest.raises(ValueError, match=f"{state} cannot become {following}"):
                replace(FRESH, state=state).moved_to(following, "now")


def test_an_upgrade_makes_the_target_the_installed_release_and_the_installed_one_the_previous() -> None:
    done = committing(INSTALLED).committed("later")
    assert (done.state, done.installed, done.previous, done.target) == (State.COMMITTED, TWO, ONE, None)
    assert (done.has_previous, done.volumes, done.source, done.changed_at) == (True, (), "/srv/b", "later")


def test_the_first_release_of_a_node_that_reprov_did_not_make_has_a_way_back() -> None:
    done = committing(FRESH).committed("later")
    assert (done.installed, done.previous, done.has_previous) == (TWO, None, True)


def test_an_installation_from_nothing_has_none() -> None:
    done = replace(committing(FRESH), from_nothing=True).committed("later")
    assert (done.has_previous, done.from_nothing) == (False, False)


def test_rolling_back_twice_is_going_forward_again() -> None:
    done = committing(INSTALLED).committed("later")
    back = done.moved_to(State.ROLLING_BACK, "b", target=done.previous).committed("b", State.ROLLED_BACK)
    assert (back.state, back.installed, back.previous, back.has_previous) == (State.ROLLED_BACK, ONE, TWO, True)
    assert back.source == done.source
    forward = back.moved_to(State.ROLLING_BACK, "f", target=back.previous).committed("f", State.ROLLED_BACK)
    assert (forward.installed, forward.previous) == (TWO, ONE)


@pytest.mark.parametrize(
    "before", [FRESH, INSTALLED, replace(INSTALLED, state=State.ROLLED_BACK)], ids=["never", "installed", "rolled back"]
)
@pytest.mark.parametrize("steps", [0, 1, 2, 3], ids=["while staging", "when staged", "when armed", "while committing"])
def test_what_is_given_up_leaves_the_deployment_as_before_it_began(before: Deployment, steps: int) -> None:
    flying = staging(before)
    for state in [State.STAGED, State.ARMED, State.COMMITTING][:steps]:
        flying = flying.moved_to(state, "now")
    assert flying.state in IN_FLIGHT
    assert flying.abandoned("later") == replace(before, changed_at="later")


def test_a_rollback_that_is_given_up_leaves_the_way_back() -> None:
    done = committing(INSTALLED).committed("later")
    given_up = done.moved_to(State.ROLLING_BACK, "b", target=ONE, transaction="u").abandoned("c")
    assert (given_up.state, given_up.installed, given_up.previous, given_up.has_previous) == (State.COMMITTED, TWO, ONE, True)


@pytest.mark.parametrize(
    "written", [FRESH, INSTALLED, committing(INSTALLED), replace(staging(FRESH), from_nothing=True, previous=TWO)], ids=range(4)
)
def test_a_deployment_is_read_back_as_it_was_written(written: Deployment) -> None:
    assert Deployment.parse(written.to_json(), "state.json") == written


GOOD = json.loads(INSTALLED.to_json())
BROKEN = {
    "nothing": ("", "Expecting value: line 1 column 1 (char 0)"),
    "a later format": (json.dumps(GOOD | {"format": 2}), "format 2"),
    "an unknown state": (json.dumps(GOOD | {"state": "lost"}), "'lost' is not a valid State"),
    "a part is missing": ('{"format": 1, "state": null}', "'installed'"),
    "no object": ("[1]", "list indices must be integers or slices, not str"),
    "a release that is no pair": (json.dumps(GOOD | {"target": ["a"]}), "ReleaseId.of() missing 1 required positional argument: 'version'"),
    "a release that leaves its folder": (json.dumps(GOOD | {"installed": ["../..", "1"]}), "'../..' is not a role name"),
}


@pytest.mark.parametrize(("text", "detail"), BROKEN.values(), ids=BROKEN)
def test_a_node_whose_state_is_unknown_is_not_changed(text: str, detail: str) -> None:
    with pytest.raises(NeedsAttention) as raised:
        Deployment.parse(text, "/.reprov/state.json")
    assert raised.value.message == f"/.reprov/state.json: the node's state cannot be read ({detail})"
    assert raised.value.hint == "restore the file from a backup, or ask for help"
