"""The menu of GRUB after an upgrade: made by the new tree's grub-mkconfig, looked at, and only then put in place of the old one."""

from collections.abc import Mapping
from pathlib import Path

from reprov.adapters.boot_programs import BootPrograms
from reprov.adapters.grub import GrubFolder, opened_grub
from reprov.adapters.loaders import Entries, Grub, read_entries
from reprov.domain.grub_menu import Default, boot_by_default, menu_trouble, parse_menu, without_trial
from reprov.domain.kernels import Choice
from reprov.domain.trial import TRIAL_ENTRY
from reprov.errors import ReprovError
from reprov.events import Monitor, Note
from reprov.workflows.entry_menu import offer_trial


def update_grub(
    programs: BootPrograms, grub: Grub, entries: Entries | None, offered: Mapping[str, str], choice: Choice, monitor: Monitor
) -> bool:
    """Have GRUB offer these kernels, by the file names of their initramfs, and boot the chosen one. True when that is a trial.

    Raises `ReprovError` with the menu of before in place.
    """
    with opened_grub(programs, grub) as folder:
        wanted = _unless_unwritable(folder, choice, monitor)
        if grub.reads_entries:
            default = _by_entries(programs.root, folder, entries, wanted)
        else:
            default = _by_menu(folder, offered, wanted, monitor)
        # What to go back to first: a menu that boots `saved_entry` must find one.
        folder.set_variables({name: value for name, value in default.variables.items() if name != "next_entry"})
        folder.write_configuration(default.configuration)
        folder.set_variables(default.variables)
        return bool(default.variables.get("next_entry"))


def forget_trial(programs: BootPrograms, grub: Grub) -> None:
    """Have GRUB boot what it boots when nobody chooses, and offer no trial. Raises `CommandFailed`."""
    with opened_grub(programs, grub) as folder:
        folder.set_variables({"next_entry": ""})
        folder.write_configuration(without_trial(folder.configuration))


def _unless_unwritable(folder: GrubFolder, choice: Choice, monitor: Monitor) -> Choice:
    if not choice.back:
        return choice
    folder.ensure_environment()
    trouble = folder.environment_trouble()
    if not trouble:
        return choice
    monitor.emit(Note(f"kernel {choice.version} is booted without a trial: {trouble}; {choice.back} stays in the menu"))
    return choice._replace(back="")


def _by_menu(folder: GrubFolder, offered: Mapping[str, str], choice: Choice, monitor: Monitor) -> Default:
    made = folder.make_configuration()
    roots = {entry.root for entry in parse_menu(folder.configuration)}
    if trouble := menu_trouble(made, offered, roots):
        raise ReprovError(
            f"the menu that GRUB would have now is wrong: {trouble}", hint="the one of before is still in place; see /etc/default/grub"
        )
    default = boot_by_default(made, folder.variables, choice.version, once_from=choice.back, words=choice.words)
    if default is None and choice.back:
        monitor.emit(Note(f"kernel {choice.version} is booted without a trial: the menu of GRUB cannot have another default"))
        default = boot_by_default(made, folder.variables, choice.version)
    if default is None:
        monitor.emit(Note(f"GRUB_DEFAULT of this node has GRUB boot another entry than that of kernel {choice.version}"))
    return default or Default(made, {})


def _by_entries(root: Path, folder: GrubFolder, entries: Entries | None, choice: Choice) -> Default:
    """Where GRUB reads an entry's file for each kernel, the menu stays as it is, and an entry is named by its file."""
    known = {entry.version: entry.name.removesuffix(".conf") for entry in read_entries(root, entries)} if entries else {}
    if entries:
        offer_trial(root, entries, choice)
    if choice.back:
        return Default(folder.configuration, {"saved_entry": known[choice.back], "next_entry": TRIAL_ENTRY})
    return Default(folder.configuration, {"saved_entry": known[choice.version], "next_entry": ""})
