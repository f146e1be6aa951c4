"""The first tree: what a failure of mmdebstrap tells. Its output is a recorded one."""

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import pytest

from reprov.adapters.debs import DebCache
from reprov.adapters.mmdebstrap import bootstrap
from reprov.adapters.run import CommandFailed
from reprov.adapters.sandbox import Sandbox
from reprov.domain.apt_sources import SourceLine
from reprov.errors import ReprovError

UNREACHABLE = b"""\
I: chroot architecture amd64 is equal to the host's architecture
I: running apt-get update...
Err:1 http://mirror.invalid bookworm InRelease
  Could not connect to mirror.invalid:80
Reading package lists...
E: Failed to fetch http://mirror.invalid/dists/bookworm/InRelease  Could not connect to mirror.invalid:80
E: Some index files failed to download. They have been ignored, or old ones used instead.
E: apt-get update --error-on=any -oAPT::Status-Fd=<$fd> -oDpkg::Use-Pty=false failed
I: main() received signal PIPE: waiting for setup...
E: mmdebstrap failed to run
"""


FAILURES = {
    "the reason is the first line that tells, not the last": (
        25,
        UNREACHABLE,
        "mmdebstrap failed: E: Failed to fetch http://mirror.invalid/dists/bookworm/InRelease  Could not connect to mirror.invalid:80",
    ),
    "it is not installed": (
        127,
        b"nsenter: failed to execute mmdebstrap: No such file\n",
        "mmdebstrap failed: nsenter: failed to execute mmdebstrap: No such file",
    ),
    "it was killed": (-9, b"", "mmdebstrap failed: status -9"),
}


@pytest.mark.parametrize(("status", "stderr", "message"), FAILURES.values(), ids=FAILURES)
def test_a_failure_is_the_line_that_tells_most_and_the_log_has_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, stderr: bytes, message: str
) -> None:
    def fail(_box: Sandbox, argv: Sequence[str], **_options: object) -> NoReturn:
        raise CommandFailed(argv, status, stderr)

    monkeypatch.setattr(Sandbox, "run", fail)
    log, scratch = tmp_path / "log", tmp_path / "scratch"
    scratch.mkdir()
    sources = [SourceLine("http://mirror.invalid", "bookworm", ("main",))]
    with pytest.raises(ReprovError) as raised:
        bootstrap(Sandbox(1), tmp_path / "tree", "bookworm", sources, DebCache(tmp_path, scratch), log, 0)
    assert (raised.value.message, raised.value.hint) == (message, f"all that it said is in {log}")
    assert log.read_bytes() == stderr
