"""A proof of what is protected: made, written, compared with an earlier one."""

import time
from pathlib import Path

from reprov.adapters.proof import boot_id, prove_devices
from reprov.adapters.proof_file import read_earlier_proof, read_proof, write_proof
from reprov.domain.inventory import Inventory
from reprov.domain.proof import SIGNATURE_BYTES, Proof
from reprov.domain.proof_subjects import osds_of, subjects
from reprov.domain.protected import NO_RULES, DataRules, protected
from reprov.errors import InvalidInput
from reprov.events import Monitor, Note, phase
from reprov.workflows.inventory import inventory_of_image, take_inventory
from reprov.workflows.node import require_root


def prove(
    root: Path,
    *,
    image: Path | None = None,
    deep: bool = False,
    before: Proof | None = None,
    rules: DataRules = NO_RULES,
    monitor: Monitor,
) -> Proof:
    """A proof of everything protected on this machine, or in a disk image, and of every device that an earlier proof has.

    Opens nothing for writing. A device that cannot be read has no fingerprint, and says why. Raises `Refused` for a machine unless root
    asks: a proof of nothing would later find that nothing has changed.
    """
    if image is None:
        require_root("prove the devices of a machine")
    inventory = inventory_of_image(image, monitor=monitor) if image else take_inventory(root, monitor=monitor)
    return prove_inventory(inventory, deep=deep, before=before, rules=rules, boot="" if image else boot_id(), monitor=monitor)


def prove_inventory(
    inventory: Inventory, *, boot: str, deep: bool = False, before: Proof | None = None, rules: DataRules = NO_RULES, monitor: Monitor
) -> Proof:
    """The proof of an inventory that is at hand; `boot` is the kernel's boot id, "" for an image."""
    some = subjects(inventory, protected(inventory, rules), before)
    size_bytes = sum(min(2 * SIGNATURE_BYTES, 2 * subject.size_bytes) + (subject.size_bytes if deep else 0) for subject in some)
    with phase(monitor, "prove", "Fingerprinting devices", size_bytes=size_bytes) as progress:
        found = prove_devices(some, progress, deep=deep)
    for note in found.notes:
        monitor.emit(Note(note))
    return Proof(
        made_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        boot_id=boot,
        is_deep=deep,
        devices=found.devices,
        osds=osds_of(inventory),
        notes=(*inventory.notes, *found.notes),
    )


def load_proof(file: Path) -> Proof:
    """The proof in a file to compare with; of a change's, the side before it. Raises `InvalidInput` when it is none."""
    return read_earlier_proof(file)


def proof_to_replace(file: Path, against: Path | None) -> Proof | None:
    """The proof that a new one in this file would replace; None where there is no file.

    Raises `InvalidInput` for any other file, which is not reprov's to replace, and for the proof that is to be compared with.
    """
    if file.is_dir():
        raise InvalidInput(f"{file} is a directory", hint="name the file that is to hold the proof")
    if str(file) == "-":
        raise InvalidInput("a proof is kept in a file, and '-' is none", hint="--json prints it, too")
    if not file.is_symlink() and not file.exists():
        if not file.parent.is_dir():
            raise InvalidInput(f"{file.parent} is no directory")
        return None
    if against is not None and file.samefile(against):
        raise InvalidInput(f"{file} would be replaced by what it is compared with", hint="give the new proof a name of its own")
    return read_proof(file)


def keep_proof(proof: Proof, file: Path) -> None:
    """Put a proof in the place of a file, durably. Raises `OSError`; the file is then as it was."""
    write_proof(proof, file)
