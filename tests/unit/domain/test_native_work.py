"""Which work is done once at the end, in which order, and by what."""

import pytest

from reprov.domain.native_work import PROGRAMS, NativeFacts, native_steps
from reprov.domain.post_script import Work, WorkKind

LIVE = NativeFacts(frozenset(PROGRAMS), ("6.1", "6.2"), ("6.2",), True)
ALL = [Work(kind, "x") for kind in reversed(WorkKind)]


def names(works: list[Work], facts: NativeFacts, *caches: str) -> list[str]:
    return [step.script for step in native_steps(works, caches, facts)]


def test_everything_at_once_in_its_order() -> None:
    assert names(ALL, LIVE) == [
        *("ldconfig", "systemd-sysusers", "systemd-tmpfiles", "systemctl", "systemd-hwdb", "udevadm", "depmod", "update-initramfs"),
        *("update-ca-certificates", "update-ca-trust", "fc-cache", "mandb"),
    ]


def test_nothing_of_the_running_system_where_it_is_another() -> None:
    assert {"systemctl", "udevadm"}.isdisjoint(names(ALL, LIVE._replace(is_live=False)))


def test_only_what_the_tree_has() -> None:
    assert names(ALL, LIVE._replace(programs={"dracut", "ldconfig"})) == ["ldconfig", "dracut"]
    assert names(ALL, LIVE._replace(programs=())) == []


def test_modules_are_indexed_where_the_index_of_the_release_does_not_do() -> None:
    (step,) = native_steps([Work(WorkKind.DEPMOD, "x")], (), LIVE)
    assert step.body == "depmod -a 6.2\n"
    assert native_steps([Work(WorkKind.DEPMOD, "x")], (), LIVE._replace(unindexed=())) == ()


def test_only_the_newest_kernel_gets_an_initramfs() -> None:
    (step,) = native_steps([Work(WorkKind.INITRAMFS, "x")], (), LIVE._replace(kernels=("6.1.10", "6.1.9")))
    assert step.body == "update-initramfs $([ -e /boot/initrd.img-6.1.10 ] && echo -u || echo -c) -k 6.1.10\n"


def test_no_kernel_no_initramfs() -> None:
    assert {"depmod", "update-initramfs"}.isdisjoint(names(ALL, LIVE._replace(kernels=(), unindexed=())))


def test_only_the_caches_that_scripts_named() -> None:
    assert names([Work(WorkKind.CACHES, "x")], LIVE, "mandb") == ["mandb"]


@pytest.mark.parametrize(("is_live", "words"), [(True, "systemd-tmpfiles --create ||"), (False, "--exclude-prefix=/run")])
def test_nothing_is_made_where_a_sandbox_has_filesystems_of_its_own(is_live: bool, words: str) -> None:
    (step,) = native_steps([Work(WorkKind.TMPFILES, "x")], (), LIVE._replace(is_live=is_live))
    assert words in step.body
