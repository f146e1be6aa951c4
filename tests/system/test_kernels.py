"""Kernels, initramfs and GRUB of a node after a hop, made by a real Debian's own programs. tests/vm/test_trial.py boots one."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reprov.adapters.boot_programs import opened_programs
from reprov.adapters.initramfs import read_tree
from reprov.domain.boot_entries import BootEntry
from reprov.domain.comparison import Blocker
from reprov.domain.entry import Entry
from reprov.domain.grub_menu import default_version, entry_of, parse_environment, parse_menu
from reprov.domain.kernels import Kernels, kernels_of
from reprov.errors import ReprovError
from reprov.workflows.boot_preflight import preflight_boot
from reprov.workflows.bootable import make_bootable
from reprov.workflows.fallback import fallback_kernels
from reprov.workflows.kernels import Booted, confirm_boot, forget_trial, update_boot
from tests.boot_lab import BIOS_LAYOUT, BootDisk, boot_disk
from tests.heard import Heard
from tests.system.filesystems import Filesystems
from tests.system.snapshot import difference, snapshot, timeless
from tests.system.trees import boot_trees

pytestmark = [
    pytest.mark.system,
    pytest.mark.commands,
    pytest.mark.needs("mmdebstrap", "sfdisk", "losetup", "partx", "mkfs.ext4", "mkswap", "chattr"),
]

Tree = dict[str, Entry]


class Hop:
    """A node whose tree has just become that of the new release; its boot loader is still that of before."""

    def __init__(self, disk: BootDisk, before: Tree, after: Tree) -> None:
        self.disk, self.root = disk, disk.root
        self.before, self.after = before, after
        self.old, self.both = kernels_of(before), kernels_of(after)
        (self.old_version,) = self.old
        (self.new_version,) = self.both.keys() - self.old.keys()
        self.new: Kernels = {self.new_version: self.both[self.new_version]}

    @property
    def menu(self) -> str:
        return (self.root / "boot/grub/grub.cfg").read_text()

    @property
    def variables(self) -> dict[str, str]:
        return parse_environment((self.root / "boot/grub/grubenv").read_bytes())

    def initramfs(self, version: str) -> Path:
        return self.root / f"boot/initrd.img-{version}"

    def booted_by_default(self) -> str:
        return default_version(self.menu, self.variables)

    def requires_bootable(self, *versions: str) -> None:
        """Assert that the menu offers these kernels, and that all that its entries name is there."""
        menu = parse_menu(self.menu)
        for version in versions:
            assert entry_of(menu, version) is not None, version
        for entry in menu:
            assert (self.root / f"boot/vmlinuz-{entry.version}").stat().st_size > 1 << 20
            assert (self.root / "boot" / entry.initramfs).stat().st_size > 1 << 20
            assert entry.root == f"root=UUID={self.disk.uuids['root']}"

    def update(self, new: Kernels | None = None, *, renew: bool = False, trial_s: int = 0) -> Booted:
        return update_boot(self.root, self.old, self.both if new is None else new, Heard(), renew=renew, trial_s=trial_s)


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory, nothing_stays_behind: None) -> Iterator[BootDisk]:
    """A disk that boots the old tree."""
    with boot_disk(tmp_path_factory.mktemp("disk"), boot_trees().old, BIOS_LAYOUT) as made:
        # A third of the time, and as good an initramfs for what is asked of it.
        (made.root / "etc/initramfs-tools/conf.d/small").write_text("MODULES=list\n")
        (made.root / "etc/initramfs-tools/modules").write_text("virtio_blk\next4\n")
        (made.root / "etc/grub.d/05_tell").write_text('#!/bin/sh\necho "# no os-prober: $GRUB_DISABLE_OS_PROBER"\n')
        (made.root / "etc/grub.d/05_tell").chmod(0o755)
        make_bootable(made.root, made.device, BIOS_LAYOUT, Heard())
        yield made


@pytest.fixture(scope="module")
def tree_before() -> Tree:
    return read_tree(boot_trees().old)


@pytest.fixture(scope="module")
def tree_after() -> Tree:
    return read_tree(boot_trees().new)


@pytest.fixture
def hop(disk: BootDisk, tree_before: Tree, tree_after: Tree, tmp_path: Path) -> Iterator[Hop]:
    """The disk with the kernel of the new tree beside the old one, as a commit leaves it; afterwards as it was."""
    made = Hop(disk, tree_before, tree_after)
    saved = tmp_path / "boot"
    shutil.copytree(disk.root / "boot", saved)
    modules = f"usr/lib/modules/{made.new_version}"
    for kind in ("vmlinuz", "config", "System.map", "initrd.img"):
        shutil.copy2(boot_trees().new / f"boot/{kind}-{made.new_version}", disk.root / "boot")
    shutil.copytree(boot_trees().new / modules, disk.root / modules, symlinks=True)
    try:
        yield made
    finally:
        shutil.rmtree(disk.root / modules)
        shutil.rmtree(disk.root / ".reprov", ignore_errors=True)
        for item in (disk.root / "boot").iterdir():
            shutil.rmtree(item) if item.is_dir() else item.unlink()
        shutil.copytree(saved, disk.root / "boot", dirs_exist_ok=True)


def holds_modules(root: Path, initramfs: Path) -> set[str]:
    """The versions of which an initramfs holds modules, as the distribution's own program lists it."""
    with opened_programs(root) as programs:
        said = programs.run("lsinitramfs", f"/{initramfs.relative_to(root)}")
    return {line.split("/modules/")[1].split("/")[0] for line in said.splitlines() if "/modules/" in line}


def test_a_new_kernel_beside_the_old_one(hop: Hop) -> None:
    old_initramfs, brought = hop.initramfs(hop.old_version).read_bytes(), hop.initramfs(hop.new_version).read_bytes()
    booted = hop.update()
    assert booted == Booted(("GRUB",), (hop.new_version,), hop.new_version)
    hop.requires_bootable(hop.old_version, hop.new_version)
    assert hop.booted_by_default() == hop.new_version
    assert "# no os-prober: true" in hop.menu
    assert hop.initramfs(hop.old_version).read_bytes() == old_initramfs
    assert hop.initramfs(hop.new_version).read_bytes() != brought  # it knows what this node has
    assert holds_modules(hop.root, hop.initramfs(hop.new_version)) == {hop.new_version}
    for directory in ("proc", "sys", "dev", "run", "tmp"):
        assert list((hop.root / directory).iterdir()) == [], directory


def test_a_second_run_changes_nothing(hop: Hop) -> None:
    hop.update(trial_s=600)
    before = {path: timeless(snapshot(hop.root / path)) for path in ("boot", ".reprov")}
    assert hop.update(trial_s=600).made == ()
    assert [difference(before[path], timeless(snapshot(hop.root / path))) for path in before] == [[], []]


def test_an_initramfs_is_made_again_when_a_package_asks_for_it(hop: Hop) -> None:
    hop.update()
    assert hop.update(hop.new, renew=True).made == (hop.new_version,)


def test_a_trial_boots_the_new_kernel_once_until_it_is_confirmed(hop: Hop) -> None:
    booted = hop.update(trial_s=600)
    assert (booted.default, booted.trial) == (hop.old_version, hop.new_version)
    assert hop.booted_by_default() == hop.old_version
    (trial,) = [entry for entry in parse_menu(hop.menu) if entry.name == hop.variables["next_entry"]]
    assert (trial.version, trial.words[-2:]) == (hop.new_version, ("reprov.trial=600", "panic=30"))
    hop.requires_bootable(hop.old_version, hop.new_version)

    booted = confirm_boot(hop.root, hop.both, Heard())
    assert (booted.default, booted.trial, booted.made) == (hop.new_version, "", ())
    assert hop.booted_by_default() == hop.new_version
    assert "next_entry" not in hop.variables
    assert "reprov.trial=" not in hop.menu


def test_a_trial_that_is_forgotten_leaves_no_trace(hop: Hop) -> None:
    """As before a rollback, when nothing tells which kernels the tree that comes back has."""
    hop.update(trial_s=600)
    forget_trial(hop.root)
    assert hop.booted_by_default() == hop.old_version
    assert "next_entry" not in hop.variables
    assert "reprov" not in hop.menu
    hop.requires_bootable(hop.old_version, hop.new_version)


def test_the_kernel_that_the_release_lacks_stays_as_a_fallback(hop: Hop) -> None:
    assert fallback_kernels(hop.root, is_live=False) == [hop.old_version]
    booted = hop.update(hop.new)
    assert (booted.default, booted.fallbacks) == (hop.new_version, (hop.old_version,))
    hop.requires_bootable(hop.old_version, hop.new_version)


def test_a_kernel_that_is_gone_is_offered_no_longer(hop: Hop) -> None:
    """As after a rollback: image and modules went with the tree, the initramfs was the node's."""
    hop.update()
    modules = hop.root / f"usr/lib/modules/{hop.new_version}"
    (hop.root / f"boot/vmlinuz-{hop.new_version}").unlink()
    modules.rename(hop.root / "away")
    try:
        booted = update_boot(hop.root, hop.both, hop.old, Heard())
    finally:
        (hop.root / "away").rename(modules)
    assert booted == Booted(("GRUB",), (), hop.old_version)
    assert {entry.version for entry in parse_menu(hop.menu)} == {hop.old_version}
    assert not hop.initramfs(hop.new_version).exists()
    hop.requires_bootable(hop.old_version)


def test_going_back_to_an_older_kernel_boots_that_although_the_newer_one_is_still_there(hop: Hop) -> None:
    hop.update()
    booted = update_boot(hop.root, hop.both, hop.old, Heard())
    assert (booted.default, booted.fallbacks) == (hop.old_version, (hop.new_version,))
    assert hop.booted_by_default() == hop.old_version
    hop.requires_bootable(hop.old_version, hop.new_version)


@pytest.mark.parametrize("renames", [0, 1], ids=["before the initramfs is in its place", "before the menu is in its place"])
def test_a_killed_run_leaves_a_node_that_boots_and_the_next_finishes_it(hop: Hop, renames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    before, menu = snapshot(hop.root / "boot"), hop.menu

    def rename_or_die(*names: str, src_dir_fd: int, dst_dir_fd: int, left: list[int] = [renames]) -> None:  # noqa: B006
        if left[0] == 0:
            os._exit(9)
        left[0] -= 1
        rename(*names, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    rename = os.rename
    child = os.fork()
    if child == 0:
        try:
            monkeypatch.setattr(os, "rename", rename_or_die)
            hop.update(trial_s=600)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert hop.menu == menu
    hop.requires_bootable(hop.old_version)
    assert hop.booted_by_default() == hop.old_version
    old_files = [f"{kind}-{hop.old_version}" for kind in ("vmlinuz", "initrd.img")]
    assert all(snapshot(hop.root / "boot")[name] == before[name] for name in old_files)

    hop.update(trial_s=600)
    hop.requires_bootable(hop.old_version, hop.new_version)
    assert [name for name in os.listdir(hop.root / "boot") + os.listdir(hop.root / "boot/grub") if ".reprov" in name] == []


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        pytest.param(
            "etc/initramfs-tools/hooks/broken",
            "#!/bin/sh\ntest \"$1\" != prereqs || exit 0\necho 'no such firmware' >&2\nexit 1\n",
            "no initramfs could be made for kernel {new}: ",
            id="no initramfs",
        ),
        pytest.param(
            "etc/default/grub.d/x.cfg",
            "GRUB_DISABLE_LINUX_UUID=true\n",
            "the menu that GRUB would have now is wrong: it gives kernel {new} root=/dev/loop",
            id="a menu with another root",
        ),
        pytest.param(
            "etc/grub.d/99_broken",
            "#!/bin/sh\necho '}'\n",
            "grub-mkconfig failed with status 1: ",
            id="a menu that GRUB cannot read",
        ),
    ],
)
def test_what_fails_leaves_the_menu_of_before(hop: Hop, path: str, text: str, message: str) -> None:
    menu = hop.menu
    place = hop.root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    place.chmod(0o755)
    try:
        with pytest.raises(ReprovError) as raised:
            hop.update()
    finally:
        place.unlink()
    assert raised.value.message.startswith(message.format(new=hop.new_version))
    assert hop.menu == menu
    hop.requires_bootable(hop.old_version)
    assert [name for name in os.listdir(hop.root / "boot") + os.listdir(hop.root / "boot/grub") if ".reprov" in name] == []


def test_an_initramfs_without_modules_is_none(hop: Hop) -> None:
    """A configuration that makes one which cannot mount the root: seen before anything names it."""
    modules = hop.root / f"usr/lib/modules/{hop.new_version}"
    brought = hop.initramfs(hop.new_version).read_bytes()
    modules.rename(hop.root / "away")
    modules.mkdir()
    try:
        with pytest.raises(ReprovError, match=rf"{hop.new_version} is of no use: it holds no modules of {hop.new_version}"):
            hop.update()
    finally:
        shutil.rmtree(modules)
        (hop.root / "away").rename(modules)
    assert hop.initramfs(hop.new_version).read_bytes() == brought


def test_where_grub_reads_a_file_for_each_kernel_it_gets_one(hop: Hop) -> None:
    """As GRUB of the RPM family does (blscfg)."""
    boot, entries = hop.root / "boot", hop.root / "boot/loader/entries"
    (boot / "grub").rename(boot / "grub2")
    (boot / "grub2/grub.cfg").write_text("insmod blscfg\nblscfg\n")
    entries.mkdir(parents=True)
    place, options = f"/boot/vmlinuz-{hop.old_version}", "root=UUID=5d9c ro"
    text = f"title Linux\nversion {hop.old_version}\nlinux {place}\ninitrd /boot/initrd.img-{hop.old_version}\noptions {options}\n"
    (entries / f"0123-{hop.old_version}.conf").write_text(text)

    def variables() -> dict[str, str]:
        return parse_environment((boot / "grub2/grubenv").read_bytes())

    assert fallback_kernels(hop.root, is_live=False) == [hop.old_version]
    booted = hop.update(trial_s=600)
    assert (booted.default, booted.trial) == (hop.old_version, hop.new_version)
    assert (entries / f"0123-{hop.old_version}.conf").read_text() == text
    entry = BootEntry.parse("", (entries / f"0123-{hop.new_version}.conf").read_text())
    assert (entry.linux, entry.initrd) == (f"/boot/vmlinuz-{hop.new_version}", f"/boot/initrd.img-{hop.new_version}")
    assert entry.options == options
    assert variables() == {"saved_entry": f"0123-{hop.old_version}", "next_entry": "reprov-trial"}
    trial = BootEntry.parse("", (entries / "reprov-trial.conf").read_text())
    assert (trial.linux, trial.initrd, trial.options) == (entry.linux, entry.initrd, f"{options} reprov.trial=600 panic=30")
    assert fallback_kernels(hop.root, is_live=False) == [hop.old_version]

    assert confirm_boot(hop.root, hop.both, Heard()).default == hop.new_version
    assert variables() == {"saved_entry": f"0123-{hop.new_version}"}
    assert not (entries / "reprov-trial.conf").exists()


def boot_of_its_own(hop: Hop, filesystems: Filesystems, kind: str, size_mib: int) -> Path:
    """Move /boot to a filesystem of its own, as far as a boot loader sees it."""
    boot = hop.root / "boot"
    content = hop.root / "content"
    shutil.copytree(boot, content)
    filesystems.make(kind, boot, size_mib=size_mib)
    shutil.copytree(content, boot, dirs_exist_ok=True)
    shutil.rmtree(content)
    return boot


def test_a_boot_filesystem_of_its_own(hop: Hop, filesystems: Filesystems) -> None:
    boot = boot_of_its_own(hop, filesystems, "ext4", 200)
    try:
        assert hop.update(trial_s=600).trial == hop.new_version
        hop.requires_bootable(hop.old_version, hop.new_version)
        assert f"linux\t/vmlinuz-{hop.new_version} " in hop.menu
    finally:
        filesystems.unmount(boot)


def test_where_grub_cannot_write_there_is_no_trial(hop: Hop, filesystems: Filesystems) -> None:
    boot, heard = boot_of_its_own(hop, filesystems, "btrfs", 300), Heard()
    try:
        booted = update_boot(hop.root, hop.old, hop.both, heard, trial_s=600)
    finally:
        filesystems.unmount(boot)
    assert (booted.default, booted.trial) == (hop.new_version, "")
    said = f"kernel {hop.new_version} is booted without a trial: GRUB cannot write to btrfs; {hop.old_version} stays in the menu"
    assert heard.notes == [said]


def fill(hop: Hop, boot: Path) -> None:
    status = os.statvfs(boot)
    with (boot / "filler").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, (status.f_bfree * status.f_frsize) - (8 << 20))


@pytest.mark.parametrize(
    ("spoil", "mend", "path", "problem"),
    [
        pytest.param(fill, None, "boot", "has no room for another kernel and its initramfs: ", id="full"),
        pytest.param(
            lambda hop, boot: subprocess.run(["mount", "-o", "remount,ro", boot], check=True), None, "boot", "is read-only", id="read-only"
        ),
        pytest.param(
            lambda hop, boot: subprocess.run(["chattr", "+i", boot / "grub/grub.cfg"], check=True),
            lambda hop, boot: subprocess.run(["chattr", "-i", boot / "grub/grub.cfg"], check=True),
            "boot/grub/grub.cfg",
            "is immutable (chattr), and has to be written",
            id="immutable",
        ),
    ],
)
def test_what_would_fail_is_refused_before_the_commit_and_nothing_is_changed(
    hop: Hop,
    filesystems: Filesystems,
    spoil: Callable[[Hop, Path], object],
    mend: Callable[[Hop, Path], object] | None,
    path: str,
    problem: str,
) -> None:
    boot = boot_of_its_own(hop, filesystems, "ext4", 128)
    try:
        assert preflight_boot(hop.root, hop.before, hop.after) == ()
        spoil(hop, boot)
        before = snapshot(boot)
        found = preflight_boot(hop.root, hop.before, hop.after)
        assert [(blocker.path, blocker.problem.startswith(problem)) for blocker in found[:1]] == [(path, True)], found
        assert difference(before, snapshot(boot)) == []
        if mend:
            mend(hop, boot)
    finally:
        filesystems.unmount(boot)


def test_what_staging_takes_counts(hop: Hop) -> None:
    status = os.statvfs(hop.root)
    free_bytes = status.f_bfree * status.f_frsize
    assert preflight_boot(hop.root, hop.before, hop.after, {"": free_bytes - (100 << 20)}) == ()
    (blocker,) = preflight_boot(hop.root, hop.before, hop.after, {"": free_bytes - (10 << 20)})
    assert blocker.problem.startswith("has no room for another kernel")


@pytest.mark.parametrize(
    ("missing", "blocker"),
    [
        (
            "usr/sbin/mkinitramfs",
            Blocker(
                "boot",
                "cannot get an initramfs: the release has no program that makes one",
                "the role needs initramfs-tools or dracut, or no kernel",
            ),
        ),
        (
            "usr/sbin/grub-mkconfig",
            Blocker("usr/sbin/grub-mkconfig", "is missing in the release, and the node boots by GRUB", "the role needs grub2-common"),
        ),
    ],
)
def test_a_release_that_cannot_boot_the_node_is_refused(hop: Hop, missing: str, blocker: Blocker) -> None:
    after = {path: entry for path, entry in hop.after.items() if path != missing}
    assert preflight_boot(hop.root, hop.before, after) == (blocker,)


def test_grub_is_installed_again_when_its_package_has_changed(hop: Hop) -> None:
    before, heard = hop.disk.others(), Heard()
    module = hop.root / "boot/grub/i386-pc/hello.mod"
    packaged = (hop.root / "usr/lib/grub/i386-pc/hello.mod").read_bytes()
    module.write_bytes(b"of the version before")
    update_boot(hop.root, hop.old, hop.both, heard)
    assert heard.notes == [f"GRUB was installed anew onto {hop.disk.device}"]
    assert module.read_bytes() == packaged
    assert hop.disk.changes_of_others(before) == []


def test_grub_stays_where_debconf_names_another_disk(hop: Hop) -> None:
    module, heard = hop.root / "boot/grub/i386-pc/hello.mod", Heard()
    module.write_bytes(b"of the version before")
    answers = hop.root / "var/cache/debconf/config.dat"
    before = answers.read_text()
    answers.write_text(f"{before}\nName: grub-pc/install_devices\nTemplate: grub-pc/install_devices\nValue: /dev/null\n")
    try:
        update_boot(hop.root, hop.old, hop.both, heard)
    finally:
        answers.write_text(before)
    why = f"debconf's grub-pc/install_devices is /dev/null, and /boot lies on {hop.disk.device}"
    assert heard.notes == [f"GRUB in the boot code stays in the version of before: {why}"]
    assert module.read_bytes() == b"of the version before"


def test_a_node_that_no_boot_loader_of_its_own_starts(tmp_path: Path, tree_before: Tree, tree_after: Tree) -> None:
    heard, both = Heard(), kernels_of(tree_after)
    assert update_boot(tmp_path, {}, both, heard) == Booted(())
    assert heard.notes == ["the node has no boot loader of its own: kernels are as the release has them"]
    assert preflight_boot(tmp_path, tree_before, tree_after) == ()
    assert fallback_kernels(tmp_path, is_live=True) == []
    assert list(tmp_path.iterdir()) == []


def test_a_release_without_a_kernel_leaves_what_the_node_boots(hop: Hop) -> None:
    before, heard = snapshot(hop.root / "boot"), Heard()
    assert update_boot(hop.root, hop.old, {}, heard) == Booted(("GRUB",))
    assert heard.notes == ["the release has no kernel: what the node boots stays as it is"]
    assert difference(before, snapshot(hop.root / "boot")) == []
