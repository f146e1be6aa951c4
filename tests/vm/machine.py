"""A virtual machine that boots a disk of a node, and a root shell into it that needs no network. No KVM is needed.

    with Machine(disk, boot, folder) as machine:
        machine.start()
        assert machine.shell("systemctl is-active cron") == "active\\n"
        machine.kill()                                # a power cut
        machine.start()

The shell is a unit of the node's (AGENT), which runs what comes in over a virtio port. It survives that its own program is replaced and
that its unit is restarted; what must, too, is run by `job`, in a unit of its own.
"""

import base64
import contextlib
import json
import os
import select
import socket
import subprocess
import time
from pathlib import Path
from typing import Final, NamedTuple

from tests.conftest import Ran

PROGRAMS: Final = ("qemu-system-x86_64", "qemu-img", "setpriv")
"""For the `needs` marker of tests."""
BOOT_TIMEOUT_S: Final = 900
"""Of one boot, which takes about 30 s on a machine that has nothing else to do, and many times as long on one that has."""
SHELL_TIMEOUT_S: Final = 300
JOB_TIMEOUT_S: Final = 1800
_TOLD_CHARACTERS: Final = 6000
_ASK_AGAIN_S: Final = 20.0

AGENT: Final = """\
#!/bin/sh
# Runs what comes in over a virtio port: a line with a number and a script in base64 is answered by number, status and output.
port=/dev/virtio-ports/lab
until [ -e $port ]; do sleep 0.1; done
exec 3<>$port
mkdir -p /run/lab
echo up >&3
while :; do
    if ! read -r number script <&3; then
        sleep 0.2
        continue
    fi
    printf %s "$script" | base64 -d >/run/lab/script
    sh -e /run/lab/script >/run/lab/said 2>&1 </dev/null 3>&-
    status=$?
    printf '%s %s %s\\n' "$number" "$status" "$(base64 -w0 /run/lab/said)" >&3
done
"""
AGENT_UNIT: Final = """\
[Unit]
Description=Root shell of the lab
StartLimitIntervalSec=0
[Service]
ExecStart=/usr/lib/lab/agent
Restart=always
RestartSec=0.2
[Install]
WantedBy=multi-user.target
"""
_JOB: Final = """\
[ ! -e /run/lab/{job}.sh ] || exit 0
cat >/run/lab/{job}.sh <<'END-OF-JOB'
{script}
END-OF-JOB
systemd-run --quiet --collect --unit={job} sh -c 'sh -e /run/lab/{job}.sh >/run/lab/{job}.out 2>/run/lab/{job}.err </dev/null
echo $? >/run/lab/{job}.new; mv /run/lab/{job}.new /run/lab/{job}.status'
"""

# What no story looks at, and what costs seconds of every boot.
_MASKED: Final = (
    *("e2scrub_reap.service", "modprobe@drm.service", "modprobe@efi_pstore.service", "modprobe@fuse.service", "modprobe@configfs.service"),
    *("dev-hugepages.mount", "dev-mqueue.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "systemd-timesyncd.service"),
    *("dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer", "getty@tty1.service", "serial-getty@ttyS0.service"),
    *("systemd-update-utmp.service", "systemd-random-seed.service"),
)
KERNEL_WORDS: Final = " ".join(
    (
        *("console=ttyS0", "mitigations=off", "nokaslr", "panic=-1", "fsck.mode=skip", "systemd.default_timeout_start_sec=900"),
        *(f"systemd.mask={unit}" for unit in _MASKED),
    )
)
"""Of the kernel's command line: what this processor is too slow for is not to be waited for, or is to be waited for longer."""


class DirectBoot(NamedTuple):
    """What qemu loads instead of a boot loader."""

    kernel: Path
    initrd: Path
    root: str = "/dev/vda2"


class Machine:
    """A disk, and the virtual machine that may run from it. Nothing of it is left when its block ends, or its process."""

    def __init__(self, disk: Path, boot: DirectBoot | None, folder: Path, *, memory_mib: int = 1024) -> None:
        """`disk` is a qcow2 image, which is written to; without `boot` its own boot loader starts it.

        `folder` takes sockets and logs: its name must be short.
        """
        self.disk = disk
        self._boot = boot
        self._folder = folder
        self._memory_mib = memory_mib
        self._qemu: subprocess.Popen[bytes] | None = None
        self._agent: socket.socket | None = None
        self._heard = b""
        self._asked = time.time_ns()
        self.boots = 0
        """How often it was started, counting what was started from a snapshot."""

    def __enter__(self) -> "Machine":
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    @property
    def is_on(self) -> bool:
        """Whether it runs; it ends where it would reboot."""
        return self._qemu is not None and self._qemu.poll() is None

    @property
    def serial(self) -> str:
        """What this boot has said on the serial line."""
        return self.said_in(self.boots)

    def said_in(self, boot: int) -> str:
        """What a boot has said on the serial line; the first one is 1."""
        log = self._folder / f"serial-{boot}.log"
        return log.read_text(errors="replace").replace("\r", "") if log.exists() else ""

    def start(self, *, snapshot: str = "", memory: Path | None = None, wait: bool = True) -> None:
        """Boot, or go on where a snapshot was taken, or a memory was saved; until the shell answers, unless told not to wait."""
        assert not self.is_on
        self.boots += 1
        loaded = ("-loadvm", snapshot) if snapshot else ("-incoming", f"exec:cat {memory}") if memory else ()
        argv = [*self._argv(), *loaded]
        # If this process is killed, so is qemu.
        with (self._folder / "qemu.log").open("ab") as log:
            self._qemu = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if memory:
            self._wait_until_told("info status", "VM status: paused")
            self._monitor("cont")
        elif snapshot:
            self._wait_until_told("info status", "VM status: running")
        if wait:
            self.wait_for_shell()

    def _argv(self) -> list[str]:
        # TCG translates for each virtual processor in a thread of its own.
        return [
            *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-machine", "q35", "-accel", "tcg,thread=multi,tb-size=256"),
            *("-cpu", "qemu64", "-m", str(self._memory_mib), "-smp", "2", "-display", "none", "-no-reboot"),
            *("-serial", f"file:{self._folder}/serial-{self.boots}.log"),
            *("-qmp", f"unix:{self._folder}/qmp,server=on,wait=off"),
            *("-chardev", f"socket,id=lab,path={self._folder}/agent,server=on,wait=off"),
            *("-device", "virtio-serial-pci", "-device", "virtserialport,chardev=lab,name=lab"),
            *("-drive", f"file={self.disk},format=qcow2,if=none,id=disk,cache=writeback,discard=unmap"),
            *("-device", "virtio-blk-pci,drive=disk,serial=lab-disk"),
            *("-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,mac=52:54:00:12:34:56"),
            *("-device", "virtio-rng-pci"),
            *self._loaded(),
        ]

    def _loaded(self) -> tuple[str, ...]:
        if self._boot is None:
            return ()
        words = f"root={self._boot.root} ro {KERNEL_WORDS}"
        return "-kernel", str(self._boot.kernel), "-initrd", str(self._boot.initrd), "-append", words

    def wait_for_shell(self, timeout_s: float = BOOT_TIMEOUT_S) -> None:
        """Until the shell answers."""
        self._ask("true", timeout_s=timeout_s)

    def wait_for_boot(self, timeout_s: float = BOOT_TIMEOUT_S) -> str:
        """What systemd says of itself once it has started everything: running, degraded."""
        ask, deadline = "systemctl is-system-running --wait || true", time.monotonic() + timeout_s
        while (state := self.shell(ask, timeout_s=timeout_s).strip()) not in ("running", "degraded"):
            assert time.monotonic() < deadline, f"still {state!r} after {timeout_s} s{self._told()}"
            time.sleep(0.5)
        return state

    def wait_until_said(self, text: str, timeout_s: float = BOOT_TIMEOUT_S) -> None:
        """Until the serial line has said it in this boot."""
        deadline = time.monotonic() + timeout_s
        while text not in self.serial:
            assert self.is_on, f"off, and has not said {text!r}{self._told()}"
            assert time.monotonic() < deadline, f"{text!r} was not said in {timeout_s} s{self._told()}"
            time.sleep(0.02)

    def wait_until_off(self, timeout_s: float = BOOT_TIMEOUT_S) -> None:
        """Until it has switched itself off, or would reboot."""
        assert self._qemu
        try:
            self._qemu.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"not off after {timeout_s} s{self._told()}") from None
        self._forget()

    def reboot(self) -> str:
        """Reboot as an operator does; gives what systemd says of itself after it."""
        self.go_off("reboot")
        self.start()
        return self.wait_for_boot()

    def go_off(self, verb: str = "poweroff") -> None:
        """Have systemd end everything; where it would `reboot`, it is off, too."""
        # Once the shell has answered; a timer that says nothing of its accuracy may be a minute late.
        self.shell(f"systemd-run --quiet --on-active=1 --timer-property=AccuracySec=10ms systemctl {verb}")
        self.wait_until_off()

    def kill(self) -> None:
        """Cut its power: what it has not written to its disk by now is lost."""
        if self._qemu is not None:
            self._qemu.kill()
            self._qemu.wait()
        self._forget()

    def _forget(self) -> None:
        self._qemu = None
        if self._agent is not None:
            self._agent.close()
        self._agent, self._heard = None, b""

    def save(self, name: str) -> None:
        """Take a snapshot of memory and disk, into the disk image."""
        answer = self._monitor(f"savevm {name}")
        assert not answer, answer

    def save_memory(self, file: Path) -> None:
        """Switch it off, and keep its memory, without its disk: it can go on with another one, if it has not looked at it yet."""
        self._monitor("stop")
        self._monitor(f'migrate -d "exec:cat >{file}"')
        self._wait_until_told("info migrate", "Migration status: completed")
        self.kill()

    def _wait_until_told(self, command: str, wanted: str) -> None:
        """Until a line of what qemu's monitor answers is this; while it loads a snapshot it does not answer."""
        deadline = time.monotonic() + BOOT_TIMEOUT_S
        while time.monotonic() < deadline:
            assert self.is_on, f"the machine is off{self._told()}"
            with contextlib.suppress(OSError):
                if wanted in self._monitor(command).replace("\r", "").split("\n"):
                    return
            time.sleep(0.02)
        raise AssertionError(f"{command}: not {wanted!r} after {BOOT_TIMEOUT_S} s{self._told()}")

    def _monitor(self, command: str) -> str:
        """What qemu's monitor answers."""
        with _connected(self._folder / "qmp") as channel, channel.makefile("rw") as talk:
            talk.readline()
            for request in (
                {"execute": "qmp_capabilities"},
                {"execute": "human-monitor-command", "arguments": {"command-line": command}},
            ):
                talk.write(json.dumps(request) + "\n")
                talk.flush()
                while "return" not in (answer := json.loads(talk.readline())):
                    assert "error" not in answer, answer
            return str(answer["return"]).strip()

    def shell(self, script: str, *, fine: tuple[int, ...] = (0,), timeout_s: float = SHELL_TIMEOUT_S) -> str:
        """Run a script of sh; gives all that it has printed. Any other status fails the test. It may run twice, if it is cut off."""
        status, said = self._ask(script, timeout_s=timeout_s)
        assert status in fine, f"{script}: status {status}\n{said}{self._told()}"
        return said

    def job(self, script: str, *, fine: tuple[int, ...] = (0,), timeout_s: float = JOB_TIMEOUT_S) -> Ran:
        """Run a script of sh in a unit of its own, once; any other status fails the test."""
        name = self.start_job(script)
        # The node looks itself: to be asked takes it longer than that.
        ended = f"/run/lab/{name}.status"
        status = self.shell(f"until [ -e {ended} ]; do sleep 0.5; done; cat {ended}", timeout_s=timeout_s)
        out, err = (self.shell(f"cat /run/lab/{name}.{kind}") for kind in ("out", "err"))
        assert int(status) in fine, f"{script}: status {status}\n{out}{err}{self._told()}"
        return Ran(int(status), out, err)

    def start_job(self, script: str) -> str:
        """Start a script of sh in a unit of its own; gives its name, of which /run/lab has .out, .err and at the end .status."""
        name = f"lab-{time.time_ns()}"
        self.shell(_JOB.format(job=name, script=script))
        return name

    def reprov(self, words: str, *, fine: tuple[int, ...] = (0,), timeout_s: float = JOB_TIMEOUT_S) -> Ran:
        """Run the node's reprov."""
        return self.job(f"reprov {words}", fine=fine, timeout_s=timeout_s)

    def _ask(self, script: str, *, timeout_s: float) -> tuple[int, str]:
        """Ask the agent, and again if it was restarted meanwhile, until it answers."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            assert self.is_on, f"the machine is off{self._told()}"
            self._asked += 1
            line = f"{self._asked} {base64.b64encode(script.encode()).decode()}\n".encode()
            with contextlib.suppress(OSError):
                if self._agent is None:
                    self._agent = _connected(self._folder / "agent")
                self._agent.sendall(line)
                if (answer := self._hear(self._asked, deadline)) is not None:
                    return answer
                continue
            self._agent = None
            time.sleep(0.1)
        raise AssertionError(f"{script}: no answer in {timeout_s} s{self._told()}")

    def _hear(self, number: int, deadline: float) -> tuple[int, str] | None:
        """The answer to a question; None when the agent that was asked has gone."""
        assert self._agent
        while time.monotonic() < deadline and self.is_on:
            while b"\n" in self._heard:
                line, _, self._heard = self._heard.partition(b"\n")
                words = line.split(b" ")
                if words == [b"up"]:
                    return None
                if words[0] == str(number).encode() and len(words) == 3:
                    return int(words[1]), base64.b64decode(words[2]).decode(errors="replace")
            if select.select([self._agent], [], [], 1)[0]:
                block = self._agent.recv(1 << 16)
                if not block:
                    raise ConnectionError
                self._heard += block
        return None

    def _told(self) -> str:
        qemu = (self._folder / "qemu.log").read_text(errors="replace")
        return f"\n--- the serial line (all of it: {self._folder}):\n{self.serial[-_TOLD_CHARACTERS:]}\n{qemu[-1000:]}"


def _connected(path: Path) -> socket.socket:
    """A connection to a socket that qemu is about to make."""
    channel = socket.socket(socket.AF_UNIX)
    try:
        channel.connect(os.fspath(path))
    except OSError:
        channel.close()
        raise
    return channel
