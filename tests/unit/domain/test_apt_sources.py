"""Finding the mirror that the build machine's own apt uses."""

import pytest

from reprov.domain.apt_sources import AptSource, SourceLine, mirror_for, parse_deb822, parse_one_line

MAIN = AptSource("http://m.example/debian", "bookworm")
SECURITY = AptSource("http://s.example/debian-security", "bookworm-security")
UBUNTU = AptSource("http://u.example/ubuntu", "jammy")

ONE_LINE = {
    "a plain line": ("deb http://m.example/debian bookworm main contrib\n", [MAIN]),
    "with options": ("deb [arch=amd64 signed-by=/k.gpg] http://m.example/debian bookworm main\n", [MAIN]),
    "with a comment behind it": ("deb http://m.example/debian bookworm main # here\n", [MAIN]),
    "commented out": ("# deb http://m.example/debian bookworm main\n", []),
    "source packages": ("deb-src http://m.example/debian bookworm main\n", []),
    "a flat repository": ("deb http://m.example/x ./\n", [AptSource("http://m.example/x", "./")]),
    "nonsense": ("deb\nhello world\n", []),
}


@pytest.mark.parametrize(("text", "found"), ONE_LINE.values(), ids=ONE_LINE.keys())
def test_one_line_sources(text: str, found: list[AptSource]) -> None:
    assert parse_one_line(text) == found


DEB822 = {
    "two stanzas with a comment": (
        "Types: deb\n# old place\nURIs: http://m.example/debian\nSuites: bookworm\nComponents: main\n\n"
        "Types: deb deb-src\nURIs: http://s.example/debian-security\nSuites: bookworm-security\n",
        [MAIN, SECURITY],
    ),
    "several suites and a continued line": (
        "types: deb\nuris: http://m.example/debian\nsuites: bookworm\n bookworm-updates\n",
        [MAIN, AptSource("http://m.example/debian", "bookworm-updates")],
    ),
    "a key inline": ("Types: deb\nURIs: http://m.example/debian\nSuites: bookworm\nSigned-By:\n -----BEGIN\n .\n Types: x\n", [MAIN]),
    "disabled": ("Enabled: no\nTypes: deb\nURIs: http://m.example/debian\nSuites: bookworm\n", []),
    "source packages": ("Types: deb-src\nURIs: http://m.example/debian\nSuites: bookworm\n", []),
}


@pytest.mark.parametrize(("text", "found"), DEB822.values(), ids=DEB822.keys())
def test_deb822_sources(text: str, found: list[AptSource]) -> None:
    assert parse_deb822(text) == found


MIRRORS = {
    "the suite itself": ("bookworm", [UBUNTU, SECURITY, MAIN], MAIN.mirror),
    "a security suite": ("bookworm-security", [MAIN, SECURITY], SECURITY.mirror),
    "another suite of the distribution": ("trixie", [UBUNTU, SECURITY, MAIN], MAIN.mirror),
    "the updates of another suite": ("trixie-updates", [SECURITY, MAIN], MAIN.mirror),
    "another security suite": ("trixie-security", [MAIN, SECURITY], SECURITY.mirror),
    "no security suite anywhere": ("trixie-security", [MAIN], None),
    "another distribution only": ("bookworm", [UBUNTU], None),
    "nothing": ("bookworm", [], None),
}


@pytest.mark.parametrize(("suite", "sources", "mirror"), MIRRORS.values(), ids=MIRRORS.keys())
def test_mirror_for_a_suite(suite: str, sources: list[AptSource], mirror: str | None) -> None:
    assert mirror_for(suite, "debian", sources) == mirror


def test_a_source_line_names_its_key() -> None:
    assert SourceLine("http://m", "s", ("main", "x"), "/k").render() == "deb [signed-by=/k] http://m s main x"
    assert SourceLine("http://m", "s", ("main",)).render() == "deb http://m s main"
