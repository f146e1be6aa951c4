"""The units of a tree in a system that boots with them, with a stand-in for what they run."""

import subprocess
from pathlib import Path

import pytest

from reprov.adapters.boot_hook import offer_offline_update
from reprov.adapters.lay import install_boot_hook
from tests.system.filesystems import Filesystems
from tests.system.nspawn_lab import LAB, PROGRAMS, Booted, booted
from tests.system.trees import service_trees

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("mmdebstrap", *PROGRAMS)]

TOLD = """\
#!/bin/sh
same=apart
test "$(readlink /proc/self/ns/mnt)" = "$(readlink /proc/1/ns/mnt)" && same=together
up=starting
systemctl --quiet is-active multi-user.target && up=up
tmpfiles=$(systemctl show --property=ExecMainStartTimestampMonotonic --value systemd-tmpfiles-setup.service)
echo "{name} $* $same $up $tmpfiles" >>/var/told
"""
UNITS = ("reprov-recover.service", "reprov-confirm.service", "reprov-update.service")


@pytest.fixture
def root(tmp_path: Path, filesystems: Filesystems) -> Path:
    """A node whose fstab says that its root is to be writable."""
    root = filesystems.overlay(service_trees().old, tmp_path / "node")
    install_boot_hook(root)
    (root / ".reprov/client").mkdir(parents=True)
    (root / ".reprov/post").mkdir()
    (root / ".reprov").chmod(0o700)
    for path, name in ((".reprov/client/at-boot", "at-boot"), ("usr/sbin/reprov", "reprov")):
        (root / path).write_text(TOLD.replace("{name}", name))
        (root / path).chmod(0o755)
    return root


def told(root: Path) -> list[str]:
    """What was run: name, options, whether its mount namespace is that of PID 1, how far the boot was, and since when tmpfiles ran."""
    file = root / "var/told"
    return file.read_text().splitlines() if file.exists() else []


def shown(node: Booted, unit: str, name: str) -> str:
    return node.run("systemctl", "show", f"--property={name}", "--value", unit).stdout.strip()


def test_where_nothing_is_to_be_done_no_process_is_started(root: Path) -> None:
    with booted(root) as node:
        for unit in UNITS[:2]:
            assert shown(node, unit, "LoadState") == "loaded"
            assert shown(node, unit, "ConditionResult") == "no"
            assert int(shown(node, unit, "ConditionTimestampMonotonic")) > 0  # it was looked at
            assert shown(node, unit, "ExecMainStartTimestampMonotonic") == "0"
        assert shown(node, UNITS[2], "ActiveState") == "inactive"
    assert told(root) == []


def test_recovery_runs_before_the_system_and_confirmation_after_it_both_in_its_own_namespace(root: Path) -> None:
    """Hazards 22 and 26."""
    (root / ".reprov/journal").touch()
    (root / ".reprov/post/unfinished").touch()
    with booted(root) as node:
        for _ in range(100):
            if len(told(root)) > 1:
                break
            subprocess.run(["sleep", "0.1"], check=True)
        assert told(root)[0] == "at-boot --recover together starting 0"
        assert told(root)[1].split()[:-1] == "reprov confirm --at-boot together up".split()
        assert [shown(node, unit, "Result") for unit in UNITS[:2]] == ["success", "success"]


@pytest.mark.parametrize("has_units", [True, False], ids=["a tree with the units", "an adopted node"])
def test_an_offline_update_is_done_once_and_the_next_boot_is_an_ordinary_one(root: Path, has_units: bool) -> None:
    if not has_units:
        for path in (root / "usr/lib/systemd/system").rglob("reprov-*"):
            path.unlink()
    offer_offline_update(root)
    with (root / ".reprov/client/at-boot").open("a") as client:
        client.write("exit 100\n")
    with pytest.raises(AssertionError, match="the container has not booted"), booted(root):  # it reboots instead, which ends it
        pass
    (line,) = told(root)
    assert line.split()[:-1] == "at-boot together starting".split()
    assert not (root / "system-update").is_symlink()
    with booted(root):
        assert told(root) == [line]


def test_a_directory_that_is_a_link_is_nothing_to_the_units(root: Path) -> None:
    (root / ".reprov/journal").touch()
    (root / ".reprov/post/unfinished").touch()
    (root / ".reprov").rename(root / "var/reprov")
    (root / ".reprov").symlink_to("var/reprov")
    with booted(root) as node:
        assert [shown(node, unit, "ConditionResult") for unit in UNITS[:2]] == ["no", "no"]
    assert told(root) == []


def test_a_unit_with_a_sandbox_changes_nothing(root: Path) -> None:
    """Hazard 26, for units that are not reprov's: one without a sandbox gets further."""
    with booted(root) as node:
        for settings in (("PrivateTmp=yes",), ("ProtectHome=yes",), ("ReadOnlyPaths=/srv",), ()):
            properties = (f"--property={setting}" for setting in settings)
            words = ("systemd-run", "--wait", "--pipe", "--quiet", f"--setenv=PYTHONPATH={LAB}", *properties)
            ran = node.run(*words, "python3", "-m", "reprov", "rollback", fine=(4,))
            assert ("this process does not see the filesystem as PID 1 does" in ran.stderr) is bool(settings), settings
