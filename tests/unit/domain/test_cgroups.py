"""Where a process lives."""

import pytest

from reprov.domain.cgroups import Home, HomeKind, home_of

LEGACY = "12:cpu,cpuacct:/system.slice/x.service\n1:name=systemd:{path}\n"


@pytest.mark.parametrize(
    ("path", "home"),
    [
        pytest.param("/init.scope", Home(HomeKind.INIT, "init.scope"), id="PID 1"),
        pytest.param("/system.slice/cron.service", Home(HomeKind.SERVICE, "cron.service"), id="a service"),
        pytest.param(
            r"/system.slice/system-ceph\x2dosd.slice/ceph-osd@3.service", Home(HomeKind.SERVICE, "ceph-osd@3.service"), id="an instance"
        ),
        pytest.param("/system.slice/x.service/y.service/z", Home(HomeKind.SERVICE, "x.service"), id="delegated: systemd's own unit counts"),
        pytest.param("/system.slice/_cgroup.service", Home(HomeKind.SERVICE, "cgroup.service"), id="an escaped name"),
        pytest.param("/user.slice/user-0.slice/session-3.scope", Home(HomeKind.SESSION, "session-3.scope"), id="somebody is logged in"),
        pytest.param(
            "/user.slice/user-1000.slice/user@1000.service/app.slice/x.service",
            Home(HomeKind.SESSION, "user@1000.service"),
            id="a service of a person's",
        ),
        pytest.param("/system.slice/docker-1234.scope", Home(HomeKind.CONTAINER, "docker-1234.scope"), id="docker by systemd"),
        pytest.param("/docker/1234", Home(HomeKind.CONTAINER), id="docker by itself"),
        pytest.param("/machine.slice/libpod-1.scope/container", Home(HomeKind.CONTAINER, "libpod-1.scope"), id="podman"),
        pytest.param(
            "/kubepods.slice/kubepods-burstable.slice/cri-containerd-1.scope",
            Home(HomeKind.CONTAINER, "cri-containerd-1.scope"),
            id="a pod",
        ),
        pytest.param("/kubepods/besteffort/pod1/2", Home(HomeKind.CONTAINER), id="a pod by cgroupfs"),
        pytest.param(
            r"/machine.slice/machine-qemu\x2d1\x2dweb.scope/libvirt/emulator",
            Home(HomeKind.CONTAINER, r"machine-qemu\x2d1\x2dweb.scope"),
            id="a guest",
        ),
        pytest.param(
            "/system.slice/systemd-nspawn@web.service/payload/system.slice/x.service",
            Home(HomeKind.CONTAINER, "systemd-nspawn@web.service"),
            id="a container of nspawn",
        ),
        pytest.param("/lxc.payload.web/system.slice/x.service", Home(HomeKind.CONTAINER, "x.service"), id="LXC"),
        pytest.param("/system.slice/docker.service", Home(HomeKind.SERVICE, "docker.service"), id="the engine is a service"),
        pytest.param("/", Home(HomeKind.OTHER), id="nowhere"),
        pytest.param("/../../session-1.scope", Home(HomeKind.OTHER), id="outside of our namespace"),
        pytest.param("/system.slice/run-1.scope", Home(HomeKind.OTHER, "run-1.scope"), id="a scope"),
    ],
)
def test_the_home_of_a_process(path: str, home: Home) -> None:
    assert home_of(f"0::{path}\n") == home
    if home.kind is not HomeKind.OTHER:
        assert home_of(LEGACY.format(path=path)) == home
        assert home_of(LEGACY.format(path="/") + f"0::{path}\n") == home


def test_the_unified_hierarchy_is_asked_first() -> None:
    assert home_of("1:name=systemd:/system.slice/old.service\n0::/system.slice/new.service\n").unit == "new.service"
    assert home_of("1:name=systemd:/system.slice/old.service\n0::/\n").unit == "old.service"


def test_no_cgroups_at_all() -> None:
    assert home_of("") == Home(HomeKind.OTHER)
