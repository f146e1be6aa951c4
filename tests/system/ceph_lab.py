"""Ceph for tests: a storage node with a cluster of its own, and a cluster in memory alone.

The node has a monitor, two bluestore OSDs and one of ceph-disk's kind, on partitions of one disk image; the other has a manager, too, and
three OSDs that the CRUSH map has on three hosts. Everything runs in a root, in namespaces of its own with nothing but loopback, and ends
with them.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from reprov.domain.partition_types import guid_of
from tests.conftest import Ran
from tests.storage_lab import MIB, attached
from tests.system.filesystems import Filesystems
from tests.system.trees import RealTrees

CHECKOUT = Path(__file__).parents[2]
OSDS = (0, 1, 2)
HOSTS = {0: "osd-1", 1: "osd-2", 2: "osd-3"}
"""What the CRUSH map of the cluster in memory has each OSD on."""
BLUESTORE = (0, 1)
FILESTORE = 2
LISTS = "base,identity,network,ssh,logs-and-caches,ceph"
_NAMESPACES = ("mount", "net", "uts", "ipc")
_PATIENCE_S = 120
_DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
_PARTITIONS = f"""\
label: gpt
size=2G, type={guid_of("ceph-block")}, name="ceph block"
size=2G, type={guid_of("ceph-block")}, name="ceph block"
size=2G, type={guid_of("ceph-osd-data")}, name="ceph data"
size=256M, type={guid_of("ceph-journal")}, name="ceph journal"
"""
_CONF = """\
[global]
fsid = {fsid}
mon_initial_members = a
mon_host = [v2:127.0.0.1:3300,v1:127.0.0.1:6789]
public_network = 127.0.0.0/8
osd_pool_default_size = 3
osd_pool_default_min_size = 1
osd_crush_chooseleaf_type = 0
osd_memory_target_autotune = false
bluestore_cache_autotune = false
bluestore_cache_size = 33554432
mon_osd_down_out_interval = 0
mon_data_avail_warn = 1
mon_data_avail_crit = 1
osd_journal_size = 128
"""
_MAKE_MONITOR = """\
mkdir -p /var/lib/ceph/bootstrap-osd /var/lib/ceph/mon/ceph-a /var/lib/ceph/osd
ceph-authtool -C /run/mon.keyring --gen-key -n mon. --cap mon 'allow *'
ceph-authtool -C /etc/ceph/ceph.client.admin.keyring --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
ceph-authtool -C /var/lib/ceph/bootstrap-osd/ceph.keyring --gen-key -n client.bootstrap-osd --cap mon 'profile bootstrap-osd'
ceph-authtool /run/mon.keyring --import-keyring /etc/ceph/ceph.client.admin.keyring
ceph-authtool /run/mon.keyring --import-keyring /var/lib/ceph/bootstrap-osd/ceph.keyring
monmaptool --create --addv a '[v2:127.0.0.1:3300,v1:127.0.0.1:6789]' --fsid "$FSID" /run/monmap
chown ceph:ceph /run/mon.keyring /run/monmap
chown -R ceph:ceph /var/lib/ceph
ceph-mon --mkfs -i a --monmap /run/monmap --keyring /run/mon.keyring --setuser ceph --setgroup ceph
"""
# What udev knows of a partition; ceph-volume takes one of ceph-disk's for somebody else's without.
_UDEV_DATA = """\
I:1
E:ID_PART_ENTRY_SCHEME=gpt
E:ID_PART_ENTRY_NAME=ceph\\x20data
E:ID_PART_ENTRY_UUID={uuid}
E:ID_PART_ENTRY_TYPE={type}
E:ID_PART_ENTRY_NUMBER=3
E:ID_FS_TYPE=xfs
E:ID_FS_USAGE=filesystem
"""
_IN_MEMORY = """\
osd_objectstore = memstore
osd_pool_default_pg_autoscale_mode = off
mon_warn_on_osd_down_out_interval_zero = false
"""
_REGISTER_OSD = """\
secret=$(ceph-authtool --gen-print-key)
test "$ID" = "$(echo "{\\"cephx_secret\\": \\"$secret\\"}" | ceph osd new "$UUID" -i -)"
ceph-authtool -C /var/lib/ceph/osd/ceph-$ID/keyring -n osd.$ID --add-key "$secret"
"""
_MAKE_OSD_IN_MEMORY = f"""\
mkdir /var/lib/ceph/osd/ceph-$ID
{_REGISTER_OSD}
chown -R ceph:ceph /var/lib/ceph/osd/ceph-$ID
ceph-osd -i $ID --mkfs --osd-uuid "$UUID" --setuser ceph --setgroup ceph
"""
_START_MANAGER = """\
mkdir -p /var/lib/ceph/mgr/ceph-x
ceph auth get-or-create mgr.x mon 'allow profile mgr' osd 'allow *' mds 'allow *' -o /var/lib/ceph/mgr/ceph-x/keyring
chown -R ceph:ceph /var/lib/ceph/mgr
ceph-mgr -i x --setuser ceph --setgroup ceph --pid-file /run/ceph/mgr.pid
"""
# What ceph-disk made: a filesystem with the OSD's files, and a journal on a partition of its own; the fsid is the PARTUUID.
_MAKE_FILESTORE = f"""\
mkfs.xfs -q -f -i size=2048 "$DATA"
mkdir -p /var/lib/ceph/osd/ceph-2
mount -o noatime "$DATA" /var/lib/ceph/osd/ceph-2
{_REGISTER_OSD}
ln -s "$JOURNAL" /var/lib/ceph/osd/ceph-2/journal
echo "$JOURNAL_UUID" > /var/lib/ceph/osd/ceph-2/journal_uuid
chown -R ceph:ceph /var/lib/ceph/osd/ceph-2 "$JOURNAL"
ceph-osd -i 2 --mkfs --osd-objectstore filestore --osd-uuid "$UUID" --setuser ceph --setgroup ceph
"""


class CephRoot:
    """A root in which Ceph runs, as root of its own namespaces sees it."""

    def __init__(self, root: Path, anchor: int) -> None:
        self.root = root
        spaces = {name: f"/proc/{anchor}/ns/{'mnt' if name == 'mount' else name}" for name in _NAMESPACES}
        spaces["pid"] = f"/proc/{anchor}/ns/pid_for_children"
        self._enter = ("nsenter", *(f"--{name}={space}" for name, space in spaces.items()), "--")

    def beside(self, *argv: object, fine: bool = True) -> Ran:
        """Run a program in the namespaces, but not in the root."""
        done = subprocess.run(
            [*self._enter, *map(str, argv)], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=600
        )
        assert done.returncode == 0 or not fine, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return Ran(done.returncode, done.stdout, done.stderr)

    def run(self, script: str, *, fine: bool = True, **variables: str) -> str:
        """Run a shell script in the root, and give what it prints."""
        return self.beside(*self._inside, *(f"{name}={value}" for name, value in variables.items()), "sh", "-euc", script, fine=fine).stdout

    @property
    def _inside(self) -> tuple[str, ...]:
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return ("chroot", str(self.root), "env", "-i", path, "LC_ALL=C.UTF-8", "HOME=/root", "CEPH_VOLUME_ALLOW_LOOP_DEVICES=1")

    def words(self, *argv: str) -> tuple[str, ...]:
        """What runs a program in the root, from outside."""
        return (*self._enter, *self._inside, *argv)

    def start_monitor(self) -> None:
        """Start the monitor, and wait until it answers."""
        self.run("ceph-mon -i a --setuser ceph --setgroup ceph --pid-file /run/ceph/mon.pid")
        self.wait("ceph -s")

    def start_osds(self, *numbers: int) -> None:
        """Start these OSDs, or every one, and wait until the cluster has all."""
        for number in numbers or OSDS:
            self.run(f"ceph-osd -i {number} --setuser ceph --setgroup ceph --pid-file /run/ceph/osd{number}.pid")
        self.wait(f"ceph osd stat -f json | grep -q '\"num_up_osds\":{len(OSDS)}'")

    def stop(self, *names: str) -> None:
        """End daemons, and wait until they have. (Nobody reaps them here, and an OSD that ends leaves its pid file.)"""
        for name in names:
            pid = self.run(f"cat /run/ceph/{name}.pid").strip()
            self.run(f"kill {pid}")
            self.wait(f"test ! -e /proc/{pid}/exe")

    def wait(self, condition: str) -> None:
        """Wait until a shell command succeeds."""
        end = time.monotonic() + _PATIENCE_S
        while self.beside(*self._inside, "timeout", "20", "sh", "-c", f"{{ {condition}; }} 2>/dev/null >&2", fine=False).status:
            assert time.monotonic() < end, self.run(f"{condition}; ceph -s; tail -n 20 /var/log/ceph/*", fine=False)
            time.sleep(0.3)

    def osds(self) -> dict[int, tuple[str, bool]]:
        """Fsid of every OSD by its id, and whether it is up, as the cluster says."""
        return {osd["osd"]: (osd["uuid"], bool(osd["up"])) for osd in json.loads(self.run("ceph osd dump -f json"))["osds"]}

    def write(self, name: str) -> None:
        """Put an object of random bytes into the cluster, and remember it."""
        self.run(f"head -c {2 * MIB} /dev/urandom > /run/objects/{name}; timeout 60 rados -p test put {name} /run/objects/{name}")

    def unreadable(self) -> list[str]:
        """The objects that do not read back as they were written."""
        names = os.listdir(f"/proc/{self._pid}/root{self.root}/run/objects")
        said = self.run(
            "for name in " + " ".join(names) + "; do timeout 60 rados -p test get $name - | cmp - /run/objects/$name || echo $name; done"
        )
        assert names
        return said.split()

    @property
    def _pid(self) -> str:
        return self._enter[1].split("/")[2]

    def view(self, path: str) -> Path:
        """A path of the root with all that is mounted there, as this process reaches it."""
        return Path(f"/proc/{self._pid}/root{self.root}/{path}")


class Node(CephRoot):
    """One whose OSDs are on a disk, and that reprov upgrades."""

    def __init__(self, root: Path, anchor: int, disk: Path, store: Path) -> None:
        super().__init__(root, anchor)
        self.disk = disk
        self.store = store

    def partition(self, number: int) -> str:
        """The device node of a partition."""
        return f"{self.disk}p{number}"

    def reprov(self, *words: object, under: tuple[str, ...] = ()) -> Ran:
        """Run reprov as the node does, whatever comes of it."""
        command = self.words("env", "PYTHONPATH=/run/checkout", "python3", "-B", "-m", "reprov", *map(str, words))
        done = subprocess.run([*under, *command], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=600)
        return Ran(done.returncode, done.stdout, done.stderr)

    def reprov_beside(self, *words: object) -> Ran:
        """Run reprov on the root as a node that is mounted elsewhere."""
        return self.beside("env", "-C", CHECKOUT, sys.executable, "-B", "-m", "reprov", *words, "--root", self.root)


class Osd(NamedTuple):
    """What `reprov activate --json` says of an OSD."""

    id: int | None
    fsid: str
    state: str
    method: str | None
    problem: str


def told(ran: Ran) -> list[Osd]:
    """The OSDs of an answer in JSON."""
    assert ran.stdout, ran.stderr
    found: list[dict[str, Any]] = json.loads(ran.stdout)["osds"]
    return [Osd(item["id"], item["fsid"], item["state"], item["method"], item["problem"]) for item in found]


@contextmanager
def storage_node(folder: Path, trees: RealTrees) -> Iterator[Node]:
    """The node with version 1.0 of its role installed, its cluster running, and four objects in it; 1.1 is in the store."""
    store, root, image = folder / "store", folder / "node", folder / "disk.img"
    for tree, version in ((trees.old, "1.0"), (trees.new, "1.1")):
        words = ("publish", "--tree", tree, "--role", "ceph-osd", "--version", version, "--lists", LISTS, "--store", store)
        subprocess.run([sys.executable, "-m", "reprov", *map(str, words)], check=True, capture_output=True, cwd=CHECKOUT)
    with image.open("wb") as out:
        out.truncate(7 << 30)
    subprocess.run(["sfdisk", "--quiet", str(image)], input=_PARTITIONS.encode(), check=True, capture_output=True)
    with ExitStack() as stack:
        filesystems = Filesystems(folder)
        stack.callback(filesystems.close)
        filesystems.make("ext4", root, size_mib=3072)
        (disk,) = stack.enter_context(attached(image))
        anchor = stack.enter_context(_namespaces())
        node = Node(root, anchor, disk, store)
        node.reprov_beside("upgrade", "ceph-osd", "1.0", "--from", store)
        _furnish(node)
        _show_disk(node)
        _make_cluster(node)
        yield node


@contextmanager
def cluster_in_memory(folder: Path, trees: RealTrees) -> Iterator[CephRoot]:
    """A cluster of a monitor, a manager and an OSD on each of `HOSTS`, of which two have to be up for every placement group."""
    with ExitStack() as stack:
        filesystems = Filesystems(folder)
        stack.callback(filesystems.close)
        root = CephRoot(filesystems.overlay(trees.new, folder / "root"), stack.enter_context(_namespaces()))
        _furnish(root)
        _make_monitor(
            root, _IN_MEMORY + "".join(f"[osd.{number}]\ncrush_location = root=default host={HOSTS[number]}\n" for number in OSDS)
        )
        root.run(_START_MANAGER)
        for number in OSDS:
            root.run(_MAKE_OSD_IN_MEMORY, ID=str(number), UUID=_uuid())
        root.start_osds()
        root.run("ceph osd pool create test 8 8 replicated; ceph osd pool set test min_size 2")
        yield root


@contextmanager
def _namespaces() -> Iterator[int]:
    """Namespaces with loopback alone; whatever runs in them ends with the block."""
    options = ("--mount", "--propagation", "private", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--net", "--uts", "--ipc")
    script = "ip link set lo up; hostname storage-1; echo ready; exec cat > /dev/null"
    anchor = subprocess.Popen(["unshare", *options, "sh", "-euc", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert anchor.stdin
    assert anchor.stdout
    try:
        assert anchor.stdout.readline() == b"ready\n"
        yield anchor.pid
    finally:
        anchor.stdin.close()
        anchor.wait()
        anchor.stdout.close()


def _furnish(root: CephRoot) -> None:
    """Mount what programs expect. In /dev there are no disks: other tests have theirs."""
    for kind, name in (("proc", "proc"), ("sysfs", "sys"), ("tmpfs", "dev"), ("tmpfs", "run")):
        root.beside("mount", "-t", kind, "none", root.root / name)
    script = [f"mknod -m 0666 /dev/{name} c {major} {minor}" for name, (major, minor) in _DEVICES.items()]
    script += ["ln -s /proc/self/fd /dev/fd; mkdir -p /dev/shm /run/ceph /run/objects /run/checkout; chown ceph:ceph /run/ceph"]
    root.run("\n".join(script))
    root.beside("mount", "--bind", CHECKOUT, root.root / "run/checkout")


def _show_disk(node: Node) -> None:
    """In /dev and /sys there is the node's own disk, and no other."""
    disks = {name: _numbers(Path("/dev") / name) for name in (node.disk.name, *(f"{node.disk.name}p{number}" for number in range(1, 5)))}
    script = [f"mknod -m 0660 /dev/{name} b {major} {minor}" for name, (major, minor) in disks.items()]
    for name, (major, minor) in disks.items():
        place = f"/sys/devices/virtual/block/{node.disk.name}" + (f"/{name}" if name != node.disk.name else "")
        links = [f"class/block/{name}", f"dev/block/{major}:{minor}", *([f"block/{name}"] if name == node.disk.name else [])]
        script += [f"ln -s {place} /sys/{link}" for link in links]
    for name in ("block", "class/block", "dev/block"):
        node.beside("mount", "-t", "tmpfs", "none", node.root / "sys" / name)
    node.run("\n".join(script))


def _numbers(device: Path) -> tuple[int, int]:
    number = device.stat().st_rdev
    return os.major(number), os.minor(number)


def _uuid() -> str:
    return Path("/proc/sys/kernel/random/uuid").read_text("ascii").strip()


def _make_monitor(root: CephRoot, more: str = "") -> None:
    fsid = _uuid()
    root.view("etc/ceph/ceph.conf").write_text(_CONF.format(fsid=fsid) + more)
    root.run(_MAKE_MONITOR, FSID=fsid)
    root.start_monitor()
    root.run("ceph config set mon auth_allow_insecure_global_id_reclaim false")


def _make_cluster(node: Node) -> None:
    _make_monitor(node)
    for number in BLUESTORE:
        node.run(f"ceph-volume raw prepare --bluestore --data {node.partition(number + 1)}")
        node.run(f"ceph-volume raw activate --device {node.partition(number + 1)} --no-systemd")
    uuids = {number: node.run(f"blkid -p -s PART_ENTRY_UUID -o value {node.partition(number)}").strip() for number in (3, 4)}
    major, minor = _numbers(Path(node.partition(3)))
    node.run("mkdir -p /run/udev/data")
    node.view(f"run/udev/data/b{major}:{minor}").write_text(_UDEV_DATA.format(uuid=uuids[3], type=guid_of("ceph-osd-data")))
    node.run(_MAKE_FILESTORE, DATA=node.partition(3), JOURNAL=node.partition(4), ID="2", UUID=uuids[3], JOURNAL_UUID=uuids[4])
    node.start_osds()
    node.run(f"ceph osd pool create test 8 8 replicated; ceph osd pool set test size {len(OSDS)}")
    for number in range(4):
        node.write(f"object-{number}")
