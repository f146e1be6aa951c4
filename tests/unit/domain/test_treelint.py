"""The judgement of a finished tree."""

from dataclasses import replace

import pytest

from reprov.domain.entry import Kind
from reprov.domain.treelint import Seen, TreeFacts, lint

CLEAN = TreeFacts(
    seen=(
        Seen("", Kind.DIR, 0o755, 0, 0),
        Seen("bin", Kind.LINK, 0o777, 0, 0, "usr/bin"),
        Seen("etc", Kind.DIR, 0o755, 0, 0),
        Seen("etc/machine-id", Kind.FILE, 0o444, 0, 0),
        Seen("run", Kind.DIR, 0o755, 0, 0),
        Seen("tmp", Kind.DIR, 0o1777, 0, 0),
        Seen("usr", Kind.DIR, 0o755, 0, 0),
    ),
    content={"etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n", "etc/group": b"root:x:0:\nmail:x:8:\n", "etc/machine-id": b""},
    mounts=(),
    builder_resolv_conf=b"nameserver 192.0.2.1\n",
)

ADDED = {
    "a socket": (Seen("var/s", Kind.SOCKET, 0o600, 0, 0), ["/var/s: a socket"]),
    "a device node": (Seen("opt/null", Kind.CHAR, 0o666, 0, 0), ["/opt/null: a device node"]),
    "something in /run": (Seen("run/x", Kind.FILE, 0o644, 0, 0), ["/run/x: lies in a directory that belongs to the running system"]),
    "an ssh host key": (
        Seen("etc/ssh/ssh_host_rsa_key", Kind.FILE, 0o600, 0, 0),
        ["/etc/ssh/ssh_host_rsa_key: is the identity of one machine"],
    ),
    "a random seed": (
        Seen("var/lib/systemd/random-seed", Kind.FILE, 0o600, 0, 0),
        ["/var/lib/systemd/random-seed: is the identity of one machine"],
    ),
    "dbus's link to the machine id": (Seen("var/lib/dbus/machine-id", Kind.LINK, 0o777, 0, 0, "/etc/machine-id"), []),
    "policy-rc.d": (
        Seen("usr/sbin/policy-rc.d", Kind.FILE, 0o755, 0, 0),
        ["/usr/sbin/policy-rc.d: would keep the node's services from starting"],
    ),
    "a directory where all may write": (
        Seen("srv/x", Kind.DIR, 0o777, 0, 0),
        ["/srv/x: everybody may write here and remove the files of others (mode 0777)"],
    ),
    "a sticky directory where all may write": (Seen("srv/x", Kind.DIR, 0o1777, 0, 0), []),
    "a file of nobody we know": (
        Seen("srv/x", Kind.FILE, 0o644, 1000, 8),
        ["/srv/x: belongs to user 1000, whom the tree's /etc/passwd does not know"],
    ),
    "a file of a group that we do not know": (
        Seen("srv/x", Kind.FILE, 0o644, 0, 9),
        ["/srv/x: belongs to group 9, which the tree's /etc/group does not know"],
    ),
    "a directory in place of the link of a merged /usr": (Seen("lib", Kind.DIR, 0o755, 0, 0), ["/lib: must be a symbolic link to usr/lib"]),
    "a link of a merged /usr that leads elsewhere": (
        Seen("sbin", Kind.LINK, 0o777, 0, 0, "usr/bin"),
        ["/sbin: must be a symbolic link to usr/sbin"],
    ),
    "an evil name is escaped": (Seen("srv/a\nb", Kind.SOCKET, 0o600, 0, 0), ["/srv/a\\nb: a socket"]),
}


def findings(facts: TreeFacts) -> list[str]:
    return [str(finding) for finding in lint(facts)]


def test_a_clean_tree_has_no_findings() -> None:
    assert findings(CLEAN) == []


@pytest.mark.parametrize(("seen", "expected"), ADDED.values(), ids=ADDED.keys())
def test_a_path_too_many(seen: Seen, expected: list[str]) -> None:
    assert findings(replace(CLEAN, seen=(*CLEAN.seen, seen))) == expected


CONTENT = {
    "a machine id": ("etc/machine-id", b"0" * 32 + b"\n", ["/etc/machine-id: is the identity of one machine: must be empty"]),
    "the word for a first boot": ("etc/machine-id", b"uninitialized\n", ["/etc/machine-id: is the identity of one machine: must be empty"]),
    "the builder's resolver": ("etc/resolv.conf", b"nameserver 192.0.2.1\n", ["/etc/resolv.conf: is the build machine's"]),
    "a resolver of the role": ("etc/resolv.conf", b"nameserver 192.0.2.2\n", []),
    "a name for iSCSI": (
        "etc/iscsi/initiatorname.iscsi",
        b"InitiatorName=iqn.x\n",
        ["/etc/iscsi/initiatorname.iscsi: is the identity of one machine"],
    ),
    "an iSCSI name to be made": ("etc/iscsi/initiatorname.iscsi", b"GenerateName=yes\n", []),
}


@pytest.mark.parametrize(("path", "content", "expected"), CONTENT.values(), ids=CONTENT.keys())
def test_content_of_one_machine(path: str, content: bytes, expected: list[str]) -> None:
    assert findings(replace(CLEAN, content=CLEAN.content | {path: content})) == expected


def test_a_missing_machine_id_is_a_finding() -> None:
    facts = replace(CLEAN, seen=tuple(seen for seen in CLEAN.seen if seen.path != "etc/machine-id"))
    assert findings(facts) == [
        "/etc/machine-id: is missing: must be there and empty, or the first boot would undo what the role enables and disables"
    ]


def test_a_mount_is_a_finding() -> None:
    assert findings(replace(CLEAN, mounts=("opt",))) == ["/opt: something is mounted here"]
