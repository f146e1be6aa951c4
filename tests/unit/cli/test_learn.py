"""reprov learn, on a root with a few packages and what grew beside them."""

import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from reprov.adapters import unowned
from reprov.adapters.files import opened_directory
from reprov.adapters.library import Library
from reprov.domain.ownership import Owner, Ownership
from reprov.domain.rules import RuleList
from tests.small_root import make_root, settle

AS_INSTALLED = b"as installed\n"
PRISTINE = hashlib.md5(AS_INSTALLED, usedforsecurity=False).hexdigest()


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only library that there is, so that lists which come with reprov may change."""
    monkeypatch.setattr(Library, "default", classmethod(lambda cls, first: cls((first,))))
    lists = tmp_path / "library/excludes"
    lists.mkdir(parents=True)
    (lists / "base.exclude").write_text("/etc/hostname\n/home/**\n")
    (lists / "base.add-only").write_text("- /var/lib/dpkg/\n/var/log/\n")
    (lists / "ceph.exclude").write_text("/var/lib/ceph/\n")
    return tmp_path / "library"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two packages, an edited configuration file, and an application."""
    folder = make_root(tmp_path / "root")
    files = {
        "etc/dash.conf": b"edited\n",
        "opt/app/bin/app": b"program",
        "opt/app/two words/[x]*": b"",
        "srv/odd\nname": b"",
        "var/lib/ceph/osd/whoami": b"0",
        "var/lib/puppet/state/resources.txt": b"file[/etc/ntp.conf]\n",
        "etc/ntp.conf": b"server ntp\n",
        "etc/site.conf": b"site\n",
        "var/log/app.log": b"log",
        "usr/lib/systemd/system/app.service": b"[Service]\nStateDirectory=app\n",
        "var/lib/app/db": b"12345",
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    status = folder / "var/lib/dpkg/status"
    text = status.read_text().replace("Version: 0.5\n", f"Version: 0.5\nConffiles:\n /etc/dash.conf {PRISTINE}\n", 1)
    status.write_text(text)
    listed = folder / "var/lib/dpkg/info/dash.list"
    units = ("/usr/lib/systemd/system/app.service", "/usr/lib/systemd/system/demo.service", "/usr/bin/ash", "/usr/lib/os-release")
    listed.write_text(listed.read_text() + "\n".join(("/etc/dash.conf", "/etc/os-release", *units, "")))
    settle(folder)
    return folder


RULES = """\
/opt/app/
/srv/odd?name
/var/lib/app/
/var/lib/puppet/
/etc/ntp.conf
merge=text /etc/dash.conf
/etc/site.conf
"""


def rules_of(text: str) -> str:
    return "".join(f"{line}\n" for line in text.splitlines() if line and not line.startswith("#"))


def test_the_rules_and_their_order(reprov: Callable[..., Any], root: Path, library: Path) -> None:
    ran = reprov("learn", "--root", root, "--library", library)
    assert ran.status == 0, ran.stderr
    assert rules_of(ran.stdout) == RULES
    assert [line.split(":")[0] for line in ran.stderr.splitlines()] == ["packages", "changed", "scan", "services"]


def test_every_rule_has_its_reason_above_it(reprov: Callable[..., Any], root: Path, library: Path) -> None:
    text = reprov("learn", "--root", root, "--library", library).stdout
    assert (
        "# No package owns it: data or programs of this node. 1 file, 5 B, newest\n# 2023-11-14.\n"
        "# systemd: StateDirectory= of app.service\n/var/lib/app/\n"
    ) in text
    assert "# packages: not as dash brought it\nmerge=text /etc/dash.conf\n" in text
    assert "# puppet: /var/lib/puppet/state/resources.txt\n/etc/ntp.conf\n" in text
    assert "# ceph: /var/lib/ceph/\n" in text


def test_the_text_has_eighty_columns(reprov: Callable[..., Any], root: Path, library: Path) -> None:
    lines = reprov("learn", "--root", root, "--library", library, "--all").stdout.splitlines()
    assert [line for line in lines if len(line) > 80 and " " in line.removeprefix("#").strip() and str(root.parent) not in line] == []


def test_the_sections_are_lists_that_class_what_they_name(reprov: Callable[..., Any], root: Path, library: Path) -> None:
    text = reprov("learn", "--root", root, "--library", library).stdout
    lists = {section.split(":")[0]: f"####{section}".encode() for section in text.split("#### ")[1:]}
    ownership = Ownership(
        RuleList.parse(lists["exclude"], "exclude"),
        RuleList.parse(lists["add-only"], "add-only", plain_includes=True),
        RuleList.parse(lists["merge"], "merge", plain_includes=True, text_merges=True),
    )
    owners = {"opt/app/x": Owner.KEEP, "srv/odd\nname": Owner.KEEP, "etc/ntp.conf": Owner.ADD_ONLY, "etc/dash.conf": Owner.MERGE}
    assert {path: ownership.of(path, is_dir=False).owner for path in owners} == owners


def test_what_is_classed_already_is_shown_on_request(reprov: Callable[..., Any], root: Path, library: Path) -> None:
    few = reprov("learn", "--root", root, "--library", library).stdout
    every = reprov("learn", "--root", root, "--library", library, "--all").stdout
    assert "# add-only by + /var/log/ (add-only/00-base.add-only:2):\n#   /var/log/app.log  1 file, 3 B, newest 2023-11-14.\n" in every
    assert "/var/log/app.log" not in few
    assert rules_of(every) == rules_of(few)


def test_the_answer_as_data(reprov: Callable[..., Any], root: Path, library: Path) -> None:
    answer = json.loads(reprov("learn", "--root", root, "--library", library, "--json").stdout)
    assert (answer["family"], answer["packages"], answer["lists"]) == ("debian", 2, ["base"])
    found = {item["path"]: item for item in answer["proposals"]}
    assert found["/var/lib/app"] == {
        "path": "/var/lib/app",
        "class": "keep",
        "line": "/var/lib/app/",
        "why": "No package owns it: data or programs of this node.",
        "evidence": ["systemd: StateDirectory= of app.service"],
        "files": 1,
        "size_bytes": 5,
        "newest": "2023-11-14",
        "concern": None,
        "rule": None,
        "place": None,
    }
    assert found["/var/lib/ceph"]["concern"] == "ceph"
    assert found["/srv/odd\\nname"]["line"] == "/srv/odd?name"


def test_a_changed_program_is_found_only_when_every_file_is_read(reprov: Callable[..., Any], root: Path, library: Path) -> None:
    (root / "var/lib/dpkg/info/dash.md5sums").write_text(f"{PRISTINE}  bin/sh\n")
    settle(root)
    words = ("learn", "--root", root, "--library", library)
    assert "/usr/bin/sh" not in rules_of(reprov(*words).stdout)
    assert "/usr/bin/sh\n" in rules_of(reprov(*words, "--deep").stdout)


def test_a_removed_package_s_configuration_is_no_rule(reprov: Callable[..., Any], root: Path, library: Path) -> None:
    status = root / "var/lib/dpkg/status"
    status.write_text(f"{status.read_text()}Conffiles:\n /etc/site.conf {PRISTINE}\n")
    text = reprov("learn", "--root", root, "--library", library).stdout
    assert "#   /etc/site.conf (dpkg: left by gone)\n" in text
    assert "/etc/site.conf\n" not in rules_of(text)


def test_a_root_without_a_package_database_is_said_to_have_none(reprov: Callable[..., Any], tmp_path: Path, library: Path) -> None:
    bare = tmp_path / "bare"
    (bare / "etc").mkdir(parents=True)
    (bare / "etc/os-release").write_text("ID=other\n")
    ran = reprov("learn", "--root", bare, "--library", library)
    assert ran.status == 0
    assert f"note: {bare}: neither dpkg nor rpm has a database here, so every path counts as owned by no package" in ran.stderr
    assert "no package database" in ran.stdout.replace("\n#", "")


def test_what_may_not_be_read_is_said(reprov: Callable[..., Any], root: Path, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, *, dir_fd: int) -> AbstractContextManager[int]:
        if name == "app":
            raise PermissionError(name)
        return opened_directory(name, dir_fd=dir_fd)

    monkeypatch.setattr(unowned, "opened_directory", refuse)
    text = reprov("learn", "--root", root, "--library", library).stdout
    assert "# Could not be looked into: /opt/app, /var/lib/app. Run it as root.\n" in text
    assert "data or programs of this node.\n/opt/app/\n" in text


def test_a_concern_that_is_not_there_is_refused(reprov: Callable[..., Any], root: Path, library: Path) -> None:
    ran = reprov("learn", "--root", root, "--library", library, "--lists", "base,cehp")
    assert ran.status == 2
    assert "cehp.exclude" in ran.stderr


def test_a_directory_that_is_no_root_is_refused(reprov: Callable[..., Any], tmp_path: Path, library: Path) -> None:
    ran = reprov("learn", "--root", tmp_path, "--library", library)
    assert (ran.status, ran.stdout) == (4, "")
