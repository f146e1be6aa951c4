"""What a rescue system does at boot on a machine that only remembers: what is tried, in which order, and what comes next."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from reprov.domain.mounts import Mount
from reprov.domain.rescue_command_line import Installation, Static, Then
from reprov.domain.wired_links import WiredLink
from reprov.errors import InvalidInput, Refused, ReprovError
from reprov.workflows import rescue
from tests.heard import Heard

LINK = WiredLink(2, "eno1", "52:54:00:00:00:01", True)
INSTALL = "reprov.install=base/1.0@rsync://h:8730 reprov.layout=http://h/l"


class Machine:
    """A machine that does what it is told, and remembers it."""

    def __init__(self) -> None:
        self.did: list[str] = []
        self.links = (LINK,)
        self.answers_dhcp = True
        self.unreachable_s = 0.0
        self.install_fails = False
        self.clock_s = 0.0

    def wired_links(self, device: str) -> tuple[WiredLink, ...]:
        return self.links

    def set_static(self, link: WiredLink, wanted: Static) -> None:
        self.did.append(f"{link.name} gets {wanted.address}")

    def ask_dhcp(self, links: Sequence[WiredLink]) -> tuple[WiredLink, ...]:
        self.did.append(f"dhcp on {len(links)}")
        return tuple(links) if self.answers_dhcp else ()

    def addresses(self) -> tuple[str, ...]:
        return ("10.0.0.5/24 on eno1",)

    def start_sshd(self) -> str:
        self.did.append("sshd")
        return "SHA256:abc"

    def list_versions(self, source: object, role: str) -> list[str]:
        if self.clock_s < self.unreachable_s:
            raise ReprovError("rsync://h:8730 cannot be reached")
        return ["0.9", "1.0"]

    def fetch_layout(self, url: str) -> str:
        self.did.append(f"fetched {url}")
        return "/run/l"

    def install(self, wanted: Installation, layout: str, tell: object) -> None:
        self.did.append(f"install {wanted.release} by {layout}")
        if self.install_fails:
            raise ReprovError("it does not fit")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    """The machine that `rescue.boot` works on."""
    made = Machine()
    for name in ("start_sshd", "list_versions", "fetch_layout", "install"):
        monkeypatch.setattr(rescue, name, getattr(made, name))
    monkeypatch.setattr(rescue, "network_setup", made)
    monkeypatch.setattr(
        rescue, "read_mounts", lambda _: (Mount("", "rootfs", "rootfs", False), Mount("dev", "devtmpfs", "devtmpfs", False))
    )
    keys = tmp_path / "authorized_keys"
    keys.touch()
    monkeypatch.setattr(rescue, "AUTHORIZED_KEYS", keys)

    def sleep(seconds: float) -> None:
        made.clock_s += seconds

    monkeypatch.setattr(rescue, "time", SimpleNamespace(monotonic=lambda: made.clock_s, sleep=sleep))
    return made


def test_a_boot_without_orders_ends_in_a_shell(machine: Machine) -> None:
    heard = Heard()
    assert rescue.boot("quiet", heard) is Then.SHELL
    assert machine.did == ["dhcp on 1", "sshd"]
    assert heard.notes == ["ssh as root, by key: 10.0.0.5/24 on eno1; the host key of this boot is SHA256:abc"]


def test_a_static_address(machine: Machine) -> None:
    rescue.boot("reprov.ip=10.0.0.5/24", Heard())
    assert machine.did == ["eno1 gets 10.0.0.5/24", "sshd"]


def test_an_installation_that_went_well_is_followed_by_what_was_ordered(machine: Machine) -> None:
    assert rescue.boot(f"{INSTALL} reprov.then=reboot", Heard()) is Then.REBOOT
    assert machine.did == ["dhcp on 1", "sshd", "fetched http://h/l", "install base 1.0 by /run/l"]


def test_a_server_that_is_late_is_waited_for(machine: Machine) -> None:
    machine.unreachable_s = 40
    heard = Heard()
    assert rescue.boot(f"{INSTALL} reprov.then=poweroff", heard) is Then.POWEROFF
    assert heard.notes.count("rsync://h:8730 cannot be reached; trying again") == 8


def test_a_server_that_never_answers_ends_in_an_error(machine: Machine) -> None:
    machine.unreachable_s = 1e9
    with pytest.raises(ReprovError, match="cannot be reached"):
        rescue.boot(f"{INSTALL} reprov.then=reboot", Heard())
    assert 60 <= machine.clock_s <= 70


def test_an_installation_that_fails_is_an_error_and_no_reboot(machine: Machine) -> None:
    machine.install_fails = True
    with pytest.raises(ReprovError, match="it does not fit"):
        rescue.boot(f"{INSTALL} reprov.then=reboot", Heard())


def test_a_version_that_the_source_does_not_have(machine: Machine) -> None:
    with pytest.raises(InvalidInput, match=r"^rsync://h:8730 has no base 7$") as caught:
        rescue.boot(INSTALL.replace("1.0", "7"), Heard())
    assert caught.value.hint == "it has 0.9, 1.0"


def test_words_that_are_wrong_still_let_people_in(machine: Machine) -> None:
    with pytest.raises(InvalidInput, match=r"there is no 'reprov\.instal'"):
        rescue.boot("reprov.instal=x reprov.ip=10.0.0.5/24", Heard())
    assert machine.did == ["eno1 gets 10.0.0.5/24", "sshd"]


def test_without_network_nothing_is_installed_and_sshd_runs_for_later(machine: Machine) -> None:
    machine.answers_dhcp = False
    with pytest.raises(ReprovError, match=r"^nobody answers DHCP on eno1 \(52:54:00:00:00:01\)$"):
        rescue.boot(INSTALL, Heard())
    assert machine.did == ["dhcp on 1", "sshd"]


def test_an_image_without_key_starts_no_sshd(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescue, "AUTHORIZED_KEYS", Path("/nonexistent/keys"))
    heard = Heard()
    rescue.boot("reprov.ip=none", heard)
    assert machine.did == []
    assert heard.notes == ["no ssh: the image has no key"]


def test_a_second_problem_is_said_too(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise FileNotFoundError(2, "No such file or directory", "/usr/sbin/sshd")

    monkeypatch.setattr(rescue, "start_sshd", fail)
    heard = Heard()
    with pytest.raises(InvalidInput):
        rescue.boot("reprov.instal=x", heard)
    assert heard.notes == ["/usr/sbin/sshd: No such file or directory"]


@pytest.mark.parametrize(
    "mounts",
    [
        pytest.param((Mount("", "ext4", "/dev/sda2", False),), id="a root on a disk"),
        pytest.param((), id="a chroot, which does not see what its root lies on"),
    ],
)
def test_a_machine_that_runs_from_a_disk_is_left_alone(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, mounts: tuple[Mount, ...]
) -> None:
    monkeypatch.setattr(rescue, "read_mounts", lambda _: mounts)
    with pytest.raises(Refused, match="this is no rescue system: its root is on a disk"):
        rescue.boot("reprov.ip=none", Heard())
    assert machine.did == []
