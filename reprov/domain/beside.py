"""Where the release's content lies when the node's stays: beside it, but in no directory whose files are all read.

Programs that read such directories pass over the names that dpkg and rpm leave behind, at best, and not over ours: logrotate,
AppArmor, dnsmasq, bash-completion, ufw, oslo.rootwrap and oslo.policy (who may run what), initramfs-tools, cronie, nginx. The
next one is not known yet, so every directory that is named like one counts, whatever its reader does. Above it nobody reads:
what belongs to `etc/logrotate.d/app` lies as `etc/logrotate.d%app.reprov-new`.
"""

from typing import Final

from reprov.domain.entry import ancestors_of, parent_of

SUFFIX: Final = ".reprov-new"
_SEPARATOR = "%"
_ENDINGS = (".d", "-enabled")
_READ_WHOLE = frozenset(
    {
        "etc/NetworkManager/system-connections",
        "etc/kubernetes/manifests",
        "etc/pki/ca-trust/source",
        "etc/skel",
        "etc/sysconfig/network-scripts",
    }
)
"""Directories with other names of which their readers take every file, or nearly: NetworkManager, kubelet, p11-kit, useradd, network."""


def place_beside(path: str) -> str:
    """The path for what belongs beside `path`; "" where a name would belong to another path as well."""
    place = _place(path)
    return place if original_of(place) == path else ""


def original_of(path: str) -> str:
    """The path that a path lies beside by its name; "" for any other name."""
    original = path.removesuffix(SUFFIX)
    directory, _, name = original.rpartition("/")
    if original == path or not name:
        return ""
    parts = name.split(_SEPARATOR)
    inside = "/".join((directory, *parts))
    if len(parts) > 1 and not {"", ".", ".."} & set(parts) and _place(inside) == path:
        return inside
    return original


def _place(path: str) -> str:
    directory = next((above for above in ancestors_of(path) if above.endswith(_ENDINGS) or above in _READ_WHOLE), "")
    holder = parent_of(directory)
    if not holder:  # in no such directory, or in one at the top, where names are the operator's
        return path + SUFFIX
    return f"{holder}/{path.removeprefix(f'{holder}/').replace('/', _SEPARATOR)}{SUFFIX}"
