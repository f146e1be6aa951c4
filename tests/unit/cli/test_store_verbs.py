"""publish, releases, diff, prune and what serve prints, on trees of a dozen files: no program is needed for any of it."""

import json
import os
import re
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from reprov.adapters import pristine_archive
from reprov.adapters.files import scan_tree
from reprov.adapters.store import Store
from reprov.domain.packages import PackageSet
from reprov.domain.release import Release, ReleaseId
from reprov.domain.resolved_role import ResolvedRole
from tests.small_root import ELF_X86_64, make_library, make_root

BASE = ReleaseId("base", "1.0")


class Site(NamedTuple):
    """Where a test works, and its ways to type."""

    folder: Path
    store: Path
    library: Path
    type: Callable[..., Any]

    def publish(self, version: str, tree: Path, *words: str) -> Any:
        named = ("publish", "--tree", tree, "--role", "base", "--version", version)
        return self.type(*named, "--lists", "base", *self.places, *words)

    @property
    def places(self) -> tuple[str, ...]:
        return ("--store", str(self.store), "--library", str(self.library))


@pytest.fixture
def site(tmp_path: Path, reprov: Callable[..., Any]) -> Site:
    """An empty store and a library."""
    return Site(tmp_path, tmp_path / "store", make_library(tmp_path / "library"), reprov)


@pytest.fixture
def two(site: Site) -> Site:
    """base 1.0 and 1.1 published: another dash, another unit."""
    assert site.publish("1.0", make_root(site.folder / "old")).status == 0
    assert site.publish("1.1", make_root(site.folder / "new", dash="0.6", unit="[Unit]\n")).status == 0
    return site


def built(site: Site, version: str = "1.0") -> Path:
    """A tree as `reprov build` leaves it."""
    role = ResolvedRole(ReleaseId("base", version), None, "debian", "bookworm", ("boot",), ("base", "demo"), (), (), (), ())
    folder = site.store / "build/base" / version
    make_root(folder / "tree")
    (folder / "role.json").write_text(role.to_json())
    return folder


def test_a_foreign_tree_is_copied_with_everything_beside_it(site: Site) -> None:
    tree = make_root(site.folder / "tree")
    before = scan_tree(tree)
    answer = site.publish("1.0", tree, "--lists", "demo,base", "--filesystems", "boot,/usr/")
    assert answer.status == 0, answer.stderr
    assert re.fullmatch(
        r"published base 1\.0 \(serial 1\)\n  27 paths, [\d.]+ kB, of which [\d.]+ kB are new in the store\n", answer.stdout
    )
    store = Store.opened(site.store)
    release = store.release(BASE)
    assert (release.family, release.machine, release.filesystems) == ("debian", "x86_64", ("boot", "usr"))
    lists = {
        "add-only/01-base.add-only": "base.add-only",
        "excludes/00-demo.exclude": "demo.exclude",
        "excludes/01-base.exclude": "base.exclude",
        "merge/01-base.merge": "base.merge",
    }
    assert sorted(release.files) == sorted([*lists, "manifest.mtree.gz", "packages.json", "pristine.tar.gz"])
    for name, source in lists.items():
        assert (store.folder(BASE) / name).read_bytes() == (site.library / "excludes" / source).read_bytes()
    assert store.manifest(BASE) == before == scan_tree(tree)
    assert not [*site.store.rglob(".tmp-*")]


def test_a_tree_whose_lists_nobody_names_gets_those_that_every_node_needs(site: Site) -> None:
    answer = site.type("publish", "--tree", make_root(site.folder / "tree"), "--role", "base", "--version", "1.0", *site.places)
    assert answer.status == 0, answer.stderr
    files = Store.opened(site.store).release(BASE).files
    lists = sorted(name.partition("/")[2] for name in files if name.startswith("excludes/"))
    assert lists == ["00-base.exclude", "01-identity.exclude", "02-network.exclude", "03-ssh.exclude", "04-logs-and-caches.exclude"]


def test_a_release_brings_the_content_of_what_nodes_merge(site: Site) -> None:
    (site.library / "excludes/base.merge").write_text("- /etc/fixed\n/etc/**\n")
    (site.library / "excludes/base.exclude").write_text("/etc/hostname\n")
    tree = make_root(site.folder / "tree")
    for name in ("fixed", "issue", "deep/er"):
        (tree / "etc" / name).parent.mkdir(exist_ok=True)
        (tree / "etc" / name).write_text(name)
    assert site.publish("1.0", tree).status == 0
    pristine = pristine_archive.read(Store.opened(site.store).folder(BASE) / pristine_archive.NAME)
    assert dict(pristine) == {"etc/deep/er": b"deep/er", "etc/issue": b"issue"}


def test_a_list_that_gives_the_package_database_to_the_node_is_noted(site: Site) -> None:
    (site.library / "excludes/site.exclude").write_text("/srv/\n")
    (site.library / "excludes/site.add-only").write_text("/var/**\n")
    (site.library / "excludes/base.add-only").write_text("- /var/lib/dpkg/\n/var/**\n")
    said = (
        "/var/lib/dpkg/status is add-only (add-only/00-site.add-only:1: + /var/**), so a node will not know its packages: "
        "name that directory with a minus before it"
    )
    first = site.publish("1.0", make_root(site.folder / "tree"), "--lists", "site,base")
    last = site.publish("1.1", make_root(site.folder / "tree2"), "--lists", "base,site")
    assert (first.status, last.status) == (0, 0)
    assert said in first.stderr
    assert "dpkg/status" not in last.stderr


def test_the_accounts_are_among_it_whatever_the_lists_say(site: Site) -> None:
    tree = make_root(site.folder / "tree")
    (tree / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    assert site.publish("1.0", tree).status == 0
    pristine = pristine_archive.read(Store.opened(site.store).folder(BASE) / pristine_archive.NAME)
    assert list(pristine) == ["etc/passwd"]


def test_packages_own_real_paths(two: Site) -> None:
    file = two.store / "releases/base/1.0/packages.json"
    packages = PackageSet.parse(file.read_text(), "packages").packages
    assert packages["dash:amd64"].paths == ("usr/bin/sh", "usr/share/doc/readme")
    assert packages["dash:amd64"].scriptlets == ("postinst",)
    assert packages["libz:amd64"].paths == ("usr/lib/libz.so.1",)


def test_a_built_tree_moves_into_the_store_with_its_role(site: Site) -> None:
    folder = built(site)
    inode = (folder / "tree/usr/lib/libz.so.1").stat().st_ino
    answer = site.type("publish", "base", "1.0", *site.places)
    assert answer.status == 0, answer.stderr
    release = Store.opened(site.store).release(BASE)
    assert (release.filesystems, "role.json" in release.files, "excludes/01-demo.exclude" in release.files) == (("boot",), True, True)
    assert (site.store / "trees/base/1.0/usr/lib/libz.so.1").stat().st_ino == inode
    assert not folder.exists()


def test_equal_trees_give_equal_manifests_byte_by_byte(site: Site) -> None:
    for version in ("1.0", "1.1"):
        assert site.publish(version, make_root(site.folder / version)).status == 0
    one, other = ((site.store / f"releases/base/{version}/manifest.mtree.gz").read_bytes() for version in ("1.0", "1.1"))
    assert one == other


def test_a_release_is_compared_with_the_newest_five_before_it(site: Site) -> None:
    for number in range(7):
        assert site.publish(f"1.{number}", make_root(site.folder / str(number), dash=f"0.{number}")).status == 0
    hops = site.store / "releases/base/1.6/hops"
    assert sorted(path.name for path in hops.iterdir()) == ["1.1", "1.2", "1.3", "1.4", "1.5"]
    assert (hops / "1.5/packages.diff").read_text() == "upgraded dash amd64 0.5 0.6\n"
    assert (hops / "1.5/changed.list").read_text().splitlines() == [
        "replaced usr/bin/ash",
        "replaced usr/bin/sh",
        "replaced var/lib/dpkg/status",
    ]


def break_nothing(_site: Site, _tree: Path) -> None:
    pass


def empty_list(site: Site, _tree: Path) -> None:
    (site.library / "excludes/base.exclude").write_text("# nothing\n")


def empty_merge_list(site: Site, _tree: Path) -> None:
    (site.library / "excludes/base.merge").write_text("# nothing\n")


def bad_merge(site: Site, _tree: Path) -> None:
    (site.library / "excludes/base.merge").write_text("merge=lines /etc/x\n")


def list_is_a_folder(site: Site, _tree: Path) -> None:
    (site.library / "excludes/base.exclude").unlink()
    (site.library / "excludes/base.exclude").mkdir()


def add_socket(_site: Site, tree: Path) -> None:
    os.mknod(tree / "run-socket", stat.S_IFSOCK | 0o600)


def host_keys(_site: Site, tree: Path) -> None:
    (tree / "etc/ssh").mkdir()
    for kind in ("rsa", "ed25519"):
        (tree / f"etc/ssh/ssh_host_{kind}_key").write_text("secret")


def no_usr(_site: Site, tree: Path) -> None:
    shutil.rmtree(tree / "usr")


def no_shell(_site: Site, tree: Path) -> None:
    (tree / "usr/bin/sh").unlink()


def other_family(_site: Site, tree: Path) -> None:
    (tree / "usr/lib/os-release").write_text("ID=gentoo\n")


def other_machine(_site: Site, tree: Path) -> None:
    (tree / "usr/bin/sh").write_bytes(ELF_X86_64.replace(b"\x3e\x00", b"\xfe\xfe"))


def broken_status(_site: Site, tree: Path) -> None:
    (tree / "var/lib/dpkg/status").write_text("Package: x\n")


@pytest.mark.parametrize(
    ("change", "words", "status", "message"),
    [
        pytest.param(break_nothing, ["--lists", "bsae"], 2, "excludes: there is no 'bsae.exclude'", id="an unknown concern"),
        pytest.param(break_nothing, ["--lists", ","], 2, "a release without ownership lists would replace", id="no concern"),
        pytest.param(break_nothing, ["--lists", "demo"], 2, "there is no add-only list", id="a concern without an add-only list, alone"),
        pytest.param(empty_merge_list, [], 2, "SITE/library/excludes/base.merge: holds no rule", id="an empty merge list"),
        pytest.param(bad_merge, [], 2, "SITE/library/excludes/base.merge:1: a merge that is none", id="a merge that is none"),
        pytest.param(empty_list, [], 2, "SITE/library/excludes/base.exclude: holds no rule", id="an empty list"),
        pytest.param(
            list_is_a_folder, [], 2, "SITE/library/excludes/base.exclude: cannot be read (Is a directory)", id="an unreadable list"
        ),
        pytest.param(add_socket, [], 4, "SITE/tree is not the root of a node: /run-socket is a socket", id="a socket in the tree"),
        pytest.param(
            host_keys,
            [],
            4,
            "SITE/tree has what only one node may have: /etc/ssh/ssh_host_ed25519_key (and 1 more)",
            id="host keys in the tree",
        ),
        pytest.param(no_usr, [], 4, "SITE/tree is not the root of a node (no usr/ or no etc/ in it)", id="not a root"),
        pytest.param(no_shell, [], 4, "SITE/tree is not the root of a node: /bin/sh is missing", id="a root without a shell"),
        pytest.param(other_family, [], 4, "SITE/tree/usr/lib/os-release: neither of the debian nor of the rpm", id="another family"),
        pytest.param(other_machine, [], 4, "SITE/tree: none of /bin/sh, /usr/bin/env, /sbin/init is a program", id="another machine"),
        pytest.param(broken_status, [], 2, "SITE/tree/var/lib/dpkg/status:1: a package without Status", id="a broken package database"),
        pytest.param(break_nothing, ["--tree", "/"], 4, "/ is this machine, not a tree at rest", id="the running system"),
        pytest.param(break_nothing, ["--version", "../1"], 2, "'../1' is not a version", id="a version that is a way out"),
        pytest.param(break_nothing, ["base"], 2, "--tree goes with --role and --version, not with bare words", id="a role twice"),
    ],
)
def test_bad_input_leaves_no_release(site: Site, change: Callable[[Site, Path], None], words: list[str], status: int, message: str) -> None:
    tree = make_root(site.folder / "tree")
    change(site, tree)
    answer = site.publish("1.0", tree, *words)
    error = next(line for line in answer.stderr.splitlines() if line.startswith("reprov: "))
    assert error.startswith("reprov: " + message.replace("SITE", str(site.folder)))
    assert answer.status == status
    assert not [*site.store.glob("releases/*/*")]


def test_packages_that_are_not_installed_to_the_end_are_noted(site: Site) -> None:
    tree = make_root(site.folder / "tree")
    status = tree / "var/lib/dpkg/status"
    status.write_text(status.read_text().replace("install ok installed", "install ok half-configured", 1))
    answer = site.publish("1.0", tree)
    assert answer.status == 0
    assert f"note: {tree}: not fully installed: dash" in answer.stderr.splitlines()


def test_a_tree_without_a_package_database_is_published_with_a_note(site: Site) -> None:
    tree = make_root(site.folder / "tree")
    (tree / "var/lib/dpkg/status").unlink()
    answer = site.publish("1.0", tree)
    assert answer.status == 0
    assert f"note: {tree}: no package database that reprov reads, so nothing is attributed to packages" in answer.stderr.splitlines()
    assert json.loads(site.type("releases", "--json", "--store", site.store).stdout)[0]["packages"] == 0


def test_the_store_and_what_is_sealed_in_it_are_no_trees_to_publish(two: Site) -> None:
    assert "holds the store" in two.publish("2", two.folder).stderr
    assert "is a sealed tree" in two.publish("2", two.store / "trees/base/1.0").stderr


def test_a_version_is_published_once(two: Site) -> None:
    answer = two.publish("1.0", make_root(two.folder / "again"))
    assert (answer.status, answer.stderr.splitlines()[0]) == (4, f"reprov: base 1.0 is already published in {two.store}")
    again = two.type("publish", "base", "1.0", *two.places)
    assert (again.status, again.stderr.splitlines()[0]) == (4, f"reprov: base 1.0 is already published in {two.store}")


def test_what_was_not_built_is_not_published(site: Site) -> None:
    answer = site.type("publish", "base", "1.0", *site.places)
    assert answer.status == 2
    assert answer.stderr == f"reprov: base 1.0 is not built in {site.store}\nhint: reprov build base --version 1.0\n"


def test_releases_lists_what_there_is(two: Site) -> None:
    found = json.loads(two.type("releases", "--json", "--store", two.store).stdout)
    assert [(item["role"], item["version"], item["serial"], item["paths"], item["packages"]) for item in found] == [
        ("base", "1.0", 1, 27, 2),
        ("base", "1.1", 2, 27, 2),
    ]
    assert all(item["own_bytes"] > 0 for item in found)
    table = two.type("releases", "base", "--store", two.store).stdout.splitlines()
    assert [line.split()[:3] for line in table] == [["ROLE", "VERSION", "SERIAL"], ["base", "1.0", "1"], ["base", "1.1", "2"]]


def test_an_unknown_role_is_answered_with_the_roles(two: Site) -> None:
    for words in (("releases", "bsae"), ("releases", "bsae", "--check")):
        answer = two.type(*words, "--store", two.store)
        assert (answer.status, answer.stderr) == (2, f"reprov: {two.store} has no release of 'bsae'\nhint: the roles are base\n")


def test_an_untouched_store_checks_clean(two: Site) -> None:
    answer = two.type("releases", "--check", "--store", two.store)
    assert answer.status == 0
    assert answer.stdout.startswith("2 releases as published (")


def alter_content(store: Path) -> None:
    file = store / "trees/base/1.0/usr/share/doc/readme"
    times = file.stat()
    file.write_bytes(b"ALWAYS THE SAME\n")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def alter_own(store: Path) -> None:
    (store / "trees/base/1.0/usr/lib/systemd/system/demo.service").write_bytes(b"[Service]\nExecStart=/evil\n")


@pytest.mark.parametrize(
    ("alter", "findings"),
    [
        pytest.param(alter_content, [("/usr/share/doc/readme", "differs in content", ["1.0", "1.1"])], id="shared content"),
        pytest.param(
            alter_own,
            [
                ("/usr/lib/systemd/system/demo.service", "differs in mtime and size", ["1.0"]),
                ("/usr/lib/systemd/system/demo.service", "differs in content", ["1.0"]),
            ],
            id="content of one release",
        ),
        pytest.param(
            lambda store: (store / "trees/base/1.1/etc/hostname").chmod(0o600),
            [("/etc/hostname", "differs in mode", ["1.0", "1.1"])],
            id="shared metadata",
        ),
        pytest.param(
            lambda store: shutil.rmtree(store / "trees/base/1.0"), [("/", "the tree is missing", ["1.0"])], id="a tree that is gone"
        ),
        pytest.param(
            lambda store: (store / "releases/base/1.0/excludes/00-base.exclude").write_text("/x\n"),
            [("excludes/00-base.exclude", "differs in content", ["1.0"])],
            id="a list",
        ),
        pytest.param(
            lambda store: (store / "releases/base/1.0/packages.json").unlink(),
            [("packages.json", "cannot be read (No such file or directory)", ["1.0"])],
            id="a file that is gone",
        ),
    ],
)
def test_damage_is_found_with_everyone_whom_it_concerns(
    two: Site, alter: Callable[[Path], None], findings: list[tuple[str, str, list[str]]]
) -> None:
    alter(two.store)
    answer = two.type("releases", "base", "--check", "--json", "--store", two.store)
    assert answer.status == 3
    found = json.loads(answer.stdout)["findings"]
    assert [(item["place"], item["problem"], [one["version"] for one in item["releases"]]) for item in found] == findings


def test_what_came_into_a_tree_or_went_is_found(two: Site) -> None:
    (two.store / "trees/base/1.1/etc/new").write_text("")
    (two.store / "trees/base/1.1/etc/os-release").unlink()
    answer = two.type("releases", "--check", "--store", two.store)
    assert answer.status == 3
    lines = [" ".join(line.split()) for line in answer.stdout.splitlines()]
    assert lines == [
        "PATH PROBLEM RELEASES",
        "/etc differs in mtime base 1.1",
        "/etc/new not in the manifest base 1.1",
        "/etc/os-release missing base 1.1",
    ]


def test_releases_of_another_role_that_share_a_damaged_file_are_named(two: Site) -> None:
    words = ("publish", "--tree", make_root(two.folder / "third"), "--role", "other", "--version", "1", *two.places)
    assert two.type(*words).status == 0
    alter_content(two.store)
    found = json.loads(two.type("releases", "other", "--check", "--json", "--store", two.store).stdout)["findings"]
    assert [f"{one['role']} {one['version']}" for one in found[0]["releases"]] == ["base 1.0", "base 1.1", "other 1"]


def test_diff_says_what_changes(two: Site) -> None:
    answer = two.type("diff", "base", "1.0", "1.1", "--files", "--store", two.store)
    assert answer.status == 0
    assert [" ".join(line.split()) for line in answer.stdout.splitlines()] == [
        "UPGRADED BEFORE AFTER",
        "dash 0.5 0.6",
        "",
        "CHANGE PATH",
        "replaced /usr/bin/ash",
        "replaced /usr/bin/sh",
        "replaced /usr/lib/systemd/system/demo.service",
        "replaced /var/lib/dpkg/status",
        "",
        "packages: 1 upgraded",
        "paths: 4 replaced",
        "services: demo.service",
        "scripts: 1 after the commit",
        "size: 5.4 kB -> 5.4 kB, 280 B to fetch",
    ]


def test_diff_answers_in_json(two: Site) -> None:
    found = json.loads(two.type("diff", "base", "1.1", "1.0", "--json", "--store", two.store).stdout)
    assert found["packages"] == [{"name": "dash", "arch": "amd64", "change": "downgraded", "before": "0.6", "after": "0.5"}]
    assert found["paths"] == {"created": 0, "replaced": 4, "metadata": 0, "deleted": 0}
    assert found["scripts"] is None
    assert "files" not in found


def test_diff_of_an_unknown_version_lists_the_known(two: Site) -> None:
    answer = two.type("diff", "base", "1.0", "9", "--store", two.store)
    assert (answer.status, answer.stderr) == (2, f"reprov: base 9 is not in {two.store}\nhint: base has 1.0, 1.1\n")


def test_prune_keeps_the_newest_and_what_they_share(two: Site) -> None:
    (two.store / "trees/.tmp-killed").mkdir()
    answer = two.type("prune", "--keep", "1", "--yes", "--store", two.store)
    assert answer.status == 0, answer.stderr
    assert answer.stdout.splitlines()[:2] == ["deleted base 1.0", "deleted leftover trees/.tmp-killed"]
    assert [*map(str, Store.opened(two.store).ids())] == ["base 1.1"]
    assert [path.name for path in (two.store / "trees/base").iterdir()] == ["1.1"]
    assert not [path for path in two.store.glob("pool/*/*") if path.stat().st_nlink == 1]
    assert two.type("releases", "--check", "--store", two.store).status == 0


def test_a_serial_is_not_given_twice_after_pruning(two: Site) -> None:
    assert two.type("prune", "--keep", "1", "--yes", "--store", two.store).status == 0
    assert two.publish("1.2", make_root(two.folder / "third")).status == 0
    file = two.store / "releases/base/1.2/release.json"
    assert Release.parse(file.read_text(), "x").serial == 3


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        pytest.param(["--keep", "0"], 2, "--keep 0: at least one release of a role stays", id="keep none"),
        pytest.param(["--keep", "1"], 2, "nobody can be asked: delete base 1.0?", id="nobody to ask"),
        pytest.param(["--keep", "1", "bsae"], 2, "{store} has no release of 'bsae'", id="an unknown role"),
    ],
)
def test_prune_deletes_nothing_without_a_clear_word(
    two: Site, monkeypatch: pytest.MonkeyPatch, words: list[str], status: int, message: str
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    answer = two.type("prune", *words, "--store", two.store)
    assert (answer.status, answer.stderr.splitlines()[0]) == (status, "reprov: " + message.format(store=two.store))
    assert len(Store.opened(two.store).ids()) == 2


def test_prune_with_nothing_to_do_says_so(two: Site) -> None:
    assert two.type("prune", "--keep", "2", "--store", two.store).stdout == "nothing to delete\n"


def test_serve_prints_its_configuration_and_unit(site: Site) -> None:
    config = site.type("serve", "--print-config", "--port", "9999", "--store", site.store).stdout
    assert f"path = {site.store}/trees\n" in config
    assert "port = 9999\n" in config
    unit = site.type("serve", "--systemd", "--store", site.store).stdout
    assert f'serve --store "{site.store}" --address 127.0.0.1 --port 8730' in unit


def test_what_is_no_store_is_not_served(site: Site) -> None:
    answer = site.type("serve", "--store", site.store)
    assert (answer.status, answer.stderr.splitlines()[0]) == (2, f"reprov: {site.store} is not a store (it has no releases/)")
