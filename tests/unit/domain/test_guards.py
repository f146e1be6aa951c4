"""What speaks against exchanging trees under a running system."""

import pytest

from reprov.domain.comparison import Action, Blocker, Change
from reprov.domain.guards import Sandboxed, blockers_of_live_commit
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


def changing(path: str) -> dict[str, Change]:
    return {path: Change(path, Action.REPLACE, "", None, None)}


@pytest.mark.parametrize(("what", "path"), [(what, path) for what, paths in NEEDS_BOOT.items() for path in paths.split()])
def test_what_the_running_system_holds_on_to_has_to_wait_for_a_boot(what: str, path: str) -> None:
    (blocker,) = blockers_of_live_commit(changing(path), [], [], labels=False)
    assert blocker.path == path
    assert what in blocker.problem


@pytest.mark.parametrize("path", HARMLESS.split())
def test_everything_else_need_not(path: str) -> None:
    assert blockers_of_live_commit(changing(path), [], [], labels=False) == []


def test_each_reason_is_given_once() -> None:
    changes = changing("usr/bin/perl") | changing("usr/bin/python3") | changing("boot/vmlinuz")
    assert [blocker.path for blocker in blockers_of_live_commit(changes, [], [], labels=False)] == ["boot/vmlinuz", "usr/bin/perl"]


@pytest.mark.parametrize(
    ("mount_point", "is_lost"),
    [
        pytest.param("usr", True, id="on what swaps"),
        pytest.param("etc/resolv.conf", True, id="in what swaps"),
        pytest.param("usrlocal", False, id="beside it"),
        pytest.param("var/tmp", False, id="elsewhere"),
        pytest.param("", False, id="above it"),
    ],
)
def test_a_sandbox_would_lose_what_is_mounted_in_a_tree_that_swaps(mount_point: str, is_lost: bool) -> None:
    ops = [Op(OpKind.SWAP, "usr", ""), Op(OpKind.SWAP, "etc", "")]
    found = blockers_of_live_commit({}, ops, [Sandboxed(7, "named", mount_point)], labels=False)
    problem = "is a mount in the sandbox of named (7), which would lose it"
    assert [(item.path, item.problem) for item in found] == ([(mount_point, problem)] if is_lost else [])
    assert all(isinstance(item, Blocker) and item.hint.startswith("stop named first, or ") for item in found)


def test_a_node_with_selinux_has_to_wait() -> None:
    (blocker,) = blockers_of_live_commit({}, [], [], labels=True)
    assert blocker == Blocker(
        "", "is a node with SELinux, whose labels this version of reprov does not set", "wait for a version that does"
    )
