"""Paths that ask for work, whoever changes them."""

import pytest

from reprov.domain.known_work import works_of_paths
from reprov.domain.post_script import Work, WorkKind

PATHS = {
    "usr/lib/sysusers.d/a.conf": [WorkKind.SYSUSERS],
    "etc/tmpfiles.d/a.conf": [WorkKind.TMPFILES],
    "usr/lib/systemd/system/a.service": [WorkKind.DAEMON_RELOAD],
    "lib/systemd/system/a.service": [WorkKind.DAEMON_RELOAD],
    "etc/systemd/system/a.service.d/b.conf": [WorkKind.DAEMON_RELOAD],
    "usr/lib/systemd/system-generators/a": [WorkKind.DAEMON_RELOAD],
    "etc/init.d/a": [WorkKind.DAEMON_RELOAD],
    "usr/lib/udev/rules.d/60-a.rules": [WorkKind.UDEV],
    "usr/lib/modules/6.1.0/kernel/a.ko": [WorkKind.DEPMOD, WorkKind.INITRAMFS],
    "usr/lib/firmware/a.bin": [WorkKind.INITRAMFS],
    "usr/share/initramfs-tools/hooks/a": [WorkKind.INITRAMFS],
    "usr/lib/x86_64-linux-gnu/libc.so.6": [WorkKind.LDCONFIG],
    "usr/lib64/libc.so.6": [WorkKind.LDCONFIG],
    "etc/ld.so.conf.d/a.conf": [WorkKind.LDCONFIG],
    "usr/lib/x86_64-linux-gnu/gio/modules/liba.so.1": [],
    "usr/share/ca-certificates/mozilla/A.crt": [WorkKind.CA_CERTIFICATES],
    "usr/share/doc/systemd/system/a.service": [],
    "usr/lib/sysusers.d": [],
    "usr/lib/udev/rules.d/new\nline": [WorkKind.UDEV],
}


@pytest.mark.parametrize(("path", "kinds"), PATHS.items(), ids=PATHS.keys())
def test_work_that_a_path_asks_for(path: str, kinds: list[WorkKind]) -> None:
    assert list(works_of_paths([path])) == [Work(kind, f"/{path}") for kind in kinds]


def test_each_kind_once_in_the_order_in_which_it_is_done() -> None:
    paths = ["usr/lib/udev/rules.d/b", "usr/lib/udev/rules.d/a", "etc/sysusers.d/x"]
    assert works_of_paths(paths) == (Work(WorkKind.SYSUSERS, "/etc/sysusers.d/x"), Work(WorkKind.UDEV, "/usr/lib/udev/rules.d/a"))
