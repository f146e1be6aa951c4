"""Where a process lives: its systemd unit and what that is, read from /proc/PID/cgroup."""

import re
from enum import StrEnum
from typing import NamedTuple

UNIT_SUFFIXES = (".service", ".scope", ".socket", ".mount", ".swap")

# What container engines, nspawn, LXC and libvirt call the groups of what they run, with systemd's cgroup driver and with their own.
_CONTAINER = re.compile(
    r"/(docker|libpod|crio|cri-containerd|containerd)[-/:]|/lxc(\.payload)?[./]"
    r"|/(kubepods|machine)(\.slice)?/|/kubepods[-.]|/systemd-nspawn@[^/]*\.service/payload|/machine-[^/]*\.scope"
)
_SESSION = re.compile(r"(^|/)(user\.slice/|user@[0-9]+\.service(/|$)|session-[^/]*\.scope)")


class HomeKind(StrEnum):
    """What a process belongs to."""

    INIT = "init"
    SERVICE = "service"
    SESSION = "session"
    """Of somebody who is logged in."""
    CONTAINER = "container"
    """Or a virtual machine: what runs in it is not the node's."""
    OTHER = "other"
    """No unit that systemd could restart."""


class Home(NamedTuple):
    """The unit that a process belongs to."""

    kind: HomeKind
    unit: str = ""
    """With its suffix; "" where there is none."""


def home_of(cgroup: str) -> Home:
    """The home of a process by its /proc/PID/cgroup.

    The unified hierarchy ("0::") is asked before systemd's own one ("name=systemd"), which is stale where both are mounted and
    systemd uses the first.
    """
    paths = {}
    for line in cgroup.splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers in ("", "name=systemd"):
            paths[controllers] = path
    found = [_home(paths[name]) for name in ("", "name=systemd") if name in paths]
    known = [home for home in found if home.kind is not HomeKind.OTHER] or [home for home in found if home.unit]
    return known[0] if known else Home(HomeKind.OTHER)


def _home(path: str) -> Home:
    if path.startswith("/../") or path == "/..":
        return Home(HomeKind.OTHER)  # above the root of our cgroup namespace
    # The kernel's own names are escaped with a leading underscore.
    words = [word.removeprefix("_") for word in path.split("/")]
    unit = next((word for word in words if word.endswith(UNIT_SUFFIXES)), "")
    if _CONTAINER.search(path):
        return Home(HomeKind.CONTAINER, unit)
    if _SESSION.search(path.lstrip("/")):
        return Home(HomeKind.SESSION, unit)
    if unit == "init.scope":
        return Home(HomeKind.INIT, unit)
    if unit.endswith(".service"):
        return Home(HomeKind.SERVICE, unit)
    return Home(HomeKind.OTHER, unit)
