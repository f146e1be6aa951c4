"""The text of a step as a file that is run: where its package manager has it, or in a directory that only root can enter.

debconf finds the package of a script, its templates and its questions by the name that it runs under. Scripts of sh and bash are run by
bash, which alone can tell the lines that it begins to a descriptor of its own; for sh it minds POSIX, and its `echo` is that of dash.
debconf starts a script a second time, by the first line of its file: that line names what tells the lines, too.
"""

import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reprov.adapters.files import opened_directory
from reprov.adapters.program_covers import MountSpace, make_folder
from reprov.adapters.root_view import RootView
from reprov.domain.failing_line import TRACE_PROMPT
from reprov.domain.post_script import Step
from reprov.domain.rpm import LUA
from reprov.domain.rpm_lua import lua_command

_STEPS: Final = "steps"
_AGAIN: Final = "again"
_TRACE: Final = "trace"
_SHELLS: Final = ("sh", "dash", "bash")
_BASH: Final = ("bin/bash", "usr/bin/bash")
_DEBCONF: Final = "confmodule"
"""What every script sources that talks to debconf."""
_TELL: Final = """\
{mode}PS4='{prompt}'
unset BASH_ENV
exec 198>>{trace}
BASH_XTRACEFD=198
set -x
"""
_AS_SH: Final = "set -o posix\nshopt -s xpg_echo\n"
_INTERPRETER: Final = """\
#!/bin/sh
BASH_ENV={tell} exec /{bash} {options} "$@"
"""
_MOUNT: Final = 'while [ $# -gt 0 ]; do mount -n --bind "$1" "$2"; shift 2; done'


@dataclass(frozen=True, slots=True)
class StepFiles:
    """Makes the files of steps in a space."""

    space: MountSpace
    inside: str
    """The folder of the space, as programs in the root have it."""
    bash: str
    """The bash of the root, relative; "" without one: then nothing is told, and what an interpreter complains about has to do."""
    trace_fd: int
    """Where the lines that are begun can be read."""

    @classmethod
    def opened(cls, space: MountSpace, steps: Iterable[Step]) -> "StepFiles":
        """Prepare a space before anything runs in it; `steps` are those that are known already. The caller closes the descriptor."""
        folder = space.view(space.folder)
        for name in (_STEPS, _AGAIN):
            make_folder(folder / name, 0o700)
        os.mkfifo(folder / _TRACE, 0o600)
        # Both: else it is at its end whenever no script has it open, and a script waits when nobody reads.
        trace_fd = os.open(folder / _TRACE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        inside = os.fspath(Path("/", space.folder.relative_to(space.root)))
        with opened_directory(f"{space.view(space.root)}/.") as root_fd:
            view = RootView(root_fd)
            bash = next((path for path in _BASH if view.is_program(path)), "")
            files = cls(space, inside, bash, trace_fd)
            for name, mode in (("sh", _AS_SH), ("bash", "")):
                (folder / f"tell-{name}").write_text(_TELL.format(mode=mode, prompt=TRACE_PROMPT, trace=f"{inside}/{_TRACE}"))
            again = [step for step in steps if _DEBCONF in step.body and files._tells(step) and _is_in_place(step, view)]
        files._cover_for_debconf(again)
        return files

    def lay(self, step: Step, number: int) -> tuple[tuple[str, ...], str]:
        """The command line of a step without its arguments, and the file of its script as programs in the root have it."""
        with opened_directory(f"{self.space.view(self.space.root)}/.") as root_fd:
            in_place = _is_in_place(step, RootView(root_fd))
        if in_place:
            file = step.path
        else:
            name = Path(step.path or step.script.partition(" ")[0]).name
            file = f"{self.inside}/{_STEPS}/{number}/{name}"
            place = self._view(file)
            place.parent.mkdir(mode=0o700, exist_ok=True)
            place.write_bytes(self._text(step))
            place.chmod(0o700)
        if step.interpreter == (LUA,):
            return lua_command(file, step.arguments), file
        if not step.interpreter:
            return (file,), file
        return (*((self._interpreter(step.interpreter),) if self._tells(step) else step.interpreter), file), file

    def _tells(self, step: Step) -> bool:
        return bool(self.bash) and bool(step.interpreter) and Path(step.interpreter[0]).name in _SHELLS

    def _text(self, step: Step) -> bytes:
        """The script, whose first line leads to what tells the lines when it is started by its name."""
        body = step.body.encode("utf-8", "surrogateescape")
        if not (self._tells(step) and body.startswith(b"#!")):
            return body
        _, end, rest = body.partition(b"\n")
        return b"#!" + self._interpreter(step.interpreter).encode() + end + rest

    def _interpreter(self, interpreter: tuple[str, ...]) -> str:
        """A program that starts a script like this one, and has it tell its lines."""
        kind = "bash" if Path(interpreter[0]).name == "bash" else "sh"
        file = f"{self.inside}/run-{kind}{''.join(interpreter[1:])}"
        place = self._view(file)
        if not place.exists():
            place.write_text(_INTERPRETER.format(tell=f"{self.inside}/tell-{kind}", bash=self.bash, options=shlex.join(interpreter[1:])))
            place.chmod(0o755)
        return file

    def _cover_for_debconf(self, steps: Iterable[Step]) -> None:
        pairs: list[str] = []
        for step in {step.path: step for step in steps}.values():
            file = f"{self.inside}/{_AGAIN}/{len(pairs)}"
            self._view(file).write_bytes(self._text(step))
            self._view(file).chmod(0o755)
            pairs += [os.fspath(self._outside(file)), os.fspath(self._outside(step.path))]
        if pairs:
            self.space.run(("sh", "-euc", _MOUNT, "sh", *pairs))

    def _view(self, inside: str) -> Path:
        return self.space.view(self._outside(inside))

    def _outside(self, inside: str) -> Path:
        return self.space.root / inside.lstrip("/")


def _is_in_place(step: Step, view: RootView) -> bool:
    """The package manager has this very script where it says; but for the first line, which may be ours."""
    if not step.path:
        return False
    found = view.read(step.path.lstrip("/"))
    return found is not None and found.partition(b"\n")[2] == step.body.encode("utf-8", "surrogateescape").partition(b"\n")[2]
