"""What runs after a commit: scripts that work, and scripts that do everything a script should not."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reprov.domain.post_script import PostScript, Work, WorkKind
from reprov.domain.post_script_text import to_text
from reprov.domain.release import ReleaseId
from tests.system.node import Node, Store
from tests.system.script_lab import NEW, OLD, Scripted, running, step

pytestmark = [
    pytest.mark.system,
    pytest.mark.commands,
    pytest.mark.needs("mkfs.ext4", "mount", "rsync", "setpriv", "setsid", "bash", "dash"),
]
FOREVER = "98765"
"""Seconds that a process of a script sleeps: by these it is found if it is still there."""


@pytest.fixture
def scripted(tmp_path: Path, store: Store, node: Node, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    return Scripted(tmp_path, store, node, monkeypatch)


def state_of(node: Node) -> dict[str, object]:
    found: dict[str, object] = json.loads(node.run("status", "--json").stdout)
    return found


def test_scripts_run_one_after_the_other_and_the_node_is_confirmed(scripted: Scripted) -> None:
    node = scripted.node
    scripted.give(
        step("one", "#!/bin/sh\necho one says $1 $2 as $NAME in $PWD\necho one > /var/lib/order\n", environment=(("NAME", "me"),)),
        step("two", "#!/bin/sh\ncat >> /var/lib/order\n", stdin="two\n"),
    )
    ran = node.upgrade(NEW)
    assert ran.status == 0, ran.stderr
    assert "after it: 2 steps in " in ran.stdout
    assert (node.root / "var/lib/order").read_text() == "one\ntwo\n"
    assert scripted.log(1, "one.postinst") == "one says configure 1.0 as me in /\n"
    assert state_of(node)["state"] == "confirmed"
    assert node.leftovers() == []


def test_what_fails_names_package_script_and_line_and_the_node_is_as_it_was(scripted: Scripted) -> None:
    node = scripted.node
    before = node.snapshot()
    body = "#!/bin/sh\nset -e\nmend() {\n  echo about to mend\n  ls /no/such/place\n}\n"
    body += "echo more > /usr/share/more\nrm /usr/share/what\nmend\n"
    scripted.give(step("one", "echo changed > /etc/released\necho new > /etc/made\nln -s x /etc/link\n"), step("two", body))
    ran = node.upgrade(NEW)
    assert ran.status == 5, ran.stderr
    reason = "two.postinst (two 2.0-1) failed with status 2 at line 5: ls: cannot access '/no/such/place': No such file or directory"
    log = node.root / ".reprov/post/002-two.postinst.log"
    *_, error, hint = ran.stderr.splitlines()
    assert error == f"reprov: {reason}; base 1.0 is back"
    assert hint == f"hint: {log} has what it said; `reprov upgrade --retry` tries base 1.1 again"
    assert log.read_text().startswith("about to mend\n")
    assert node.changed_since(before, directory_times=False) == []
    assert node.leftovers() == []
    found = state_of(node)
    assert (found["state"], found["installed"], found["interrupted"]) == ("rolled-back", "base 1.0", False)
    again = node.upgrade(NEW)
    assert again.status == 4
    assert again.stderr.splitlines()[0].endswith(f": {reason}")
    assert again.stderr.startswith("reprov: base 1.1 is in quarantine on this node since ")
    scripted.give(step("one", "exit 0"))
    assert node.upgrade(NEW, "--retry").status == 0
    assert state_of(node)["quarantined"] == []


BAD = {
    "it hangs": ("sleep 98765\n", "was stopped at line 1: it did not end within 1 s"),
    "it kills its parent": ("kill -9 $PPID\nsleep 98765\n", "was ended by signal 9"),
    "it reboots": ("reboot -f || :\n", "wanted to end the system by 'reboot -f'"),
    "it reboots by systemctl": ("systemctl --no-block reboot || :\n", "wanted to end the system by 'systemctl --no-block reboot'"),
    "it removes who the node is": ("rm /etc/hostname\n", "/etc/hostname is the node's and has been taken away"),
    "it gives the node another machine-id": ("echo 11 > /etc/machine-id\n", "/etc/machine-id: is not the one that the node had"),
    "it removes a kept file": ("rm /opt/vendor/a.key\n", "/opt/vendor/a.key is the node's and has been taken away"),
    "it writes to reprov's own directory": ("echo > /.reprov/state.json\n", "failed with status 1 at line 1: "),
    "it removes reprov's own directory": ("rm -rf /.reprov\n", "rm: cannot remove '/.reprov': Device or resource busy"),
    "it has a syntax error": ("if true; then\n", "failed with status 2"),
    "it is no shell script": ("", "failed with status"),
}


@pytest.mark.parametrize("name", BAD)
def test_no_script_can_do_harm_that_outlives_the_rollback(scripted: Scripted, name: str) -> None:
    node = scripted.node
    body, reason = BAD[name]
    node.write("opt/vendor/a.key", "secret\n", mode=0o600)
    before = node.snapshot()
    interpreter = ("/bin/sh", "-e") if body else ("/bin/no-such-shell",)
    scripted.give(step("bad", body, timeout_s=1 if "hangs" in name else 60, interpreter=interpreter))
    ran = node.upgrade(NEW)
    assert ran.status == 5, ran.stderr
    assert reason in ran.stderr
    assert node.changed_since(before, directory_times=False) == []
    assert node.leftovers() == []
    assert running(FOREVER) == []


def test_a_fork_bomb_is_stopped(scripted: Scripted) -> None:
    scripted.give(step("bad", "#!/bin/sh\nwhile :; do sleep 98765 & done\n"))
    ran = scripted.node.upgrade(NEW)
    assert ran.status == 5, ran.stderr
    assert "it had more than 4096 processes at a time" in ran.stderr
    assert running(FOREVER) == []


def test_a_full_disk_costs_the_hop_and_not_the_way_back(scripted: Scripted) -> None:
    node = scripted.node
    before = node.snapshot()
    scripted.give(step("bad", "#!/bin/sh\nset -e\ncat /dev/zero > /usr/share/big\n"))
    ran = node.upgrade(NEW)
    assert ran.status == 5, ran.stderr
    reason = "bad.postinst (bad 2.0-1) failed with status 1 at line 3: cat: write error: No space left on device; base 1.0 is back"
    assert f"reprov: {reason}\n" in ran.stderr
    assert node.changed_since(before, directory_times=False) == []


def test_a_daemon_that_a_script_leaves_behind_is_ended(scripted: Scripted) -> None:
    scripted.give(step("one", "#!/bin/sh\nsetsid sh -c 'echo begun > /var/lib/daemon; sleep 98765' > /dev/null 2>&1 &\nsleep 0.3\n"))
    assert scripted.node.upgrade(NEW).status == 0
    assert (scripted.node.root / "var/lib/daemon").exists()
    assert running(FOREVER) == []


def test_status_100_asks_for_a_reboot(scripted: Scripted) -> None:
    node = scripted.node
    scripted.give(step("one", "exit 100"), step("two", "exit 0"))
    ran = node.upgrade(NEW)
    assert ran.status == 100, ran.stderr
    assert ran.stdout.endswith("reboot wanted: one.postinst asked for it\n")
    found = state_of(node)
    assert (found["state"], found["reboot"]) == ("confirmed", ["one.postinst asked for it"])
    assert json.loads(node.run("history", "--json").stdout)[-1]["reboot"] == ["one.postinst asked for it"]


def test_the_way_back_ends_what_a_reboot_was_asked_for(scripted: Scripted) -> None:
    node = scripted.node
    scripted.give(step("one", "exit 100"))
    assert node.upgrade(NEW).status == 100
    assert node.run("rollback").status == 0
    assert state_of(node)["reboot"] == []


def test_services_are_not_touched_and_work_is_done_once_at_the_end(scripted: Scripted) -> None:
    node = scripted.node
    ask = "ldconfig\nsystemctl daemon-reload\nsystemctl restart site\ninvoke-rc.d site reload\n"
    ask += "systemctl --now enable site\n/usr/sbin/ldconfig -p\n"
    scripted.give(step("one", ask), step("two", "ldconfig\nupdate-ca-certificates --fresh\n"))
    assert node.upgrade(NEW).status == 0
    ran = (node.root / "var/lib/ran").read_text().splitlines()
    assert ran == ["systemctl enable site", "ldconfig -p", "ldconfig ", "update-ca-certificates "]
    lines = [json.loads(line) for line in (node.root / ".reprov/post/progress").read_text().splitlines()]
    facts = [["site.service", "restart", "one"], ["site.service", "reload", "one"], ["site.service", "start", "one"]]
    assert lines[1]["services"] == facts
    assert [line.get("script") for line in lines[1:-1]] == ["one.postinst", "two.postinst", "ldconfig", "update-ca-certificates"]


def test_work_that_is_known_beforehand_needs_no_script(scripted: Scripted) -> None:
    scripted.give(works=(Work(WorkKind.LDCONFIG, "libz"), Work(WorkKind.INITRAMFS, "no kernel here")))
    assert scripted.node.upgrade(NEW).status == 0
    assert (scripted.node.root / "var/lib/ran").read_text() == "ldconfig \n"


def test_work_that_fails_fails_the_hop(scripted: Scripted) -> None:
    body = "printf '#!/bin/sh\\necho no\\nexit 3\\n' > /usr/sbin/new\nchmod 755 /usr/sbin/new\nmv /usr/sbin/new /usr/sbin/update-ca-trust\n"
    scripted.give(step("one", body), works=(Work(WorkKind.CA_CERTIFICATES, "ca-certificates"),))
    ran = scripted.node.upgrade(NEW)
    assert ran.status == 5, ran.stderr
    assert "reprov: update-ca-trust failed with status 3 at line 1: no; base 1.0 is back" in ran.stderr


def test_without_post_the_node_stays_committed(scripted: Scripted) -> None:
    node = scripted.node
    scripted.give(step("one", "exit 1"))
    assert node.upgrade(NEW, "--no-post").status == 0
    assert (state_of(node)["state"], state_of(node)["interrupted"]) == ("committed", False)
    assert node.run("recover").stdout == "nothing to do\n"


def killed_in(node: Node, mark: str) -> None:
    """Upgrade in a process of its own, which dies as soon as a script has made this path."""
    with subprocess.Popen([sys.executable, "-c", _UPGRADE, *node.upgrade_words(NEW)], stderr=subprocess.PIPE) as process:
        wait_for(node.root / mark, process)
        process.kill()
        process.wait()


def wait_for(path: Path, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < until
        time.sleep(0.02)


_UPGRADE = """\
import os, sys
from reprov.cli.main import main
import reprov.workflows.post_scripts as post_scripts
from reprov.domain.post_script_text import parse
post_scripts.post_script_of = lambda root, ready, volumes: parse(open(os.environ["POST_SCRIPT"]).read(), "the test's")
sys.exit(main())
"""
LONG = f"#!/bin/sh\necho again >> /var/lib/long\n[ -e /var/lib/let-go ] || sleep {FOREVER}\n"


@pytest.fixture
def interrupted(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """A hop whose second script never ends unless it is let go."""
    steps = [step("first", "echo again >> /var/lib/first\nsystemctl restart site\n"), step("long", LONG), step("last", "exit 100")]
    scripted.give(*steps)
    file = scripted.folder / "post-script"
    file.write_text(to_text(PostScript(ReleaseId("base", OLD), ReleaseId("base", NEW), tuple(steps))))
    monkeypatch.setenv("POST_SCRIPT", str(file))
    return scripted


@pytest.mark.parametrize(
    "words",
    [("recover",), ("upgrade", "base", NEW, "--from", ""), ("confirm", "--at-boot")],
    ids=["recover", "upgrade", "the service that runs after a boot"],
)
def test_what_was_killed_goes_on_with_the_step_that_was_not_finished(interrupted: Scripted, words: tuple[str, ...]) -> None:
    node = interrupted.node
    killed_in(node, "var/lib/long")
    until = time.monotonic() + 10
    while running(FOREVER) and time.monotonic() < until:
        time.sleep(0.05)
    assert running(FOREVER) == [], "what a script started outlived reprov"
    found = state_of(node)
    assert (found["state"], found["interrupted"]) == ("committed", True)
    assert found["steps"] == {"done": 1, "total": 3, "end": None}
    node.write("var/lib/let-go")
    verb, *others = words
    ran = node.run(verb, *(word or node.store.folder for word in others))
    assert ran.status == 0, ran.stderr
    assert (node.root / "var/lib/first").read_text() == "again\n"
    assert (node.root / "var/lib/long").read_text() == "again\nagain\n"
    assert (state_of(node)["state"], state_of(node)["reboot"]) == ("confirmed", ["last.postinst asked for it"])
    assert node.run("recover").stdout == "nothing to do\n"
    assert node.leftovers() == []


_KILLED_BEFORE_ITS_JOURNAL = """\
import os, signal, sys
from reprov.adapters.node_state import NodeState
from reprov.cli.main import main
NodeState.write_journal = lambda self, journal: os.kill(os.getpid(), signal.SIGKILL)
sys.exit(main())
"""


def test_a_commit_that_was_cut_off_before_its_journal_is_given_up_at_the_next_boot(scripted: Scripted) -> None:
    node = scripted.node
    before = node.snapshot()
    subprocess.run([sys.executable, "-c", _KILLED_BEFORE_ITS_JOURNAL, *node.upgrade_words(NEW)], capture_output=True, check=False)
    assert (state_of(node)["state"], state_of(node)["interrupted"]) == ("committing", True)
    ran = node.run("confirm", "--at-boot")
    assert ran.stdout == "cleaned up after a run that ended while committing; the node is as it was before it\n", ran.stderr
    assert (state_of(node)["state"], state_of(node)["interrupted"]) == ("confirmed", False)
    assert node.changed_since(before, directory_times=False) == []
    assert node.leftovers() == []
    assert node.run("confirm", "--at-boot").stdout == "nothing to do\n"


def test_after_a_power_cut_the_scripts_that_were_not_on_the_disk_run_again(interrupted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    node = interrupted.node
    killed_in(node, "var/lib/long")
    node.write("var/lib/let-go")
    monkeypatch.setattr("reprov.workflows.after_commit.boot_id", lambda: "another one")
    ran = node.run("recover")
    assert ran.status == 0, ran.stderr
    assert (node.root / "var/lib/first").read_text() == "again\nagain\n"


def test_an_interrupted_hop_can_be_rolled_back_instead(interrupted: Scripted) -> None:
    node = interrupted.node
    killed_in(node, "var/lib/long")
    node.rollback()
    assert (state_of(node)["state"], state_of(node)["interrupted"]) == ("rolled-back", False)
    assert node.run("recover").stdout == "nothing to do\n"
    assert (node.root / "var/lib/long").read_text() == "again\n"


def test_what_fails_when_it_is_taken_up_again_rolls_back(interrupted: Scripted) -> None:
    node = interrupted.node
    killed_in(node, "var/lib/long")
    (node.root / "var/lib/first").unlink()
    (node.root / "usr/bin/sleep").unlink()
    node.write("usr/bin/sleep", "#!/bin/sh\necho no sleep >&2\nexit 9\n", mode=0o755)
    ran = node.run("recover")
    assert ran.status == 5, ran.stderr
    assert "long.postinst (long 2.0-1) failed with status 9 at line 3: no sleep; base 1.0 is back" in ran.stderr
    assert state_of(node)["installed"] == "base 1.0"
    assert not (node.root / "var/lib/first").exists(), "a step that was done has run again"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["interrupt", "terminate"])
def test_whoever_asks_to_stop_gets_the_old_tree_back(interrupted: Scripted, number: signal.Signals) -> None:
    node = interrupted.node
    before = node.snapshot()
    with subprocess.Popen([sys.executable, "-c", _UPGRADE, *node.upgrade_words(NEW)], stderr=subprocess.PIPE) as process:
        wait_for(node.root / "var/lib/long", process)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 5, said
    assert b"reprov: somebody asked reprov to stop while scripts ran; base 1.0 is back\n" in said
    for name in ("first", "long"):
        (node.root / "var/lib" / name).unlink()
    assert node.changed_since(before, directory_times=False) == []
    assert running(FOREVER) == []


def test_nothing_is_loaded_after_the_commit(interrupted: Scripted) -> None:
    """What would be imported then could come from the tree that has just been exchanged."""
    node = interrupted.node
    node.write("var/lib/let-go")
    program = _UPGRADE.replace("sys.exit(main())", _WATCH_IMPORTS)
    done = subprocess.run([sys.executable, "-c", program, *node.upgrade_words(NEW)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (100, "loaded since: []"), done.stderr


_WATCH_IMPORTS = """\
import reprov.workflows.hop_commit as hop_commit
real, known = hop_commit.commit, []
def commit(*arguments, **options):
    known.append(set(sys.modules))
    return real(*arguments, **options)
hop_commit.commit = commit
status = main()
print("loaded since:", sorted(set(sys.modules) - known[0]))
sys.exit(status)
"""
