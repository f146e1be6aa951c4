"""Staged -> committed: the exchanges, with everything that a failure at any instant needs to be undone or finished.

Both an upgrade and a rollback go through `commit`; an interrupted one is taken up again by `recover`.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Final

from reprov.adapters import exchange, kept, kernel
from reprov.adapters.chown import change_owners
from reprov.adapters.discard import discard
from reprov.adapters.files import apply_metadata
from reprov.adapters.kept import OwnedByNode
from reprov.adapters.labels import change_labels
from reprov.adapters.locks import quiet_writers
from reprov.adapters.mounts import MountWatch
from reprov.adapters.node_state import INCOMING, LEFTOVER, PREVIOUS, STAGED, NodeState
from reprov.adapters.volumes import Volumes
from reprov.domain.entry import Entry, show
from reprov.domain.journal import DirectoryChange, Journal, JournalOp, Side, Written
from reprov.domain.labels import LabelChange
from reprov.domain.owner_change import OwnerChange, with_changes
from reprov.domain.scan import volume_holding
from reprov.domain.units import Op, OpKind
from reprov.errors import NeedsAttention, ReprovError
from reprov.events import Monitor, Note, NullMonitor

_QUIET: Final = NullMonitor()
_HELD_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a commit is to do."""

    ops: tuple[Op, ...]
    linked: tuple[str, ...]
    rebuilt: tuple[str, ...]
    directories: tuple[DirectoryChange, ...]
    written: tuple[Written, ...]
    owners: tuple[OwnerChange, ...] = ()
    labels: tuple[LabelChange, ...] = ()


def commit(
    state: NodeState,
    volumes: Volumes,
    transaction: str,
    todo: Exchange,
    owned: OwnedByNode,
    watch: MountWatch,
    seal: Callable[[float], None],
    check: Callable[[], None] = lambda: None,
    monitor: Monitor = _QUIET,
) -> tuple[Journal, float]:
    """Exchange everything, or leave everything as it was. Returns the journal and how long the tree was mixed, in seconds.

    The caller holds signals off and has written that the commit begins. When the exchanges are durable, `check` looks at the
    new tree, then `seal` writes the final state, given the seconds; if either raises, they are undone like after any other
    failure. Then the caller calls `finish`. Raises what went wrong after a complete undo, `NeedsAttention` when even that failed.
    The monitor hears of files that were to change their owner and have another one by now.
    """
    with quiet_writers(volumes.root_fd):
        try:
            journal = _prepare(volumes, transaction, todo, owned)
            volumes.sync()
            if watch.changed():
                raise ReprovError("a filesystem was mounted or unmounted since the plan was made", hint="run it again")
            state.write_journal(journal)
            started_at = time.monotonic()
            try:
                _exchange_all(volumes, journal)
                if watch.changed():
                    raise ReprovError("a filesystem was mounted or unmounted during the commit; it was undone", hint="run it again")
                for op in _of_kind(journal, OpKind.REMOVE):
                    exchange.clear_live_placeholder(volumes, op)
                set_directories([(change.path, change.after) for change in journal.directories], volumes)
                window_s = time.monotonic() - started_at
                kept.reconcile(volumes, journal, owned)
                if journal.owners:
                    move_owners(volumes, journal, monitor, forward=True)
                    window_s = time.monotonic() - started_at  # until now, files were not yet whose they are
                change_labels(volumes.root_fd, journal.labels, forward=True)
                volumes.sync()
                check()
                release_ballast(volumes)
                seal(window_s)
            except BaseException as error:
                release_ballast(volumes)
                undo(state, volumes, journal, owned, monitor, cause=error)
                raise
        finally:
            release_ballast(volumes)
    return journal, window_s


def finish(volumes: Volumes, journal: Journal) -> None:
    """After the final state is written: the old tree becomes `previous`, and the marks of the commit go. Safe to repeat."""
    for entry in journal.ops:
        if entry.op.kind is OpKind.REMOVE:
            exchange.clear_live_placeholder(volumes, entry.op)
        elif entry.op.kind is not OpKind.CARRY:
            exchange.clear_marks(volumes, entry.op)
    if all(has_staged(volumes, volume) for volume in journal.volumes):
        kept.release_old_side(volumes, journal)
    for volume in journal.volumes:
        own_fd = volumes.own_fds[volume]
        # A volume without a staged tree has been through this already: its `previous` is the one that must stay.
        if has_staged(volumes, volume):
            discard(PREVIOUS, dir_fd=own_fd)
            os.rename(STAGED, PREVIOUS, src_dir_fd=own_fd, dst_dir_fd=own_fd)
        discard(INCOMING, dir_fd=own_fd)
        discard(LEFTOVER, dir_fd=own_fd)
    set_directories([(change.path, change.after) for change in journal.directories], volumes)
    volumes.sync()


def undo(
    state: NodeState,
    volumes: Volumes,
    journal: Journal,
    owned: OwnedByNode,
    monitor: Monitor = _QUIET,
    *,
    cause: BaseException | None = None,
) -> None:
    """Put the live tree back as it was before the commit, from whatever point it got to, and drop the journal.

    Raises `NeedsAttention` when it cannot.
    """
    try:
        done = find_done(volumes, journal)
        for index in reversed(range(len(done))):
            if done[index]:
                op = journal.ops[index].op
                if op.kind is OpKind.REMOVE:
                    exchange.place_live(volumes, op)
                exchange.exchange(volumes, op)
        for op in _of_kind(journal, OpKind.CREATE):
            exchange.clear_live_placeholder(volumes, op)
        kept.reconcile(volumes, journal, owned, undoes_ns=exchange.prepared_at_ns(volumes, journal.volumes[0]))
        for entry in journal.ops:
            if entry.op.kind in (OpKind.SWAP, OpKind.CREATE):
                exchange.clear_marks(volumes, entry.op)
        set_directories([(change.path, change.before) for change in journal.directories], volumes)
        move_owners(volumes, journal, monitor, forward=False)
        change_labels(volumes.root_fd, journal.labels, forward=False)
        volumes.sync()
        # Without it first, an undo that is begun anew would take what is released here for what the node has removed.
        state.drop_journal()
        kept.release_old_side(volumes, journal)
        volumes.sync()
    except (OSError, ReprovError) as error:
        said = error.message if isinstance(error, ReprovError) else str(error)
        raise NeedsAttention(
            f"the commit could not be undone: {said}", hint="do not reboot; `reprov recover` tries again when the reason is gone"
        ) from cause or error


def move_owners(volumes: Volumes, journal: Journal, monitor: Monitor, *, forward: bool) -> None:
    """Give the node's files to where their accounts move, or back; durable, also where no volume is. Safe to repeat.

    After `kept.reconcile`: a file that was replaced meanwhile is at its place only then.
    """
    for path in change_owners(volumes.root_fd, journal.owners, forward=forward):
        monitor.emit(Note(f"{show(path)} has another owner by now than when the plan was made; it was left alone"))


def take_previous(volumes: Volumes) -> None:
    """A rollback begins: the previous tree becomes the staged one."""
    for own_fd in volumes.own_fds.values():
        with suppress(FileNotFoundError):
            os.rename(PREVIOUS, STAGED, src_dir_fd=own_fd, dst_dir_fd=own_fd)


def put_back_previous(volumes: Volumes) -> None:
    """A rollback was given up or undone: the staged tree is the previous one again, durably."""
    for own_fd in volumes.own_fds.values():
        with suppress(FileNotFoundError):
            os.rename(STAGED, PREVIOUS, src_dir_fd=own_fd, dst_dir_fd=own_fd)
    volumes.sync()  # before the state, which is on one disk only, says so


def forget_marks(volumes: Volumes, journal: Journal) -> None:
    """Take off the marks that a commit which never began has set on trees that a journal knows."""
    for entry in journal.ops:
        with suppress(FileNotFoundError):
            exchange.clear_marks(volumes, entry.op)


def find_done(volumes: Volumes, journal: Journal) -> list[bool]:
    """Which exchanges of a journal have happened, by looking at both sides of each."""
    return journal.find_done([exchange.look(volumes, entry.op) for entry in journal.ops])


def _prepare(volumes: Volumes, transaction: str, todo: Exchange, owned: OwnedByNode) -> Journal:
    """Link the node's files into the staged trees, place and mark what needs it, and write down who is who."""
    volume_names = tuple(volumes.own_fds)
    for volume in volume_names:
        exchange.new_placeholder(volumes, volume)
        _new_ballast(volumes, volume)
        exchange.make_staged(volumes, volume)
    linked = kept.link_kept(volumes, lambda path: volume_holding(path, volume_names), todo.linked, todo.rebuilt, owned)
    ops: list[JournalOp] = []
    for op in todo.ops:
        if op.kind is OpKind.REMOVE:
            exchange.place_staged(volumes, op)
        elif op.kind is OpKind.CARRY:
            kept.make_directories(volumes, op.volume, op.path)
        live, staged = exchange.look(volumes, op)
        found = _identified(volumes, op, live, staged)
        if found.new == found.old:
            continue  # two names of one inode: exchanging them does nothing, and nothing could tell whether it was done
        ops.append(found)
    for index, entry in enumerate(ops):
        if entry.op.kind in (OpKind.SWAP, OpKind.CREATE):
            exchange.set_mark(volumes, entry.op, f"{transaction}:{index}")
    owners = {change.path: change for change in todo.owners}
    directories = tuple(item._replace(after=with_changes(item.after, owners.get(item.path))) for item in todo.directories)
    return Journal(transaction, volume_names, tuple(ops), linked, todo.rebuilt, directories, todo.written, todo.owners, todo.labels)


def _identified(volumes: Volumes, op: Op, live: Side | None, staged: Side | None) -> JournalOp:
    """The op with the identities of both sides. For a carry, the side that becomes live is live now: it leaves with its unit first."""
    if staged is None or (live is None) != (op.kind is OpKind.CREATE):
        raise ReprovError(f"/{op.path} came or went since the plan was made", hint="run it again")
    if live is None:
        return JournalOp(op, staged.identity, exchange.placeholder_identity(volumes, op.volume))
    if op.kind is OpKind.CARRY:
        return JournalOp(op, live.identity, staged.identity)
    return JournalOp(op, staged.identity, live.identity)


def _exchange_all(volumes: Volumes, journal: Journal) -> None:
    """First the placeholders, the only step that can run out of space; then exchange after exchange, one volume after the other."""
    for op in _of_kind(journal, OpKind.CREATE):
        exchange.place_live(volumes, op)
    last_volume: str | None = None
    for entry in journal.ops:
        if last_volume is not None and entry.op.volume != last_volume:
            kernel.syncfs(volumes.own_fds[last_volume])  # there is no order between the journals of two filesystems
        last_volume = entry.op.volume
        exchange.exchange(volumes, entry.op)


def set_directories(wanted: Sequence[tuple[str, Entry]], volumes: Volumes) -> None:
    """Give live directories their metadata, the deepest first so that times stay."""
    for path, entry in sorted(wanted, reverse=True):
        fd = kernel.open_beneath(path, os.O_RDONLY | os.O_DIRECTORY, dir_fd=volumes.root_fd)
        try:
            apply_metadata(entry, ".", dir_fd=fd)
        finally:
            os.close(fd)


def _of_kind(journal: Journal, kind: OpKind) -> Iterator[Op]:
    return (entry.op for entry in journal.ops if entry.op.kind is kind)


def has_staged(volumes: Volumes, volume: str) -> bool:
    """True while a volume has a staged tree: before the commit, and after it until `finish` has been there."""
    try:
        os.stat(STAGED, dir_fd=volumes.own_fds[volume], follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


_BALLAST = "ballast"
_BALLAST_BYTES = 1 << 20


def _new_ballast(volumes: Volumes, volume: str) -> None:
    """Set space aside that the end of the commit, or its undo, can have when the filesystem is full by then."""
    own_fd = volumes.own_fds[volume]
    fd = os.open(_BALLAST, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW, 0o600, dir_fd=own_fd)
    try:
        os.posix_fallocate(fd, 0, _BALLAST_BYTES)
    except OSError:
        discard(_BALLAST, dir_fd=own_fd)
        raise
    finally:
        os.close(fd)


def release_ballast(volumes: Volumes) -> None:
    """Give the space back that was set aside."""
    for own_fd in volumes.own_fds.values():
        discard(_BALLAST, dir_fd=own_fd)


@contextmanager
def signals_held() -> Iterator[None]:
    """Put off the polite ways to be stopped: a commit is over in milliseconds, one way or the other.

    After a block that ends well they are heard again, unless it has called `void_held_signals`. After one that fails they are
    not: what went wrong with the node must be told, and not that somebody wanted to stop.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_SIGNALS)
    try:
        yield
    except BaseException:
        void_held_signals()
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def signals_heard() -> Iterator[None]:
    """While they are held, hear requests to stop for the block: also those that have come meanwhile."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD_SIGNALS)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def stop_is_asked() -> bool:
    """True when a request to stop has come while they are held. One that is ignored is none."""
    return any(signal.getsignal(number) is not signal.SIG_IGN for number in signal.sigpending() & {*_HELD_SIGNALS})


def void_held_signals() -> None:
    """Requests to stop that came while signals were held, or come before the answer is out, are too late: it is done.

    Only for the main thread, while signals are held. Whoever has set the handlers sets them back (`cli.signals.interruptible`).
    """
    while signal.sigtimedwait(_HELD_SIGNALS, 0):
        pass
    for number in _HELD_SIGNALS:
        if callable(signal.getsignal(number)):  # one that is ignored stays ignored
            # Not SIG_IGN, and no mask: programs that are started from here on would inherit those.
            signal.signal(number, _come_too_late)


def _come_too_late(_number: int, _frame: FrameType | None) -> None:
    pass
