"""Package managers of a managed node, with the real apt and dpkg; and packages that were changed by hand."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reprov.adapters.run import environment
from reprov.domain.package_managers import DPKG_HOOK, MANAGERS, Manager, stub_text
from tests.conftest import Ran
from tests.system.filesystems import Filesystems
from tests.system.node import Node, Store
from tests.system.snapshot import difference, snapshot
from tests.system.trees import RealTrees, Tree

pytestmark = [pytest.mark.system, pytest.mark.commands]

Run = Callable[..., Ran]
PEOPLE = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
INSIDE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "chroot")


@pytest.fixture
def root(tmp_path: Path, debian: RealTrees, filesystems: Filesystems) -> Iterator[Path]:
    """A real Debian root to write to."""
    made = filesystems.overlay(debian.new, tmp_path / "root")
    Tree.over(made).device("dev/null", 0o020000, (1, 3), mode=0o666) if not (made / "dev/null").exists() else None
    yield made


def said(root: Path, *words: str, **more: str) -> tuple[int, str]:
    """What a person gets who types this on the node."""
    done = subprocess.run(
        [*INSIDE, os.fspath(root), *words], env={**PEOPLE, **more}, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    return done.returncode, done.stdout + done.stderr


def pkgmngr(run: Run, what: str, root: Path) -> dict[str, tuple[bool, bool]]:
    ran = run("pkgmngr", what, "--root", root, "--json")
    assert ran.status == 0, ran.stderr
    return {item["name"]: (item["active"], item["stopped_by_path"]) for item in json.loads(ran.stdout)}


def test_people_are_kept_from_it_and_reprov_is_not(reprov: Run, root: Path) -> None:
    package = "diffutils"
    before = snapshot(root)
    assert pkgmngr(reprov, "status", root) == dict.fromkeys(("apt", "apt-get", "dpkg"), (True, False))
    assert pkgmngr(reprov, "deactivate", root) == dict.fromkeys(("apt", "apt-get", "dpkg"), (False, True))
    laid = snapshot(root)
    assert pkgmngr(reprov, "deactivate", root) == dict.fromkeys(("apt", "apt-get", "dpkg"), (False, True))
    assert difference(laid, snapshot(root)) == []

    why = (
        "{}: this node is managed by reprov: what is installed by hand is gone with the next upgrade\n"
        "hint: change the role and run 'reprov upgrade'; for a hot fix: reprov pkgmngr activate\n"
    )
    for words in (("apt-get", "-y", "install", "hello"), ("apt", "full-upgrade"), ("dpkg", "--root=/", "-i", "x.deb"), ("apt-get",)):
        assert said(root, *words) == (4, why.format(words[0])), words
    status, text = said(root, "/usr/bin/apt-get", "-y", "remove", "--allow-remove-essential", package)
    assert (status, "dpkg: this node is managed by reprov" in text) == (100, True), text
    status, text = said(root, "/usr/bin/dpkg", "--force-all", "--remove", package)
    assert (status, "dpkg: this node is managed by reprov" in text) == (2, True), text

    assert said(root, "dpkg", "--compare-versions", "1", "lt", "2") == (0, "")
    assert said(root, "dpkg", "-l", package)[0] == 0
    assert said(root, "apt-get", "--version")[0] == 0
    assert said(root, "apt", "policy", package)[0] == 0
    ours = {"REPROV_PKGMNGR": environment()["REPROV_PKGMNGR"]}
    assert said(root, "apt-get", "-y", "--simulate", "--allow-remove-essential", "remove", package, **ours)[0] == 0
    assert said(root, "dpkg", "--configure", "-a", **ours)[0] == 0

    pkgmngr(reprov, "activate", root)
    pkgmngr(reprov, "activate", root)
    # What apt and dpkg write when they are asked, and only they.
    left = [line for line in difference(before, snapshot(root)) if not line.startswith("'var/")]
    assert left == []


def test_what_a_killed_run_has_begun_is_finished_or_taken_away(reprov: Run, root: Path) -> None:
    tree = Tree.over(root)
    tree.file("usr/local/sbin/apt", stub_text(MANAGERS[0]).replace("exit 4", "exit 5"), mode=0o755)
    tree.file("usr/local/sbin/dpkg.reprov-new", "half")
    assert pkgmngr(reprov, "status", root) == {"apt": (False, False), "apt-get": (True, False), "dpkg": (True, False)}
    pkgmngr(reprov, "deactivate", root)
    assert said(root, "apt", "install", "x")[0] == 4
    pkgmngr(reprov, "activate", root)
    assert [path.name for path in (root / "usr/local/sbin").iterdir()] == []
    assert not (root / DPKG_HOOK).exists()


def test_somebody_else_s_files_stay(reprov: Run, root: Path) -> None:
    tree = Tree.over(root).file("usr/local/sbin/dpkg", "#!/bin/sh\nexec /usr/bin/dpkg --admin\n", mode=0o755)
    tree.symlink("usr/local/sbin/apt", "/usr/local/sbin/dpkg")
    before = snapshot(root / "usr/local"), snapshot(root / "etc")
    for why in ("apt is in the way: Too many levels of symbolic links", "dpkg is somebody else's"):
        ran = reprov("pkgmngr", "deactivate", "--root", root)
        assert (ran.status, ran.stderr.splitlines()[0]) == (4, f"reprov: /usr/local/sbin/{why}")
        assert reprov("pkgmngr", "activate", "--root", root).status == 0
        assert (snapshot(root / "usr/local"), snapshot(root / "etc")) == before
        if (root / "usr/local/sbin/apt").is_symlink():
            tree.remove("usr/local/sbin/apt")
            before = snapshot(root / "usr/local"), before[1]


@pytest.mark.parametrize("manager", [item for item in MANAGERS if not item.has_hook], ids=lambda item: item.name)
def test_the_stubs_of_another_family(manager: Manager, tmp_path: Path) -> None:
    """Their programs are not here: an echo takes their place."""
    stub = tmp_path / manager.name
    stub.write_text(stub_text(manager).replace(f"/{manager.real}", "/bin/echo real"))
    stub.chmod(0o755)

    def status(*words: str, **more: str) -> tuple[int, str]:
        done = subprocess.run([stub, *words], env={**PEOPLE, **more}, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    asking, changing = ("-qa", "-U") if manager.name == "rpm" else ("search", "install")
    assert status(asking, "x y") == (0, f"real {asking} x y\n")
    assert status(changing, "x") == (4, "")
    assert status("-y", changing, "list") == (4, "")
    assert status() == (4, "")
    assert status(changing, REPROV_PKGMNGR="active") == (0, f"real {changing}\n")


def test_it_is_no_drift_and_survives_an_upgrade(reprov: Run, node: Node, store: Store, tmp_path: Path) -> None:
    store.library.mkdir()
    (store.library / "excludes").mkdir()
    for kind, text in (
        ("exclude", "/etc/hostname\nlost+found/\n"),
        ("add-only", "- /var/lib/dpkg/\n/var/\n/usr/local/\n"),
        ("merge", "/etc/**\n"),
    ):
        (store.library / f"excludes/base.{kind}").write_text(text)
    for version in ("1.0", "1.1"):
        tree = Tree(tmp_path / version, version).file("usr/bin/dpkg", "real\n", mode=0o755).directory("usr/local/sbin")
        store.publish(tree.directory("etc/dpkg/dpkg.cfg.d"), version)
    assert node.upgrade("1.0").status == 0
    pkgmngr(reprov, "deactivate", node.root)
    assert node.run("verify").status == 0
    assert node.upgrade("1.1").status == 0
    assert pkgmngr(reprov, "status", node.root) == {"dpkg": (False, True)}
    assert node.run("rollback").status == 0
    assert pkgmngr(reprov, "status", node.root) == {"dpkg": (False, True)}


def test_an_upgrade_would_remove_it_where_the_lists_say_so(reprov: Run, node: Node, store: Store, tmp_path: Path) -> None:
    tree = Tree(tmp_path / "1.0").file("usr/bin/dnf", "real\n", mode=0o755).directory("usr/local/sbin")
    store.publish(tree, "1.0")
    assert node.upgrade("1.0").status == 0
    ran = reprov("pkgmngr", "deactivate", "--root", node.root)
    assert (ran.status, ran.stderr) == (
        4,
        "reprov: /usr/local/sbin/dnf would be removed by the next upgrade: the lists of base 1.0 give it to the image\n"
        "hint: name /usr/local/sbin/ in an add-only list of the role\n",
    )


STATUS = "Package: {}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {}\n\n"


def test_hot_fixes_are_reported_and_named_by_the_plan(node: Node, store: Store, tmp_path: Path) -> None:
    releases = {"1.0": {"fixed": "1", "older": "1", "gone": "1"}, "1.1": {"fixed": "1.2", "older": "1", "gone": "1", "late": "2"}}
    for version, packages in releases.items():
        tree = Tree(tmp_path / version, version)
        store.publish(tree.file("var/lib/dpkg/status", "".join(STATUS.format(*item) for item in packages.items())), version)
    assert node.upgrade("1.0").status == 0
    assert json.loads(node.run("verify", "--json").stdout)["packages"] == []
    assert json.loads(node.run("plan", "base", "1.1", "--from", store.folder, "--json").stdout)["hot_fixes"] == []

    by_hand = {"fixed": "1.1", "older": "1.1", "late": "2", "own": "3", "other": "4"}
    tree = Tree.over(node.root)
    tree.file("var/lib/dpkg/status", "".join(STATUS.format(*item) for item in by_hand.items()))
    tree.file("var/lib/dpkg/info/own.list", "/.\n/home\n/home/own\n").file("home/own", "kept\n")
    tree.file("var/lib/dpkg/info/other.list", "/.\n/usr\n/usr/bin\n/usr/bin/other\n").file("usr/bin/other", "gone\n")
    verified = node.run("verify", "--json")
    assert verified.status == 3
    assert {item["name"]: (item["change"], item["before"], item["after"]) for item in json.loads(verified.stdout)["packages"]} == {
        "fixed": ("upgraded", "1", "1.1"),
        "older": ("upgraded", "1", "1.1"),
        "gone": ("removed", "1", ""),
        "late": ("added", "", "2"),
        "own": ("added", "", "3"),
        "other": ("added", "", "4"),
    }
    plan = node.run("plan", "base", "1.1", "--from", store.folder)
    assert [line for line in plan.stdout.splitlines() if "by hand" in line] == [
        "fixed: superseded: 1.1 was installed by hand over 1; the release has 1.2",
        "gone: lost: 1 was removed by hand; the release has 1",
        "late: superseded: 2 was installed by hand; the release has 2",
        "older: lost: 1.1 was installed by hand over 1; the release has 1",
        "other: lost: 4 was installed by hand; the release has none",
        "own: kept: 3 was installed by hand; the release has none",
    ]
