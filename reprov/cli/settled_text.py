"""What was done to services, for people and for scripts."""

from typing import TYPE_CHECKING, Any

from reprov.cli.tables import Table, print_late, print_text

if TYPE_CHECKING:
    from reprov.workflows.services import Settled


def settled_json(done: "Settled") -> dict[str, Any]:
    """The value of "services" in an answer."""
    return {
        "restarted": [{"unit": act.unit, "verb": act.verb.word, "reason": act.reason} for act in done.restarted],
        "reloaded": [{"unit": act.unit, "reason": act.reason} for act in done.reloaded],
        "left_alone": [
            {"name": item.name, "needed": item.needed, "reason": item.reason, "advice": item.advice, "needs_reboot": item.needs_reboot}
            for item in done.left_alone
        ],
        "failed": [{"unit": item.unit, "problem": item.problem} for item in done.failed],
        "reboot": list(done.reboot_reasons),
    }


def print_settled(done: "Settled") -> None:
    """A table of what was done and why, and what is left to do; nothing where there was nothing to do."""
    rows = [(act.unit, act.verb.word, act.reason) for act in (*done.restarted, *done.reloaded)]
    rows += [(item.name, "left alone", f"{item.needed}; {item.reason}: {item.advice}") for item in done.left_alone]
    rows += [(item.unit, "failed", item.problem) for item in done.failed]
    if rows:
        print_late(Table.of("unit", "what", "why", rows=rows))
    for reason in done.reboot_reasons:
        print_text(f"reboot wanted: {reason}")
