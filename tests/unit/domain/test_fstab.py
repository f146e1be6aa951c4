"""Lines of fstab and crypttab, and what they need."""

import pytest

from reprov.domain.fstab import CryptEntry, MountEntry, Needs, link_of, parse_blkid, parse_crypttab, parse_fstab, tag_of


@pytest.mark.parametrize(
    ("content", "entries"),
    [
        pytest.param(b"", [], id="an empty file"),
        pytest.param(b"# UUID=x / ext4\n  # indented\n\n \t \n", [], id="comments and blank lines"),
        pytest.param(b"/dev/sda1 /\n", [], id="a line that is too short"),
        pytest.param(
            b"UUID=12-ab\t/\text4\terrors=remount-ro,noatime 0 1\n",
            [("UUID=12-ab", "/", "ext4", {"errors=remount-ro", "noatime"})],
            id="all six fields",
        ),
        pytest.param(b"none /tmp tmpfs", [("none", "/tmp", "tmpfs", set())], id="three fields and no end of line"),
        pytest.param(
            rb"LABEL=my\040disk /mnt/a\040b\011c\134d\043 ext4 defaults",
            [("LABEL=my disk", "/mnt/a b\tc\\d#", "ext4", {"defaults"})],
            id="escaped blank, tab, backslash and hash",
        ),
        pytest.param(b"/dev/sda /\xff ext4 ro", [("/dev/sda", "/\udcff", "ext4", {"ro"})], id="a name that is not UTF-8"),
        pytest.param(rb"/dev/sda /a\000b ext4 ro", [("/dev/sda", "/a\\000b", "ext4", {"ro"})], id="an escape that no name can hold"),
        pytest.param(b"/dev/sda /a\0b ext4 ro", [], id="a byte that no name can hold"),
        pytest.param(b"a /a ext4 ro # 0 0 why\n", [("a", "/a", "ext4", {"ro"})], id="a remark behind the options"),
    ],
)
def test_fstab(content: bytes, entries: list[tuple[str, str, str, set[str]]]) -> None:
    expected = tuple(MountEntry(source, point, filesystem, frozenset(options)) for source, point, filesystem, options in entries)
    assert parse_fstab(content) == expected


@pytest.mark.parametrize(
    ("line", "needs"),
    [
        pytest.param(b"UUID=1 / ext4", Needs.DEVICE, id="a UUID"),
        pytest.param(b"LABEL=root / ext4", Needs.DEVICE, id="a label"),
        pytest.param(b"PARTUUID=1 / ext4", Needs.DEVICE, id="a partition's UUID"),
        pytest.param(b"PARTLABEL=1 / ext4", Needs.DEVICE, id="a partition's label"),
        pytest.param(b"/dev/mapper/vg-root / ext4", Needs.DEVICE, id="a device"),
        pytest.param(b"UUID=1 none swap sw", Needs.DEVICE, id="swap on a device"),
        pytest.param(b"/swapfile none swap sw", Needs.PATH, id="swap in a file"),
        pytest.param(b"/srv/data /data none bind", Needs.PATH, id="a bind mount"),
        pytest.param(b"/srv/data /data none rbind,ro", Needs.PATH, id="a recursive bind mount"),
        pytest.param(b"/srv/cd.iso /cd iso9660 loop,ro", Needs.PATH, id="an image"),
        pytest.param(b"tmpfs /tmp tmpfs size=1g", Needs.NOTHING, id="tmpfs"),
        pytest.param(b"server:/home /home nfs", Needs.NOTHING, id="NFS"),
        pytest.param(b"//server/share /share cifs", Needs.NOTHING, id="SMB"),
        pytest.param(b"pool/data /data zfs", Needs.NOTHING, id="a ZFS dataset"),
    ],
)
def test_what_a_source_has_to_be(line: bytes, needs: Needs) -> None:
    (entry,) = parse_fstab(line)
    assert entry.needs is needs


@pytest.mark.parametrize(("options", "required"), [(b"defaults", True), (b"ro,nofail", False), (b"noauto", False), (b"x-nofail", True)])
def test_an_entry_may_say_that_the_boot_goes_on_without_it(options: bytes, required: bool) -> None:
    assert parse_fstab(b"/dev/sda /a ext4 " + options)[0].is_required is required
    assert parse_crypttab(b"a /dev/sda none " + options)[0].is_required is required


@pytest.mark.parametrize(
    ("line", "mounted"), [(b"a /a ext4", True), (b"a none swap", False), (b"a swap swap", False), (b"a none tmpfs", False)]
)
def test_swap_has_no_mount_point(line: bytes, mounted: bool) -> None:
    assert parse_fstab(line)[0].is_mounted is mounted


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        pytest.param(b"data UUID=1", ("data", "UUID=1", "", set()), id="two fields"),
        pytest.param(b"data /dev/sdb none luks,discard", ("data", "/dev/sdb", "", {"luks", "discard"}), id="a passphrase"),
        pytest.param(b"data /dev/sdb - luks", ("data", "/dev/sdb", "", {"luks"}), id="a passphrase, the other way"),
        pytest.param(b"data /dev/sdb /etc/luks/data.key", ("data", "/dev/sdb", "/etc/luks/data.key", set()), id="a key file"),
        pytest.param(rb"data /dev/sdb /etc/a\040key", ("data", "/dev/sdb", "/etc/a key", set()), id="a key file with a blank"),
        pytest.param(b"swap /dev/sdb /dev/urandom swap", ("swap", "/dev/sdb", "", {"swap"}), id="a new key at each boot"),
        pytest.param(b"data /dev/sdb /key:LABEL=stick", ("data", "/dev/sdb", "", set()), id="a key on another device"),
    ],
)
def test_crypttab(line: bytes, entry: tuple[str, str, str, set[str]]) -> None:
    name, source, key, options = entry
    assert parse_crypttab(b"# name device key options\n" + line + b"\n") == (CryptEntry(name, source, key, frozenset(options)),)


@pytest.mark.parametrize(
    ("source", "link"),
    [
        pytest.param("/dev/sda1", "/dev/sda1", id="a device is its own"),
        pytest.param("UUID=ab-12", "/dev/disk/by-uuid/ab-12", id="a UUID"),
        pytest.param('UUID="ab-12"', "/dev/disk/by-uuid/ab-12", id="a quoted one"),
        pytest.param("LABEL=my disk/1", r"/dev/disk/by-label/my\x20disk\x2f1", id="a label with what no link can hold"),
        pytest.param("LABEL=é", "/dev/disk/by-label/é", id="a label with an accent"),
        pytest.param("PARTUUID=1", "/dev/disk/by-partuuid/1", id="a partition's UUID"),
        pytest.param("PARTLABEL=EFI", "/dev/disk/by-partlabel/EFI", id="a partition's label"),
        pytest.param("ID=scsi-1", "/dev/disk/by-id/scsi-1", id="an id"),
        pytest.param("tmpfs", None, id="no device"),
        pytest.param("COLOUR=red", None, id="no tag"),
    ],
)
def test_the_link_of_a_source(source: str, link: str | None) -> None:
    assert link_of(source) == link


def test_what_blkid_says_is_found_by_tag() -> None:
    said = "DEVNAME=/dev/sda1\nUUID=1-2\nLABEL=my\\ disk\nTYPE=ext4\n\nDEVNAME=/dev/sda2\nUUID=3\nPARTUUID=a=b\n"
    found = parse_blkid(said)
    assert [found.get(tag_of(source) or ("", "")) for source in ("UUID=1-2", "LABEL=my disk", "PARTUUID=a=b", "UUID=4")] == [
        "/dev/sda1",
        "/dev/sda1",
        "/dev/sda2",
        None,
    ]
    assert parse_blkid("") == {}
