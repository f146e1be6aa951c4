"""The store of an SELinux policy (semanage.conf(5)): what of it is an operator's, and what is compiled of everything."""

from collections.abc import Iterable
from typing import Final

STORES: Final = "var/lib/selinux"
POLICIES: Final = "etc/selinux"

_RELEASE_PRIORITY = "100"
_LOCAL_NAMES = frozenset(
    f"{name}.local" for name in "booleans file_contexts ibendports ibpkeys interfaces nodes ports preserve_tunables seusers users".split()
)
_LOCAL_FLAGS = frozenset({"disable_dontaudit", "preserve_tunables"})
_COMPILED = (
    *("policy.kern", "policy.linked", "file_contexts", "file_contexts.homedirs", "homedir_template", "seusers", "seusers.linked"),
    *("users_extra", "users_extra.linked", "commit_num", "modules_checksum", "netfilter_contexts"),
)
_INSTALLED = (
    *("seusers", "contexts/files/file_contexts", "contexts/files/file_contexts.bin", "contexts/files/file_contexts.homedirs"),
    *("contexts/files/file_contexts.homedirs.bin", "contexts/files/file_contexts.local", "contexts/files/file_contexts.local.bin"),
    "contexts/netfilter_contexts",
)


def active_of(policy: str) -> str:
    """The directory of a policy's store that is in force."""
    return f"{STORES}/{policy}/active"


def local_parts(names: Iterable[str]) -> tuple[str, ...]:
    """What an operator has added to a policy, of the paths in its active store: settings, modules, modules that he disabled.

    Modules of the release have the priority 100, those of `semodule -i` 400.
    """
    found = []
    for name in names:
        parts = name.split("/")
        is_setting = len(parts) == 1 and (name in _LOCAL_NAMES or name in _LOCAL_FLAGS)
        is_module = len(parts) == 3 and parts[0] == "modules" and parts[1] != _RELEASE_PRIORITY
        if is_setting or is_module:
            found.append(name)
    return tuple(sorted(found))


def compiled_paths(policy: str, installed: Iterable[str]) -> tuple[str, ...]:
    """What is made of release and operator together; `installed` are the names in the policy's directory `policy`, one a version."""
    top = f"{POLICIES}/{policy}"
    return (
        *(f"{active_of(policy)}/{name}" for name in _COMPILED),
        *(f"{top}/{name}" for name in _INSTALLED),
        *(f"{top}/policy/{name}" for name in sorted(installed) if name.startswith("policy.")),
    )
