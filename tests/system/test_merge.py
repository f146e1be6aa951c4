"""Two real Debian releases, and nodes that have a life of their own: what the node changed stays, what the release changed comes."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reprov.domain.beside import place_beside
from tests.system.hazard_lab import NEW, OLD, Disk, Lab, look
from tests.system.merge_lab import (
    ACCOUNTS,
    BESIDE,
    CONFLICTS,
    MERGED,
    REMOVED,
    STAYING,
    WANTS,
    in_chroot,
)
from tests.system.node import Node
from tests.system.snapshot import Seen, Snapshot, difference, snapshot, without

pytestmark = [
    pytest.mark.system,
    pytest.mark.commands,
    pytest.mark.needs("mkfs.ext4", "mkfs.xfs", "mount", "rsync", "mmdebstrap"),
]

WAYS = 3
"""How often a node goes to the other release and back."""
IMAGE = {"etc/ld.so.cache"}
"""What lies in /etc and is the release's alone."""
MODE_COMES = "etc/mode-edited.conf"


@pytest.fixture
def disk(realistic: Lab) -> Iterator[Disk]:
    """A realistic node with the older release."""
    with realistic.node() as opened:
        yield opened


def planned(node: Node, version: str = NEW) -> dict[str, Any]:
    """The plan of an upgrade, which must be possible."""
    ran = node.run("plan", "base", version, "--from", node.store.folder, "--json")
    assert ran.status in (0, 3), ran.stderr
    fields: dict[str, Any] = json.loads(ran.stdout)
    return fields


def drift_of(node: Node) -> list[tuple[str, str]]:
    """What `verify` finds, reading every file."""
    ran = node.run("verify", "--deep", "--json")
    assert ran.status in (0, 3), ran.stderr
    return [(item["path"], item["drift"]) for item in json.loads(ran.stdout)["drift"]]


def laid_beside(node: Node) -> dict[str, str]:
    """Everything that was laid beside what stays the node's."""
    found = sorted(node.root.glob("**/*.reprov-new"))
    return {str(path.relative_to(node.root)): content_at(path) for path in found if ".reprov" not in path.parts}


def content_at(path: Path) -> str:
    """The text of a file, or where a link leads."""
    return f"-> {path.readlink()}" if path.is_symlink() else path.read_text()


def untimed(found: Snapshot) -> Snapshot:
    """Without times, because what has the same content in both releases keeps the node's, and without the inodes that a store shares."""
    return {path: seen._replace(mtime_ns=0, same_as="") for path, seen in found.items()}


def apart_from(node: Node, version: str, *left_out: str) -> list[str]:
    """What is not as in a release, in the image and in what is merged."""
    tree = untimed(snapshot(node.store.tree(version)))
    ignored = ("lost+found", "var/log", "var/cache", "var/lib/apt", *left_out)
    return difference(without(tree, *ignored), without(untimed(node.snapshot()), *ignored))


def part(found: Snapshot, paths: tuple[str, ...]) -> Snapshot:
    """These paths, and what is below them."""
    return {path: seen for path, seen in found.items() if any(path == top or path.startswith(top + "/") for top in paths)}


@pytest.mark.parametrize("filesystem", ["ext4", "xfs"])
def test_an_untouched_node_goes_between_two_releases_without_a_conflict(realistic: Lab, filesystem: str) -> None:
    with realistic.mounted(realistic.blank(filesystem)) as disk:
        node = disk.node
        node.install(OLD)
        assert apart_from(node, OLD) == []
        old = look(disk)
        new: Snapshot = {}
        for _ in range(WAYS):
            plan = planned(node)
            assert plan["conflicts"] == []
            assert json.loads(node.install(NEW, "--json").stdout)["conflicts"] == []
            assert apart_from(node, NEW, "etc/passwd", "etc/group", "etc/shadow", "etc/gshadow") == []
            assert laid_beside(node) == {}
            assert drift_of(node) == []
            assert difference(new or look(disk), look(disk)) == []
            new = look(disk)
            node.rollback()
            assert difference(old, look(disk)) == []
            assert drift_of(node) == []
            assert laid_beside(node) == {}


@pytest.mark.parametrize("resolver", ["a link to the one who writes it", "a file"])
def test_a_realistic_node_keeps_everything_of_its_own_on_three_ways_there_and_back(disk: Disk, resolver: str) -> None:
    node = disk.node
    if resolver == "a file":
        node.path("etc/resolv.conf").unlink()
        node.write("etc/resolv.conf", "nameserver 192.0.2.53\n")
    assert drift_of(node) == []
    old = look(disk)
    new: Snapshot = {}
    for _ in range(WAYS):
        done = json.loads(node.install(NEW, "--json").stdout)
        assert done["conflicts"] == [f"/{path}" for path in sorted(CONFLICTS)]
        now = look(disk)
        own = (*STAYING, "home", "root", "var/spool")
        assert difference(part(old, own), part(now, own)) == []
        assert [path for path in REMOVED if path in now] == []
        assert {path: content_at(node.path(path)) for path in MERGED} == MERGED
        assert laid_beside(node) == BESIDE
        assert (content_at(node.path(MODE_COMES)), now[MODE_COMES].mode) == ("the node's\n", 0o600)
        decided = (*STAYING, *REMOVED, *CONFLICTS, *BESIDE, *MERGED, *ACCOUNTS, MODE_COMES, "home", "root", "var/spool", "var/mail")
        assert apart_from(node, NEW, *decided) == []
        assert difference(new or now, now) == []
        assert drift_of(node) == []
        new = now
        node.rollback()
        assert difference(old, look(disk)) == []
        assert drift_of(node) == []


def test_a_plan_names_the_conflicts_and_changes_nothing(disk: Disk) -> None:
    node, before = disk.node, look(disk)
    plan = planned(node)
    assert {item["path"]: item["new"] for item in plan["conflicts"]} == {
        f"/{path}": None if content is None else f"/{place_beside(path)}" for path, content in CONFLICTS.items()
    }
    reasons = {item["path"]: item["reason"] for item in plan["conflicts"]}
    assert reasons["/etc/motd"] == "changed on both sides"
    assert reasons["/etc/default/service"] == "changed on both sides, and not by separate lines"
    assert reasons["/etc/brought.conf"] == "the node had it before the release brought it"
    assert reasons["/etc/removed-changed.conf"] == "removed on the node, changed in the release"
    assert reasons["/etc/mode-clash.conf"] == "mode, owner or attributes changed on both sides; the node's stay"
    assert plan["blockers"] == []
    said = node.run("plan", NEW, "--from", node.store.folder).stdout
    assert "  /etc/logrotate.d/app: changed on both sides\n    the release's: /etc/logrotate.d%app.reprov-new\n" in said
    assert "Conflicts: 8 paths that both sides changed; the node's stay\n" in said
    assert "  /etc/motd: changed on both sides\n    the release's: /etc/motd.reprov-new\n" in said
    assert difference(before, look(disk)) == []
    assert node.leftovers() == []


def test_a_plan_says_what_becomes_of_accounts(disk: Disk) -> None:
    in_chroot(disk.node, "usermod", "-s", "/bin/bash", "svc")
    assert planned(disk.node)["accounts"] == [
        {"path": "/etc/passwd", "text": "the shell of svc stays the node's (/bin/bash); the release has /usr/sbin/nologin"}
    ]


def test_the_history_and_the_conflicts_of_a_node_name_what_the_plan_named(disk: Disk) -> None:
    node = disk.node
    conflicts = sorted(f"/{path}" for path in CONFLICTS)
    ran = node.install(NEW)
    said = "8 paths that both sides changed: the node's stay; `reprov conflicts` lists 7 of them, `reprov history --json` all\n"
    assert said in ran.stdout
    last = json.loads(node.run("history", "--json").stdout)[-1]
    assert (last["state"], last["conflicts"]) == ("committed", conflicts)
    listed = node.run("conflicts", "--json")
    assert listed.status == 3
    beside = [f"/{path}" for path, content in sorted(CONFLICTS.items()) if content is not None]
    assert sorted(item["path"] for item in json.loads(listed.stdout)["conflicts"]) == beside


def test_what_was_laid_beside_is_no_more_open_than_the_nodes(disk: Disk) -> None:
    node = disk.node
    node.path("etc/motd").chmod(0o600)
    node.install(NEW)
    found = look(disk)
    assert found["etc/motd.reprov-new"].mode == 0o600
    assert found["etc/default/service.reprov-new"].mode == 0o644


def test_a_conflict_that_was_settled_is_none_any_more(disk: Disk) -> None:
    node = disk.node
    node.install(NEW)
    for path, content in CONFLICTS.items():
        if content is not None:
            node.path(place_beside(path)).unlink()
    node.write("etc/motd", CONFLICTS["etc/motd"] or "")
    assert planned(node)["conflicts"] == []
    assert drift_of(node) == []
    assert laid_beside(node) == {}


def test_a_node_that_reprov_did_not_install_is_taken_over_with_what_is_its_own(disk: Disk) -> None:
    node, tree = disk.node, disk.node.store.tree(NEW)
    shutil.rmtree(node.path(".reprov"))
    before = look(disk)
    plan = planned(node)
    assert plan["installed"] is None
    conflicts = {item["path"].lstrip("/"): item["new"] for item in plan["conflicts"]}
    # Nobody knows who changed what: whatever both have and differs is a conflict, and stays as it is.
    release = snapshot(tree)
    differs = {
        path
        for path, seen in before.items()
        if path.startswith("etc/") and path in release and _matter(seen) != _matter(release[path]) and path not in ACCOUNTS
    }
    kept = {item["path"].lstrip("/") for item in plan["kept"] if (item["rule"] or "").startswith("- ")}
    assert set(conflicts) == {path for path in differs if not any(path == top or path.startswith(top + "/") for top in kept)} - IMAGE
    assert {"etc/app.conf", "etc/ssh/sshd_config", "etc/login.defs", "etc/motd"} <= set(conflicts)
    node.install(NEW)
    now = look(disk)
    own = (*STAYING, *sorted(conflicts), "home", "root", "var/spool", "etc/dropped.conf", "etc/dropped.d")
    assert difference(part(before, own), part(now, own)) == []
    assert laid_beside(node) == {new.lstrip("/"): content_at(tree / path) for path, new in conflicts.items() if new}
    # What it lacks, it gets: nobody knows that it was ever there.
    assert [path for path in REMOVED if path not in now] == []
    assert drift_of(node) == []
    for _ in range(WAYS):
        node.rollback()
        assert difference(before, look(disk)) == []
        node.rollback()
        assert difference(now, look(disk)) == []
        assert drift_of(node) == []


def _matter(seen: Seen) -> tuple[object, ...]:
    """What both sides must agree on."""
    return (seen.kind, seen.content, seen.xattrs, seen.owner, 0 if seen.kind == "symlink" else seen.mode)


@pytest.mark.parametrize("edited", [False, True], ids=["untouched since", "edited since"])
def test_a_line_merge_goes_with_its_tree_unless_somebody_has_edited_it(disk: Disk, edited: bool) -> None:
    node = disk.node
    before = {path: content_at(node.path(path)) for path in MERGED}
    for _ in range(WAYS):
        node.install(NEW)
        if not edited:
            assert {path: content_at(node.path(path)) for path in MERGED} == MERGED
        else:
            for path in MERGED:
                node.write(path, content_at(node.path(path)) + "# edited after the upgrade\n")
        now = {path: content_at(node.path(path)) for path in MERGED}
        node.rollback()
        assert {path: content_at(node.path(path)) for path in MERGED} == (now if edited else before)
        assert drift_of(node) == []


def test_what_becomes_the_releases_after_an_upgrade_is_still_there_on_the_way_back(disk: Disk) -> None:
    """A file of the node's is in one tree only: it must come along when it looks as if nobody had touched it."""
    node = disk.node
    node.install(NEW)
    node.write("etc/motd", CONFLICTS["etc/motd"] or "")
    node.write("etc/edited.conf", "the same in both releases\n", mode=0o644)
    node.write("etc/removed.conf", "the same in both releases\n")
    node.path(f"{WANTS}/agent.service").symlink_to("/lib/systemd/system/agent.service")
    for path in ("etc/turns-link-edited", "etc/alternatives/tool"):
        node.path(path).unlink()
    node.path("etc/turns-link-edited").symlink_to("app.conf")
    node.path("etc/alternatives/tool").symlink_to("/usr/bin/more")
    edited = ("etc/motd", "etc/edited.conf", "etc/turns-link-edited", "etc/alternatives/tool", "etc/same-edit.conf")
    paths = (*edited, "etc/removed.conf", f"{WANTS}/agent.service")
    wanted = {path: content_at(node.path(path)) for path in paths}
    for _ in range(WAYS):
        node.rollback()
        assert {path: content_at(node.path(path)) for path in paths} == wanted
        assert drift_of(node) == []


def test_what_the_node_does_after_an_upgrade_comes_along_on_the_way_back(disk: Disk) -> None:
    node, before = disk.node, look(disk)
    node.install(NEW)
    node.write("etc/app.conf", "edited after the upgrade\n", mode=0o600)
    node.write("etc/brought.d/sub/conf", "edited after the upgrade\n")
    node.write("etc/motd", "edited again\n")
    node.write("etc/late.d/conf", "made after the upgrade\n")
    node.write("etc/cron.d/late", "made after the upgrade\n")
    node.path("etc/cron.d/backup").unlink()
    node.path("etc/sudoers.d/ops").unlink()
    node.path("etc/app.d/10-base.conf").unlink()
    node.path("etc/cron.daily/apt-compat").unlink()
    node.path(f"{WANTS}/e2scrub_reap.service").unlink()
    node.path("etc/motd.reprov-new").unlink()
    node.write("etc/default/service.reprov-new", "notes of the operator\n")
    changed = ("etc/app.conf", "etc/brought.d/sub/conf", "etc/motd", "etc/late.d", "etc/cron.d/late", "etc/default/service.reprov-new")
    gone = (
        "etc/cron.d/backup",
        "etc/sudoers.d/ops",
        "etc/app.d/10-base.conf",
        "etc/cron.daily/apt-compat",
        f"{WANTS}/e2scrub_reap.service",
        "etc/motd.reprov-new",
    )
    wanted = part(look(disk), changed)
    for _ in range(WAYS):
        node.rollback()
        now = look(disk)
        assert difference(wanted, part(now, changed)) == []
        assert [path for path in gone if path in now] == []
        directories = ("etc", "etc/cron.d", "etc/sudoers.d", "etc/default", "etc/brought.d", "etc/brought.d/sub")
        apart = (*changed, *gone, *directories)
        assert difference(_without_names(before, apart), _without_names(now, apart)) == []
        assert drift_of(node) == []
        node.rollback()
        assert difference(wanted, part(look(disk), changed)) == []
        assert [path for path in gone if os.path.lexists(node.path(path))] == []
        assert drift_of(node) == []


def _without_names(found: Snapshot, paths: tuple[str, ...]) -> Snapshot:
    """Without these, and what is below those that are no directories of a release."""
    return {path: seen for path, seen in found.items() if path not in paths and not path.startswith("etc/late.d")}
