"""A role of the RPM family from its repository to a node and back: built with dnf, published, installed, upgraded, rolled back."""

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import pytest

from reprov.adapters.rpm_database import read_rpm_packages
from reprov.adapters.sandbox import sandbox
from reprov.domain import post_script_text
from reprov.domain.post_script_rpm import scripts_between
from reprov.domain.release import ReleaseId
from reprov.domain.rpm_lua import lua_command
from reprov.errors import InvalidInput, ReprovError
from reprov.events import NullMonitor
from reprov.workflows.build import Wanted, build
from reprov.workflows.publish import built, publish
from tests.heard import Heard
from tests.rpm_lab import CALLS, Rpm, Section, build_packages, make_repository
from tests.system import rpm_trees
from tests.system.filesystems import Filesystems
from tests.system.node import Node, Run, Store

PROGRAMS = ("rpm", "rpmbuild", "createrepo_c", "dnf", "unshare", "nsenter")
pytestmark = [pytest.mark.commands, pytest.mark.system, pytest.mark.needs(*PROGRAMS)]


HOP = """\
service-1.10 post 2
watcher-1.0 triggerin 1 2
service-1.0 preun 1
service-1.0 postun 1
service-1.10 posttrans 2
watcher-1.0 transfiletriggerin 0
  /usr/share/service/1.10
watcher-1.0 transfiletriggerpostun 0
""".splitlines()
"""What the scripts of the two packages write from 1.0 to 1.1, with rpm itself, too."""


class Site(NamedTuple):
    """A store with two releases of the role, and the trees that they were published from."""

    store: Path
    library: Path
    notes: list[str]
    suite: str

    @property
    def database(self) -> str:
        """Where a tree has its rpm database, absolute."""
        return rpm_trees.DATABASES[self.suite]

    def tree(self, version: str) -> Path:
        """The sealed tree."""
        return self.store / "trees/el" / version


def make(folder: Path, suite: str) -> Site:
    """Build and publish the role twice, with a new package and a newer one the second time."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("REPROV_CACHE", str(folder / "cache"))
        library, heard = rpm_trees.make_site(folder, suite), Heard()
        for version, before in (("1.0", None), ("1.1", "1.0")):
            build(folder / "store", library, Wanted("el", version, from_version=before), heard)
            publish(folder / "store", library, built(folder / "store", ReleaseId.of("el", version)), NullMonitor())
            if before is None:
                rpm_trees.add_second(folder)
    return Site(folder / "store", library, heard.notes, suite)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return make(tmp_path_factory.mktemp("el"), "10")


def rpm(root: Path, database: str, *words: str) -> list[str]:
    """What this machine's rpm says of a root, whose database it may write beside: never of a sealed tree."""
    done = subprocess.run(["rpm", "--root", root, "--dbpath", database, *words], check=False, capture_output=True, text=True)
    assert not done.stderr, done.stderr
    return sorted(done.stdout.splitlines())


def names_in(site: Site, version: str) -> list[str]:
    """The packages of packages.json as rpm names them."""
    said = json.loads((site.store / "releases/el" / version / "packages.json").read_text())
    assert said["family"] == "rpm"
    return sorted(f"{found['name']}-{found['version']}.{found['arch']}" for found in said["packages"])


def test_a_tree_is_one_that_rpm_knows_and_finds_nothing_wrong_with(site: Site, tmp_path: Path) -> None:
    for version in ("1.0", "1.1"):
        copy = tmp_path / version
        subprocess.run(["cp", "-a", site.tree(version), copy], check=True)
        assert rpm(copy, site.database, "-qa") == names_in(site, version)
        # What the accounts and the configuration of a tree are is no drift: the packages say themselves that they change.
        changed = [line for line in rpm(copy, site.database, "-Va", "--nodeps") if " c /etc/" not in line]
        assert changed == []


def test_a_release_knows_scriptlets_and_owners(site: Site) -> None:
    said = json.loads((site.store / "releases/el/1.1/packages.json").read_text())
    service, watcher, tools = (
        next(found for found in said["packages"] if found["name"] == name) for name in ("service", "watcher", "tools")
    )
    assert service["scriptlets"] == ["post", "posttrans", "postun", "pre", "preun"]
    assert watcher["scriptlets"] == ["transfiletriggerin", "transfiletriggerpostun", "triggerin"]
    assert service["paths"]["usr/bin"] == ["service-tool"]
    assert service["paths"]["var/lib"] == ["service"]  # a directory, for it owns nothing in it
    assert "bin" not in tools["paths"]


def test_a_database_is_one_file_and_reading_it_leaves_nothing_beside_it(site: Site) -> None:
    for version in ("1.0", "1.1"):
        folder = site.tree(version) / site.database.lstrip("/")
        read_rpm_packages(site.tree(version))
        assert os.listdir(folder) == ["rpmdb.sqlite"]
        header = (folder / "rpmdb.sqlite").read_bytes()[:20]
        assert header[18:20] == b"\x01\x01"  # no write-ahead log
        assert os.listdir(site.tree(version) / "var/lib/dnf") == ["history.sqlite"]


def test_nothing_of_the_build_stays_in_a_tree(site: Site) -> None:
    for version in ("1.0", "1.1"):
        tree = site.tree(version)
        for directory in ("var/cache/dnf", "var/log", "run", "tmp", "proc", "dev"):
            assert os.listdir(tree / directory) == []
        assert not [line for file in ("passwd", "group") for line in (tree / "etc" / file).read_text().split() if "reprov" in line]
        assert stat.S_IMODE((tree / "tmp").stat().st_mode) == 0o1777
        assert (tree / "etc/machine-id").read_bytes() == b""


def test_accounts_get_the_numbers_of_the_table_before_files_are_laid_down(site: Site) -> None:
    """The table knows polkitd; ghostly gets a number that nobody has, and keeps it."""
    for version in ("1.0", "1.1"):
        tree = site.tree(version)
        ids = {line.split(":")[0]: int(line.split(":")[2]) for line in (tree / "etc/passwd").read_text().splitlines()}
        groups = {line.split(":")[0]: int(line.split(":")[2]) for line in (tree / "etc/group").read_text().splitlines()}
        assert (ids["polkitd"], groups["polkitd"]) == (998, 998)
        assert ids["ghostly"] == groups["ghostly"] == 988
        status = (tree / "var/lib/service").stat()
        assert (status.st_uid, status.st_gid) == (998, 988)
        assert "polkitd:!*:" in (tree / "etc/shadow").read_text()
    assert [note for note in site.notes if "ghostly" in note] == [f"new in {site.store}/ids/rpm.yaml: user ghostly 988, group ghostly 988"]


def test_the_difference_is_told_in_rpms_order_of_versions(site: Site) -> None:
    text = (site.store / "releases/el/1.1/hops/1.0/packages.diff").read_text()
    machine = os.uname().machine
    assert text.splitlines() == [f"added added {machine} - 1.0-1", f"upgraded service {machine} 1.0-1 1.10-1"]


@pytest.mark.parametrize(("suite", "unit"), [pytest.param("10", "/usr", id="in usr"), pytest.param("9", "/var/lib/rpm", id="in var")])
def test_a_node_is_installed_upgraded_and_rolled_back(
    suite: str, unit: str, site: Site, filesystems: Filesystems, tmp_path: Path, reprov: Run
) -> None:
    site = site if suite == site.suite else make(tmp_path / "site", suite)
    node = Node(filesystems.make("ext4", tmp_path / "node", size_mib=256), Store(site.store, reprov), reprov)

    def is_whole(version: str) -> None:
        assert rpm(node.root, site.database, "-qa") == names_in(site, version)
        assert [line for line in rpm(node.root, site.database, "-Va", "--nodeps") if " c /etc/" not in line] == []
        checked = node.run("verify", "--deep")
        assert checked.status == 0, checked.stdout + checked.stderr
        assert os.listdir(node.path(site.database.lstrip("/"))) == ["rpmdb.sqlite"]

    node.runs_scripts = True
    node.install("1.0", role="el")
    is_whole("1.0")
    before = node.snapshot()
    plan = node.run("plan", "el", "1.1", "--from", site.store)
    assert f"swap {unit}\n" in plan.stdout
    node.install("1.1", role="el")
    is_whole("1.1")
    assert node.path(CALLS).read_text().splitlines() == HOP
    said = node.run("explain", "/usr/bin/service-tool").stdout
    assert "package  service" in said
    assert "class    image" in node.run("explain", f"{site.database}/rpmdb.sqlite").stdout
    assert "class    image" in node.run("explain", "/var/lib/dnf/history.sqlite").stdout
    node.rollback()
    is_whole("1.0")
    assert [line for line in node.changed_since(before, directory_times=False) if CALLS not in line] == []


def test_a_file_that_a_hand_changes_is_named_with_its_package(site: Site, filesystems: Filesystems, tmp_path: Path, reprov: Run) -> None:
    node = Node(filesystems.make("ext4", tmp_path / "node", size_mib=256), Store(site.store, reprov), reprov)
    node.install("1.1", role="el")
    node.write("usr/share/watcher", "by hand\n")
    ran = node.run("verify")
    assert (ran.status, "watcher" in ran.stdout) == (3, True)
    assert [line.split()[0] for line in ran.stdout.splitlines() if "/usr/share/watcher" in line] == ["watcher"]
    learned = node.run("learn")  # asks this machine's rpm about the database of the root
    assert learned.status == 0, learned.stderr
    assert "could not be asked" not in learned.stderr
    assert " 8 packages " in learned.stdout.replace("\n# ", " ")


def test_a_package_that_is_installed_by_hand_is_named_and_goes(site: Site, filesystems: Filesystems, tmp_path: Path, reprov: Run) -> None:
    node = Node(filesystems.make("ext4", tmp_path / "node", size_mib=256), Store(site.store, reprov), reprov)
    node.install("1.0", role="el")
    newer, *_ = site.library.parent.glob("repository/service-1.10-1.*.rpm")
    subprocess.run(["rpm", "--root", node.root, "--dbpath", site.database, "-U", "--noscripts", newer], check=True, capture_output=True)
    assert node.path(f"{site.database}/rpmdb.sqlite-wal".lstrip("/")).exists()  # as rpm leaves it
    verified = node.run("verify")
    assert verified.status == 3
    assert next(line.split() for line in verified.stdout.splitlines() if line.startswith("service ")) == [
        "service",
        "upgraded",
        "1.0-1",
        "1.10-1",
    ]
    plan = node.run("plan", "el", "1.1", "--from", site.store)
    assert [line for line in plan.stdout.splitlines() if "service" in line and "superseded" in line]
    node.install("1.1", role="el")
    assert sorted(os.listdir(node.path(site.database.lstrip("/")))) == [".rpm.lock", "rpmdb.sqlite"]  # the lock is the node's
    assert rpm(node.root, site.database, "-qa") == names_in(site, "1.1")


def test_the_steps_of_a_hop_do_in_the_new_tree_what_rpm_did(site: Site, tmp_path: Path) -> None:
    """Every step, lua through the tree's own rpm, in a copy of the tree; what the scripts write is what a real upgrade wrote."""
    scripts = scripts_between(read_rpm_packages(site.tree("1.0")), read_rpm_packages(site.tree("1.1")))
    assert scripts.works == ()
    published = site.store / "releases/el/1.1/hops/1.0/post"
    assert post_script_text.parse(published.read_text(errors="surrogateescape"), "post").steps == scripts.steps
    root = tmp_path / "root"
    subprocess.run(["cp", "-a", site.tree("1.1"), root], check=True)
    with sandbox() as box:
        box.mount_system(root)
        for step in scripts.steps:
            (box.view(root) / "run/step").write_text(step.body)
            is_lua = step.interpreter == ("<lua>",)
            argv = lua_command("/run/step", step.arguments) if is_lua else (*step.interpreter, "/run/step", *step.arguments)
            feed = ("sh", "-c", 'input=$1; shift; printf %s "$input" | exec "$@"', "sh", step.stdin)
            box.run((*feed, "chroot", str(root), *argv))
    assert (root / CALLS).read_text().splitlines() == HOP


def test_a_hop_without_changed_packages_has_no_step(site: Site) -> None:
    packages = read_rpm_packages(site.tree("1.1"))
    assert scripts_between(packages, packages) == ((), ())


@pytest.fixture
def other(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library whose roles extend that of the site."""
    monkeypatch.setenv("REPROV_CACHE", str(tmp_path / "cache"))
    library = tmp_path / "library"
    (library / "roles").mkdir(parents=True)
    (library / "roles/el").symlink_to(site.library / "roles/el")
    return library


def extend(library: Path, text: str) -> None:
    role = library / "roles/child"
    role.mkdir()
    (role / "role.yaml").write_text(f"extends: el\n{text}")


def test_a_role_that_extends_another_is_laid_over_its_tree(site: Site, other: Path, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "more", build_packages(tmp_path / "built", [Rpm("more", files={"/usr/share/more": "more"})]))
    extend(other, f'repositories:\n  - {{name: more, mirror: "file://{repository}"}}\npackages: [more]\n')
    done = build(site.store, other, Wanted("child", "1.0", parent_version="1.0"), NullMonitor())
    tree = done.folder / "tree"
    assert [package.name for package in read_rpm_packages(tree) if package.name in ("more", "service")] == ["service", "more"]
    assert (tree / "usr/bin/service-tool").stat().st_ino == (site.tree("1.0") / "usr/bin/service-tool").stat().st_ino
    assert (tree / site.database.lstrip("/") / "rpmdb.sqlite").stat().st_nlink == 1


def test_a_package_that_nobody_has_fails_the_build(site: Site, other: Path) -> None:
    extend(other, "packages: [no-such-package]\n")
    with pytest.raises(ReprovError, match=r"^dnf failed: Error: Unable to find a match: no-such-package$"):
        build(site.store, other, Wanted("child", "2.0"), NullMonitor())
    assert not (site.store / "build/child/2.0").exists()


def test_a_scriptlet_that_fails_fails_the_build(site: Site, other: Path, tmp_path: Path) -> None:
    """dnf itself goes on after a %post that failed."""
    bad = Rpm("bad", files={"/usr/share/bad": "bad"}, sections=(Section("post", "echo it does not work >&2\nexit 3"),))
    repository = make_repository(tmp_path / "bad", build_packages(tmp_path / "built", [bad]))
    extend(other, f'repositories:\n  - {{name: bad, mirror: "file://{repository}"}}\npackages: [bad]\n')
    with pytest.raises(ReprovError, match=r"^dnf failed: .*scriptlet failed, exit status 3$"):
        build(site.store, other, Wanted("child", "3.0"), NullMonitor())


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A folder over HTTP on loopback, for the block."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def sign(package: Path, home: Path, key: Path) -> None:
    """Sign a package with a new key, whose public half goes to `key`."""
    home.mkdir(mode=0o700)
    gpg: list[str | Path] = ["gpg", "--homedir", home, "--batch", "--passphrase", ""]
    settings = [f"_gpg_path {home}", "_gpg_name lab@example", "__gpg /usr/bin/gpg"]
    defined = [word for setting in settings for word in ("--define", setting)]
    try:
        subprocess.run([*gpg, "--quick-generate-key", "lab@example", "rsa2048", "sign", "never"], check=True, capture_output=True)
        subprocess.run([*gpg, "--armor", "--output", key, "--export", "lab@example"], check=True)
        subprocess.run(["rpmsign", *defined, "--addsign", package], check=True, capture_output=True)
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "gpg-agent"], check=True)


@pytest.mark.needs("gpg", "rpmsign")
def test_packages_of_the_network_are_those_that_the_key_signed(site: Site, other: Path, tmp_path: Path) -> None:
    extend(other, "")
    (other / "roles/child/keys").mkdir()
    packages = build_packages(
        tmp_path / "built", [Rpm("signed", files={"/usr/share/signed": "1"}), Rpm("unsigned", files={"/usr/share/u": "1"})]
    )
    signed = next(path for path in packages if path.name.startswith("signed"))
    sign(signed, tmp_path / "gnupg", other / "roles/child/keys/lab.asc")
    repository = make_repository(tmp_path / "far", packages)
    role = other / "roles/child/role.yaml"
    with served(repository) as address:
        text = f"extends: el\nrepositories:\n  - {{name: far, mirror: '{address}', key: lab.asc}}\n"
        role.write_text(f"{text}packages: [signed]\n")
        done = build(site.store, other, Wanted("child", "5.0"), NullMonitor())
        names = [package.name for package in read_rpm_packages(done.folder / "tree")]
        assert {"signed", "gpg-pubkey"} <= set(names)
        assert [path.name for path in (tmp_path / "cache/rpms").rglob("*.rpm")] == [signed.name]  # of the network alone
        role.write_text(f"{text}packages: [unsigned]\n")
        with pytest.raises(ReprovError, match=r"^dnf failed: .*(not signed|GPG check FAILED)"):
            build(site.store, other, Wanted("child", "6.0"), NullMonitor())


def test_a_repository_of_the_network_needs_a_key(site: Site, other: Path) -> None:
    extend(other, "repositories:\n  - {name: far, mirror: 'http://mirror.example/x/'}\n")
    with pytest.raises(InvalidInput, match=r"role.yaml: repository 'far' comes over the network and has no key$"):
        build(site.store, other, Wanted("child", "4.0"), NullMonitor())
