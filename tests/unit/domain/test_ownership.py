"""Who owns a path: the lists in rsync's traversal, what holds whatever they say, and the shipped library."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reprov.domain.entry import ancestors_of
from reprov.domain.ownership import Owner, Ownership, Verdict
from reprov.domain.rules import Rule
from reprov.errors import InvalidInput

LIBRARY = Path(__file__).parents[3] / "excludes"
IMAGE, KEEP, ADD_ONLY = Owner.IMAGE, Owner.KEEP, Owner.ADD_ONLY
NEVER = b"/nothing/has/this/name\n"


def owning(keep: bytes = NEVER, add_only: bytes = NEVER) -> Ownership:
    return Ownership.parse([("k", keep)], [("a", add_only)])


CASES = {
    "what no list names is the image's": (NEVER, NEVER, "usr/bin/true", IMAGE, None),
    "the root is the image's, even if everything is kept": (b"*\n/\n***\n", NEVER, "", IMAGE, None),
    "an excluded path is kept": (b"/a/b\n", NEVER, "a/b", KEEP, "k:1"),
    "what is in an excluded directory is kept": (b"/a/\n", NEVER, "a/b/c", KEEP, "k:1"),
    "a plus further down cannot bring back what an excluded directory holds": (b"+ /a/b\n- /a\n", NEVER, "a/b", KEEP, "k:2"),
    "a plus before it saves the directory itself": (b"+ /a/\n- /a*\n", NEVER, "a/b", IMAGE, None),
    "an included path is add-only": (NEVER, b"/a\n", "a", ADD_ONLY, "a:1"),
    "a directory that is add-only covers what is in it": (NEVER, b"/srv/\n", "srv/b/c", ADD_ONLY, "a:1"),
    "a minus in an add-only list makes a path the image's": (NEVER, b"- /var/lib/dpkg/\n/var/\n", "var/lib/dpkg", IMAGE, "a:1"),
    "and with it what it holds": (NEVER, b"- /var/lib/dpkg/\n/var/\n", "var/lib/dpkg/status", IMAGE, "a:1"),
    "and nothing further down is add-only again": (NEVER, b"- /var/lib/dpkg/\n/var/***\nstatus\n", "var/lib/dpkg/status", IMAGE, "a:1"),
    "keep is stronger than add-only": (b"/a\n", b"/a\n", "a", KEEP, "k:1"),
    "add-only is never below a kept path": (b"/a/\n", b"/a/b\n", "a/b", KEEP, "k:1"),
    "keep is stronger than image inside a directory that is add-only": (
        b"/var/lib/dpkg/lock\n",
        b"- /var/lib/dpkg/\n/var/\n",
        "var/lib/dpkg/lock",
        KEEP,
        "k:1",
    ),
    "eDeploy's add-only list": (NEVER, b"+ /var/\n+ /var/**\n- *\n", "var/lib/x", ADD_ONLY, "a:2"),
    "eDeploy's add-only list ends with everything else": (NEVER, b"+ /var/\n+ /var/**\n- *\n", "usr", IMAGE, "a:3"),
    "a name with a newline and no UTF-8": (b"/a/*\n", NEVER, "a/-\n\udcff", KEEP, "k:1"),
}


@pytest.mark.parametrize(("keep", "add_only", "path", "owner", "place"), CASES.values(), ids=CASES)
def test_the_lists_decide(keep: bytes, add_only: bytes, path: str, owner: Owner, place: str | None) -> None:
    verdict = owning(keep, add_only).of(path, is_dir=path in ("", "a", "var/lib/dpkg"))
    assert (verdict.owner, verdict.rule and verdict.rule.place) == (owner, place)


def test_a_rule_for_directories_spares_a_file_of_that_name() -> None:
    ownership = owning(b"/a/\n", b"/b/\n")
    assert [ownership.of(path, is_dir=is_dir).owner for path in "ab" for is_dir in (True, False)] == [KEEP, IMAGE, ADD_ONLY, IMAGE]


@pytest.mark.parametrize("order", [("a/b/c", "a", "a/b"), ("a", "a/b", "a/b/c"), ("a/b", "a/b/c", "a")])
def test_the_answer_does_not_depend_on_what_was_asked_before(order: tuple[str, ...]) -> None:
    ownership = owning(b"/a/b/\n")
    assert {path: ownership.of(path, is_dir=True).owner for path in order} == {"a": IMAGE, "a/b": KEEP, "a/b/c": KEEP}


GREEDY = {
    "no list says so": (NEVER, NEVER),
    "lists include everything": (b"+ *\n", b"+ *\n"),
    "lists exclude everything": (b"- *\n", b"- *\n"),
}


@pytest.mark.parametrize(("keep", "add_only"), GREEDY.values(), ids=GREEDY)
@pytest.mark.parametrize("frame", ["proc", "sys", "dev", "run", "tmp"])
def test_an_empty_root_gets_the_runtime_directories_and_no_nodes_are_touched(frame: str, keep: bytes, add_only: bytes) -> None:
    ownership = owning(keep, add_only)
    assert ownership.of(frame, is_dir=True) == Verdict(ADD_ONLY, Rule(f"/{frame}", True, "built in", 0))
    below = Verdict(KEEP, Rule(f"/{frame}/**", False, "built in", 0))
    assert ownership.of(f"{frame}/x", is_dir=False) == ownership.of(f"{frame}/x/y", is_dir=True) == below


@pytest.mark.parametrize("path", [".reprov", ".reprov/staged/usr", "boot/.reprov", "boot/.reprov/journal", "lost+found", "lost+found/#12"])
def test_our_own_state_and_fscks_are_kept_whatever_the_lists_say(path: str) -> None:
    verdict = owning(b"+ *\n", b"+ *\n").of(path, is_dir=True)
    assert verdict.owner is KEEP
    assert verdict.rule is not None and verdict.rule.place == "built in"


def test_only_the_runtime_directories_at_the_top_are_special() -> None:
    assert owning().of("usr/lib/tmp/x", is_dir=False).owner is IMAGE
    assert owning().of("usr/lib/proc", is_dir=True).owner is IMAGE


def test_a_foreign_mount_is_kept_before_any_rule_and_globs_in_its_name_mean_nothing() -> None:
    ownership = owning(b"+ *\n", b"+ *\n").with_kept(["usr/*", "tmp"], "nfs is mounted here")
    assert ownership.of("usr/*", is_dir=True) == Verdict(KEEP, Rule("/usr/*", False, "nfs is mounted here", 0))
    assert ownership.of("usr/*/deep/down", is_dir=False).owner is KEEP
    assert ownership.of("usr/lib", is_dir=True).owner is ADD_ONLY
    assert ownership.of("usr", is_dir=True).owner is ADD_ONLY
    assert ownership.of("tmp", is_dir=True).rule == Rule("/tmp", False, "nfs is mounted here", 0)


def test_a_mount_deep_in_a_directory_without_rules_is_found() -> None:
    ownership = owning().with_kept(["usr/lib/a/b"], "mounted")
    asked = ["usr/lib/a", "usr/lib/a/b", "usr/lib/a/b/c", "usr/lib/a/c"]
    assert [ownership.of(path, is_dir=True).owner for path in asked] == [IMAGE, KEEP, KEEP, IMAGE]


def test_kept_paths_add_up_and_leave_the_first_ownership_as_it_was() -> None:
    first = owning()
    second = first.with_kept(["a"], "one").with_kept(["b"], "two")
    assert [second.of(path, is_dir=True).owner for path in "abc"] == [KEEP, KEEP, IMAGE]
    assert first.of("a", is_dir=True).owner is IMAGE


def test_the_root_cannot_be_kept() -> None:
    with pytest.raises(ValueError, match="the root of a node cannot be kept"):
        owning().with_kept([""], "mounted")


MISSING = {
    "no keep list": ([], [("a", NEVER)], "there is no keep list"),
    "no add-only list": ([("k", NEVER)], [], "there is no add-only list"),
    "an empty keep list": ([("k", b"")], [("a", NEVER)], "k: holds no rule"),
    "an empty add-only list": ([("k", NEVER)], [("a", b"# none\n")], "a: holds no rule"),
}


@pytest.mark.parametrize(("keep", "add_only", "message"), MISSING.values(), ids=MISSING)
def test_a_missing_list_is_never_nothing_to_keep(keep: list[tuple[str, bytes]], add_only: list[tuple[str, bytes]], message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Ownership.parse(keep, add_only)
    assert caught.value.message == message


def library(*concerns: str) -> Ownership:
    def lists(kind: str) -> Iterator[tuple[str, bytes]]:
        for concern in concerns:
            yield f"{concern}.{kind}", (LIBRARY / f"{concern}.{kind}").read_bytes()

    return Ownership.parse(list(lists("exclude")), list(lists("add-only")))


EVERY_NODE = {
    IMAGE: """
        usr usr/bin/true etc etc/pam.d/common-auth etc/ld.so.cache boot/vmlinuz-6.1.0 opt/x usr/lib/modules/6.1.0/kernel
        etc/apt/sources.list var/lib/dpkg var/lib/dpkg/status var/lib/dpkg/info/bash.list var/lib/ucf/registry
        var/lib/pam/auth etc/ssh etc/ssh/moduli etc/network etc/network/if-up.d/x etc/sudoers.d/nova-common
        var/lib/apt/extended_states var/cache/debconf/config.dat var/cache/debconf/config.dat-old
    """,
    ADD_ONLY: """
        home srv mnt media root root/.bashrc usr/local usr/local/bin/x var var/lib var/log/syslog var/lib/apt/lists/x
        etc/passwd etc/group- etc/shadow etc/gshadow etc/subuid etc/machine-id etc/hostname etc/hosts etc/resolv.conf
        etc/fstab etc/crypttab etc/netplan/01.yaml etc/network/interfaces etc/systemd/network/10.network etc/ssh/sshd_config
        etc/sudoers.d/90-cloud-init-users etc/lvm/devices/system.devices etc/iscsi/initiatorname.iscsi
        etc/systemd/system/mine.service etc/udev/rules.d/70-net.rules etc/sysctl.d/99-local.conf boot/grub boot/efi
        etc/localtime etc/timezone etc/adjtime etc/systemd/system/ceph.target.wants/ceph-osd@3.service var/lib/ceph
    """,
    KEEP: """
        home/me/.profile srv/data root/.ssh/authorized_keys etc/ssh/ssh_host_rsa_key etc/ssh/ssh_host_rsa_key.pub
        etc/.pwd.lock var/lib/dpkg/lock var/lib/dpkg/lock-frontend var/lib/dpkg/triggers/Lock var/lib/apt/lists/lock
        var/lib/systemd/random-seed boot/grub/grub.cfg boot/efi/EFI data data/x swapfile boot/lost+found
        var/cache/debconf/passwords.dat
    """,
}


@pytest.mark.parametrize(("path", "owner"), [(path, owner) for owner, paths in EVERY_NODE.items() for path in paths.split()])
def test_the_base_lists_know_what_every_node_owns(path: str, owner: Owner) -> None:
    directories = {
        "etc",
        "usr",
        "etc/ssh",
        "etc/network",
        "boot/grub",
        "boot/efi",
        "data",
        "boot/lost+found",
        "var/lib/dpkg",
        "var/lib/ceph",
    }
    is_dir = path in directories or path in ("home", "srv", "mnt", "media", "root", "usr/local", "var", "var/lib")
    assert library("base").of(path, is_dir=is_dir).owner is owner


BY_CONCERN = [
    ("ceph", "var/lib/ceph/osd", ADD_ONLY),
    ("ceph", "var/lib/ceph/osd/ceph-3", KEEP),
    ("ceph", "var/lib/ceph/osd/ceph-3/block", KEEP),
    ("ceph", "var/lib/ceph/0f1e2d/osd.3/config", KEEP),
    ("ceph", "etc/ceph/ceph.conf", ADD_ONLY),
    ("ceph", "etc/ceph/ceph.client.admin.keyring", KEEP),
    ("libvirt-nova", "var/lib/nova/instances", ADD_ONLY),
    ("libvirt-nova", "var/lib/nova/instances/i-1/disk", KEEP),
    ("libvirt-nova", "etc/libvirt/qemu/i-1.xml", ADD_ONLY),
    ("libvirt-nova", "etc/nova/rootwrap.conf", IMAGE),
    ("openvswitch-neutron", "etc/openvswitch/conf.db", KEEP),
    ("openvswitch-neutron", "etc/neutron/neutron.conf", ADD_ONLY),
    ("openvswitch-neutron", "var/lib/neutron/dhcp", ADD_ONLY),
    ("openvswitch-neutron", "var/lib/neutron/dhcp/n/leases", KEEP),
    ("databases", "var/lib/mysql", ADD_ONLY),
    ("databases", "var/lib/mysql/ibdata1", KEEP),
    ("databases", "etc/rabbitmq/rabbitmq.conf", ADD_ONLY),
]


@pytest.mark.parametrize(("concern", "path", "owner"), BY_CONCERN)
@pytest.mark.parametrize("base_first", [True, False], ids=["base first", "base last"])
def test_a_concern_adds_its_own_in_either_order(concern: str, path: str, owner: Owner, base_first: bool) -> None:
    ownership = library("base", concern) if base_first else library(concern, "base")
    is_dir = path.rpartition("/")[2] in ("osd", "ceph-3", "instances", "dhcp", "mysql")
    assert ownership.of(path, is_dir=is_dir).owner is owner


CONCERNS = sorted({path.stem for path in LIBRARY.iterdir()})


@pytest.mark.parametrize("concern", CONCERNS)
def test_every_block_of_the_library_says_why(concern: str) -> None:
    for path in sorted(LIBRARY.glob(f"{concern}.*")):
        for block in path.read_text().split("\n\n"):
            assert block.startswith("#"), f"{path.name}: {block.splitlines()[0]} has no reason"


@pytest.mark.parametrize("concern", CONCERNS)
def test_a_concern_never_keeps_a_directory_that_the_image_lives_in(concern: str) -> None:
    for path in ("usr/bin/true", "etc/os-release", "boot/vmlinuz", "lib", "opt", "var/lib/dpkg/status"):
        for asked in (*ancestors_of(path), path):
            assert library(*{"base", concern}).of(asked, is_dir=asked != path).owner is not KEEP, asked


NAMED = {
    "a directory without rules": ("usr/bin", frozenset({".reprov"})),
    "a directory with a rule about one name": ("usr/share", frozenset({".reprov", "x"})),
    "a directory with a rule about all names": ("etc", None),
    "a directory that is kept": ("srv", None),
    "the root": ("", None),
}


@pytest.mark.parametrize(("directory", "names"), NAMED.values(), ids=NAMED)
def test_which_names_may_be_anybodys_but_the_releases(directory: str, names: frozenset[str] | None) -> None:
    assert Ownership.parse([("k", b"/usr/share/x\n/etc/*.key\n/srv/\n/s*\n")], [("a", b"- *\n")]).named_in(directory) == names
