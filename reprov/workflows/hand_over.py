"""Committed -> gone on by the reprov of the new tree, for a running system; where that does not take over, the commit is undone.

Whoever has committed is of the tree before: of its interpreter and its libraries nothing may be left on the disk. It waits for the end,
and goes back when the other does not answer, or ends without saying how.
"""

import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

from reprov.adapters import new_client
from reprov.adapters.new_client import NewClient
from reprov.adapters.post_state import PostState
from reprov.adapters.run import CommandFailed
from reprov.domain.deployment import State
from reprov.domain.hand_over import COMMAND, FORMATS, Failed, Request, TookOver, WentOn, parse
from reprov.domain.plain import of_plain
from reprov.errors import HopFailed, ReprovError
from reprov.events import Event, Monitor, Note, phase
from reprov.workflows.after_commit import Finished, go_on, take_back
from reprov.workflows.commit import stop_is_asked, void_held_signals
from reprov.workflows.health import recover_health
from reprov.workflows.node import Node
from reprov.workflows.pending import pending
from reprov.workflows.recover import settle

ANSWERS_WITHIN_S: Final = 180
"""Python starts, compiles and loads reprov, and reads what is left to do: some seconds, but for a slow processor or a busy disk."""
_LOG: Final = "client.log"
"""In the directory of what follows a commit: what the other has said to people."""


def follower(node: Node, tree: Collection[str]) -> Callable[[Node, Monitor], Finished | None]:
    """What goes on after a commit to a tree with these paths.

    In a root that does not run, whoever has committed is not of that tree, and loses nothing with it; a tree without reprov has nobody
    to hand over to. There it goes on by itself.
    """
    return hand_over if node.is_live and COMMAND in tree else go_on


def hand_over(node: Node, monitor: Monitor) -> Finished | None:
    """Have the new tree's reprov do what follows a commit. The caller holds signals; one that comes is passed on.

    None when it is done, and nobody can tell what exactly. Raises like `after_commit.go_on`.
    """
    try:
        end = _have_it_done(node, monitor)
    except BaseException as error:
        _go_back(node, error, monitor)
        return None
    if isinstance(end, Failed):
        raise end.error
    void_held_signals()
    try:
        return of_plain(Finished, end.finished)
    except (KeyError, TypeError, ValueError):
        monitor.emit(Note("all that follows the commit is done; what exactly, the new tree's reprov says in another way"))
        return None


def _have_it_done(node: Node, monitor: Monitor) -> WentOn | Failed:
    """Raises what kept the other from it, with the commit as it was left."""
    progress, release = pending(node), node.state.deployment().installed
    assert progress is not None and node.state.lock is not None, "there is something to hand over"
    log = PostState(node.state.directory).directory / _LOG
    request = Request(progress.transaction, node.local is not None, FORMATS)
    try:
        with new_client.started(request, node.state.lock, log) as client:
            with phase(monitor, "hand-over", "Handing over to the reprov of the new tree"):
                answer = _answer(client)
            if isinstance(answer, TookOver) and (end := _follow(client, monitor)):
                return end
    except CommandFailed:
        raise ReprovError(
            f"the reprov of {release} cannot be started", hint=f"/{COMMAND}, or the Python that it names, is not there"
        ) from None
    except OSError as error:
        raise ReprovError(f"the reprov of {release} cannot be started: {error.strerror}", hint=f"see /{COMMAND}") from None
    if isinstance(answer, Failed):
        raise ReprovError(f"the reprov of {release} did not take over: {answer.message}", hint=answer.hint)
    did_not = "did not end what it had taken over" if answer else "did not take over"
    raise ReprovError(f"the reprov of {release} {did_not}: {_last_line(log)}", hint=f"{log} has what it said")


def _answer(client: NewClient) -> TookOver | Failed | None:
    """Whether it takes over; None when it has ended without a word, or does not speak."""
    deadline = time.monotonic() + ANSWERS_WITHIN_S
    for line in client.lines():
        said = parse(line) if line is not None else None
        if isinstance(said, TookOver | Failed):
            return said
        if time.monotonic() >= deadline:
            return Failed(1, f"it has not answered within {ANSWERS_WITHIN_S} s", None)
    return None


def _follow(client: NewClient, monitor: Monitor) -> WentOn | Failed | None:
    """Pass on what it tells until it has ended, and requests to stop to it; how it ended, None when it has not said."""
    end: WentOn | Failed | None = None
    is_told = False
    for line in client.lines():
        if not is_told and stop_is_asked():
            client.ask_to_stop()
            is_told = True
        said = parse(line) if line is not None else None
        if isinstance(said, WentOn | Failed):
            end = said
        elif isinstance(said, Event):
            monitor.emit(said)
    return end


def _go_back(node: Node, error: BaseException, monitor: Monitor) -> None:
    """Undo a commit that nobody goes on with, from wherever the other has left it. Returns where it had done everything."""
    settle(node, monitor, goes_on=False)
    progress = pending(node)
    if progress is not None and progress.awaits is None:
        raise take_back(node, error, monitor) from (error if isinstance(error, Exception) else None)
    reason = error.message if isinstance(error, ReprovError) else str(error)
    deployment = node.state.deployment()
    if deployment.state is State.ROLLED_BACK:
        back = HopFailed(f"{reason}; {deployment.installed or 'the tree from before reprov'} is back", hint="`reprov history` says when")
        raise recover_health(node, back, monitor)
    monitor.emit(Note(f"{reason}; by then all that follows the commit was done"))


def _last_line(log: Path) -> str:
    """The last thing that it said, without a hint."""
    lines = (line.strip().removeprefix("reprov: ") for line in reversed(log.read_text(errors="replace").split("\n")))
    return next((line for line in lines if line and not line.startswith("hint: ")), "it said nothing")
