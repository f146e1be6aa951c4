"""The list lines for what convergence wrote to."""

import pytest

from reprov.domain.ownership import Owner
from reprov.domain.rewritten import Rewritten


@pytest.mark.parametrize(
    ("found", "owner", "line", "why"),
    [
        (
            Rewritten("etc/motd", "changed", "base-files"),
            Owner.MERGE,
            "/etc/motd",
            "Rewritten by convergence, and the image's of base-files",
        ),
        (Rewritten("etc/own", "added", ""), Owner.MERGE, "/etc/own", "Made by convergence, and the image's"),
        (Rewritten("usr/lib/site", "added", "", is_dir=True), Owner.KEEP, "/usr/lib/site/", "Made by convergence, and the image's"),
        (Rewritten("usr/bin/x[1]", "metadata", "x"), Owner.MERGE, "/usr/bin/x\\[1]", "Given another owner or mode by convergence"),
        (Rewritten("usr/bin/x", "missing", "x"), Owner.MERGE, "/usr/bin/x", "Removed by convergence"),
    ],
)
def test_the_line_and_the_reason(found: Rewritten, owner: Owner, line: str, why: str) -> None:
    assert (found.owner, found.line) == (owner, line)
    assert found.why.startswith(why)
