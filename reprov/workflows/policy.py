"""After a commit: the SELinux policy of a node that has something of its own in it is compiled anew of both."""

import os
from collections.abc import Collection, Container
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters.files import kind_of, opened_directory, read_label
from reprov.adapters.labels import OWN_RULE, has_selinux, label_unlabelled, read_contexts
from reprov.adapters.post_state import PostState
from reprov.adapters.root_view import RootView
from reprov.adapters.run import CommandFailed, run
from reprov.adapters.sandbox import sandbox
from reprov.domain.beside import place_beside
from reprov.domain.entry import show
from reprov.domain.file_contexts import FileContexts
from reprov.domain.labels import LABEL, Labelling, value_of
from reprov.domain.policy_store import STORES, active_of, compiled_paths, local_parts
from reprov.errors import ReprovError
from reprov.events import Monitor, phase
from reprov.workflows.node import inspect_node


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A policy that was compiled anew."""

    policy: str
    parts: tuple[str, ...]
    """What of the node's is in it, by the names in the store."""


def rebuild_policies(root: Path, changed: Collection[str], released: Container[str], monitor: Monitor) -> tuple[Rebuilt, ...]:
    """Compile every policy of the root that both a hop, which has changed these paths, and the operator have a part in.

    His is what is not `released`, the paths of the installed release: distributions disable modules and set booleans, too.
    On the running system it is loaded, too. What an upgrade had laid beside a compiled file goes: the file is of both by then.
    Raises `ReprovError` with what semodule says.
    """
    with opened_directory(root) as root_fd:
        view = RootView(root_fd)
        todo = [
            Rebuilt(policy, parts)
            for policy in view.names(STORES)
            if any(path.startswith(active_of(policy) + "/") for path in changed) and (parts := _parts_of(view, policy, released))
        ]
        for item in todo:
            with phase(monitor, "policy", f"Compiling the SELinux policy {item.policy}"):
                _compile(root, item.policy)
                _settle(root_fd, view, item.policy)
    return tuple(todo)


def label_what_was_made(root: Path, labelling: Labelling = Labelling.AUTO) -> int:
    """Give what was made on a node with labels since its last commit began theirs; returns how many paths.

    Everything without one where nobody knows of a commit. The kernel does it where it has SELinux.
    """
    if has_selinux():
        return 0
    node = inspect_node(root, labelling)
    if node.local is None:
        return 0
    progress = PostState(node.state.directory).progress()
    with opened_directory(root) as root_fd:
        return label_unlabelled(root_fd, progress.began_ns if progress else 0)


def _parts_of(view: RootView, policy: str, released: Container[str]) -> tuple[str, ...]:
    """Without the rule that reprov itself has added, which is no reason."""
    active = active_of(policy)
    names = [name for name in view.names(active) if name != "modules"]
    modules = [(folder, name) for folder in view.names(f"{active}/modules") for name in view.names(f"{active}/modules/{folder}")]
    rules = (view.text(f"{active}/file_contexts.local") or "").splitlines()
    is_ours = all(not line.strip() or line.startswith("#") or line == OWN_RULE for line in rules)
    found = local_parts((*names, *(f"modules/{folder}/{name}" for folder, name in modules)))
    found = tuple(name for name in found if f"{active}/{name}" not in released)
    return tuple(name for name in found if name != "file_contexts.local" or not is_ours)


def _compile(root: Path, policy: str) -> None:
    try:
        if root == Path("/"):
            run(("semodule", "-s", policy, "-B"))
            return
        with sandbox() as box:
            box.mount_system(root)
            box.run(("chroot", os.fspath(root), "semodule", "-s", policy, "-n", "-B"))
    except CommandFailed as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()
        raise ReprovError(
            f"the SELinux policy {policy} cannot be compiled with what this node adds to it: {said[-1] if said else error.status}",
            hint=f"see what is in {show(active_of(policy))}/modules/400, and take out what the new policy does not know (semodule -r)",
        ) from None


def _settle(root_fd: int, view: RootView, policy: str) -> None:
    """Give what semodule wrote its labels, where nobody else has, and remove what was laid beside it."""
    installed = view.names(f"etc/selinux/{policy}/policy")
    contexts = read_contexts(root_fd)
    for path in compiled_paths(policy, installed):
        with suppress(FileNotFoundError), opened_directory(path.rpartition("/")[0], dir_fd=root_fd) as holder_fd:
            name = path.rpartition("/")[2]
            with suppress(FileNotFoundError):
                os.unlink(place_beside(name), dir_fd=holder_fd)
            if contexts and read_label(f"/proc/self/fd/{root_fd}/etc") is not None:
                _label(path, name, holder_fd, contexts)


def _label(path: str, name: str, holder_fd: int, contexts: FileContexts) -> None:
    place = f"/proc/self/fd/{holder_fd}/{name}"
    kind = kind_of(os.stat(name, dir_fd=holder_fd, follow_symlinks=False))
    context = contexts.find(path, kind)
    if context and read_label(place) is None:
        os.setxattr(place, LABEL, value_of(context), follow_symlinks=False)
