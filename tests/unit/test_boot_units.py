"""The units of a tree: nothing hides the system from them, and they cost nothing where there is nothing to do."""

import pytest

from reprov.adapters.boot_hook import packaged_files
from reprov.domain.boot_hook import SHIPPED_UNITS, WANTED_BY

UNITS = sorted(WANTED_BY)
SERVICE_KEYS = {"Type", "ExecStartPre", "ExecStart", "StandardOutput", "StandardError", "SuccessExitStatus", "TimeoutStartSec"}
"""Hazard 26: whatever sandboxes a service gives it a mount namespace of its own, in which an exchange does not reach the system.

There are dozens of such directives, and more in each systemd: so these are the ones that are none.
"""
SANDBOXING = ("PrivateTmp", "ProtectSystem", "ReadOnlyPaths", "BindPaths", "RootDirectory", "DynamicUser", "StateDirectory", "User")


def settings(name: str) -> list[tuple[str, str, str]]:
    """(section, key, value) of each line that sets something."""
    found, section = [], ""
    for line in packaged_files()[f"{SHIPPED_UNITS}/{name}"].decode().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.append((section, key, value))
    return found


def test_every_unit_that_is_shipped_is_wanted_by_a_target() -> None:
    shipped = [path for path in packaged_files() if path.startswith(f"{SHIPPED_UNITS}/reprov-")]
    assert sorted(path.rpartition("/")[2] for path in shipped) == UNITS


@pytest.mark.parametrize("name", UNITS)
def test_no_unit_has_a_sandbox(name: str) -> None:
    keys = {key for section, key, _ in settings(name) if section != "Unit"}
    assert keys <= SERVICE_KEYS
    assert not keys & set(SANDBOXING)
    assert not {key for section, key, _ in settings(name) if section == "Unit"} & {"JoinsNamespaceOf", "RequiresMountsFor"}


@pytest.mark.parametrize(
    ("name", "path"),
    [("reprov-recover.service", "/.reprov/journal"), ("reprov-confirm.service", "/.reprov/post/unfinished")],
)
def test_pid_1_itself_sees_that_there_is_nothing_to_do(name: str, path: str) -> None:
    """And none of them runs on a directory that is not reprov's own."""
    conditions = [(key, value) for _, key, value in settings(name) if key.startswith(("Condition", "Assert"))]
    assert conditions == [("ConditionPathIsSymbolicLink", "!/.reprov"), ("ConditionPathExists", path)]


def test_recovery_comes_when_the_filesystems_are_there_and_before_whatever_reads_the_tree() -> None:
    found = settings("reprov-recover.service")
    assert ("Unit", "DefaultDependencies", "no") in found
    after = " ".join(value for _, key, value in found if key == "After").split()
    before = " ".join(value for _, key, value in found if key == "Before").split()
    assert after == ["systemd-remount-fs.service", "local-fs.target"]
    assert {"sysinit.target", "systemd-tmpfiles-setup.service", "shutdown.target"} <= set(before)
    # udev comes after these, and so would /boot and /var, which have to be there first: such a node would hang at its boot.
    assert not {"systemd-sysusers.service", "systemd-hwdb-update.service", "systemd-tmpfiles-setup-dev.service"} & set(before)
    assert not any("network" in value for _, key, value in found if key != "ExecStart")


def test_an_offline_update_takes_its_link_away_first_and_ends_in_a_reboot() -> None:
    found = settings("reprov-update.service")
    assert [value for _, key, value in found if key == "ExecStartPre"] == ["/bin/rm -f /system-update"]
    (command,) = (value for _, key, value in found if key == "ExecStart")
    assert command.startswith("/bin/sh -c '/.reprov/client/at-boot; systemctl --force reboot || ")
    assert ("Unit", "SuccessAction", "reboot-force") in found
    assert ("Unit", "FailureAction", "reboot-force") in found
