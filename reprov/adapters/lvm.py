"""What LVM knows, asked of its tools in their read-only mode: no lock, no device-mapper call, no write."""

from reprov.adapters.run import CommandFailed, run
from reprov.domain.lvm import LV_COLUMNS, PV_COLUMNS, VG_COLUMNS, Lvm, parse_lvm

_TIMEOUT_S = 60
_NOT_INSTALLED = 127
_FINE = (0, 5)
"""5: something is incomplete (a physical volume is missing), and standard error says what; the report is there."""
_COMMON = (
    "--readonly",
    "--reportformat",
    "json",
    "--units",
    "b",
    "--nosuffix",
    # A volume that the node's own list of devices leaves out is data all the same; hints would be a file in /run.
    "--config",
    'devices { use_devicesfile=0 hints="none" }',
)


def read_lvm() -> tuple[Lvm | None, tuple[str, ...]]:
    """Everything of LVM, and what its tools complained of; None, and no word, when they are not installed."""
    try:
        reports = [
            run((program, *_COMMON, *extra, "--options", columns), fine=_FINE, timeout_s=_TIMEOUT_S)
            for program, columns, extra in (("pvs", PV_COLUMNS, ()), ("vgs", VG_COLUMNS, ()), ("lvs", LV_COLUMNS, ("--all",)))
        ]
    except CommandFailed as failed:
        if failed.status == _NOT_INSTALLED:
            return None, ()
        raise
    texts = [report.stdout.decode("utf-8", "surrogateescape") for report in reports]
    complaints = {line.strip() for report in reports for line in report.stderr.decode("utf-8", "replace").splitlines() if line.strip()}
    return parse_lvm(*texts), tuple(f"LVM: {line}" for line in sorted(complaints))
