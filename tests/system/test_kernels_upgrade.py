"""The kernel that a node runs or boots outlives the upgrade to a release that lacks it, with all that it needs."""

import json

import pytest

from tests.system.node import Node
from tests.system.trees import ADD_ONLY, EXCLUDE, Tree, make_library

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("mkfs.ext4", "mkfs.xfs", "mount", "rsync")]

MENU = """\
menuentry 'Debian' --id debian {{
	linux	/boot/vmlinuz-{0} root=UUID=5d9c ro
	initrd	/boot/initrd.img-{0}
}}
"""


PROGRAMS = ("usr/sbin/mkinitramfs", "usr/sbin/update-initramfs", "usr/sbin/grub-mkconfig", "usr/sbin/grub-probe", "usr/bin/grub-editenv")
"""Without which no plan goes on where GRUB boots; here they do nothing, and fail."""


def kernel_files(version: str) -> tuple[str, ...]:
    return (
        f"boot/vmlinuz-{version}",
        f"boot/config-{version}",
        f"boot/System.map-{version}",
        f"usr/lib/modules/{version}/modules.dep",
        f"usr/lib/modules/{version}/kernel/fs/ext4.ko",
    )


@pytest.fixture
def running(node: Node) -> Node:
    """A node of release 1.0, whose GRUB boots 6.1; release 1.1 has 6.2 instead, 1.2 has 6.3."""
    make_library(node.store.library, exclude=f"/boot/grub/\n{EXCLUDE}", add_only=f"/boot/initrd.img-*\n{ADD_ONLY}")
    for version, kernel in (("1.0", "6.1"), ("1.1", "6.2"), ("1.2", "6.3")):
        tree = Tree(node.store.folder.parent / f"tree-{version}", version)
        for path in kernel_files(kernel):
            tree.file(path, f"{path} of {kernel}")
        for program in PROGRAMS:
            tree.file(program, "#!/bin/false\n", mode=0o755)
        for folder in ("dev", "proc", "run", "sys", "tmp"):
            tree.directory(folder)
        node.store.publish(tree, version)
    node.install("1.0", "--no-post")
    node.write("boot/initrd.img-6.1", "made here")
    return node


def boots(node: Node, version: str) -> None:
    node.write("boot/grub/grub.cfg", MENU.format(version))


def there(node: Node, version: str) -> list[bool]:
    return [node.path(path).is_file() for path in (*kernel_files(version), f"boot/initrd.img-{version}")]


@pytest.mark.parametrize("node", ["ext4", "xfs"], indirect=True)
def test_the_old_kernel_stays_until_the_new_one_is_what_the_node_boots(running: Node) -> None:
    boots(running, "6.1")
    before = running.snapshot()
    running.install("1.1", "--no-post")
    assert there(running, "6.1") == [True] * 6
    assert there(running, "6.2") == [True] * 5 + [False]
    assert running.run("verify").status == 0
    again = json.loads(running.upgrade("1.1", "--no-post", "--json").stdout)
    assert again["changed_paths"] == 0  # a kernel that is only kept is no difference
    assert there(running, "6.1") == [True] * 6

    running.rollback()
    assert running.changed_since(before, directory_times=False) == []
    running.install("1.1", "--no-post")

    boots(running, "6.2")
    running.write("boot/initrd.img-6.2", "made here")
    running.install("1.2", "--no-post")
    assert there(running, "6.1") == [False] * 5 + [True]  # what the node has made, the next update of the boot menu removes
    assert there(running, "6.2") == [True] * 6


def test_without_a_boot_loader_the_old_kernel_goes_with_its_release(running: Node) -> None:
    running.install("1.1", "--no-post")
    assert there(running, "6.1") == [False] * 5 + [True]


@pytest.mark.parametrize("phase", ["commit", "finish"])
def test_whoever_finishes_a_killed_upgrade_keeps_it_too(running: Node, phase: str) -> None:
    boots(running, "6.1")
    running.kill_upgrade("1.1", "start", phase)
    # Meanwhile the node was started from another disk: what it boots cannot be told any more.
    running.path("boot/grub/grub.cfg").unlink()
    running.run("recover")
    assert there(running, "6.1") == [True] * 6
