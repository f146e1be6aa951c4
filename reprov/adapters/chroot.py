"""Running programs and a role's scripts inside a tree that is being built."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters.build_log import logged
from reprov.adapters.run import CommandFailed
from reprov.adapters.sandbox import SYSTEM_DIRECTORIES, Sandbox
from reprov.domain.pristine import RESOLV_CONF
from reprov.errors import ReprovError

BUILDER_RESOLV_CONF = Path("/etc/resolv.conf")
BUILD = "run/reprov-build"
"""The folder of the build's own helpers inside the tree: on a tmpfs, so nothing of it can stay."""

TOGETHER = ("sh", "-c", 'exec "$@" >&2', "sh")
"""The beginning of a command line whose output goes to stderr, too, in the order in which the program spoke."""


@dataclass(frozen=True, slots=True)
class Chroot:
    """A tree with everything mounted that programs need, as the sandbox sees it."""

    box: Sandbox
    root: Path
    log: Path
    """Where the output of a program that failed goes."""
    environment: Mapping[str, str]

    @property
    def view(self) -> Path:
        """The tree as this process reaches it."""
        return self.box.view(self.root)

    def run(self, argv: Sequence[str]) -> None:
        """Run a program in the tree. Raises `ReprovError` with the line that tells most, the rest goes to the log."""
        try:
            self.box.run((*TOGETHER, "chroot", os.fspath(self.root), *argv), extra_environment=self.environment)
        except CommandFailed as error:
            raise logged(f"{Path(argv[0]).name} failed in the tree", error, self.log) from None

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


@contextmanager
def opened_chroot(box: Sandbox, root: Path, *, log: Path, environment: Mapping[str, str]) -> Iterator[Chroot]:
    """Make the tree at `root` one that programs can run in; afterwards nothing is mounted in it and no helper file is left."""
    view = box.view(root)
    for path in SYSTEM_DIRECTORIES:
        (view / path).mkdir(parents=True, exist_ok=True)
    box.mount_system(root)
    (view / BUILD).mkdir()
    resolver = view / RESOLV_CONF
    builder_resolver = BUILDER_RESOLV_CONF.read_bytes() if BUILDER_RESOLV_CONF.is_file() else b""
    if not resolver.exists() and not resolver.is_symlink():
        resolver.write_bytes(builder_resolver)
    try:
        yield Chroot(box, root, log, {**environment, "HOME": "/root"})
    finally:
        if resolver.is_file() and not resolver.is_symlink() and resolver.read_bytes() == builder_resolver:
            resolver.unlink()
        for path in reversed(SYSTEM_DIRECTORIES):
            box.unmount(root / path)
