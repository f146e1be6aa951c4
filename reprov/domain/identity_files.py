"""Which files of a node are who it is: what a reinstall carries over the formatting of its root.

The first part are the very rules of the lists identity, network, ssh and ceph of the library, without what stands in
`LEFT_BEHIND`. They are repeated here because the node side has no library, and the lists of a release, which it has, also keep
what is data (/home, /var/lib/docker): a test compares the two, so no rule can be added there and forgotten here.
"""

from functools import cache
from typing import Final

from reprov.domain.account_files import ACCOUNT_PATHS
from reprov.domain.pattern import Pattern

_OF_THE_LISTS: Final = """
/etc/machine-id /etc/machine-info /etc/hostname /etc/hostid /etc/mailname
/etc/localtime /etc/timezone /etc/adjtime
/var/lib/systemd/credential.secret /etc/credstore*/ /var/lib/dkms/mok.*
/etc/fstab /etc/crypttab /etc/cryptsetup-keys.d/ /etc/luks/
/etc/lvm/lvm*.conf /etc/lvm/devices/ /etc/lvm/backup/ /etc/lvm/archive/
/etc/mdadm* /etc/zfs/z*.cache /etc/drbd.d/
/etc/iscsi/ /etc/nvme/ /etc/multipath* /etc/target/
/etc/ssl/private/ /etc/pki/tls/private/ /etc/letsencrypt/
/etc/**.keytab /etc/sssd/ /etc/ipa/
/etc/apt/auth.conf* /etc/pki/consumer/ /etc/pki/entitlement/
/etc/salt/pki/ /etc/salt/minion_id /etc/chef/*.pem
/etc/chrony**.keys /etc/ntp/keys

/etc/hosts /etc/resolv.conf
/etc/network/interfaces /etc/network/interfaces.d/ /etc/netplan/ /etc/systemd/network/ /etc/NetworkManager/system-connections/
/etc/sysconfig/network /etc/sysconfig/network-scripts/ifcfg-* /etc/sysconfig/network-scripts/route*-*
/etc/sysconfig/network-scripts/rule*-* /etc/sysconfig/network-scripts/keys-*
/etc/udev/rules.d/*persistent*
/etc/frr/ /etc/bird*
/etc/nftables* /etc/iptables/ /etc/ufw/*.rules /etc/firewalld/ /etc/sysconfig/ip*tables /etc/sysconfig/nftables.conf
/etc/wireguard/ /etc/openvpn/ /etc/ipsec.secrets /etc/ipsec.d/private/ /etc/swanctl/private/ /etc/wpa_supplicant/*.conf
/etc/ppp/*-secrets

/etc/ssh/ssh_host_* /etc/dropbear/ /root/.ssh/ /etc/ssh/authorized_keys* /etc/ssh/auth_principals* /etc/ssh/*.pub /etc/ssh/*revoked*

/var/lib/ceph/*/ /etc/ceph/ /var/lib/cephadm/ /var/lib/rook/
/etc/systemd/system/ceph-*-*-*-*-* /etc/systemd/system/*.wants/ceph*@?*
"""

# What an upgrade in place merges, or lets be because nothing replaces it; a formatted root has nothing to merge with.
_MORE: Final = """
/etc/udev/rules.d/
/etc/chrony/ /etc/chrony.conf /etc/chrony.d/ /etc/ntp.conf /etc/ntpsec/ /etc/systemd/timesyncd.conf /etc/systemd/timesyncd.conf.d/
/etc/systemd/system/ceph* /etc/systemd/system/*.wants/ceph* /etc/sysctl.d/90-ceph-* /etc/logrotate.d/ceph-*-*-*-*-*
/etc/containers/*auth* /etc/containers/registries.conf* /etc/containers/certs.d/ /etc/docker/certs.d/
/root/.docker/config.json /root/.config/containers/auth.json
/home/*/.ssh/authorized_keys*
/etc/default/grub /etc/default/grub.d/
"""

LEFT_BEHIND: Final = frozenset(
    {"/var/lib/systemd/random-seed", "/var/lib/urandom/random-seed", "/var/lib/random-seed"}  # a seed that was used before is no seed
)
"""Rules of the lists that a reinstall does not carry over."""

IDENTITY: Final = (*_OF_THE_LISTS.split(), *(f"/{path}" for path in ACCOUNT_PATHS), *_MORE.split())
"""Patterns of rsync's filter syntax; what lies in a directory that one matches belongs to it."""


def is_identity(path: str, *, is_dir: bool) -> bool:
    """True when a pattern matches this very path."""
    return any(pattern.matches(path, is_dir=is_dir) for pattern in _patterns())


def may_hold_identity(directory: str) -> bool:
    """False when no pattern can match anything below the directory."""
    return any(pattern.reaches(directory) for pattern in _patterns())


@cache
def _patterns() -> tuple[Pattern, ...]:
    return tuple(Pattern.parse(text) for text in IDENTITY)
