"""Installing and upgrading packages in a tree of the RPM family, with this machine's dnf from outside of it."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from reprov.adapters.build_log import logged
from reprov.adapters.chroot import TOGETHER, Chroot, opened_chroot
from reprov.adapters.debs import cache_folder
from reprov.adapters.rpm_database import find_database
from reprov.adapters.rpm_settling import settle_databases
from reprov.adapters.run import CommandFailed
from reprov.adapters.sandbox import Sandbox
from reprov.adapters.stable_ids import make_accounts, reserved_ids
from reprov.domain.dnf import CACHE, FIRST_PACKAGES, RepositorySource, configuration, database_of, is_release_package
from reprov.domain.ids import RPM_DYNAMIC_START, IdTable
from reprov.domain.tree_accounts import words_of

_MACROS = Path("/usr/lib/rpm/macros.d")
# Whatever a package says of accounts: its scripts, the owners of its files, and since rpm 4.19 what it provides.
_ACCOUNT_QUERY = (
    "%{PRETRANS}\n%{PREIN}\n%{POSTIN}\n%{POSTTRANS}\n[%{FILEUSERNAME}\n][%{FILEGROUPNAME}\n][%{PROVIDENAME}\n][%{REQUIRENAME}\n]"
)
_FAILED = b"scriptlet failed"


@dataclass(frozen=True, slots=True)
class Dnf:
    """What a build of the RPM family gets its packages with."""

    distribution: str
    suite: str
    repositories: tuple[RepositorySource, ...]
    packages: tuple[str, ...]
    recommends: bool
    ids: IdTable
    """Which number the account of a package gets."""
    scratch: Path
    """An empty directory for what is needed meanwhile."""
    log: Path
    epoch_s: int

    def bootstrap(self, box: Sandbox, tree: Path) -> None:
        """Make the directory `tree` with the first packages of the distribution, before anything is mounted in it.

        A package owns the directories on which things are mounted later, and could not set their modes then.
        """
        tree.mkdir(mode=0o755)
        self._prepare(box, tree)
        first = (*FIRST_PACKAGES, *filter(is_release_package, self.packages))
        with self._cache(box, tree):
            self._run(box, tree, ("install", *first))

    @contextmanager
    def opened(self, box: Sandbox, root: Path) -> Iterator[Chroot]:
        """Make the tree at `root` one in which packages can be installed and programs can run, for the block."""
        if not self._conf.exists():
            self._prepare(box, root)
        environment = {"SOURCE_DATE_EPOCH": str(self.epoch_s), "SYSTEMD_OFFLINE": "1"}
        with (
            opened_chroot(box, root, log=self.log, environment=environment) as chroot,
            self._cache(box, root),
            reserved_ids(chroot.view, self.ids, first=RPM_DYNAMIC_START),
        ):
            yield chroot
        settle_databases(box, root)

    def install(self, chroot: Chroot, packages: Sequence[str], *, upgrade: bool) -> None:
        """Upgrade everything if wanted, then install what is not there; accounts are made before the packages that name them."""
        if upgrade:
            self._with_accounts(chroot, ("upgrade",))
            self._run(chroot.box, chroot.root, ("autoremove",))
        if packages:
            self._with_accounts(chroot, ("install", *packages))

    @property
    def _conf(self) -> Path:
        return self.scratch / "dnf.conf"

    def _with_accounts(self, chroot: Chroot, words: Sequence[str]) -> None:
        downloads = self.scratch / "downloads"
        downloads.mkdir()
        self._run(chroot.box, chroot.root, (f"--destdir={downloads}", "--downloadonly", *words))
        found = sorted(downloads.glob("*.rpm"))
        if found:
            said = chroot.box.run(("rpm", "--query", "--queryformat", _ACCOUNT_QUERY, "--package", *map(os.fspath, found))).stdout
            make_accounts(chroot.view, self.ids, words_of(said.decode("utf-8", "replace")), self.epoch_s, first=RPM_DYNAMIC_START)
        shutil.rmtree(downloads)
        self._run(chroot.box, chroot.root, words)

    def _prepare(self, box: Sandbox, tree: Path) -> None:
        """Write dnf's configuration, and tell this machine's rpm where the tree's database is: its own may be elsewhere."""
        text = configuration(self.distribution, self.suite, self.repositories, recommends=self.recommends)
        self._conf.write_text(text)
        macros, work = self.scratch / "macros", self.scratch / "macros-work"
        for folder in (macros, work):
            folder.mkdir()
        database = find_database(box.view(tree)) or database_of(self.distribution, self.suite)
        (macros / "macros.zz-reprov").write_text(f"%_dbpath /{database}\n")
        box.mount_overlay(_MACROS, macros, work, _MACROS)

    @contextmanager
    def _cache(self, box: Sandbox, root: Path) -> Iterator[None]:
        """The cache of packages that all builds of this machine share, as that of the tree's dnf."""
        cache = cache_folder("rpms")
        new, work = (Path(mkdtemp(prefix=name, dir=self.scratch)) for name in ("rpms-", "work-"))  # a volatile overlay is mounted once
        (box.view(root) / CACHE).mkdir(parents=True, exist_ok=True)
        box.mount_overlay(cache, new, work, root / CACHE)
        try:
            yield
        finally:
            box.unmount(root / CACHE)
            for package in sorted(new.glob("*/packages/*.rpm")):
                target = cache / package.relative_to(new)
                target.parent.mkdir(parents=True, exist_ok=True)
                incoming = target.with_name(f".{target.name}.{os.getpid()}")
                shutil.copyfile(package, incoming)
                incoming.replace(target)

    def _run(self, box: Sandbox, root: Path, words: Sequence[str]) -> None:
        fixed = ("dnf", f"--config={self._conf}", f"--installroot={root}", f"--releasever={self.suite}")
        environment = {"SOURCE_DATE_EPOCH": str(self.epoch_s), "SYSTEMD_OFFLINE": "1", "HOME": "/root"}
        try:
            said = box.run((*TOGETHER, *fixed, *words), extra_environment=environment).stderr
        except CommandFailed as error:
            raise logged("dnf failed", error, self.log) from None
        if _FAILED in said:  # dnf goes on without it
            raise logged("dnf failed", CommandFailed((*fixed, *words), 1, said), self.log)
