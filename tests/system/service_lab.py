"""A booted node with services of every kind that an exchange of trees concerns, and two releases of it."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from reprov.adapters.lay import install_client
from tests.system.node import Run, Store
from tests.system.nspawn_lab import LAB, Booted, booted
from tests.system.trees import Tree, service_trees

OLD, NEW = "1.0", "1.1"
STORE: Final = f"{LAB}/store"
_LISTS = "base,identity,network,ssh,logs-and-caches"
_LIBRARY = Path(__file__).parents[2]
_BULK: Final = ("usr/share/doc", "usr/share/locale", "usr/share/man", "usr/share/i18n", "usr/share/zoneinfo", "var/cache", "var/lib/apt")
"""What nothing here looks at."""
_IMAGE_BYTES = 2000 << 20
_UNITS: Final = {
    # What of the sandbox a service sees is told by a file that it writes once it has started.
    "sandboxed": "ProtectSystem=full\nReadWritePaths=/var/tmp",
    "strict": "ProtectSystem=strict\nReadWritePaths=/etc/rw /var/tmp",
    "secret": "InaccessiblePaths=/etc/secret",
    "bound": "BindPaths=/etc/rw:/srv/rw",
    "plain": "",
    "homely": "WorkingDirectory=/opt/app",
}
SANDBOXED: Final = ("sandboxed", "strict", "secret", "bound")
_SOCKETS: Final = ("busy", "idle")
"""Services behind sockets: of the one both run, of the other the socket alone."""
_SOCKET = "[Socket]\nListenStream=/run/{name}-{version}\n"
_UNIT = "[Unit]\nDescription={version}\n[Service]\nExecStart={program} infinity\n{settings}\n[Install]\nWantedBy=multi-user.target\n"

_DRIVER = """\
import json, sys
from pathlib import Path
from reprov.cli.settled_text import settled_json
from reprov.domain.commit_time import CommitTime
from reprov.domain.comparison import Action
from reprov.domain.data_devices import Proving
from reprov.domain.post_script import ServiceFact
from reprov.domain.source import Source
from reprov.errors import ReprovError
from reprov.events import NullMonitor
from reprov.workflows.rollback import rollback
from reprov.workflows.services import settle_services
from reprov.workflows.upgrade import upgrade
verb, source, version, facts = sys.argv[1], sys.argv[2], sys.argv[3], [ServiceFact(*fact) for fact in json.loads(sys.argv[4])]
root, monitor, changed = Path("/"), NullMonitor(), frozenset()
try:
    if verb == "upgrade":
        options = {"stage_only": False, "no_post": True, "proving": Proving.NEVER, "commit": CommitTime.LIVE}
        done = upgrade(root, Source.parse(source), "base", version, **options, monitor=monitor)
        changed = {change.path for change in done.plan.comparison.changes if change.action is not Action.METADATA}
    elif verb == "rollback":
        settled = rollback(root, accept_changed=False, proving=Proving.NEVER, commit=CommitTime.LIVE, monitor=monitor).settled
        print(json.dumps(settled_json(settled)))
        sys.exit()
except ReprovError as error:
    print(json.dumps({"refused": error.message, "hint": error.hint}))
    sys.exit(error.exit_code)
print(json.dumps(settled_json(settle_services(root, facts, changed, monitor))))
"""


def make_release(folder: Path, version: str) -> Path:
    """The tree of a release: systemd and what it runs are the same in both, some services of the lab are not."""
    skipped = [f"--exclude=/{path}/*" for path in _BULK]
    subprocess.run(["rsync", "--archive", "--hard-links", *skipped, f"{service_trees().new}/", str(folder)], check=True)
    tree = Tree.over(folder)
    install_client(folder)  # the tree has that of the day when it was built
    program = (folder / "usr/bin/sleep").read_bytes()
    tree.file("usr/lib/lab/same", program, mode=0o755).file("usr/lib/lab/daemon", program + version.encode(), mode=0o755)
    tree.file("usr/lib/lab/version", version).file("etc/secret/key", "secret").directory("etc/rw").directory("etc/quiet")
    tree.file("etc/rw/file", "x").file("opt/app/data", version).file("etc/lab.conf", version).directory("srv/rw")
    for name, settings in _UNITS.items():
        _unit(tree, name, "", "/usr/lib/lab/same", settings)
    _unit(tree, "daemon", "", "/usr/lib/lab/daemon", "")
    _unit(tree, "edited", version, "/usr/lib/lab/same", "")
    for name in _SOCKETS:
        _unit(tree, name, "", "/usr/lib/lab/same", "", is_started=name == "busy")
        tree.file(f"usr/lib/systemd/system/{name}.socket", _SOCKET.format(name=name, version=version))
        tree.symlink(f"etc/systemd/system/sockets.target.wants/{name}.socket", f"/usr/lib/systemd/system/{name}.socket")
    return folder


def _unit(tree: Tree, name: str, version: str, program: str, settings: str, *, is_started: bool = True) -> None:
    tree.file(f"usr/lib/systemd/system/{name}.service", _UNIT.format(version=version, program=program, settings=settings))
    if is_started:
        tree.symlink(f"etc/systemd/system/multi-user.target.wants/{name}.service", f"/usr/lib/systemd/system/{name}.service")


class ServiceLab:
    """The releases, and the disk of a node that has the old one; every node is a copy of it."""

    def __init__(self, folder: Path, run: Run) -> None:
        self.folder = folder
        self.store = Store(folder / "store", run)
        self.store.library = _LIBRARY
        for version in (OLD, NEW):
            self.store.publish(make_release(folder / version, version), version, "base", "--lists", _LISTS)
            shutil.rmtree(folder / version)
        self.image = folder / "node.ext4"
        with self.image.open("wb") as file:
            file.truncate(_IMAGE_BYTES)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(self.image)], check=True)
        with mounted(self.image, folder / "root") as root:
            ran = run("upgrade", "base", OLD, "--from", self.store.folder, "--root", root)
            assert ran.status == 0, ran.stderr
            subprocess.run(["ssh-keygen", "-q", "-A", "-f", str(root)], check=True)

    @contextmanager
    def node(self, folder: Path) -> Iterator["ServiceNode"]:
        """A booted copy."""
        image = folder / "node.ext4"
        subprocess.run(["cp", "--sparse=always", str(self.image), str(image)], check=True)
        with mounted(image, folder / "node") as root, booted(root, binds={STORE: self.store.folder}) as node:
            yield ServiceNode(node)
        image.unlink()


@contextmanager
def mounted(image: Path, point: Path) -> Iterator[Path]:
    """A disk image, mounted on a new directory."""
    point.mkdir()
    subprocess.run(["mount", "-o", "loop", str(image), str(point)], check=True)
    try:
        yield point
    finally:
        subprocess.run(["umount", str(point)], check=True)


class ServiceNode:
    """The node, and what happens to its services."""

    def __init__(self, node: Booted) -> None:
        self.node = node

    def upgrade(self, *facts: tuple[str, str, str], version: str = NEW, status: int = 0) -> dict[str, Any]:
        """Upgrade live and settle the services; what was done, as JSON has it."""
        return self._drive("upgrade", version, facts, status)

    def rollback(self, *, status: int = 0) -> dict[str, Any]:
        """Go back live and settle the services."""
        return self._drive("rollback", "-", (), status)

    def settle(self, *facts: tuple[str, str, str]) -> dict[str, Any]:
        """Settle the services, when nothing has changed."""
        return self._drive("settle", "-", facts, 0)

    def _drive(self, verb: str, version: str, facts: tuple[tuple[str, str, str], ...], status: int) -> dict[str, Any]:
        ran = self.node.run("/usr/bin/python3", "-c", _DRIVER, verb, STORE, version, json.dumps(facts), fine=(status,))
        said: dict[str, Any] = json.loads(ran.stdout)
        return said

    def pids(self) -> dict[str, int]:
        """The main process of every service of the lab."""
        return {name: self.node.main_pid(f"{name}.service") for name in (*_UNITS, "daemon", "edited")}

    def inside(self, name: str, script: str, *, fine: tuple[int, ...] = (0,)) -> str:
        """What a script says in the mount namespace of a service."""
        pid = str(self.node.main_pid(f"{name}.service"))
        return self.node.run("nsenter", "--mount", "--target", pid, "--", "/bin/sh", "-c", script, fine=fine).stdout.strip()

    def can_write(self, name: str, path: str) -> bool:
        """Whether a service could write a file there."""
        return self.inside(name, f"touch {path} 2>/dev/null && echo yes", fine=(0, 1)) == "yes"

    def displaced(self) -> str:
        """The mounts of any process that lie in a tree of reprov's."""
        return self.node.shell("grep -l /.reprov/ /proc/[0-9]*/mountinfo || true").strip()
