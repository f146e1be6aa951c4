"""The audit rules that the kernel has: it drops a watch when the directory above it is exchanged (transaction-hazards, row 16)."""

from pathlib import Path

from reprov.adapters.run import CommandFailed, is_installed, run

_RULES = Path("/etc/audit/rules.d")
_NO_RULES = "No rules"
_TIMEOUT_S = 60


def audit_rules() -> frozenset[str] | None:
    """The rules that are loaded; None where there is no audit, or nobody to ask."""
    if not is_installed("auditctl"):
        return None
    try:
        said = run(("auditctl", "-l"), timeout_s=_TIMEOUT_S).stdout.decode(errors="replace")
    except CommandFailed:
        return None
    return frozenset(line.strip() for line in said.splitlines() if line.strip() and line.strip() != _NO_RULES)


def load_audit_rules() -> None:
    """Load the rules of /etc/audit again. Raises `CommandFailed`; does nothing where there are no rules to load."""
    if is_installed("augenrules") and _RULES.is_dir():
        # Rules that have been made immutable (-e 2) stay as they are until a reboot; it says so with status 1.
        run(("augenrules", "--load"), fine=(0, 1), timeout_s=_TIMEOUT_S)
