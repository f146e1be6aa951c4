"""Running a Lua scriptlet outside of a transaction, by the rpm program of the tree that has Lua inside."""

import re
from collections.abc import Sequence

from reprov.errors import InvalidInput

_PLAIN_PATH = re.compile(r"(/[A-Za-z0-9_.+^~-]+)+")
_ARGUMENT = re.compile(r"-?[0-9]+")

# As rpm's rpmlua.c runs one: `arg` has the arguments after the name of the interpreter, rpm.next_file() gives a line of what a file
# trigger reads, globals of the script stay its own. The file is read by Lua: `rpm --eval` would take % and braces in it for macros.
_PROGRAM = """\
%{{lua:
local run, problem = loadfile("{path}", "t", setmetatable({{arg = {{"<lua>"{arguments}}}}}, {{__index = _G}}))
if not run then error(problem, 0) end
rpm.next_file = function() return io.read() end
run()
}}"""


def lua_command(path: str, arguments: Sequence[str]) -> tuple[str, ...]:
    """The command line that runs the scriptlet in a file, to be started with `/` as the root of its tree.

    It ends with status 1 when the script raises an error, and reads stdin as a file trigger does. Words that are added to it mean
    nothing: the arguments are in it.
    """
    if not _PLAIN_PATH.fullmatch(path) or not all(_ARGUMENT.fullmatch(word) for word in arguments):
        raise InvalidInput(f"{path}: neither a path nor numbers that can stand in a macro of rpm's")
    words = "".join(f', "{word}"' for word in arguments)
    return "sh", "-c", 'exec rpm --eval "$0"', _PROGRAM.format(path=path, arguments=words)
