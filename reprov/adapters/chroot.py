"""Running the package manager and a role's scripts inside a tree that is being built."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters.build_log import logged
from reprov.adapters.debs import ARCHIVES, DebCache
from reprov.adapters.run import CommandFailed
from reprov.adapters.sandbox import SYSTEM_DIRECTORIES, Sandbox
from reprov.domain.apt_sources import SourceLine
from reprov.domain.pristine import POLICY_RC_D, RESOLV_CONF
from reprov.errors import ReprovError

BUILDER_RESOLV_CONF = Path("/etc/resolv.conf")
BUILD = "run/reprov-build"
"""The folder of the build's own helpers inside the tree: on a tmpfs, so nothing of it can stay."""

_LISTS = "var/lib/apt/lists"
_POLICY = b"#!/bin/sh\n# No service starts while a tree is built.\nexit 101\n"
_APT_CONF = """\
Dir::Etc::SourceList "/run/reprov-build/sources.list";
Dir::Etc::SourceParts "/run/reprov-build/none";
APT::Install-Recommends "{recommends}";
APT::Keep-Downloaded-Packages "true";
APT::Get::Assume-Yes "true";
Acquire::Languages "none";
Acquire::Retries "3";
Dpkg::Use-Pty "0";
DPkg::Options {{ "--force-unsafe-io"; "--force-confdef"; "--force-confold"; }};
"""
# The caller's program writes both streams to stderr, in the order in which it spoke.
_TOGETHER = ("sh", "-c", 'exec "$@" >&2', "sh")


@dataclass(frozen=True, slots=True)
class Chroot:
    """A tree with everything mounted that programs need, as the sandbox sees it."""

    box: Sandbox
    root: Path
    log: Path
    """Where the output of a program that failed goes."""
    epoch_s: int

    @property
    def view(self) -> Path:
        """The tree as this process reaches it."""
        return self.box.view(self.root)

    def run(self, argv: Sequence[str]) -> None:
        """Run a program in the tree. Raises `ReprovError` with the line that tells most, the rest goes to the log."""
        try:
            self.box.run((*_TOGETHER, "chroot", os.fspath(self.root), *argv), extra_environment=self._environment())
        except CommandFailed as error:
            raise logged(f"{Path(argv[0]).name} failed in the tree", error, self.log) from None

    def install(self, packages: Sequence[str], *, upgrade: bool) -> None:
        """Bring the package lists up to date, then upgrade everything if wanted, then install what is not there."""
        self.run(("apt-get", "update"))
        if upgrade:
            # Without the kernels and libraries that nothing wants any more; apt itself keeps the last kernel but one.
            self.run(("apt-get", "full-upgrade", "--autoremove", "--purge"))
        if packages:
            self.run(("apt-get", "install", "--no-remove" if not any(name.endswith("-") for name in packages) else "--purge", *packages))

    def run_script(self, script: Path) -> None:
        """Run a script of the role inside the tree, by its own first line."""
        inside = self.view / BUILD / "script"
        inside.write_bytes(script.read_bytes())
        inside.chmod(0o755)
        try:
            self.run((f"/{BUILD}/script",))
        except ReprovError as error:
            raise ReprovError(error.message.replace("script failed", f"{script} failed", 1), hint=error.hint) from None

    def set_units(self, verb: str, units: Sequence[str]) -> None:
        """`systemctl enable`, `disable` or `mask` in the tree."""
        if units:
            self.run(("systemctl", "--quiet", verb, "--", *units))

    def _environment(self) -> Mapping[str, str]:
        return {
            "APT_CONFIG": f"/{BUILD}/apt.conf",
            "DEBIAN_FRONTEND": "noninteractive",
            "DEBCONF_NONINTERACTIVE_SEEN": "true",
            "SOURCE_DATE_EPOCH": str(self.epoch_s),
            "HOME": "/root",
        }


@contextmanager
def opened_chroot(
    box: Sandbox, root: Path, *, debs: DebCache, sources: Sequence[SourceLine], recommends: bool, log: Path, epoch_s: int
) -> Iterator[Chroot]:
    """Make the tree at `root` one that programs can run in; afterwards nothing is mounted in it and no helper file is left."""
    view = box.view(root)
    for path in (_LISTS, ARCHIVES, *SYSTEM_DIRECTORIES):
        (view / path).mkdir(parents=True, exist_ok=True)
    box.mount_system(root)
    box.mount("tmpfs", root / _LISTS, "nosuid,nodev,mode=0755", "tmpfs")
    debs.mount(box, root)
    _configure_apt(view / BUILD, sources, recommends=recommends)
    resolver = view / RESOLV_CONF
    builder_resolver = BUILDER_RESOLV_CONF.read_bytes() if BUILDER_RESOLV_CONF.is_file() else b""
    if not resolver.exists() and not resolver.is_symlink():
        resolver.write_bytes(builder_resolver)
    policy = view / POLICY_RC_D
    policy.write_bytes(_POLICY)
    policy.chmod(0o755)
    try:
        yield Chroot(box, root, log, epoch_s)
    finally:
        policy.unlink(missing_ok=True)
        if resolver.is_file() and not resolver.is_symlink() and resolver.read_bytes() == builder_resolver:
            resolver.unlink()
        for path in (_LISTS, ARCHIVES, *reversed(SYSTEM_DIRECTORIES)):
            box.unmount(root / path)


def _configure_apt(folder: Path, sources: Sequence[SourceLine], *, recommends: bool) -> None:
    folder.mkdir()
    (folder / "none").mkdir()
    lines: list[str] = []
    for number, source in enumerate(sources):
        if source.key_path is None:
            lines.append(source.render())
            continue
        key = Path(source.key_path)
        copy = folder / f"key-{number}{key.suffix}"
        copy.write_bytes(key.read_bytes())
        copy.chmod(0o644)
        lines.append(SourceLine(source.mirror, source.suite, source.components, f"/{BUILD}/{copy.name}").render())
    (folder / "sources.list").write_text("".join(f"{line}\n" for line in lines))
    (folder / "apt.conf").write_text(_APT_CONF.format(recommends=str(recommends).lower()))
