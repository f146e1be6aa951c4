"""A cloud on disk for tests of plans: infra.yaml, and a store that has two releases of each role, with nothing but their packages."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from reprov.adapters.store import Store
from reprov.domain.packages import Package, PackageSet
from reprov.domain.release import PACKAGES_NAME, Release, ReleaseId
from reprov.domain.store_layout import RELEASE_NAME

CONTROL = (
    *("etcd-server", "mariadb-server", "rabbitmq-server", "memcached", "haproxy", "keepalived", "apache2", "keystone", "glance-api"),
    *("placement-api", "nova-api", "nova-conductor", "nova-scheduler", "neutron-server", "calico-control", "cinder-api", "heat-api"),
    *("openstack-dashboard", "ceilometer-agent-central", "ceph-mon"),
)
COMPUTE = ("etcd-server", "calico-felix", "calico-dhcp-agent", "dnsmasq-base", "nova-compute", "neutron-dhcp-agent", "libvirt-daemon")
PACKAGES: Mapping[str, tuple[str, ...]] = {
    "controller": CONTROL,
    "seed": CONTROL,
    "network": ("neutron-l3-agent", "neutron-openvswitch-agent"),
    "storage": ("cinder-volume",),
    "osd": ("ceph-osd",),
    "compute": COMPUTE,
}
"""Of a role, with that of a profile of its name."""
COUNTS = {"controller": 3, "seed": 3, "network": 1, "storage": 1, "osd": 2, "compute": 3}
UPGRADE = tuple(f"{role}=2" for role in PACKAGES)
"""What the command line says to bring every role from its release 1 to its release 2."""


def a_cloud(
    folder: Path, counts: Mapping[str, int] = COUNTS, extra: Iterable[str] = (), unchanged: Iterable[str] = ()
) -> tuple[Path, Path]:
    """The file of the infra and the store. `extra` packages are in every release; those that are `unchanged` have one version."""
    store = Store.created(folder / "store")
    same = {*extra, *unchanged}
    for role in counts:
        for serial in (1, 2):
            names = (*PACKAGES[role], *extra)
            packages = [Package(name, "1" if name in same else str(serial), "amd64") for name in names]
            add_release(store, ReleaseId.of(role, str(serial)), serial, PackageSet.of("debian", packages))
    file = folder / "infra.yaml"
    file.write_text(an_infra(counts))
    return file, store.root


def add_release(store: Store, release: ReleaseId, serial: int, packages: PackageSet) -> None:
    """Publish a release that has no tree."""
    store.folder(release).mkdir(parents=True)
    made = Release(release, serial, "2026-11-22T04:00:00Z", packages.family, "x86_64", (), {})
    (store.folder(release) / RELEASE_NAME).write_text(made.to_json())
    (store.folder(release) / PACKAGES_NAME).write_text(packages.to_json())


def an_infra(counts: Mapping[str, int]) -> str:
    """The text of infra.yaml: hosts "compute1" and so on, in racks of ten."""
    lines = ["name: paris", "profiles:"]
    lines += [f"  {name}: {{arity: n}}" for name in counts]
    lines += [f"ordered_profiles: [{', '.join(counts)}]", "hosts:"]
    for name, count in counts.items():
        lines += [f"  {name}{number}: {{profile: {name}, failure_domain: rack{number // 10}}}" for number in range(1, count + 1)]
    return "\n".join(lines) + "\n"
