"""Variables of a firmware; a directory stands in for efivarfs."""

from pathlib import Path

from reprov.adapters.firmware import FirmwareVariables


def test_a_variable_is_written_as_a_whole(tmp_path: Path) -> None:
    variables = FirmwareVariables(tmp_path)
    variables.write("LoaderEntryOneShot-x", b"\x07\0\0\0a\0\0\0")
    variables.write("LoaderEntryOneShot-x", b"\x07\0\0\0b\0\0\0")
    assert (tmp_path / "LoaderEntryOneShot-x").read_bytes() == b"\x07\0\0\0b\0\0\0"


def test_a_variable_is_taken_away_if_it_is_there(tmp_path: Path) -> None:
    variables = FirmwareVariables(tmp_path)
    variables.write("LoaderEntryOneShot-x", b"\x07\0\0\0a\0\0\0")
    variables.remove("LoaderEntryOneShot-x")
    variables.remove("LoaderEntryOneShot-x")
    assert list(tmp_path.iterdir()) == []
