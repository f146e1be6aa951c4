"""The files of a dump: its artefact, encrypted by openssl, its manifest, its key, and what a restore has left."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.reprov_database import Dump, Record
from ansible.module_utils.reprov_database_programs import Content
from ansible.module_utils.reprov_program import Trouble, running
from ansible.module_utils.reprov_text_file import read_text, write_text

_CHUNK_BYTES = 1 << 20


class DumpFiles:
    """Where a task has its dump."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._openssl = module.get_bin_path("openssl", required=True)
        self.directory = Path(module.params["directory"])
        self._artefact = self.directory / "databases.sql.enc"
        self._new = self.directory / "databases.sql.enc.new"
        self._manifest = self.directory / "databases.json"
        self._record = self.directory / "databases.restored.json"
        self._key = Path(module.params["key_file"])

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let nobody else work with these files: a run that lost its connection may still be at it."""
        try:
            descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            raise Trouble(f"there is no {self.directory}") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise Trouble(f"another process dumps or restores with {self.directory}; wait until it has ended") from None
        finally:
            os.close(descriptor)

    def dump(self) -> Dump | None:
        """The dump, if there is one."""
        text = read_text(self._manifest)
        try:
            return Dump.from_json(text) if text is not None else None
        except ValueError as error:
            raise Trouble(f"{self._manifest} {error}; it stays as it is: move it away, or name another directory") from None

    def ended_dump(self) -> Dump:
        """The dump, which has to be there."""
        found = self.dump()
        if found is None:
            raise Trouble(f"there is no dump in {self.directory}, or none that has come to its end")
        return found

    def artefact_bytes(self) -> int | None:
        """The size of the artefact, if there is one."""
        return self._artefact.stat().st_size if self._artefact.exists() else None

    def make_key(self) -> None:
        """For its owner alone, where there is none."""
        if self._key.exists():
            return
        self._key.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        new = self._key.with_name(f"{self._key.name}.new")
        with _created(new) as file:
            file.write(base64.b64encode(os.urandom(48)) + b"\n")
            _sync(file)
        new.rename(self._key)
        _sync_directory(self._key.parent)

    def encrypt(self, content: Iterable[bytes]) -> tuple[int, str, str]:
        """Write the artefact; its size, its sha256, and that of the content. Without a manifest it is no dump yet."""
        taken = Content()
        with _created(self._new) as file:
            with running(self._words("-e", "-salt"), stdin=subprocess.PIPE, stdout=file) as cipher:
                for line in content:
                    taken.take(line)
                    cipher.stdin.write(line)
                cipher.stdin.flush()
            _sync(file)
        size_bytes, sha256 = self._new.stat().st_size, _sha256(self._new)
        self._new.rename(self._artefact)
        _sync_directory(self.directory)
        return size_bytes, sha256, taken.hexdigest()

    def finish(self, dump: Dump) -> None:
        """Write the manifest, which makes it a dump."""
        write_text(self._module, self._manifest, dump.to_json())
        _sync_directory(self.directory)

    def remove_unfinished(self) -> None:
        """What a dump has left that was not ended."""
        with suppress(FileNotFoundError):
            self._new.unlink()

    def verify(self, dump: Dump) -> None:
        """See that the dump is whole, to its last line. Raises `Trouble`."""
        if self.artefact_bytes() is None:
            raise Trouble(f"{self._artefact} is gone; bring a copy of it")
        if self.artefact_bytes() != dump.size_bytes or _sha256(self._artefact) != dump.sha256:
            raise Trouble(f"{self._artefact} is damaged: its checksum is not that of {self._manifest.name}; bring a whole copy of it")
        if not self._key.exists():
            raise Trouble(f"there is no key {self._key}; bring that of the host that the dump was made on")
        found = Content()
        with suppress(Trouble), self.deciphered() as content:
            for line in content:
                found.take(line)
        if found.hexdigest() != dump.content:
            raise Trouble(f"{self._artefact} cannot be deciphered: {self._key} is not the key that it was made with")

    @contextmanager
    def deciphered(self) -> Iterator[Any]:
        """The content, as a pipe."""
        with self._artefact.open("rb") as file, running(self._words("-d"), stdin=file, stdout=subprocess.PIPE) as cipher:
            yield cipher.stdout

    def record(self) -> Record | None:
        """What the last restore has left."""
        text = read_text(self._record)
        return Record.from_json(text) if text is not None else None

    def write_record(self, record: Record) -> None:
        """Remember a restore, begun or ended."""
        write_text(self._module, self._record, json.dumps(record._asdict()) + "\n")

    def _words(self, *how: str) -> tuple[str, ...]:
        return (self._openssl, "enc", *how, "-aes-256-cbc", "-pbkdf2", "-pass", f"file:{self._key}")


def _created(path: Path) -> Any:
    """A new file which its owner alone may read; what was there of an earlier attempt goes."""
    with suppress(FileNotFoundError):
        path.unlink()
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in iter(lambda: file.read(_CHUNK_BYTES), b""):
            digest.update(chunk)
    return digest.hexdigest()
