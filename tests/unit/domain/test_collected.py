"""What wrappers write down, and what it comes to. That they write it down, test_treatment_oracle and the system tier show."""

import pytest

from reprov.domain.collected import SEPARATOR, Collected, read
from reprov.domain.post_script import ServiceFact, Work, WorkKind


def records(*lines: str) -> str:
    return "".join(line.replace(" ", SEPARATOR) + "\n" for line in lines)


def fact(unit: str, verb: str) -> ServiceFact:
    return ServiceFact(unit, verb, "site")


SERVICES = {
    "a unit gets its suffix": ("systemctl restart site", [fact("site.service", "restart")]),
    "a unit that has one keeps it": ("systemctl stop site.socket", [fact("site.socket", "stop")]),
    "a name with a dot is no suffix": ("systemctl start site@1.2", [fact("site@1.2.service", "start")]),
    "a path is a mount": ("systemctl start /srv/data", [fact("srv-data.mount", "start")]),
    "several units": ("systemctl try-restart a b", [fact("a.service", "try-restart"), fact("b.service", "try-restart")]),
    "options, one with a value": ("systemctl --quiet -t service reload-or-restart a", [fact("a.service", "reload-or-restart")]),
    "what is enabled now is started": ("systemctl enable --now a", [fact("a.service", "start")]),
    "what is masked now is stopped": ("systemctl --now mask a", [fact("a.service", "stop")]),
    "deb-systemd-invoke": ("deb-systemd-invoke try-restart a.service", [fact("a.service", "try-restart")]),
    "invoke-rc.d": ("invoke-rc.d --skip-systemd-native a restart", [fact("a.service", "restart")]),
    "an init script of old": ("invoke-rc.d a.sh start", [fact("a.service", "start")]),
    "service": ("service a reload", [fact("a.service", "reload")]),
    "nothing but options": ("invoke-rc.d --help", []),
    "no verb at all": ("systemctl", []),
    "a line of somebody else": ("anything at all", []),
}


@pytest.mark.parametrize(("line", "facts"), SERVICES.values(), ids=SERVICES)
def test_services(line: str, facts: list[ServiceFact]) -> None:
    assert read(records(line), "site", "site.postinst") == Collected(services=tuple(facts))


def test_nothing_is_told_twice() -> None:
    found = read(records("systemctl restart a", "ldconfig", "service a restart", "ldconfig -v"), "site", "site.postinst")
    assert found == Collected((fact("a.service", "restart"),), (Work(WorkKind.LDCONFIG, "site.postinst"),))


WORKS = {
    "systemctl daemon-reload": WorkKind.DAEMON_RELOAD,
    "deb-systemd-invoke daemon-reexec": WorkKind.DAEMON_RELOAD,
    "depmod -a 6.1": WorkKind.DEPMOD,
    "udevadm control --reload": WorkKind.UDEV,
    "update-initramfs -u": WorkKind.INITRAMFS,
    "update-grub": WorkKind.INITRAMFS,
    "update-ca-certificates --fresh": WorkKind.CA_CERTIFICATES,
}


@pytest.mark.parametrize(("line", "kind"), WORKS.items(), ids=WORKS)
def test_work(line: str, kind: WorkKind) -> None:
    assert read(records(line), "site", "x.postinst").works == (Work(kind, "x.postinst"),)


def test_caches_are_remembered_by_their_programs() -> None:
    found = read(records("mandb -pq", "fc-cache -f"), "site", "x")
    assert (found.works, found.caches) == ((Work(WorkKind.CACHES, "x"),), ("mandb", "fc-cache"))


def test_triggers_by_their_names() -> None:
    assert read(records("dpkg-trigger --no-await ldconfig", "dpkg-trigger /usr/share/x"), "p", "x").triggers == ("ldconfig", "/usr/share/x")


@pytest.mark.parametrize("line", ["reboot", "shutdown -r now", "init 6", "systemctl isolate rescue.target", "systemctl kexec"])
def test_what_would_end_the_system_is_told_as_it_was_said(line: str) -> None:
    assert read(records(line), "p", "x") == Collected(refused=(line,))
