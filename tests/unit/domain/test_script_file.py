"""What runs the file of a script."""

import pytest

from reprov.domain.script_file import interpreter_of

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
