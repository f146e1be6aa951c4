"""The proof around one change: its verdict, its file, and what keeps it from being a proof."""

from dataclasses import replace

import pytest

from reprov.domain.hop_proof import HopProof, why_unproven
from reprov.domain.proof import Proof
from reprov.errors import InvalidInput
from tests.proofs import a_hop_proof, a_proof

UPGRADE = "upgrade to base 1.1"
VERDICTS = {
    "nothing has changed": (a_hop_proof(UPGRADE), False, f"1 data device and 1 OSD proved untouched by the {UPGRADE}"),
    "no OSD": (
        HopProof(UPGRADE, replace(a_proof(), osds=()), replace(a_proof(), osds=())),
        False,
        f"1 data device proved untouched by the {UPGRADE}",
    ),
    "other bytes": (a_hop_proof(UPGRADE, first="2"), True, f"DATA PROOF FAILED after the {UPGRADE}: 1 difference"),
    "an OSD that is gone": (
        HopProof(UPGRADE, a_proof(), replace(a_proof(), osds=())),
        True,
        f"DATA PROOF FAILED after the {UPGRADE}: 1 difference",
    ),
    "a device that cannot be read any more": (
        HopProof(UPGRADE, a_proof(), a_proof(error="Input/output error")),
        True,
        f"DATA PROOF FAILED after the {UPGRADE}: 1 difference",
    ),
    "a proof that cannot be made": (
        HopProof(UPGRADE, a_proof(), problem="it cannot be made: no blkid"),
        True,
        f"DATA PROOF FAILED after the {UPGRADE}: it cannot be made: no blkid",
    ),
    "a change that did not come to its end": (
        HopProof(UPGRADE, a_proof()),
        False,
        f"1 data device looked at before the {UPGRADE}, and not since",
    ),
}


@pytest.mark.parametrize(("proof", "has_failed", "verdict"), VERDICTS.values(), ids=VERDICTS)
def test_one_line_says_what_came_of_it_and_the_file_says_it_again(proof: HopProof, has_failed: bool, verdict: str) -> None:
    again = HopProof.parse(proof.to_json(), "file")
    assert (proof.has_failed, proof.verdict) == (again.has_failed, again.verdict) == (has_failed, verdict)
    assert again == proof


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"hop": "x", "problem": "", "before": {}, "after": null}', a_proof().to_json()])
def test_what_is_no_such_file_is_said(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"^file: not the proof of a change|^file: not a storage proof"):
        HopProof.parse(text, "file")


UNPROVEN = {
    "everything was read": (a_proof(), (), ()),
    "data that cannot be read": (a_proof(error="Input/output error"), (), ("/dev/sdb1: Input/output error",)),
    "a table that nobody can read": (a_proof(notes=("/dev/sdb: sfdisk: not installed",)), (), ("/dev/sdb: sfdisk: not installed",)),
    "a dead disk that nothing is known of": (a_proof(notes=("/dev/sdx: Input/output error",)), ("/dev/sdx: Input/output error",), ()),
    "volumes that nobody can list": (a_proof(notes=("LVM: broken",)), ("LVM: broken",), ("LVM: broken",)),
    "no blkid": (a_proof(notes=("blkid: not installed",)), ("blkid: not installed",), ("blkid: not installed",)),
}


@pytest.mark.parametrize(("proof", "notes", "problems"), UNPROVEN.values(), ids=UNPROVEN)
def test_what_keeps_a_proof_from_being_one(proof: Proof, notes: tuple[str, ...], problems: tuple[str, ...]) -> None:
    assert why_unproven(proof, notes) == problems
