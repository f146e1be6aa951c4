"""Modes on the way back: two releases, the tree of before, and what an operator did in the meantime."""

import pytest

from reprov.domain.entry import Entry
from reprov.domain.metadata_return import wear_of_now
from tests.builders import a_dir, a_file, a_link

ACL = (("system.posix_acl_access", b"\2\0\0\0"),)


def conf(mode: int, content: str = "same") -> Entry:
    return a_file("etc/conf", content, mode)


@pytest.mark.parametrize(
    "live, installed, before, previous, becomes",
    [
        pytest.param(0o644, 0o644, 0o644, 0o644, None, id="nobody touched it"),
        pytest.param(0o600, 0o644, 0o644, 0o644, 0o600, id="the node closed it since"),
        pytest.param(0o640, 0o640, 0o644, 0o644, None, id="the release changed it and the node did not: it goes with its tree"),
        pytest.param(0o600, 0o640, 0o644, 0o644, 0o600, id="the release changed it, and then the node"),
        pytest.param(0o600, 0o644, 0o644, 0o600, None, id="the node closed it before the upgrade"),
        pytest.param(0o644, 0o644, 0o644, 0o600, 0o644, id="the node gave it back what the release has since"),
        pytest.param(0o600, 0o600, 0o600, 0o644, 0o600, id="the node closed it since, as both releases have it"),
        pytest.param(0o640, 0o644, 0o600, 0o640, None, id="both changed it before: the node's was kept, and is there"),
        pytest.param(0o644, 0o644, 0o600, 0o640, 0o644, id="both changed it before, and the node took the release's since"),
        pytest.param(0o600, 0o644, None, 0o600, None, id="a tree of no release had it like this"),
        pytest.param(0o400, 0o644, None, 0o600, 0o400, id="a tree of no release had it otherwise"),
    ],
)
def test_a_mode_is_that_of_now_where_the_node_has_changed_it(
    live: int, installed: int, before: int | None, previous: int, becomes: int | None
) -> None:
    worn = wear_of_now(conf(live), conf(installed), None if before is None else conf(before), conf(previous))
    assert worn == (None if becomes is None else conf(becomes))


def test_content_and_time_stay_the_trees_own() -> None:
    previous = conf(0o644, "older")._replace(mtime_ns=1)
    live = conf(0o600, "newer")._replace(uid=7, gid=8, xattrs=ACL)
    worn = wear_of_now(live, conf(0o644, "newer"), conf(0o644, "older"), previous)
    assert worn == previous._replace(mode=0o600, uid=7, gid=8, xattrs=ACL)


def test_directories_and_links_have_owners_too() -> None:
    directory, link = a_dir("etc/d"), a_link("etc/l")
    assert wear_of_now(directory._replace(uid=7), directory, directory, directory) == directory._replace(uid=7)
    assert wear_of_now(link._replace(uid=7), link, link, link) == link._replace(uid=7)


def test_what_is_of_another_kind_there_stays() -> None:
    assert wear_of_now(a_link("etc/conf")._replace(uid=7), a_link("etc/conf"), conf(0o644), conf(0o644)) is None
