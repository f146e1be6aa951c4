"""Saving who a node is, and giving it to another root."""

import errno
import os
import stat
import tarfile
from pathlib import Path

import pytest

from reprov.adapters import identity_archive
from reprov.adapters.files import opened_directory
from reprov.adapters.identity_archive import restore, save
from reprov.adapters.identity_search import LARGEST_BYTES
from reprov.domain.entry import Entry
from reprov.errors import InvalidInput, Refused, ReprovError

FILES = {
    "etc/hostname": "node1\n",
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "etc/passwd": "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n",
    "etc/ssh/ssh_host_ed25519_key": "secret\n",
    "etc/ssh/sshd_config": "Port 22\n",
    "etc/ceph/ceph.conf": "[global]\n",
    "etc/ceph/deep/er/x": "x",
    "etc/security/host.keytab": "key",
    "root/.ssh/authorized_keys": "ssh-ed25519 AAAA\n",
    "root/.bashrc": "alias ll=ls\n",
    "var/lib/systemd/random-seed": "seed",
    "var/lib/ceph/bootstrap-osd/ceph.keyring": "[client]\n",
    "etc/network/interfaces.d/odd \n\udcff name": "auto eth0\n",
    "usr/lib/os-release": "ID=debian\n",
    "srv/data": "data",
}
CARRIED = sorted(set(FILES) - {"etc/ssh/sshd_config", "root/.bashrc", "var/lib/systemd/random-seed", "usr/lib/os-release", "srv/data"})


def make_root(folder: Path) -> Path:
    for path, content in FILES.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
    (folder / "etc/ssh/ssh_host_ed25519_key").chmod(0o600)
    (folder / "root").chmod(0o700)
    os.utime(folder / "etc/hostname", ns=(5, 1_600_000_000_123_456_789))
    os.utime(folder / "etc/ceph", ns=(5, 1_500_000_000_987_654_321))
    (folder / "etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    (folder / "etc/localtime").symlink_to("/usr/share/zoneinfo/Europe/Paris")
    return folder


def saved(root: Path, archive: Path) -> tuple[str, ...]:
    with opened_directory(root) as root_fd:
        return save(root_fd, archive)


def restored(archive: Path, root: Path) -> tuple[str, ...]:
    root.mkdir(exist_ok=True)
    with opened_directory(root) as root_fd:
        return restore(archive, root_fd)


def looks(root: Path, path: str) -> tuple[object, ...]:
    status = (root / path).lstat()
    content = (
        (root / path).readlink() if stat.S_ISLNK(status.st_mode) else (root / path).read_bytes() if stat.S_ISREG(status.st_mode) else None
    )
    return status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, content


def test_identity_comes_back_as_it_was_and_nothing_else_does(tmp_path: Path) -> None:
    old, archive = make_root(tmp_path / "old"), tmp_path / "identity.tar"
    paths = saved(old, archive)
    assert [path for path in paths if (old / path).is_file() and not (old / path).is_symlink()] == CARRIED
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    assert restored(archive, tmp_path / "new") == paths
    assert [looks(tmp_path / "new", path) for path in paths] == [looks(old, path) for path in paths]
    found = {str(place.relative_to(tmp_path / "new")) for place in (tmp_path / "new").rglob("*")}
    assert found == set(paths)
    assert {path.name for path in tmp_path.iterdir()} == {"old", "new", "identity.tar"}


def test_a_second_restoration_gives_the_same(tmp_path: Path) -> None:
    old, archive = make_root(tmp_path / "old"), tmp_path / "identity.tar"
    paths = saved(old, archive)
    restored(archive, tmp_path / "new")
    (tmp_path / "new/etc/hostname").write_text("localhost\n")
    (tmp_path / "new/etc/resolv.conf").unlink()
    (tmp_path / "new/etc/resolv.conf").write_text("nameserver ::1\n")
    (tmp_path / "new/etc/ceph/.reprov-restore").write_text("half")
    restored(archive, tmp_path / "new")
    assert [looks(tmp_path / "new", path) for path in paths] == [looks(old, path) for path in paths]


def test_other_tools_can_read_it(tmp_path: Path) -> None:
    saved(make_root(tmp_path / "old"), tmp_path / "identity.tar")
    with tarfile.open(tmp_path / "identity.tar") as members:
        file = members.extractfile("etc/hostname")
        assert file and file.read() == b"node1\n"


def test_an_empty_root_has_an_empty_identity(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    assert saved(tmp_path / "old", tmp_path / "identity.tar") == ()
    assert restored(tmp_path / "identity.tar", tmp_path / "new") == ()


@pytest.mark.parametrize("at", [0, 700, 5000, -700, -600, -100], ids=lambda at: f"byte {at}")
def test_a_damaged_archive_writes_nothing(tmp_path: Path, at: int) -> None:
    archive = tmp_path / "identity.tar"
    saved(make_root(tmp_path / "old"), archive)
    content = bytearray(archive.read_bytes())
    content[at] ^= 1
    archive.write_bytes(content)
    with pytest.raises(InvalidInput, match="not the identity of a node, or damaged"):
        restored(archive, tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("size", [0, 100, 512, 10240])
def test_an_archive_that_was_cut_off_writes_nothing(tmp_path: Path, size: int) -> None:
    archive = tmp_path / "identity.tar"
    saved(make_root(tmp_path / "old"), archive)
    archive.write_bytes(archive.read_bytes()[:size])
    with pytest.raises(InvalidInput, match="not the identity of a node, or damaged"):
        restored(archive, tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_a_missing_archive(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as invalid:
        restored(tmp_path / "identity.tar", tmp_path / "new")
    assert invalid.value.message == f"{tmp_path}/identity.tar: No such file or directory"


def test_a_save_that_fails_leaves_the_archive_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, archive = make_root(tmp_path / "old"), tmp_path / "identity.tar"
    saved(old, archive)
    before = archive.read_bytes()

    def full(_fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        saved(old, archive)
    assert archive.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["identity.tar", "old"]


def make_file_osd(root: Path) -> None:
    (root / "var/lib/ceph/osd/ceph-3/current").mkdir(parents=True)
    (root / "var/lib/ceph/osd/ceph-3/whoami").write_text("3\n")


def make_giant(root: Path) -> None:
    (root / "var/lib/ceph/mon/ceph-a/store.db").mkdir(parents=True)
    with (root / "var/lib/ceph/mon/ceph-a/store.db/000001.sst").open("wb") as file:
        file.truncate(LARGEST_BYTES)


def link_directory(root: Path) -> None:
    (root / "opt/netplan").mkdir(parents=True)
    (root / "opt/netplan/a.yaml").write_text("network: {}")
    (root / "etc/netplan").symlink_to("/opt/netplan")


def link_file(root: Path) -> None:
    (root / "root/.ssh/authorized_keys2").symlink_to("../../srv/data")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(
            make_file_osd,
            "/var/lib/ceph/osd/ceph-3 holds the objects of osd.3 on a filesystem that would be formatted",
            id="an OSD in a plain directory",
        ),
        pytest.param(make_giant, "/var/lib/ceph/mon holds 512 MiB; a reinstall carries 512 MiB over at most", id="a monitor's large store"),
        pytest.param(
            link_directory,
            "/etc/netplan is a link to /opt/netplan, which a reinstall does not carry over",
            id="a directory that is elsewhere",
        ),
        pytest.param(
            link_file,
            "/root/.ssh/authorized_keys2 is a link to /srv/data, which a reinstall does not carry over",
            id="a file that is elsewhere",
        ),
    ],
)
def test_what_would_be_lost_is_refused(tmp_path: Path, spoil: object, message: str) -> None:
    old = make_root(tmp_path / "old")
    assert callable(spoil)
    spoil(old)
    with pytest.raises(Refused) as refused:
        saved(old, tmp_path / "identity.tar")
    assert refused.value.message == message
    assert not (tmp_path / "identity.tar").exists()


def test_links_that_lose_nothing(tmp_path: Path) -> None:
    old = make_root(tmp_path / "old")
    (old / "mnt/unmounted").mkdir(parents=True)
    (old / "dev").mkdir()
    (old / "dev/null").write_text("")
    (old / "etc/systemd/system/multi-user.target.wants").mkdir(parents=True)
    (old / "usr/lib/ceph.target").write_text("[Unit]")
    links = {
        "etc/systemd/network/99-default.link": "/dev/null",
        "etc/netplan": "/mnt/unmounted",
        "etc/hostid": "hostname",
        "etc/systemd/system/multi-user.target.wants/ceph.target": "/usr/lib/ceph.target",
        "etc/ceph/loop": "loop",
        "etc/ceph/out": "../../../../../../../../etc/hostname",
    }
    for path, target in links.items():
        (old / path).parent.mkdir(parents=True, exist_ok=True)
        (old / path).symlink_to(target)
    assert links.keys() <= set(saved(old, tmp_path / "identity.tar"))
    restored(tmp_path / "identity.tar", tmp_path / "new")
    assert {path: str((tmp_path / "new" / path).readlink()) for path in links} == links


def test_a_link_in_the_new_root_leads_nowhere(tmp_path: Path) -> None:
    saved(make_root(tmp_path / "old"), tmp_path / "identity.tar")
    (tmp_path / "outside").mkdir()
    (tmp_path / "new").mkdir()
    (tmp_path / "new/etc").symlink_to("../outside")
    with pytest.raises(ReprovError, match="/etc/ceph cannot be restored: "):
        restored(tmp_path / "identity.tar", tmp_path / "new")
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize("name", ["/etc/evil", "../evil", "etc/../../evil"])
def test_a_forged_name_leads_nowhere(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even with a digest that fits."""
    root = tmp_path / "old"
    (root / "etc").mkdir(parents=True)
    (root / "etc/hostname").write_text("node1\n")
    member_of = identity_archive._member_of

    def forged(entry: Entry) -> tarfile.TarInfo:
        member = member_of(entry)
        member.name = name if entry.path == "etc/hostname" else member.name
        return member

    monkeypatch.setattr(identity_archive, "_member_of", forged)
    with pytest.raises(ReprovError, match="does not hold what was read"):
        saved(root, tmp_path / "identity.tar")
    monkeypatch.undo()
    with pytest.raises(ReprovError, match="cannot be restored"):
        restored(tmp_path / "identity.tar", tmp_path / "new")
    assert not (tmp_path / "evil").exists()
    assert not Path("/etc/evil").exists()
