"""The initramfs of each kernel that needs one: made by the tree's own programs beside its place, looked into, and only then put there."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Final

from reprov.adapters.boot_files import INCOMING, Folder, opened_folder, viewed
from reprov.adapters.boot_programs import BootPrograms
from reprov.adapters.durable import write_durably
from reprov.adapters.node_state import NodeState
from reprov.adapters.run import CommandFailed
from reprov.domain.kernels import Kernels, Making, to_make, trouble_of_initramfs
from reprov.errors import ReprovError
from reprov.events import Progress

_RECORD: Final = "boot.json"


def make_initramfs(programs: BootPrograms, making: Making, old: Kernels, new: Kernels, progress: Progress, *, renew: bool) -> list[str]:
    """Make those that are missing or outdated, and give their versions. Raises `ReprovError` with the one of before in its place."""
    made = kernels_made(programs.root)
    with opened_folder(programs.root, "boot") as boot:
        boot.tidy()
        sizes = boot.sizes()
        present = [version for version in new if sizes.get(making.name_of(version))]
        wanted = to_make(old, new, made, present, renew=renew)
        for version in wanted:
            _make_one(programs, making, boot, version)
            made = {known: digest for known, digest in made.items() if known in new} | {version: new[version]}
            _remember(programs.root, made)
            progress.advance(files=1, size_bytes=boot.sizes()[making.name_of(version)])
    return wanted


def renew_initramfs(programs: BootPrograms, making: Making, version: str) -> None:
    """Make that of one kernel anew, whatever there is. Raises `ReprovError` or `OSError` with the one of before in its place."""
    with opened_folder(programs.root, "boot") as boot:
        boot.tidy()
        _make_one(programs, making, boot, version)


def _make_one(programs: BootPrograms, making: Making, boot: Folder, version: str) -> None:
    """Beside its place; what is there meanwhile stays when anything goes wrong."""
    name = making.name_of(version)
    output = f"/boot/{INCOMING}{name}"
    try:
        programs.run(*making.argv(version, output, is_running=programs.is_running))
        if trouble := trouble_of_initramfs(boot.beginning(INCOMING + name), listing_of(programs, making, output), version):
            raise ReprovError(
                f"the initramfs that was made for kernel {version} is of no use: {trouble}",
                hint="see the settings of initramfs-tools or dracut below /etc",
            )
        boot.appear(name)
    except CommandFailed as failed:
        raise ReprovError(f"no initramfs could be made for kernel {version}: {failed.message}", hint=failed.hint) from None
    finally:
        boot.remove(INCOMING + name)


def listing_of(programs: BootPrograms, making: Making, image: str) -> str | None:
    """The names in an initramfs; None where the root has no program that lists them. Raises `CommandFailed`."""
    with viewed(programs.root) as view:
        if not view.is_program(making.tool.lister):
            return None
    return programs.run(Path(making.tool.lister).name, image)


def kernels_made(root: Path) -> dict[str, str]:
    """For which content of a kernel, by version, a node has made its initramfs."""
    with suppress(OSError, ValueError, KeyError):  # without it, one is made again
        return dict(json.loads((NodeState(root).directory / _RECORD).read_text())["made"])
    return {}


def _remember(root: Path, made: Kernels) -> None:
    state = NodeState(root)
    state.create()
    write_durably(state.directory / _RECORD, json.dumps({"made": dict(made)}).encode())
