"""storage-proof.json on disk."""

from dataclasses import replace
from pathlib import Path

import pytest

from reprov.adapters.proof_file import read_earlier_proof, read_proof, write_proof
from reprov.domain.proof import Proof
from reprov.errors import InvalidInput
from tests.proofs import a_hop_proof, a_proof

PROOF = Proof("2026-01-01T00:00:00Z", "boot", False)


def test_what_is_written_is_read_and_is_roots_alone(tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    write_proof(PROOF, file)
    assert (read_proof(file), file.stat().st_mode & 0o777, list(tmp_path.iterdir())) == (PROOF, 0o600, [file])


def test_a_link_is_replaced_and_what_it_points_to_is_not(tmp_path: Path) -> None:
    precious, link = tmp_path / "precious", tmp_path / "p.json"
    precious.write_text("x")
    link.symlink_to(precious)
    write_proof(PROOF, link)
    assert (precious.read_text(), link.is_symlink()) == ("x", False)


def test_a_proof_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "p.json"
    write_proof(PROOF, file)

    def fail(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_proof(replace(PROOF, boot_id="next"), file)
    assert (read_proof(file), list(tmp_path.iterdir())) == (PROOF, [file])


def test_what_is_no_proof_is_not_read_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "disk.img"
    with file.open("wb") as out:
        out.truncate(1 << 40)
    with pytest.raises(InvalidInput, match="not a storage proof"):
        read_proof(file)


def test_a_device_is_no_proof() -> None:
    with pytest.raises(InvalidInput) as raised:
        read_proof(Path("/dev/null"))
    assert raised.value.message == "/dev/null: not a storage proof (it is no regular file)"


def test_of_a_nodes_proof_of_a_change_the_side_before_it_is_compared_with(tmp_path: Path) -> None:
    file = tmp_path / "storage-proof.json"
    file.write_text(a_hop_proof("upgrade to base 1.1", first="2").to_json())
    assert read_earlier_proof(file) == a_proof()
    with pytest.raises(InvalidInput, match="not a storage proof"):
        read_proof(file)  # it is not `reprov prove`'s to replace


def test_an_earlier_proof_of_one_moment_is_read_as_it_is(tmp_path: Path) -> None:
    write_proof(PROOF, tmp_path / "p.json")
    assert read_earlier_proof(tmp_path / "p.json") == PROOF


def test_what_is_neither_proof_is_said(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"hop": 1}')
    with pytest.raises(InvalidInput, match="not the proof of a change"):
        read_earlier_proof(tmp_path / "p.json")
