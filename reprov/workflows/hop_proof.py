"""Around a change of a node: the data devices before it and after it, compared, and kept as storage-proof.json."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from reprov.adapters.durable import write_durably
from reprov.domain.data_devices import PROOF_FILE, DataDevices
from reprov.errors import InvalidInput, ProofFailed, Refused, ReprovError
from reprov.events import Monitor, Note
from reprov.workflows.node import Node, disk_errors_in_words

if TYPE_CHECKING:
    from reprov.domain.hop_proof import HopProof
    from reprov.domain.proof import Proof

_WITHOUT = "install what is missing, or take the device out; --prove never goes on without a proof"
_SHOWN = 3


def prove_before(node: Node, data: DataDevices, hop: str, monitor: Monitor) -> "HopProof | None":
    """Fingerprint the data devices before anything is changed; None where there are none. Raises `Refused` when that cannot be done.

    `hop` says what is about to happen: `upgrade to base 1.1`. All that `prove_after` needs is loaded by this.
    """
    if data.problem:
        raise _cannot_prove(data.problem, _WITHOUT)
    if data.inventory is None:
        return None
    # Imported here: a node without data devices needs none of it.
    from reprov.adapters.proof import boot_id
    from reprov.domain.hop_proof import HopProof
    from reprov.workflows.prove import prove_inventory

    before = prove_inventory(data.inventory, boot=boot_id(), monitor=monitor)
    require_proven(before, data.inventory.notes, _WITHOUT)
    proof = HopProof(hop, before)
    with disk_errors_in_words("the storage proof cannot be kept"):
        write_durably(node.state.directory / PROOF_FILE, proof.to_json().encode())
    return proof


def prove_after(node: Node, proof: "HopProof | None", monitor: Monitor, *, is_undone: bool = False) -> "HopProof | None":
    """Compare the devices with what they were, when the change is done. Raises `ProofFailed` when there is any difference.

    The change stays, unless what followed it failed and it `is_undone`: what has been written to a device no rollback takes back.
    """
    if proof is None:
        return None
    from reprov.workflows.prove import prove

    try:
        done = replace(proof, after=prove(node.root, before=proof.before, monitor=monitor))
    except (ReprovError, OSError) as error:
        done = replace(proof, problem=f"it cannot be made: {error}")
    # The node is changed and proved, or not: a full disk changes neither, and what is to be said comes first.
    try:
        write_durably(node.state.directory / PROOF_FILE, done.to_json().encode())
    except OSError as error:
        monitor.emit(Note(f"the storage proof cannot be kept: {error.strerror}"))
    node.state.write_deployment(node.state.deployment(), note=done.verdict)
    if done.has_failed:
        compared = done.comparison
        differences = (
            [f"{item.device}: {item.what} was {item.before}, is {item.after}" for item in compared.differences] if compared else []
        )
        raise ProofFailed(
            f"{done.verdict}{': ' if differences else ''}{_some(differences)}",
            hint=f"the {proof.hop} {'failed, and was taken back' if is_undone else 'is done and stays'}; change no other node until it is "
            "known what wrote to these devices"
            f" ({node.state.directory / PROOF_FILE} has both sides)",
        )
    return done


def require_proven(before: "Proof", inventory_notes: Sequence[str], hint: str) -> None:
    """Raise `Refused` when a device that is data could not be fingerprinted, so that nobody could compare it afterwards."""
    from reprov.domain.hop_proof import why_unproven

    if problems := why_unproven(before, inventory_notes):
        raise _cannot_prove(_some(problems), hint)


def begun_proof(node: Node, hop: str) -> "HopProof | None":
    """The proof of that change, of which `prove_before` has made the half and a boot has come between; None where there is none."""
    try:
        proof = _kept_proof(node)
    except (InvalidInput, OSError):
        return None
    return proof if proof and proof.hop == hop and proof.after is None and not proof.problem else None


def last_proof(node: Node) -> str:
    """The verdict of the last proof in one line; "" where there is none, or none that can be read."""
    try:
        proof = _kept_proof(node)
    except (InvalidInput, OSError) as error:
        return f"storage-proof.json cannot be read: {error}"
    return proof.verdict if proof else ""


def _kept_proof(node: Node) -> "HopProof | None":
    """None where there is none. Raises `InvalidInput` or `OSError` for one that cannot be read."""
    file = node.state.directory / PROOF_FILE
    if not file.exists():
        return None
    from reprov.domain.hop_proof import HopProof

    return HopProof.parse(file.read_text("ascii", "backslashreplace"), str(file))


def _cannot_prove(problem: str, hint: str) -> Refused:
    return Refused(f"nobody could prove afterwards that data is untouched: {problem}", hint=hint)


def _some(items: Sequence[str]) -> str:
    return "; ".join(items[:_SHOWN]) + (f"; and {len(items) - _SHOWN} more" if len(items) > _SHOWN else "")
