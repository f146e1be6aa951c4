"""The ssh server of the rescue system: keys only, with a host key that is made for this boot."""

import os
from pathlib import Path

from reprov.adapters.run import run

AUTHORIZED_KEYS = Path("/root/.ssh/authorized_keys")
_FOLDER = Path("/run/reprov-ssh")
_HOST_KEY = _FOLDER / "ssh_host_ed25519_key"
_PID = _FOLDER / "sshd.pid"
_CONFIG = f"""\
HostKey {_HOST_KEY}
PidFile {_PID}
AuthorizedKeysFile {AUTHORIZED_KEYS}
AuthenticationMethods publickey
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AllowUsers root
# PAM would ask for a session of a system that is not there.
UsePAM no
PrintMotd yes
Subsystem sftp internal-sftp
"""


def start_sshd() -> str:
    """Start the server, unless it runs, and return the fingerprint of its host key as ssh shows it. Raises `CommandFailed`."""
    _FOLDER.mkdir(mode=0o700, exist_ok=True)
    if not _HOST_KEY.exists():
        run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "rescue", "-f", os.fspath(_HOST_KEY)))
    if not _is_running():
        config = _FOLDER / "sshd_config"
        config.write_text(_CONFIG)
        run(("/usr/sbin/sshd", "-f", os.fspath(config)))
    return run(("ssh-keygen", "-l", "-f", f"{_HOST_KEY}.pub")).stdout.decode().split()[1]


def _is_running() -> bool:
    try:
        return Path("/proc", _PID.read_text().strip(), "exe").readlink().name == "sshd"
    except OSError:
        return False
