"""The trees of the lab's releases: a role that reprov ships, the shell of the lab, and what differs from release to release."""

import subprocess
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Final

from reprov.adapters.lay import COMPILE_CLIENT, install_boot_hook, install_client, lay_files
from reprov.cli.main import main
from reprov.domain.release import ReleaseId
from reprov.domain.resolved_role import ResolvedRole
from tests.conftest import Ran
from tests.system.trees import RealTrees, Tree
from tests.vm.machine import AGENT, AGENT_UNIT

Change = Callable[[Path, str], None]
"""Makes of a copy of the first release's tree that of another version."""

_ROLES: Final = Path(__file__).parents[2] / "roles"

# What nothing here looks at is left out: the node is scanned by a processor that is fifty times slower than a real one.
_FILTERS: Final = (
    *(f"- /usr/share/{name}/*" for name in ("doc", "man", "locale", "info", "bash-completion", "lintian", "zoneinfo", "perl", "grub")),
    *(f"- /usr/lib/python3/dist-packages/{name}*" for name in ("pygments", "psutil", "markdown_it", "pkg_resources")),
    *(f"- /usr/lib/x86_64-linux-gnu/{name}" for name in ("gconv/*", "perl/*", "perl-base/*", "libperl*", "libicu*")),
    *(f"- /usr/{name}" for name in ("bin/perl*", "lib/grub/*", "lib/udev/hwdb.*", "share/perl5/*", "lib/python3.11/test/*")),
    *(f"- /usr/share/{name}" for name in ("bug/*", "ca-certificates/*", "zsh/*")),
    *(f"- /var/lib/dpkg/info/*.{suffix}" for suffix in ("shlibs", "symbols")),
    *("- /var/cache/*/**", "- /var/lib/apt/*", "- /boot/initrd.img-*"),
    *(f"+ /usr/lib/modules/*/kernel/{name}/" for name in ("net", "net/core", "net/packet", "drivers", "drivers/net", "crypto", "lib")),
    *("+ /usr/lib/modules/*/kernel/drivers/net/virtio_net.ko", "+ /usr/lib/modules/*/kernel/drivers/net/net_failover.ko"),
    *(f"+ /usr/lib/modules/*/kernel/drivers/{name}/" for name in ("block", "char", "dax", "md", "virtio")),
    *(f"- /usr/lib/modules/*/kernel/{name}/*" for name in ("net", "drivers/net", "drivers")),
    "- /usr/lib/modules/*/kernel/*/",
)
_INITRAMFS: Final = "MODULES=list\nCOMPRESS=zstd\nRESUME=none\n"
_INITRAMFS_MODULES: Final = "virtio_pci\nvirtio_blk\next4\n"
_UNIT: Final = "[Unit]\nDescription={version}\n[Service]\nExecStart=/usr/lib/lab/daemon infinity\n[Install]\nWantedBy=multi-user.target\n"
_WANTS: Final = "etc/systemd/system/multi-user.target.wants"
_PACKAGE: Final = (
    "Package: lab-tools\nStatus: install ok installed\nArchitecture: all\nMaintainer: lab\nVersion: {version}\nDescription: lab\n\n"
)
_POSTINST: Final = '#!/bin/sh\nset -e\necho "$*" >>/var/lib/lab-said\n'


def run_reprov(*words: object) -> Ran:
    """Run the command line in this process."""
    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        status = main([str(word) for word in words])
    return Ran(status, out.getvalue(), err.getvalue())


def must(ran: Ran) -> None:
    """Fail the test unless it ended well."""
    assert ran.status == 0, ran.stderr


def publish(store: Path, trees: RealTrees, first: Path, release: ReleaseId, change: Change) -> None:
    """Publish a copy of the first release's tree, changed, with the role that made `trees`."""
    build = store / f"build/{release.role}/{release.version}"
    build.mkdir(parents=True)
    run("cp", "--archive", str(first), str(build / "tree"))
    change(build / "tree", release.version)
    made = trees.old.parent / "role.json"
    resolved = ResolvedRole.parse(made.read_text(), str(made))
    resolved = replace(resolved, id=release, parent=None, services=(*resolved.services, "lab.service"))
    (build / "role.json").write_text(resolved.to_json())
    must(run_reprov("publish", release.role, release.version, "--store", store))


def copied(folder: Path, tree: Path, *first_filters: str) -> None:
    """A tree with the boot hook of this checkout, and without what nothing here looks at, unless a filter of rsync's says otherwise."""
    filters = [f"--filter={line}" for line in (*first_filters, *_FILTERS)]
    run("rsync", "--archive", "--hard-links", "--xattrs", "--numeric-ids", *filters, f"{tree}/", str(folder))
    install_boot_hook(folder)


def first_release(folder: Path, tree: Path, version: str, *first_filters: str) -> None:
    """What the shipped role makes, with the client and the units of this checkout, what the lab adds, and an initramfs."""
    copied(folder, tree, *first_filters)
    lay_files(_ROLES / "base/files", folder)
    install_client(folder)
    run("chroot", str(folder), *COMPILE_CLIENT)
    run("chroot", str(folder), "ldconfig")
    _lab_parts(folder, version)
    Tree.over(folder).file("etc/initramfs-tools/conf.d/lab", _INITRAMFS).file("etc/initramfs-tools/modules", _INITRAMFS_MODULES)
    (kernel,) = (folder / "usr/lib/modules").iterdir()
    in_chroot(folder, "depmod", kernel.name)
    in_chroot(folder, "update-initramfs", "-c", "-k", kernel.name)


def add_kernel(folder: Path, tree: Path, version: str) -> None:
    """Another kernel, of another tree."""
    names = (*(f"boot/{name}-{version}" for name in ("vmlinuz", "config", "System.map")), f"usr/lib/modules/{version}")
    filters = [f"--filter={line}" for line in _FILTERS]
    run("rsync", "--archive", "--relative", *filters, *(f"{tree}/./{name}" for name in names), str(folder))
    in_chroot(folder, "depmod", version)


def _lab_parts(folder: Path, version: str) -> None:
    """The shell of the lab, and a service, a package and files that differ in every release."""
    tree = Tree.over(folder)
    tree.file("usr/lib/lab/agent", AGENT, mode=0o755).file("usr/lib/systemd/system/lab-agent.service", AGENT_UNIT)
    _write_version(tree, version)
    for unit in ("lab", "lab-agent"):
        tree.symlink(f"{_WANTS}/{unit}.service", f"/usr/lib/systemd/system/{unit}.service")


def _write_version(tree: Tree, version: str) -> None:
    program = tree.at("usr/bin/sleep").read_bytes()
    tree.file("usr/lib/lab/daemon", program + version.encode(), mode=0o755).file("usr/lib/lab/version", version)
    tree.file("usr/lib/systemd/system/lab.service", _UNIT.format(version=version))
    tree.file("etc/lab.conf", version).file("opt/lab/data", version).file("boot/lab", version)
    others = tree.at("var/lib/dpkg/status").read_text().partition("Package: lab-tools\n")[0]
    tree.file("var/lib/dpkg/status", others + _PACKAGE.format(version=version))
    tree.file("var/lib/dpkg/info/lab-tools.list", "/.\n").file("var/lib/dpkg/info/lab-tools.postinst", _POSTINST, mode=0o755)


def change_nothing(folder: Path, version: str) -> None:
    """The first release."""


def change_lab(folder: Path, version: str) -> None:
    """A service, a package and files."""
    tree = Tree.over(folder)
    _write_version(tree, version)
    tree.file(f"opt/lab-{version}/data", version)


def change_core(folder: Path, version: str) -> None:
    """These, PID 1 and the C library."""
    change_lab(folder, version)
    tree = Tree.over(folder)
    for path in ("usr/lib/x86_64-linux-gnu/libc.so.6", "usr/lib/systemd/systemd"):
        tree.file(path, (folder / path).read_bytes() + version.encode(), mode=0o755)


def break_network(folder: Path, version: str) -> None:
    """These, and a network that does not come up."""
    change_core(folder, version)
    setup = folder / "usr/lib/systemd/network/99-reprov-dhcp.network"
    Tree.over(folder).file("usr/lib/systemd/network/99-reprov-dhcp.network", setup.read_text().replace("DHCP=yes", "DHCP=no"))


def change_role(folder: Path, version: str) -> None:
    """A service more."""
    change_lab(folder, version)
    tree = Tree.over(folder)
    tree.file("usr/lib/systemd/system/storage.service", _UNIT.format(version="storage"))
    tree.symlink(f"{_WANTS}/storage.service", "/usr/lib/systemd/system/storage.service")


def in_chroot(folder: Path, *argv: str) -> None:
    """Run a program of a tree that looks into /proc."""
    run("mount", "-t", "proc", "proc", str(folder / "proc"))
    try:
        run("chroot", str(folder), *argv)
    finally:
        run("umount", str(folder / "proc"))


def run(*argv: str, given: bytes = b"") -> bytes:
    """Run a program of this machine, and give what it says."""
    ran = subprocess.run(argv, input=given, check=False, capture_output=True)
    assert ran.returncode == 0, f"{argv}: {ran.stderr.decode(errors='replace')[-2000:]}"
    return ran.stdout
