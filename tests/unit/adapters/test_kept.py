"""The node's own files beside the next tree: linked into it, let go again, on an ordinary directory."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from reprov.adapters.kept import link_kept, reconcile, release_all, release_old_side
from reprov.adapters.volumes import Volumes, opened_volumes
from reprov.domain.journal import Journal, Linked
from reprov.domain.scan import CLOCK_TICK_NS, volume_holding
from reprov.errors import ReprovError
from reprov.workflows.owned import node_owns
from tests.builders import a_dir, a_tree, owning

OWNED = node_owns(owning(b"/etc/hostname\n/etc/keys/\n", b"- /etc/d/image\n/etc/d/\n"), target=a_tree(a_dir("etc"), a_dir("etc/d")))


class Root:
    """A node's root in a directory: files by path, live and staged."""

    def __init__(self, folder: Path, volumes: Volumes) -> None:
        self.live, self.staged, self.volumes = folder, folder / ".reprov/staged", volumes

    def write(self, tree: Path, **files: str) -> None:
        for name, content in files.items():
            file = tree / name.replace("__", "/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)

    def link(self, linked: tuple[str, ...], rebuilt: tuple[str, ...] = ()) -> tuple[Linked, ...]:
        return link_kept(self.volumes, lambda path: volume_holding(path, tuple(self.volumes.own_fds)), linked, rebuilt, OWNED)

    def exchange_etc(self) -> None:
        Path(self.live / "etc").rename(self.live / "aside")
        Path(self.staged / "etc").rename(self.live / "etc")
        Path(self.live / "aside").rename(self.staged / "etc")


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    """A live /etc with what is the node's, and a staged one without."""
    with opened_volumes(tmp_path, [""]) as volumes:
        root = Root(tmp_path, volumes)
        root.write(root.live, etc__hostname="me", etc__keys__a="1", etc__keys__deep__b="2", etc__conf="old")
        root.write(root.staged, etc__conf="new")
        yield root


def journal_of(linked: tuple[Linked, ...], rebuilt: tuple[str, ...] = ()) -> Journal:
    return Journal("t", ("",), (), linked, rebuilt, ())


def test_what_is_the_nodes_is_one_file_in_both_trees(root: Root) -> None:
    linked = root.link(("etc/hostname", "etc/gone"), ("etc/keys",))
    assert [item.path for item in linked] == ["etc/hostname", "etc/keys/a", "etc/keys/deep/b"]
    for item in linked:
        assert (root.live / item.path).samefile(root.staged / item.path)
        assert (root.live / item.path).stat().st_ino == item.identity.inode
    assert (root.staged / "etc/conf").read_text() == "new"


def test_directories_are_made_like_the_live_ones(root: Root) -> None:
    (root.live / "etc/keys").chmod(0o710)
    os.utime(root.live / "etc/keys", ns=(1, 1))
    root.link((), ("etc/keys",))
    status = (root.staged / "etc/keys").stat()
    assert (status.st_mode & 0o7777, status.st_mtime_ns) == (0o710, 1)


def test_what_is_the_images_in_a_directory_of_the_nodes_is_the_next_releases(root: Root) -> None:
    root.write(root.live, etc__d__mine="mine", etc__d__image="old")
    root.write(root.staged, etc__d__image="new")
    root.link((), ("etc/d",))
    assert (root.staged / "etc/d/mine").samefile(root.live / "etc/d/mine")
    assert (root.staged / "etc/d/image").read_text() == "new"


def test_a_name_that_leads_through_a_link_is_not_followed(root: Root, tmp_path: Path) -> None:
    (root.live / "elsewhere").mkdir()
    (root.live / "elsewhere/x").touch()
    (root.live / "etc/link").symlink_to("../elsewhere")
    assert root.link(("etc/link/x",)) == ()
    assert not (root.staged / "etc/link").exists()


def test_a_link_in_the_staged_tree_on_the_way_to_a_path_of_the_nodes_is_not_followed(root: Root) -> None:
    # A rollback to a tree in which lib is a link, while the live lib is a directory that holds something of the node's.
    root.write(root.live, lib__mine="mine", precious__mine="data")
    (root.staged / "lib").symlink_to(root.live / "precious")
    with suppress(OSError, ReprovError):
        root.link(("lib/mine",))
    assert (root.live / "precious/mine").read_text() == "data"


def test_after_the_exchange_the_old_tree_lets_go_of_what_is_the_nodes(root: Root) -> None:
    linked = root.link(("etc/hostname",), ("etc/keys",))
    root.exchange_etc()
    release_old_side(root.volumes, journal_of(linked, ("etc/keys",)))
    assert sorted(path.name for path in root.staged.rglob("*") if path.is_file()) == ["conf"]
    assert (root.live / "etc/hostname").stat().st_nlink == 1


def test_without_a_journal_the_lists_say_what_to_let_go_of(root: Root) -> None:
    root.link(("etc/hostname",), ("etc/keys",))
    release_all(root.volumes, OWNED)
    assert (root.live / "etc/hostname").stat().st_nlink == 1
    assert (root.live / "etc/keys/a").stat().st_nlink == 1
    assert (root.staged / "etc/conf").read_text() == "new"


CHANGES = {
    "nothing": (None, "me"),
    "it was replaced": ("replace", "other"),
    "it was written to": ("write", "other"),
    "it was removed": ("remove", None),
}


@pytest.mark.parametrize(("change", "content"), CHANGES.values(), ids=CHANGES)
def test_what_happened_to_the_nodes_files_until_the_exchange_is_brought_over(root: Root, change: str | None, content: str | None) -> None:
    linked = root.link(("etc/hostname",))
    hostname = root.live / "etc/hostname"
    if change == "replace":
        (root.live / "etc/new").write_text("other")
        (root.live / "etc/new").rename(hostname)
    elif change == "write":
        hostname.write_text("other")
    elif change == "remove":
        hostname.unlink()
    root.exchange_etc()
    reconcile(root.volumes, journal_of(linked), OWNED)
    assert (hostname.read_text() if hostname.exists() else None) == content
    assert (root.live / "etc/conf").read_text() == "new"


def test_a_new_file_of_the_nodes_is_brought_over_and_a_new_one_of_nobodys_is_not(root: Root) -> None:
    linked = root.link((), ("etc/keys",))
    root.write(root.live, etc__keys__c="3", etc__stray="x")
    root.exchange_etc()
    reconcile(root.volumes, journal_of(linked, ("etc/keys",)), OWNED)
    assert (root.live / "etc/keys/c").read_text() == "3"
    assert not (root.live / "etc/stray").exists()


def test_an_images_file_that_the_release_dropped_does_not_come_back_with_a_directory_of_the_nodes(root: Root) -> None:
    root.write(root.live, etc__d__mine="mine")
    linked = root.link((), ("etc/d",))
    root.write(root.live, etc__d__image="old")
    root.exchange_etc()
    reconcile(root.volumes, journal_of(linked, ("etc/d",)), OWNED)
    assert not (root.live / "etc/d/image").exists()


def test_what_changed_on_the_live_side_since_is_newer_and_stays(root: Root) -> None:
    linked = root.link(("etc/hostname",))
    root.write(root.live, etc__new="before")
    (root.live / "etc/new").rename(root.live / "etc/hostname")
    root.exchange_etc()
    root.write(root.live, etc__new="after")
    (root.live / "etc/new").rename(root.live / "etc/hostname")
    reconcile(root.volumes, journal_of(linked), OWNED)
    assert (root.live / "etc/hostname").read_text() == "after"


def test_what_was_replaced_before_the_exchange_and_written_in_place_after_it_stays_as_written(root: Root) -> None:
    """The live side has the file that was linked then, and whoever writes to it comes after whoever replaced it."""
    linked = root.link(("etc/hostname",))
    root.write(root.live, etc__new="before")
    (root.live / "etc/new").rename(root.live / "etc/hostname")
    root.exchange_etc()
    wait_for_a_tick()
    root.write(root.live, etc__hostname="after")
    reconcile(root.volumes, journal_of(linked), OWNED)
    assert (root.live / "etc/hostname").read_text() == "after"


@pytest.mark.parametrize("in_place", [True, False], ids=["in place", "by replacing it"])
def test_what_was_written_after_the_exchange_lives_through_an_undo_of_it(root: Root, in_place: bool) -> None:
    linked = root.link(("etc/hostname",))
    root.write(root.live, etc__new="before")
    (root.live / "etc/new").rename(root.live / "etc/hostname")
    root.exchange_etc()
    wait_for_a_tick()
    if in_place:
        root.write(root.live, etc__hostname="after")
    else:
        reconcile(root.volumes, journal_of(linked), OWNED)
        root.write(root.live, etc__new="after")
        (root.live / "etc/new").rename(root.live / "etc/hostname")
    root.exchange_etc()
    reconcile(root.volumes, journal_of(linked), OWNED, undoes_ns=0)
    assert (root.live / "etc/hostname").read_text() == "after"


def wait_for_a_tick() -> None:
    """Files are stamped with a clock that stands still in between."""
    time.sleep(2 * CLOCK_TICK_NS / 1e9)
