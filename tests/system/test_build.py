"""Whole builds of a tiny role set from real Debian packages: the parent stays as it is, the child is exact, nothing is left behind."""

import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reprov.adapters.boot_hook import packaged_files
from reprov.adapters.files import scan_tree
from reprov.domain.id_file import parse_id_file
from reprov.domain.ids import NewId
from reprov.domain.manifest import Manifest
from reprov.domain.release import ReleaseId
from reprov.domain.resolved_role import ResolvedRole
from reprov.domain.role import BUILD_EPOCH_S
from reprov.errors import InvalidInput, Refused, ReprovError
from reprov.workflows.build import Built, Wanted, build
from reprov.workflows.publish import built, publish
from tests.heard import Heard

pytestmark = [pytest.mark.commands, pytest.mark.system, pytest.mark.needs("mmdebstrap", "unshare", "nsenter")]

ROLES = {
    "mini/role.yaml": "suite: bookworm\npackages: [iputils-ping, nano, python3-minimal]\nscripts: [furnish]\nexcludes: [base]\n",
    "mini/scripts/furnish": """\
#!/bin/sh -eu
mkdir -p /srv/gone/deep /srv/remade
echo gone > /srv/gone/deep/file
echo old > /srv/remade/old
echo one > /srv/appended
echo two > /srv/first && ln -f /srv/first /srv/second
""",
    "mini/files/etc/motd": "mini\n",
    "child/role.yaml": "extends: mini\npackages: [less, nano-]\nscripts: [change]\nexcludes: [more]\nservices: [x.service]\n",
    "child/scripts/change": """\
#!/bin/sh -eu
rm -r /srv/gone /srv/remade
mkdir /srv/remade
echo new > /srv/remade/new
echo more >> /srv/appended
chmod 0600 /etc/issue
grep -q "^localhost$" /proc/sys/kernel/hostname
! echo x > /proc/sys/kernel/domainname
""",
    "child/files/opt/it.d/tool": "#!/bin/sh\n",
    "dirty/role.yaml": "extends: mini\nscripts: [dirt]\n",
    "dirty/scripts/dirt": "#!/bin/sh -eu\nmkdir -m 0777 /srv/open\nmknod /opt/node c 1 3\ntouch /opt/file && chown 4711:4712 /opt/file\n",
    "broken/role.yaml": "extends: mini\nscripts: [fail]\n",
    "broken/scripts/fail": "#!/bin/sh\necho first\necho 'it does not work' >&2\nexit 3\n",
    "slow/role.yaml": "extends: mini\nscripts: [wait]\n",
    "slow/scripts/wait": "#!/bin/sh -eu\ntouch /srv/reached\nsleep 300\n",
    # The table knows the accounts of memcached and uuid-runtime, but not those of tcpdump and tftpd-hpa.
    "cache/role.yaml": "extends: mini\npackages: [memcached, tcpdump]\n",
    "cache-boot/role.yaml": "extends: cache\npackages: [uuid-runtime, tftpd-hpa]\n",
    "boot/role.yaml": "extends: mini\npackages: [uuid-runtime, tftpd-hpa]\n",
    "boot-cache/role.yaml": "extends: boot\npackages: [tcpdump, memcached]\n",
    "moved/role.yaml": "extends: cache\nscripts: [move]\n",
    "moved/scripts/move": "#!/bin/sh -eu\naddgroup --system late\ngroupmod -g 555 memcache\n",
}


class Site:
    """A store and a library of the tests."""

    def __init__(self, top: Path) -> None:
        self.store = top / "store"
        self.folder = top / "library"
        self.heard = Heard()
        for name, text in ROLES.items():
            path = self.folder / "roles" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o755 if "scripts" in name or name.endswith("tool") else 0o644)

    def build(self, role: str, version: str, from_version: str | None = None) -> Built:
        return build(self.store, self.folder, Wanted(role, version, from_version), self.heard)

    def tree(self, role: str, version: str) -> Path:
        return self.store / "build" / role / version / "tree"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """With `mini 1` built."""
    site = Site(tmp_path_factory.mktemp("site"))
    before = mounts()
    site.build("mini", "1")
    assert mounts() == before
    return site


@pytest.fixture(scope="module")
def mini(site: Site) -> Manifest:
    """What `mini 1` was right after its build."""
    return scan_tree(site.tree("mini", "1"))


@pytest.fixture(scope="module")
def child(site: Site, mini: Manifest) -> Manifest:
    """`child 1`, laid over `mini 1`, which did not change by it."""
    site.build("child", "1")
    return scan_tree(site.tree("child", "1"))


@pytest.fixture(autouse=True)
def nothing_is_left_on_the_machine() -> Iterator[None]:
    """No test may leave a mount."""
    before = mounts()
    yield
    assert mounts() == before


def mounts() -> str:
    return Path("/proc/self/mountinfo").read_text()


def inodes(tree: Path) -> dict[str, int]:
    return {str(path.relative_to(tree)): path.lstat().st_ino for path in tree.rglob("*") if not path.is_dir() or path.is_symlink()}


def test_a_first_tree_is_whole_and_of_no_machine(site: Site, mini: Manifest) -> None:
    entries = mini.entries
    assert entries["usr/bin/nano"].mode == 0o755
    assert entries["etc/motd"].size == 5
    assert [name for name, _ in entries["usr/bin/ping"].xattrs] == ["security.capability"]
    assert entries["usr/bin/perl"].link_group == entries["usr/bin/perl5.36.0"].link_group > 0
    assert entries["etc/machine-id"].size == 0
    absent = ("etc/hostname", "etc/resolv.conf", "etc/apt/sources.list", "usr/sbin/policy-rc.d", "etc/passwd-", "var/log/dpkg.log")
    assert [path for path in absent if path in entries] == []
    empty = ("dev/", "proc/", "sys/", "run/", "tmp/", "var/lib/apt/lists/", "var/cache/apt/archives/")
    assert [path for path in entries if path.startswith(empty)] == []
    of_the_build = ("mmdebstrap", "reprov-build", "overlay")
    assert [path for path in entries if any(name in path for name in of_the_build) and not path.startswith("usr/lib/reprov/")] == []


def test_what_the_build_made_has_the_epoch_and_what_packages_shipped_their_time(mini: Manifest) -> None:
    made = ("", "etc/ld.so.cache", "etc/machine-id", "srv/first", "usr/lib/reprov/reprov/errors.py", "var/lib/dpkg/status", "etc")
    assert {mini.entries[path].mtime_ns for path in made} == {BUILD_EPOCH_S * 10**9}
    assert mini.entries["usr/bin/nano"].mtime_ns != BUILD_EPOCH_S * 10**9
    assert max(entry.mtime_ns for entry in mini.entries.values()) < time.time_ns() - 3600 * 10**9


def test_the_client_is_in_the_tree(site: Site, mini: Manifest) -> None:
    command = mini.entries["usr/sbin/reprov"]
    assert (command.mode, command.uid, command.gid) == (0o755, 0, 0)
    ours = [entry for path, entry in mini.entries.items() if path.startswith("usr/lib/reprov/reprov/") and entry.size]
    assert {(entry.mode, entry.uid, entry.gid) for entry in ours} == {(0o644, 0, 0)}
    modules = {path.removesuffix(".py") for path in mini.entries if path.startswith("usr/lib/reprov/reprov/") and path.endswith(".py")}
    compiled = {path.replace("__pycache__/", "").partition(".")[0] for path in (entry.path for entry in ours) if path.endswith(".pyc")}
    assert compiled == modules, "a verb compiles what it imports, every time"
    python = site.tree("mini", "1") / "usr/lib/reprov/reprov/__pycache__/errors.cpython-311.pyc"
    assert python.read_bytes()[4:8] == b"\3\0\0\0", "not compared by hash"


def test_what_the_client_does_at_boot_is_in_the_tree(site: Site, mini: Manifest) -> None:
    """Also where nothing makes an initramfs: a package that does may come later."""
    for path, content in packaged_files().items():
        entry = mini.entries[path]
        assert (entry.mode, entry.uid, entry.gid) == (0o755 if content.startswith(b"#!") else 0o644, 0, 0), path
        assert (site.tree("mini", "1") / path).read_bytes() == content
    wanted = mini.entries["usr/lib/systemd/system/sysinit.target.wants/reprov-recover.service"]
    assert wanted.target == "../reprov-recover.service"


def test_role_json_says_what_was_built(site: Site, child: Manifest) -> None:
    file = site.store / "build/child/1/role.json"
    role = ResolvedRole.parse(file.read_text(), str(file))
    assert (role.id, role.parent, role.family, role.suite) == (ReleaseId("child", "1"), ReleaseId("mini", "1"), "debian", "bookworm")
    packages = ("iputils-ping", "nano", "python3-minimal", "less", "nano-")
    assert (role.excludes, role.services, role.packages) == (("more", "base"), ("x.service",), packages)
    assert "child 1 is built on mini 1, the newest there is" in site.heard.notes


def test_the_parent_is_the_same_after_the_child_was_built(site: Site, mini: Manifest, child: Manifest) -> None:
    assert scan_tree(site.tree("mini", "1")) == mini


def test_a_child_shares_what_it_did_not_change(site: Site, child: Manifest) -> None:
    above, below = inodes(site.tree("child", "1")), inodes(site.tree("mini", "1"))
    shared = {path for path, inode in above.items() if below.get(path) == inode}
    assert len(shared) > 0.95 * len(below)
    assert {"usr/bin/ping", "usr/bin/perl", "srv/first"} <= shared
    assert not {"srv/appended", "etc/issue", "var/lib/dpkg/status"} & shared


def test_a_child_has_its_changes_and_no_more(site: Site, mini: Manifest, child: Manifest) -> None:
    tree = site.tree("child", "1")
    assert (tree / "srv/appended").read_text() == "one\nmore\n"
    assert [path for path in child.entries if path.startswith("srv/")] == [
        "srv/appended",
        "srv/first",
        "srv/remade",
        "srv/remade/new",
        "srv/second",
    ]
    assert child.entries["etc/issue"].mode == 0o600
    assert child.entries["opt/it.d/tool"].mode == 0o755
    assert "usr/bin/less" in child.entries
    assert not [path for path in child.entries if path == "usr/bin/nano" or path.startswith("usr/share/nano/")]
    assert child.entries["usr/bin/ping"] == mini.entries["usr/bin/ping"]
    assert child.entries["usr/bin/perl"].link_group == child.entries["usr/bin/perl5.36.0"].link_group > 0


def test_no_mark_of_overlayfs_is_in_a_child(site: Site, child: Manifest) -> None:
    tree = site.tree("child", "1")
    marked = [path for path in [tree, *tree.rglob("*")] if any(".overlay." in name for name in os.listxattr(path, follow_symlinks=False))]
    assert marked == []
    assert not [path for path in tree.rglob("*") if stat.S_ISCHR(path.lstat().st_mode)]


def test_a_version_from_a_version_costs_only_what_changed(site: Site, mini: Manifest) -> None:
    (site.folder / "roles/mini/files/etc/motd").write_text("mini, second edition\n")
    site.build("mini", "2", from_version="1")
    above, below = inodes(site.tree("mini", "2")), inodes(site.tree("mini", "1"))
    second = scan_tree(site.tree("mini", "2"))
    differing = {path for path in second.entries.keys() | mini.entries.keys() if second.entries.get(path) != mini.entries.get(path)}
    assert "etc/motd" in differing
    assert sum(1 for path, inode in above.items() if below.get(path) != inode and path not in differing) < 20
    assert len(differing) < 20


def test_the_lint_names_what_a_script_leaves(site: Site, mini: Manifest) -> None:
    site.heard.notes.clear()
    with pytest.raises(ReprovError) as caught:
        site.build("dirty", "1")
    assert caught.value.message == "the tree of dirty 1 has what no tree may have: /opt/file: belongs to group 4712, which the tree's " + (
        "/etc/group does not know, and 3 more"
    )
    assert site.heard.notes[1:] == [
        "/opt/file: belongs to group 4712, which the tree's /etc/group does not know",
        "/opt/file: belongs to user 4711, whom the tree's /etc/passwd does not know",
        "/opt/node: a device node",
        "/srv/open: everybody may write here and remove the files of others (mode 0777)",
    ]
    assert list((site.store / "build/dirty").iterdir()) == []


def test_a_script_that_fails_is_named_and_its_output_kept(site: Site, mini: Manifest) -> None:
    with pytest.raises(ReprovError) as caught:
        site.build("broken", "1")
    script, log = site.folder / "roles/broken/scripts/fail", site.store / "build/.log-broken-1"
    assert caught.value.message == f"{script} failed in the tree: it does not work"
    assert caught.value.hint == f"all that it said is in {log}"
    assert log.read_text() == "first\nit does not work\n"
    assert list((site.store / "build/broken").iterdir()) == []
    assert not list((site.store / "build").glob(".tmp-*"))


def test_a_package_that_does_not_exist_is_named(site: Site, mini: Manifest) -> None:
    folder = site.folder / "roles/typo"
    folder.mkdir(exist_ok=True)
    (folder / "role.yaml").write_text("extends: mini\npackages: [no-such-thing]\n")
    with pytest.raises(ReprovError, match=r"^apt-get failed in the tree: E: Unable to locate package no-such-thing$"):
        site.build("typo", "1")


def test_a_version_is_built_once(site: Site, mini: Manifest) -> None:
    with pytest.raises(Refused, match=r"^mini 1 is built already$"):
        site.build("mini", "1")


def test_an_unknown_version_to_start_from_lists_what_there_is(site: Site, mini: Manifest) -> None:
    with pytest.raises(InvalidInput) as caught:
        site.build("mini", "9", from_version="8")
    assert caught.value.message == f"mini 8 is neither built nor published in {site.store}"
    assert "1" in str(caught.value.hint)


def test_a_killed_build_leaves_nothing_and_the_next_one_cleans_up(site: Site, mini: Manifest) -> None:
    argv = ["build", "slow", "--version", "1", "--store", str(site.store), "--library", str(site.folder)]
    program = "import sys; from reprov.cli.main import main; sys.exit(main(sys.argv[1:]))"
    with subprocess.Popen([sys.executable, "-c", program, *argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        reached = site.store / "build/.tmp-slow-1/upper/srv/reached"
        wait_until(lambda: reached.exists() or process.poll() is not None, 60)
        with pytest.raises(Refused, match=r"^another version of slow is being built in "):
            site.build("slow", "2")
        process.send_signal(signal.SIGKILL)
        process.wait()
    wait_until(lambda: not processes_below(site.store), 10)
    assert str(site.store) not in mounts()
    assert list((site.store / "build/slow").iterdir()) == []
    assert reached.exists()
    (site.folder / "roles/slow/scripts/wait").write_text("#!/bin/sh\n")
    site.build("slow", "1")
    assert not list((site.store / "build").glob(".tmp-*"))
    assert not (site.tree("slow", "1") / "srv/reached").exists()


@pytest.fixture(scope="module")
def both_orders(site: Site, mini: Manifest) -> dict[str, tuple[NewId, ...]]:
    """What each build added to the table: two roles, and on each of them the packages of the other."""
    return {role: site.build(role, "1").role.new_ids for role in ("cache", "boot", "cache-boot", "boot-cache")}


def accounts(tree: Path) -> dict[str, list[str]]:
    return {name: sorted((tree / "etc" / name).read_text().splitlines()) for name in ("passwd", "group")}


def test_accounts_have_the_same_ids_in_whatever_order_their_packages_came(site: Site, both_orders: dict[str, tuple[NewId, ...]]) -> None:
    first, second = (accounts(site.tree(role, "1")) for role in ("cache-boot", "boot-cache"))
    assert first == second
    ids = {line.split(":")[0]: line.split(":")[2:4] for line in first["passwd"]}
    assert (ids["memcache"], ids["uuidd"]) == (["114", "114"], ["102", "108"])
    assert {"tcpdump", "tftp"} <= ids.keys()
    assert [line for name in first for line in first[name] if line.startswith("reprov")] == []


def test_an_account_that_is_made_beforehand_is_the_only_one(site: Site, both_orders: dict[str, tuple[NewId, ...]]) -> None:
    of_cache, of_mini = ({line.split(":")[0] for line in accounts(site.tree(role, "1"))["passwd"]} for role in ("cache", "mini"))
    assert of_cache - of_mini == {"memcache", "tcpdump"}


def test_a_name_that_the_table_does_not_know_is_added_by_the_first_build(site: Site, both_orders: dict[str, tuple[NewId, ...]]) -> None:
    assert {role: {(new.kind, new.name) for new in added} for role, added in both_orders.items()} == {
        "cache": {("user", "tcpdump"), ("group", "tcpdump")},
        "boot": {("user", "tftp"), ("group", "tftp")},
        "cache-boot": set(),
        "boot-cache": set(),
    }
    table = site.store / "ids/debian.yaml"
    added = parse_id_file(table.read_text(), str(table))
    assert set(added.new_ids) == {*both_orders["cache"], *both_orders["boot"]}
    assert added.users["tftp"].home == "/srv/tftp"
    assert f"new in {table}: {', '.join(map(str, both_orders['boot']))}" in site.heard.notes


def test_an_id_that_is_not_the_tables_fails_the_build_and_adds_nothing(site: Site, both_orders: dict[str, tuple[NewId, ...]]) -> None:
    before = (site.store / "ids/debian.yaml").read_text()
    with pytest.raises(ReprovError) as caught:
        site.build("moved", "1")
    assert re.fullmatch(
        r"the accounts of moved 1 are not those of the table: group memcache has id 555 in the tree, and id 114 in .*/ids/debian\.yaml:\d+",
        caught.value.message,
    )
    assert (site.store / "ids/debian.yaml").read_text() == before
    assert list((site.store / "build/moved").iterdir()) == []


def test_a_parent_with_other_ids_is_refused_before_anything_is_made(
    site: Site, both_orders: dict[str, tuple[NewId, ...]], tmp_path: Path
) -> None:
    (tmp_path / "ids").mkdir()
    (tmp_path / "ids/debian.yaml").write_text("groups:\n  memcache: 150\n")
    (tmp_path / "roles").symlink_to(site.folder / "roles")
    with pytest.raises(ReprovError) as caught:
        build(site.store, tmp_path, Wanted("cache-boot", "2"), site.heard)
    assert caught.value.message == (
        "the accounts of cache 1 are not those of the table: "
        f"group memcache has id 114 in the tree, and id 150 in {tmp_path}/ids/debian.yaml:2"
    )


def test_a_published_tree_can_be_built_upon_and_stays_sealed(site: Site, mini: Manifest) -> None:
    folder = site.folder / "roles/sealed"
    (folder / "scripts").mkdir(parents=True)
    (folder / "role.yaml").write_text("extends: mini\nscripts: [equal]\n")
    (folder / "scripts/equal").write_text("#!/bin/sh -eu\nfor name in a b c; do echo same > /srv/$name; done\nln -f /srv/c /srv/d\n")
    site.build("sealed", "1")
    publish(site.store, site.folder, built(site.store, ReleaseId("sealed", "1")), site.heard)
    before = scan_tree(site.store / "trees/sealed/1")
    (folder / "scripts/equal").write_text("#!/bin/sh -eu\necho more >> /srv/a\n")
    site.build("sealed", "2", from_version="1")
    assert scan_tree(site.store / "trees/sealed/1") == before
    after = scan_tree(site.tree("sealed", "2"))
    assert {name: (site.tree("sealed", "2") / "srv" / name).read_text() for name in "abcd"} == {
        "a": "same\nmore\n",
        "b": "same\n",
        "c": "same\n",
        "d": "same\n",
    }
    assert after.entries["srv/b"].link_group == 0
    assert after.entries["srv/c"].link_group == after.entries["srv/d"].link_group > 0
    assert after.entries["usr/bin/ping"] == mini.entries["usr/bin/ping"]


def processes_below(folder: Path) -> list[str]:
    """The processes whose command line or root names the folder."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if int(process.name) != os.getpid() and str(folder) in command + str((process / "root").readlink()):
                found.append(command)
        except OSError:
            continue
    return found


def wait_until(is_true: Callable[[], bool], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
