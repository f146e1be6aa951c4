"""What is read from the kernel, from reprov's events, and what the cache is keyed by."""

import os
from itertools import pairwise
from pathlib import Path

from bench.lab import is_listening, loopback_bytes, parse_cpu_s
from bench.measure import phases_of
from bench.trees import cache_key, digest

NET_DEV = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:  123456     100    0    0    0     0          0         0   654321     100    0    0    0     0       0          0
  eth0:       1       1    0    0    0     0          0         0        2       1    0    0    0     0       0          0
"""
NET_TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:221A 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0 0 10 0
"""
EVENTS = """\
{"format": 1, "event": "phase_started", "phase": "scan"}
{"format": 1, "event": "phase_ended", "phase": "scan", "elapsed_s": 1.5}
{"format": 1, "event": "note", "text": "hello"}
{"format": 1, "event": "phase_ended", "phase": "fetch", "elapsed_s": 4.25}
"""


def test_what_loopback_sent_is_counted_once() -> None:
    assert loopback_bytes(NET_DEV) == 654321


def test_a_port_counts_when_it_is_listened_on_and_not_when_it_is_connected() -> None:
    assert is_listening(NET_TCP, 0x221A)
    assert not is_listening(NET_TCP, 0x1F90)


def test_the_time_of_a_process_includes_its_children_whatever_it_is_called() -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    stat = f"42 (a) S (b) S 1 42 42 0 -1 0 0 0 0 0 {ticks} {2 * ticks} {3 * ticks} {4 * ticks} 20 0 1 0 0"
    assert parse_cpu_s(stat) == 10.0


def test_phases_are_those_that_ended() -> None:
    assert phases_of(EVENTS) == {"scan": 1.5, "fetch": 4.25}


def test_a_digest_changes_with_content_and_with_names(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("a")
    two.write_text("b")
    before = digest(tmp_path, [one, two])
    assert digest(tmp_path, [two, one]) == before
    two.write_text("c")
    assert digest(tmp_path, [one, two]) != before
    two.write_text("b")
    assert digest(tmp_path, [one, two.rename(tmp_path / "three")]) != before


def test_the_cache_key_covers_the_roles_and_the_modules_of_a_build(tmp_path: Path) -> None:
    for name, text in {
        "roles/base/role.yaml": "packages: [a]\n",
        "roles/compute/files/etc/motd": "hello\n",
        "roles/controller/role.yaml": "packages: [c]\n",
        "reprov/workflows/build.py": "from reprov.adapters.lay import lay_files\n",
        "reprov/adapters/lay.py": "",
        "reprov/adapters/survey.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    keys = [cache_key(tmp_path)]
    for name in ("roles/compute/files/etc/motd", "reprov/adapters/lay.py", "roles/controller/role.yaml", "reprov/adapters/survey.py"):
        (tmp_path / name).write_text("changed\n")
        keys.append(cache_key(tmp_path))
    assert [before != after for before, after in pairwise(keys)] == [True, True, False, False]
