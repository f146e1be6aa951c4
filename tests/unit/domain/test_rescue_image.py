"""What of a tree goes into a rescue image."""

import re
from collections.abc import Mapping

import pytest

from reprov.domain import rescue_image as image
from reprov.domain.entry import Entry, Kind, ancestors_of
from reprov.domain.rescue_image import Kernel, Selection
from reprov.errors import InvalidInput

MODULES = "usr/lib/modules/6.1.0-50-amd64"
KERNEL = Kernel("6.1.0-50-amd64", "boot/vmlinuz-6.1.0-50-amd64", MODULES)
NEEDED = {
    "init": 0o755,
    "usr/sbin/reprov": 0o755,
    "usr/sbin/sshd": 0o755,
    "usr/bin/ssh-keygen": 0o755,
    "usr/bin/python3": 0o755,
    "usr/bin/rsync": 0o755,
    "usr/bin/udevadm": 0o755,
    KERNEL.path: 0o600,
    f"{MODULES}/modules.dep": 0o644,
}


def tree(files: Mapping[str, int] = {}, directories: Mapping[str, int] = {}, *, without: str = "") -> dict[str, Entry]:
    """A tree that a rescue system can run on, with further files and directories by mode."""
    wanted = {path: mode for path, mode in {**NEEDED, **files}.items() if path != without}
    entries = {parent: Entry(parent, Kind.DIR, 0o755, 0, 0, 0) for path in wanted for parent in ancestors_of(path)}
    entries |= {path: Entry(path, Kind.DIR, mode, 0, 0, 0) for path, mode in directories.items()}
    entries |= {path: Entry(path, Kind.FILE, mode, 0, 0, 0, size=10) for path, mode in wanted.items()}
    return dict(sorted(entries.items()))


@pytest.mark.parametrize("path", [path for path in NEEDED if path.startswith(("init", "usr/bin", "usr/sbin"))])
def test_a_tree_that_lacks_something_is_refused(path: str) -> None:
    image.check_tree(tree())
    with pytest.raises(InvalidInput, match=rf"^the tree has no .* \(/{path}\)|no /init, which would be PID 1") as caught:
        image.check_tree(tree(without=path))
    assert caught.value.hint == image.RESCUE_ROLE_HINT


def test_init_is_a_program() -> None:
    with pytest.raises(InvalidInput, match="/init of the tree is not a program"):
        image.check_tree(tree({"init": 0o644}))


def test_the_newest_kernel_that_has_modules_is_chosen() -> None:
    more = {"boot/vmlinuz-6.1.0-9-amd64": 0o600, "usr/lib/modules/6.1.0-9-amd64/x.ko": 0o644, "boot/vmlinuz-7.0-amd64": 0o600}
    assert image.choose_kernel(tree(more), None) == KERNEL
    assert image.choose_kernel(tree(more), "6.1.0-9-amd64").modules == "usr/lib/modules/6.1.0-9-amd64"
    with pytest.raises(InvalidInput, match=r"^the tree has no kernel '7\.0-amd64'$") as caught:
        image.choose_kernel(tree(more), "7.0-amd64")
    assert caught.value.hint == "it has 6.1.0-9-amd64, 6.1.0-50-amd64"


def test_a_tree_without_kernel_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^the tree has no kernel with modules"):
        image.choose_kernel(tree(without=KERNEL.path), None)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("usr/share/doc/bash/README", id="documentation"),
        pytest.param("boot/initrd.img", id="what lies in /boot"),
        pytest.param(f"{MODULES}/kernel/sound/core/snd.ko", id="drivers of no use"),
        pytest.param("usr/lib/modules/6.1.0-9-amd64/kernel/fs/ext4/ext4.ko", id="modules of another kernel"),
        pytest.param("var/cache/apt/pkgcache.bin", id="the package manager's cache"),
        pytest.param("tmp/left", id="what lies in a directory of the running system"),
    ],
)
def test_what_is_useless_is_left_out_silently(path: str) -> None:
    selection = image.select(tree({path: 0o644}), KERNEL)
    assert path not in {entry.path for entry in selection.entries}
    assert selection.private == ()


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        pytest.param("etc/ssl/private/key.pem", 0o640, id="what only root and a group may read"),
        pytest.param("etc/keys/luks", 0o400, id="what only root may read"),
        pytest.param("etc/ssh/ssh_host_ed25519_key.pub", 0o644, id="a host key, the public half too"),
        pytest.param("closed/open", 0o644, id="what lies in a directory that others may not enter"),
        pytest.param("closed/deep/down/open", 0o644, id="at any depth"),
        pytest.param("etc/hostname", 0o644, id="a name"),
        pytest.param("etc/machine-id", 0o444, id="a machine-id that is not empty"),
        pytest.param("root/.ssh/authorized_keys", 0o644, id="the keys of somebody else"),
    ],
)
def test_what_is_private_is_left_out_and_named(path: str, mode: int) -> None:
    selection = image.select(tree({path: mode}, {"closed": 0o700}), KERNEL)
    assert path not in {entry.path for entry in selection.entries}
    assert path in selection.private


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        pytest.param(f"{MODULES}/kernel/drivers/net/ethernet/intel/e1000e/e1000e.ko", 0o644, id="a network driver"),
        pytest.param("usr/bin/su", 0o4755, id="a setuid program"),
        pytest.param("etc/lvm/lvm.conf", 0o644, id="configuration"),
        pytest.param("usr/share/docbook", 0o644, id="a name that only begins like a useless one"),
    ],
)
def test_the_rest_is_in(path: str, mode: int) -> None:
    (entry,) = [entry for entry in image.select(tree({path: mode}), KERNEL).entries if entry.path == path]
    assert entry.mode == mode


def test_directories_of_the_running_system_are_in_and_empty() -> None:
    selection = image.select(tree({"run/left": 0o644, "proc/left": 0o644}), KERNEL)
    assert {entry.path for entry in selection.entries if entry.path.split("/")[0] in ("run", "proc")} == {"run", "proc"}


def test_the_password_file_is_not_called_left_out_because_it_is_replaced() -> None:
    selection = image.select(tree({"etc/shadow": 0o640, "etc/gshadow": 0o640}), KERNEL)
    assert selection.private == ("etc/gshadow",)


def test_no_account_has_a_password() -> None:
    shadow = "root:$y$j9T$secret:19000:0:99999:7:::\nlocked:!:19000::::::\n\nopen::1::::::\n"
    assert image.without_passwords(shadow) == "root:*:19000:0:99999:7:::\nlocked:*:19000::::::\nopen:*:1::::::\n"


ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPz8nJ8cZ5mY0hVqk3cN4bq0e1X8l2m9s7QdTgV2Xw1A"


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(ED25519, id="bare"),
        pytest.param(f"{ED25519} me@here", id="with a comment"),
        pytest.param(f'restrict,command="/bin/true x" {ED25519} me', id="with options"),
        pytest.param("sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIA== token", id="of a token"),
        pytest.param("ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTY= x", id="ecdsa"),
    ],
)
def test_public_keys(line: str) -> None:
    assert image.authorized_keys(f"# mine\n\n {line}\n", "k.pub") == f"{line}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("-----BEGIN OPENSSH PRIVATE KEY-----\nx\n", "k: a private key; an image is no place for one", id="a private key"),
        pytest.param("# nothing\n\n", "k: there is no public key in it", id="no key"),
        pytest.param(f"{ED25519}\nrubbish\n", "k:2: not a public key as ssh-keygen writes it", id="not a key"),
        pytest.param("ssh-ed25519\n", "k:1: not a public key as ssh-keygen writes it", id="half a key"),
    ],
)
def test_what_is_no_public_key(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        image.authorized_keys(text, "k")
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("config", "found"),
    [
        pytest.param("CONFIG_RD_GZIP=y\nCONFIG_RD_ZSTD=y\n", "zstd", id="a kernel that can"),
        pytest.param("# CONFIG_RD_ZSTD is not set\n", "gzip", id="a kernel that cannot"),
        pytest.param("", "gzip", id="a tree that does not tell"),
    ],
)
def test_compression(config: str, found: str) -> None:
    assert image.decompressor(config) == found


def test_the_manifest_of_an_image() -> None:
    entries = (
        Entry("", Kind.DIR, 0o755, 0, 0, 5_000_000_000),
        Entry("etc", Kind.DIR, 0o755, 0, 0, 5_999_999_999),
        Entry("etc/shadow", Kind.FILE, 0o640, 0, 42, 5_000_000_000, 3),
        Entry("bin", Kind.LINK, 0o777, 0, 0, 99_000_000_000, target="usr/b in"),
        Entry("new\nline", Kind.FILE, 0o4755, 7, 8, 1_000_000_000, 3),
    )
    text = image.image_manifest(
        Selection(entries, ()), {"etc/shadow": "/var/tmp/0", "root/.ssh/keys": "/var/tmp/a b"}, epoch_s=50, latest_s=60
    )
    assert text.splitlines() == [
        "#mtree",
        ". type=dir mode=0755 uid=0 gid=0 time=5.0 nlink=1",
        "./bin type=link mode=0777 uid=0 gid=0 time=60.0 nlink=1 link=usr/b\\040in",
        "./etc type=dir mode=0755 uid=0 gid=0 time=5.0 nlink=1",
        "./etc/shadow type=file mode=0644 uid=0 gid=0 time=50.0 nlink=1 contents=/var/tmp/0",
        "./new\\012line type=file mode=4755 uid=7 gid=8 time=1.0 nlink=1",
        "./root type=dir mode=0700 uid=0 gid=0 time=50.0 nlink=1",
        "./root/.ssh type=dir mode=0700 uid=0 gid=0 time=50.0 nlink=1",
        "./root/.ssh/keys type=file mode=0644 uid=0 gid=0 time=50.0 nlink=1 contents=/var/tmp/a\\040b",
    ]


def test_without_a_latest_time_the_tree_keeps_its_own() -> None:
    entries = (Entry("", Kind.DIR, 0o755, 0, 0, 99_000_000_000),)
    text = image.image_manifest(Selection(entries, ()), {}, epoch_s=50, latest_s=None)
    assert re.findall(r"time=\S+", text) == ["time=99.0"]
