"""Runs one program and writes what it cost as JSON: `python -IS measured.py RESULT PROGRAM [ARGUMENT...]`.

A process of its own with next to no memory: the peak that the kernel reports for a child begins with what its parent
used, so a large benchmark would count as the client's memory.
"""

import json
import os
import sys
import time


def main() -> int:
    """Run the program to its end; returns its status."""
    result, *argv = sys.argv[1:]
    started_at = time.monotonic()
    child = os.posix_spawnp(argv[0], argv, os.environ)
    _, status, usage = os.wait4(child, 0)
    wall_s = time.monotonic() - started_at
    fields = {"wall_s": wall_s, "cpu_s": usage.ru_utime + usage.ru_stime, "largest_bytes": usage.ru_maxrss * 1024}
    with open(result, "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib would double the memory of this process
        json.dump(fields, file)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
