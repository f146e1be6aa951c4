"""Who a node is, on real roots: with a real sshd in a chroot, real devices, real routes; and upgrades that would lose it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from reprov.adapters.identity import look
from reprov.domain.identity import new_problems
from tests.conftest import Ran
from tests.system.filesystems import Filesystems
from tests.system.node import Node
from tests.system.snapshot import difference, snapshot
from tests.system.trees import EXCLUDE, Tree, make_library

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("mkfs.ext4", "mount", "rsync", "sshd", "ssh-keygen", "ldd")]

GARBAGE = "PermitRootLogin prohibit-password\nNoSuchOption yes\n"
COMPLAINT = "/etc/ssh/sshd_config.d/site.conf: line 2: Bad configuration option: NoSuchOption"


def with_sshd(tree: Tree) -> Tree:
    """A tree with the sshd of this machine and the libraries that it needs."""
    said = subprocess.run(["ldd", "/usr/sbin/sshd"], check=True, capture_output=True, text=True).stdout
    for library in re.findall(r"(/\S+) \(0x", said):
        tree.file(os.path.normpath("/usr" + library.removeprefix("/usr")).lstrip("/"), Path(library).read_bytes(), mode=0o755)
    if (tree.folder / "usr/lib64").is_dir():
        tree.symlink("lib64", "usr/lib64")
    tree.file("usr/sbin/sshd", Path("/usr/sbin/sshd").read_bytes(), mode=0o755).directory("dev").directory("run")
    tree.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n")
    tree.file("etc/group", "root:x:0:\nnogroup:x:65534:\n")
    return tree.file("etc/ssh/sshd_config", "Include /etc/ssh/sshd_config.d/*.conf\n")


def make_host_key(root: Path) -> None:
    """What a node makes at its first boot."""
    argv = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "node", "-f", os.fspath(root / "etc/ssh/ssh_host_ed25519_key"))
    subprocess.run(argv, check=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with an sshd that would start, with nothing in /dev and /run."""
    folder = with_sshd(Tree(tmp_path / "root")).folder
    make_host_key(folder)
    return folder


def test_a_good_sshd_is_asked_in_its_root_and_nothing_there_changes(root: Path) -> None:
    before, mounts = snapshot(root), Path("/proc/self/mountinfo").read_text()
    assert look(root, live=False).sshd == ""
    assert difference(before, snapshot(root)) == []
    assert Path("/proc/self/mountinfo").read_text() == mounts


@pytest.mark.parametrize("run_sshd", [False, True], ids=["without /run/sshd", "with /run/sshd"])
def test_an_option_that_sshd_does_not_know(root: Path, run_sshd: bool) -> None:
    if run_sshd:
        (root / "run/sshd").mkdir()
    before = look(root, live=False)
    Tree.over(root).file("etc/ssh/sshd_config.d/site.conf", GARBAGE)
    after = look(root, live=False)
    (problem,) = new_problems(before, after)
    assert str(problem).startswith(f"/etc/ssh/sshd_config: sshd does not start with it: {COMPLAINT}")
    assert new_problems(after, after) == ()


def test_a_host_key_that_others_can_read_is_told_by_its_mode_and_by_sshd(root: Path) -> None:
    before = look(root, live=False)
    (root / "etc/ssh/ssh_host_ed25519_key").chmod(0o644)
    problems = [str(problem) for problem in new_problems(before, look(root, live=False))]
    assert problems[0] == "/etc/ssh/ssh_host_ed25519_key: others can read it"
    assert problems[1].endswith("sshd: no hostkeys available -- exiting.")


def test_a_library_that_sshd_lacks(root: Path) -> None:
    before = look(root, live=False)
    next((root / "usr/lib").rglob("libcrypto.so.*")).unlink()
    (problem,) = new_problems(before, look(root, live=False))
    assert "libcrypto.so" in problem.problem


@pytest.mark.parametrize("missing", ["dev", "usr/sbin/sshd"])
def test_where_sshd_cannot_be_asked_it_is_not(root: Path, missing: str) -> None:
    Tree.over(root).remove(missing)
    assert look(root, live=False).sshd is None


@pytest.mark.needs("blkid")
def test_devices_are_found_by_what_is_on_them(root: Path, filesystems: Filesystems, tmp_path: Path) -> None:
    uuid = "0a3c4d5e-1111-4222-8333-444455556666"
    filesystems.make("ext4", tmp_path / "mounted", mkfs=("-U", uuid, "-L", "my data"))
    (root / "data").mkdir()
    entries = (f"UUID={uuid} /data ext4", r"LABEL=my\040data /data ext4", "UUID=0000-0000 /data ext4", "LABEL=no /a ext4 nofail")
    (root / "etc/fstab").write_text("".join(f"{entry}\n" for entry in entries))
    before = look(root, live=False)
    by_uuid, by_label, *absent = (fact.device for fact in before.mounts)
    assert by_uuid is not None
    assert (by_uuid, absent) == (by_label, [None, None])
    (root / "data").rmdir()
    assert {str(problem) for problem in new_problems(before, look(root, live=False))} == {"/etc/fstab: the mount point /data is not there"}


_SHOW_UPLINKS = """\
from reprov.adapters.uplinks import read_uplinks
for uplink in read_uplinks():
    print(uplink.name, *uplink.other_names, *uplink.addresses)
"""


@pytest.mark.needs("ip", "unshare")
@pytest.mark.parametrize(
    ("routes", "names"),
    [
        pytest.param((), set(), id="no route"),
        pytest.param(("route add default via 10.0.0.1",), {"up0"}, id="a default route"),
        pytest.param(("route add default dev up1",), {"up1"}, id="a default route without a gateway"),
        pytest.param(("-6 route add default dev up1",), {"up1"}, id="one of IPv6"),
        pytest.param(("route add 10.9.0.0/16 via 10.0.0.1",), set(), id="a route to somewhere"),
        pytest.param(("route add default dev up1 table 7",), set(), id="a default route of another table"),
        pytest.param(("route add unreachable default",), set(), id="a route to nowhere"),
        pytest.param(("route add default nexthop via 10.0.0.1 nexthop dev up1",), {"up0", "up1"}, id="a route over two interfaces"),
    ],
)
def test_the_interfaces_of_the_default_route(routes: tuple[str, ...], names: set[str]) -> None:
    links = [f"link add {name} type bridge" for name in ("up0", "up1")] + ["address add 10.0.0.2/24 dev up0"]
    links += [
        "link set up0 address 02:00:00:00:00:0A up",
        "link set up1 address 02:00:00:00:00:0B up",
        "link property add dev up0 altname up-a",
    ]
    script = "".join(f"ip {words}\n" for words in (*links, *routes)) + 'exec "$@"\n'
    argv = ("unshare", "--net", "sh", "-euc", script, "sh", sys.executable, "-c", _SHOW_UPLINKS)
    said = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
    known = {"up0": "up0 up-a 02:00:00:00:00:0a", "up1": "up1 02:00:00:00:00:0b"}
    assert set(said) == {known[name] for name in names}


UNDONE = "the node would not be itself any more, so the exchange was undone: "


def refusal(ran: Ran) -> tuple[str, str]:
    """Error and hint of a command line that failed, without the progress above them."""
    error, hint = ran.stderr.splitlines()[-2:]
    return error.removeprefix("reprov: "), hint.removeprefix("hint: ")


@pytest.fixture
def ssh_node(node: Node, tmp_path: Path) -> Node:
    """A node at 1.0 with an sshd, a host key of its own, and another three releases to go to."""
    make_library(node.store.library, exclude=f"/etc/fstab\n/etc/machine-id\n/etc/ssh/ssh_host_*\n{EXCLUDE}")
    for version, content in {"1.0": "PermitRootLogin no\n", "1.1": GARBAGE, "1.2": "PermitRootLogin no\nMaxAuthTries 3\n"}.items():
        tree = with_sshd(Tree(tmp_path / version, version)).file("etc/ssh/sshd_config.d/site.conf", content)
        if version != "1.0":
            tree.file("usr/share/only-here/readme", version)
        node.store.publish(tree, version)
    node.install("1.0")
    make_host_key(node.root)
    node.write("etc/machine-id", "3d1219c7c4c5404aaa1f6d2a48adfda4\n")
    return node


def test_an_upgrade_that_breaks_sshd_is_undone(ssh_node: Node) -> None:
    before = ssh_node.snapshot()
    ran = ssh_node.upgrade("1.1")
    error, hint = refusal(ran)
    assert ran.status == 1
    assert error.startswith(f"{UNDONE}/etc/ssh/sshd_config: sshd does not start with it: {COMPLAINT}")
    assert hint == "correct what the release has in /etc/ssh, or keep the node's; `sshd -t` tells"
    assert ssh_node.changed_since(before) == []
    assert ssh_node.leftovers() == []
    assert ssh_node.run("verify").status == 0
    ssh_node.install("1.2")
    assert ssh_node.path("etc/ssh/sshd_config.d/site.conf").read_text() == "PermitRootLogin no\nMaxAuthTries 3\n"


def test_an_sshd_that_was_broken_before_forbids_no_upgrade(ssh_node: Node) -> None:
    ssh_node.path("etc/ssh/ssh_host_ed25519_key").unlink()
    ssh_node.install("1.2")
    ssh_node.rollback()


def test_a_rollback_that_would_lose_a_mount_point_is_undone(ssh_node: Node) -> None:
    ssh_node.install("1.2")
    ssh_node.write("etc/fstab", "tmpfs /usr/share/only-here tmpfs\n")
    before = ssh_node.snapshot()
    ran = ssh_node.run("rollback")
    assert (ran.status, refusal(ran)[0]) == (1, f"{UNDONE}/etc/fstab: the mount point /usr/share/only-here is not there")
    assert ssh_node.changed_since(before) == []
    ssh_node.write("etc/fstab", "tmpfs /usr/share/only-here tmpfs nofail\n")
    ssh_node.rollback()


def test_a_first_release_on_a_node_that_was_installed_by_hand_keeps_who_it_is(node: Node, tmp_path: Path) -> None:
    """The lists of these tests do not keep the name of the initiator: that a list is missing shows before it is too late."""
    Tree(node.root, "0.1").file("etc/iscsi/initiatorname.iscsi", "InitiatorName=iqn.node-17\n").done()
    node.store.publish(Tree(tmp_path / "tree"), "1.0")
    before = node.snapshot()
    ran = node.upgrade("1.0")
    assert (ran.status, *refusal(ran)) == (
        1,
        f"{UNDONE}/etc/iscsi/initiatorname.iscsi: is gone",
        "keep it by a *.exclude list of the role; run it again if somebody changed it just now",
    )
    assert node.changed_since(before) == []
