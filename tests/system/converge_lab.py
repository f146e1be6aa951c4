"""A node with Puppet, Ansible, serverspec and testinfra, installed from a release whose role has a hook and checks."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reprov.adapters.node_state import NodeState
from reprov.cli.main import main
from reprov.domain.check import Check, check_of
from reprov.domain.deployment import Deployment, State
from reprov.domain.hook import NODE_HOOK, hook_of
from reprov.domain.release import ReleaseId
from reprov.domain.resolved_role import ResolvedRole
from tests.system.trees import Tree, converge_trees, make_library

HOOK = {"puppet": "apply", "manifest": "/usr/share/site/site.pp"}
SITE = "file { '/etc/motd': content => \"configured\\n\" }\n"
CHECKS = {
    "motd": "#!/bin/sh\ngrep -q configured /etc/motd || { echo 'the motd is not configured'; exit 1; }\n",
    "test_motd.py": 'def test_motd(host):\n    assert host.file("/etc/motd").contains("configured")\n',
    "specs/motd_spec.rb": (
        "require 'serverspec'\nset :backend, :exec\ndescribe file('/etc/motd') do\n  its(:content) { should match(/configured/) }\nend\n"
    ),
}
OWN = "/etc/hostname\n/etc/machine-id\n/etc/reprov/\nlost+found/\n"
SHARED = "- /var/lib/dpkg/\n/var/\n/root/\n/usr/local/\n/etc/dpkg/dpkg.cfg.d/\n"
RELEASE = ReleaseId("site", "1.0")


@dataclass
class Node:
    """A fresh copy of the node: every test has one of its own, which is an overlay."""

    root: Path
    checks: list[Check] = field(default_factory=list)

    def file(self, path: str, content: str, mode: int = 0o644) -> None:
        Tree.over(self.root).file(path, content, mode=mode)

    def hook(self, **keys: Any) -> None:
        """Let the node have a hook of its own."""
        self.file(NODE_HOOK, json.dumps({key.replace("_", "-"): value for key, value in keys.items()}))

    def puppet(self, manifest: str, **keys: Any) -> None:
        """A hook that applies this."""
        self.file("root/site.pp", manifest)
        self.hook(puppet="apply", manifest="/root/site.pp", **keys)

    def playbook(self, tasks: list[dict[str, Any]], **keys: Any) -> None:
        """A hook that plays this (JSON is YAML)."""
        self.file("root/site.yml", json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
        self.hook(ansible="/root/site.yml", **keys)

    def check(self, name: str, content: str, **keys: Any) -> Check:
        """A check that lies in the node, for `run_checks` and `converge`."""
        self.file(f"root/checks/{name}", content)
        found = check_of(name, f"root/checks/{name}", {"": content.encode()})
        made = Check(**{**{slot: getattr(found, slot) for slot in Check.__slots__}, **keys})
        self.checks.append(made)
        return made


def publish(folder: Path) -> Path:
    """Publish the tree with hook and checks into a store below a folder, which is returned."""
    store, library = folder / "store", make_library(folder / "library", exclude=OWN, add_only=SHARED)
    build = store / "build/site/1.0"
    build.mkdir(parents=True)
    subprocess.run(["cp", "-a", "--reflink=auto", os.fspath(converge_trees().new), os.fspath(build / "tree")], check=True)
    Tree.over(build / "tree").file("usr/share/site/site.pp", SITE)
    names = tuple(dict.fromkeys(name.partition("/")[0] for name in CHECKS))
    role = ResolvedRole(RELEASE, None, "debian", "bookworm", (), ("base",), (), (), names, (), converge=hook_of(HOOK))
    (build / "role.json").write_text(role.to_json())
    for name, content in CHECKS.items():
        (build / "checks" / name).parent.mkdir(parents=True, exist_ok=True)
        (build / "checks" / name).write_text(content)
    assert main(["--quiet", "publish", "site", "1.0", "--store", str(store), "--library", str(library)]) == 0
    return store


@contextmanager
def opened_node(store: Path | None, folder: Path) -> Iterator[Node]:
    """A node of the test's own in a folder: the release's tree, with what an upgrade leaves beside it unless there is no store."""
    for name in ("upper", "work", "root"):
        (folder / name).mkdir()
    root = folder / "root"
    layers = f"lowerdir={converge_trees().new},upperdir={folder}/upper,workdir={folder}/work,index=on,xino=on"
    subprocess.run(["mount", "-t", "overlay", "-o", layers, "overlay", str(root)], check=True)
    try:
        if store:
            site = Path("usr/share/site")
            shutil.copytree(store / "trees" / RELEASE.path / site, root / site)
            state = NodeState(root)
            state.create()
            shutil.copytree(store / "releases" / RELEASE.path, state.release_directory(RELEASE))
            state.write_deployment(Deployment(State.COMMITTED, installed=RELEASE))
        yield Node(root)
    finally:
        subprocess.run(["umount", str(root)], check=True)
