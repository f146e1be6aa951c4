"""Learning on a real Debian tree: nothing to say of a fresh one, everything that an operator did to a copy of it."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Ran
from tests.small_root import make_library, make_root
from tests.system.filesystems import Filesystems
from tests.system.snapshot import difference, snapshot
from tests.system.trees import RealTrees, Tree

pytestmark = [pytest.mark.system, pytest.mark.commands]

Run = Callable[..., Ran]
EXCLUDE = "/etc/hostname\n/home/**\n"
ADD_ONLY = "- /var/lib/dpkg/\n/var/cache/\n/var/log/\n/root/\n/usr/local/\n"
MERGE = "/etc/apt/\n"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Lists of which only /etc/apt is merged, so that there is something to learn."""
    lists = tmp_path / "library/excludes"
    lists.mkdir(parents=True)
    for kind, text in (("exclude", EXCLUDE), ("add-only", ADD_ONLY), ("merge", MERGE)):
        (lists / f"base.{kind}").write_text(text)
    return tmp_path / "library"


@pytest.fixture
def drifted(tmp_path: Path, debian: RealTrees) -> Path:
    """A copy of the real tree on which people, services and Puppet have worked."""
    root = tmp_path / "root"
    subprocess.run(["cp", "-a", debian.old, root], check=True)
    tree = Tree.over(root)
    tree.file("etc/adduser.conf", "# edited\n").remove("etc/deluser.conf")
    tree.file("var/lib/app/db", "x" * 5000).file("var/lib/other/state", "y")
    tree.file("opt/app/bin/app", "#!/bin/sh\n", mode=0o755).file("opt/app/[conf]*", "")
    tree.file("srv/odd\nname\udcff", "")
    tree.file("etc/systemd/system/app.service", "[Service]\nExecStart=/opt/app/bin/app\nStateDirectory=app\n")
    tree.file("etc/ntp.conf", "server ntp\n").file("etc/site/one.conf", "")
    tree.file("var/lib/puppet/state/resources.txt", "file[/etc/ntp.conf]\nfile[/etc/site]\nservice[app]\n")
    tree.file("usr/share/perl5/Debconf/Log.pm", "# patched\n")
    return root


def learned(run: Run, root: Path, *options: object) -> dict[str, Any]:
    ran = run("learn", "--root", root, "--json", *options)
    assert ran.status == 0, ran.stderr
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer


def lines_of(answer: dict[str, Any]) -> dict[str, str]:
    return {item["line"]: item["class"] for item in answer["proposals"] if not item["concern"]}


def test_a_fresh_tree_has_nothing_of_its_own_outside_etc(reprov: Run, debian: RealTrees, library: Path) -> None:
    answer = learned(reprov, debian.old, "--library", library, "--deep")
    assert answer["packages"] > 50
    assert [line for line in lines_of(answer) if not line.startswith(("/etc/", "/var/"))] == []
    edited = [item["line"] for item in answer["proposals"] if item["evidence"] and item["evidence"][0].startswith("packages:")]
    assert edited == []


def test_everything_that_was_done_to_it_is_found(reprov: Run, drifted: Path, debian: RealTrees, library: Path) -> None:
    before = lines_of(learned(reprov, debian.old, "--library", library, "--deep"))
    after = lines_of(learned(reprov, drifted, "--library", library, "--deep"))
    assert {line: owner for line, owner in after.items() if line not in before} == {
        "/etc/deluser.conf": "merge",
        "/etc/ntp.conf": "add-only",
        "/etc/site/": "merge",
        "/etc/systemd/system/app.service": "merge",
        "/opt/app/": "keep",
        "/srv/odd?name?": "keep",
        "/usr/share/perl5/Debconf/Log.pm": "merge",
        "/var/lib/app/": "keep",
        "/var/lib/other/": "keep",
        "merge=text /etc/adduser.conf": "merge",
    }


def test_learning_changes_nothing(reprov: Run, drifted: Path, library: Path) -> None:
    before = snapshot(drifted)
    reprov("learn", "--root", drifted, "--library", library, "--deep", "--all")
    assert difference(before, snapshot(drifted)) == []


def test_a_mount_is_named_with_its_device_and_not_entered(reprov: Run, drifted: Path, library: Path, filesystems: Filesystems) -> None:
    (drifted / "data").mkdir()
    mounted = filesystems.make("ext4", drifted / "data")
    (mounted / "huge").write_bytes(b"")
    answer = learned(reprov, drifted, "--library", library)
    (mount,) = answer["mounts"]
    assert (mount["path"], mount["filesystem"]) == ("/data", "ext4")
    assert mount["device"].startswith("/dev/loop")
    assert [item for item in answer["proposals"] if item["path"].startswith("/data")] == []


def test_without_root_it_says_what_it_could_not_read(reprov: Run) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:  # pytest's own are closed to others
        Path(folder).chmod(0o755)
        library, root = make_library(Path(folder, "library")), make_root(Path(folder, "root"))
        Tree.over(root).file("opt/app/secret").directory("opt/app", mode=0o700)
        reprov("learn", "--root", root, "--library", library)  # imports everything while it may
        os.seteuid(65534)
        try:
            answer = learned(reprov, root, "--library", library)
        finally:
            os.seteuid(0)
    assert answer["unreadable"] == ["/opt/app"]
    assert "/opt/app/" in lines_of(answer)
