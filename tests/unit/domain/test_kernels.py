"""Kernels of a tree, and for which of them a node makes an initramfs."""

from collections.abc import Mapping

import pytest

from reprov.domain.comparison import Blocker
from reprov.domain.entry import Entry
from reprov.domain.kernels import (
    Choice,
    Initramfs,
    Making,
    blocker_of_room,
    choose,
    in_order,
    keep_list,
    kernels_of,
    orphans,
    reboot_reason,
    room_needed_bytes,
    to_make,
    trouble_of_initramfs,
    version_of_image,
    version_of_initramfs,
)
from reprov.domain.ownership import Owner, Ownership
from tests.builders import a_file


def tree(contents: Mapping[str, str]) -> dict[str, Entry]:
    return {path: a_file(path, content) for path, content in contents.items()}


def kernel(version: str, image: str = "a", module: str = "b") -> dict[str, Entry]:
    folder = f"usr/lib/modules/{version}"
    return tree({f"boot/vmlinuz-{version}": image, f"{folder}/kernel/fs/ext4.ko": module, f"{folder}/modules.dep": "c"})


def test_the_kernels_of_a_tree_have_an_image_and_modules() -> None:
    without_modules, without_image = tree({"boot/vmlinuz-5.9": "a"}), tree({"usr/lib/modules/5.10/kernel/x.ko": "a"})
    everything = {**kernel("6.10"), **kernel("6.9"), **without_modules, **without_image}
    assert list(kernels_of(everything)) == ["6.9", "6.10"]


def test_modules_beside_usr_count_too() -> None:
    assert list(kernels_of(tree({"boot/vmlinuz-5.9": "a", "lib/modules/5.9/kernel/x.ko": "a"}))) == ["5.9"]


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        pytest.param(kernel("6.1"), True, id="the same"),
        pytest.param(kernel("6.1", image="other"), False, id="another image"),
        pytest.param(kernel("6.1", module="other"), False, id="another module"),
        pytest.param({**kernel("6.1"), **tree({"usr/lib/modules/6.1/kernel/new.ko": "n"})}, False, id="one module more"),
        pytest.param({**kernel("6.1"), **tree({"usr/lib/modules/6.1/modules.dep": "n"})}, True, id="another index"),
    ],
)
def test_two_kernels_of_one_version_need_not_be_the_same(other: Mapping[str, Entry], is_same: bool) -> None:
    assert (kernels_of(kernel("6.1")) == kernels_of(other)) is is_same


@pytest.mark.parametrize(
    ("old", "new", "made", "present", "renew", "wanted"),
    [
        pytest.param({}, {"6.1": "a"}, {}, (), False, ["6.1"], id="a new kernel"),
        pytest.param({}, {"6.1": "a"}, {}, ("6.1",), False, ["6.1"], id="a new kernel, for which the release has one"),
        pytest.param({"6.1": "a"}, {"6.1": "a"}, {}, ("6.1",), False, [], id="the same kernel"),
        pytest.param({"6.1": "a"}, {"6.1": "a"}, {}, (), False, ["6.1"], id="the same kernel, and none is there"),
        pytest.param({"6.1": "a"}, {"6.1": "b"}, {}, ("6.1",), False, ["6.1"], id="another kernel of that version"),
        pytest.param({"6.1": "a"}, {"6.1": "b"}, {"6.1": "b"}, ("6.1",), False, [], id="another one, and it has been made"),
        pytest.param({"6.1": "b"}, {"6.1": "a"}, {"6.1": "b"}, ("6.1",), False, ["6.1"], id="back to the one of before"),
        pytest.param({}, {"6.1": "a"}, {"6.1": "a"}, ("6.1",), False, [], id="a second run"),
        pytest.param({"6.1": "a"}, {"6.1": "a", "6.10": "a", "6.9": "a"}, {}, ("6.1",), False, ["6.9", "6.10"], id="several, in order"),
        pytest.param({"6.1": "a"}, {"6.1": "a"}, {"6.1": "a"}, ("6.1",), True, ["6.1"], id="a package asks for it"),
    ],
)
def test_for_which_kernels_one_is_made(
    old: dict[str, str], new: dict[str, str], made: dict[str, str], present: tuple[str, ...], renew: bool, wanted: list[str]
) -> None:
    assert to_make(old, new, made, present, renew=renew) == wanted


@pytest.mark.parametrize(
    ("path", "is_dir", "kept"),
    [
        ("boot/vmlinuz-6.1.0-50", False, True),
        ("boot/System.map-6.1.0-50", False, True),
        ("boot/config-6.1.0-50", False, True),
        ("boot/initrd.img-6.1.0-50", False, True),
        ("boot/initramfs-6.1.0-50.img", False, True),
        ("boot/symvers-6.1.0-50.xz", False, True),
        ("usr/lib/modules/6.1.0-50", True, True),
        ("usr/lib/modules/6.1.0-50/kernel/fs/ext4.ko", False, True),
        ("boot/vmlinuz-6.1.0-5", False, False),
        ("boot/vmlinuz-6.1.0-501", False, False),
        ("usr/lib/modules/6.1.0-501", True, False),
        ("usr/lib/modules", True, False),
        ("boot", True, False),
    ],
)
def test_all_that_a_kernel_needs_is_kept(path: str, is_dir: bool, kept: bool) -> None:
    lists = Ownership.parse([("kernels", keep_list(["6.1.0-50"]).encode())], [("none", b"- *\n")])
    assert (lists.of(path, is_dir=is_dir).owner is Owner.KEEP) is kept


def test_nothing_is_kept_for_no_kernel_or_a_name_that_is_none() -> None:
    assert keep_list([]) == ""
    assert keep_list(["*", "a/b", "", "../x"]) == ""


def test_an_initramfs_without_its_kernel_is_an_orphan() -> None:
    names = ["initrd.img-6.1", "vmlinuz-6.1", "initrd.img-6.0", "initramfs-5.9.img", "initrd.img-5.8", "initrd.img", "grub", "x-5.7"]
    assert orphans(names, {"5.8"}) == ["initramfs-5.9.img", "initrd.img-6.0"]


@pytest.mark.parametrize(
    ("name", "version"), [("initrd.img-6.1-x", "6.1-x"), ("initramfs-6.1.el9.img", "6.1.el9"), ("initrd.img", ""), ("vmlinuz-6.1", "")]
)
def test_the_version_of_an_initramfs(name: str, version: str) -> None:
    assert version_of_initramfs(name) == version


@pytest.mark.parametrize(("path", "version"), [("/boot/vmlinuz-6.1", "6.1"), ("vmlinuz-6.1", "6.1"), ("/boot/memtest86+", "")])
def test_the_version_of_an_image(path: str, version: str) -> None:
    assert version_of_image(path) == version


def test_versions_sort_as_numbers() -> None:
    assert in_order(["6.1.0-9", "6.1.0-50", "5.10", "6.1.0-10"]) == ["5.10", "6.1.0-9", "6.1.0-10", "6.1.0-50"]


@pytest.mark.parametrize(
    ("beginning", "listing", "trouble"),
    [
        pytest.param(b"", "usr/lib/modules/6.1/kernel/x.ko", "it is empty", id="empty"),
        pytest.param(b"070701", "usr/lib/modules/6.1/kernel/x.ko\n", "", id="with modules"),
        pytest.param(b"070701", "lib/modules/6.1/kernel/x.ko.xz\n", "", id="with compressed modules"),
        pytest.param(b"070701", "lib/modules/6.1/modules.dep\n", "it holds no modules of 6.1", id="with their index alone"),
        pytest.param(b"070701", "usr/lib/modules/6.10/kernel/x.ko\n", "it holds no modules of 6.1", id="modules of another kernel"),
        pytest.param(b"\x28\xb5\x2f\xfd", None, "", id="nothing can list it, but it is an archive"),
        pytest.param(b"#!/bin/sh", None, "it is no archive that a kernel can read", id="nothing can list it, and it is none"),
    ],
)
def test_what_is_wrong_with_an_initramfs(beginning: bytes, listing: str | None, trouble: str) -> None:
    assert trouble_of_initramfs(beginning, listing, "6.1") == trouble


@pytest.mark.parametrize(
    ("making", "name", "argv"),
    [
        (Making(Initramfs.INITRAMFS_TOOLS, True), "initrd.img-6.1", ("mkinitramfs", "-o", "/boot/x", "6.1")),
        (Making(Initramfs.DRACUT, True), "initrd.img-6.1", ("dracut", "--force", "--quiet", "--no-hostonly", "--kver", "6.1", "/boot/x")),
        (
            Making(Initramfs.DRACUT, False),
            "initramfs-6.1.img",
            ("dracut", "--force", "--quiet", "--no-hostonly", "--kver", "6.1", "/boot/x"),
        ),
    ],
)
def test_how_one_is_made(making: Making, name: str, argv: tuple[str, ...]) -> None:
    assert making.name_of("6.1") == name
    assert making.argv("6.1", "/boot/x", is_running=False) == argv
    assert making.argv("6.1", "/boot/x", is_running=True) == tuple(word for word in argv if word != "--no-hostonly")


def test_room() -> None:
    assert room_needed_bytes(40 << 20, 1) == 51 << 20
    assert room_needed_bytes(0, 3) == 1 << 20
    assert blocker_of_room("boot", 100, 100) == []
    hint = "remove kernels that are no longer needed (`apt-get purge`, `dnf remove`), or make the filesystem larger"
    assert blocker_of_room("boot", 100, (3 << 20) + 101) == [
        Blocker("boot", "has no room for another kernel and its initramfs: 4 MiB are missing", hint)
    ]


@pytest.mark.parametrize(
    ("running", "by_default", "offered", "trial", "choice"),
    [
        pytest.param("6.1", {"6.1"}, {"6.1", "6.2"}, False, Choice("6.2"), id="no trial is wanted"),
        pytest.param("6.1", {"6.1"}, {"6.1", "6.2"}, True, Choice("6.2", "6.1"), id="back to the running kernel"),
        pytest.param("6.0", {"6.1"}, {"6.0", "6.1", "6.2"}, True, Choice("6.2", "6.0"), id="back to the running one, not to the default"),
        pytest.param("", {"6.1"}, {"6.1", "6.2"}, True, Choice("6.2", "6.1"), id="not running: back to the default"),
        pytest.param("6.1", {"6.1"}, {"6.2"}, True, Choice("6.2"), id="what is running is gone: nothing to go back to"),
        pytest.param("6.2", {"6.2"}, {"6.1", "6.2"}, True, Choice("6.2"), id="the kernel stays the same"),
        pytest.param("", set(), {"6.2"}, True, Choice("6.2"), id="nothing is known"),
        pytest.param("6.2", {"6.1"}, {"6.1", "6.2"}, True, None, id="this is the trial"),
        pytest.param("6.2", {"6.1"}, {"6.1", "6.2"}, False, Choice("6.2"), id="the end of the trial"),
    ],
)
def test_how_the_new_kernel_is_booted(running: str, by_default: set[str], offered: set[str], trial: bool, choice: Choice | None) -> None:
    assert choose("6.2", running=running, by_default=by_default, offered=offered, trial=trial) == choice


@pytest.mark.parametrize(
    ("running", "default", "old", "new", "reason"),
    [
        pytest.param("6.1", "6.2", {}, {}, "kernel 6.2 is installed, 6.1 is running", id="another one is running"),
        pytest.param("6.2", "6.2", {"6.2": "a"}, {"6.2": "a"}, "", id="it is running"),
        pytest.param("", "6.2", {}, {}, "", id="nothing is running"),
        pytest.param(
            "6.2", "6.2", {"6.2": "a"}, {"6.2": "b"}, "kernel 6.2 is installed in another build than the one that is running", id="rebuilt"
        ),
    ],
)
def test_why_a_node_should_be_rebooted(running: str, default: str, old: dict[str, str], new: dict[str, str], reason: str) -> None:
    assert reboot_reason(running, default, old, new) == reason
