"""Files that a node boots from, replaced so that there is always one of them."""

import os
from pathlib import Path

import pytest

from reprov.adapters.boot_files import INCOMING, opened_folder


def test_a_file_gets_new_content_and_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "grub.cfg").write_text("old")
    (tmp_path / "grub.cfg").chmod(0o600)
    before = (tmp_path / "grub.cfg").stat().st_ino
    with opened_folder(tmp_path, ".") as folder:
        assert folder.write("grub.cfg", b"new") is True
        assert folder.write("grub.cfg", b"new") is False
        assert folder.write("grubenv", b"") is True
    assert (tmp_path / "grub.cfg").read_text() == "new"
    assert (tmp_path / "grub.cfg").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "grub.cfg").stat().st_ino != before
    assert sorted(os.listdir(tmp_path)) == ["grub.cfg", "grubenv"]


@pytest.mark.parametrize(
    ("there", "is_copied"),
    [
        pytest.param(None, True, id="nothing there"),
        pytest.param(b"kernel", False, id="the same"),
        pytest.param(b"Kernel", True, id="of the same size"),
        pytest.param(b"", True, id="empty, as a full disk leaves it"),
    ],
)
def test_a_copy(tmp_path: Path, there: bytes | None, is_copied: bool) -> None:
    (tmp_path / "esp").mkdir()
    (tmp_path / "vmlinuz").write_bytes(b"kernel")
    if there is not None:
        (tmp_path / "esp/linux").write_bytes(there)
    with opened_folder(tmp_path, ".") as source, opened_folder(tmp_path, "esp") as folder:
        assert folder.copy("linux", source, "vmlinuz") is is_copied
    assert (tmp_path / "esp/linux").read_bytes() == b"kernel"
    assert os.listdir(tmp_path / "esp") == ["linux"]


def test_a_directory_is_made_where_the_root_has_it(tmp_path: Path) -> None:
    """Its links lead to where they would lead in the running system, and not out of it."""
    (tmp_path / "root/real").mkdir(parents=True)
    (tmp_path / "root/link").symlink_to("/real")
    with opened_folder(tmp_path / "root", "link/6.1", make=True) as folder:
        folder.write("linux", b"kernel")
    assert (tmp_path / "root/real/6.1/linux").read_bytes() == b"kernel"
    with pytest.raises(FileNotFoundError), opened_folder(tmp_path / "root", "link/a/b", make=True):
        pass


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    for name in (f"{INCOMING}initrd.img-6.1", "initrd.img-6.1"):
        (tmp_path / name).write_text("x")
    with opened_folder(tmp_path, ".") as folder:
        folder.tidy()
    assert os.listdir(tmp_path) == ["initrd.img-6.1"]


def test_a_link_is_not_followed_out_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("data")
    (tmp_path / "boot").mkdir()
    (tmp_path / f"boot/{INCOMING}grub.cfg").symlink_to("../precious")
    with opened_folder(tmp_path, "boot") as folder, pytest.raises(OSError, match="Too many levels of symbolic links"):
        folder.write("grub.cfg", b"new")
    assert (tmp_path / "precious").read_text() == "data"
