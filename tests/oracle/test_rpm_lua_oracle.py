"""A Lua scriptlet outside of a transaction finds what rpm itself would give it."""

import subprocess
from pathlib import Path

import pytest

from reprov.domain.rpm_lua import lua_command
from reprov.errors import InvalidInput

pytestmark = [pytest.mark.commands, pytest.mark.needs("rpm")]

PRINT_ALL = r"""local words = {}
for i = 1, #arg do words[i] = arg[i] end
print(table.concat(words, " ") .. "\n")
local path = rpm.next_file()
while path do print("[" .. path .. "]\n") path = rpm.next_file() end
print(posix.stat("/").type, " %{name} }} %% ", rpm.expand("%{?nothing}done"))
"""


def run(script: Path, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(lua_command(str(script), arguments), input=stdin, check=False, capture_output=True, text=True)


def test_arguments_paths_and_the_libraries_of_rpm_are_there(tmp_path: Path) -> None:
    (tmp_path / "x.lua").write_text(PRINT_ALL)
    done = run(tmp_path / "x.lua", "2", "1", stdin="/usr/a b\n/usr/%c\n")
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.split("\n")[:4] == ["<lua> 2 1", "[/usr/a b]", "[/usr/%c]", "directory\t %{name} }} %% \tdone"]


@pytest.mark.parametrize("body", [pytest.param("error('no')", id="an error"), pytest.param("this is no Lua", id="what is no Lua")])
def test_a_script_that_fails_has_a_status(tmp_path: Path, body: str) -> None:
    (tmp_path / "x.lua").write_text(body)
    done = run(tmp_path / "x.lua", "1")
    assert done.returncode == 1
    assert "x.lua" in done.stderr


@pytest.mark.parametrize(("path", "argument"), [("/tmp/a}b", "1"), ("/tmp/%x", "1"), ("x.lua", "1"), ("/tmp/x", '"')])
def test_what_could_be_taken_for_a_macro_is_refused(path: str, argument: str) -> None:
    with pytest.raises(InvalidInput, match="neither a path nor numbers"):
        lua_command(path, [argument])
