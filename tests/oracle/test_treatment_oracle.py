"""What a wrapper does with a command line: the real sh goes through the branches that are made for it."""

import subprocess
from pathlib import Path

import pytest

from reprov.domain.collected import TREATMENT

pytestmark = [pytest.mark.commands, pytest.mark.needs("sh")]

WRAPPER = f"""\
name=$1; shift
real() {{ echo "real: $*"; exit 0; }}
collect() {{ echo "collected: $*"; }}
refuse() {{ echo refused; exit 1; }}
case $name in
{TREATMENT}
esac
real "$@"
"""

LINES = {
    "systemctl restart a": ["collected: restart a"],
    "systemctl --quiet try-restart a": ["collected: --quiet try-restart a"],
    "systemctl -t service reload a": ["collected: -t service reload a"],
    "systemctl is-active a": ["real: is-active a"],
    "systemctl -p start show a": ["real: -p start show a"],
    "systemctl enable a": ["real: enable a"],
    "systemctl enable --now a": ["collected: enable --now a", "real: enable a"],
    "systemctl --now disable a": ["collected: --now disable a", "real: disable a"],
    "systemctl daemon-reload": ["collected: daemon-reload"],
    "systemctl --user daemon-reload": [],
    "systemctl --root=/x start a": ["real: --root=/x start a"],
    "systemctl reboot": ["collected: reboot", "refused"],
    "systemctl": ["real: "],
    "invoke-rc.d a restart": ["collected: a restart"],
    "invoke-rc.d a status": ["real: a status"],
    "service a restart": ["collected: a restart"],
    "service --status-all": ["real: --status-all"],
    "deb-systemd-invoke start a": ["collected: start a"],
    "deb-systemd-invoke --user start a": [],
    "dpkg-trigger --check-supported": [],
    "dpkg-trigger --no-await x": ["collected: --no-await x"],
    "start-stop-daemon --start --exec /x": [],
    "start-stop-daemon --status --pidfile /x": ["real: --status --pidfile /x"],
    "ldconfig": ["collected: "],
    "ldconfig -v": ["collected: -v"],
    "ldconfig -p": ["real: -p"],
    "ldconfig -r /tree": ["real: -r /tree"],
    "depmod -a 6.1": ["collected: -a 6.1"],
    "depmod -a -b /tree 6.1": ["real: -a -b /tree 6.1"],
    "udevadm trigger": ["collected: trigger"],
    "udevadm info /dev/sda": ["real: info /dev/sda"],
    "update-initramfs -u -k all": ["collected: -u -k all"],
    "update-grub": ["collected: "],
    "mandb -pq": ["collected: -pq"],
    "mandb -?": ["real: -?"],
    "reboot": ["collected: ", "refused"],
    "init 6": ["collected: 6", "refused"],
    "shutdown --help": ["real: --help"],
    "runlevel": ["real: "],
}


@pytest.mark.parametrize(("line", "done"), LINES.items(), ids=LINES)
def test_what_becomes_of_a_command_line(tmp_path: Path, line: str, done: list[str]) -> None:
    file = tmp_path / "wrapper"
    file.write_text(WRAPPER)
    ran = subprocess.run(["sh", str(file), *line.split()], capture_output=True, text=True, check=False)
    assert (ran.stdout.splitlines(), ran.stderr, ran.returncode) == (done, "", int("refused" in done))
