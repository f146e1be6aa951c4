"""Text files that a module reads and writes, each as a whole."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule


def read_text(path: Path) -> str | None:
    """The text of a file, whatever its encoding and the ends of its lines; None where there is none."""
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None


def write_text(module: AnsibleModule, path: Path, text: str) -> bool:
    """Write a file, unless it says that already or the module is in check mode; True when it does not say that already.

    It keeps owner, mode, SELinux context and extended attributes, and a reader sees all of the old text or all of the new.
    """
    if read_text(path) == text:
        return False
    if module.check_mode:
        return True
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=".reprov-", dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        shutil.copystat(path, temporary)  # extended attributes are among it, which atomic_move of Ansible before 2.17 leaves behind
        os.utime(temporary)
    module.atomic_move(temporary, str(path))
    return True


def remove(module: AnsibleModule, path: Path) -> bool:
    """Remove a file, unless the module is in check mode; True when there is one."""
    is_there = path.exists()
    if is_there and not module.check_mode:
        path.unlink()
    return is_there
