"""What runs the file of a script."""

import pytest

from reprov.domain.script_file import check_script, interpreter_of
from reprov.errors import InvalidInput

FILES = {
    "a shell": ("#!/bin/sh\nx\n", ("/bin/sh",)),
    "with an option": ("#!/bin/sh -e\n", ("/bin/sh", "-e")),
    "with space before and after": ("#! \t/usr/bin/perl \n", ("/usr/bin/perl",)),
    "all that follows is one argument": ("#!/usr/bin/env -S python3  -u\n", ("/usr/bin/env", "-S python3  -u")),
    "a tab between": ("#!/bin/sh\t-e", ("/bin/sh", "-e")),
    "none": ("x\n", ("/bin/sh",)),
    "an empty file": ("", ("/bin/sh",)),
    "nothing behind the mark": ("#!\nx\n", ("/bin/sh",)),
    "a program": ("\x7fELF\x02\udcff", ()),
}


@pytest.mark.parametrize(("body", "interpreter"), FILES.values(), ids=FILES.keys())
def test_interpreter(body: str, interpreter: tuple[str, ...]) -> None:
    assert interpreter_of(body) == interpreter


NO_SCRIPTS = {
    "empty": ("\n \n", "x: empty"),
    "a program": ("\x7fELF\x02", "x: a program, not a script"),
    "bytes of another kind": ("#!/bin/sh\nfoo\0bar\n", "x: a program, not a script"),
    "no first line": ("exit 0\n", "x:1: not `#!` and the path of what runs the script"),
    "nothing behind the mark": ("#!\nexit 0\n", "x:1: not `#!` and the path of what runs the script"),
    "an interpreter without its path": ("#!python3\n", "x:1: not `#!` and the path of what runs the script"),
    "a line from Windows": ("#!/bin/sh\n\nexit 0\r\n", "x:3: the line ends with CR LF, and the CR would count as a part of it"),
}


@pytest.mark.parametrize(("body", "message"), NO_SCRIPTS.values(), ids=NO_SCRIPTS.keys())
def test_what_is_no_script(body: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        check_script(body, "x")
    assert raised.value.message == message


def test_a_script_with_any_bytes_is_one() -> None:
    check_script("#! /usr/bin/env -S python3 -u\n\udce9\r", "x")
