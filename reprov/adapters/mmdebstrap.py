"""The first tree of a distribution, by mmdebstrap: its essential packages and apt, nothing else."""

import os
from collections.abc import Sequence
from pathlib import Path

from reprov.adapters.build_log import logged
from reprov.adapters.debs import DebCache
from reprov.adapters.run import CommandFailed
from reprov.adapters.sandbox import Sandbox
from reprov.domain.apt_sources import SourceLine

# mmdebstrap leaves its options behind in the tree; a node has its own.
_LEFTOVERS = (
    "etc/apt/apt.conf.d/99mmdebstrap",
    "etc/dpkg/dpkg.cfg.d/99mmdebstrap",
    "etc/apt/sources.list",
    "etc/resolv.conf",
    "etc/hostname",
)


def bootstrap(box: Sandbox, tree: Path, suite: str, sources: Sequence[SourceLine], debs: DebCache, log: Path, epoch_s: int) -> None:
    """Fill the directory `tree`, which must not exist, with the minimal system of a suite.

    Raises `ReprovError` with the line of mmdebstrap's that tells most; all that it said goes to the log. It is not asked to be
    quiet: then it would keep what apt says to itself, the reason of most failures.
    """
    argv = (
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        "--format=directory",
        "--dpkgopt=force-unsafe-io",  # a build that is cut off is thrown away
        '--aptopt=APT::Keep-Downloaded-Packages "true"',
        "--skip=essential/unlink",
        f"--setup-hook={debs.mount_command()}",
        f"--customize-hook={debs.unmount_command()}",
        suite,
        os.fspath(tree),
        *(source.render() for source in sources),
    )
    try:
        box.run(argv, extra_environment={"SOURCE_DATE_EPOCH": str(epoch_s), "DEBIAN_FRONTEND": "noninteractive"})
    except CommandFailed as error:
        raise logged("mmdebstrap failed", error, log) from None
    for path in _LEFTOVERS:
        (tree / path).unlink(missing_ok=True)
