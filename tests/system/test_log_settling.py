"""What a boot loader reads of an XFS that is mounted: it does not replay the log."""

import os
import subprocess
from pathlib import Path

import pytest

from reprov.adapters import kernel
from reprov.adapters.log_settling import settle
from tests.system.filesystems import Filesystems

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("mkfs.xfs", "mkfs.ext4", "xfs_db")]


def names_on_disk(folder: Path) -> str:
    """What lies in the top directory of an XFS by its blocks alone."""
    device = subprocess.run(["findmnt", "-no", "SOURCE", str(folder)], check=True, capture_output=True, text=True).stdout.strip()
    said = subprocess.run(["xfs_db", "-r", "-c", "path /", "-c", "ls", device], check=False, capture_output=True, text=True)
    return said.stdout


def test_a_new_menu_is_found_without_the_log(tmp_path: Path, filesystems: Filesystems) -> None:
    boot = filesystems.make("xfs", tmp_path / "boot")
    (boot / "grub.cfg").write_text("new")
    fd = os.open(boot, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
    os.sync()
    assert "grub.cfg" not in names_on_disk(boot)  # what makes the freeze necessary
    settle(boot)
    assert "grub.cfg" in names_on_disk(boot)
    (boot / "written").write_text("it is thawed")


def test_a_filesystem_that_stays_frozen_is_thawed(tmp_path: Path, filesystems: Filesystems, monkeypatch: pytest.MonkeyPatch) -> None:
    boot = filesystems.make("xfs", tmp_path / "boot")
    killed = os.fork()
    if killed == 0:
        # Between the two ioctls: what is frozen then, only the watching program can thaw.
        monkeypatch.setattr(kernel, "thaw", lambda fd: os._exit(9))
        try:
            settle(boot)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(killed, 0)[1]) == 9
    written = subprocess.run(["timeout", "20", "touch", str(boot / "written")], check=False)
    assert written.returncode == 0


def test_other_filesystems_are_only_synced(tmp_path: Path, filesystems: Filesystems, monkeypatch: pytest.MonkeyPatch) -> None:
    def freeze(fd: int) -> None:
        raise AssertionError("frozen")

    monkeypatch.setattr(kernel, "freeze", freeze)
    settle(filesystems.make("ext4", tmp_path / "boot"))
