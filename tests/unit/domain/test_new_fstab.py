"""The fstab that a reinstall writes: its own partitions by UUID, and no line of anybody else lost."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprov.domain.fstab import MountEntry, parse_fstab
from reprov.domain.inventory import FstabLine
from reprov.domain.layout import MIB, Layout, OsVolume
from reprov.domain.new_fstab import HEADING, fstab_of, sources_on
from tests.disk_builders import EFI, ROOT, layout, os_partition

BIOS = os_partition("bios", 1, "", "", "bios-boot")
SWAP = os_partition("swap", 64, "swap", "", "swap")
BOOT = os_partition("boot", 64, "ext4", "/boot")
SRV = replace(os_partition("srv", 64, "xfs", "/srv"), label="service")
FULL = layout(BIOS, SRV, EFI, SWAP, BOOT, ROOT)
UUIDS = {"root": "r-1", "efi": "AB-12", "swap": "s-1", "boot": "b-1", "srv": "x-1"}
OURS = """\
UUID=r-1 / ext4 errors=remount-ro 0 1
UUID=b-1 /boot ext4 defaults 0 2
UUID=AB-12 /boot/efi vfat umask=0077 0 2
UUID=x-1 /srv xfs defaults 0 0
UUID=s-1 none swap sw 0 0
"""


def kept(old: str, wanted: Layout = FULL, *, formatted: Sequence[str] = ()) -> str:
    """What of an old file stands behind the lines of the layout."""
    return fstab_of(wanted, UUIDS, old, formatted=formatted).partition("# What the node had besides.\n")[2]


def test_every_partition_of_the_operating_system_has_its_line() -> None:
    assert fstab_of(FULL, UUIDS, "") == f"{HEADING}\n{OURS}"


@pytest.mark.parametrize(
    ("filesystem", "line"),
    [
        ("xfs", "UUID=r-1 / xfs defaults 0 0"),
        ("btrfs", "UUID=r-1 / btrfs defaults 0 0"),
        ("ext4", "UUID=r-1 / ext4 errors=remount-ro 0 1"),
    ],
)
def test_a_root_of_any_filesystem(filesystem: str, line: str) -> None:
    assert line in fstab_of(layout(replace(ROOT, filesystem=filesystem)), UUIDS, "").splitlines()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("# a remark\n", "# a remark\n", id="a comment"),
        pytest.param("UUID=d /srv/data xfs noatime 0 2\n", "UUID=d /srv/data xfs noatime 0 2\n", id="a data mount"),
        pytest.param("UUID=d  /a\tbtrfs", "UUID=d  /a\tbtrfs\n", id="white space as it was, and an end of line"),
        pytest.param("server:/home /home nfs4 _netdev 0 0\n", "server:/home /home nfs4 _netdev 0 0\n", id="nfs"),
        pytest.param("tmpfs /tmp tmpfs size=1g\n", "tmpfs /tmp tmpfs size=1g\n", id="tmpfs"),
        pytest.param("LABEL=h /home ext4\n", "LABEL=h /home ext4\n", id="a home on a partition that is kept"),
        pytest.param("UUID=s none swap sw\n", "UUID=s none swap sw\n", id="swap on another disk"),
        pytest.param("/opt/a /b none bind\n", "/opt/a /b none bind\n", id="a bind mount, whose source systemd makes"),
        pytest.param("UUID=old / ext4 defaults 0 1\n", "", id="the old root, which the new one replaces"),
        pytest.param("UUID=old /srv/ ext4\n", "", id="a mount point written with a slash at its end"),
        pytest.param("UUID=d /a xfs\nUUID=d /a xfs\n", "UUID=d /a xfs\n", id="a line that was there twice"),
        pytest.param(
            "PARTLABEL=swap none swap sw\n", "# Formatted by reprov install: PARTLABEL=swap none swap sw\n", id="old swap by its partition"
        ),
        pytest.param(
            "LABEL=service /x xfs\n", "# Formatted by reprov install: LABEL=service /x xfs\n", id="an old label that is also a new one"
        ),
        pytest.param(
            "UUID=was none swap sw\n", "# Formatted by reprov install: UUID=was none swap sw\n", id="old swap that is known to be formatted"
        ),
        pytest.param(
            "UUID=v /var ext4\n",
            "# The operating system's, and not in the layout of reprov install: UUID=v /var ext4\n",
            id="an old /var, which would hide the new one",
        ),
        pytest.param(
            "/swapfile none swap sw\n",
            "# The file was on a filesystem that reprov install formatted: /swapfile none swap sw\n",
            id="a swap file on the root",
        ),
        pytest.param(
            "UUID=d /d xfs\n/d/swap none swap sw\n", "UUID=d /d xfs\n/d/swap none swap sw\n", id="a swap file on a data partition"
        ),
        pytest.param("\n\n# a\n\n# b\n\n\n", "# a\n\n# b\n", id="blank lines in between"),
        pytest.param("/dev/sda9 /\udcff ext4\n", "/dev/sda9 /\udcff ext4\n", id="a name that is not UTF-8"),
        pytest.param("half a line\n", "half a line\n", id="what is no entry"),
    ],
)
def test_what_becomes_of_an_old_line(old: str, new: str) -> None:
    assert kept(old, formatted=("UUID=was",)) == new


def test_sources_of_formatted_devices() -> None:
    def line(source: str, *devices: str) -> FstabLine:
        return FstabLine(MountEntry(source, "/x", "ext4", frozenset()), devices)

    lines = [line("UUID=1", "/dev/sda2"), line("LABEL=a", "/dev/sdb1", "/dev/sda2"), line("UUID=2", "/dev/sdb1"), line("nfs:/")]
    assert sources_on(lines, ["/dev/sda1", "/dev/sda2"]) == {"UUID=1", "LABEL=a"}


words = st.sampled_from(
    [
        "UUID=old",
        "UUID=data",
        "UUID=r-1",
        "LABEL=service",
        "PARTLABEL=root",
        "/dev/sdb1",
        "nas:/x",
        "tmpfs",
        "/swapfile",
        "/d/file",
        "#",
        "\t",
    ]
)
points = st.sampled_from(["/", "/boot", "/boot/efi", "/srv", "/srv/", "/srv/data", "/var", "/d", "/home", "none", "swap", r"/a\040b"])
kinds = st.sampled_from(["ext4", "xfs", "swap", "nfs", "none", "tmpfs", "vfat"])
options = st.sampled_from(["", " defaults", " bind", " loop,ro 0 0", " sw 0 0", " errors=remount-ro 0 1"])
entry_lines = st.builds(lambda *fields: " ".join(fields[:3]) + fields[3], words, points, kinds, options)
texts = st.lists(st.one_of(entry_lines, st.text("# \tax/\udcff", max_size=8), st.just(HEADING)), max_size=8).map("\n".join)
parts = st.lists(st.sampled_from([BIOS, SRV, EFI, SWAP, BOOT]), unique=True, max_size=5).map(lambda some: layout(*some, ROOT))


def entries_of(text: str) -> list[MountEntry]:
    return list(parse_fstab(text.encode("utf-8", "surrogateescape")))


@given(parts, texts)
def test_no_data_line_is_lost_and_nothing_is_mounted_twice(wanted: Layout, old: str) -> None:
    new = fstab_of(wanted, UUIDS, old, formatted={"UUID=old"})
    ours = {partition.mount for partition in wanted.partitions if partition.mount}
    for line in old.splitlines():
        for entry in entries_of(line):
            if (entry.mount_point.rstrip("/") or "/") not in ours or not entry.is_mounted:
                assert any(line == found or found.endswith(f": {line}") for found in new.split("\n"))
        if line.strip() and not entries_of(line):
            assert line in new.split("\n") or line in (HEADING, "# What the node had besides.")
    mounted = [entry.mount_point.rstrip("/") or "/" for entry in entries_of(new) if entry.is_mounted]
    assert [mounted.count(mount) for mount in ours] == [1] * len(ours)
    assert not [entry for entry in entries_of(new) if entry.source == "UUID=old"]


@given(parts, texts)
def test_a_second_run_changes_nothing(wanted: Layout, old: str) -> None:
    uuids: Mapping[str, str] = UUIDS
    once = fstab_of(wanted, uuids, old, formatted={"UUID=old"})
    assert fstab_of(wanted, uuids, once, formatted={"UUID=old"}) == once


def test_volumes_stand_in_the_order_of_their_mount_points_and_their_old_lines_are_gone() -> None:
    volumes = (OsVolume("sys-1", "swap", MIB, "swap"), OsVolume("sys-1", "var", MIB, "xfs", "/var", "v"))
    wanted = replace(layout(ROOT, SRV), volumes=volumes)
    old = "/dev/mapper/sys--1-swap none swap sw 0 0\n/dev/sys-1/var /data xfs defaults 0 0\nLABEL=v /v xfs\n/dev/sys-1/home /home xfs\n"
    assert fstab_of(wanted, {"root": "r-1", "srv": "x-1", "sys-1/swap": "s-1", "sys-1/var": "v-1"}, old) == (
        f"{HEADING}\n"
        "UUID=r-1 / ext4 errors=remount-ro 0 1\n"
        "UUID=x-1 /srv xfs defaults 0 0\n"
        "UUID=v-1 /var xfs defaults 0 0\n"
        "UUID=s-1 none swap sw 0 0\n"
        "# What the node had besides.\n"
        "# Formatted by reprov install: /dev/mapper/sys--1-swap none swap sw 0 0\n"
        "# Formatted by reprov install: /dev/sys-1/var /data xfs defaults 0 0\n"
        "# Formatted by reprov install: LABEL=v /v xfs\n"
        "/dev/sys-1/home /home xfs\n"
    )
