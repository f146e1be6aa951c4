"""The entries of systemd-boot, and of GRUB where it reads such files: one for each kernel, with what it names.

A file of an entry is written when everything that it names is complete, and removed before that goes.
"""

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from reprov.adapters.boot_files import opened_folder
from reprov.adapters.boot_programs import BootPrograms
from reprov.adapters.durable import write_durably
from reprov.adapters.firmware import FirmwareVariables
from reprov.adapters.loaders import LOADER_CONF, Entries, modules_in, read_entries
from reprov.adapters.node_state import NodeState
from reprov.domain.boot_entries import (
    ONE_SHOT,
    TRIAL_NAME,
    BootEntry,
    boots,
    default_of,
    entry_like,
    newest,
    one_shot,
    trial_of,
    with_default,
)
from reprov.domain.kernels import Choice
from reprov.errors import ReprovError
from reprov.events import Monitor, Note

_DEFAULT: Final = "boot-default.json"


def update_entries(
    programs: BootPrograms, entries: Entries, offered: Mapping[str, str], new: Collection[str], choice: Choice, monitor: Monitor
) -> bool:
    """An entry for each of these kernels, by the file names of their initramfs, and none for a kernel that is gone. True for a trial.

    What the entry of a kernel names that is none of the `new` ones stays as it is: it boots.
    Raises `ReprovError` when there is no entry yet that tells how this node is booted.
    """
    root = programs.root
    known = {entry.version: entry for entry in read_entries(root, entries)}
    pattern = newest(known.values())
    if pattern is None:
        raise ReprovError(f"/{entries.place} has no entry of a kernel", hint="make one by hand: by it, others are made")
    _remove_gone(root, entries, known, offered)
    for version, initramfs in offered.items():
        entry = known.get(version) or entry_like(pattern, version)
        if entries.is_copied and (version in new or version not in known):
            _copy(root, entries, entry.linux, f"vmlinuz-{version}")
            _copy(root, entries, entry.initrd, initramfs)
        with opened_folder(root, entries.place) as folder:
            if version not in known:
                folder.write(entry.name, entry.text().encode("utf-8", "surrogateescape"))
    return entries.is_copied and _choose(programs, entries, choice, monitor)


def offer_trial(root: Path, entries: Entries, choice: Choice | None) -> None:
    """An entry of its own for the trial of a kernel that has one; None for no trial."""
    wanted = next((entry for entry in read_entries(root, entries) if choice and choice.back and entry.version == choice.version), None)
    with opened_folder(root, entries.place) as folder:
        if choice and wanted:
            folder.write(TRIAL_NAME, trial_of(wanted, choice.words).text().encode("utf-8", "surrogateescape"))
        else:
            folder.remove(TRIAL_NAME)


def forget_trial(programs: BootPrograms, entries: Entries) -> None:
    """Have systemd-boot boot what it boots when nobody chooses, and offer no trial."""
    if programs.is_running and (variables := FirmwareVariables.of_running()):
        variables.remove(ONE_SHOT)
    offer_trial(programs.root, entries, None)


def _remove_gone(root: Path, entries: Entries, known: Mapping[str, BootEntry], offered: Mapping[str, str]) -> None:
    """The entries of kernels without an image or without modules; what they name goes with them where it is a copy."""
    with_modules = modules_in(root)
    for version, entry in known.items():
        if not version or version in offered or version in with_modules:
            continue
        with opened_folder(root, entries.place) as folder:
            folder.remove(entry.name)
        if entries.is_copied:
            for path in filter(None, (entry.linux, entry.initrd)):
                with suppress(FileNotFoundError), opened_folder(root, _above(entries, path)) as folder:
                    folder.remove(path.rpartition("/")[2])


def _copy(root: Path, entries: Entries, path: str, source: str) -> None:
    with opened_folder(root, "boot") as boot, opened_folder(root, _above(entries, path), make=True) as folder:
        folder.tidy()
        folder.copy(path.rpartition("/")[2], boot, source)


def _above(entries: Entries, path: str) -> str:
    return f"{entries.top}{path.rpartition('/')[0]}"


def _choose(programs: BootPrograms, entries: Entries, choice: Choice, monitor: Monitor) -> bool:
    """What systemd-boot boots: the newest kernel of its own accord, another one where loader.conf says so."""
    root = programs.root
    known = read_entries(root, entries)
    by_version = {entry.version: entry for entry in known}
    remembered = NodeState(root).directory / _DEFAULT
    with opened_folder(root, entries.loader) as folder:
        text = (folder.read(LOADER_CONF) or b"").decode("utf-8", "surrogateescape")
        variables = FirmwareVariables.of_running() if choice.back and programs.is_running else None
        if choice.back and variables is not None:
            if not remembered.exists():
                write_durably(remembered, json.dumps(default_of(text)).encode())
            folder.write(LOADER_CONF, with_default(text, by_version[choice.back].name).encode("utf-8", "surrogateescape"))
            offer_trial(root, entries, choice)
            variables.write(ONE_SHOT, one_shot(TRIAL_NAME))
            return True
        if choice.back:
            monitor.emit(
                Note(f"kernel {choice.version} is booted without a trial: systemd-boot can only be told in a system that it started")
            )
        if remembered.exists():
            text = with_default(text, json.loads(remembered.read_bytes()))
            folder.write(LOADER_CONF, text.encode("utf-8", "surrogateescape"))
            remembered.unlink()
    offer_trial(root, entries, None)
    if not boots(text, by_version[choice.version], known):
        monitor.emit(Note(f"loader.conf of this node has systemd-boot boot another entry than that of kernel {choice.version}"))
    return False
