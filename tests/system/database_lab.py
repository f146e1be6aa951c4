"""Hosts with real servers of databases and Debian's Keystone: each is an overlay of a tree in namespaces of its own, without a network.

Ansible runs on the host itself, with the shipped actions, checks and snippets, and the modules as a generated project has them.
"""

import json
import re
import subprocess
import sysconfig
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from reprov.adapters.library import Library
from reprov.adapters.snippet_files import load_shared_roles
from tests.conftest import Ran

CHECKOUT: Final = Path(__file__).parents[2]
PROGRAMS: Final = ("unshare", "nsenter", "setpriv", "mount", "chroot")
BACKUP: Final = "/var/backups/reprov/may"
KEY: Final = "/etc/reprov/backup.key"

_PATIENCE_S = 120
_ROOT_OF_LAB = "/run/lab"
_ANCHOR = """\
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work,xino=on" overlay "$2/root"
mount -t proc proc "$2/root/proc"
mount --bind /dev "$2/root/dev"
mount -t tmpfs tmpfs "$2/root/run"
mkdir -p "$2/root/run/lab/roles" "$2/root/run/lab/ansible"
mount --bind "$2/roles" "$2/root/run/lab/roles"
mount --bind "$3" "$2/root/run/lab/ansible"
hostname "${2##*/}"
echo ready
exec cat >/dev/null
"""
_PLAYBOOK = "import sys; sys.path.insert(0, '/run/lab/ansible'); from ansible.cli.playbook import main; main()"
"""Not by PYTHONPATH, which the modules and what they start would have, too."""
_KEYSTONE = """\
[database]
connection = mysql+pymysql://keystone:lab@localhost/keystone?unix_socket=/run/mysqld/mysqld.sock
"""
_OLD_SCHEMA = """\
import sys
import keystone.conf
from keystone.common import sql
from keystone.common.sql import upgrades
from migrate.versioning import api
keystone.conf.configure()
keystone.conf.CONF(["--config-file", "/etc/keystone/keystone.conf"], project="keystone")
with sql.session_for_write() as session:
    engine = session.get_bind()
for branch in (upgrades.EXPAND_BRANCH, upgrades.DATA_MIGRATION_BRANCH, upgrades.CONTRACT_BRANCH):
    repository = upgrades._find_migrate_repo(branch)
    api.version_control(engine, repository, upgrades.MIGRATE_INIT_VERSION)
    api.upgrade(engine, repository, int(sys.argv[1]))
"""
"""The schema of an earlier Keystone, by the migrations that the package still has of it."""


class Played(NamedTuple):
    """What a run of Ansible has done."""

    status: int
    changed: int
    said: str


class DatabaseHost:
    """A host, as its root sees it."""

    def __init__(self, root: Path, anchor: int) -> None:
        self.files = Path(f"/proc/{anchor}/root{root}")
        """Its root, as this process reaches it."""
        spaces = {"mount": "mnt", "pid": "pid_for_children", "net": "net", "uts": "uts", "ipc": "ipc"}
        self._enter = (
            *("nsenter", *(f"--{name}=/proc/{anchor}/ns/{space}" for name, space in spaces.items()), "--", "chroot", str(root)),
            *("env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/root"),
        )

    def run(self, *argv: str, given: str = "", fine: bool = True) -> Ran:
        """Run a program to its end; a status that is not 0 fails the test."""
        done = subprocess.run(
            [*self._enter, *argv], input=given, capture_output=True, text=True, errors="surrogateescape", check=False, timeout=600
        )
        assert done.returncode == 0 or not fine, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return Ran(done.returncode, done.stdout, done.stderr)

    def start(self, *argv: str) -> "subprocess.Popen[bytes]":
        """Start a program, which ends with the host."""
        with (self.files / "run/lab/log").open("ab") as said:
            return subprocess.Popen([*self._enter, *argv], stdin=subprocess.DEVNULL, stdout=said, stderr=said)

    def wait(self, *condition: str) -> None:
        """Wait until a program succeeds."""
        end = time.monotonic() + _PATIENCE_S
        while self.run(*condition, fine=False).status:
            assert time.monotonic() < end, (condition, (self.files / "run/lab/log").read_text(errors="replace"))
            time.sleep(0.2)

    def sql(self, statements: str) -> str:
        """What MariaDB answers to root."""
        return self.run("mariadb", "--batch", "--skip-column-names", given=statements).stdout

    def psql(self, statements: str, database: str = "postgres") -> str:
        """What PostgreSQL answers to its owner."""
        return self.run(
            "runuser", "-u", "postgres", "--", "psql", "-XAtq", "-d", database, "-v", "ON_ERROR_STOP=1", given=statements
        ).stdout

    def start_mariadb(self) -> None:
        """Start MariaDB on the data of the package, and wait until it answers."""
        self.run("install", "-d", "-o", "mysql", "/run/mysqld")
        quick = ("--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync", "--innodb-buffer-pool-size=32M")
        self.start("mariadbd", "--user=mysql", "--skip-networking", *quick)
        self.wait("mariadb-admin", "ping")

    def start_postgresql(self) -> None:
        """Start PostgreSQL on the cluster of the package, and wait until it answers."""
        self.run("install", "-d", "-o", "postgres", "/run/postgresql")
        cluster = "/etc/postgresql/15/main/postgresql.conf"
        off = ("listen_addresses=", "ssl=off", "fsync=off", "shared_buffers=16MB", "dynamic_shared_memory_type=mmap")
        settings = [word for setting in off for word in ("-c", setting)]
        program = "/usr/lib/postgresql/15/bin/postgres"
        self.start("runuser", "-u", "postgres", "--", program, "-c", f"config_file={cluster}", *settings)
        self.wait("runuser", "-u", "postgres", "--", "psql", "-d", "postgres", "-c", "SELECT 1")

    def make_keystone(self) -> None:
        """An empty database of Keystone's, and the configuration that names it."""
        self.sql("CREATE DATABASE keystone; GRANT ALL ON keystone.* TO keystone@localhost IDENTIFIED BY 'lab';")
        conf = self.files / "etc/keystone/keystone.conf"
        conf.write_text(_KEYSTONE)

    def make_old_schema(self, version: int) -> None:
        """Give Keystone's database the schema of an earlier release."""
        self.run("python3", "-c", _OLD_SCHEMA, str(version))

    def keystone_version(self) -> str:
        """What Keystone says of its database."""
        return self.run("keystone-manage", "db_version").stdout.strip()

    def dump(self, *names: str) -> str:
        """What MariaDB's own program dumps, byte for byte, without the lines of the day."""
        words = ("--skip-dump-date", "--routines", "--events", "--hex-blob", "--databases")
        return self.run("mariadb-dump", *words, *names).stdout

    def play(self, tasks: Sequence[Mapping[str, Any]], variables: Mapping[str, Any] | None = None, *words: str) -> Played:
        """Play tasks on the host."""
        done = self.run(*self.playing(tasks, variables), *words, fine=False)
        changed = re.search(r"changed=(\d+)", done.stdout)
        return Played(done.status, int(changed[1]) if changed else -1, done.stdout + done.stderr)

    def playing(self, tasks: Sequence[Mapping[str, Any]], variables: Mapping[str, Any] | None = None) -> tuple[str, ...]:
        """The words that play tasks."""
        play = {"hosts": "localhost", "gather_facts": False, "vars": dict(variables or {}), "tasks": list(tasks)}
        (self.files / "run/lab/play.yml").write_text(json.dumps([play]))
        settings = {
            "ANSIBLE_LIBRARY": f"{_ROOT_OF_LAB}/roles/reprov/library",
            "ANSIBLE_MODULE_UTILS": f"{_ROOT_OF_LAB}/roles/reprov/module_utils",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
        }
        environment = [f"{name}={value}" for name, value in settings.items()]
        ansible = ("/usr/bin/python3", "-c", _PLAYBOOK, f"{_ROOT_OF_LAB}/play.yml", "--inventory", "localhost,", "--connection", "local")
        return ("env", *environment, *ansible)

    def copy_to(self, other: "DatabaseHost", *paths: str) -> None:
        """Carry files to another host, as the procedure does with scp."""
        for path in paths:
            place = other.files / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes((self.files / path.lstrip("/")).read_bytes())


def shipped(kind: str, name: str, *only: str) -> tuple[list[Mapping[str, Any]], dict[str, Any]]:
    """The tasks of a shipped action, check or snippet, all of them or those of these names, and the defaults of its variables."""
    file = yaml.safe_load((CHECKOUT / "playbooks" / kind / f"{name}.yaml").read_text())
    tasks = file["tasks"] if kind == "snippets" else file["tasks"]["all"]
    chosen = [task for task in tasks if not only or task["name"] in only]
    assert chosen, only
    return chosen, dict(file.get("defaults", {}))


@contextmanager
def database_host(folder: Path, tree: Path, machine: str) -> Iterator[DatabaseHost]:
    """A host of this tree and machine-id; whatever runs on it ends with the block, or with this process."""
    for name in ("upper", "work", "root", "roles"):
        (folder / name).mkdir(parents=True)
    for path, text in load_shared_roles(Library((CHECKOUT,))).items():
        place = folder / "roles" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    isolated = ("--mount", "--propagation", "private", "--pid", "--fork", "--kill-child=KILL", "--net", "--uts", "--ipc")
    words = (str(tree), str(folder), sysconfig.get_path("purelib"))
    anchor = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "unshare", *isolated, "sh", "-euc", _ANCHOR, "sh", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert anchor.stdin
    assert anchor.stdout
    try:
        assert anchor.stdout.readline() == b"ready\n"
        host = DatabaseHost(folder / "root", anchor.pid)
        (host.files / "etc/machine-id").write_text(f"{machine}\n")
        yield host
    finally:
        anchor.stdin.close()
        anchor.wait()
        anchor.stdout.close()
