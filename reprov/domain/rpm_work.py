"""Which of rpm's scripts ask for work that is done once for all packages, natively, after all of them."""

import re
from typing import Final

from reprov.domain.post_script import WorkKind
from reprov.domain.rpm_scripts import Call

_LDCONFIG: Final = frozenset({"/sbin/ldconfig", "/usr/sbin/ldconfig"})

_DIRECTORIES: Final = {
    "/usr/lib/sysusers.d": WorkKind.SYSUSERS,
    "/usr/lib/tmpfiles.d": WorkKind.TMPFILES,
    "/usr/lib/systemd/system": WorkKind.DAEMON_RELOAD,
    "/usr/lib/systemd/user": WorkKind.DAEMON_RELOAD,
    "/etc/systemd/system": WorkKind.DAEMON_RELOAD,
    "/etc/systemd/user": WorkKind.DAEMON_RELOAD,
    "/usr/lib/udev/hwdb.d": WorkKind.UDEV,
    "/usr/lib/udev/rules.d": WorkKind.UDEV,
}
"""What the file triggers of these packages do for the files in a directory."""
_OWNERS: Final = frozenset({"systemd", "systemd-udev"})
_CACHE_OWNERS: Final = frozenset(
    {"desktop-file-utils", "fontconfig", "gdk-pixbuf2", "glib2", "gtk-update-icon-cache", "gtk3", "hicolor-icon-theme", "shared-mime-info"}
)
"""Packages whose file triggers make caches of files of others, and do nothing else."""
_LIBC: Final = frozenset({"glibc", "glibc-common"})
_KERNEL: Final = re.compile(r"kernel(-(rt|64k|uek|lpae|lt|ml))?(-debug)?(-(core|modules)(-[a-z]+)*)?")
"""Packages whose scripts are depmod and kernel-install, of which the one makes an initramfs and the other a boot entry."""


def works_of_call(call: Call) -> tuple[WorkKind, ...] | None:
    """What is done in place of the script; None when it has to be run."""
    if not call.script.body and call.script.interpreter[:1] and call.script.interpreter[0] in _LDCONFIG:
        return (WorkKind.LDCONFIG,)
    if _KERNEL.fullmatch(call.package.name):
        return (WorkKind.DEPMOD, WorkKind.INITRAMFS)
    if call.prefixes:
        if call.package.name in _LIBC:
            return (WorkKind.LDCONFIG,)
        if call.package.name in _CACHE_OWNERS:
            return (WorkKind.CACHES,)
        if call.package.name in _OWNERS and all(prefix.rstrip("/") in _DIRECTORIES for prefix in call.prefixes):
            return tuple(dict.fromkeys(_DIRECTORIES[prefix.rstrip("/")] for prefix in call.prefixes))
    return None
