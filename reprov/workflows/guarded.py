"""Running commands with the data devices of a node guarded: nothing that they start writes to one of these.

Four measures. The kernel stops every open for writing (`adapters.device_filter`). Disk commands ask before they start
(`adapters.guard_wrappers`), so that a refusal names program and script. The devices are held against exclusive opens by anybody else
(`adapters.device_hold`). What a command leaves running is killed when it ends (`adapters.guard_space`).

What a command has somebody else do, by systemd, cron, ssh or a container engine, runs outside; only the hold is in its way.
"""

import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from reprov.adapters.confined import run_confined
from reprov.adapters.device_filter import DeviceFilter, Stopped, device_filter
from reprov.adapters.device_hold import held, numbers_of
from reprov.adapters.files import opened_directory
from reprov.adapters.guard_askers import command_line, look_at, parent_of
from reprov.adapters.guard_space import GuardSpace, guard_space
from reprov.adapters.guard_wrappers import Wrappers, wrappers
from reprov.domain.disk_commands import intent_of, is_disk_command
from reprov.domain.guard import Decision, Guarded, GuardedDevice, Refusal, Verdict, decide, guarded_of
from reprov.domain.inventory import Inventory
from reprov.domain.protected import NO_RULES, DataRules
from reprov.errors import ExitCode, ReprovError

_COMM_BYTES = 15
_LOOK_AGAIN_S = 0.01
_DELIVER_AGAIN_S = 0.005


class DataGuarded(ReprovError):
    """A command was stopped, because something that it started was about to write to a data device."""

    exit_code = ExitCode.REFUSED

    def __init__(self, refusal: Refusal) -> None:
        on = f" on {refusal.device}" if refusal.device else ""
        super().__init__(
            f"{refusal.program} was refused{on}: {refusal.reason}; called by {refusal.script}",
            hint="the command was stopped there and has done only a part of its work; data devices are not to be prepared again",
        )
        self.refusal = refusal


class Guard:
    """An open guard; made by `guarded`."""

    def __init__(self, space: GuardSpace, asking: Wrappers, stopping: DeviceFilter, kept: Guarded, numbers: Mapping[int, GuardedDevice]):
        self._space = space
        self._asking = asking
        self._stopping = stopping
        self._numbers = numbers
        self._reading: dict[int, str] = {}
        self._command: tuple[str, ...] = ()
        self.guarded = kept
        self.refusals: list[Refusal] = []
        """Everything that was refused, in order; `run` raises for the first."""

    def run(
        self,
        argv: Sequence[str],
        *,
        stdout_fd: int,
        stderr_fd: int,
        stdin: IO[bytes] | None = None,
        extra_environment: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        max_processes: int | None = None,
    ) -> int:
        """Run a command in the root to its end, and return its status (128 and the signal, as shells have it, when one ended it).

        At the first refusal everything that it started is killed. Raises `DataGuarded` then, and `CommandFailed` (124 after the
        time-out, 125 when there are more processes than allowed). What still runs when the command has ended is killed, too.
        """
        self._command = tuple(argv)
        seen = len(self.refusals)
        first = 0

        def look(first_pid: int) -> float | None:
            nonlocal first
            first = first_pid
            self._look(first_pid)
            if len(self.refusals) > seen:
                return None
            return _LOOK_AGAIN_S if self._asking.deliver() else _DELIVER_AGAIN_S

        status = run_confined(
            self._space,
            argv,
            stdin=stdin,
            stdout_fd=stdout_fd,
            stderr_fd=stderr_fd,
            extra_environment=extra_environment,
            timeout_s=timeout_s,
            max_processes=max_processes,
            fds=(self._asking.ask_fd,),
            look=look,
        )
        self._look(first)
        if len(self.refusals) > seen:
            raise DataGuarded(self.refusals[seen])
        return status

    def _look(self, first_pid: int) -> None:
        for pid in self._asking.asked():
            self._judge(pid, first_pid)
        for stopped in self._stopping.stopped():
            self._note(stopped, first_pid)

    def _judge(self, pid: int, first_pid: int) -> None:
        """Let a program start, or write down why not: then it waits until it is killed."""
        words = command_line(pid) if self._space.has(pid) else ()  # of a script: the interpreter, the script, its arguments
        program = PurePosixPath(words[1]).name if len(words) > 1 else ""
        if not is_disk_command(program):
            unknown = Decision(Verdict.REFUSED, "", "it cannot be told who asks: it is gone, or in a PID namespace of its own")
            self._refuse(unknown, program or "a disk command", words[2:], pid, first_pid)
            return
        intent = intent_of(program, words[2:])
        decision = decide(intent, look_at(intent.devices, pid, self._numbers), self.guarded)
        if decision.verdict is Verdict.REFUSED:
            self._refuse(decision, program, words[2:], pid, first_pid)
            return
        if decision.verdict is Verdict.READING:
            self._reading[pid] = program
        self._asking.let_go(pid)

    def _note(self, stopped: Stopped, first_pid: int) -> None:
        reading = self._reading.get(stopped.pid, "")
        if reading and os.fsencode(reading)[:_COMM_BYTES] == os.fsencode(stopped.program):
            return
        device = self._numbers[stopped.number]
        words = command_line(stopped.pid)
        decision = Decision(Verdict.REFUSED, device.path, f"opened for writing: {device.reason}")
        self._refuse(decision, stopped.program, words[1:], stopped.pid, first_pid)

    def _refuse(self, decision: Decision, program: str, arguments: tuple[str, ...], pid: int, first_pid: int) -> None:
        parent = parent_of(pid) if pid != first_pid else 0
        script = command_line(parent) if parent and self._space.has(parent) else ()
        self.refusals.append(
            Refusal(program, arguments, decision.device, decision.reason, pid, shlex.join(script or self._command)),
        )


@contextmanager
def guarded(
    inventory: Inventory, root: Path, *, rules: DataRules = NO_RULES, prepare: Callable[[GuardSpace], None] = lambda space: None
) -> Iterator[Guard]:
    """A guard over the data devices of an inventory, for commands that run in a node's root. It and all it started end with the block.

    `prepare` may mount more in its space; that stays inside. Raises `Refused` where the kernel cannot do it or a device cannot be
    guarded: nothing has been started then.
    """
    kept = guarded_of(inventory, rules)
    numbers = numbers_of(kept.devices)
    with ExitStack() as stack:
        stack.enter_context(held(kept.to_hold))
        space = stack.enter_context(guard_space(root))
        with opened_directory(space.cgroup) as cgroup_fd:
            stopping = stack.enter_context(device_filter(cgroup_fd, numbers))
        asking = stack.enter_context(wrappers(space))
        prepare(space)
        space.share_mounts()
        yield Guard(space, asking, stopping, kept, numbers)
