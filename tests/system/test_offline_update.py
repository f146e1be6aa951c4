"""A node whose tree has no hook goes back over another PID 1: systemd's offline update does it, by reprov's copy in /.reprov."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.system.node import Run, Store
from tests.system.nspawn_lab import PROGRAMS, booted
from tests.system.service_lab import make_release, mounted
from tests.system.trees import Tree

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("mmdebstrap", *PROGRAMS)]

PID_1 = "usr/lib/systemd/systemd"
_IMAGE_BYTES = 2000 << 20


def test_a_rollback_over_pid_1_is_done_by_a_boot_and_by_nothing_else(tmp_path: Path, reprov: Run) -> None:
    """Hazard 23. The boot that does it ends in a reboot; the one after that runs the old tree, and nothing of all that is left."""
    store = Store(tmp_path / "store", reprov)
    store.library = Path(__file__).parents[2]
    for version in ("1.0", "1.1"):
        tree = make_release(tmp_path / version, version)
        if version == "1.1":
            Tree.over(tree).file(PID_1, (tree / PID_1).read_bytes() + b"newer", mode=0o755)
        store.publish(tree, version, "base", "--lists", "base,identity,network,ssh,logs-and-caches")
        shutil.rmtree(tree)
    image = tmp_path / "node.ext4"
    with image.open("wb") as file:
        file.truncate(_IMAGE_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    with mounted(image, tmp_path / "node") as root:
        for version in ("1.0", "1.1"):
            ran = reprov("upgrade", "base", version, "--from", store.folder, "--no-post", "--root", root)
            assert ran.status == 0, ran.stderr
        subprocess.run(["ssh-keygen", "-q", "-A", "-f", str(root)], check=True)
        units = sorted(path.name for path in (root / "etc/systemd/system").iterdir())

        with booted(root) as node:
            assert "PID 1" in node.reprov("rollback", "--prove", "never", "--commit", "live", fine=(4,)).stderr
            assert not (root / "system-update").is_symlink()
            node.reprov("rollback", "--prove", "never", fine=(100,))
            assert (root / "system-update").is_symlink()
            assert (root / "usr/lib/lab/version").read_text() == "1.1"
        with pytest.raises(AssertionError, match="the container has not booted"), booted(root):
            pass
        assert (root / "usr/lib/lab/version").read_text() == "1.0"
        with booted(root) as node:
            assert "base 1.0" in node.reprov("status").stdout
            assert node.reprov("verify").status == 0
        assert not (root / "system-update").is_symlink()
        assert sorted(path.name for path in (root / "etc/systemd/system").iterdir()) == units
        assert not [name for name in ("armed", "journal") if (root / ".reprov" / name).exists()]
