"""What dnf is told when a tree is built: its configuration, and where the tree's rpm database is."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from reprov.domain.package_databases import RPM_FOLDERS

CACHE = "var/cache/dnf"
"""Where a tree's dnf keeps what it downloads."""
FIRST_PACKAGES = ("filesystem", "setup")
"""What every other package finds there: directories and their links, /etc/passwd."""

_NEW_DATABASE, _OLD_DATABASE = RPM_FOLDERS
_FIRST_EL_WITH_NEW_DATABASE = 10

# Kernels are packages like others, of which a tree has one version: a node keeps the kernel that it runs until it is confirmed.
_MAIN = """\
[main]
reposdir=/nonexistent
varsdir=/nonexistent
cachedir=/{cache}
keepcache=1
plugins=0
assumeyes=1
best=1
gpgcheck=1
localpkg_gpgcheck=0
installonlypkgs=
install_weak_deps={recommends}
module_platform_id=platform:{platform}
"""


class RepositorySource(NamedTuple):
    """A repository as dnf is told of it."""

    name: str
    base: str
    key_path: str | None

    def render(self) -> str:
        """Its section of the configuration. One without a key is on this machine, which the role made sure of."""
        signed = f"gpgcheck=1\ngpgkey={PurePosixPath(self.key_path).as_uri()}\n" if self.key_path else "gpgcheck=0\n"
        return f"[{self.name}]\nname={self.name}\nbaseurl={self.base}\nenabled=1\n{signed}"


def configuration(distribution: str, suite: str, repositories: Sequence[RepositorySource], *, recommends: bool) -> str:
    """The text of a dnf.conf that names these repositories and none of the build machine's."""
    platform = f"f{suite}" if distribution == "fedora" else f"el{suite.partition('.')[0]}"
    main = _MAIN.format(cache=CACHE, recommends=int(recommends), platform=platform)
    return "\n".join((main, *(repository.render() for repository in repositories)))


def database_of(distribution: str, suite: str) -> str:
    """Where the rpm of a distribution has its database, relative: a tree that has none yet begins with it there."""
    if distribution == "fedora" or not suite[:1].isdigit() or int(suite.partition(".")[0]) >= _FIRST_EL_WITH_NEW_DATABASE:
        return _NEW_DATABASE
    return _OLD_DATABASE


def is_release_package(package: str) -> bool:
    """True for the package that says which distribution this is: it has to come first, for others would choose one."""
    return package.endswith("-release") or "-release-" in package
