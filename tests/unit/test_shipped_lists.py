"""The shipped library of lists: whose is what on a Debian 12 or RHEL-like node, and that it stays small and explains itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reprov.adapters.library import Library
from reprov.adapters.release_files import ownership_of, read_lists
from reprov.adapters.role_files import load_role
from reprov.domain.entry import ancestors_of
from reprov.domain.ownership import Owner, Ownership
from reprov.domain.rules import RuleList
from reprov.workflows.publish import DEFAULT_CONCERNS

LIBRARY = Path(__file__).parents[2] / "excludes"
CONCERNS = sorted({path.stem for path in LIBRARY.iterdir()})
FILES = sorted(LIBRARY.iterdir())
MOST_RULES = 250
IMAGE, KEEP, ADD_ONLY, MERGE = Owner.IMAGE, Owner.KEEP, Owner.ADD_ONLY, Owner.MERGE


def library(*concerns: str) -> Ownership:
    """What `reprov publish --lists` makes of these concerns."""

    def lists(kind: str) -> Iterator[tuple[str, bytes]]:
        for concern in concerns:
            if (LIBRARY / f"{concern}.{kind}").exists():
                yield f"{concern}.{kind}", (LIBRARY / f"{concern}.{kind}").read_bytes()

    return Ownership.parse(list(lists("exclude")), list(lists("add-only")), list(lists("merge")))


EVERY_NODE = library(*DEFAULT_CONCERNS)


def owner_in(ownership: Ownership, path: str) -> Owner:
    """The class of a path; of a directory when it ends with a slash."""
    return ownership.of(path.rstrip("/"), is_dir=path.endswith("/")).owner


OWNERS = {
    IMAGE: """
        usr/ usr/bin/true usr/lib/modules/6.1.0/kernel etc/ boot/ boot/vmlinuz-6.1.0 opt/x etc/ld.so.cache usr/lib/udev/hwdb.bin
        var/lib/dpkg/ var/lib/dpkg/status var/lib/dpkg/info/bash.list var/lib/dpkg/alternatives/awk var/lib/apt/extended_states
        var/lib/ucf/registry var/lib/pam/auth var/cache/debconf/config.dat
        var/lib/rpm var/lib/rpm/ var/lib/rpm/rpmdb.sqlite var/lib/dnf/history.sqlite usr/lib/sysimage/rpm/rpmdb.sqlite
        var/lib/systemd/deb-systemd-helper-enabled/cron.service.dsh-also var/lib/systemd/deb-systemd-user-helper-masked/
    """,
    ADD_ONLY: """
        root/ root/.bashrc usr/local/ usr/local/bin/x var/ var/lib/ var/log/ var/log/syslog var/lib/private/
        etc/passwd- etc/shadow- etc/subgid- etc/security/opasswd var/lib/dhcp/dhclient.leases var/spool/cron/crontabs/ann
        var/cache/debconf/passwords.dat var/cache/debconf/config.dat-old var/lib/NetworkManager/secret_key
    """,
    MERGE: """
        etc/pam.d/common-auth etc/apt/sources.list etc/ssh/ etc/ssh/moduli etc/ssh/sshd_config etc/ssh/sshd_config.d/50.conf
        etc/network/ etc/network/if-up.d/x etc/sudoers etc/sudoers.d/nova-common etc/passwd etc/group etc/shadow etc/gshadow
        etc/subuid etc/subgid etc/alternatives/awk etc/rc2.d/S01ssh etc/rc.d/rc3.d/S10network etc/mtab
        etc/systemd/system/multi-user.target.wants/ssh.service etc/systemd/system/mine.service etc/default/grub
        etc/initramfs-tools/modules etc/dracut.conf.d/x.conf etc/udev/hwdb.bin etc/udev/rules.d/60-mine.rules etc/cron.d/job
        etc/crontab etc/ssl/certs/4a6481c9.0 etc/ssl/certs/ca-certificates.crt etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem
        etc/lvm/ etc/lvm/profile/thin.profile etc/zfs/zed.d/ etc/sysconfig/network-scripts/ifup-eth etc/yum.repos.d/x.repo
        etc/locale.conf etc/nova/nova.conf etc/selinux/targeted/contexts/files/file_contexts.local var/lib/selinux/
        var/lib/selinux/targeted/active/commit_num etc/os-release etc/puppet/puppet.conf
    """,
    KEEP: """
        home/ home/me/.profile srv/data mnt/ media/cdrom root/.ssh/authorized_keys data/ data/x backups/ exports/ swapfile swap.img
        boot/grub/ boot/grub/grub.cfg boot/grub2/grubenv boot/efi/EFI boot/loader/entries/x.conf boot/lost+found/
        etc/.pwd.lock etc/passwd.lock etc/.updated var/lib/dpkg/lock var/lib/dpkg/lock-frontend var/lib/dpkg/triggers/Lock
        var/lib/rpm/.rpm.lock usr/lib/sysimage/rpm/.rpm.lock
        etc/machine-id etc/hostname etc/mailname etc/localtime etc/timezone etc/adjtime var/lib/systemd/random-seed
        etc/fstab etc/crypttab etc/cryptsetup-keys.d/root.key etc/lvm/lvm.conf etc/lvm/lvmlocal.conf etc/lvm/devices/system.devices
        etc/lvm/backup/vg0 etc/lvm/archive/vg0_00001.vg etc/mdadm/mdadm.conf etc/mdadm.conf etc/zfs/zpool.cache
        etc/zfs/zfs-list.cache/ etc/iscsi/initiatorname.iscsi etc/iscsi/nodes/ etc/nvme/hostid etc/nvme/hostnqn
        etc/multipath.conf etc/multipath/bindings etc/multipath/wwids etc/hosts etc/resolv.conf etc/network/interfaces
        etc/network/interfaces.d/eth0 etc/netplan/01.yaml etc/systemd/network/10.network etc/sysconfig/network
        etc/NetworkManager/system-connections/x.nmconnection etc/sysconfig/network-scripts/ifcfg-eth0
        etc/sysconfig/network-scripts/route-eth0 etc/sysconfig/network-scripts/route6-eth0 etc/udev/rules.d/70-persistent-net.rules
        etc/nftables.conf etc/nftables/ etc/iptables/rules.v4 etc/sysconfig/iptables etc/sysconfig/ip6tables etc/frr/frr.conf
        var/log/journal/ var/log/journal/x var/log/ceph/ var/lib/apt/lists/ var/lib/apt/lists/lock var/cache/apt/archives/x.deb var/tmp/
    """,
}


@pytest.mark.parametrize(("path", "owner"), [(path, owner) for owner, paths in OWNERS.items() for path in paths.split()])
def test_the_default_lists_know_what_every_node_owns(path: str, owner: Owner) -> None:
    assert owner_in(EVERY_NODE, path) is owner


CREDENTIALS = """
    etc/ssh/ssh_host_rsa_key etc/ssh/ssh_host_ed25519_key.pub etc/ssh/authorized_keys etc/ssh/authorized_keys.d/ann
    etc/ssh/ca.pub etc/ssh/revoked_keys root/.ssh/authorized_keys root/.ssh/id_ed25519 home/ann/.ssh/authorized_keys
    etc/krb5.keytab etc/httpd/conf/http.keytab etc/sssd/sssd.conf etc/ssl/private/node.key etc/pki/tls/private/node.key
    etc/letsencrypt/live/x/privkey.pem etc/letsencrypt/live/x/cert.pem etc/credstore/x etc/credstore.encrypted/x
    etc/wireguard/wg0.conf etc/ipsec.secrets etc/ppp/chap-secrets etc/wpa_supplicant/wpa_supplicant-wlan0.conf
    etc/apt/auth.conf etc/apt/auth.conf.d/mirror.conf etc/pki/entitlement/1.pem etc/pki/consumer/key.pem
    etc/chrony/chrony.keys etc/chrony.keys etc/salt/pki/minion/minion.pem etc/chef/client.pem var/lib/dkms/mok.key
    etc/shadow- etc/gshadow- etc/security/opasswd var/lib/systemd/credential.secret var/lib/samba/private/secrets.tdb
"""


@pytest.mark.parametrize("path", CREDENTIALS.split())
def test_a_credential_is_never_taken_from_another_tree(path: str) -> None:
    """A rollback takes what is merged from the tree before; what is kept or add-only it carries from the node as it is now."""
    assert owner_in(EVERY_NODE, path) in (KEEP, ADD_ONLY)


@pytest.mark.parametrize("path", ["etc/hostname", "etc/fstab", "etc/netplan/01.yaml", "etc/ssh/ssh_host_rsa_key", "etc/machine-id"])
def test_the_base_lists_alone_still_leave_a_node_its_identity(path: str) -> None:
    assert owner_in(library("base"), path) is MERGE


BY_LINE = ["etc/default/ssh", "etc/sysconfig/sshd", "etc/ssh/sshd_config", "etc/ssl/certs/ca-certificates.crt", "etc/sysctl.d/x.conf"]
AS_A_WHOLE = ["etc/sudoers", "etc/pam.d/sshd", "etc/ssh/sshd_config.d/x.conf", "etc/systemd/system/x.service", "etc/ssl/certs/x.pem"]


@pytest.mark.parametrize(("path", "by_line"), [*((path, True) for path in BY_LINE), *((path, False) for path in AS_A_WHOLE)])
def test_lines_are_merged_where_they_stand_for_themselves(path: str, by_line: bool) -> None:
    rule = EVERY_NODE.of(path, is_dir=False).rule
    assert rule is not None
    assert rule.text_merge is by_line


BY_CONCERN = {
    "ceph": {
        ADD_ONLY: "var/lib/ceph/",
        KEEP: """
            var/lib/ceph/osd/ var/lib/ceph/osd/ceph-3/block var/lib/ceph/0f1e2d/osd.3/config etc/ceph/ceph.conf
            etc/ceph/ceph.client.admin.keyring etc/ceph/osd/3-0f1e2d.json
            etc/systemd/system/ceph-osd.target.wants/ceph-osd@3.service
            etc/systemd/system/multi-user.target.wants/ceph-volume@lvm-3-0f1e2d4c-5b6a-7980-a1b2-c3d4e5f60718.service
            etc/systemd/system/ceph-0f1e2d4c-5b6a-7980-a1b2-c3d4e5f60718@.service
            etc/systemd/system/ceph-0f1e2d4c-5b6a-7980-a1b2-c3d4e5f60718.target.wants/ceph-0f1e2d4c-5b6a-7980-a1b2-c3d4e5f60718@osd.3.service
        """,
        MERGE: """
            etc/default/ceph etc/systemd/system/multi-user.target.wants/ceph-osd.target etc/systemd/system/ceph-osd@.service.d/site.conf
        """,
    },
    "libvirt-nova": {
        KEEP: "var/lib/nova/instances/ var/lib/nova/instances/i-1/disk etc/libvirt/qemu/i-1.xml etc/libvirt/secrets/x.base64",
        ADD_ONLY: "etc/nova/nova.conf etc/libvirt/virtqemud.conf etc/libvirt/nwfilter/x.xml var/lib/nova/ var/lib/libvirt/dnsmasq/x",
        MERGE: "etc/nova/rootwrap.conf etc/libvirt/hooks/qemu",
    },
    "openvswitch-neutron": {
        KEEP: "etc/openvswitch/conf.db etc/openvswitch/system-id.conf var/lib/neutron/dhcp/ var/lib/neutron/dhcp/n/leases",
        ADD_ONLY: "etc/neutron/neutron.conf etc/neutron/l3_agent.ini etc/neutron/plugins/ml2/ml2_conf.ini var/lib/neutron/",
        MERGE: "etc/neutron/rootwrap.d/x etc/default/openvswitch-switch",
    },
    "mysql": {
        KEEP: "var/lib/mysql/ var/lib/mysql/ibdata1 var/lib/mysql-keyring/x etc/mysql/debian.cnf",
        MERGE: "etc/mysql/mariadb.conf.d/50-server.cnf etc/my.cnf",
    },
    "postgresql": {KEEP: "var/lib/postgresql/15/main/base var/lib/pgsql/data/base etc/postgresql/15/main/pg_hba.conf"},
    "rabbitmq": {KEEP: "var/lib/rabbitmq/.erlang.cookie var/lib/rabbitmq/mnesia/", ADD_ONLY: "etc/rabbitmq/rabbitmq.conf"},
    "control-plane": {
        KEEP: "etc/keystone/fernet-keys/0 etc/keystone/credential-keys/1 var/lib/etcd/member/",
        ADD_ONLY: "etc/keystone/keystone.conf etc/haproxy/haproxy.cfg etc/glance/glance-api.conf",
        MERGE: "etc/haproxy/errors/400.http",
    },
    "puppet": {
        KEEP: "etc/puppetlabs/puppet/ssl/certs/x.pem etc/puppet/ssl/ opt/puppetlabs/puppet/cache/state/x etc/puppetlabs/code/x",
        IMAGE: "opt/puppetlabs/ opt/puppetlabs/bin/puppet",
    },
    "ansible": {KEEP: "etc/ansible/facts.d/x.fact etc/kolla/nova/nova.conf openstack/ opt/kolla-ansible/x", MERGE: "etc/ansible/hosts"},
    "containers": {
        KEEP: "var/lib/docker/overlay2/ var/lib/containers/ var/lib/lxd/ var/lib/kubelet/pki/x etc/kubernetes/pki/ca.key opt/cni/bin/",
        MERGE: "etc/docker/daemon.json etc/containers/storage.conf",
        IMAGE: "usr/libexec/kubernetes/",
    },
}
CONCERN_CASES = [
    pytest.param(concern, path, owner, id=f"{concern}-{path}")
    for concern, owners in BY_CONCERN.items()
    for owner, paths in owners.items()
    for path in paths.split()
]


@pytest.mark.parametrize(("concern", "path", "owner"), CONCERN_CASES)
@pytest.mark.parametrize("base_first", [True, False], ids=["base first", "base last"])
def test_a_concern_adds_its_own_in_either_order(concern: str, path: str, owner: Owner, base_first: bool) -> None:
    concerns = (*DEFAULT_CONCERNS, concern) if base_first else (concern, *DEFAULT_CONCERNS)
    assert owner_in(library(*concerns), path) is owner


def test_every_concern_has_a_case() -> None:
    assert sorted({*DEFAULT_CONCERNS, *BY_CONCERN}) == CONCERNS


def rules_of(path: Path) -> RuleList:
    return RuleList.parse(path.read_bytes(), path.name, plain_includes=path.suffix != ".exclude", text_merges=path.suffix == ".merge")


def test_the_library_stays_small_enough_to_be_read() -> None:
    assert sum(len(rules_of(path).rules) for path in FILES) <= MOST_RULES


def test_no_path_is_listed_twice() -> None:
    # A path that leaves add-only for the merge list has a line in both: those begin with a minus.
    patterns = [rule.pattern for path in FILES for rule in rules_of(path).rules if not (path.suffix == ".add-only" and str(rule)[0] == "-")]
    assert sorted(patterns) == sorted(set(patterns))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_list_says_what_it_is_for_and_every_block_of_rules_why(file: Path) -> None:
    head, *blocks = file.read_text().rstrip("\n").split("\n\n")
    assert all(line.startswith("# ") for line in head.splitlines()), f"{file.name} begins with rules"
    for block in blocks:
        reason, *rules = block.splitlines()
        assert reason.startswith("# "), f"{file.name}: {reason} has no reason"
        assert rules, f"{file.name}: no rule goes with {reason}"


@pytest.mark.parametrize("concern", CONCERNS)
def test_a_concern_never_keeps_a_directory_that_the_image_lives_in(concern: str) -> None:
    lived_in = (
        "usr/bin/true etc/os-release boot/vmlinuz lib opt var/lib/dpkg/status etc/systemd/system/x etc/sysconfig/x usr/libexec/x var/log/x"
    )
    ownership = library(*dict.fromkeys(("base", concern)))
    for path in lived_in.split():
        for asked in (*ancestors_of(path), path):
            assert ownership.of(asked, is_dir=asked != path).owner is not KEEP, asked


@pytest.mark.parametrize("name", sorted(path.name for path in (LIBRARY.parent / "roles").iterdir()))
def test_a_shipped_role_names_concerns_that_are_there_and_those_that_every_node_needs_last(name: str) -> None:
    concerns = load_role(name, Library((LIBRARY.parent,))).concerns
    assert concerns[-len(DEFAULT_CONCERNS) :] == DEFAULT_CONCERNS
    assert set(concerns) <= set(CONCERNS)


SITE = {
    "lines of a file below /etc are merged": ("merge", b"merge=text /etc/nova/**\n", "etc/nova/nova.conf", MERGE),
    "a file below /etc is the image's": ("merge", b"- /etc/motd\n", "etc/motd", IMAGE),
    "what the others keep is merged again": ("exclude", b"+ /etc/hosts\n", "etc/hosts", MERGE),
    "what is add-only is the image's": ("add-only", b"- /var/lib/app/\n", "var/lib/app/x", IMAGE),
    "a list that is closed leaves /var alone": ("add-only", b"/srv/app/\n- *\n", "var/lib/mysql/ibdata1", ADD_ONLY),
    "a list that clears leaves identity alone": ("exclude", b"!\n/etc/app/\n", "etc/machine-id", KEEP),
}


@pytest.mark.parametrize(("kind", "text", "path", "owner"), SITE.values(), ids=SITE)
def test_a_list_that_is_tried_first_can_say_more_than_the_shipped_ones(
    tmp_path: Path, kind: str, text: bytes, path: str, owner: Owner
) -> None:
    (tmp_path / "excludes").mkdir()
    (tmp_path / f"excludes/site.{kind}").write_bytes(text)
    ownership = ownership_of(read_lists(Library((tmp_path, LIBRARY.parent)), ("site", *DEFAULT_CONCERNS)))
    verdict = ownership.of(path, is_dir=False)
    assert verdict.owner is owner
    assert verdict.rule is not None
    assert verdict.rule.text_merge is (b"merge=text" in text)
