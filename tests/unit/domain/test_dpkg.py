"""dpkg's database as text."""

import pytest

from reprov.domain.dpkg import StatusEntry, owned_paths, parse_diversions, parse_status
from reprov.domain.entry import Entry, Kind
from reprov.errors import InvalidInput

STATUS = """\
Package: libc6
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Version: 2.36-9+deb12u10
Description: C library
 Version: of a description, not of the package
 .
 more

Package: half
Status: install ok half-configured
Architecture: all
Version: 1

Package: purged
Status: deinstall ok config-files
Architecture: all
Version: 1
"""


def entries(*paths: str, **links: str) -> dict[str, Entry]:
    """Directories (with a trailing slash), files and links."""
    found = {"": Entry("", Kind.DIR, 0o755, 0, 0, 0)}
    for path in paths:
        name = path.rstrip("/")
        found[name] = Entry(name, Kind.DIR if path.endswith("/") else Kind.FILE, 0o755, 0, 0, 0)
    return found | {path: Entry(path, Kind.LINK, 0o777, 0, 0, 0, target=target) for path, target in links.items()}


TREE = entries("usr/", "usr/bin/", "usr/bin/x", "usr/bin/sh", "usr/bin/sh.distrib", "usr/share/", "usr/share/empty/", bin="usr/bin")


def test_packages_with_files_are_read() -> None:
    assert parse_status(STATUS, "status") == (
        StatusEntry("libc6", "2.36-9+deb12u10", "amd64", "installed", True),
        StatusEntry("half", "1", "all", "half-configured", False),
    )


def test_a_paragraph_without_a_version_is_named_by_line() -> None:
    with pytest.raises(InvalidInput, match=r"^status:21: a package without Version$"):
        parse_status(STATUS + "\nPackage: x\nStatus: install ok installed\nArchitecture: all\n", "status")


def test_a_status_of_one_word_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^status:1: a package without "):
        parse_status("Package: x\nStatus: install\n", "status")


@pytest.mark.parametrize(
    ("same", "names"),
    [
        pytest.param(True, ("libc6:amd64", "libc6"), id="multi-arch packages carry the architecture"),
        pytest.param(False, ("libc6", "libc6:amd64"), id="others do not"),
    ],
)
def test_info_names(same: bool, names: tuple[str, str]) -> None:
    assert StatusEntry("libc6", "1", "amd64", "installed", same).info_names == names


@pytest.mark.parametrize(
    ("package", "listed", "diversions", "owned"),
    [
        pytest.param("x", ["/.", "/bin", "/bin/x"], {}, ("usr/bin/x",), id="a path through the merged /usr"),
        pytest.param("x", ["/usr", "/usr/bin", "/usr/bin/x"], {}, ("usr/bin/x",), id="directories that hold something are left out"),
        pytest.param("x", ["/usr/share/empty"], {}, ("usr/share/empty",), id="an empty directory is owned"),
        pytest.param("x", ["/usr/share/doc/x", "/no/such"], {}, (), id="what the tree lacks is left out"),
        pytest.param("bash", ["/bin/sh"], {"/bin/sh": ("/bin/sh.distrib", "dash")}, ("usr/bin/sh.distrib",), id="a diverted file moved"),
        pytest.param("dash", ["/bin/sh"], {"/bin/sh": ("/bin/sh.distrib", "dash")}, ("usr/bin/sh",), id="who diverted it has the name"),
    ],
)
def test_owned_paths(package: str, listed: list[str], diversions: dict[str, tuple[str, str]], owned: tuple[str, ...]) -> None:
    assert owned_paths(package, listed, diversions, TREE) == owned


def test_diversions() -> None:
    assert parse_diversions("/bin/sh\n/bin/sh.distrib\ndash\n", "d") == {"/bin/sh": ("/bin/sh.distrib", "dash")}


def test_a_cut_off_diversion_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^d:2: the last diversion is cut off$"):
        parse_diversions("/bin/sh\n/bin/sh.distrib\n", "d")
