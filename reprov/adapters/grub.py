"""GRUB's own programs in a root: the menu, the environment block, and what it can write to."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from reprov.adapters.boot_files import INCOMING, Folder, opened_folder
from reprov.adapters.boot_programs import BootPrograms
from reprov.adapters.loaders import Grub
from reprov.domain.grub_menu import CONFIGURATION, ENVIRONMENT, environment_trouble, parse_environment

# os-prober mounts every partition that it finds: data are among them. Where /etc/default/grub asks for it, it is asked for.
_QUIET = {"GRUB_DISABLE_OS_PROBER": "true"}


@contextmanager
def opened_grub(programs: BootPrograms, grub: Grub) -> Iterator["GrubFolder"]:
    """The directory of GRUB; what is not finished in it at the end is removed."""
    with opened_folder(programs.root, grub.place) as folder:
        try:
            yield GrubFolder(programs, grub, folder)
        finally:
            folder.tidy()


class GrubFolder:
    """The open directory of GRUB in a root."""

    def __init__(self, programs: BootPrograms, grub: Grub, folder: Folder) -> None:
        self._programs = programs
        self._grub = grub
        self._folder = folder

    @property
    def configuration(self) -> str:
        """The menu as it is."""
        return (self._folder.read(CONFIGURATION) or b"").decode("utf-8", "surrogateescape")

    @property
    def variables(self) -> dict[str, str]:
        """The environment block as it is."""
        return parse_environment(self._folder.read(ENVIRONMENT) or b"")

    def make_configuration(self) -> str:
        """The menu as grub-mkconfig makes it now; nothing of the present one is changed. Raises `CommandFailed`."""
        name = INCOMING + CONFIGURATION
        self._programs.run(self._grub.program("mkconfig"), "-o", f"/{self._grub.place}/{name}", environment=_QUIET)
        return (self._folder.read(name) or b"").decode("utf-8", "surrogateescape")

    def write_configuration(self, text: str) -> bool:
        """Put another menu in place of the present one; False when it is the same."""
        return self._folder.write(CONFIGURATION, text.encode("utf-8", "surrogateescape"))

    def set_variables(self, wanted: Mapping[str, str]) -> bool:
        """Set variables of the environment block, "" takes one away; False when they are so. Raises `CommandFailed`."""
        there = self.variables
        changed = {name: value for name, value in wanted.items() if there.get(name, "") != value}
        if changed:
            self.ensure_environment()
        for name, value in changed.items():
            self._edit("set", f"{name}={value}") if value else self._edit("unset", name)
        return bool(changed)

    def ensure_environment(self) -> None:
        """Make the environment block where there is none. Raises `CommandFailed`."""
        if self._folder.read(ENVIRONMENT) is None:
            self._edit("create")

    def environment_trouble(self) -> str:
        """Why GRUB could not write the environment block when it boots; "" when it can."""
        probe, place = self._grub.program("probe"), f"/{self._grub.place}"
        filesystem = self._programs.run(probe, "--target=fs", place).strip()
        layers = self._programs.run(probe, "--target=abstraction", place).split()
        return environment_trouble(self._folder.read(ENVIRONMENT), filesystem, layers)

    def _edit(self, *words: str) -> None:
        self._programs.run(self._grub.program("editenv"), f"/{self._grub.place}/{ENVIRONMENT}", *words)
