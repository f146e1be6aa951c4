"""The calls that a transaction makes, as we think them out, against those that rpm itself makes."""

import os
import subprocess
from pathlib import Path

import pytest

from reprov.domain.rpm import LUA, parse, query
from reprov.domain.rpm_scripts import Call, calls_of
from reprov.domain.rpm_transaction import Transaction
from tests.rpm_lab import CALLS, DATABASE, Rpm, Section, build_packages, log_body, log_lua, programs

pytestmark = [pytest.mark.commands, pytest.mark.system, pytest.mark.needs("rpm", "rpmbuild", "dnf")]

SHELL = Rpm(
    "shell",
    files={"/bin": "->usr/bin", "/lib": "->usr/lib", "/lib64": "->usr/lib64", **programs("dash"), "/usr/bin/sh": "->dash"},
    tags=("Provides: /bin/sh",),
)

PLAIN = ("pretrans", "pre", "post", "preun", "postun", "posttrans")
TRIGGERS = ("triggerprein", "triggerin", "triggerun", "triggerpostun")
FILE_TRIGGERS = ("filetriggerin", "filetriggerun", "filetriggerpostun")
TRANSACTION_TRIGGERS = ("transfiletriggerin", "transfiletriggerun", "transfiletriggerpostun")


def package(name: str, version: str, *, requires: tuple[str, ...] = ("shell",), lua: bool = False) -> Rpm:
    """A package with every scriptlet, each of which says who it is, and a file below /usr/lib/watched."""
    owner = f"{name}-{version}"
    body, options = (log_lua, f"-p {LUA}") if lua else (log_body, "")
    sections = [Section(kind, body(owner, kind), options) for kind in PLAIN]
    files = {f"/usr/lib/watched/{name}": version, f"/usr/lib/watched/deep/{name}-{version}": version, f"/usr/share/{name}": version}
    return Rpm(name, version, files, tuple(sections), requires)


def watcher(name: str, version: str, targets: str, *, low: bool = False, requires: tuple[str, ...] = ("shell",)) -> Rpm:
    """A package with every kind of trigger."""
    owner = f"{name}-{version}"
    made = package(name, version, requires=requires)
    priority = "-P 100" if low else "-P 200000"
    triggers = [Section(kind, log_body(owner, kind), targets=targets) for kind in TRIGGERS]
    triggers += [Section(kind, log_body(owner, kind), priority, "/usr/lib/watched/ /usr/share") for kind in FILE_TRIGGERS]
    triggers += [Section(kind, log_lua(owner, kind), f"{priority} -p {LUA}", "/usr/lib/watched/deep") for kind in TRANSACTION_TRIGGERS]
    return made._replace(sections=(*made.sections, *triggers))


OLD = (
    SHELL,
    package("base", "1.0"),
    watcher("stays", "1.0", "base, app > 1.5", requires=("base",)),
    watcher("grows", "1.0", "app", low=True, requires=("stays",)),
    package("app", "1.0", requires=("grows",), lua=True),
    watcher("goes", "1.0", "base, grows", requires=("app",)),
)
NEW = (
    SHELL,
    package("base", "1.1"),
    watcher("stays", "1.0", "base, app > 1.5", requires=("base",)),
    watcher("grows", "1.1", "app", low=True, requires=("stays", "base")),
    package("app", "2.0", requires=("grows",), lua=True),
    watcher("comes", "1.0", "app < 3, base", requires=("app",)),
)

# What `rpm -U` with an erasure in the same transaction does; the program has no such option.
TRANSACTION = """
import os, sys, rpm
root, database, *words = sys.argv[1:]
rpm.addMacro("_dbpath", database)
ts = rpm.TransactionSet(root)
ts.setVSFlags(-1)
for word in words:
    if word.startswith("-"):
        ts.addErase(word[1:])
        continue
    fd = os.open(word, os.O_RDONLY)
    ts.addInstall(ts.hdrFromFdno(fd), word, "u")
    os.close(fd)
ts.order()
opened = {}
def callback(reason, amount, total, key, data):
    if reason == rpm.RPMCALLBACK_INST_OPEN_FILE:
        opened[key] = os.open(key, os.O_RDONLY)
        return opened[key]
    if reason == rpm.RPMCALLBACK_INST_CLOSE_FILE:
        os.close(opened.pop(key))
problems = ts.run(callback, "")
assert not problems, problems
"""


def transact(root: Path, *words: Path | str) -> None:
    """Install files and erase names (with a dash before them) with rpm itself."""
    done = subprocess.run(
        ["/usr/bin/python3", "-c", TRANSACTION, root, DATABASE, *(os.fspath(word) for word in words)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "scriptlet failed" not in done.stderr


def database_of(root: Path) -> str:
    tags = subprocess.run(["rpm", "--querytags"], check=True, capture_output=True, text=True).stdout.split()
    argv = ["rpm", "--dbpath", f"{root}{DATABASE}", "-qa", "--queryformat", query(tags)]
    return subprocess.run(argv, check=True, capture_output=True, text=True, env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}).stdout


def said_by(call: Call) -> list[str]:
    """The lines that the scriptlets of the lab write."""
    version = call.package.version.rpartition("-")[0].rpartition(":")[2]
    head = " ".join((f"{call.package.name}-{version}", call.kind, *map(str, call.arguments)))
    return [head, *(f"  {path}" for path in call.paths)]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[Path]]:
    folder = tmp_path_factory.mktemp("rpms")
    return build_packages(folder / "old", OLD), build_packages(folder / "new", NEW)


@pytest.fixture
def root(tmp_path: Path, built: tuple[list[Path], list[Path]]) -> Path:
    """A root in which scriptlets can run, with nothing else in it."""
    folder = tmp_path / "root"
    (folder / "var/log").mkdir(parents=True)
    transact(folder, *(path for path in built[0] if path.name.startswith("shell-")))
    return folder


def compare(root: Path, *words: Path | str) -> None:
    """Let rpm make a transaction, and compare what it called with what we think."""
    before = parse(database_of(root), "before")
    (root / CALLS).write_text("")
    transact(root, *words)
    after = parse(database_of(root), "after")
    expected = (root / CALLS).read_text().splitlines()
    assert [line for call in calls_of(Transaction.between(before, after)) for line in said_by(call)] == expected
    assert expected


def test_the_calls_of_a_first_installation_are_those_of_rpm(root: Path, built: tuple[list[Path], list[Path]]) -> None:
    compare(root, *(path for path in built[0] if not path.name.startswith("shell-")))


def test_the_calls_of_an_upgrade_with_an_erasure_are_those_of_rpm(root: Path, built: tuple[list[Path], list[Path]]) -> None:
    old, new = built
    transact(root, *(path for path in old if not path.name.startswith("shell-")))
    known = {path.name for path in old}
    compare(root, *(path for path in new if path.name not in known), "-goes")
