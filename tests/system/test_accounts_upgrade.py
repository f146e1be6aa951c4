"""Accounts of a node on the way to another release and back: who may log in is the node's alone to say, at any instant."""

import os
import random
import signal
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from reprov.adapters import kernel
from reprov.adapters.files import opened_directory
from tests.system.hazard_lab import (
    NEW,
    Disk,
    Instants,
    Lab,
    around_exchanges,
    assert_old_or_new,
    die,
    in_child,
    look,
    once,
    open_lab,
)
from tests.system.merge_lab import in_chroot
from tests.system.node import Hooks, Node, Store
from tests.system.snapshot import Snapshot, difference
from tests.system.test_hazards_kills import duration_of, killed_at, timed
from tests.system.trees import Tree, make_library

pytestmark = [
    pytest.mark.system,
    pytest.mark.commands,
    pytest.mark.needs("mkfs.ext4", "mkfs.xfs", "mount", "rsync"),
]

SEED = 20261121
WAYS = 3
PASSWD, GROUP, SHADOW, GSHADOW = "etc/passwd", "etc/group", "etc/shadow", "etc/gshadow"


@pytest.fixture
def disk(realistic: Lab) -> Iterator[Disk]:
    """A realistic node with the older release."""
    with realistic.node() as opened:
        yield opened


def fields(node: Node, path: str, name: str) -> list[str] | None:
    """The fields of an entry; None where there is no such entry."""
    found = [line.split(":") for line in node.path(path).read_text().splitlines() if line.startswith(f"{name}:")]
    assert len(found) <= 1, f"{path} has {name} {len(found)} times"
    return found[0] if found else None


def members(node: Node, group: str) -> list[str]:
    found = fields(node, GROUP, group)
    assert found, group
    return [name for name in found[3].split(",") if name]


def assert_consistent(node: Node) -> None:
    """One set of accounts: what pwck and grpck would ask, without their taste."""
    for path in (PASSWD, GROUP):
        numbers = [line.split(":")[2] for line in node.path(path).read_text().splitlines()]
        assert sorted(numbers) == sorted(set(numbers)), path
    gids = {line.split(":")[2] for line in node.path(GROUP).read_text().splitlines()}
    for line in node.path(PASSWD).read_text().splitlines():
        assert line.split(":")[3] in gids, line
    for open_file, secret in ((PASSWD, SHADOW), (GROUP, GSHADOW)):
        names = [[line.partition(":")[0] for line in node.path(path).read_text().splitlines()] for path in (open_file, secret)]
        assert set(names[0]) == set(names[1])


@pytest.mark.needs("mmdebstrap")
def test_accounts_are_of_both_after_an_upgrade_and_the_nodes_after_a_rollback(disk: Disk) -> None:
    node = disk.node
    before = {path: node.path(path).read_text() for path in (PASSWD, GROUP, SHADOW, GSHADOW)}
    secrets = {name: fields(node, SHADOW, name) for name in ("root", "ops", "ann", "leaver", "exporter")}
    people = {name: fields(node, PASSWD, name) for name in secrets}
    seen = look(disk)
    for _ in range(WAYS):
        node.install(NEW)
        assert_consistent(node)
        assert {name: fields(node, SHADOW, name) for name in secrets} == secrets
        assert {name: fields(node, PASSWD, name) for name in people} == people
        assert (secrets["ann"] or ["", ""])[1].startswith("!$")
        assert fields(node, PASSWD, "svc") == ["svc", "x", "121", "121", "the service", "/srv/svc", "/usr/sbin/nologin"]
        assert fields(node, PASSWD, "brought") == ["brought", "x", "122", "122", "brought by 1.1", "/var/lib/brought", "/usr/sbin/nologin"]
        assert fields(node, SHADOW, "brought") == ["brought", "!", "20000", "", "", "", "", "", ""]
        assert fields(node, PASSWD, "legacy"), "files may be its"
        assert (members(node, "adm"), members(node, "svc"), members(node, "brought")) == (["ops"], ["ops"], ["svc"])
        assert fields(node, GROUP, "site")
        for path in (PASSWD, GROUP, SHADOW, GSHADOW):
            assert _order(before[path], node.path(path).read_text())
            assert _looks(node, path) == (seen[path].mode, seen[path].owner)
        node.rollback()
        assert {path: node.path(path).read_text() for path in before} == before


def _order(before: str, after: str) -> bool:
    """True when what was there stands in the order in which it was."""
    was, now = ([line.partition(":")[0] for line in text.splitlines()] for text in (before, after))
    return [name for name in now if name in was] == was


def _looks(node: Node, path: str) -> tuple[int, tuple[int, int]]:
    status = node.path(path).stat()
    return status.st_mode & 0o7777, (status.st_uid, status.st_gid)


@pytest.mark.needs("mmdebstrap")
def test_no_credential_comes_back_with_the_previous_tree(disk: Disk) -> None:
    node = disk.node
    node.install(NEW)
    in_chroot(node, "chpasswd", given="ops:second\nroot:set after the upgrade\n")
    in_chroot(node, "userdel", "-r", "leaver")
    in_chroot(node, "usermod", "-L", "ops")
    in_chroot(node, "gpasswd", "-d", "ops", "adm")
    in_chroot(node, "useradd", "-m", "late")
    in_chroot(node, "userdel", "exporter")
    for path in ("home/ops/.ssh/authorized_keys", "root/.ssh/authorized_keys"):
        node.write(path, "key two\n", mode=0o600)
    node.write("etc/ssh/ssh_host_ed25519_key", "rotated\n", mode=0o600)
    node.path("etc/sudoers.d/ops").unlink()
    secrets = {name: fields(node, SHADOW, name) for name in ("root", "ops", "late")}
    for way in range(2 * WAYS):
        node.rollback()
        assert_consistent(node)
        assert {name: fields(node, SHADOW, name) for name in secrets} == secrets, f"way {way}"
        for name in ("leaver", "exporter"):
            assert [path for path in (PASSWD, GROUP, SHADOW, GSHADOW) if fields(node, path, name)] == []
            assert not any(name in line.split(":")[-1].split(",") for line in node.path(GROUP).read_text().splitlines())
        assert members(node, "adm") == []
        assert fields(node, PASSWD, "late")
        for path in ("home/ops/.ssh/authorized_keys", "root/.ssh/authorized_keys"):
            assert node.path(path).read_text() == "key two\n"
        assert node.path("etc/ssh/ssh_host_ed25519_key").read_text() == "rotated\n"
        assert not node.path("etc/sudoers.d/ops").exists()
        assert fields(node, PASSWD, "svc")
        assert way % 2 == 0 or fields(node, PASSWD, "brought")
        assert node.run("verify").status == 0
    node.install(NEW)
    assert {name: fields(node, SHADOW, name) for name in secrets} == secrets


@pytest.mark.needs("mmdebstrap")
def test_what_was_changed_on_the_way_back_stays_on_the_way_forward(disk: Disk) -> None:
    node = disk.node
    for password in ("second", "third", "fourth"):
        node.install(NEW)
        in_chroot(node, "chpasswd", given=f"ops:{password}\n")
        secret = fields(node, SHADOW, "ops")
        node.rollback()
        assert fields(node, SHADOW, "ops") == secret
        in_chroot(node, "chpasswd", given=f"ann:{password}\n")
        other = fields(node, SHADOW, "ann")
        node.install(NEW)
        assert (fields(node, SHADOW, "ops"), fields(node, SHADOW, "ann")) == (secret, other)
        node.rollback()
        assert node.run("verify").status == 0


SMALL_EXCLUDE = "/etc/hostname\n/etc/*.lock\nlost+found/\n"
SMALL_ADD_ONLY = "- /var/lib/dpkg/\n/var/\n/etc/*-\n"
SMALL_MERGE = "merge=text /etc/text.conf\n/etc/**\n"


def publish_small(store: Store, more: Callable[[Tree, str], object] = lambda _tree, _version: None) -> None:
    """Two small releases that differ in accounts and in what is merged; `more` adds to the tree of each version."""
    make_library(store.library, exclude=SMALL_EXCLUDE, add_only=SMALL_ADD_ONLY)
    (store.library / "excludes/base.merge").write_text(SMALL_MERGE)
    for version in ("1.0", "1.1"):
        tree = Tree(store.folder.parent / version, version).file("usr/lib/app", f"{version}\n" * 3000)
        own = "old:x:101:101::/:/bin/false\n" if version == "1.0" else "new:x:102:102::/:/bin/false\n"
        users = "root:x:0:0:root:/root:/bin/sh\n" + own
        tree.file(PASSWD, users).file(SHADOW, _secrets(users, "*:1::::::"), mode=0o640, group=42)
        groups = "".join(f"{line.split(':')[0]}:x:{line.split(':')[3]}:\n" for line in users.splitlines())
        tree.file(GROUP, groups).file(GSHADOW, _secrets(users, "*::"), mode=0o640, group=42)
        tree.file("etc/app.conf", f"{version}\n").file("etc/edited.conf", "same\n").file("etc/clash.conf", f"{version}\n")
        tree.file("etc/text.conf", f"one\ntwo\nthree\nfour\n{version}\n").file(f"etc/only-{version}", "x")
        more(tree, version)
        store.publish(tree, version)


def _secrets(users: str, rest: str) -> str:
    return "".join(f"{line.split(':')[0]}:{rest}\n" for line in users.splitlines())


def furnish_small(node: Node) -> None:
    """A person, a changed system account, and edits."""
    add(node, "ann", 1000, "$y$first")
    node.write("etc/edited.conf", "the node's\n")
    node.write("etc/clash.conf", "the node's\n")
    node.write("etc/text.conf", "the node's\ntwo\nthree\nfour\n1.0\n")
    node.write("etc/own.d/conf", "the node's\n")
    node.write("etc/.pwd.lock")


def add(node: Node, name: str, number: int, secret: str) -> None:
    """Make an account, as useradd does: by renaming a new file over the old one."""
    replace(node, PASSWD, lambda text: f"{text}{name}:x:{number}:{number}::/home/{name}:/bin/sh\n")
    replace(node, SHADOW, lambda text: f"{text}{name}:{secret}:2::::::\n")
    replace(node, GROUP, lambda text: f"{text}{name}:x:{number}:\n")
    replace(node, GSHADOW, lambda text: f"{text}{name}:!::\n")


def replace(node: Node, path: str, change: Callable[[str], str]) -> None:
    """Replace a file as a careful program does."""
    place = node.path(path)
    status = place.stat()
    temporary = place.with_name(place.name + "+")
    temporary.write_text(change(place.read_text()))
    os.chown(temporary, status.st_uid, status.st_gid)
    temporary.chmod(status.st_mode & 0o7777)
    temporary.rename(place)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of small releases that differ in accounts."""
    with open_lab(tmp_path_factory.mktemp("accounts"), publish_small, furnish_small) as opened:
        yield opened


@pytest.fixture(scope="module")
def trees(small: Lab) -> tuple[Snapshot, Snapshot]:
    """The old and the new tree of a node."""
    with small.node() as disk:
        old = untimed(look(disk))
        disk.node.install(NEW)
        assert_consistent(disk.node)
        return old, untimed(look(disk))


@pytest.mark.parametrize("kind", ["link", "dir"])
def test_an_account_file_that_is_none_is_refused(small: Lab, kind: str) -> None:
    """Groups merged without the users that they are for would leave users without their group."""
    with small.node() as disk:
        place = disk.node.path(PASSWD)
        place.rename(place.with_name("passwd.moved"))
        if kind == "link":
            place.symlink_to("passwd.moved")
        else:
            place.mkdir()
        before = disk.node.snapshot()
        ran = disk.node.upgrade(NEW)
        error = f"reprov: /etc/passwd is a {kind}, and accounts are merged from all of their files together"
        assert (ran.status, ran.stderr.splitlines()[-2:]) == (4, [error, "hint: put the file itself there"])
        assert disk.node.changed_since(before) == []


def test_an_account_file_that_became_a_link_is_refused_on_the_way_back(small: Lab) -> None:
    with small.node() as disk:
        disk.node.install(NEW)
        place = disk.node.path(PASSWD)
        place.rename(place.with_name("passwd.moved"))
        place.symlink_to("passwd.moved")
        before = disk.node.snapshot()
        ran = disk.node.run("rollback")
        error = "reprov: /etc/passwd is a link, and accounts are merged from all of their files together"
        assert (ran.status, ran.stderr.splitlines()[-2:]) == (4, [error, "hint: put the file itself there"])
        assert disk.node.changed_since(before) == []


def untimed(found: Snapshot) -> Snapshot:
    """Without the times of account files, which a rollback that carries them over writes anew."""
    return {path: seen._replace(mtime_ns=0) if path in (PASSWD, GROUP, SHADOW, GSHADOW) else seen for path, seen in found.items()}


def settled(disk: Disk, old: Snapshot, new: Snapshot, when: object) -> str:
    """Recover, and judge the whole tree: never the users of one and the passwords of the other."""
    ran = disk.node.run("recover")
    assert ran.status == 0, f"{when}: {ran.stderr}"
    assert_consistent(disk.node)
    assert disk.node.run("recover").stdout == "nothing to do\n"
    return assert_old_or_new(untimed(look(disk)), old, new, when)


@pytest.mark.parametrize("verb, times", [("upgrade", 15), ("rollback", 15)])
def test_after_sigkill_at_any_time_accounts_and_files_are_of_one_tree(
    small: Lab, trees: tuple[Snapshot, Snapshot], verb: str, times: int
) -> None:
    """In a rollback the account files of now are written into the tree that is to come back before it does."""
    chance = random.Random(SEED)
    with small.node() as disk:
        node = disk.node
        words = node.upgrade_words(NEW)[:-2] if verb == "upgrade" else ["rollback"]
        old, new = trees
        if verb == "rollback":
            node.install(NEW)
            add(node, "late", 1001, "$y$late")
            new = untimed(look(disk))
        lasts_s = duration_of(disk, words)
        if verb == "rollback":
            old, new = new, untimed(look(disk))
        node.rollback()
        found = []
        for number in range(times):
            ran = timed(disk, words, chance.uniform(0.3, 1) * lasts_s, signal.SIGKILL)
            which = settled(disk, old, new, f"kill {number} (seed {SEED}): {ran}")
            assert which == "new" or ran.returncode == -signal.SIGKILL
            found.append(which)
            if which == "new":
                node.rollback()
                assert difference(old, untimed(look(disk))) == []
            elif verb == "rollback":
                replace(node, SHADOW, lambda text: text)  # or the next one would have nothing to write
        assert "old" in found
        node.run(*words)
        assert_consistent(node)


@pytest.mark.parametrize("instant", ["before the exchange", "after it"])
def test_a_rollback_with_changed_accounts_that_dies_around_its_exchange_is_whole(small: Lab, instant: str) -> None:
    with small.node() as disk:
        node = disk.node
        node.install(NEW)
        add(node, "late", 1001, "$y$late")
        replace(node, SHADOW, lambda text: text.replace("$y$first", "$y$second"))
        new = untimed(look(disk))
        killed_at(disk, "usr" if instant == "before the exchange" else "etc", ("rollback",))
        assert node.run("recover").status == 0
        assert_consistent(node)
        assert fields(node, SHADOW, "ann") == ["ann", "$y$second", "2", "", "", "", "", "", ""]
        assert fields(node, PASSWD, "late")
        if instant == "before the exchange":
            assert difference(new, untimed(look(disk))) == []
            node.rollback()
        assert fields(node, SHADOW, "ann") == ["ann", "$y$second", "2", "", "", "", "", "", ""]
        assert fields(node, PASSWD, "old")
        assert node.run("verify").status == 0


def test_a_rollback_with_changed_accounts_may_die_at_any_instant(small: Lab) -> None:
    """Account files are written one by one into the tree that is to come back: whatever is there of them, the next run goes by."""
    with small.node() as disk:
        disk.node.install(NEW)
        change_since(disk.node)
        new = untimed(look(disk))
        with opened_directory(disk.node.root) as fd:
            kernel.syncfs(fd)
        before = small.clone(disk.image)
        disk.node.rollback()
        old = untimed(look(disk))
    instant, status, found = 0, -signal.SIGKILL, []
    while status == -signal.SIGKILL:
        instant += 1 + instant // 20
        image = small.clone(before)
        with small.mounted(image) as disk:
            status = in_child(partial(dying_rollback, disk, instant))
            found.append(settled(disk, new, old, f"instant {instant}"))
            if found[-1] == "old":
                assert difference(new, untimed(look(disk))) == []
                disk.node.rollback()
                assert difference(old, untimed(look(disk))) == [], f"instant {instant}"
            assert_changed_since(disk.node)
        image.unlink()
    assert status == 0
    assert found.count("old") > 10
    assert "new" in found


def change_since(node: Node) -> None:
    """What an operator does after the upgrade."""
    add(node, "late", 1001, "$y$late")
    replace(node, SHADOW, lambda text: text.replace("$y$first", "$y$second"))
    replace(node, "etc/text.conf", lambda text: text + "edited since\n")
    node.path("etc/app.conf").unlink()


def assert_changed_since(node: Node) -> None:
    assert fields(node, SHADOW, "ann") == ["ann", "$y$second", "2", "", "", "", "", "", ""]
    assert fields(node, PASSWD, "late")
    assert node.path("etc/text.conf").read_text().endswith("edited since\n")
    assert not node.path("etc/app.conf").exists()


def dying_rollback(disk: Disk, instant: int) -> int:
    """Roll back in a process that dies at an instant: after an exchange, a state write, or anything that is removed or renamed."""
    with pytest.MonkeyPatch.context() as patched:
        instants = Instants(patched, lambda number: die() if number == instant else None)
        for name in ("unlink", "rmdir", "rename"):
            instants.add(patched, os, name)
        return disk.node.run("rollback").status


def edit_config(disk: Disk) -> None:
    replace(disk.node, "etc/app.conf", lambda _: "edited meanwhile\n")


def edit_in_place(disk: Disk) -> None:
    with disk.node.path("etc/text.conf").open("a") as file:
        file.write("edited meanwhile\n")


def edit_nodes_own(disk: Disk) -> None:
    replace(disk.node, "etc/edited.conf", lambda _: "edited meanwhile\n")


def change_password(disk: Disk) -> None:
    replace(disk.node, SHADOW, lambda text: text.replace("$y$first", "$y$second"))


def add_user(disk: Disk) -> None:
    add(disk.node, "late", 1001, "$y$late")


def make_config(disk: Disk) -> None:
    disk.node.write("etc/late.conf", "made meanwhile\n")


def remove_config(disk: Disk) -> None:
    disk.node.path("etc/app.conf").unlink()


EDITS = [edit_config, edit_in_place, edit_nodes_own, change_password, add_user, make_config, remove_config]


def assert_survived(node: Node, edit: Callable[[Disk], None]) -> None:
    """What was edited is as it was edited."""
    match edit.__name__:
        case "edit_config":
            assert node.path("etc/app.conf").read_text() == "edited meanwhile\n"
        case "edit_in_place":
            assert node.path("etc/text.conf").read_text().endswith("edited meanwhile\n")
        case "edit_nodes_own":
            assert node.path("etc/edited.conf").read_text() == "edited meanwhile\n"
        case "change_password":
            assert (fields(node, SHADOW, "ann") or ["", ""])[1] == "$y$second"
        case "add_user":
            assert fields(node, PASSWD, "late")
        case "make_config":
            assert node.path("etc/late.conf").read_text() == "made meanwhile\n"
        case "remove_config":
            assert not node.path("etc/app.conf").exists()


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__.replace("_", " "))
@pytest.mark.parametrize("instant", ["between plan and commit", "right before the exchange"])
@pytest.mark.parametrize("verb", ["upgrade", "rollback"])
def test_what_is_edited_meanwhile_is_not_lost(
    small: Lab, verb: str, instant: str, edit: Callable[[Disk], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given up with the node as it was, the edit included, or it is done, and the edit is there."""
    with small.node() as disk:
        node = disk.node
        if verb == "rollback":
            node.install(NEW)
        old = look(disk)
        seen: list[Snapshot] = []

        def act() -> None:
            edit(disk)
            seen.append(look(disk))

        if instant == "between plan and commit":
            Hooks(monkeypatch).at_start("commit", act)
        else:
            around_exchanges(monkeypatch, before=once(act, path="etc"))
        ran = node.upgrade(NEW) if verb == "upgrade" else node.run("rollback")
        assert seen, ran
        if ran.status:
            assert ran.status == 1, ran
            wanted = {**{path: item for path, item in old.items() if not _is_in_etc(path)}, **_etc(seen[0])}
            assert difference(untimed(wanted), untimed(look(disk))) == []
        assert_consistent(node)
        assert_survived(node, edit)
        assert node.leftovers() == []
        assert node.run("recover").stdout == "nothing to do\n"
        monkeypatch.undo()
        done = node.upgrade(NEW) if verb == "upgrade" else node.run("rollback")
        assert done.status == 0, done
        assert_survived(node, edit)


def _is_in_etc(path: str) -> bool:
    return path == "etc" or path.startswith("etc/")


def _etc(found: Snapshot) -> Snapshot:
    return {path: item for path, item in found.items() if _is_in_etc(path)}
