"""storage-proof.json: what is written is read again, and what is none is refused by name."""

import json
from dataclasses import replace

import pytest

from reprov.domain.bluestore import BluestoreLabel
from reprov.domain.inventory import Signature
from reprov.domain.proof import Fingerprint, Proof, ProvenDevice, ProvenOsd, TableEntry
from reprov.errors import InvalidInput

ENTRY = TableEntry("gpt", "t-1", 512, 2, 2048, 4096, "cafecafe-9b03-4f30-b4c6-b4b80ceff106", "p-1", "osd", ("GUID:60",), ("damaged",))
DEVICE = ProvenDevice(
    "/dev/sda2",
    4096 * 512,
    ("GPT type ceph-block",),
    "0x5002538e40a1b2c3",
    "S1",
    tags=("ceph.osd_id=3",),
    entry=ENTRY,
    content=Signature("ceph_bluestore"),
    bluestore=BluestoreLabel("f-1", 4096 * 512, "block", 3, "c-1"),
    fingerprint=Fingerprint("aa", "bb", "cc", 10, 0),
)
PROOF = Proof(
    "2026-01-01T00:00:00Z",
    "boot",
    True,
    (DEVICE, ProvenDevice("vg/lv", 4096, uuid="u-1", volume="vg/lv", use="not active")),
    (ProvenOsd(3, "f-1", "c-1", "raw", ("block /dev/sda2",)), ProvenOsd(None, "f-2", "", "ceph-disk")),
    ("/dev/sdb: Input/output error",),
)


def test_what_is_written_is_read_again() -> None:
    assert Proof.parse(PROOF.to_json(), "x") == PROOF


def test_a_label_that_is_not_utf_8_stays_as_it_is() -> None:
    odd = replace(PROOF, devices=(replace(DEVICE, entry=replace(ENTRY, label="a\udcff\n")),))
    assert odd.to_json().isascii()
    assert Proof.parse(odd.to_json(), "x") == odd


def changed(**fields: object) -> str:
    """The proof's text with other fields."""
    return json.dumps({**json.loads(PROOF.to_json()), **fields})


BAD = {
    "no JSON": ("", "p.json: not a storage proof (JSONDecodeError: Expecting value: line 1 column 1 (char 0))"),
    "no object": ("[]", "p.json: not a storage proof (TypeError: 'str' object cannot be interpreted as an integer)"),
    "another JSON file": ("{}", "p.json: not a storage proof (KeyError: 'format')"),
    "another format": (changed(format=2), "p.json: a storage proof of another version of reprov"),
    "no time": (changed(made_at="\x1b[31m"), "p.json: not a storage proof (ValueError: made_at is no time)"),
    "devices that are a number": (changed(devices=1), "p.json: not a storage proof (TypeError: 'int' object is not iterable)"),
    "a device without anything": (changed(devices=[{}]), "p.json: not a storage proof (KeyError: 'entry')"),
    "an OSD without its devices": (changed(osds=[{"id": 1}]), "p.json: not a storage proof (KeyError: 'devices')"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_what_is_no_proof(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        Proof.parse(text, "p.json")
    assert raised.value.message == message
