"""The records that the kernel's filter writes."""

import os
import struct

import pytest

from reprov.adapters.device_filter import Stopped


@pytest.mark.parametrize(
    ("name", "program"),
    [
        pytest.param(b"dd".ljust(16, b"\0"), "dd", id="a name and zeros"),
        pytest.param(b"dd\0\xc0\xff\xff\x88 and more", "dd", id="a name and what was there before (Linux 6.1)"),
        pytest.param(b"ceph-objectstor\0", "ceph-objectstor", id="a name of full length"),
    ],
)
def test_a_record_is_read(name: bytes, program: str) -> None:
    assert Stopped.of(struct.pack("=IIII16s", 4711, 8, 18, 0, name)) == Stopped(4711, program, os.makedev(8, 18))
