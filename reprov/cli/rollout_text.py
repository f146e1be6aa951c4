"""A rollout in words: how it stands, stage by stage, and who was given up."""

from collections.abc import Iterator

from reprov.cli.tables import Table, human_count
from reprov.domain.course import tag_name
from reprov.domain.rollout_events import Turn
from reprov.domain.rollout_report import utc
from reprov.domain.rollout_status import StageStatus
from reprov.workflows.rollout_status import Seen

_SHOWN_HOSTS = 10


def verdict(seen: Seen) -> str:
    """How it stands, in a sentence."""
    status = seen.status
    turn = status.turn
    if turn is None:
        return "not begun"
    if seen.holder is not None:
        going = "pausing: those that began go through their stage" if turn.turn is Turn.PAUSED else "under way"
        return f"{going}; controlled by {seen.holder}"
    if seen.was_cut_off:
        return "interrupted: its controller ended without a word; `reprov rollout resume` goes on"
    if turn.turn is Turn.ABORTED or (turn.turn is Turn.STOPPED and turn.why == "it was aborted"):
        return f"aborted by {turn.who}"
    if turn.turn is Turn.STOPPED:
        return f"stopped: {turn.why}; `reprov rollout resume` goes on"
    count = len(status.given_up)
    return f"finished: {human_count(count)} host{'' if count == 1 else 's'} given up" if count else "finished: every host is done"


def stages(seen: Seen) -> Table:
    """The stages, in their order."""
    return Table.of("STAGE", "> DONE", "> HOSTS", "STANDING", "TITLE", rows=[_stage(stage) for stage in seen.status.stages])


def given_up(seen: Seen) -> Table:
    """The hosts that did not get through, and why."""
    rows = [
        (host, out.outcome.value, f"{out.stage} {tag_name(out.tag)}" if out.tag else out.stage, out.why)
        for host, out in seen.status.given_up.items()
    ]
    return Table.of("HOST", "OUTCOME", "WHERE", "WHY", rows=rows)


def head(seen: Seen) -> Iterator[str]:
    """What it is, how it stands, and what is being worked on."""
    rollout, status = seen.rollout, seen.status
    releases = ", ".join(f"{role} {version}" for role, version in rollout.releases.items())
    yield f"rollout    {rollout.procedure} on {rollout.infra}{f': {releases}' if releases else ''}"
    yield f"state      {verdict(seen)}"
    if status.began_at is not None and status.changed_at is not None:
        yield f"began      {utc(status.began_at)}, last change {utc(status.changed_at)}"
    if status.in_flight:
        first = status.in_flight[0]
        hosts = [f"{item.host} ({item.reached})" if item.reached else item.host for item in status.in_flight]
        more = f" and {len(hosts) - _SHOWN_HOSTS} more" if len(hosts) > _SHOWN_HOSTS else ""
        yield f"in flight  {first.stage} {tag_name(min(item.tag for item in status.in_flight))}: {', '.join(hosts[:_SHOWN_HOSTS])}{more}"


def lines(seen: Seen) -> Iterator[str]:
    """All of it as plain text."""
    yield from head(seen)
    yield ""
    yield from stages(seen).lines()
    if seen.status.given_up:
        yield ""
        yield from given_up(seen).lines()


def _stage(stage: StageStatus) -> tuple[str, ...]:
    if stage.is_over:
        standing = "over" if stage.given_up else "done"
    else:
        standing = f"{stage.in_flight} in flight" if stage.in_flight else ("begun" if stage.done else "to come")
    given = f", {stage.given_up} given up" if stage.given_up else ""
    return stage.name, human_count(stage.done), human_count(stage.hosts), standing + given, stage.title
