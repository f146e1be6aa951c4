"""What changes from one release to another."""

import pytest

from reprov.domain.entry import Entry, Kind
from reprov.domain.hop import Hop, between, content_bytes, unit_of
from reprov.domain.manifest import Manifest
from reprov.domain.packages import Package, PackageSet

ROOT = Entry("", Kind.DIR, 0o755, 0, 0, 0)
FILE = Entry("f", Kind.FILE, 0o644, 0, 0, 5, size=10, digest="1" * 64)
DIRECTORY = Entry("f", Kind.DIR, 0o755, 0, 0, 5)
LINK = Entry("f", Kind.LINK, 0o777, 0, 0, 5, target="a")
NODE = Entry("f", Kind.CHAR, 0o600, 0, 0, 5, device=(1, 3))
NO_PACKAGES = PackageSet.of("debian", [])


def hop(old: list[Entry], new: list[Entry]) -> Hop:
    return between(Manifest.of([ROOT, *old]), Manifest.of([ROOT, *new]), NO_PACKAGES, NO_PACKAGES)


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        pytest.param([FILE], [FILE], {}, id="nothing"),
        pytest.param([], [FILE], {"f": "created"}, id="a new file"),
        pytest.param([FILE], [], {"f": "deleted"}, id="a file goes"),
        pytest.param([FILE], [FILE._replace(digest="2" * 64)], {"f": "replaced"}, id="other content"),
        pytest.param([FILE], [DIRECTORY], {"f": "replaced"}, id="another kind"),
        pytest.param([LINK], [LINK._replace(target="b")], {"f": "replaced"}, id="another target"),
        pytest.param([NODE], [NODE._replace(device=(1, 5))], {"f": "replaced"}, id="another device"),
        pytest.param([FILE], [FILE._replace(mode=0o4755)], {"f": "metadata"}, id="another mode"),
        pytest.param([FILE], [FILE._replace(uid=1)], {"f": "metadata"}, id="another owner"),
        pytest.param([FILE], [FILE._replace(mtime_ns=6)], {"f": "metadata"}, id="another time"),
        pytest.param([FILE], [FILE._replace(xattrs=(("user.x", b""),))], {"f": "metadata"}, id="another attribute"),
        pytest.param([DIRECTORY], [DIRECTORY._replace(mtime_ns=6)], {}, id="the time of a directory says nothing"),
        pytest.param([FILE._replace(link_group=1)], [FILE._replace(link_group=2)], {}, id="the number of a link group says nothing"),
    ],
)
def test_paths(old: list[Entry], new: list[Entry], changes: dict[str, str]) -> None:
    assert hop(old, new).paths == changes


def test_content_that_is_anywhere_in_the_old_release_is_not_fetched() -> None:
    moved = FILE._replace(path="elsewhere")
    fresh = FILE._replace(path="fresh", digest="3" * 64, size=7)
    copy = fresh._replace(path="copy")
    assert hop([FILE], [moved, fresh, copy]).fetch_bytes == 7


def test_names_of_one_inode_count_once() -> None:
    linked = [FILE._replace(path=name, link_group=1) for name in ("a", "b")]
    assert content_bytes(Manifest.of([ROOT, *linked, FILE])) == 20


def test_changed_list_escapes_as_the_manifest_does() -> None:
    assert hop([], [FILE._replace(path="new\nline \udcff")]).changed_list() == "created new\\012line\\040\\377\n"


def test_a_changed_root_has_a_name() -> None:
    other = between(Manifest.of([ROOT]), Manifest.of([ROOT._replace(mode=0o700)]), NO_PACKAGES, NO_PACKAGES)
    assert other.changed_list() == "metadata .\n"


def test_packages_are_ordered_by_their_family() -> None:
    old, new = (PackageSet.of("debian", [Package("a", version, "all")]) for version in ("1.9", "1.10"))
    manifest = Manifest.of([ROOT])
    assert between(manifest, manifest, old, new).packages_diff() == "upgraded a all 1.9 1.10\n"


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        pytest.param("usr/lib/systemd/system/a.service", "a.service", id="a unit"),
        pytest.param("etc/systemd/system/a.service.d/x.conf", "a.service", id="a drop-in"),
        pytest.param("lib/systemd/system/a.timer", "a.timer", id="a timer before the merged /usr"),
        pytest.param("etc/init.d/a", "a.service", id="an init script"),
        pytest.param("etc/systemd/system/multi-user.target.wants/a.service", None, id="an enabled unit changes no unit"),
        pytest.param("usr/lib/systemd/systemd", None, id="systemd itself"),
    ],
)
def test_units(path: str, unit: str | None) -> None:
    assert unit_of(path) == unit


def test_a_unit_whose_time_changed_is_not_touched() -> None:
    unit = FILE._replace(path="etc/init.d/x")
    assert hop([unit], [unit._replace(mtime_ns=9)]).services == ()
    assert hop([unit], [unit._replace(digest="9" * 64)]).services == ("x.service",)
