"""Committed -> as well as before, or not: the running system is measured against what it was before the commit.

Everything is asked before the commit with the same code as after it, so that nothing is loaded from a tree that has been exchanged.
"""

import codecs
import time
from contextlib import suppress
from dataclasses import replace
from typing import Final

from reprov.adapters import overdue_timer, systemctl
from reprov.adapters.answers import ANSWER_S, gateway_answers, greets, ssh_listeners
from reprov.adapters.health_state import HealthState
from reprov.adapters.live_network import put_back, read_network
from reprov.adapters.processes import boot_id
from reprov.domain import health
from reprov.domain.deployment import State
from reprov.domain.health import Baseline, Listener, Patience
from reprov.domain.source import Source
from reprov.errors import HopFailed, InvalidInput, Refused, ReprovError
from reprov.events import Monitor, Note, phase
from reprov.workflows.node import Node

CLIENT: Final = "client/at-boot"
"""In reprov's own directory: what goes on, or goes back, without the process that has committed."""
_POLL_S: Final = 1.0
_CONFIRM_POLL_S: Final = 0.2
_DAEMONS_S: Final = 5.0
"""How long whoever configures the network has to do so by itself after a rollback, before it is done for them."""
_VERIFIED_WITHIN_S: Final = 60.0
_SHOWN: Final = 3
_SSH_GREETING: Final = b"SSH-"
_RSYNC_GREETING: Final = b"@RSYNCD:"


def save_baseline(node: Node, patience: Patience | None = None) -> None:
    """Write down how well a live node is before a commit, and have its systemd look after the time that follows, by the kept client.

    Raises `Refused` where it could not be told afterwards whether the node is as well as before.
    """
    if not node.is_live:
        return
    deployment = node.state.deployment()
    HealthState(node.state.directory).begin(_look(deployment.target_source or deployment.source), patience or Patience())
    overdue_timer.arm(str(node.state.directory / CLIENT))


def watch_over(node: Node, monitor: Monitor) -> None:
    """Have systemd look after what follows a commit that somebody else has begun, or a boot has interrupted."""
    if node.is_live:
        try:
            overdue_timer.arm(str(node.state.directory / CLIENT))
        except Refused as error:
            monitor.emit(Note(error.message))


def watch_no_more(node: Node) -> None:
    """What follows the commit is over, or waits for something that has no limit."""
    if node.is_live:
        overdue_timer.disarm()


def load_way_back(node: Node) -> None:
    """Have in this process what `recover_health` takes: once the tree before is back, it would be imported from that one.

    Raises `Refused` where the tree lacks it.
    """
    if node.is_live and HealthState(node.state.directory).baseline() is not None:
        read_network()
        codecs.lookup("idna")  # by which a socket encodes the name of a host, whatever it is


def problems(node: Node, deadline_s: float) -> tuple[str, ...]:
    """What is worse than before the commit, once all is well or the monotonic clock says so; nothing where nobody has looked."""
    before = HealthState(node.state.directory).baseline()
    if before is None or not node.is_live:
        return ()
    answer_s = ANSWER_S
    while True:
        found = health.problems(before, _look_again(before, answer_s))
        left_s = deadline_s - time.monotonic()
        if not found or left_s <= 0:
            return found
        # A node that has just started everything anew may be busy for long: that it answers late is no reason to go back.
        answer_s = max(ANSWER_S, min(2 * answer_s, left_s))
        time.sleep(_POLL_S)


def require_well(node: Node, transaction: str, monitor: Monitor, *, is_last: bool = True) -> None:
    """Wait until a live node is as well as before, and then for `reprov confirm` where somebody else has to say so.

    That is asked when it `is_last`, and not before a reboot that is still to come. Raises `ReprovError` when either takes too long.
    """
    own = HealthState(node.state.directory)
    if not node.is_live or own.baseline() is None:
        return
    patience = own.patience()
    deadline_s = time.monotonic() + patience.timeout_s
    own.write_deadline(deadline_s, boot_id())
    with phase(monitor, "health", "Checking that the node is as well as before"):
        found = problems(node, deadline_s)
    if found:
        raise ReprovError(f"after {patience.timeout_s} s the node is not as well as before: {_in_words(found)}")
    if patience.awaits_operator and is_last:
        _await_confirm(own, transaction, deadline_s, monitor)


def recover_health(node: Node, failure: ReprovError, monitor: Monitor) -> ReprovError:
    """After a rollback of a live node: have run again what ran, put its network back, and see that it is as well as before.

    Gives the error to raise, which says what is still not well; it is a `HopFailed` like before, as the old tree is back.
    """
    if not node.is_live or not isinstance(failure, HopFailed) or node.state.deployment().state is not State.ROLLED_BACK:
        return failure
    try:
        before = HealthState(node.state.directory).baseline()
        if before is None:
            return failure
        with phase(monitor, "health", "Checking that the node is as well as before"):
            _run_again(before)
            _put_network_back(before, monitor)
            left = problems(node, time.monotonic() + _VERIFIED_WITHIN_S)
    except (ReprovError, OSError) as error:
        left = (f"it cannot be told whether the node is as well as before: {error}",)
    return HopFailed(f"{failure.message}, but {_in_words(left)}", hint=failure.hint) if left else failure


def _await_confirm(own: HealthState, transaction: str, deadline_s: float, monitor: Monitor) -> None:
    left_s = max(0, round(deadline_s - time.monotonic()))
    monitor.emit(Note(f"the node is well; it goes back unless `reprov confirm` is run over a new connection within {left_s} s"))
    with phase(monitor, "await", "Waiting for `reprov confirm`"):
        while not own.is_confirmed(transaction):
            if time.monotonic() >= deadline_s:
                raise ReprovError(
                    f"nobody has confirmed the node within {own.patience().timeout_s} s",
                    hint="`reprov confirm` says that it can be reached; --confirm-timeout gives more time",
                )
            time.sleep(_CONFIRM_POLL_S)


def _look(source: str) -> Baseline:
    """How well the running system is."""
    network = read_network(passing=False)
    server = _server_of(source)
    return _with_systemd(
        Baseline(
            network,
            ssh=tuple(listener for listener in ssh_listeners() if greets(listener, _SSH_GREETING)),
            install_server=server if server and _answers(server) else None,
            gateways=tuple(route for route in network.gateways if gateway_answers(route)),
        )
    )


def _look_again(before: Baseline, answer_s: float) -> Baseline:
    """The same, as far as it was well before; who is asked has that long to answer."""
    server = before.install_server
    return _with_systemd(
        Baseline(
            read_network(),
            ssh=tuple(listener for listener in before.ssh if greets(listener, _SSH_GREETING, answer_s)),
            install_server=server if server and _answers(server, answer_s) else None,
            gateways=tuple(route for route in before.gateways if gateway_answers(route)),
        )
    )


def _with_systemd(found: Baseline) -> Baseline:
    if not systemctl.is_running():
        return found
    failed, services = systemctl.failed_units(), systemctl.running_services()
    return replace(found, state=systemctl.system_state(), failed_units=tuple(sorted(failed)), services=tuple(sorted(services)))


def _answers(server: Listener, timeout_s: float = ANSWER_S) -> bool:
    return greets(server, _SSH_GREETING, timeout_s) or greets(server, _RSYNC_GREETING, timeout_s)


def _server_of(source: str) -> Listener | None:
    with suppress(InvalidInput):
        server = Source.parse(source).server
        return Listener(*server) if server else None
    return None


def _run_again(before: Baseline) -> None:
    """Start what ran, and forget what has failed of units that have gone with the tree, or that somebody has made for the moment."""
    if not systemctl.is_running():
        return
    if ended := sorted({*before.services} - systemctl.active_units()):
        systemctl.act("start", ended)
    states = systemctl.states_of(systemctl.failed_units() - {*before.failed_units})
    if passing := sorted(unit for unit, state in states.items() if state.load == "not-found" or state.enabled == "transient"):
        systemctl.act("reset-failed", passing)


def _put_network_back(before: Baseline, monitor: Monitor) -> None:
    deadline = time.monotonic() + _DAEMONS_S
    while True:
        missing = before.network.missing_in(read_network())
        if not any(missing):
            return
        if time.monotonic() >= deadline:
            break
        time.sleep(_POLL_S)
    for problem in put_back(missing):
        monitor.emit(Note(f"after the rollback: {problem}"))


def _in_words(found: tuple[str, ...]) -> str:
    more = len(found) - _SHOWN
    return "; ".join(found[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
