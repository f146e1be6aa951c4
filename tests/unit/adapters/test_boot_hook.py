"""What a tree gets for the boot, and what an offline update leaves on a node."""

import os
import stat
from pathlib import Path

import pytest

from reprov.adapters.boot_hook import hook_digest, offer_offline_update, packaged_files, withdraw_offline_update
from reprov.adapters.lay import install_boot_hook
from reprov.domain.boot_hook import HOOKS, OFFLINE_PATHS
from reprov.domain.kernels import Initramfs
from reprov.errors import Refused

GENERATOR = "usr/lib/systemd/system-generators/systemd-system-update-generator"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A node with a systemd whose tree has nothing of reprov's."""
    for path in (GENERATOR, "etc/systemd/system/mine.service"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch(0o755)
    for folder in (tmp_path, tmp_path / "etc/systemd/system"):
        os.utime(folder, (7, 7))
    return tmp_path


def paths_of(root: Path) -> dict[str, tuple[int, int]]:
    """Every path, with its mode and, of a directory, its time."""
    found = {}
    for path in (root, *root.rglob("*")):
        status = path.lstat()
        found[str(path.relative_to(root))] = (status.st_mode, int(status.st_mtime) if path.is_dir() else 0)
    return found


def test_a_tree_gets_programs_units_and_what_wants_them(tmp_path: Path) -> None:
    install_boot_hook(tmp_path)
    units = tmp_path / "usr/lib/systemd/system"
    wanted = {str(link.relative_to(units)): str(link.readlink()) for link in units.glob("*.wants/*")}
    assert wanted == {
        "sysinit.target.wants/reprov-recover.service": "../reprov-recover.service",
        "system-update.target.wants/reprov-update.service": "../reprov-update.service",
        "multi-user.target.wants/reprov-confirm.service": "../reprov-confirm.service",
    }
    assert all(link.exists() for link in units.glob("*.wants/*"))
    for hook in HOOKS.values():
        for path in (hook.maker, *hook.parts):
            assert stat.S_IMODE((tmp_path / path).stat().st_mode) == 0o755, path
    assert stat.S_IMODE((units / "reprov-confirm.service").stat().st_mode) == 0o644
    assert not (tmp_path / "etc").exists()


def test_what_is_not_as_it_should_be_is_put_right(tmp_path: Path) -> None:
    install_boot_hook(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    changed = tmp_path / "usr/lib/reprov/boot/at-root"
    changed.write_text("#!/bin/sh\n")
    changed.chmod(0o644)
    install_boot_hook(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert stat.S_IMODE(changed.stat().st_mode) == 0o755


@pytest.mark.parametrize("tool", list(Initramfs))
def test_the_digest_of_a_tree_is_that_of_what_its_image_would_carry(tmp_path: Path, tool: Initramfs) -> None:
    assert hook_digest(tmp_path, tool) == ""
    install_boot_hook(tmp_path)
    known = {hook_digest(tmp_path, tool)}
    for path in HOOKS[tool].parts:
        (tmp_path / path).write_text(f"#!/bin/sh\n# {path}\n")
        known.add(hook_digest(tmp_path, tool))
    assert len(known - {""}) == 3
    (tmp_path / HOOKS[tool].maker).chmod(0o644)  # nobody would run it
    assert hook_digest(tmp_path, tool) == ""


def test_an_offline_update_on_a_tree_without_units_brings_its_own_and_leaves_nothing(root: Path) -> None:
    before = paths_of(root)
    offer_offline_update(root)
    offer_offline_update(root)
    assert paths_of(root).keys() - before.keys() == {*OFFLINE_PATHS, "etc/systemd/system/system-update.target.wants"}
    assert {path: found for path, found in paths_of(root).items() if path in before} == before
    assert str((root / "system-update").readlink()) == ".reprov"
    unit = root / "etc/systemd/system/system-update.target.wants/reprov-update.service"
    assert unit.read_bytes() == packaged_files()["usr/lib/systemd/system/reprov-update.service"]
    withdraw_offline_update(root)
    assert paths_of(root) == before
    withdraw_offline_update(root)
    assert paths_of(root) == before


def test_an_offline_update_on_a_tree_with_units_is_but_a_link(root: Path) -> None:
    install_boot_hook(root)
    os.utime(root, (7, 7))
    before = paths_of(root)
    offer_offline_update(root)
    assert paths_of(root).keys() - before.keys() == {"system-update"}
    withdraw_offline_update(root)
    assert paths_of(root) == before


def test_what_others_have_there_stays(root: Path) -> None:
    wants = root / "etc/systemd/system/system-update.target.wants"
    wants.mkdir()
    (wants / "packagekit-offline-update.service").touch()
    offer_offline_update(root)
    withdraw_offline_update(root)
    assert os.listdir(wants) == ["packagekit-offline-update.service"]


@pytest.mark.parametrize(
    ("target", "leads"),
    [pytest.param("/var/lib/PackageKit", "/var/lib/PackageKit", id="a link"), pytest.param("", "no link", id="a directory")],
)
def test_another_offline_update_is_neither_disturbed_nor_removed(root: Path, target: str, leads: str) -> None:
    place = root / "system-update"
    place.symlink_to(target) if target else place.mkdir()
    before = paths_of(root)
    with pytest.raises(Refused) as refused:
        offer_offline_update(root)
    assert refused.value.message == f"another offline update is waiting for the next boot: /system-update leads to {leads}"
    withdraw_offline_update(root)
    assert paths_of(root) == before


def test_without_a_systemd_that_can_do_it_it_is_refused(root: Path) -> None:
    (root / GENERATOR).unlink()
    before = paths_of(root)
    with pytest.raises(Refused) as refused:
        offer_offline_update(root)
    assert refused.value.message == (
        "nothing can exchange trees at boot here: the initramfs has no hook of reprov's, and there is no systemd that could"
    )
    assert paths_of(root) == before
