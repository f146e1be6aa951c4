"""What follows a live commit is done by the reprov of the new tree, in a Python of that tree's; the one that has committed only waits.

Of its own interpreter, C library and site-packages nothing is left by then: each release has all of that in a directory of its own.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.conftest import Ran
from tests.system import nspawn_lab
from tests.system.live_lab import NEW, OLD, ROLE, LiveLab, go_back, state_of
from tests.system.nspawn_lab import Booted
from tests.system.service_lab import STORE
from tests.system.trees import Tree

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs(*nspawn_lab.PROGRAMS)]
HOME = "usr/lib/lab/python-{version}"
PYTHON = "/root/python3"
"""Of the node's own: where the reprov of a release finds its Python."""
LIBRARIES = ("libc.so.6", "libm.so.6", "libz.so.1", "libexpat.so.1", "libcrypto.so.3", "libssl.so.3", "libffi.so.8", "libuuid.so.1")
LOADER = "ld-linux-x86-64.so.2"
LAUNCHER = """#!/usr/lib/lab/python3 -IB
import os, sys
sys.path.insert(0, "/usr/lib/reprov")
if os.path.exists("/root/client"):
    exec(open("/root/client").read())
from reprov.cli.main import entry
entry()
"""
"""The command of both releases: does first what a test has written down for it."""
COMMITTING = """\
import json, os, sys
sys.path.insert(0, os.environ["OWN_HOME"] + "/client")
import click
import reprov.workflows.hop_commit as hop_commit
from reprov.cli.main import main
real, known, left = hop_commit.commit, [], []
own = (os.environ["OWN_HOME"], sys.executable, os.__file__, click.__file__, hop_commit.__file__)
def commit(*arguments, **options):
    known.append(set(sys.modules))
    sys.modules["reprov.workflows.hand_over"].ANSWERS_WITHIN_S = int(os.environ["ANSWERS_WITHIN_S"])
    done = real(*arguments, **options)
    left.extend(path for path in own if os.path.exists(path))
    return done
hop_commit.commit = commit
status = main()
print(json.dumps({"loaded since": sorted(set(sys.modules) - known[0]), "left of it": left}))
sys.exit(status)
"""


def give_python(tree: Tree, version: str) -> None:
    """A Python with its C library and site-packages in a directory of the release's own, and a reprov that runs in it."""
    home = tree.at(HOME.format(version=version))
    bulk = shutil.ignore_patterns("__pycache__", "test", "tests", "ensurepip", "idlelib", "lib2to3", "pydoc_data")
    for name in ("python3.11", "python3"):
        shutil.copytree(tree.at(f"usr/lib/{name}"), home / "lib" / name, symlinks=True, ignore=bulk)
    (home / "bin").mkdir()
    shutil.copy2(tree.at("usr/bin/python3.11"), home / "bin/python3.11")
    for name in (*LIBRARIES, LOADER):
        shutil.copy2(tree.at(f"usr/lib/x86_64-linux-gnu/{name}").resolve(), home / "lib" / name)
    shutil.copytree(tree.at("usr/lib/reprov/reprov"), home / "client/reprov")
    tree.symlink("usr/lib/lab/python3", PYTHON)
    tree.file("usr/sbin/reprov", LAUNCHER, mode=0o755)


@pytest.fixture(scope="module")
def booted_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    with LiveLab(tmp_path_factory.mktemp("hand-over"), give_python).node() as node:
        yield node


@pytest.fixture
def node(booted_node: Booted) -> Iterator[Booted]:
    """The node with the old release, of which the test leaves the old or the new one."""
    new = HOME.format(version=NEW)
    booted_node.shell(f"ln -sfn /{new}/bin/python3.11 {PYTHON}")
    yield booted_node
    booted_node.shell("rm -f /root/fragment /root/client /root/said /root/begun /root/let-go")
    go_back(booted_node)


def quarantined(node: Booted) -> list[dict[str, str]]:
    return state_of(node)["quarantined"]  # type: ignore[return-value]


def committing(answers_within_s: int = 120) -> tuple[str, ...]:
    """An upgrade by the reprov of the old release, in its own Python and C library."""
    home = f"/{HOME.format(version=OLD)}"
    own = (f"{home}/lib/{LOADER}", "--library-path", f"{home}/lib", f"{home}/bin/python3.11", "-IB", "-c", COMMITTING)
    words = ("upgrade", ROLE, NEW, "--from", STORE, "--retry")
    return ("/usr/bin/env", f"OWN_HOME={home}", f"ANSWERS_WITHIN_S={answers_within_s}", *own, *words)


def upgraded(node: Booted, *, status: int = 0, answers_within_s: int = 120) -> Ran:
    """Upgrade like that, and see that nothing of the process is left on the disk when it has committed, and that it loads nothing."""
    ran = node.run(*committing(answers_within_s), fine=(status,))
    *lines, last = ran.stdout.splitlines(keepends=True)
    assert json.loads(last) == {"loaded since": [], "left of it": []}
    return Ran(ran.status, "".join(lines), ran.stderr)


def assert_sound(node: Booted, version: str) -> None:
    assert node.shell("cat /usr/lib/lab/version") == version
    assert node.boot_state() == "running"
    assert node.reprov("verify").stdout.endswith(f" paths are as {ROLE} {version} says\n")


def test_the_new_trees_reprov_does_what_follows_and_confirms(node: Booted) -> None:
    node.write("root/client", "open('/root/said', 'a').write(f'{sys.executable} {sys.argv[1:3]}\\n')")
    ran = upgraded(node)
    assert node.shell("cat /root/said") == "/usr/lib/lab/python3 ['confirm', '--handed-over']\n"
    lines = ran.stdout.splitlines()
    assert lines[0].startswith(f"{ROLE} {NEW} is installed: ")
    assert lines[1].startswith("after it: 5 steps in ")
    assert lines[-1] == "1 check passed"
    assert "python" not in ran.stdout, "whoever has committed ends soon, and is no reason for a reboot"
    phases = [name for line in ran.stderr.splitlines() if (name := line.partition(":")[0]) != "note"]
    assert phases[phases.index("commit") :] == ["commit", "finish", "hand-over", "scripts", "native", "services", "checks", "health"]
    assert state_of(node)["state"] == "confirmed"
    assert_sound(node, NEW)


BAD = {
    "its Python is not there": (
        f"ln -sfn /no/such/python {PYTHON}",
        "",
        f"the reprov of {ROLE} {NEW} cannot be started",
    ),
    "it crashes at import": (
        "",
        "sys.modules['click'] = None",
        f"the reprov of {ROLE} {NEW} did not take over: ModuleNotFoundError: import of click halted; None in sys.modules",
    ),
    "it hangs": (
        "",
        "import time; time.sleep(98765)",
        f"the reprov of {ROLE} {NEW} did not take over: it has not answered within 4 s",
    ),
    "it writes another format": (
        "",
        "import reprov.domain.hand_over as known; known.FORMATS = {**known.FORMATS, 'progress': 2}",
        f"the reprov of {ROLE} {NEW} did not take over: progress is written in format 1, and not in 2",
    ),
    "it is killed at work": (
        "",
        "import reprov.workflows.take_over as work; work.go_on = lambda *_: os.kill(os.getpid(), 9)",
        f"the reprov of {ROLE} {NEW} did not end what it had taken over: it said nothing",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_reprov_that_does_not_go_on_costs_the_hop(node: Booted, name: str) -> None:
    before, client, reason = BAD[name]
    node.shell(before or ":")
    node.write("root/client", client)
    ran = upgraded(node, status=5, answers_within_s=4 if name == "it hangs" else 120)
    error, hint = ran.stderr.splitlines()[-2:]
    assert error == f"reprov: {reason}; {ROLE} {OLD} is back"
    assert hint.endswith(f"; `reprov upgrade --retry` tries {ROLE} {NEW} again")
    assert (state_of(node)["state"], [item["reason"] for item in quarantined(node)]) == ("rolled-back", [reason])
    assert node.shell("grep -lz '[9]8765' /proc/[0-9]*/cmdline || true") == ""
    assert_sound(node, OLD)


WAITING = f"case $(cat /usr/lib/lab/version) in {NEW}) touch /root/begun; until [ -e /root/let-go ]; do sleep 0.1; done ;; esac\n"


@contextmanager
def handed_over(node: Booted) -> Iterator["subprocess.Popen[str]"]:
    """An upgrade whose new reprov waits in a script."""
    node.write("root/fragment", WAITING)
    with node.running(*committing()) as process:
        wait_until(lambda: (node.root / "root/begun").exists(), process)
        yield process


def wait_until(is_so: Callable[[], bool], process: "subprocess.Popen[str] | None" = None) -> None:
    until = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < until
        assert process is None or process.poll() is None
        time.sleep(0.1)


def send(node: Booted, name: str) -> None:
    """Send a signal to the process that has committed, and to no other."""
    node.shell(f'for p in /proc/[0-9]*; do case "$(readlink "$p/exe")" in */{LOADER}) kill -{name} "${{p#/proc/}}" ;; esac; done')


def test_whoever_has_committed_may_be_killed(node: Booted) -> None:
    with handed_over(node) as process:
        send(node, "KILL")
        process.wait(60)
        refused = node.reprov("rollback", fine=(4,)).stderr
        assert refused.startswith("reprov: another change of this node is under way: what follows a commit (process ")
        node.write("root/let-go", "")
        wait_until(lambda: state_of(node)["state"] == "confirmed")
    assert_sound(node, NEW)


def test_whoever_has_committed_passes_on_that_it_is_to_stop(node: Booted) -> None:
    with handed_over(node) as process:
        send(node, "TERM")
        assert process.wait(120) == 5
    assert [item["reason"] for item in quarantined(node)] == ["somebody asked reprov to stop while scripts ran"]
    assert_sound(node, OLD)


WATCH = """\
import json
import reprov.workflows.rollback as rollback
real, known, end = rollback.commit, [], os._exit
def commit(*arguments, **options):
    known.append(set(sys.modules))
    return real(*arguments, **options)
def leave(status):
    open("/root/said", "w").write(json.dumps([status, sorted(set(sys.modules) - known[0])]))
    end(status)
rollback.commit, os._exit = commit, leave
"""


def test_the_new_trees_reprov_goes_back_by_itself_with_nothing_loaded_from_the_old_one(node: Booted) -> None:
    node.write("root/client", WATCH)
    node.write("root/fragment", f"case $(cat /usr/lib/lab/version) in {NEW}) echo no >&2; exit 7 ;; esac\n")
    ran = upgraded(node, status=5)
    assert ran.stderr.splitlines()[-2] == f"reprov: 50-site failed with status 7 at line 3: no; {ROLE} {OLD} is back"
    assert json.loads(node.shell("cat /root/said")) == [5, []]
    assert state_of(node)["state"] == "rolled-back"
    assert_sound(node, OLD)
