"""What is in a store, what can be seen of it, and what goes."""

import gzip
from pathlib import Path

import pytest

from reprov.adapters.store import Store, read_manifest
from reprov.domain.release import Release, ReleaseId
from reprov.errors import InvalidInput, Refused

BASE = ReleaseId("base", "1.0")


def lay(store: Store, release: ReleaseId, serial: int = 1) -> None:
    """The least of a release, under its temporary names."""
    for folder in ("trees", "releases"):
        (store.root / folder / f".tmp-{release.role}-{release.version}").mkdir()
    text = Release(release, serial, "2026-01-01T00:00:00Z", "debian", "x86_64", (), {}).to_json()
    (store.root / f"releases/.tmp-{release.role}-{release.version}/release.json").write_text(text)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with four releases; 1.10 is newer than 1.9."""
    store = Store.created(tmp_path / "store")
    for serial, version in enumerate(("1.10", "1.9", "1.0"), start=1):
        lay(store, ReleaseId("base", version), serial)
        store.seal(ReleaseId("base", version))
    lay(store, ReleaseId("other", "1"))
    store.seal(ReleaseId("other", "1"))
    return store


def test_versions_are_listed_in_their_order(store: Store) -> None:
    assert [*map(str, store.ids())] == ["base 1.0", "base 1.9", "base 1.10", "other 1"]
    assert [release.serial for release in store.releases("base")] == [1, 2, 3]


def test_only_the_owner_enters_trees_and_pool(store: Store) -> None:
    assert [(store.root / name).stat().st_mode & 0o777 for name in ("trees", "pool", "releases")] == [0o700, 0o700, 0o755]


@pytest.mark.parametrize(
    ("role", "version", "hint"),
    [
        pytest.param("base", "9", "base has 1.0, 1.9, 1.10", id="an unknown version"),
        pytest.param("bsae", "1.0", "the roles are base, other", id="an unknown role"),
    ],
)
def test_an_unknown_release_is_answered_with_what_there_is(store: Store, role: str, version: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        store.release(ReleaseId(role, version))
    assert (raised.value.message, raised.value.hint) == (f"{role} {version} is not in {store.root}", hint)


def test_a_directory_without_releases_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is not a store"):
        Store.opened(tmp_path)


def test_nothing_is_seen_before_it_is_sealed(store: Store) -> None:
    lay(store, ReleaseId("base", "2.0"))
    assert not store.has(ReleaseId("base", "2.0"))
    assert ReleaseId("base", "2.0") not in store.ids()


def test_leftovers_are_temporary_names_and_trees_without_release(store: Store) -> None:
    lay(store, ReleaseId("base", "2.0"))
    (store.root / "trees/base/3.0").mkdir()
    assert [str(path.relative_to(store.root)) for path in store.leftovers()] == [
        "releases/.tmp-base-2.0",
        "trees/.tmp-base-2.0",
        "trees/base/3.0",
    ]
    for path in store.leftovers():
        store.discard(path)
    assert store.leftovers() == ()
    assert len(store.ids()) == 4


def test_an_orphaned_tree_does_not_hinder_the_release_of_that_name(store: Store) -> None:
    (store.root / "trees/base/2.0/old").mkdir(parents=True)
    lay(store, ReleaseId("base", "2.0"))
    store.seal(ReleaseId("base", "2.0"))
    assert store.has(ReleaseId("base", "2.0"))
    assert not (store.root / "trees/base/2.0/old").exists()


def test_an_unsealed_release_is_gone(store: Store) -> None:
    store.unseal(BASE)
    assert not store.has(BASE)
    assert not store.tree(BASE).exists()
    assert store.leftovers() == ()


@pytest.mark.parametrize("name", ["trees/base/1.0", "trees", "", "releases/base", "trees/base/.tmp-x", ".tmp-x"])
def test_only_temporary_names_are_removed(store: Store, name: str) -> None:
    with pytest.raises(Refused):
        store.remove(store.root / name)
    assert store.tree(BASE).is_dir()


def test_the_tree_and_the_build_of_what_is_and_is_not_published_stay(store: Store) -> None:
    with pytest.raises(Refused, match=r"^base 1\.0 is published, its tree stays$"):
        store.discard(store.tree(BASE))
    with pytest.raises(Refused, match=r"^base 7 is not published, its build stays$"):
        store.discard_build(ReleaseId("base", "7"))


def test_a_symbolic_link_with_a_temporary_name_is_removed_and_not_followed(store: Store, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (store.root / "trees/.tmp-link").symlink_to(tmp_path / "precious")
    store.remove(store.root / "trees/.tmp-link")
    assert (tmp_path / "precious").is_dir()
    assert not (store.root / "trees/.tmp-link").is_symlink()


def test_a_release_under_another_name_is_refused(store: Store) -> None:
    store.folder(BASE).rename(store.folder(BASE).parent / "5.0")
    with pytest.raises(InvalidInput, match=r"5\.0/release\.json: it says that it is base 1\.0$"):
        store.release(ReleaseId("base", "5.0"))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(gzip.compress(b"#mtree v2.0\n. type=dir mode=0755 uid=0 gid=0 time=0.0\n")[:-9], id="cut off"),
        pytest.param(b"#mtree v2.0\n", id="not compressed"),
        pytest.param(gzip.compress(b"\xff"), id="not text"),
        pytest.param(gzip.compress(b"no manifest\n"), id="something else"),
    ],
)
def test_a_damaged_manifest_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.mtree.gz").write_bytes(content)
    with pytest.raises(InvalidInput, match=f"^{tmp_path}/manifest.mtree.gz:"):
        read_manifest(tmp_path / "manifest.mtree.gz")
