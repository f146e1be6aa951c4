"""What is on the disks when the state says that a commit or a rollback is done, and in /etc until then: rows 6 and 22 of the hazards."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reprov.adapters import durable, kernel, node_state
from tests.system.filesystems import Filesystems
from tests.system.node import Node
from tests.system.trees import Tree

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("mkfs.ext4", "mkfs.xfs", "mkfs.btrfs", "mount", "rsync")]


def upgrade(node: Node) -> None:
    node.install("1.1")


def roll_back(node: Node) -> None:
    node.rollback()


class Order:
    """In which order filesystems are exchanged on, synced, and the state is written."""

    def __init__(self, patched: pytest.MonkeyPatch) -> None:
        self.events: list[tuple[str, int | str]] = []
        exchange, syncfs, write = kernel.exchange, kernel.syncfs, durable.write_durably

        def exchanged(first: str, second: str, *, first_dir_fd: int, second_dir_fd: int) -> None:
            exchange(first, second, first_dir_fd=first_dir_fd, second_dir_fd=second_dir_fd)
            self.events.append(("exchange", os.fstat(first_dir_fd).st_dev))

        def synced(fd: int) -> None:
            syncfs(fd)
            self.events.append(("sync", os.fstat(fd).st_dev))

        def written(file: Path, content: bytes) -> None:
            write(file, content)
            if file.name == "state.json":
                self.events.append(("state", str(json.loads(content)["state"])))

        patched.setattr(kernel, "exchange", exchanged)
        patched.setattr(kernel, "syncfs", synced)
        patched.setattr(node_state, "write_durably", written)

    def since_last_exchange(self, state: str) -> tuple[set[int | str], set[int | str]]:
        """Where there were exchanges before the state was written, and which filesystems were synced after the last one on each."""
        before = self.events[: self.events.index(("state", state))]
        exchanged = {device for what, device in before if what == "exchange"}
        last = {device: max(number for number, event in enumerate(before) if event == ("exchange", device)) for device in exchanged}
        return exchanged, {device for number, (what, device) in enumerate(before) if what == "sync" and number > last.get(device, 0)}


@pytest.mark.parametrize("node", ["ext4", "xfs", "btrfs"], indirect=True)
@pytest.mark.parametrize(("verb", "state"), [(upgrade, "committed"), (roll_back, "rolled-back")], ids=["upgrade", "rollback"])
def test_every_filesystem_is_synced_after_its_exchanges_and_before_the_state_says_that_they_are_done(
    node: Node, tmp_path: Path, filesystems: Filesystems, monkeypatch: pytest.MonkeyPatch, verb: Callable[[Node], None], state: str
) -> None:
    """Hazard 6: btrfs would have the state on the disk before the exchanges, and between two filesystems there is no order at all."""
    usr, boot = filesystems.make("btrfs", node.path("usr")), filesystems.make("ext4", node.path("boot"))
    for version in ("1.0", "1.1"):
        tree = Tree(tmp_path / version, version).file("usr/lib/version", version).file("etc/version", version).file("boot/version", version)
        node.store.publish(tree, version, "base", "--filesystems", "boot,usr")
    node.install("1.0")
    if verb is roll_back:
        node.install("1.1")
    order = Order(monkeypatch)
    verb(node)
    exchanged, synced = order.since_last_exchange(state)
    assert exchanged == {folder.stat().st_dev for folder in (node.root, usr, boot)}
    assert exchanged <= synced


def test_what_the_node_has_in_etc_is_there_at_every_instant(node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hazard 22: PID 1 that starts between two exchanges finds all of it, kept directories too."""
    for version in ("1.0", "1.1"):
        node.store.publish(Tree(tmp_path / version, version).file("etc/version", version), version)
    node.install("1.0")
    rows = node.write("etc/site.d/deep/rows", "the node's")
    exchange, etc_was, found = kernel.exchange, {node.path("etc").stat().st_ino}, set()

    def looking(first: str, second: str, *, first_dir_fd: int, second_dir_fd: int) -> None:
        exchange(first, second, first_dir_fd=first_dir_fd, second_dir_fd=second_dir_fd)
        etc_was.add(node.path("etc").stat().st_ino)
        found.add(rows.read_text() if rows.exists() else "gone")

    monkeypatch.setattr(kernel, "exchange", looking)
    node.install("1.1")
    node.rollback()
    assert found == {"the node's"}
    assert len(etc_was) == 2, "/etc was exchanged"
