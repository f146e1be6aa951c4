"""What speaks against exchanging trees under a running system."""

import pytest

from reprov.domain.cgroups import Home, HomeKind
from reprov.domain.comparison import Action, Blocker, Change
from reprov.domain.guards import Use, UseKind, blockers_of_live_commit, blockers_of_modules
from reprov.domain.never_restart import NodeFacts
from reprov.domain.units import Op, OpKind

NEEDS_BOOT = {
    "the kernel": "boot/vmlinuz-6.1.0-30-amd64 usr/lib/modules/6.1.0/kernel/fs/xfs.ko lib/modules/5.10.0/modules.dep",
    "the C library": """
        usr/lib/x86_64-linux-gnu/libc.so.6 usr/lib64/libc.so.6 usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
        usr/lib/ld-linux-aarch64.so.1 usr/lib64/ld-linux-x86-64.so.2 usr/lib64/libc-2.28.so usr/lib64/ld-2.28.so
        lib64/libc.so.6 lib64/libc-2.12.so lib64/ld-linux-x86-64.so.2 lib64/ld-2.12.so lib/ld-linux.so.2 lib/i386-linux-gnu/libc.so.6
        lib/x86_64-linux-gnu/libc-2.31.so usr/lib32/libc.so.6 usr/lib32/ld-linux.so.2 usr/libx32/libc.so.6 usr/libx32/ld-linux-x32.so.2
        lib32/libc.so.6 libx32/ld-linux-x32.so.2 usr/lib64/ld64.so.2 lib/ld64.so.1
    """,
    "PID 1": """
        usr/lib/systemd/systemd usr/lib/systemd/libsystemd-shared-252.so usr/lib/x86_64-linux-gnu/systemd/libsystemd-core-252.so
        usr/lib64/systemd/libsystemd-core-257.so lib/systemd/systemd lib/systemd/libsystemd-shared-247.so
    """,
    "PAM or NSS modules": """
        usr/lib/x86_64-linux-gnu/security/pam_unix.so usr/lib64/libnss_systemd.so.2 usr/lib/x86_64-linux-gnu/libpam.so.0
        usr/lib64/security/pam_sss.so usr/lib64/libpam.so.0.85.1 usr/lib/security/pam_unix.so usr/lib32/security/pam_unix.so
        usr/libx32/libnss_files.so.2 lib64/security/pam_unix.so lib64/libnss_files-2.12.so lib64/libnss_sss.so.2 lib64/libpam_misc.so.0
        lib/x86_64-linux-gnu/security/pam_unix.so lib/x86_64-linux-gnu/libnss_files.so.2 lib/libnss_ldap.so.2 lib32/libnss_dns.so.2
    """,
    "the message bus": "usr/bin/dbus-daemon usr/bin/dbus-broker-launch bin/dbus-daemon",
    "an interpreter that services run in": """
        usr/bin/python3 usr/bin/python3.11 usr/bin/perl usr/bin/perl5.36.0 usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0
        usr/lib/x86_64-linux-gnu/libperl.so.5.36 usr/lib64/libpython3.6m.so.1.0 usr/lib64/libperl.so.5.26.3
    """,
}
HARMLESS = """
    usr/bin/dash usr/lib/x86_64-linux-gnu/libcrypto.so.3 usr/lib/python3/dist-packages/x.py usr/share/doc/libc6/changelog
    usr/lib/systemd/system/x.service usr/bin/python3-config boot/grub/x usr/lib/systemd/systemd-journald etc/pam.d/login opt/usr/bin/perl
    usr/lib/security usr/lib/x86_64-linux-gnu/libcap.so.2 usr/bin/dbus-send home/usr/lib/modules/x
    opt/lib64/libc.so.6 lib64 lib/modules-load.d/x lib64/security usr/lib64/libcap.so.2 usr/lib64/ld64.so.d/x usr/lib128/libc.so.6
    usr/libexec/libc.so.6 usr/share/lib64/security/pam_unix.so lib/systemd/system/x.service usr/lib64/libcrypt.so.1 srv/lib/ld-linux.so.2
"""


OPS = (Op(OpKind.SWAP, "usr", ""), Op(OpKind.SWAP, "etc", ""), Op(OpKind.SWAP, "opt", ""), Op(OpKind.CARRY, "opt/app/data", ""))
NOTHING = NodeFacts()
SERVICE, PERSON = Home(HomeKind.SERVICE, "named.service"), Home(HomeKind.SESSION, "session-1.scope")


def changing(path: str) -> dict[str, Change]:
    return {path: Change(path, Action.REPLACE, "", None, None)}


@pytest.mark.parametrize(("what", "path"), [(what, path) for what, paths in NEEDS_BOOT.items() for path in paths.split()])
def test_what_the_running_system_holds_on_to_has_to_wait_for_a_boot(what: str, path: str) -> None:
    (blocker,) = blockers_of_live_commit(changing(path), [], [], [], [], NodeFacts())
    assert blocker.path == path
    assert what in blocker.problem


@pytest.mark.parametrize("path", HARMLESS.split())
def test_everything_else_need_not(path: str) -> None:
    assert blockers_of_live_commit(changing(path), [], [], [], [], NodeFacts()) == []


def test_each_reason_is_given_once() -> None:
    changes = changing("usr/bin/perl") | changing("usr/bin/python3") | changing("boot/vmlinuz")
    assert [blocker.path for blocker in blockers_of_live_commit(changes, [], [], [], [], NodeFacts())] == ["boot/vmlinuz", "usr/bin/perl"]


def blocked(use: Use, facts: NodeFacts = NOTHING) -> list[Blocker]:
    return blockers_of_live_commit({}, OPS, ["etc/hostname"], ["etc/ssh"], [use], facts)


@pytest.mark.parametrize(
    ("mount_point", "is_lost"),
    [
        pytest.param("usr", True, id="on what swaps"),
        pytest.param("etc/resolv.conf", True, id="in what swaps"),
        pytest.param("etc/hostname", True, id="on a file that comes along as a link: the mount is on the name"),
        pytest.param("etc/ssh/keys", True, id="in a directory that is made again"),
        pytest.param("opt/app/data/x", False, id="in what is carried: it goes along"),
        pytest.param("usrlocal", False, id="beside it"),
        pytest.param("var/tmp", False, id="elsewhere"),
        pytest.param("", False, id="above it"),
    ],
)
def test_a_sandbox_would_lose_what_is_mounted_in_a_tree_that_swaps(mount_point: str, is_lost: bool) -> None:
    found = blocked(Use(UseKind.MOUNT, mount_point, 7, "bash", PERSON))
    problem = "is a mount in the sandbox of bash (7), which would lose it (somebody is logged in)"
    hint = "stop bash first, or commit it at the next boot: --commit boot"
    assert found == ([Blocker(mount_point, problem, hint)] if is_lost else [])


@pytest.mark.parametrize("kind", [UseKind.MOUNT, UseKind.BIND])
def test_a_service_gets_its_sandbox_back_by_a_restart(kind: UseKind) -> None:
    assert blocked(Use(kind, "etc", 7, "named", SERVICE, is_directory=True, where="/x")) == []


@pytest.mark.parametrize(
    ("home", "facts", "hint"),
    [
        pytest.param(Home(HomeKind.SERVICE, "ceph-osd@3.service"), NodeFacts(), "systemctl stop ceph-osd@3.service", id="an OSD"),
        pytest.param(Home(HomeKind.SERVICE, "dbus.service"), NodeFacts(), "systemctl stop dbus.service", id="the message bus"),
        pytest.param(Home(HomeKind.SERVICE, "x.service"), NodeFacts("x.service"), "systemctl stop x.service", id="where reprov runs"),
        pytest.param(Home(HomeKind.SERVICE, "libvirtd.service"), NodeFacts("", True), "systemctl stop libvirtd.service", id="guests"),
        pytest.param(Home(HomeKind.CONTAINER, "docker-1.scope"), NodeFacts(), "stop web", id="a container"),
        pytest.param(Home(HomeKind.OTHER), NodeFacts(), "stop web", id="what no unit holds"),
    ],
)
def test_a_sandbox_that_cannot_be_restarted_stops_the_commit(home: Home, facts: NodeFacts, hint: str) -> None:
    (found,) = blocked(Use(UseKind.MOUNT, "usr", 7, "web", home), facts)
    assert found.hint == f"{hint} first, or commit it at the next boot: --commit boot"


@pytest.mark.parametrize("kind", [UseKind.WRITES, UseKind.MAPS, UseKind.SOCKET, UseKind.FIFO])
@pytest.mark.parametrize(
    ("path", "is_lost"),
    [
        pytest.param("etc/app.conf", True, id="the image's"),
        pytest.param("etc/hostname", False, id="a kept file: it is linked"),
        pytest.param("etc/ssh/sub/key", False, id="in a kept directory of etc: it is linked"),
        pytest.param("opt/app/data/rows", False, id="in a kept directory"),
        pytest.param("var/log/x", False, id="elsewhere"),
    ],
)
def test_what_is_written_to_would_be_lost_even_by_a_service(kind: UseKind, path: str, is_lost: bool) -> None:
    found = blocked(Use(kind, path, 7, "named", SERVICE))
    assert [item.path for item in found] == ([path] if is_lost else [])
    assert all("named (7)" in item.problem and item.hint.startswith("systemctl stop named.service first") for item in found)


@pytest.mark.parametrize(
    ("path", "is_directory", "is_lost"),
    [
        pytest.param("etc/ssl", True, True, id="a directory of the image's"),
        pytest.param("etc/ssh/sub", True, True, id="a kept directory that is made again"),
        pytest.param("etc/ssh/key", False, False, id="a kept file"),
        pytest.param("opt/app/data", True, False, id="a carried directory"),
    ],
)
def test_what_a_container_has_mounted_would_be_the_old_one(path: str, is_directory: bool, is_lost: bool) -> None:
    use = Use(UseKind.BIND, path, 7, "web", Home(HomeKind.CONTAINER, "docker-1.scope"), is_directory, "/etc/ssl")
    problem = "is mounted at /etc/ssl for web (7), which would keep the old one"
    assert [(item.path, item.problem) for item in blocked(use)] == ([(path, problem)] if is_lost else [])


@pytest.mark.parametrize(
    ("changes", "is_blocked"),
    [
        pytest.param({"usr/lib/modules/6.1": Action.DELETE}, True, id="the running kernel's go"),
        pytest.param({"usr/lib/modules/6.0": Action.DELETE}, False, id="another one's go"),
        pytest.param({"usr/lib/modules/6.1": Action.METADATA}, False, id="they stay"),
    ],
)
def test_the_modules_of_the_running_kernel_must_stay(changes: dict[str, Action], is_blocked: bool) -> None:
    """Hazard 24."""
    given = {path: Change(path, action, "", None, None) for path, action in changes.items()}
    found = blockers_of_modules(given, "6.1")
    assert any("modules of the running kernel" in item.problem for item in found) == is_blocked
