"""An image of a real Debian: small, without what is private or useless, and its programs run."""

import subprocess
from pathlib import Path

import pytest

import reprov as package
from reprov.adapters.lay import install_client, lay_files
from reprov.events import NullMonitor
from reprov.workflows.rescue_image import MadeImage, WantedImage, make_rescue_image
from tests.system.trees import rescue_trees

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("mmdebstrap", "bsdtar", "zstd", "cpio", "unshare")]

ROLE_FILES = Path(package.__file__).parents[1] / "roles/rescue/files"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeImage:
    """The image of a tree in which somebody has left secrets."""
    folder = tmp_path_factory.mktemp("rescue")
    tree = folder / "tree"
    subprocess.run(["cp", "--archive", "--reflink=auto", rescue_trees().old, tree], check=True)
    lay_files(ROLE_FILES, tree)
    install_client(tree)
    (tree / "etc/ssh/ssh_host_ed25519_key").write_text("secret")
    (tree / "etc/machine-id").unlink()
    (tree / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    return make_rescue_image(tree, WantedImage(folder / "image"), NullMonitor())


@pytest.fixture(scope="module")
def unpacked(made: MadeImage) -> Path:
    """Its content, as cpio reads it."""
    root = made.folder.parent / "unpacked"
    root.mkdir()
    archive = made.folder.parent / "archive"
    with archive.open("wb") as file:
        subprocess.run(["zstd", "-dcq", made.folder / "initrd.img"], stdout=file, check=True)
    with archive.open("rb") as file:
        subprocess.run(["cpio", "--extract", "--quiet", "--make-directories", "--directory", root], stdin=file, check=True)
    archive.unlink()
    return root


def test_the_kernel_is_the_tree_s(made: MadeImage) -> None:
    kernel = (made.folder / "vmlinuz").read_bytes()
    assert kernel[0x202:0x206] == b"HdrS"  # https://docs.kernel.org/arch/x86/boot.html
    assert made.kernel.encode() in kernel


def test_it_has_the_drivers_and_not_what_is_useless(made: MadeImage, unpacked: Path) -> None:
    modules = unpacked / "usr/lib/modules" / made.kernel
    names = {path.name for path in modules.rglob("*.ko")}
    assert {"virtio_net.ko", "virtio_blk.ko", "xfs.ko", "dm-mod.ko"} <= names
    for folder in ("boot", "usr/share/doc", "usr/share/man", "var/cache/apt", "proc", "run", "dev"):
        assert list((unpacked / folder).iterdir()) == [], folder
    assert sum(path.lstat().st_size for path in unpacked.rglob("*") if path.is_file() and not path.is_symlink()) == made.unpacked_bytes


def test_it_is_no_machine_s(unpacked: Path) -> None:
    assert not (unpacked / "etc/machine-id").exists()
    assert list((unpacked / "etc/ssh").glob("ssh_host_*")) == []
    assert {line.split(":")[1] for line in (unpacked / "etc/shadow").read_text().splitlines()} == {"*"}
    closed = [path for path in unpacked.rglob("*") if path.is_file() and not path.is_symlink() and not path.stat().st_mode & 0o005]
    assert closed == []


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        pytest.param("reprov --version", f"reprov {package.__version__}\n", id="reprov"),
        pytest.param("test -x /init && sh -n /init && echo fine", "fine\n", id="PID 1"),
        pytest.param("modprobe --dry-run --set-version VERSION --show-depends virtio_net | grep -c insmod", "5\n", id="modprobe"),
        pytest.param("ssh-keygen -q -t ed25519 -N '' -f /k && sshd -t -h /k -o UsePAM=no && rm /k* && echo fine", "fine\n", id="sshd"),
        pytest.param("busybox udhcpc --help 2>&1 | grep -c '^Usage: udhcpc'", "1\n", id="the DHCP client"),
        pytest.param(
            "reprov rescue-boot 2>&1",
            "reprov: this is no rescue system: its root is on a disk\nhint: `reprov rescue-image` makes one\n",
            id="what PID 1 calls, refused in a chroot",
        ),
    ],
)
def test_its_programs_run(made: MadeImage, unpacked: Path, command: str, answer: str) -> None:
    (unpacked / "run/sshd").mkdir()
    script = f'mount -t proc proc {unpacked}/proc; mount --bind /dev {unpacked}/dev; exec chroot {unpacked} sh -c "$0"'
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-euc", script, command.replace("VERSION", made.kernel)],
        check=False,
        capture_output=True,
        text=True,
    )
    (unpacked / "run/sshd").rmdir()
    assert done.stdout == answer, done.stderr
