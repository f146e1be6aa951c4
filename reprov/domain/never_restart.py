"""Which units must not be restarted behind an operator's back, why, and what to do instead."""

import re
from typing import NamedTuple

from reprov.domain.cgroups import Home, HomeKind


class Stay(NamedTuple):
    """Why a unit goes on running as it is."""

    reason: str
    advice: str
    needs_reboot: bool
    """Whether nothing less than a reboot makes it run what is installed, short of doing by hand what is dangerous."""


class NodeFacts(NamedTuple):
    """What else decides whether a unit may be restarted."""

    own_unit: str = ""
    """The unit that reprov itself runs in; "" for none."""
    has_guests: bool = False
    """Virtual machines run."""
    has_graphical_session: bool = False


_REBOOT = "reboot"
_ALWAYS: tuple[tuple[str, Stay], ...] = (
    (
        r"dbus(-broker|-daemon)?\.service",
        Stay("every service would lose its connection to the message bus", _REBOOT, needs_reboot=True),
    ),
    (
        r"ceph-osd@.*\.service|ceph-[0-9a-f-]{36}@osd\..*\.service",
        Stay("an OSD is restarted behind its gate alone", "set noout, then restart the OSDs of one host at a time", needs_reboot=False),
    ),
    (
        r"(docker|containerd|crio|cri-o|podman|lxc|lxc@.*|lxd|incus|snap\.lxd\.daemon)\.service",
        Stay("its containers could be stopped with it", "move the containers away, then restart it, or reboot", needs_reboot=True),
    ),
    (
        r"systemd-.*\.socket",
        Stay("systemd and every service use it", _REBOOT, needs_reboot=False),
    ),
    (
        r"libvirt-guests\.service",
        Stay("it would shut the guests down", "nothing: it acts when the node is shut down", needs_reboot=False),
    ),
    (
        r"(gdm3?|lightdm|sddm|xdm|kdm|lxdm|wdm|slim|greetd|display-manager)\.service",
        Stay("graphical sessions would end", _REBOOT, needs_reboot=True),
    ),
    (
        r"(networking|network|wpa_supplicant|open-iscsi|iscsi|openvpn|openvpn@.*|ifup@.*|wg-quick@.*|pppd?|pppoe.*)\.service",
        Stay("connections would be cut, that of the operator perhaps among them", _REBOOT, needs_reboot=True),
    ),
    (
        r"(corosync|pacemaker|sbd|drbd.*)\.service",
        Stay("the cluster could fence the node", "put the node on standby, then restart it, or reboot", needs_reboot=True),
    ),
)
_RULES = tuple((re.compile(pattern), stay) for pattern, stay in _ALWAYS)
_LIBVIRT = re.compile(r"(libvirtd|virtqemud|virtlogd|virtlockd|qemu-kvm)\.service")
_LOGIND = "systemd-logind.service"
_BY_KIND = {
    HomeKind.SESSION: Stay("somebody is logged in", "log in again", needs_reboot=False),
    HomeKind.CONTAINER: Stay("it is a container or a guest", "stop it and start it again", needs_reboot=False),
    HomeKind.INIT: Stay("it is PID 1", _REBOOT, needs_reboot=True),
    HomeKind.OTHER: Stay("it is no service of systemd's", "restart it by hand", needs_reboot=False),
}


def stay_of_unit(unit: str, facts: NodeFacts) -> Stay | None:
    """Why a service must not be restarted; None when it may be."""
    if unit == facts.own_unit:
        return Stay("reprov itself runs in it", "restart it by hand", needs_reboot=False)
    for pattern, stay in _RULES:
        if pattern.fullmatch(unit):
            return stay
    if facts.has_guests and _LIBVIRT.fullmatch(unit):
        return Stay("it has running guests", "restart it when they are moved away or shut down", needs_reboot=False)
    # Restarting it keeps every session but the graphical ones: their devices are taken away for a moment.
    if facts.has_graphical_session and unit == _LOGIND:
        return Stay("graphical sessions would end", _REBOOT, needs_reboot=True)
    return None


def stay_of_home(home: Home, facts: NodeFacts) -> Stay | None:
    """Why a process cannot be replaced by restarting its unit; None when it can be."""
    return stay_of_unit(home.unit, facts) if home.kind is HomeKind.SERVICE else _BY_KIND[home.kind]
