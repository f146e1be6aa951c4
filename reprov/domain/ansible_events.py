"""What ansible-runner's events say of each host: whether it is through the run, and if not, why."""

from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

from reprov.domain.rollout_events import Trouble

_LONGEST_WHY: Final = 400
_PASSED_OVER: Final = "Ansible passed over it: is it in the inventory, and in the group of the play?"


class HostOutcomes(NamedTuple):
    """How a run ended on the hosts that it was for. For a host that is in none of them it has to be run again."""

    done: tuple[str, ...]
    failed: tuple[Trouble, ...]
    unreachable: tuple[Trouble, ...]


class RunWatch:
    """Hears the events of one run."""

    def __init__(self) -> None:
        self._whys: dict[str, str] = {}
        self._stats: Mapping[str, Any] | None = None
        self._ends_with_trouble = False

    def hear(self, event: Mapping[str, Any]) -> bool:
        """Take one event of ansible-runner's; False, because it need not be kept as a file of its own."""
        data = event.get("event_data") or {}
        match event.get("event"):
            case "runner_on_failed" if not data.get("ignore_errors"):
                self._whys[data["host"]] = _told(data)
                self._ends_with_trouble = True
            case "runner_on_unreachable":
                self._whys[data["host"]] = _told(data)
                self._ends_with_trouble = True
            case "playbook_on_task_start":
                self._ends_with_trouble = False
            case "playbook_on_stats":
                self._stats = data
        return False

    def outcomes(self, hosts: Collection[str]) -> HostOutcomes | None:
        """How it ended on these hosts; None when the run did not get to its end, and nothing can be told.

        Where `run_once` or `any_errors_fatal` is said, a task that fails on one host ends the play for all, and Ansible counts nothing
        against the others. So these are done only when another task began after the last trouble; otherwise nobody can tell.
        """
        if self._stats is None:
            return None
        failures, dark, processed = (self._stats.get(name) or {} for name in ("failures", "dark", "processed"))
        failed = [Trouble(host, self._whys.get(host, "Ansible says that it failed")) for host in hosts if host in failures]
        unreachable = [Trouble(host, self._whys.get(host, "Ansible could not reach it")) for host in hosts if host in dark]
        done: list[str] = []
        if not (self._ends_with_trouble and (failed or unreachable)):
            others = [host for host in hosts if host not in failures and host not in dark]
            done = [host for host in others if host in processed or not processed]
            failed += [Trouble(host, _PASSED_OVER) for host in others if processed and host not in processed]
        return HostOutcomes(tuple(done), tuple(failed), tuple(unreachable))


def _told(data: Mapping[str, Any]) -> str:
    """The task that failed and what it said, in one line."""
    result = data.get("res") or {}
    for item in result.get("results") or ():
        if isinstance(item, dict) and (item.get("failed") or item.get("unreachable")):
            result = item
            break
    said = [result["censored"]] if "censored" in result else [result.get("msg"), result.get("stderr")]
    message = " ".join(": ".join(str(part).strip() for part in said if part).split())
    text = f"{data.get('task') or 'a task'}: {message or 'it said nothing'}"
    return text if len(text) <= _LONGEST_WHY else f"{text[:_LONGEST_WHY]}..."
