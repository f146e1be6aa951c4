"""Proofs of one data device with one OSD, for tests of what is said of them."""

from reprov.domain.hop_proof import HopProof
from reprov.domain.proof import Fingerprint, Proof, ProvenDevice, ProvenOsd


def a_proof(*, first: str = "1", notes: tuple[str, ...] = (), error: str = "") -> Proof:
    """A proof in which the device starts with bytes of this digest."""
    print_of = None if error else Fingerprint(first, "z")
    device = ProvenDevice("/dev/sdb1", 4096, uuid="u", fingerprint=print_of, error=error)
    return Proof("2026-01-01T00:00:00Z", "boot", False, (device,), (ProvenOsd(3, "f", "c", "raw"),), notes)


def a_hop_proof(hop: str, *, first: str = "1") -> HopProof:
    """A change after which the device starts with bytes of this digest; "1" is what it was."""
    return HopProof(hop, a_proof(), a_proof(first=first))
