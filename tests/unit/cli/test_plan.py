"""reprov plan: what it prints of a plan, and what its exit status means."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reprov.domain.commit_time import CommitTime
from reprov.domain.comparison import Blocker
from reprov.domain.data_devices import DataDevices, Proving
from reprov.domain.entry import Entry
from reprov.domain.fences import Fence
from reprov.domain.inventory import DeviceRef, Inventory
from reprov.domain.labels import Labelling
from reprov.domain.ownership import Ownership
from reprov.domain.plan import Plan
from reprov.domain.protected import Protected
from reprov.errors import InvalidInput, Refused
from reprov.workflows import plan as workflow
from tests.builders import a_dir, a_file, a_plan, a_tree, owning

LIVE = a_tree(a_file("usr/bin/a", "1"), a_file("usr/bin/old"), a_file("etc/hostname", "me"), a_dir("opt/d", 0o700))
TARGET = a_tree(a_file("usr/bin/a", "2" * 5000), a_file("usr/new\n", "n"), a_file("etc/hostname"), a_dir("opt/d"))
LISTS = owning(b"/etc/hostname\n")


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch, reprov: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Runs `reprov plan base 1.1` where this plan comes out."""

    def run(found: Plan | Exception, *words: str) -> Any:
        def plan_upgrade(
            *arguments: object, apply_chown: bool, proving: Proving, labelling: Labelling, commit: CommitTime, count_rules: bool
        ) -> Plan:
            assert arguments[0] == tmp_path
            if isinstance(found, Exception):
                raise found
            return found

        monkeypatch.setattr(workflow, "plan_upgrade", plan_upgrade)
        return reprov("plan", "base", "1.1", "--from", "/srv", "--root", tmp_path, *words)

    return run


def the_plan(live: dict[str, Entry] = LIVE, lists: Ownership = LISTS) -> Plan:
    return a_plan(live, TARGET, lists)


def test_a_summary_for_people(planned: Callable[..., Any]) -> None:
    done = planned(the_plan())
    assert (done.status, done.stderr) == (3, "")
    assert (
        done.stdout
        == """\
Upgrade to base 1.1 from base 1.0
  paths      1 create, 1 replace, 1 metadata, 1 delete
  fetch      5.0 kB
  needs      16.8 MB and 70 inodes on /
  commit     now
  exchanges  2
             swap /usr
             swap /opt
BELOW       CHANGE    PATHS
/opt/d      metadata      1
/usr/bin    delete        1
/usr/bin    replace       1
/usr/new\\n  create        1
Kept: 1 path of the node's; --all lists them with their rules
"""
    )


def test_every_path(planned: Callable[..., Any]) -> None:
    done = planned(the_plan(), "--all")
    assert done.stdout.splitlines()[8:] == [
        "CHANGE    PATH          REASON",
        "metadata  /opt/d        mode 0700 becomes 0755",
        "replace   /usr/bin/a    content differs",
        "delete    /usr/bin/old  not in the release",
        "create    /usr/new\\n    new in the release",
        "KEPT           REASON                  RULE",
        "/etc/hostname  keep: the node's stays  k:1",
    ]


def test_json_is_the_plan(planned: Callable[..., Any]) -> None:
    done = planned(the_plan(), "--json")
    assert (done.status, json.loads(done.stdout)) == (3, the_plan().to_fields())


EXPLAINED = {
    "/usr/bin/a": ["replace  /usr/bin/a  content differs"],
    "usr//bin/": ["replace  /usr/bin/a    content differs", "delete   /usr/bin/old  not in the release"],
    "/etc/hostname/below": ["keep    /etc/hostname  keep: the node's stays (k:1)"],
    "/etc": ["keep    /etc/hostname  keep: the node's stays (k:1)"],
}


@pytest.mark.parametrize("path", EXPLAINED)
def test_explaining_a_path_shows_it_and_what_is_below(planned: Callable[..., Any], path: str) -> None:
    done = planned(the_plan(), "--explain", path)
    assert (done.status, done.stdout.splitlines()[1:]) == (3, EXPLAINED[path])


def test_explaining_the_root_shows_everything(planned: Callable[..., Any]) -> None:
    lines = planned(the_plan(), "--explain", "/").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["CHANGE", "metadata", "replace", "delete", "create", "keep"]


@pytest.mark.parametrize("path", ["/usr/lib", "/usr/b"])
def test_nothing_happens_to_another_path(planned: Callable[..., Any], path: str) -> None:
    assert planned(the_plan(), "--explain", path).stdout == f"{path}: nothing would happen to it\n"


def test_nothing_to_do(planned: Callable[..., Any]) -> None:
    done = planned(the_plan(TARGET, owning()))
    assert (done.status, done.stdout) == (
        0,
        "Upgrade to base 1.1 from base 1.0\nNothing to do: the node's content is the release's.\n",
    )


def test_a_node_without_a_release(planned: Callable[..., Any]) -> None:
    done = planned(a_plan({"": a_dir("")}, TARGET, installed=None))
    assert done.stdout.startswith("Upgrade to base 1.1 from a node without a release\n")


@pytest.mark.parametrize("words", [(), ("--all",), ("--json",), ("--explain", "/")], ids=" ".join)
def test_a_plan_that_would_be_refused_says_so_by_its_status(planned: Callable[..., Any], words: tuple[str, ...]) -> None:
    blocked = the_plan().blocked_by([Blocker("usr/mnt", "is a mount", "unmount it")])
    assert planned(blocked, *words).status == 4
    if not words:
        assert planned(blocked).stdout.endswith("refused: /usr/mnt is a mount\nhint: unmount it\n")


def test_a_plan_that_is_empty_and_blocked_is_refused(planned: Callable[..., Any]) -> None:
    assert planned(the_plan(TARGET, owning()).blocked_by([Blocker("", "is another machine", "")])).status == 4


def test_many_exchanges_are_cut_short_unless_asked_for(planned: Callable[..., Any]) -> None:
    many = a_plan({"": a_dir("")}, a_tree(*(a_file(f"f{number:02}") for number in range(20))), installed=None)
    summary, everything = planned(many).stdout, planned(many, "--all").stdout
    assert "  exchanges  20\n             create /f00\n" in summary
    assert "             create /f11\n             ... and 8 more; --all lists them\n" in summary
    assert "... and 8 more rows; --all lists every path\n" in summary
    assert "             create /f19\n" in everything
    assert max(map(len, summary.splitlines())) <= 80


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        pytest.param(InvalidInput("no base 1.1", hint="it has 1.0"), 2, "reprov: no base 1.1\nhint: it has 1.0\n", id="unknown version"),
        pytest.param(Refused("not the root of a node"), 4, "reprov: not the root of a node\n", id="no root"),
    ],
)
def test_an_error_is_a_line_and_a_hint(planned: Callable[..., Any], error: Exception, status: int, message: str) -> None:
    done = planned(error)
    assert (done.status, done.stdout, done.stderr) == (status, "", message)


def test_a_source_that_is_none(reprov: Callable[..., Any], tmp_path: Path) -> None:
    done = reprov("plan", "1.1", "--from", "http://x", "--root", tmp_path)
    assert (done.status, done.stderr.splitlines()[0]) == (2, "reprov: 'http://x' is not a source")


DATA = DataDevices((Protected(DeviceRef("/dev/sdb1"), ("GPT type ceph-block", "osd.3: block")),), Inventory())


def test_what_is_data_and_what_stays_is_said(planned: Callable[..., Any]) -> None:
    fences = (Fence.not_mounted("data", is_wanted=True),)
    done = planned(replace(the_plan(), data=DATA, fences=fences))
    assert done.stdout.splitlines()[-3:] == [
        "/data: is in /etc/fstab, but not mounted: nothing is written there",
        "Data devices: 1, proved before and after:",
        "  /dev/sdb1: GPT type ceph-block; osd.3: block",
    ]
    found = json.loads(planned(replace(the_plan(), data=DATA, fences=fences), "--json").stdout)
    assert found["data"] == {
        "devices": [{"device": "/dev/sdb1", "reasons": ["GPT type ceph-block", "osd.3: block"]}],
        "not_looked": None,
        "problem": None,
    }
    assert [item["path"] for item in found["stays"]] == ["/data"]


def test_what_keeps_data_from_being_proved_is_said(planned: Callable[..., Any]) -> None:
    done = planned(replace(the_plan(), data=DataDevices(problem="blkid: not installed (found a mount at /data)")))
    assert done.stdout.splitlines()[-1] == (
        "Data devices: cannot be proved, so an upgrade would be refused: blkid: not installed (found a mount at /data)"
    )


def test_why_nobody_has_looked_for_data_is_said(planned: Callable[..., Any]) -> None:
    done = planned(replace(the_plan(), data=DataDevices(not_looked="by --prove never")), "--prove", "never")
    assert done.stdout.splitlines()[-1] == "Data devices: not looked at: by --prove never"
