"""The report of a rollout as one HTML file: what became of every host, and the timeline of all steps. It loads nothing."""

import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from reprov.domain.course import tag_name
from reprov.domain.rollout_file import Rollout
from reprov.domain.rollout_status import RolloutStatus, Span

_PAGE: Final = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{{ rollout.procedure }} on {{ rollout.infra }}</title>
<style>
body { font: 14px/1.4 sans-serif; margin: 2em; color: #222 }
table { border-collapse: collapse; margin: 1em 0 }
th, td { text-align: left; padding: .15em .8em .15em 0; vertical-align: top }
td.number { text-align: right }
table.timeline { width: 100% }
table.timeline td:last-child { width: 100%; padding: 0 }
.line { position: relative; height: 1.3em; background: #f3f3f3 }
.step { position: absolute; top: 0; bottom: 0; min-width: 2px; box-sizing: border-box; border-left: 1px solid #fff; background: #bbb }
.done { background: #4a9d5b } .failed { background: #c0392b } .unreachable { background: #8e44ad } .skipped { background: #d4a017 }
td.failed, td.unreachable, td.skipped { background: none; font-weight: bold }
</style>
</head>
<body>
<h1>{{ rollout.procedure }} on {{ rollout.infra }}</h1>
<p>{{ verdict }}</p>
<p>{% for role, version in rollout.releases.items() %}{{ role }} {{ version }}{{ "" if loop.last else ", " }}{% endfor %}</p>
<h2>Stages</h2>
<table>
<tr><th>Stage</th><th>Hosts</th><th>Done</th><th>Given up</th></tr>
{% for stage in status.stages %}
<tr><td>{{ stage.title }} ({{ stage.name }})</td><td class="number">{{ stage.hosts }}</td><td class="number">{{ stage.done }}</td>\
<td class="number">{{ stage.given_up }}</td></tr>
{% endfor %}
</table>
{% if status.given_up %}
<h2>Hosts that were given up</h2>
<table>
<tr><th>Host</th><th>How</th><th>Where</th><th>Why</th></tr>
{% for host, out in status.given_up.items() %}
<tr><td>{{ host }}</td><td class="{{ out.outcome.value }}">{{ out.outcome.value }}</td>\
<td>{{ out.stage }}{% if out.tag %} {{ tag_name(out.tag) }}{% endif %}</td><td>{{ out.why }}</td></tr>
{% endfor %}
</table>
{% endif %}
<h2>Timeline</h2>
<p>From {{ begins }} to {{ ends }}. Grey: interrupted, or still under way.</p>
<table class="timeline">
{% for host, steps in lines %}
<tr><td>{{ host }}</td><td><div class="line">
{% for step in steps %}
<span class="step {{ step.kind }}" style="left:{{ step.left }}%;width:{{ step.width }}%" title="{{ step.title }}"></span>
{% endfor %}
</div></td></tr>
{% endfor %}
</table>
</body>
</html>
"""


class _Bar(NamedTuple):
    kind: str
    left: str
    width: str
    title: str


def render_report(rollout: Rollout, status: RolloutStatus, spans: Sequence[Span], verdict: str) -> str:
    """The page; `verdict` is how the rollout stands, in a sentence. Everything in it is escaped."""
    # Imported here: jinja2 costs 50 ms that no other verb of a rollout needs.
    from jinja2 import Environment, StrictUndefined

    begins, ends = status.began_at or 0.0, status.changed_at or 0.0
    lines: dict[str, list[_Bar]] = {host: [] for stage in rollout.course.stages for host in stage.hosts}
    for span in spans:
        lines.setdefault(span.host, []).append(_bar(span, begins, max(ends - begins, 1e-3)))
    page = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=True)
    return page.from_string(_PAGE).render(
        rollout=rollout,
        status=status,
        verdict=verdict,
        begins=utc(begins),
        ends=utc(ends),
        lines=lines.items(),
        tag_name=tag_name,
    )


def utc(at: float) -> str:
    """A time as people read it: "2026-11-22 04:05:06Z"."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(at))


def _bar(span: Span, begins: float, lasts: float) -> _Bar:
    ended_at = span.ended_at if span.ended_at is not None else span.began_at
    outcome = span.outcome.value if span.outcome else "interrupted"
    took = f" in {ended_at - span.began_at:.1f} s" if span.ended_at is not None else ""
    title = f"{span.stage} {tag_name(span.tag)}: {outcome}{took}, from {utc(span.began_at)}{': ' if span.why else ''}{span.why}"
    left, width = (100 * part / lasts for part in (span.began_at - begins, ended_at - span.began_at))
    return _Bar(outcome, f"{left:.3f}", f"{width:.3f}", title)
