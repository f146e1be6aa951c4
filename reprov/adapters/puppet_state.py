"""Reading what Puppet remembers of its last run on a node."""

from contextlib import suppress

from reprov.adapters.package_database import read_text
from reprov.domain.puppet import parse_report, parse_resources

# Puppet's own packages; Debian's; Puppet 3 and older.
_FOLDERS = ("opt/puppetlabs/puppet/cache/state", "var/cache/puppet/state", "var/lib/puppet/state")

REPORTS = tuple(f"{folder}/last_run_report.yaml" for folder in _FOLDERS)
"""Where a run may have left what it says of itself."""


def read_managed_files(root_fd: int) -> dict[str, str]:
    """The paths of the files that Puppet manages, each with the state file that says so; nothing where Puppet never ran."""
    found: dict[str, str] = {}
    for folder in _FOLDERS:
        for name, parse in (("resources.txt", parse_resources), ("last_run_report.yaml", parse_report)):
            with suppress(OSError):
                for path in parse(read_text(f"{folder}/{name}", dir_fd=root_fd)):
                    found.setdefault(path, f"{folder}/{name}")
    return found
