"""Reading where this machine's apt gets its packages."""

from pathlib import Path

from reprov.domain.apt_sources import AptSource, parse_deb822, parse_one_line


def read_sources(root: Path) -> list[AptSource]:
    """The package sources of the machine whose root this is, in the order that apt reads them."""
    folder = root / "etc/apt"
    parts = sorted((folder / "sources.list.d").glob("*"))
    found: list[AptSource] = []
    for path in (folder / "sources.list", *parts):
        if path.suffix in (".list", ".sources") and path.is_file():
            parse = parse_deb822 if path.suffix == ".sources" else parse_one_line
            found += parse(path.read_text(errors="replace"))
    return found
