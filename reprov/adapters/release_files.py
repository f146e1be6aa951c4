"""The files beside release.json: resolved ownership lists, the manifest, package and hop data."""

import gzip
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from reprov.adapters.library import Library
from reprov.domain.manifest import Manifest
from reprov.domain.rules import RuleList
from reprov.errors import InvalidInput

_KINDS = ("exclude", "add-only")  # file suffix in the library; the folder in a release is called after what it holds
_FOLDERS = {"exclude": "excludes", "add-only": "add-only"}
_COMPRESSION = 6  # 9 takes twice as long and saves 1 %: half of a manifest is digests


def read_lists(library: Library, concerns: Sequence[str]) -> dict[str, bytes]:
    """The ownership lists of the concerns as they go into a release, by name there, in the order in which their rules are tried.

    They are verbatim, so that a rule's line is the same here and there. Raises `InvalidInput` for a concern without lists,
    for a list that is empty or cannot be read, and for a rule that is none.
    """
    if not concerns:
        raise InvalidInput("a release without ownership lists would replace the node's own data", hint="name at least one concern: base")
    files: dict[str, bytes] = {}
    for number, concern in enumerate(concerns):
        known = library.names("excludes")
        kinds = [kind for kind in _KINDS if f"{concern}.{kind}" in known]
        for kind in kinds or _KINDS[:1]:
            name = f"{concern}.{kind}"
            source = library.find("excludes", name)
            try:
                text = source.read_bytes()
            except OSError as error:
                raise InvalidInput(f"{source}: cannot be read ({error.strerror})") from None
            RuleList.parse(text, str(source))
            files[f"{_FOLDERS[kind]}/{number:02d}-{name}"] = text
    return files


def compress(manifest: Manifest) -> bytes:
    """The bytes of manifest.mtree.gz; equal manifests give equal bytes."""
    return gzip.compress(manifest.render().encode("ascii"), _COMPRESSION, mtime=0)


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a new folder."""
    folder.mkdir(mode=0o755)
    for name, content in files.items():
        (folder / name).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def digests(files: Mapping[str, bytes]) -> dict[str, str]:
    """sha256 in hex of each file's content, by name."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
