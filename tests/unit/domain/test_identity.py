"""What a change has lost of a node, from who it was before and after."""

from dataclasses import replace

import pytest

from reprov.domain.fstab import parse_crypttab, parse_fstab
from reprov.domain.identity import (
    CryptFacts,
    Identity,
    MountFacts,
    new_problems,
    parse_hosts,
    parse_lvm_settings,
    released_files,
)
from reprov.domain.network import NetworkFile, Uplink, Via

ID = "3d1219c7c4c5404aaa1f6d2a48adfda4"


def mount(line: bytes, device: str | None = "8:1", point: bool = True) -> MountFacts:
    return MountFacts(parse_fstab(line)[0], device, point)


def crypt(line: bytes, device: str | None = "8:1", key: bool = True) -> CryptFacts:
    return CryptFacts(parse_crypttab(line)[0], device, key)


def network(via: Via, path: str, text: str) -> tuple[NetworkFile, ...]:
    return (NetworkFile(via, path, text),)


DATA = mount(b"UUID=1 /data ext4 defaults")
IFUPDOWN = network(Via.IFUPDOWN, "etc/network/interfaces", "iface eth0 inet dhcp\n")
NETWORKD = network(Via.NETWORKD, "etc/systemd/network/a.network", "[Match]\nName=eth0\n")
UPLINK = Identity(uplinks=(Uplink("eth0"),), network=IFUPDOWN, readers=frozenset({Via.IFUPDOWN, Via.NETWORKD}))
WHOLE = Identity(
    machine_id=ID,
    digests={"etc/machine-id": "1", "etc/hostname": "2", "etc/hosts": "3", "etc/fstab": "4", "etc/lvm/lvm.conf": "5"},
    names=frozenset({("127.0.1.1", "node-17")}),
    lvm=frozenset({'filter = [ "a|.*|" ]'}),
    mounts=(DATA,),
    crypts=(crypt(b"data UUID=1 /etc/luks/key"),),
    sshd="",
    uplinks=UPLINK.uplinks,
    network=UPLINK.network,
    readers=UPLINK.readers,
)

CASES = {
    "nothing at all, before and after": (Identity(), Identity(), []),
    "a whole node that stays as it is": (WHOLE, WHOLE, []),
    "what comes to a node that had nothing": (Identity(), WHOLE, []),
    "a machine id that is gone": (Identity(machine_id=ID), Identity(), ["/etc/machine-id: is gone"]),
    "another machine id": (
        Identity(machine_id=ID),
        Identity(machine_id="0" * 32),
        ["/etc/machine-id: is not the one that the node had"],
    ),
    "an emptied machine id": (Identity(machine_id=ID), Identity(machine_id=""), ["/etc/machine-id: is not the one that the node had"]),
    "an empty machine id that stays empty": (Identity(machine_id=""), Identity(machine_id=""), []),
    "a word that stays the word for a first boot": (Identity(machine_id="uninitialized"), Identity(machine_id="uninitialized"), []),
    "an empty machine id that got an image's": (
        Identity(machine_id=""),
        Identity(machine_id=ID),
        ["/etc/machine-id: is not the one that the node had"],
    ),
    "a machine id that comes as none": (
        Identity(),
        Identity(machine_id="localhost"),
        ["/etc/machine-id: is no machine id: 32 hexadecimal digits, or nothing"],
    ),
    "a file with other bytes": (
        Identity(digests={"etc/hostname": "a"}),
        Identity(digests={"etc/hostname": "b"}),
        ["/etc/hostname: is not the one that the node had"],
    ),
    "a file that is gone": (
        Identity(digests={"root/.ssh/authorized_keys": "a"}),
        Identity(),
        ["/root/.ssh/authorized_keys: is gone"],
    ),
    "a file that is new": (Identity(), Identity(digests={"etc/nvme/hostnqn": "a"}), []),
    "a name more in hosts": (Identity(), Identity(names=frozenset({("::1", "a")})), []),
    "a name less in hosts": (
        Identity(names=frozenset({("::1", "a"), ("::1", "b")})),
        Identity(names=frozenset({("::1", "a")})),
        ["/etc/hosts: does not say any more that b is ::1"],
    ),
    "hosts with other bytes and the same names": (Identity(digests={"etc/hosts": "a"}), Identity(digests={"etc/hosts": "b"}), []),
    "another filter of LVM": (
        Identity(digests={"etc/lvm/lvm.conf": "a"}, lvm=frozenset({'filter = [ "a|.*|" ]'})),
        Identity(digests={"etc/lvm/lvm.conf": "b"}, lvm=frozenset({'filter = [ "r|.*|" ]', "use_devicesfile = 1"})),
        ["/etc/lvm/lvm.conf: filter and use_devicesfile would make LVM see other disks than now"],
    ),
    "a filter of LVM that is new with LVM": (Identity(), Identity(digests={"etc/lvm/lvm.conf": "b"}, lvm=frozenset({"filter = x"})), []),
    "an entry that is gone": (Identity(mounts=(DATA,)), Identity(), ["/etc/fstab: the entry for /data is gone"]),
    "an entry whose device was not there before": (Identity(mounts=(replace(DATA, device=None),)), Identity(), []),
    "an entry that may be missing": (Identity(mounts=(mount(b"UUID=1 /data ext4 nofail"),)), Identity(), []),
    "an entry with a device that is not there": (
        Identity(mounts=(DATA,)),
        Identity(mounts=(mount(b"LABEL=x /data ext4", None),)),
        ["/etc/fstab: LABEL=x for /data is not there"],
    ),
    "an entry with another device": (
        Identity(mounts=(DATA,)),
        Identity(mounts=(mount(b"LABEL=x /data ext4", "8:2"),)),
        ["/etc/fstab: /data would come from another source than before"],
    ),
    "an entry with another name of its device": (Identity(mounts=(DATA,)), Identity(mounts=(mount(b"LABEL=x /data ext4"),)), []),
    "an entry without its mount point": (
        Identity(mounts=(DATA,)),
        Identity(mounts=(replace(DATA, has_mount_point=False),)),
        ["/etc/fstab: the mount point /data is not there"],
    ),
    "an entry without its mount point from the beginning": (
        Identity(mounts=(replace(DATA, has_mount_point=False),)),
        Identity(mounts=(replace(DATA, has_mount_point=False),)),
        [],
    ),
    "two entries for one mount point, which are still there": (
        Identity(mounts=(mount(b"a /x tmpfs", "a"), mount(b"b /x tmpfs", "b"))),
        Identity(mounts=(mount(b"b /x tmpfs", "b"), mount(b"a /x tmpfs", "a"))),
        [],
    ),
    "one swap of two that is gone": (
        Identity(mounts=(mount(b"UUID=1 none swap"), mount(b"/swapfile none swap", "/swapfile"))),
        Identity(mounts=(mount(b"UUID=1 swap swap"),)),
        ["/etc/fstab: the entry for swap on /swapfile is gone"],
    ),
    "an encrypted disk without its key": (
        Identity(crypts=(crypt(b"data UUID=1 /etc/luks/key"),)),
        Identity(crypts=(crypt(b"data UUID=1 /etc/luks/key", key=False),)),
        ["/etc/crypttab: the key /etc/luks/key for data is not there"],
    ),
    "an encrypted disk without its device": (
        Identity(crypts=(crypt(b"data UUID=1"),)),
        Identity(crypts=(crypt(b"data UUID=2", None),)),
        ["/etc/crypttab: UUID=2 for data is not there"],
    ),
    "an encrypted disk without its entry": (
        Identity(crypts=(crypt(b"data UUID=1"),)),
        Identity(),
        ["/etc/crypttab: the entry for data is gone"],
    ),
    "a host key that others can read": (
        Identity(digests={"etc/ssh/ssh_host_rsa_key": "a"}),
        Identity(digests={"etc/ssh/ssh_host_rsa_key": "a"}, open_keys=frozenset({"etc/ssh/ssh_host_rsa_key"})),
        ["/etc/ssh/ssh_host_rsa_key: others can read it"],
    ),
    "an sshd that does not start any more": (
        Identity(sshd=""),
        Identity(sshd="line 3: Bad configuration option: x"),
        ["/etc/ssh/sshd_config: sshd does not start with it: line 3: Bad configuration option: x"],
    ),
    "an sshd that did not start before, for the same reason elsewhere": (
        Identity(sshd="/etc/ssh/sshd_config: line 3: Bad configuration option: x"),
        Identity(sshd="/etc/ssh/sshd_config: line 17: Bad configuration option: x"),
        [],
    ),
    "an sshd that did not start before, for another reason": (
        Identity(sshd="no hostkeys available -- exiting."),
        Identity(sshd="Bad configuration option: x"),
        ["/etc/ssh/sshd_config: sshd does not start with it: Bad configuration option: x"],
    ),
    "an sshd that is new and has no keys yet": (Identity(), Identity(sshd="no hostkeys available -- exiting."), []),
    "an sshd that starts at last": (Identity(sshd="Bad configuration option: x"), Identity(sshd=""), []),
    "an uplink that nothing configures any more": (
        UPLINK,
        replace(UPLINK, network=()),
        ["/etc/network/interfaces: nothing configures eth0 any more, which carries the default route"],
    ),
    "an uplink that somebody else configures now": (UPLINK, replace(UPLINK, network=NETWORKD), []),
    "an uplink whose program is gone": (
        UPLINK,
        replace(UPLINK, readers=frozenset({Via.NETWORKD})),
        ["/etc/network/interfaces: nothing configures eth0 any more, which carries the default route"],
    ),
    "an uplink whose program was never found": (replace(UPLINK, readers=frozenset()), replace(UPLINK, readers=frozenset()), []),
    "an uplink that nothing configured": (replace(UPLINK, network=()), replace(UPLINK, network=()), []),
}


@pytest.mark.parametrize(("before", "after", "problems"), CASES.values(), ids=CASES)
def test_only_what_was_right_before_is_a_problem(before: Identity, after: Identity, problems: list[str]) -> None:
    assert [str(problem) for problem in new_problems(before, after)] == problems


def test_every_problem_of_a_node_that_lost_itself_is_told_with_a_way_out() -> None:
    problems = new_problems(WHOLE, Identity(sshd="no"))
    assert len(problems) == 8
    assert all(problem.hint for problem in problems)


RELEASED = {
    "a file": (Identity(digests={"etc/hostname": "a"}), Identity(digests={"etc/hostname": "b"}), []),
    "the names in hosts": (Identity(digests={"etc/hosts": "a"}, names=frozenset({("::1", "a")})), Identity(digests={"etc/hosts": "b"}), []),
    "the filter of LVM": (Identity(digests={"etc/lvm/lvm.conf": "a"}, lvm=frozenset({"filter = x"})), Identity(), []),
    "an entry of fstab": (Identity(digests={"etc/fstab": "a"}, mounts=(DATA,)), Identity(digests={"etc/fstab": "b"}), []),
    "an entry of fstab, but not one without its device": (
        Identity(digests={"etc/fstab": "a"}, mounts=(DATA,)),
        Identity(digests={"etc/fstab": "b"}, mounts=(mount(b"LABEL=x /data ext4", None),)),
        ["/etc/fstab: LABEL=x for /data is not there"],
    ),
    "a machine id never": (
        Identity(machine_id="", digests={"etc/machine-id": "a"}),
        Identity(machine_id=ID, digests={"etc/machine-id": "b"}),
        ["/etc/machine-id: is not the one that the node had"],
    ),
}


@pytest.mark.parametrize(("before", "after", "problems"), RELEASED.values(), ids=RELEASED)
def test_what_the_installed_release_brought_the_next_may_change(before: Identity, after: Identity, problems: list[str]) -> None:
    released = released_files(before, {"etc/machine-id": "a", "etc/other": "c", **dict(before.digests)})
    assert [str(problem) for problem in new_problems(before, after, released)] == problems


@pytest.mark.parametrize(
    ("written_ns", "is_problem"),
    [
        pytest.param(9_000_000_000, True, id="a file from before the first look"),
        pytest.param(9_990_000_000, False, id="one of just then, by the kernel's slower clock"),
        pytest.param(10_500_000_000, False, id="one from between the looks"),
        pytest.param(12_000_000_000, True, id="one from the future, as of a build server whose clock is ahead"),
    ],
)
def test_what_the_node_writes_between_the_looks_is_not_lost(written_ns: int, is_problem: bool) -> None:
    paths = ("etc/hostname", "etc/hosts", "etc/fstab", "etc/crypttab", "etc/machine-id", "etc/lvm/lvm.conf")
    before = replace(WHOLE, network=(), looked_ns=(10_000_000_000, 10_100_000_000))
    after = Identity(
        machine_id="0" * 32,
        digests=dict.fromkeys(paths, "new"),
        written_ns=dict.fromkeys(paths, written_ns),
        looked_ns=(11_000_000_000, 11_100_000_000),
    )
    assert bool(new_problems(before, after)) is is_problem
    assert len(new_problems(before, after)) == (6 if is_problem else 0)


def test_what_the_node_has_written_is_not_released() -> None:
    assert released_files(Identity(digests={"etc/hosts": "a", "etc/hostname": "b"}), {"etc/hosts": "other"}) == frozenset()


def test_names_in_hosts() -> None:
    assert parse_hosts("127.0.0.1\tlocalhost lo # here\n#::1 off\n\n10.0.0.1\n::1 localhost\n") == {
        ("127.0.0.1", "localhost"),
        ("127.0.0.1", "lo"),
        ("::1", "localhost"),
    }


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        pytest.param('devices {\n\t# filter = [ "r|.*|" ]\n}\n', set(), id="only comments"),
        pytest.param('devices {\n filter=["a|sd[ab]|",  "r|.*|"]\n}', {'filter = ["a|sd[ab]|", "r|.*|"]'}, id="brackets in a pattern"),
        pytest.param('global_filter = [\n\t"a|x|",\n\t"r|y|"\n]', {'global_filter = [ "a|x|", "r|y|" ]'}, id="over several lines"),
        pytest.param(
            'use_devicesfile = 1\ndevicesfile = "a b.devices"', {"use_devicesfile = 1", 'devicesfile = "a b.devices"'}, id="the file"
        ),
        pytest.param("dir = 1\nissue_discards = 0", set(), id="other settings"),
    ],
)
def test_settings_of_lvm(text: str, settings: set[str]) -> None:
    assert parse_lvm_settings(text) == settings
