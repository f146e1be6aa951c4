"""A booted node of a role with scripts, services and a check, whose next release runs what a test writes into the node's own files."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from reprov.domain.release import ReleaseId
from reprov.domain.resolved_role import ResolvedRole
from tests.system.node import Store, run_here
from tests.system.nspawn_lab import LAB, Booted, booted
from tests.system.service_lab import STORE, make_release, mounted
from tests.system.trees import Tree

ROLE: Final = "site"
OLD, NEW = "1.0", "1.1"
_CONCERNS: Final = ("base", "identity", "network", "ssh", "logs-and-caches")
_SERVICES: Final = ("daemon.service", "plain.service")
_IMAGE_BYTES: Final = 2000 << 20
_ASKED: Final = "#!/bin/sh\nset -e\n[ ! -e /root/{name} ] || . /root/{name}\n"
"""Of a script of the release: does what the node's operator has written down for it."""
_PACKAGE: Final = (
    "Package: site-tools\nStatus: install ok installed\nArchitecture: all\nMaintainer: lab\nVersion: {version}\nDescription: lab\n\n"
)
_POSTINST: Final = """\
systemctl restart homely.service
systemctl daemon-reload
systemctl enable extra.service
systemd-tmpfiles --create /usr/lib/tmpfiles.d/site.conf
ldconfig
echo "postinst $*" >> /var/lib/said
"""
_EXTRA: Final = "[Service]\nExecStart=/usr/lib/lab/same infinity\n[Install]\nWantedBy=multi-user.target\n"

# The machine's disk is none of the node's: what is bound from it is seen through an overlay, and no block device but the root is seen.
_HIDE_MACHINE: Final = f"""\
mkdir /run/empty
for place in "$@"; do
    mkdir "/run/$place"
    mount -t overlay -o "lowerdir={LAB}/$place:/run/empty" overlay "/run/$place"
    umount "{LAB}/$place"
    mount --bind "/run/$place" "{LAB}/$place"
done
umount -R /run/host
mount -t tmpfs tmpfs /sys/class/block
"""


class LiveLab:
    """The store with two releases, and the disk of a node that has the old one."""

    def __init__(self, folder: Path, change: Callable[[Tree, str], None] = lambda tree, version: None) -> None:
        """`change` is done to the tree of each release."""
        self.folder = folder
        self._change = change
        self.store = Store(folder / "store", run_here)
        (folder / "library/post-scripts").mkdir(parents=True)
        (folder / "library/post-scripts/50-site.sh.j2").write_text(_ASKED.format(name="fragment") + "echo {{ before }} to {{ after }}\n")
        for version in (OLD, NEW):
            self._publish(version)
        self.image = folder / "node.ext4"
        with self.image.open("wb") as file:
            file.truncate(_IMAGE_BYTES)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(self.image)], check=True)
        with mounted(self.image, folder / "root") as root:
            ran = run_here("upgrade", ROLE, OLD, "--from", self.store.folder, "--root", root)
            assert ran.status == 0, ran.stderr
            subprocess.run(["ssh-keygen", "-q", "-A", "-f", str(root)], check=True)

    def _publish(self, version: str) -> None:
        build = self.store.folder / f"build/{ROLE}/{version}"
        build.mkdir(parents=True)
        tree = Tree.over(make_release(build / "tree", version))
        with tree.at("var/lib/dpkg/status").open("a") as status:
            status.write(_PACKAGE.format(version=version))
        tree.file("var/lib/dpkg/info/site-tools.list", "/.\n")
        tree.file("var/lib/dpkg/info/site-tools.postinst", _ASKED.format(name="postinst") + _POSTINST, mode=0o755)
        tree.file("usr/lib/tmpfiles.d/site.conf", f"d /var/lib/site-{version} 0750 - - -\n")
        tree.file("usr/lib/systemd/system/extra.service", _EXTRA)
        self._change(tree, version)
        (build / "checks").mkdir()
        (build / "checks/answers").write_text(_ASKED.format(name="check") + "systemctl is-active plain.service\n")
        role = ResolvedRole(ReleaseId(ROLE, version), None, "debian", "bookworm", (), _CONCERNS, ("50-site",), _SERVICES, ("answers",), ())
        (build / "role.json").write_text(role.to_json())
        ran = run_here("publish", ROLE, version, "--store", self.store.folder, "--library", self.folder / "library")
        assert ran.status == 0, ran.stderr

    @contextmanager
    def node(self) -> Iterator[Booted]:
        """The node, booted."""
        with mounted(self.image, self.folder / "node") as root, booted(root, binds={STORE: self.store.folder}) as node:
            hide_machine(node, "reprov", "store")
            yield node


def hide_machine(node: Booted, *places: str) -> None:
    """Show a node nothing of the machine that tests run on, not even behind these directories that it has from there."""
    node.run("/bin/sh", "-ec", _HIDE_MACHINE, "sh", *places)


def state_of(node: Booted) -> dict[str, object]:
    """What `reprov status` says there."""
    found: dict[str, object] = json.loads(node.reprov("status", "--json").stdout)
    return found


def go_back(node: Booted) -> None:
    """Have the old release again."""
    if state_of(node)["installed"] != f"{ROLE} {OLD}":
        node.reprov("rollback")
