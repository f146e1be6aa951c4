"""The scripts of single hops, in the library."""

from pathlib import Path

from reprov.adapters.library import Library
from reprov.domain.hop_fragment import HopFragment, HopPlace, library_folder
from reprov.domain.release import ReleaseId
from reprov.domain.script_file import check_script
from reprov.errors import InvalidInput


def read_hop_fragments(library: Library, after: ReleaseId) -> tuple[HopFragment, ...]:
    """The scripts of the hops that lead to a release; those of a hop in an earlier folder of the library shadow all of a later one's.

    Raises `InvalidInput` for what is in their folder and is none: by its name, its mode or its text.
    """
    found: dict[str, tuple[HopFragment, ...]] = {}
    for top in library.folders:
        of_role = top / library_folder(after.role)
        for before in sorted(of_role.iterdir()) if of_role.is_dir() else ():
            hop = before / after.version
            if before.name not in found and hop.is_dir():
                found[before.name] = tuple(_read_hop(hop))
    return tuple(fragment for name in sorted(found) for fragment in found[name])


def read_hop_fragment(file: Path) -> HopFragment:
    """One script of a hop, from its place in a library. Raises `InvalidInput` like `read_hop_fragments`."""
    role, before, after, name = file.absolute().parts[-4:]
    if name not in set(HopPlace):
        raise InvalidInput(f"{file}: neither pre nor post, which are what runs on a hop", hint="move it elsewhere")
    try:
        text = file.read_bytes().decode("utf-8", "surrogateescape")
        executable = file.stat().st_mode & 0o111
    except OSError as error:
        raise InvalidInput(f"{file}: cannot be read ({error.strerror})") from None
    if not executable:
        raise InvalidInput(f"{file}: not executable", hint=f"chmod +x {file}; or remove it, if it is not to run")
    check_script(text, str(file))
    return HopFragment(_release(role, before, file), _release(role, after, file), HopPlace(name), text)


def _read_hop(hop: Path) -> list[HopFragment]:
    fragments = {fragment.place: fragment for fragment in map(read_hop_fragment, sorted(hop.iterdir()))}
    return [fragments[place] for place in HopPlace if place in fragments]


def _release(role: str, version: str, file: Path) -> ReleaseId:
    try:
        return ReleaseId.of(role, version)
    except InvalidInput as error:
        raise InvalidInput(f"{file}: {error.message}", hint=error.hint) from None
