"""The library: roles/, excludes/, post-scripts/, ids/ and playbooks/, found by name in the first folder that has them."""

import difflib
from dataclasses import dataclass
from pathlib import Path

import reprov
from reprov.errors import InvalidInput

_SITE = Path("/etc/reprov")


@dataclass(frozen=True, slots=True)
class Library:
    """Folders that hold roles/, excludes/, post-scripts/, ids/ and playbooks/; a name in an earlier one shadows the later ones."""

    folders: tuple[Path, ...]

    @classmethod
    def default(cls, first: Path | None = None) -> "Library":
        """The operator's folder, the site's, and what reprov brings (in the wheel, or beside the package in a checkout)."""
        package = Path(reprov.__file__).parent
        shipped = package / "library"
        own = (first,) if first else ()
        return cls((*own, _SITE, shipped if shipped.is_dir() else package.parent))

    def find(self, kind: str, name: str) -> Path:
        """The file or folder of that name. Raises `InvalidInput` that says what there is and which name is the nearest."""
        if "/" not in name and name not in ("", ".", ".."):
            for folder in self.folders:
                candidate = folder / kind / name
                if candidate.exists():
                    return candidate
        known = self.names(kind)
        nearest = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {nearest[0]!r}? " if nearest else ""
        there = ", ".join(known) or "nothing"
        searched = ", ".join(str(folder / kind) for folder in self.folders)
        raise InvalidInput(f"{kind}: there is no {name!r}", hint=f"{hint}there is {there} (searched {searched})")

    def names(self, kind: str) -> tuple[str, ...]:
        """Every name that `find` knows, sorted."""
        folders = [folder / kind for folder in self.folders if (folder / kind).is_dir()]
        return tuple(sorted({item.name for folder in folders for item in folder.iterdir() if not item.name.startswith(".")}))
