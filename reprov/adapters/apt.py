"""Installing and upgrading packages in a tree of the debian family, with its own apt."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters.chroot import BUILD, Chroot, opened_chroot
from reprov.adapters.debs import ARCHIVES, DebCache, cache_folder
from reprov.adapters.mmdebstrap import bootstrap
from reprov.adapters.sandbox import Sandbox
from reprov.adapters.stable_ids import stable_ids
from reprov.domain.apt_sources import SourceLine
from reprov.domain.ids import IdTable
from reprov.domain.pristine import POLICY_RC_D

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


@dataclass(frozen=True, slots=True)
class Apt:
    """What a build of the debian family gets its packages with."""

    suite: str
    sources: tuple[SourceLine, ...]
    recommends: bool
    ids: IdTable
    """Which number the account of a package gets."""
    scratch: Path
    """An empty directory for what is needed meanwhile."""
    log: Path
    epoch_s: int

    def bootstrap(self, box: Sandbox, tree: Path) -> None:
        """Fill the directory `tree`, which must not exist, with the minimal system of the suite."""
        debs = self._debs("bootstrap")
        distributions = [source for source in self.sources if source.key_path is None]
        bootstrap(box, tree, self.suite, distributions, debs, self.log, self.epoch_s)
        debs.keep_new()

    @contextmanager
    def opened(self, box: Sandbox, root: Path) -> Iterator[Chroot]:
        """Make the tree at `root` one in which packages can be installed and programs can run, for the block."""
        debs = self._debs("tree")
        environment = {
            "APT_CONFIG": f"/{BUILD}/apt.conf",
            "DEBIAN_FRONTEND": "noninteractive",
            "DEBCONF_NONINTERACTIVE_SEEN": "true",
            "SOURCE_DATE_EPOCH": str(self.epoch_s),
        }
        with opened_chroot(box, root, log=self.log, environment=environment) as chroot:
            for path in (_LISTS, ARCHIVES):
                (chroot.view / path).mkdir(parents=True, exist_ok=True)
            box.mount("tmpfs", root / _LISTS, "nosuid,nodev,mode=0755", "tmpfs")
            debs.mount(box, root)
            self._configure(chroot.view / BUILD)
            policy = chroot.view / POLICY_RC_D
            policy.write_bytes(_POLICY)
            policy.chmod(0o755)
            try:
                with stable_ids(chroot, self.ids, self.epoch_s):
                    yield chroot
            finally:
                debs.keep_new()
                policy.unlink(missing_ok=True)
                for path in (_LISTS, ARCHIVES):
                    box.unmount(root / path)

    def install(self, chroot: Chroot, packages: Sequence[str], *, upgrade: bool) -> None:
        """Bring the package lists up to date, then upgrade everything if wanted, then install what is not there."""
        chroot.run(("apt-get", "update"))
        if upgrade:
            # Without the kernels and libraries that nothing wants any more; apt itself keeps the last kernel but one.
            chroot.run(("apt-get", "full-upgrade", "--autoremove", "--purge"))
        if packages:
            removal = "--purge" if any(name.endswith("-") for name in packages) else "--no-remove"
            chroot.run(("apt-get", "install", removal, *packages))

    def _debs(self, name: str) -> DebCache:
        (self.scratch / name).mkdir()
        return DebCache(cache_folder("debs"), self.scratch / name)

    def _configure(self, folder: Path) -> None:
        (folder / "none").mkdir()
        lines: list[str] = []
        for number, source in enumerate(self.sources):
            if source.key_path is None:
                lines.append(source.render())
                continue
            key = Path(source.key_path)
            copy = folder / f"key-{number}{key.suffix}"
            copy.write_bytes(key.read_bytes())
            copy.chmod(0o644)
            lines.append(SourceLine(source.mirror, source.suite, source.components, f"/{BUILD}/{copy.name}").render())
        (folder / "sources.list").write_text("".join(f"{line}\n" for line in lines))
        (folder / "apt.conf").write_text(_APT_CONF.format(recommends=str(self.recommends).lower()))
