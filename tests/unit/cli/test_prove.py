"""reprov prove, with proofs that are made up: what it prints, writes and ends with."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reprov.domain.bluestore import BluestoreLabel
from reprov.domain.inventory import Signature
from reprov.domain.partition_types import guid_of
from reprov.domain.proof import Fingerprint, Proof, ProvenDevice, ProvenOsd, TableEntry
from reprov.workflows import prove as workflow

Reprov = Callable[..., Any]
DIGEST = "0123456789abcdef" * 4
ENTRY = TableEntry("gpt", "t-1", 512, 2, 2048, 40960, guid_of("ceph-block"), "p-1", "osd")
PRINT = Fingerprint(DIGEST, DIGEST)
BLOCK = ProvenDevice("/dev/sda2", 20_971_520, entry=ENTRY, bluestore=BluestoreLabel("f-1", 1, "block", 3), fingerprint=PRINT)
DATA = ProvenDevice("/dev/sdb", 1 << 40, wwn="0x1", content=Signature("xfs", uuid="fs-1"), use="mounted at /srv")
PROOF = Proof("2026-01-02T00:00:00Z", "boot", False, (BLOCK, DATA), (ProvenOsd(3, "f-1", "c-1", "raw"),))


@pytest.fixture(autouse=True)
def node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[bool]:
    """The machine has what PROOF says; the working directory is empty. Gives the depths that were asked for."""
    asked = []

    def prove(_root: Path, *, deep: bool, **_options: object) -> Proof:
        asked.append(deep)
        return PROOF

    monkeypatch.setattr(workflow, "prove", prove)
    monkeypatch.chdir(tmp_path)
    return asked


def earlier(*devices: ProvenDevice) -> str:
    """The name of a file with an earlier proof of these."""
    Path("before.json").write_text(replace(PROOF, made_at="2026-01-01T00:00:00Z", devices=devices).to_json())
    return "before.json"


def test_a_proof_is_written_beside_and_shown(reprov: Reprov) -> None:
    done = reprov("prove")
    assert (done.status, done.stderr) == (0, "wrote storage-proof.json\n")
    assert done.stdout.splitlines() == [
        "DEVICE     SIZE  IDENTITY     PROOF",
        "sda2    21.0 MB  osd.3 block  first and last MiB",
        "sdb      1.1 TB  xfs fs-1     identity: mounted at /srv",
        "",
        "2 devices, 1 by first and last MiB, 1 by identity alone",
        "1 OSD",
    ]
    assert Path("storage-proof.json").read_text() == PROOF.to_json()


def test_a_device_that_cannot_be_read_is_no_success(reprov: Reprov, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof is kept, and whoever goes on when it succeeds does not."""
    broken = replace(DATA, path="/dev/sdc", use="", error="Input/output error")
    proof = replace(PROOF, devices=(BLOCK, broken), notes=("LVM: something is missing", "/dev/sr0: No medium found"))
    monkeypatch.setattr(workflow, "prove", lambda *_, **__: proof)
    done = reprov("prove")
    assert (done.status, done.stderr.splitlines()) == (
        1,
        [
            "wrote storage-proof.json",
            "reprov: nobody could prove later that all data is untouched: /dev/sdc: Input/output error (and 1 more)",
            "hint: take the device out, or install what is missing; the proof has everything else",
        ],
    )
    assert Path("storage-proof.json").read_text() == proof.to_json()
    assert reprov("prove", "--against", earlier(BLOCK, DATA)).status == 7  # it could be read then: that comes first
    assert reprov("prove", "--against", earlier(BLOCK, broken)).status == 1


def test_nothing_has_changed(reprov: Reprov) -> None:
    done = reprov("prove", "--against", earlier(BLOCK, DATA))
    assert (done.status, done.stderr, Path("storage-proof.json").exists()) == (0, "", False)
    assert done.stdout.splitlines() == [
        "DEVICE  PROVEN          BECAUSE",
        "sdb     identity alone  mounted at /srv",
        "",
        "nothing has changed since 2026-01-01T00:00:00Z: 2 devices compared, 1 by first and last MiB, 1 by identity",
    ]


def test_a_difference_is_shown_side_by_side_and_the_new_proof_is_written_all_the_same(reprov: Reprov) -> None:
    other = replace(BLOCK, fingerprint=replace(PRINT, first_sha256="f" * 64), entry=replace(ENTRY, label="a\x1bb", type=guid_of("linux")))
    done = reprov("prove", "--against", earlier(other), "--output", "after.json")
    assert done.status == 7
    assert done.stdout.splitlines() == [
        "DEVICE  WHAT       BEFORE                  AFTER",
        "sda2    type       linux                   ceph-block",
        "sda2    label      a\\x1bb                  osd",
        "sda2    first MiB  sha256 ffffffffffff...  sha256 0123456789ab...",
        "",
        "/dev/sdb: new, with nothing to compare it with",
        "3 differences since 2026-01-01T00:00:00Z: 1 device compared, 1 by first and last MiB",
    ]
    assert done.stderr.splitlines()[:2] == ["wrote after.json", "reprov: data proof failed: 3 differences since 2026-01-01T00:00:00Z"]
    assert Path("after.json").read_text() == PROOF.to_json()


def test_json_has_whole_digests(reprov: Reprov) -> None:
    done = reprov("prove", "--against", earlier(replace(BLOCK, fingerprint=replace(PRINT, last_sha256="f" * 64))), "--json")
    assert done.status == 7
    assert json.loads(done.stdout) == {
        "before": "2026-01-01T00:00:00Z",
        "after": "2026-01-02T00:00:00Z",
        "differences": [{"device": "/dev/sda2", "what": "last MiB", "before": f"sha256 {'f' * 64}", "after": f"sha256 {DIGEST}"}],
        "devices": [{"path": "/dev/sda2", "extent": "first and last MiB", "why": ""}],
        "remarks": ["/dev/sdb: new, with nothing to compare it with"],
    }


def test_json_of_a_proof_is_the_file(reprov: Reprov) -> None:
    assert json.loads(reprov("prove", "--json").stdout) == json.loads(Path("storage-proof.json").read_text())


def test_deep_is_passed_on(reprov: Reprov, node: list[bool]) -> None:
    reprov("prove", "--deep")
    assert node == [True]


REFUSED = {
    "a file that is no proof": (("--output", "letter", "--yes"), "letter: not a storage proof"),
    "a proof without asking": (
        ("--output", "before.json"),
        "nobody can be asked: replace the proof of 2026-01-01T00:00:00Z in before.json?",
    ),
    "the earlier proof": (
        ("--against", "before.json", "--output", "./before.json", "--yes"),
        "would be replaced by what it is compared with",
    ),
    "a file in no directory": (("--output", "no/such/file"), "no/such is no directory"),
    "an earlier proof that is none": (("--against", "letter"), "letter: not a storage proof"),
    "an image of a node": (("--image", "letter", "--root", "."), "--image and --root do not go together"),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED)
def test_refused_before_anything_is_read(options: tuple[str, ...], message: str, reprov: Reprov, node: list[bool]) -> None:
    earlier(BLOCK)
    Path("letter").write_text("dear")
    done = reprov("prove", *options)
    assert (done.status, message in done.stderr, node) == (2, True, [])
    assert Path("letter").read_text() == "dear"


def test_a_proof_is_replaced_on_demand(reprov: Reprov) -> None:
    assert reprov("prove", "--output", earlier(BLOCK), "--yes").status == 0
    assert Path("before.json").read_text() == PROOF.to_json()
