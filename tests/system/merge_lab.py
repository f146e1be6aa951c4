"""A realistic node: two Debian releases that differ in /etc in every way, and what an operator and a configuration engine left there.

The trees are the real ones (`trees.real_trees`); what is added to both stands for packages that those lack.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from reprov.domain.beside import place_beside
from reprov.domain.release import ReleaseId
from reprov.events import NullMonitor
from reprov.workflows.publish import DEFAULT_CONCERNS, Candidate, publish
from tests.system.hazard_lab import NEW, OLD
from tests.system.node import Node, Store
from tests.system.trees import RealTrees, Tree

IMAGE_BYTES = 1 << 30
EVIL = "-own\nname \udce9 *"


def lines(*words: str) -> str:
    """A file of these lines."""
    return "".join(f"{word}\n" for word in words)


_SSHD = ("Port 22", "PermitRootLogin yes", "PasswordAuthentication yes", "PrintMotd no", "UsePAM yes", "X11Forwarding yes")
_SYSCTL = ("kernel.panic = 10", "# network", "net.ipv4.ip_forward = 0", "# memory", "vm.swappiness = 60")
_NOVA = ("[DEFAULT]", "compute_driver = libvirt.LibvirtDriver", "[libvirt]", "virt_type = kvm")
_DEFAULT = ("# options of the service", "OPTIONS=")

_BOTH = {
    "etc/same.conf": lines("the same in both releases"),
    "etc/app.conf": lines("release 1.0"),
    "etc/app.d/10-base.conf": lines("release 1.0"),
    "etc/logrotate.d/app": lines("release 1.0"),
    "etc/edited.conf": lines("the same in both releases"),
    "etc/removed.conf": lines("the same in both releases"),
    "etc/removed-changed.conf": lines("release 1.0"),
    "etc/mode.conf": lines("the same in both releases"),
    "etc/mode-edited.conf": lines("the same in both releases"),
    "etc/mode-clash.conf": lines("the same in both releases"),
    "etc/turns-link": lines("a file in 1.0"),
    "etc/turns-link-edited": lines("a file in 1.0"),
    "etc/turns-directory": lines("a file in 1.0"),
    "etc/dropped.conf": lines("only in 1.0"),
    "etc/dropped-edited.conf": lines("only in 1.0"),
    "etc/dropped.d/conf": lines("only in 1.0"),
    "etc/ssh/sshd_config": lines(*_SSHD),
    "etc/sysctl.d/50-app.conf": lines(*_SYSCTL),
    "etc/nova/nova.conf": lines(*_NOVA),
    "etc/default/service": lines(*_DEFAULT),
    "etc/same-edit.conf": lines("release 1.0"),
    "usr/lib/systemd/system/agent.service": lines("[Service]"),
    "usr/lib/systemd/system/web.service": lines("[Service]"),
}
WANTS = "etc/systemd/system/multi-user.target.wants"
_OLD_ACCOUNTS = {
    "etc/passwd": ("legacy:x:120:120:legacy agent:/var/lib/legacy:/usr/sbin/nologin", "svc:x:121:121:service:/var/lib/svc:/bin/sh"),
    "etc/group": ("legacy:x:120:", "svc:x:121:"),
    "etc/shadow": ("legacy:!:19518::::::", "svc:!:19518::::::"),
    "etc/gshadow": ("legacy:!::", "svc:!::"),
}
_NEW_ACCOUNTS = {
    "etc/passwd": (
        "svc:x:121:121:the service:/srv/svc:/usr/sbin/nologin",
        "brought:x:122:122:brought by 1.1:/var/lib/brought:/usr/sbin/nologin",
    ),
    "etc/group": ("svc:x:121:", "brought:x:122:svc"),
    "etc/shadow": ("svc:!:19518::::::", "brought:!:20000::::::"),
    "etc/gshadow": ("svc:!::", "brought:!::svc"),
}


def _add_lines(tree: Tree, files: Mapping[str, tuple[str, ...]]) -> None:
    for path, added in files.items():
        status = tree.at(path).stat()
        content = tree.at(path).read_text() + lines(*added)
        tree.file(path, content, mode=status.st_mode & 0o777, owner=status.st_uid, group=status.st_gid)


def make_old(folder: Path) -> Path:
    """The older release, out of a copy of a Debian tree."""
    tree = Tree.over(folder)
    for path, content in _BOTH.items():
        tree.file(path, content)
    tree.at("etc/mode-clash.conf").chmod(0o644)
    tree.file("etc/turns-file/inside", "only in 1.0\n")
    tree.symlink("etc/alternatives/tool", "/usr/bin/more").symlink(f"{WANTS}/agent.service", "/lib/systemd/system/agent.service")
    _add_lines(tree, _OLD_ACCOUNTS)
    return tree.folder


def make_new(folder: Path) -> Path:
    """The newer one: conffiles changed, added and dropped, directories that come and go, other kinds, modes and accounts."""
    tree = Tree.over(folder)
    for path, content in _BOTH.items():
        tree.file(path, content)
    for path in ("app.conf", "app.d/10-base.conf", "app.d/20-new.conf", "removed-changed.conf", "same-edit.conf", "brought.conf", "motd"):
        tree.file(f"etc/{path}", "release 1.1\n")
    tree.file("etc/logrotate.d/app", "release 1.1\n")
    tree.at("etc/mode.conf").chmod(0o600)
    tree.at("etc/mode-edited.conf").chmod(0o600)
    tree.at("etc/mode-clash.conf").chmod(0o600)
    tree.remove("etc/turns-link").symlink("etc/turns-link", "app.conf")
    tree.remove("etc/turns-link-edited").symlink("etc/turns-link-edited", "app.conf")
    tree.remove("etc/turns-directory").file("etc/turns-directory/inside", "only in 1.1\n").file("etc/turns-file", "a file in 1.1\n")
    tree.remove("etc/dropped.conf").remove("etc/dropped-edited.conf").remove("etc/dropped.d")
    tree.file("etc/brought.d/sub/conf", "only in 1.1\n").directory("etc/brought.d/empty", mode=0o750)
    tree.file("etc/ssh/sshd_config", lines(*_SSHD[:-1], "X11Forwarding no", "MaxAuthTries 4"))
    tree.file("etc/sysctl.d/50-app.conf", lines(*_SYSCTL[:-1], "vm.swappiness = 10"))
    tree.file("etc/nova/nova.conf", lines(*_NOVA, "cpu_mode = host-model"))
    tree.file("etc/default/service", lines(_DEFAULT[0], "OPTIONS=--new"))
    tree.symlink("etc/alternatives/tool", "/usr/bin/more").symlink("etc/alternatives/brought", "/usr/bin/more")
    for unit in ("agent", "web"):
        tree.symlink(f"{WANTS}/{unit}.service", f"/lib/systemd/system/{unit}.service")
    _add_lines(tree, _NEW_ACCOUNTS)
    return tree.folder


def publish_releases(store: Store, debian: RealTrees) -> None:
    """Publish both with the lists that reprov ships."""
    work = store.folder.parent
    for version, tree, change in ((OLD, debian.old, make_old), (NEW, debian.new, make_new)):
        subprocess.run(("cp", "-a", tree, work / version), check=True)
        publish(store.folder, None, Candidate(ReleaseId("base", version), change(work / version), DEFAULT_CONCERNS, ()), NullMonitor())
        shutil.rmtree(work / version)


def in_chroot(node: Node, *words: str, given: str = "") -> None:
    """Run a program of the node as its operator does."""
    environment = {"PATH": "/usr/sbin:/usr/bin", "LC_ALL": "C.UTF-8"}
    subprocess.run(("chroot", node.root, *words), check=True, capture_output=True, text=True, input=given, env=environment)


OWN = (
    "etc/acme",
    "etc/cron.d/backup",
    "etc/default/only-here",
    "etc/hostname",
    "etc/hosts",
    "etc/netplan",
    "etc/network",
    "etc/resolv.conf",
    "etc/ssh/ssh_host_ed25519_key",
    "etc/sudoers.d",
    "etc/systemd/system/masked.service",
    f"{WANTS}/own.service",
    "etc/systemd/system/own.service",
    # Written by the account tools.
    "etc/.pwd.lock",
    "etc/passwd-",
    "etc/group-",
    "etc/shadow-",
    "etc/gshadow-",
    "etc/subuid-",
    "etc/subgid-",
)
"""What only the node has, in /etc."""
EDITED = (
    "etc/alternatives/tool",
    "etc/edited.conf",
    "etc/login.defs",
    "etc/pam.d/common-password",
    "etc/skel/.bashrc",
)
"""What the node changed, and the new release did not: they stay as they are."""
REMOVED = ("etc/removed.conf", "etc/cron.daily/dpkg", f"{WANTS}/agent.service", "etc/systemd/system/timers.target.wants/apt-daily.timer")
"""What the node removed, and the new release did not change: they stay away."""
MERGED = {
    "etc/ssh/sshd_config": lines("Port 22", "PermitRootLogin no", *_SSHD[2:-1], "X11Forwarding no", "MaxAuthTries 4"),
    "etc/sysctl.d/50-app.conf": lines(*_SYSCTL[:2], "net.ipv4.ip_forward = 1", _SYSCTL[3], "vm.swappiness = 10"),
}
"""What both changed, in lines that are apart."""
CONFLICTS: dict[str, str | None] = {
    "etc/brought.conf": "release 1.1\n",
    "etc/default/service": lines(_DEFAULT[0], "OPTIONS=--new"),
    "etc/logrotate.d/app": "release 1.1\n",
    "etc/mode-clash.conf": None,
    "etc/motd": "release 1.1\n",
    "etc/nova/nova.conf": lines(*_NOVA, "cpu_mode = host-model"),
    "etc/removed-changed.conf": "release 1.1\n",
    "etc/turns-link-edited": "-> app.conf",
}
"""What both changed: with what lies beside the node's afterwards, None for nothing."""
STAYING = (*OWN, *EDITED, "etc/dropped-edited.conf", *(path for path in CONFLICTS if path != "etc/removed-changed.conf"))
"""What an upgrade leaves alone, where it was."""
ACCOUNTS = ("etc/passwd", "etc/group", "etc/shadow", "etc/gshadow", "etc/subuid", "etc/subgid")
BESIDE = {place_beside(path): content for path, content in CONFLICTS.items() if content is not None}


def furnish(node: Node) -> None:
    """Everything that an operator, Puppet and the services of a node leave on it."""
    _make_people(node)
    node.write("etc/hostname", "node-17\n")
    node.write("etc/hosts", "127.0.0.1 localhost\n192.0.2.17 node-17\n")
    node.path("etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    node.write("etc/netplan/01-lan.yaml", "network: {version: 2}\n", mode=0o600)
    node.write("etc/network/interfaces", "source interfaces.d/*\n")
    node.write("etc/network/interfaces.d/lan", "iface eth0 inet dhcp\n")
    node.write("etc/ssh/ssh_host_ed25519_key", "host key\n", mode=0o600)
    node.write("etc/sudoers.d/ops", "ops ALL=(ALL) ALL\n", mode=0o440)
    node.write("etc/cron.d/backup", "0 3 * * * root backup\n")
    node.write("etc/default/only-here", "X=1\n")
    node.write("etc/acme/tls/ca.pem", "certificate\n")
    node.write(f"etc/acme/{EVIL}", "evil name\n")
    node.path("etc/acme").chmod(0o750)
    os.chown(node.path("etc/acme"), 0, 4)
    node.path("etc/acme/current").symlink_to("tls/ca.pem")
    _change_units(node)
    _edit(node)


def _make_people(node: Node) -> None:
    for name in ("ops", "ann", "leaver"):
        in_chroot(node, "useradd", "-m", "-s", "/bin/bash", name)
    in_chroot(node, "chpasswd", given="ops:first\nann:first\nleaver:first\n")
    in_chroot(node, "usermod", "-L", "ann")
    in_chroot(node, "groupadd", "-r", "site")
    in_chroot(node, "gpasswd", "-a", "ops", "adm")
    in_chroot(node, "gpasswd", "-a", "ops", "svc")
    in_chroot(node, "useradd", "-r", "-s", "/usr/sbin/nologin", "exporter")
    in_chroot(node, "usermod", "-L", "exporter")
    node.write("home/ops/.ssh/authorized_keys", "key one\nkey two\n", mode=0o600)
    node.write("root/.ssh/authorized_keys", "key one\nkey two\n", mode=0o600)
    node.write("var/spool/cron/crontabs/ops", "* * * * * true\n", mode=0o600)


def _change_units(node: Node) -> None:
    node.write("etc/systemd/system/own.service", "[Service]\n")
    node.path(f"{WANTS}/own.service").symlink_to("../own.service")
    node.path("etc/systemd/system/masked.service").symlink_to("/dev/null")
    node.path(f"{WANTS}/agent.service").unlink()
    node.path("etc/systemd/system/timers.target.wants/apt-daily.timer").unlink()


def _edit(node: Node) -> None:
    node.path("etc/alternatives/tool").unlink()
    node.path("etc/alternatives/tool").symlink_to("/usr/bin/zless")
    node.write("etc/edited.conf", "the node's\n", mode=0o640)
    node.write("etc/dropped-edited.conf", "the node's\n")
    node.write("etc/mode-edited.conf", "the node's\n")
    node.path("etc/mode-clash.conf").chmod(0o640)
    node.path("etc/skel/.bashrc").chmod(0o600)
    node.write("etc/same-edit.conf", "release 1.1\n")
    for path in ("etc/login.defs", "etc/pam.d/common-password"):
        node.write(path, node.path(path).read_text() + "# of the node\n")
    node.write("etc/ssh/sshd_config", node.path("etc/ssh/sshd_config").read_text().replace("PermitRootLogin yes", "PermitRootLogin no"))
    node.write("etc/sysctl.d/50-app.conf", lines(*_SYSCTL).replace("ip_forward = 0", "ip_forward = 1"))
    node.write("etc/nova/nova.conf", "# This file is managed by Puppet\n" + lines(*_NOVA), mode=0o640)
    os.chown(node.path("etc/nova/nova.conf"), 0, 121)
    node.write("etc/default/service", lines(_DEFAULT[0], "OPTIONS=--ours"))
    for path in ("etc/motd", "etc/turns-link-edited", "etc/brought.conf", "etc/logrotate.d/app"):
        node.write(path, "the node's\n")
    for path in ("etc/removed.conf", "etc/removed-changed.conf", "etc/cron.daily/dpkg"):
        node.path(path).unlink()
