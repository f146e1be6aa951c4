"""The shipped role `rescue`: what it is made of fits together with what is made of it."""

import os
import re
from pathlib import Path

import pytest

import reprov
from reprov.adapters.library import Library
from reprov.adapters.role_files import load_role
from reprov.cli.verbs import VERBS
from reprov.domain.rescue_image import INIT

FILES = Path(reprov.__file__).parents[1] / "roles/rescue/files"


def test_it_is_a_role_of_its_own_with_a_kernel_for_hardware() -> None:
    role = load_role("rescue", Library.default())
    packages = role.named(lambda file: file.packages)
    assert len(role.layers) == 1
    assert {"linux-image-amd64", "udev", "openssh-server", "udhcpc", "rsync", "python3-pyroute2"} <= set(packages)
    assert not {"systemd", "systemd-sysv"} & set(packages)


def test_its_programs_can_be_run() -> None:
    assert (FILES / "usr/local/sbin/poweroff").readlink() == Path("reboot")
    assert all(os.access(FILES / path, os.X_OK) for path in (INIT, "usr/local/sbin/reboot"))


@pytest.mark.parametrize("path", [INIT, "etc/motd"])
def test_every_verb_that_it_names_exists(path: str) -> None:
    named = set(re.findall(r"(?m)^(?: {2}|[^#\n]*\|? ?)reprov ([a-z-]+)", (FILES / path).read_text()))
    assert named and named <= VERBS.keys()
