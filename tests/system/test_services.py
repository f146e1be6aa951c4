"""Upgrades and rollbacks of a booted node: what runs on it, and what must not be exchanged under it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Ran
from tests.system import nspawn_lab
from tests.system.service_lab import SANDBOXED, ServiceLab, ServiceNode

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs(*nspawn_lab.PROGRAMS)]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> ServiceLab:
    from contextlib import redirect_stderr, redirect_stdout
    from io import StringIO

    from reprov.cli.main import main

    def run(*words: object) -> Ran:
        with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
            status = main([str(word) for word in words])
        return Ran(status, out.getvalue(), err.getvalue())

    return ServiceLab(tmp_path_factory.mktemp("services"), run)


@pytest.fixture
def services(lab: ServiceLab, tmp_path: Path) -> Iterator[ServiceNode]:
    """A booted node with the old release."""
    with lab.node(tmp_path) as node:
        yield node


def reasons_of(done: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {act["unit"].removesuffix(".service"): act["reason"] for act in done["restarted"]}


def test_sandboxes_are_whole_again_after_an_upgrade_and_after_the_way_back(services: ServiceNode) -> None:
    """Hazard 1, both ways; services that nothing concerns go on as they are."""
    before = services.pids()
    assert not services.can_write("sandboxed", "/etc/x")
    assert services.can_write("strict", "/etc/rw/x")
    for step, version in ((services.upgrade, "1.1"), (services.rollback, "1.0")):
        done = step()
        assert done["failed"] == []
        reasons = reasons_of(done)
        assert {*SANDBOXED, "daemon", "edited", "homely"} <= reasons.keys()
        assert "of its sandbox" in reasons["sandboxed"]
        assert "/usr/lib/lab/daemon" in reasons["daemon"]
        assert reasons["edited"] == "its unit file has changed"
        assert reasons["homely"] == "works in the old /opt/app"
        assert "plain" not in reasons
        after = services.pids()
        assert {name for name in before if before[name] != after[name]} == {*SANDBOXED, "daemon", "edited", "homely"}
        before = after
        assert not services.can_write("sandboxed", "/etc/y")
        assert not services.can_write("sandboxed", "/usr/y")
        assert services.can_write("strict", "/etc/rw/y")
        assert not services.can_write("strict", "/etc/y")
        assert services.inside("secret", "ls /etc/secret", fine=(0, 2)) == ""
        assert services.inside("bound", "cat /srv/rw/file") == "x"
        assert services.inside("homely", "cat /proc/self/cwd/../../usr/lib/lab/version") == version
        assert services.displaced() == ""
        assert services.node.boot_state() == "running"


def test_a_bind_source_that_a_service_has_is_the_new_one_afterwards(services: ServiceNode) -> None:
    services.upgrade()
    services.node.write("etc/rw/later", "seen")
    assert services.inside("bound", "cat /srv/rw/later") == "seen"


def test_the_bus_and_udev_are_not_restarted_but_told(services: ServiceNode) -> None:
    """Hazard 15."""
    bus = services.node.main_pid("dbus.service")
    done = services.upgrade(("dbus.service", "restart", "dbus"))
    assert {act["unit"]: act["reason"] for act in done["reloaded"]}.keys() == {"dbus.service"}
    assert services.node.main_pid("dbus.service") == bus
    services.node.run("busctl", "--no-pager", "list")


def test_a_socket_that_has_changed_listens_where_the_new_release_says_unless_its_service_runs(services: ServiceNode) -> None:
    busy = services.node.main_pid("busy.service")
    done = services.upgrade()
    reasons = {act["unit"]: act["reason"] for act in done["restarted"] if act["unit"].startswith(("busy", "idle"))}
    assert reasons == {"idle.socket": "its unit file has changed"}
    left = {item["name"]: item["reason"] for item in done["left_alone"]}
    assert left["busy.socket"] == "busy.service runs behind it"
    assert done["failed"] == []
    listening = services.node.shell("cut -d ' ' -f 8- /proc/net/unix").split()
    assert {name for name in listening if name.startswith(("/run/busy-", "/run/idle-"))} == {"/run/busy-1.0", "/run/idle-1.1"}
    assert (services.node.main_pid("busy.service"), services.node.main_pid("idle.service")) == (busy, 0)


def test_what_scripts_wanted_of_services_is_done_once(services: ServiceNode) -> None:
    before = services.pids()
    services.node.run("systemctl", "stop", "plain.service")
    services.node.run("systemctl", "stop", "daemon.service")
    services.node.run("systemctl", "disable", "daemon.service")
    wanted = [("plain.service", "start", "plain"), ("cron.service", "stop", "cron"), ("edited.service", "stop", "edited")]
    done = services.settle(*wanted, ("edited.service", "start", "edited"), ("daemon.service", "restart", "daemon"))
    acts = [(act["unit"], act["verb"], act["reason"]) for act in done["restarted"]]
    assert acts == [
        ("cron.service", "stop", "cron says stop"),
        ("edited.service", "restart", "edited says start"),
        ("plain.service", "start", "plain says start"),
    ]
    assert done["failed"] == []
    assert services.pids()["plain"] != before["plain"]
    assert services.node.run("systemctl", "is-active", "daemon.service", "cron.service", fine=(3,)).stdout.split() == ["inactive"] * 2


def test_a_service_that_does_not_come_up_fails_the_hop(services: ServiceNode) -> None:
    services.node.write("etc/systemd/system/plain.service.d/bad.conf", "[Service]\nExecStart=\nExecStart=/bin/sh -c 'echo oh no; exit 3'\n")
    services.node.write(
        "etc/systemd/system/edited.service.d/bad.conf", "[Service]\nRestart=always\nRestartSec=200ms\nExecStart=\nExecStart=/bin/false\n"
    )
    done = services.settle(("plain.service", "restart", "plain"), ("edited.service", "restart", "edited"))
    assert [item["unit"] for item in done["failed"]] == ["edited.service", "plain.service"]
    assert done["failed"][1]["problem"] == "is failed after its restart: oh no"
    assert done["failed"][0]["problem"].startswith("is ")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        pytest.param(
            "exec 3>>/usr/lib/lab/version; echo ready; read _",
            "/usr/lib/lab/version is open for writing in sh ({pid})",
            id="a file that is open for writing",
        ),
        pytest.param(
            "exec python3 -c \"import mmap, os; f=open('/opt/app/data', 'r+b'); m=mmap.mmap(f.fileno(), 0); os.closerange(3, 30);"
            " print('ready', flush=True); input()\"",
            "/opt/app/data is mapped for writing by python3 ({pid})",
            id="a shared map",
        ),
        pytest.param(
            "mkdir -p /srv/bound; unshare --mount sh -c 'mount --bind /etc/rw /srv/bound; echo ready; read _'",
            "/etc/rw is mounted at /srv/bound for sh ({pid})",
            id="a directory that somebody has mounted elsewhere",
        ),
        pytest.param(
            "unshare --mount sh -c 'mount -t tmpfs none /etc/rw; echo ready; read _'",
            "/etc/rw is a mount in the sandbox of sh ({pid})",
            id="a sandbox that nobody can restart",
        ),
        pytest.param(
            "mkdir -p /srv/bound; mount --bind /etc/rw /srv/bound; echo ready; read _",
            "/etc/rw is mounted at /srv/bound for PID 1 (1)",
            id="in PID 1's own namespace",
        ),
    ],
)
def test_what_a_process_holds_of_a_tree_that_swaps_stops_the_upgrade_by_name(services: ServiceNode, script: str, message: str) -> None:
    """Hazards 1, 11 and 25: refused before anything is changed, and again once nothing is in the way."""
    with services.node.running("/bin/sh", "-c", script) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        refused = services.upgrade(status=4)["refused"]
        holder = refused[refused.rindex("(", 0, refused.index(")")) + 1 : refused.index(")")]
        assert refused.startswith(message.format(pid=holder))
        assert services.node.run("cat", "/usr/lib/lab/version").stdout == "1.0"
    assert services.displaced() == ""


def test_what_is_the_node_s_own_may_be_in_use(services: ServiceNode) -> None:
    """A kept file, and sockets and FIFOs, which no release has, are the same ones afterwards; and reading is no harm anywhere."""
    holder = (
        "import os, socket; kept = open('/etc/hostname', 'a'); read = open('/etc/lab.conf'); os.mkfifo('/etc/quiet/fifo');"
        " fifo = os.open('/etc/quiet/fifo', os.O_RDWR); sock = socket.socket(socket.AF_UNIX); sock.bind('/etc/quiet/sock'); sock.listen();"
        " print('ready', flush=True); print(os.read(fifo, 9).decode(), flush=True); sock.accept();"
        " kept.write('written'); kept.close(); print('done', flush=True); input()"
    )
    with services.node.running("/usr/bin/python3", "-c", holder) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert services.upgrade()["failed"] == []
        services.node.shell("printf through >/etc/quiet/fifo")
        assert process.stdout.readline() == "through\n"
        services.node.run("/usr/bin/python3", "-c", "import socket; socket.socket(socket.AF_UNIX).connect('/etc/quiet/sock')")
        assert process.stdout.readline() == "done\n"
        assert services.node.run("cat", "/etc/hostname").stdout.endswith("written")


def test_a_reboot_that_is_wanted_is_told_until_it_has_been(services: ServiceNode) -> None:
    node = services.node
    node.run(
        "/usr/bin/python3",
        "-c",
        "from pathlib import Path; from reprov.workflows.services import want_reboot; want_reboot(Path('/'), ['x.postinst asks'])",
    )
    assert "reboot     x.postinst asks\n" in node.reprov("status").stdout
    # The container's own number is mounted over that of the machine: without it, this is another boot.
    node.shell("while umount /proc/sys/kernel/random/boot_id 2>/dev/null; do :; done")
    assert "reboot" not in node.reprov("status").stdout
