"""Configuration files of OpenStack services, and pins, as hypothesis draws them."""

from hypothesis import strategies as st

from reprov.domain.version_pins import REMARK

LINES = """|  |# a remark|;another|[upgrade_levels]|[Upgrade_Levels]|[database]|[DEFAULT]|compute=xena|compute = auto|compute: 4.10|\
compute = '5.0'|conductor = x|  and on|\tand on|url = mysql://n:p@db/nova?a=b|caf\udce9 = 1|""".split("|")


def as_text(lines: list[str], ending: str, *, is_ended: bool) -> str:
    """Without lines that go on where there is nothing to go on with: oslo.config refuses such a file."""
    kept: list[str] = []
    for line in lines:
        if not line.startswith((" ", "\t")) or not line.strip() or (kept and "=" in kept[-1]) or (kept and " on" in kept[-1]):
            kept.append(line)
    return ending.join(kept) + (ending if is_ended else "")


TEXTS = st.builds(
    as_text, st.lists(st.sampled_from([*LINES, REMARK]), max_size=14), st.sampled_from(("\n", "\r\n")), is_ended=st.booleans()
)
"""Whatever may stand in such a file, in any order."""
PINS = st.dictionaries(st.sampled_from(("compute", "conductor", "scheduler")), st.sampled_from(("auto", "xena", "5.0")), min_size=1)
