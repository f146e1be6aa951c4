"""What uses a device, on a recorded /proc and /sys."""

import os
from pathlib import Path

import pytest

from reprov.adapters import device_use
from reprov.adapters.device_use import InUse, Writes, count_writes, opened_image, writers

NUMBER = os.makedev(8, 1)
COUNTS = {
    "a kernel of today": ("1 0 2 0 3 0 400 0 0 0 0 5 0 60 0 0 0\n", Writes(400, 60)),
    "a kernel that counts no discards": ("1 0 2 0 3 0 400 0 0 0 0\n", Writes(400, None)),
}


@pytest.mark.parametrize(("text", "wanted"), COUNTS.values(), ids=COUNTS)
def test_counts_of(text: str, wanted: Writes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_use, "_NUMBERED", tmp_path)
    (tmp_path / "8:1").mkdir()
    (tmp_path / "8:1/stat").write_text(text)
    assert count_writes(NUMBER) == wanted


def test_a_device_that_is_gone_has_no_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_use, "_NUMBERED", tmp_path)
    assert count_writes(NUMBER) == Writes(None, None)


def test_files_and_character_devices_are_no_devices_that_somebody_writes_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = tmp_path / "4711"
    for folder in ("fd", "fdinfo"):
        (process / folder).mkdir(parents=True)
    (process / "comm").write_text("ceph-osd\n")
    (tmp_path / "self").mkdir()
    (tmp_path / "4712").mkdir()  # ended: it has no files any more
    for number, target in enumerate(("/dev/null", "/dev/gone", "socket:[12]")):
        (process / f"fd/{number}").symlink_to(target)
        (process / f"fdinfo/{number}").write_text("pos:\t0\nflags:\t0100002\n")
    monkeypatch.setattr(device_use, "_PROC", tmp_path)
    assert writers() == {}


FLAGS = {"for reading": ("0100000", False), "for writing": ("0100001", True), "for both": ("02100002", True)}


@pytest.mark.parametrize(("flags", "wanted"), FLAGS.values(), ids=FLAGS)
def test_a_descriptor(flags: str, wanted: bool, tmp_path: Path) -> None:
    (tmp_path / "3").write_text(f"pos:\t0\nflags:\t{flags}\nmnt_id:\t15\n")
    assert device_use._is_for_writing(tmp_path / "3") is wanted


def test_an_image_is_opened_for_reading(tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(b"abc")
    with opened_image(image) as fd:
        assert os.read(fd, 9) == b"abc"
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(fd, b"x")


def test_what_uses_a_device_is_a_clause() -> None:
    assert str(InUse("holds vg-lv")) == "holds vg-lv"
