"""Entries of the Boot Loader Specification, and what systemd-boot makes of them."""

import pytest

from reprov.domain.boot_entries import (
    BootEntry,
    boots,
    default_of,
    entry_like,
    newest,
    one_shot,
    with_default,
)

TEXT = """\
# made by kernel-install
title      Debian GNU/Linux 12
version    6.1.0-50
machine-id 0123
sort-key   debian
options    root=UUID=5d9c ro
options    quiet
linux      /0123/6.1.0-50/linux
initrd     /0123/microcode
initrd     /0123/6.1.0-50/initrd.img-6.1.0-50
"""
OLD = BootEntry.parse("0123-6.1.0-50+3-1.conf", TEXT)


def named(version: str) -> BootEntry:
    return BootEntry(f"0123-{version}.conf", "", version, f"/{version}/linux", "", "")


def test_an_entry_is_read() -> None:
    assert OLD == BootEntry(
        "0123-6.1.0-50+3-1.conf",
        "Debian GNU/Linux 12",
        "6.1.0-50",
        "/0123/6.1.0-50/linux",
        "/0123/6.1.0-50/initrd.img-6.1.0-50",
        "root=UUID=5d9c ro quiet",
        "0123",
    )


def test_another_kernel_is_booted_in_the_same_way() -> None:
    made = entry_like(OLD, "6.1.0-56")
    assert made.name == "0123-6.1.0-56.conf"
    assert made.text() == (
        "title Debian GNU/Linux 12\nversion 6.1.0-56\nmachine-id 0123\noptions root=UUID=5d9c ro quiet\n"
        "linux /0123/6.1.0-56/linux\ninitrd /0123/6.1.0-56/initrd.img-6.1.0-56\n"
    )
    assert BootEntry.parse(made.name, made.text()) == made


def test_the_newest_is_the_one_of_the_newest_kernel() -> None:
    assert newest([named("6.1.0-9"), named("6.1.0-50"), BootEntry.parse("windows.conf", "efi /x\n")]) == named("6.1.0-50")
    assert newest([BootEntry.parse("windows.conf", "efi /x\n")]) is None


@pytest.mark.parametrize(
    ("loader_conf", "version"),
    [
        pytest.param("timeout 3\n", "6.1.0-56", id="nothing said: the newest"),
        pytest.param("default 0123-*\ntimeout 3\n", "6.1.0-56", id="a pattern: the newest of those"),
        pytest.param("default 0123-6.1.0-50.conf\n", "6.1.0-50", id="a file"),
        pytest.param("default\t0123-6.1.0-50\n", "6.1.0-50", id="a file, without its suffix"),
        pytest.param("#default 0123-6.1.0-50\n", "6.1.0-56", id="a comment"),
    ],
)
def test_what_is_booted(loader_conf: str, version: str) -> None:
    known = [named("6.1.0-9"), named("6.1.0-50"), named("6.1.0-56")]
    assert [one.version for one in known if boots(loader_conf, one, known)] == [version]


@pytest.mark.parametrize(
    ("before", "pattern", "after"),
    [
        ("timeout 3\n", "a.conf", "timeout 3\ndefault a.conf\n"),
        ("default b\ntimeout 3\n", "a.conf", "timeout 3\ndefault a.conf\n"),
        ("default b\ntimeout 3\n", "", "timeout 3\n"),
        ("", "", ""),
    ],
)
def test_another_default(before: str, pattern: str, after: str) -> None:
    assert with_default(before, pattern) == after
    assert default_of(after) == pattern


def test_an_entry_is_asked_for_once() -> None:
    assert one_shot("ab") == b"\x07\0\0\0a\0b\0\0\0"
