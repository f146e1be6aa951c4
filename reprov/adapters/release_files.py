"""The files beside release.json: resolved ownership lists, the manifest, package and hop data."""

import gzip
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from reprov.adapters.library import Library
from reprov.domain.check import CHECKS_FOLDER
from reprov.domain.fragment import FRAGMENT_SUFFIX, FRAGMENTS_FOLDER, Fragment
from reprov.domain.hop_fragment import HopFragment, released_path
from reprov.domain.manifest import Manifest
from reprov.domain.ownership import Ownership
from reprov.domain.rules import RuleList
from reprov.errors import InvalidInput

_FOLDERS = {"exclude": "excludes", "add-only": "add-only", "merge": "merge"}
"""By file suffix in the library, the folder in a release; in the order in which the lists are asked."""
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
        kinds = [kind for kind in _FOLDERS if f"{concern}.{kind}" in known]
        for kind in kinds or ["exclude"]:  # none: to find that one says what there is
            name = f"{concern}.{kind}"
            files[f"{_FOLDERS[kind]}/{number:02d}-{name}"] = read_list(library.find("excludes", name))
    return files


def known_concerns(library: Library) -> tuple[str, ...]:
    """The concerns that the library has lists of."""
    return tuple(dict.fromkeys(name.rpartition(".")[0] for name in library.names("excludes") if "." in name))


def read_list(source: Path) -> bytes:
    """The text of one ownership list. Raises `InvalidInput` for one that is empty or cannot be read, and for a rule that is none."""
    try:
        text = source.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{source}: cannot be read ({error.strerror})") from None
    RuleList.parse(text, str(source), text_merges=source.suffix == ".merge")
    return text


def read_fragments(library: Library, names: Sequence[str]) -> tuple[Fragment, ...]:
    """The templates of a role's post-scripts. Raises `InvalidInput` for one that there is not, or that cannot be one."""
    return tuple(read_fragment(library.find(FRAGMENTS_FOLDER, f"{name}{FRAGMENT_SUFFIX}")) for name in names)


def read_fragment(file: Path) -> Fragment:
    """One template of a post-script. Raises `InvalidInput` for what cannot be one."""
    try:
        return Fragment(file.name.removesuffix(FRAGMENT_SUFFIX), file.read_bytes().decode(), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file}: cannot be read ({error})") from None


def texts_of(fragments: Sequence[Fragment], hop_fragments: Sequence[HopFragment]) -> dict[str, bytes]:
    """Templates, and scripts of single hops, by their names in a release, verbatim."""
    templates = {f"{FRAGMENTS_FOLDER}/{fragment.name}{FRAGMENT_SUFFIX}": fragment.text.encode() for fragment in fragments}
    scripts = {released_path(item.before, item.place): item.text.encode("utf-8", "surrogateescape") for item in hop_fragments}
    return templates | scripts


def read_checks(folder: Path, names: Sequence[str]) -> dict[str, bytes]:
    """The checks that a build has left beside its tree, by their names in a release. Raises `InvalidInput` for one that it has not."""
    files = [file for file in sorted((folder / CHECKS_FOLDER).rglob("*")) if file.is_file()]
    found = {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}
    for name in names:
        if not any(f"{file}/".startswith(f"{CHECKS_FOLDER}/{name}/") for file in found):
            raise InvalidInput(f"{folder}: the build has no {CHECKS_FOLDER}/{name}", hint="build that version again, under another name")
    return found


def ownership_of(files: Mapping[str, bytes]) -> Ownership:
    """What the lists among a release's files say. Raises `InvalidInput` when one of the kinds that no release may lack is missing."""

    def lists(kind: str) -> list[tuple[str, bytes]]:
        return [(name, text) for name, text in sorted(files.items()) if name.startswith(f"{_FOLDERS[kind]}/")]

    return Ownership.parse(lists("exclude"), lists("add-only"), lists("merge"))


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
