"""The menu of GRUB: what grub.cfg offers, what it boots when nobody chooses, and how a node tries a kernel once.

A trial boot is `next_entry` of the environment block, which GRUB takes away before it boots; what follows it is the entry of
`saved_entry`. GRUB's own manual: "save_env", "grub-reboot". It is an entry of its own, which tells the kernel that it is on trial, and
which looks whether the environment block could be written: where it was not, it boots the old kernel, or it would be tried for ever.
"""

import re
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from reprov.domain.kernels import version_of_image
from reprov.domain.trial import TRIAL_ENTRY

_HEAD = re.compile(r"""^\s*(menuentry|submenu)\s+(?P<quote>['"])(?P<title>.*?)(?P=quote)(?P<rest>.*)\{\s*$""")
_ID = re.compile(r"""(?:\$\{?menuentry_id_option\}?|--id)\s+(['"]?)(\S+?)\1(?:\s|$)""")
_COMMAND = re.compile(r"^\s*(linux(?:16|efi)?|initrd(?:16|efi)?)\s+(.*)$")
# The last words of the header that grub-mkconfig writes: what is booted unless an entry was asked for once.
_DEFAULT = re.compile(r"""^(\s*set next_entry=\n(?:.*\n){0,4}?else\n\s*set default=)"([^"\n]*)"$""", re.MULTILINE)
_TRIAL_BEGIN: Final = f"### BEGIN {TRIAL_ENTRY} ###\n"
_TRIAL_END: Final = f"### END {TRIAL_ENTRY} ###\n"
_SAVED: Final = "${saved_entry}"
_SINGLE: Final = ("single", "recovery")
CONFIGURATION: Final = "grub.cfg"
ENVIRONMENT: Final = "grubenv"
ENVIRONMENT_BYTES: Final = 1024
# What grub-mkconfig's own header (00_header, check_writable) calls impossible to write to.
_UNWRITABLE_FILESYSTEMS: Final = ("btrfs", "cpiofs", "newc", "odc", "romfs", "squash4", "tarfs", "zfs")
_UNWRITABLE_LAYERS: Final = ("diskfilter", "lvm", "mdraid09", "mdraid1x", "cryptodisk", "luks", "luks2")


class MenuEntry(NamedTuple):
    """One entry that boots a kernel."""

    name: str
    """As `saved_entry` names it: the ids (or titles) of its submenus and its own, with `>` between them."""
    version: str
    initramfs: str
    """File name; "" for a kernel that has none."""
    words: tuple[str, ...]
    """What the kernel is told."""

    @property
    def is_plain(self) -> bool:
        """False for an entry that repairs, or tries."""
        return self.name != TRIAL_ENTRY and not any(word in _SINGLE for word in self.words)

    @property
    def root(self) -> str:
        """The root= of the kernel; "" for none."""
        return next((word for word in self.words if word.startswith("root=")), "")


def parse_menu(configuration: str) -> tuple[MenuEntry, ...]:
    """The entries of a grub.cfg that boot a Linux kernel, in the order of the menu."""
    found: list[MenuEntry] = []
    path: list[str] = []
    image = initramfs = ""
    words: tuple[str, ...] = ()
    in_entry = False
    for line in configuration.splitlines():
        head = _HEAD.match(line)
        if head and not in_entry:
            path.append(_name_of(head))
            in_entry = head[1] == "menuentry"
            image, initramfs, words = "", "", ()
        elif in_entry and (command := _COMMAND.match(line)):
            given = command[2].split()
            if command[1].startswith("linux") and given:
                image, words = given[0], tuple(given[1:])
            elif given:
                initramfs = given[-1].rpartition("/")[2]  # microcode comes before it
        elif line.strip() == "}" and path:
            if in_entry and version_of_image(image):
                found.append(MenuEntry(">".join(path), version_of_image(image), initramfs, words))
            path.pop()
            in_entry = False
    return tuple(found)


def _name_of(head: re.Match[str]) -> str:
    found = _ID.search(head["rest"])
    return found[2] if found else head["title"]


def parse_environment(block: bytes) -> dict[str, str]:
    """The variables of an environment block (grubenv)."""
    lines = block.decode("utf-8", "surrogateescape").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def entry_of(menu: tuple[MenuEntry, ...], version: str) -> MenuEntry | None:
    """The entry that boots a kernel by its version: the last one, since the first may be the one of whatever is newest."""
    return next((entry for entry in reversed(menu) if entry.version == version and entry.is_plain), None)


def default_version(configuration: str, environment: Mapping[str, str]) -> str:
    """The kernel that is booted when nobody chooses; "" where that cannot be told."""
    menu = parse_menu(configuration)
    if not menu:
        return ""
    given = _DEFAULT.search(configuration)
    default = given[2] if given else "0"
    if default == _SAVED:
        default = environment.get("saved_entry", "")
    if default in ("", "0"):
        return menu[0].version
    return next((entry.version for entry in menu if default in (entry.name, entry.name.rpartition(">")[2])), "")


def with_saved_default(configuration: str) -> str:
    """The same menu, where `saved_entry` is booted unless an entry is asked for once; unchanged when it cannot be made so."""
    return _DEFAULT.sub(lambda found: f'{found[1]}"{_SAVED}"', configuration, count=1)


def has_saved_default(configuration: str) -> bool:
    """True for a menu that boots `saved_entry`."""
    found = _DEFAULT.search(configuration)
    return found is not None and found[2] == _SAVED


def menu_trouble(configuration: str, initramfs: Mapping[str, str], roots: Collection[str]) -> str:
    """What is wrong with a new menu; "" for nothing.

    `initramfs` are the kernels that it must offer, each with the file name of its initramfs; `roots` are the root= words of the menu
    before, of which the new one must not leave: only an empty menu told of none.
    """
    menu = parse_menu(configuration)
    for version, name in initramfs.items():
        entry = entry_of(menu, version)
        if entry is None:
            return f"it does not offer kernel {version}"
        if entry.initramfs != name:
            return f"it boots kernel {version} with {entry.initramfs or 'no initramfs'} instead of {name}"
    for entry in menu:
        if not entry.root:
            return f"it gives kernel {entry.version} no root="
        if roots and entry.root not in roots:
            return f"it gives kernel {entry.version} {entry.root} instead of {' or '.join(sorted(roots))}"
    return ""


def environment_trouble(block: bytes | None, filesystem: str, layers: Collection[str]) -> str:
    """Why GRUB could not take a trial entry away again; "" when it can.

    `filesystem` and `layers` are what grub-probe says of the directory of the block (fs, abstraction).
    """
    if block is None or len(block) != ENVIRONMENT_BYTES:
        return "there is no environment block"
    if filesystem in _UNWRITABLE_FILESYSTEMS:
        return f"GRUB cannot write to {filesystem}"
    layer = next((layer for layer in layers if layer in _UNWRITABLE_LAYERS), "")
    return f"GRUB cannot write through {layer}" if layer else ""


class Default(NamedTuple):
    """What a menu boots when nobody chooses, and how that is said to GRUB."""

    configuration: str
    variables: Mapping[str, str]
    """Of the environment block; "" takes one away."""


def boot_by_default(
    configuration: str, environment: Mapping[str, str], version: str, *, once_from: str = "", words: str = ""
) -> Default | None:
    """How a menu as grub-mkconfig has made it is to boot a kernel; None where only the operator can have it so.

    With `once_from`, the version of the kernel to go back to, it is booted once, with these words for the kernel besides its others,
    and whatever follows boots that one.
    """
    menu = parse_menu(configuration)
    wanted, back = entry_of(menu, version), entry_of(menu, once_from)
    if wanted is None or (once_from and back is None):
        return None
    saved = with_saved_default(configuration)
    if back is not None:
        if not has_saved_default(saved):
            return None
        return Default(_with_trial(saved, wanted, back, words), {"saved_entry": back.name, "next_entry": TRIAL_ENTRY})
    if has_saved_default(configuration):
        return Default(configuration, {"saved_entry": wanted.name, "next_entry": ""})
    if default_version(configuration, environment) == version:
        return Default(configuration, {"next_entry": ""})
    is_first = _DEFAULT.search(configuration)
    if is_first is not None and is_first[2] == "0":  # a newer one is still there, of the release before
        return Default(saved, {"saved_entry": wanted.name, "next_entry": ""})
    return None


def without_trial(configuration: str) -> str:
    """The same menu without the entry that tries a kernel."""
    before, begin, rest = configuration.partition(_TRIAL_BEGIN)
    return before + rest.partition(_TRIAL_END)[2] if begin else configuration


def _with_trial(configuration: str, wanted: MenuEntry, back: MenuEntry, words: str) -> str:
    """The same menu with an entry at its end that tries a kernel, unless `next_entry` is still there when it is booted."""
    return f"""{configuration}{_TRIAL_BEGIN}\
menuentry 'Trial of kernel {wanted.version}' --id {TRIAL_ENTRY} {{
load_env next_entry
if [ "${{next_entry}}" ] ; then
echo 'The environment block cannot be written: kernel {wanted.version} is not tried.'
{_commands(configuration, back)}\
else
{_told(_commands(configuration, wanted), words)}\
fi
}}
{_TRIAL_END}"""


def _commands(configuration: str, entry: MenuEntry) -> str:
    """The lines of an entry, without the first and the last one."""
    path: list[tuple[str, bool, list[str]]] = []
    for line in configuration.splitlines(keepends=True):
        head = _HEAD.match(line)
        if head and not (path and path[-1][1]):
            path.append((_name_of(head), head[1] == "menuentry", []))
        elif line.strip() == "}" and path:
            if path[-1][1] and ">".join(name for name, _, _ in path) == entry.name:
                return "".join(path[-1][2])
            path.pop()
        elif path:
            path[-1][2].append(line)
    raise AssertionError(f"an entry of this menu: {entry.name}")


def _told(commands: str, words: str) -> str:
    """The same commands, where the kernel is told more."""
    return "".join(
        f"{line.rstrip()} {words}\n" if (found := _COMMAND.match(line)) and found[1].startswith("linux") else line
        for line in commands.splitlines(keepends=True)
    )
