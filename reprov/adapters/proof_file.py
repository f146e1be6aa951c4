"""storage-proof.json: read, and written so that there is either the old one or the new one."""

import os
import stat
import tempfile
from pathlib import Path

from reprov.adapters.durable import sync_directory
from reprov.domain.hop_proof import HopProof
from reprov.domain.proof import Proof
from reprov.errors import InvalidInput


def read_proof(file: Path) -> Proof:
    """The proof in a file. Raises `InvalidInput` when it is none, `OSError` when it cannot be read."""
    return Proof.parse(_text_of(file), str(file))


def read_earlier_proof(file: Path) -> Proof:
    """The same; of the proof of a change, as a node keeps it, the side before the change."""
    text = _text_of(file)
    return HopProof.parse(text, str(file)).before if HopProof.is_one(text) else Proof.parse(text, str(file))


def _text_of(file: Path) -> str:
    fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(fd, "rb") as opened:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise InvalidInput(f"{file}: not a storage proof (it is no regular file)")
        start = opened.read(1)
        text = start + opened.read() if start == b"{" else b""  # not all of a disk image that was named by mistake
        return text.decode("ascii", "backslashreplace")


def write_proof(proof: Proof, file: Path) -> None:
    """Put a proof in the place of a file, durably; mode 0600, and through no symbolic link."""
    fd, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(fd, "wb") as out:
            out.write(proof.to_json().encode("ascii"))
            out.flush()
            os.fsync(out.fileno())
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_directory(file.parent)
