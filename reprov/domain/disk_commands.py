"""What a command line would do to devices: which of its words it may write to, judged without looking at anything.

Fail closed: an option, a mode or a subcommand that is not known to read only counts as writing, and every word of such a command
may be a device. That is too much rather than too little: `domain.guard` refuses only what turns out to be data.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Intent:
    """What a command line would do."""

    is_reading: bool = False
    """It is known to write to no device, though it may try to open one for writing (libparted does, for a list)."""
    devices: tuple[str, ...] = ()
    """Words that may name devices to be written to, as typed: absolute or relative paths."""
    groups: tuple[str, ...] = ()
    """Names of volume groups that would be changed."""
    any_device: str = ""
    """Why it cannot be told what it would write to; "" when the words above tell."""


READING: Final = Intent(is_reading=True)


def is_disk_command(name: str) -> bool:
    """Whether a program of this name is asked about before it starts."""
    return name in _INTENTS or name.startswith("mkfs.")


def intent_of(program: str, arguments: Sequence[str]) -> Intent:
    """What a program of `is_disk_command` would do with these arguments."""
    return _INTENTS.get(program, _writes)(arguments)


def _writes(arguments: Sequence[str]) -> Intent:
    return Intent(devices=tuple(dict.fromkeys(_words(arguments))))


def _words(arguments: Sequence[str]) -> Iterator[str]:
    """Every word that could be a path: arguments, values after `=` and `,`, and what is glued to an option (`-o/dev/sdb`)."""
    for argument in arguments:
        for word in (argument, *re.split("[=,]", argument)):
            if word and not word.startswith("-"):
                yield word
        if argument.startswith("-") and "/" in argument:
            yield argument[argument.index("/") :]


def _options(arguments: Sequence[str]) -> list[str]:
    return [argument for argument in arguments if argument.startswith("-") and argument != "-"]


def _reads_if(pattern: str, *, needs: str = "") -> Callable[[Sequence[str]], Intent]:
    """Reading when every option matches one pattern whole, and at least one the other, if there is one."""
    allowed, needed = re.compile(pattern), re.compile(needs)

    def intent(arguments: Sequence[str]) -> Intent:
        options = _options(arguments)
        if all(allowed.fullmatch(option) for option in options) and (not needs or any(needed.fullmatch(option) for option in options)):
            return READING
        return _writes(arguments)

    return intent


def _reads_always(_arguments: Sequence[str]) -> Intent:
    return READING


_wipefs_reads = _reads_if(r"-[iJpqhV]*([Ot].*)?|--(noheadings|json|output|parsable|quiet|types|help|version)(=.*)?")


def _wipefs(arguments: Sequence[str]) -> Intent:
    pretends = any(re.fullmatch(r"--no-act|-[afqn]*n[afqn]*", option) for option in _options(arguments))
    return READING if pretends else _wipefs_reads(arguments)


_PARTED_READS: Final = frozenset(
    "print p free all list unit u s B kB MB GB TB KiB MiB GiB TiB % cyl chs compact align-check min minimal opt optimal "
    "help version quit q".split()
)


def _parted(arguments: Sequence[str]) -> Intent:
    """`parted [OPTION]... DEVICE COMMAND...`; without a command it takes them from standard input."""
    if not all(re.fullmatch(r"-[smjlfhv]+|--(script|machine|json|list|fix|help|version)", option) for option in _options(arguments)):
        return _writes(arguments)
    words = [argument for argument in arguments if not argument.startswith("-")]
    if not words and {"-l", "--list", "-h", "--help", "-v", "--version"} & set(arguments):
        return READING
    commands = words[1:]
    return READING if commands and all(word in _PARTED_READS or word.isdecimal() for word in commands) else _writes(arguments)


def _dd(arguments: Sequence[str]) -> Intent:
    targets = tuple(argument[3:] for argument in arguments if argument.startswith("of="))
    return Intent(devices=targets) if targets else READING


def _hdparm(arguments: Sequence[str]) -> Intent:
    safe = re.compile(r"-[aABcCdFgHiIkmMqQStTvVWyYz0-9]+|--(Istdout|Istdin|direct|verbose|offset|fibmap|idle-immediate|prefer-ata12)(=.*)?")
    return READING if all(safe.fullmatch(option) for option in _options(arguments)) else _writes(arguments)


def _mdadm(arguments: Sequence[str]) -> Intent:
    reading = r"-[DEQFSWV][sbve]*|--(detail|examine|query|monitor|follow|stop|wait|detail-platform|version|help)"
    rest = r"-[sbve]+|--(scan|brief|verbose|export|test|metadata|no-devices)(=.*)?"
    return _reads_if(f"{reading}|{rest}", needs=reading)(arguments)


_PLAIN: Final = frozenset(("-q", "-v", "--batch-mode", "--verbose", "--debug"))


def _by_subcommand(*reading: str) -> Callable[[Sequence[str]], Intent]:
    """Reading when one of these comes first, behind nothing but `_PLAIN` options: any other might take it for its value."""
    known = frozenset((*reading, "--help", "--version"))

    def intent(arguments: Sequence[str]) -> Intent:
        first = next((argument for argument in arguments if argument not in _PLAIN), "")
        return READING if first in known else _writes(arguments)

    return intent


_CRYPTSETUP: Final = _by_subcommand(
    *(
        "luksDump",
        "isLuks",
        "luksUUID",
        "status",
        "luksHeaderBackup",
        "benchmark",
        "close",
        "luksClose",
        "remove",
        "tcryptDump",
        "bitlkDump",
    )
)
_NVME: Final = _by_subcommand(
    *("list", "list-subsys", "id-ctrl", "id-ns", "list-ns", "list-ctrl", "ns-descs", "smart-log", "error-log", "fw-log", "get-log"),
    *("get-feature", "get-ns-id", "show-regs", "version", "help", "effects-log", "endurance-log", "self-test-log", "sanitize-log"),
)


def _cryptsetup(arguments: Sequence[str]) -> Intent:
    if {"--readonly", "-r"} & set(arguments) and {"open", "luksOpen"} & set(arguments):
        return READING
    return _CRYPTSETUP(arguments)


def _lvm_change(arguments: Sequence[str]) -> Intent:
    """A command of LVM that changes something: devices by their paths, groups by name, `GROUP/VOLUME` and in /dev."""
    asked = any(re.fullmatch(r"-[a-zA-Z]*S.*|--sel[a-z]*(=.*)?", option) for option in _options(arguments))
    if asked or any(word.startswith("@") for word in arguments):
        return Intent(any_device="it takes volumes by tag or by a selection")
    words = _writes(arguments).devices
    return Intent(devices=words, groups=tuple(dict.fromkeys(group for word in words if (group := _group(word)))))


def _group(word: str) -> str:
    """The volume group that a word of LVM's would name: `vg`, `vg/lv`, `/dev/vg/lv`, `/dev/mapper/v--g-lv`."""
    if word.startswith("/dev/mapper/"):
        name = re.split(r"(?<!-)-(?!-)", word.removeprefix("/dev/mapper/"), maxsplit=1)[0]
        return name.replace("--", "-")
    return word.removeprefix("/dev/").split("/")[0]


_LVM_CHANGES: Final = (
    *("pvcreate", "pvremove", "pvmove", "pvresize", "pvchange", "vgcreate", "vgextend", "vgremove", "vgreduce", "vgrename", "vgsplit"),
    *("vgmerge", "vgcfgrestore", "vgimportclone", "vgexport", "vgconvert", "lvremove", "lvreduce", "lvresize", "lvextend", "lvconvert"),
    *("lvrename", "lvcreate"),
)


_LVM_READS: Final = re.compile(r"(pv|vg|lv)(s|display|scan|ck)|lvmdiskscan|(lvm|dump)?config|fullreport|vgcfgbackup|(--)?(help|version)|-h")


def _lvm(arguments: Sequence[str]) -> Intent:
    """`lvm COMMAND ...`; commands may also come from a file or from standard input."""
    if {*arguments} & {*_LVM_CHANGES}:
        return _lvm_change(arguments)
    if not arguments or not (_LVM_READS.fullmatch(arguments[0]) or arguments[0] in ("vgchange", "lvchange")):
        return Intent(any_device="it takes commands from a file")
    return Intent()


def _lvm_change_or_all(arguments: Sequence[str]) -> Intent:
    return Intent(any_device="it takes all") if {"-a", "--all"} & set(arguments) else _lvm_change(arguments)


_NAMES_NO_DEVICE: Final = "it names no device"
_CEPH_VOLUME_READS: Final = frozenset(
    (
        *(("lvm", "list"), ("lvm", "activate"), ("lvm", "trigger"), ("raw", "list"), ("raw", "activate")),
        *(("simple", "scan"), ("simple", "activate"), ("simple", "trigger")),
    )
)


def _ceph_volume(arguments: Sequence[str]) -> Intent:
    words = [argument for argument in arguments if not argument.startswith("-")]
    # Options of its own may come before: --cluster NAME, --log-level LEVEL.
    at = next((number for number, word in enumerate(words) if word in ("lvm", "raw", "simple", "inventory")), len(words))
    if {"--help", "-h"} & set(arguments) or words[at : at + 1] in ([], ["inventory"]) or tuple(words[at : at + 2]) in _CEPH_VOLUME_READS:
        return READING
    return _needs_device(arguments, "--osd-id", "--osd-fsid")


def _needs_device(arguments: Sequence[str], *elsewhere: str) -> Intent:
    """Writing to its devices; to any at all when it names none by path, or also names some in another way."""
    if any(argument.split("=")[0] in elsewhere for argument in arguments):
        return Intent(any_device="it takes devices by the OSD's id")
    found = _lvm_change(arguments)
    paths = tuple(word for word in found.devices if "/" in word)
    return Intent(devices=found.devices, groups=found.groups) if paths else Intent(any_device=_NAMES_NO_DEVICE)


def _ceph_disk(arguments: Sequence[str]) -> Intent:
    words = [argument for argument in arguments if not argument.startswith("-")]
    reads = not words or words[0] in ("list", "activate", "activate-all", "trigger", "suppress-activate", "unsuppress-activate")
    return READING if reads else _needs_device(arguments)


def _cephadm(arguments: Sequence[str]) -> Intent:
    if "ceph-volume" in arguments:
        return _ceph_volume(arguments[list(arguments).index("ceph-volume") + 1 :])
    zaps = {"zap-osds", "--zap-osds"} & set(arguments)
    return Intent(any_device="it clears every OSD of a cluster") if zaps else READING


_BLUESTORE_READS: Final = frozenset(
    "show-label fsck qfsck prime-osd-dir bluefs-export bluefs-bdev-sizes bluefs-stats bluefs-log-dump bluefs-super-dump "
    "free-dump free-score show-sharding".split()
)


def _ceph_bluestore_tool(arguments: Sequence[str]) -> Intent:
    """Its command may stand anywhere, or be given with --command; -v is the value of a label."""
    if {"--help", "-h", "--version"} & set(arguments):
        return READING
    commands = {word for argument in arguments for word in (argument, argument.partition("=")[2])}
    writes = re.compile(
        r"repair|quick-fix|reshard|(set|rm)-label-key.*|bluefs-bdev-(expand|migrate|new-db|new-wal)|bluefs-import|.*restore.*"
    )
    if commands & _BLUESTORE_READS and not any(writes.fullmatch(word) for word in commands):
        return READING
    return _needs_device(arguments, "--path")


def _ceph_objectstore_tool(arguments: Sequence[str]) -> Intent:
    wants_help = {"--help", "-h", "--version", "-v"} & set(arguments)
    return READING if wants_help else Intent(any_device="it opens an OSD's store by its directory")


def _ceph_osd(arguments: Sequence[str]) -> Intent:
    made = [argument for argument in arguments if argument in ("--mkfs", "--mkjournal", "--flush-journal")]
    return Intent(any_device=f"{made[0]} writes to an OSD by its id") if made else Intent()


_SGDISK_READS: Final = (
    r"-[pvLODFfEhV]+|-i=?\d*|-b.*|--(print|verify|list-types|print-mbr|display-alignment|first-in-largest|first-aligned-in-largest"
    r"|end-of-largest|help|version|info|backup)(=.*)?"
)
_SFDISK_READS: Final = (
    r"-[lJdFVsgTqhvo]+|--(list|json|dump|list-free|verify|show-size|show-geometry|list-types|quiet|help|version|output|bytes)(=.*)?"
)
_INTENTS: Final[dict[str, Callable[[Sequence[str]], Intent]]] = {
    **dict.fromkeys(("mkfs", "mke2fs", "mkswap", "mkntfs", "mkdosfs", "mkexfatfs"), _writes),
    **dict.fromkeys(("blkdiscard", "shred", "cfdisk", "cgdisk", "delpart", "addpart", "resizepart"), _writes),
    **dict.fromkeys(("partprobe", "smartctl"), _reads_always),
    "wipefs": _wipefs,
    "sgdisk": _reads_if(_SGDISK_READS),
    "sfdisk": _reads_if(
        _SFDISK_READS, needs=r"-[lJdFVsgThv].*|--(list|json|dump|list-free|verify|show-size|show-geometry|list-types|help|version)"
    ),
    "fdisk": _reads_if(
        r"-[lxsohVu]+|--(list|list-details|getsz|output|bytes|help|version|units)(=.*)?",
        needs=r"-[lxshV]+|--(list|list-details|getsz|help|version)",
    ),
    "gdisk": _reads_if(r"-l", needs=r"-l"),
    "parted": _parted,
    "partx": _reads_if(
        r"-[slPrgbvhV]*([ontS].*)?|--(show|list|pairs|raw|noheadings|output|bytes|verbose|type|nr|sector-size|output-all|help|version)(=.*)?"
    ),
    "dd": _dd,
    "badblocks": _reads_if(r"-[bcdeiopstvBXf0-9]+"),
    "hdparm": _hdparm,
    "mdadm": _mdadm,
    "cryptsetup": _cryptsetup,
    "nvme": _NVME,
    **dict.fromkeys(_LVM_CHANGES, _lvm_change),
    **dict.fromkeys(("pvchange", "vgexport"), _lvm_change_or_all),
    "lvm": _lvm,
    "ceph-volume": _ceph_volume,
    "ceph-disk": _ceph_disk,
    "cephadm": _cephadm,
    "ceph-bluestore-tool": _ceph_bluestore_tool,
    "ceph-objectstore-tool": _ceph_objectstore_tool,
    "ceph-osd": _ceph_osd,
}
