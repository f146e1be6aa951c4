"""The module that pins versions, run by Ansible on a file as a service has it."""

import os
import stat
from pathlib import Path

import pytest

from reprov.domain.version_pins import REMARK
from tests.ansible_modules import AnsibleModules, Result

pytestmark = pytest.mark.commands
# As on a controller: repeated keys, a value over several lines, a section twice, no end of the last line, and a name in Latin-1.
BEFORE = (
    b"# caf\xe9\n[DEFAULT]\nenabled_apis = osapi_compute,\n   metadata\nmy_ip=10.0.0.1\n\n"
    b"[upgrade_levels]\n#compute = <None>\ncompute = train\ncompute: 'ussuri'\n\n"
    b"[pci]\nalias = {a: 1}\nalias = {b: 2}\r\n[UPGRADE_LEVELS]\n;last"
)
PINNED = BEFORE.replace(b"compute: 'ussuri'", REMARK.encode() + b"\ncompute = auto").replace(
    b"[UPGRADE_LEVELS]\n", b"[UPGRADE_LEVELS]\n" + REMARK.encode() + b"\nconductor = xena\n"
)
PINS = {"compute": "auto", "conductor": "xena"}


class Host:
    """A host with the configuration of a service."""

    def __init__(self, folder: Path) -> None:
        self.configuration = folder / "etc/nova.conf"
        self.configuration.parent.mkdir()
        self.configuration.write_bytes(BEFORE)
        self.configuration.chmod(0o640)
        self.note = folder / "notes/pins/nova"
        self._modules = AnsibleModules(folder / "roles")

    def pins(self, state: str, *options: str, **arguments: object) -> Result:
        """Run the module."""
        given = {"path": str(self.configuration), "note": str(self.note), "state": state, **arguments}
        return self._modules.run("reprov_version_pins", given, *options)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_pinned_and_restored_each_twice(host: Host) -> None:
    assert host.pins("pinned", pins=PINS).changed
    assert host.configuration.read_bytes() == PINNED
    assert stat.S_IMODE(host.configuration.stat().st_mode) == 0o640
    inode = host.configuration.stat().st_ino
    assert not host.pins("pinned", pins=PINS).changed
    assert host.configuration.stat().st_ino == inode, "the second run writes nothing"
    assert host.pins("restored").changed
    assert host.configuration.read_bytes() == BEFORE
    assert not host.note.exists()
    assert not host.pins("restored").changed
    assert os.listdir(host.configuration.parent) == ["nova.conf"]


def test_check_mode_says_what_would_change_and_changes_nothing(host: Host) -> None:
    assert host.pins("pinned", "--check", pins=PINS).changed
    assert host.configuration.read_bytes() == BEFORE
    assert not host.note.exists()
    host.pins("pinned", pins=PINS)
    assert host.pins("restored", "--check").changed
    assert host.configuration.read_bytes() == PINNED
    assert host.note.exists()


def test_the_file_behind_a_link_is_written_and_keeps_its_attributes(host: Host) -> None:
    real = host.configuration.rename(host.configuration.with_name("real.conf"))
    host.configuration.symlink_to("real.conf")
    try:
        os.setxattr(real, "user.site", b"kept")
    except OSError:
        pytest.skip("the filesystem of the tests has no extended attributes")
    host.pins("pinned", pins=PINS)
    assert host.configuration.is_symlink()
    assert real.read_bytes() == PINNED
    assert os.getxattr(real, "user.site") == b"kept"


def test_a_value_that_somebody_has_changed_since_is_left(host: Host) -> None:
    host.pins("pinned", pins=PINS)
    host.configuration.write_bytes(PINNED.replace(b"compute = auto", b"compute = yoga"))
    back = host.pins("restored")
    assert back.values["left"] == ["compute"]
    assert host.configuration.read_bytes() == PINNED.replace(b"compute = auto", b"compute = yoga").replace(
        REMARK.encode() + b"\nconductor = xena\n", b""
    )
    assert not host.note.exists()


def test_what_cannot_be_done_is_said_and_changes_nothing(host: Host) -> None:
    wrong = host.pins("pinned", pins={"compute": 4.1})
    assert wrong.message == "pins: compute: 4.1 is a number, in which 4.1 and 4.10 are the same: write it in quotes"
    assert not host.pins("pinned").is_fine, "without pins"
    missing = host.pins("pinned", pins=PINS, path="/nowhere/nova.conf")
    assert missing.message == "there is no /nowhere/nova.conf: is the service configured in another file? Nothing was changed"
    host.note.parent.mkdir(parents=True)
    host.note.write_text("{}")
    assert "Compare the pinned file with a backup of it" in host.pins("restored").message
    assert host.configuration.read_bytes() == BEFORE
