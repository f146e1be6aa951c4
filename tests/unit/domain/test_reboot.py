"""Why a node wants to be rebooted, and until when."""

from dataclasses import replace

import pytest

from reprov.domain.reboot import Origin, RebootReason, kernels_in, not_taken_back, parse_reasons, reasons_after, render_reasons

KERNEL = RebootReason(Origin.CHANGED, "the kernel has changed", "boot-1", "base 1.0", "base 1.1", ("6.2",))
LIBC = RebootReason(Origin.CHANGED, "the C library has changed", "boot-1", "base 1.0", "base 1.1")
BUS = RebootReason(Origin.PROCESS, "dbus.service runs an old /usr/bin/dbus-daemon", "boot-1", "base 1.0", "base 1.1")
SCRIPT = RebootReason(Origin.SCRIPT, "x.postinst asks", "boot-1", "base 1.0", "base 1.1")
EARLIER = RebootReason(Origin.SCRIPT, "y.postinst asks", "boot-1", "base 0.9", "base 1.0")
KERNEL_BACK = RebootReason(Origin.CHANGED, KERNEL.text, "boot-2", "base 1.1", "base 1.0", ("6.1",))
LIBC_BACK = RebootReason(Origin.CHANGED, LIBC.text, "boot-1", "base 1.1", "base 1.0")
LIBC_BACK_LATER = replace(LIBC_BACK, boot_id="boot-2")
NEXT_LIBC = RebootReason(Origin.CHANGED, LIBC.text, "boot-1", "base 1.1", "base 1.2")


@pytest.mark.parametrize(
    ("reason", "boot", "kernel", "is_met"),
    [
        pytest.param(LIBC, "boot-1", "6.1", False, id="it has not been rebooted"),
        pytest.param(LIBC, "boot-2", "6.1", True, id="it has"),
        pytest.param(KERNEL, "boot-2", "6.1", False, id="it has, into the old kernel"),
        pytest.param(KERNEL, "boot-2", "6.2", True, id="it has, into the new kernel"),
        pytest.param(KERNEL, "boot-1", "6.2", False, id="the same kernel in another build"),
    ],
)
def test_a_reason_is_met_by_the_boot_that_it_waits_for(reason: RebootReason, boot: str, kernel: str, is_met: bool) -> None:
    assert reason.is_met(boot, kernel) is is_met


@pytest.mark.parametrize(
    ("earlier", "new", "boot", "left"),
    [
        pytest.param((), (KERNEL, LIBC), "boot-1", (KERNEL, LIBC), id="the first"),
        pytest.param((LIBC, SCRIPT), (), "boot-1", (LIBC, SCRIPT), id="the next exchange changes nothing of it"),
        pytest.param((LIBC,), (NEXT_LIBC,), "boot-1", (LIBC, NEXT_LIBC), id="it changes it again"),
        pytest.param((LIBC,), (LIBC,), "boot-1", (LIBC,), id="told twice"),
        pytest.param((LIBC,), (), "boot-2", (), id="met"),
        pytest.param((KERNEL,), (), "boot-2", (KERNEL,), id="booted into the wrong kernel"),
        pytest.param((BUS,), (), "boot-1", (), id="a process is looked at anew"),
        pytest.param((BUS,), (BUS,), "boot-1", (BUS,), id="and still the same"),
    ],
)
def test_what_holds_after_an_exchange(
    earlier: tuple[RebootReason, ...], new: tuple[RebootReason, ...], boot: str, left: tuple[RebootReason, ...]
) -> None:
    assert reasons_after(earlier, new, way=("base 1.1", "base 1.2"), boot_id=boot, kernel="6.1") == left


@pytest.mark.parametrize(
    ("earlier", "new", "boot", "left"),
    [
        pytest.param((LIBC,), (LIBC_BACK,), "boot-1", (), id="what changed has changed back"),
        pytest.param((SCRIPT, EARLIER), (), "boot-1", (EARLIER,), id="what a script of that hop has asked for, and no other"),
        pytest.param((LIBC,), (LIBC_BACK_LATER,), "boot-2", (LIBC_BACK_LATER,), id="not what was booted meanwhile"),
        pytest.param((KERNEL,), (KERNEL_BACK,), "boot-2", (), id="a kernel that the boot in between did not take"),
    ],
)
def test_what_the_way_back_ends(
    earlier: tuple[RebootReason, ...], new: tuple[RebootReason, ...], boot: str, left: tuple[RebootReason, ...]
) -> None:
    assert reasons_after(earlier, new, way=("base 1.1", "base 1.0"), boot_id=boot, kernel="6.1") == left


def test_a_root_that_does_not_run_waits_for_nothing_of_a_hop_that_was_taken_back() -> None:
    assert not_taken_back((KERNEL, LIBC, SCRIPT, EARLIER), ("base 1.1", "base 1.0")) == (EARLIER,)
    assert not_taken_back((KERNEL, EARLIER), ("base 1.1", "base 1.2")) == (KERNEL, EARLIER)


def test_the_kernels_of_paths() -> None:
    paths = {"boot/vmlinuz-6.1.0-9-amd64", "usr/lib/modules/6.2/modules.dep", "lib/modules/5.10", "usr/lib/modules", "boot/grub/x"}
    assert kernels_in(paths) == {"6.1.0-9-amd64", "6.2", "5.10"}


def test_reasons_come_back_as_they_were_written() -> None:
    reasons = (KERNEL, LIBC, BUS, SCRIPT)
    assert parse_reasons(render_reasons(reasons)) == reasons


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"format": 2, "reasons": []}', '{"format": 1, "reasons": [{}]}', '{"format": 1, "reasons": 3}']
)
def test_what_is_none_of_ours(text: str) -> None:
    with pytest.raises(ValueError):
        parse_reasons(text)
