"""A role tree becomes a kernel and an initramfs that a node boots over the network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters.build_store import BuildStore
from reprov.adapters.initramfs import laid_out, opened_image_folder, read_text, read_tree
from reprov.adapters.layout_file import read_layout_file
from reprov.domain import rescue_image as image
from reprov.domain.entry import Entry, show
from reprov.domain.release import ReleaseId
from reprov.domain.rescue_command_line import LAYOUTS, is_layout_name
from reprov.domain.role import BUILD_EPOCH_S
from reprov.errors import InvalidInput
from reprov.events import Monitor, Note, phase

_YAML = "usr/lib/python3/dist-packages/yaml"
_SHOWN_PRIVATE = 5


@dataclass(frozen=True, slots=True)
class WantedImage:
    """What the operator asked for."""

    output: Path
    kernel: str | None = None
    """A version; None: the newest of the tree."""
    ssh_keys: tuple[Path, ...] = ()
    layouts: tuple[Path, ...] = ()
    latest_s: int | None = None
    """No time in the image is after this one."""


@dataclass(frozen=True, slots=True)
class MadeImage:
    """What was made."""

    folder: Path
    kernel: str
    paths: int
    unpacked_bytes: int
    """What the files take in the memory of a node."""
    initrd_bytes: int


def tree_of(store: Path, release: ReleaseId) -> Path:
    """The tree of a version that is built or published. Raises `InvalidInput`."""
    return BuildStore(store).parent(release.role, release.version).tree


def make_rescue_image(tree: Path, wanted: WantedImage, monitor: Monitor) -> MadeImage:
    """Make `vmlinuz` and `initrd.img` of the tree in the wanted folder, which appears as a whole.

    Raises `InvalidInput` for a tree that no rescue system can run on, a key or a layout that is none.
    """
    with phase(monitor, "scan", "looking at the tree") as progress:
        entries = read_tree(tree)
        progress.advance(files=len(entries))
        image.check_tree(entries)
        kernel = image.choose_kernel(entries, wanted.kernel)
        selection = image.select(entries, kernel)
        added = _added_files(tree, entries, wanted)
    _tell_private(selection.private, monitor)
    if image.AUTHORIZED_KEYS not in added:
        monitor.emit(Note("nobody can log in over ssh: no key is in the image (--ssh-key)"))
    with opened_image_folder(wanted.output) as folder, laid_out(added) as places:
        with phase(monitor, "pack", "packing the initramfs", files=len(selection.entries)):
            manifest = image.image_manifest(selection, places, epoch_s=BUILD_EPOCH_S, latest_s=wanted.latest_s)
            compression = image.decompressor(read_text(tree, f"boot/config-{kernel.version}"))
            folder.take_kernel(tree, kernel.path)
            folder.pack(tree, manifest, compression)
        initrd_bytes = folder.initrd.stat().st_size
        folder.appear()
    unpacked_bytes = selection.size_bytes + sum(len(text.encode("utf-8", "surrogateescape")) for text in added.values())
    return MadeImage(wanted.output, kernel.version, len(selection.entries) + len(added), unpacked_bytes, initrd_bytes)


def _added_files(tree: Path, entries: dict[str, Entry], wanted: WantedImage) -> dict[str, str]:
    """The files that the image has instead of, or besides, those of the tree."""
    added: dict[str, str] = {}
    if image.PASSWORDS in entries:
        added[image.PASSWORDS] = image.without_passwords(read_text(tree, image.PASSWORDS))
    if wanted.ssh_keys:
        added[image.AUTHORIZED_KEYS] = "".join(image.authorized_keys(_text(file), str(file)) for file in wanted.ssh_keys)
    for file in wanted.layouts:
        added |= _layout(file, has_yaml=_YAML in entries, known=added)
    return added


def _layout(file: Path, *, has_yaml: bool, known: dict[str, str]) -> dict[str, str]:
    read_layout_file(file)
    path, text = f"{LAYOUTS}/{file.name}", _text(file)
    if not is_layout_name(file.name):
        raise InvalidInput(f"{file}: a layout in an image needs a plain name", hint="letters, digits and ._-")
    if path in known:
        raise InvalidInput(f"{file}: another layout has the name {file.name!r}", hint="rename one of them")
    if not has_yaml and not text.lstrip().startswith("{"):
        raise InvalidInput(f"{file}: the tree has no PyYAML to read it with", hint="add python3-yaml to the role, or write it in JSON")
    return {path: text}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InvalidInput(f"{file}:1: not UTF-8") from None


def _tell_private(paths: Sequence[str], monitor: Monitor) -> None:
    if paths:
        more = f" and {len(paths) - _SHOWN_PRIVATE} more" if len(paths) > _SHOWN_PRIVATE else ""
        monitor.emit(Note(f"left out, since an image is read by everybody: {', '.join(map(show, paths[:_SHOWN_PRIVATE]))}{more}"))
