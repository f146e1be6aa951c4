"""A file that is replaced is the old one or the new one."""

from pathlib import Path

from reprov.adapters.durable import write_durably


def test_a_file_is_replaced_whole_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "x"
    write_durably(file, b"one")
    write_durably(file, b"two")
    assert [(item.name, item.read_bytes()) for item in tmp_path.iterdir()] == [("x", b"two")]
