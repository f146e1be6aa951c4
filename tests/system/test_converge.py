"""Real Puppet, Ansible, serverspec and testinfra on a node's root."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reprov.adapters.commands import Commands, SandboxedCommands
from reprov.domain.check import Outcome
from reprov.domain.convergence import Converged, Effect
from reprov.domain.inventory import Inventory
from reprov.events import Monitor, NullMonitor
from reprov.workflows import converge as workflow
from reprov.workflows.checks import run_checks
from reprov.workflows.guarded import guarded
from reprov.workflows.inventory import take_inventory
from tests.conftest import Ran
from tests.storage_lab import Part, attached, make_image
from tests.system.converge_lab import Node, opened_node, publish

pytestmark = [pytest.mark.system, pytest.mark.commands]

Run = Callable[..., Ran]
COUNTS = "#!/bin/sh\nn=$(cat /root/count 2>/dev/null || echo 0)\necho $((n + 1)) > /root/count\n[ $n -ge {least} ] || exit 1\n"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store with the release."""
    return publish(tmp_path_factory.mktemp("converge"))


@pytest.fixture
def managed(store: Path, tmp_path: Path) -> Iterator[Node]:
    """A node that was installed from the release."""
    with opened_node(store, tmp_path) as opened:
        yield opened


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node that has the same programs, but was installed by somebody else."""
    with opened_node(None, tmp_path) as opened:
        yield opened


def converged(node: Node, **options: Any) -> Converged:
    hook = workflow.hook_of_node(node.root, None)
    assert hook is not None
    return workflow.converge(node.root, hook, NullMonitor(), checks=node.checks, **options)


def rounds(found: Converged) -> list[tuple[int | None, int, Effect, bool | None]]:
    return [(item.step, item.number, item.run.effect, item.checked.is_fine if item.checked else None) for item in found.rounds]


def test_a_role_s_puppet_and_checks(managed: Node, reprov: Run) -> None:
    before = reprov("check", "--root", managed.root, "--json")
    assert before.status == 1
    found = json.loads(before.stdout)["checks"]
    assert [(item["name"], item["kind"], item["outcome"], len(item["cases"])) for item in found] == [
        ("motd", "program", "failed", 0),
        ("test_motd.py", "testinfra", "failed", 1),
        ("specs", "serverspec", "failed", 1),
    ]
    assert found[0]["message"] == "exit status 1: the motd is not configured"

    ran = reprov("converge", "--root", managed.root, "--json")
    assert ran.status == 0, ran.stderr
    answer = json.loads(ran.stdout)
    assert [(item["round"], item["effect"], item["changed"]) for item in answer["rounds"]] == [
        (1, "changed", ["File[/etc/motd]"]),
        (2, "unchanged", []),
    ]
    assert {item["outcome"] for round_ in answer["rounds"] for item in round_["checks"]} == {"passed"}
    assert {"path": "/etc/motd", "drift": "changed", "package": "", "class": "merge", "line": "/etc/motd"} in answer["rewritten"]

    own = managed.root / ".reprov"
    assert json.loads((own / "converge/results.json").read_text()) == answer
    assert "Applied catalog" in (own / "converge/round-2.log").read_text()
    assert json.loads((own / "checks/results.json").read_text())["fine"] is True
    assert (own / "checks/junit.xml").read_text().count("<testsuite ") == 3
    assert not list((own / "releases").rglob("__pycache__")), "a check is a file of the release"

    only = reprov("check", "motd", "--root", managed.root)
    assert (only.status, only.stdout.count("passed")) == (0, 1)
    unknown = reprov("check", "modt", "--root", managed.root)
    assert (unknown.status, unknown.stderr) == (
        2,
        "reprov: site 1.0 has no check 'modt'\nhint: it has motd, test_motd.py, specs\n",
    )


def test_looking_changes_nothing(managed: Node, reprov: Run) -> None:
    before = (managed.root / "etc/motd").read_text()
    ran = reprov("converge", "--check-only", "--root", managed.root)
    assert (ran.status, "would change: File[/etc/motd]" in ran.stdout) == (3, True), ran.stdout + ran.stderr
    assert (managed.root / "etc/motd").read_text() == before


def test_steps_of_puppet_are_reached_one_after_the_other(node: Node) -> None:
    node.puppet("file { \"/etc/step-${facts['reprov_step']}\": content => 'x' }\n", steps=[1, 4])
    node.check("step", '#!/bin/sh\necho "$REPROV_STEP" >> /root/steps\n[ -e /etc/step-$REPROV_STEP ]\n')
    found = converged(node)
    assert rounds(found) == [
        (1, 1, Effect.CHANGED, True),
        (1, 2, Effect.UNCHANGED, True),
        (4, 1, Effect.CHANGED, True),
        (4, 2, Effect.UNCHANGED, True),
    ]
    assert (node.root / "root/steps").read_text() == "1\n1\n4\n4\n"
    assert found.is_fine


def test_a_resource_that_fails_is_named_and_tried_five_times(node: Node) -> None:
    node.puppet("file { '/nowhere/file': content => 'x' }\nexec { '/bin/true': }\n")
    found = converged(node)
    assert [item.run.effect for item in found.rounds] == [Effect.FAILED] * 5
    assert (found.rounds[0].run.failed, found.rounds[0].run.changed) == (("File[/nowhere/file]",), ("Exec[/bin/true]",))
    assert found.problem.startswith(
        "puppet failed: File[/nowhere/file]: /Stage[main]/Main/File[/nowhere/file]/ensure: change from 'absent'"
    )
    assert found.problem.endswith("(after 5 rounds)")


def test_a_manifest_that_does_not_compile(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reprov.domain.convergence.ROUNDS", 1)
    node.puppet("file { '/x': ")
    said = "Could not parse for environment production: Syntax error at end of input (file: /root/site.pp) on node localhost"
    assert converged(node).problem == f"puppet ended with status 1: {said}"


def test_a_puppet_that_hangs_is_ended_and_not_tried_again(node: Node) -> None:
    node.puppet("exec { '/bin/sleep 1000': timeout => 0 }\n", timeout_s=15)
    found = converged(node)
    assert (len(found.rounds), found.problem) == (1, "puppet did not end within 15 s")
    assert not [words for words in _command_lines() if b"sleep\x001000" in words]


def test_an_exec_that_always_changes_is_done_and_named(node: Node) -> None:
    node.puppet("exec { '/bin/true': }\n")
    found = converged(node)
    assert (found.problem, len(found.rounds), found.unsettled) == ("", 2, ("Exec[/bin/true]",))


def test_a_check_that_passes_in_the_second_round(node: Node) -> None:
    node.playbook([])
    node.check("second", COUNTS.format(least=1))
    found = converged(node)
    assert rounds(found) == [(None, 1, Effect.UNCHANGED, False), (None, 2, Effect.UNCHANGED, True)]


def test_a_check_that_never_passes_ends_it_after_five_rounds(node: Node) -> None:
    node.playbook([])
    node.check("never", COUNTS.format(least=9))
    found = converged(node)
    assert (len(found.rounds), found.problem) == (5, "never failed: exit status 1: it said nothing (after 5 rounds)")
    assert (node.root / "root/count").read_text() == "5\n"


def test_what_ansible_changes_and_fails(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reprov.domain.convergence.ROUNDS", 1)
    tasks: list[dict[str, Any]] = [
        {"name": "made", "copy": {"content": "{{ word }}", "dest": "/etc/made"}, "tags": ["a"]},
        {"name": "ignored", "command": "/bin/false", "ignore_errors": True, "tags": ["a"]},
        {"name": "not tagged", "copy": {"content": "x", "dest": "/etc/other"}},
        {"name": "secret", "command": "/bin/echo s3cret", "no_log": True, "tags": ["a"]},
        {"name": "broken", "command": "/bin/sh -c 'echo it broke >&2; exit 3'", "tags": ["a"]},
    ]
    node.playbook(tasks, tags=["a"], vars={"word": 'it\'s "this"'})
    looked = converged(node, looking=True)
    assert (looked.rounds[0].run.changed, (node.root / "etc/made").exists()) == (("made",), False)
    found = converged(node)
    run = found.rounds[0].run
    assert (run.effect, run.changed, run.failed) == (Effect.FAILED, ("made", "secret"), ("broken",))
    assert found.problem == "ansible failed: broken: non-zero return code: it broke"
    assert ((node.root / "etc/made").read_text(), (node.root / "etc/other").exists()) == ('it\'s "this"', False)
    assert not [file for file in (node.root / ".reprov/converge").rglob("*") if file.is_file() and b"s3cret" in file.read_bytes()]


def test_a_playbook_that_git_brings(node: Node) -> None:
    play = [{"hosts": "all", "gather_facts": False, "tasks": [{"name": "pulled", "copy": {"content": "x", "dest": "/etc/pulled"}}]}]
    node.file("srv/plays/site.yml", json.dumps(play))
    author = ("-c", "user.name=x", "-c", "user.email=x@x")
    for words in (("init", "-q"), ("add", "."), (*author, "commit", "-q", "-m", "x")):
        git = ("git", "-C", "/srv/plays", *words)
        assert SandboxedCommands(node.root).run(git, stdout_fd=2, stderr_fd=2, extra_environment={"HOME": "/root"}, timeout_s=60) == 0
    node.hook(pull="file:///srv/plays", ansible="site.yml")
    found = converged(node)
    assert (found.problem, (node.root / "etc/pulled").exists()) == ("", True)
    assert "pulled" in found.rounds[0].run.changed


def test_a_tool_that_is_not_installed(node: Node) -> None:
    node.playbook([])
    (node.root / "usr/bin/ansible-playbook").unlink()
    found = converged(node)
    assert len(found.rounds) == 1
    assert found.problem.startswith("ansible is not installed: ")


def test_checks_that_hang_die_or_cannot_run_are_failures_with_a_name(node: Node) -> None:
    node.check("hangs", "#!/bin/sh\necho still waiting\nsleep 1000\n", timeout_s=2)
    node.check("dies", "#!/bin/sh\necho so far\nkill -9 $$\n")
    node.check("leaves", "#!/bin/sh\nsleep 1000 &\nexit 0\n")
    node.check("no-interpreter", "#!/usr/bin/goss\n")
    node.check("test_broken.py", "import nothing_of_that_name\n")
    node.check("test_empty.py", "")
    node.check("broken_spec.rb", "require 'nothing_of_that_name'\n")
    checked = run_checks(node.root, node.checks, None, NullMonitor())
    found = {result.name: (result.outcome, result.message) for result in checked.results}
    assert found["hangs"] == (Outcome.HUNG, "no answer within 2 s: still waiting")
    assert found["dies"] == (Outcome.ERROR, "killed by signal 9: so far")
    assert found["leaves"] == (Outcome.PASSED, "")
    assert found["no-interpreter"][0] is Outcome.ERROR
    assert found["test_broken.py"][0] is Outcome.FAILED
    assert "nothing_of_that_name" in checked.to_junit()
    assert found["test_empty.py"][0] is not Outcome.PASSED
    assert found["broken_spec.rb"][0] is Outcome.FAILED
    assert not [words for words in _command_lines() if b"sleep\x001000" in words]
    assert not (node.root / ".reprov/checking").exists()


@pytest.mark.needs("sfdisk", "losetup", "partx", "setpriv", "setsid")
def test_what_would_write_to_data_is_stopped_and_not_tried_again(node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on the running system, in a root that has the machine's devices."""
    image = make_image(tmp_path / "disk.img", (Part("ceph-block", "osd-3", 6, osd_id=3),))
    for name, words in {"dev": ("--rbind", "/dev"), "proc": ("-t", "proc", "proc"), "run": ("-t", "tmpfs", "tmpfs")}.items():
        subprocess.run(["mount", *words, str(node.root / name)], check=True)
    try:
        with attached(image) as (loop,):
            before = image.read_bytes()

            @contextmanager
            def under_guard(root: Path, monitor: Monitor) -> Iterator[Commands]:
                disks = [disk for disk in take_inventory(Path("/"), monitor=monitor).disks if disk.path == str(loop)]
                with guarded(Inventory(tuple(disks)), root) as guard:
                    yield guard

            monkeypatch.setattr(workflow, "node_commands", under_guard)
            node.puppet(f"file {{ '/etc/early': content => 'x' }} -> exec {{ '/usr/sbin/mkfs.ext4 -F {loop}p1': }}\n")
            found = converged(node)
            assert image.read_bytes() == before
    finally:
        for name in ("dev", "proc", "run"):
            subprocess.run(["umount", "--recursive", "--lazy", str(node.root / name)], check=True)
    assert (len(found.rounds), (node.root / "etc/early").exists()) == (1, True)
    assert found.problem.startswith(f"mkfs.ext4 was refused on {loop}p1: ")


def _command_lines() -> list[bytes]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found.append((process / "cmdline").read_bytes())
        except OSError:
            continue
    return found
