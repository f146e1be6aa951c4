"""What blkid finds on several devices at once."""

import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from reprov.adapters.signatures import probe
from tests.storage_lab import MIB

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("blkid", "losetup", "mkfs.ext4")]


def test_a_blank_device_does_not_hide_what_the_next_ones_hold(tmp_path: Path) -> None:
    loops = []
    with ExitStack() as stack:
        for name in ("blank", "ext4"):
            image = tmp_path / name
            with image.open("wb") as file:
                file.truncate(8 * MIB)
            if name == "ext4":
                subprocess.run(["mkfs.ext4", "-q", str(image)], check=True, capture_output=True)
            made = subprocess.run(["losetup", "--find", "--show", str(image)], check=True, capture_output=True, text=True)
            loops.append(made.stdout.strip())
            stack.callback(subprocess.run, ["losetup", "--detach", loops[-1]], check=True)
        found = probe(loops)
    assert [(path, content.type) for path, content in found.contents.items()] == [(loops[1], "ext4")]
