"""The demo: two versions of a role are built and served; a node with data is installed, upgraded and rolled back.

Ends with 0 only when everything was what it should be, found out by comparing bytes, not by believing reprov.
"""

import json
import os
import re
import shlex
import socket
import sys
import time
from contextlib import closing
from pathlib import Path

from demo import proof
from demo.place import DISK, NODE, STORE, workplace
from demo.proof import Disk, Paths
from demo.session import Failed, Session, remark, show
from reprov.cli.signals import Interrupted, interruptible

_HOST, _USUAL_PORT = "127.0.0.1", 8730
_SERVE_TIMEOUT_S = 15.0
_BROKEN_PIPE_STATUS = 141  # what a shell reports for a program that SIGPIPE ended
_NOTES = "home/ada/notes.txt"


def main() -> int:
    """Tell the story; returns the exit status."""
    try:
        with interruptible(), workplace() as folder:
            show("reprov at work: a node on a disk image goes from base 1.0 to base 1.1 and back.")
            show("Behind every $ is a command as you would type it, and below it what it says.")
            show(f"\n$ cd {folder}")
            with closing(Session()) as session:
                tell(session)
                summary = session.summary()
    except Failed as failure:
        print(f"\ndemo: failed: {failure}", file=sys.stderr)
        return 1
    except Interrupted as interruption:
        print(f"\ndemo: stopped by {interruption.signal.name}; nothing of it is left", file=sys.stderr)
        return 128 + interruption.signal
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the interpreter complains when it flushes at exit
        return _BROKEN_PIPE_STATUS
    show(f"\n{summary}\n\nNothing is left of it but the cache of Debian packages.")
    return 0


def tell(session: Session) -> None:
    """All phases in their order."""
    build(session)
    publish(session)
    source = serve(session)
    disk = make_disk(session)
    install(session, source)
    mine = personalise(session)
    plan(session, source)
    upgrade(session, source)
    look(session)
    prove(session, "1.1", mine, disk)
    mine = roll_back(session, mine)
    prove(session, "1.0", mine, disk)


def build(session: Session) -> None:
    """Two trees: as the last point release was, and with the updates since."""
    with session.phase("build 1.0", "On the install server: base as of Debian's last point release ...") as phase:
        said = session.run(
            f"reprov build base --version 1.0 --store {STORE} \\\n      --skip-repository security --skip-repository updates"
        )
        phase.did(_found(r": (.+ files) in", said))
    with session.phase("build 1.1", "... and the same with the updates since.") as phase:
        said = session.run(f"reprov build base --version 1.1 --from 1.0 --store {STORE}")
        phase.did(_found(r": (.+ files) in", said))


def publish(session: Session) -> None:
    """Two releases, sharing what is the same in both."""
    with session.phase("publish", "Sealed, with a manifest of every path. Equal files are stored once.") as phase:
        first = session.run(f"reprov publish base 1.0 --store {STORE}")
        second = session.run(f"reprov publish base 1.1 --store {STORE}")
        session.run(f"reprov releases --store {STORE}")
        remark("Without `tail`: every package with its old and its new version.")
        session.run(f"reprov diff base 1.0 1.1 --store {STORE} | tail -n 4")
        sizes = [_found(r"of which (.+) are new", said) for said in (first, second)]
        phase.did(f"1.0 costs {sizes[0]} of disk space, 1.1 another {sizes[1]}")


def serve(session: Session) -> str:
    """A read-only rsync daemon; returns its address."""
    with session.phase("serve", "Read-only, jailed into the store, here on this machine alone.") as phase:
        port = _free_port()
        log = Path("serve.log")
        session.start(f"reprov serve --store {STORE} --port {port}", log)
        _wait_for(port, session, log)
        phase.did(f"rsync on {_HOST}, port {port}")
    return f"rsync://{_HOST}:{port}"


def make_disk(session: Session) -> Disk:
    """A disk as a storage node has it: a root, and a partition that belongs to Ceph."""
    with session.phase("disk", "The node's disk: a root, and a partition that is Ceph's.") as phase:
        session.run(f"truncate --size 6G {DISK}")
        session.run(
            f"sfdisk --quiet --label gpt {DISK} <<'END'\nsize=5G, name=root\nsize=128M, name=ceph-block, type={proof.OSD_TYPE}\nEND"
        )
        # Not by partitions of one loop device: not every kernel reads their table.
        root, osd = (
            session.run(f"losetup --find --show --offset {part.offset_bytes} \\\n      --sizelimit {part.size_bytes} {DISK}").strip()
            for part in proof.partitions(DISK)
        )
        session.run(f"mkfs.ext4 -q -L root {root}")
        session.run(f"mkdir {NODE} && mount {root} {NODE}")
        remark("What is in an OSD, only Ceph can know. Here it is noise.")
        session.run(f"dd if=/dev/urandom of={osd} bs=1M count=128 conv=fsync status=none")
        _show_osd(session)
        phase.did("GPT, ext4 root of 5 GiB, Ceph OSD of 128 MiB")
    return proof.look_at_disk(DISK)


def install(session: Session, source: str) -> None:
    """An empty root is the simplest node."""
    with session.phase("install 1.0", "An empty root is a node, too: its first upgrade installs everything.") as phase:
        said = session.run(f"reprov upgrade base 1.0 --from {source} --root {NODE}")
        phase.did(_found(r"is installed: (.+)", said))
        proof.require_same_paths({}, _differences("1.0"))
        show("ok: the node is the sealed tree of 1.0, path by path")


def personalise(session: Session) -> Paths:
    """Identity, a user, data. Returns everything at which the node is no longer the sealed tree."""
    with session.phase("data", "Now the node becomes somebody, and people work on it.") as phase:
        for line in (
            f"echo osd-7.example.net > {NODE}/etc/hostname",
            f"tr -d - < /proc/sys/kernel/random/uuid > {NODE}/etc/machine-id",
            f"ssh-keygen -q -t ed25519 -N '' -f {NODE}/etc/ssh/ssh_host_ed25519_key",
            f"chroot {NODE} useradd --create-home --uid 2000 ada",
            f"echo 'Buy more disks.' > {NODE}/{_NOTES}",
            f"chown 2000:2000 {NODE}/{_NOTES} && chmod 600 {NODE}/{_NOTES}",
            f"setfattr --name user.mood --value good {NODE}/{_NOTES}",
            f"mkdir --parents {NODE}/var/lib/ceph/osd/ceph-7",
            f"cat /proc/sys/kernel/random/uuid > {NODE}/var/lib/ceph/osd/ceph-7/fsid",
            f"ln --symbolic /dev/disk/by-partuuid/{_osd_uuid()} \\\n      {NODE}/var/lib/ceph/osd/ceph-7/block",
        ):
            session.run(line)
        mine = _differences("1.0")
        unseen = {_NOTES, "etc/hostname", "etc/machine-id", "etc/ssh/ssh_host_ed25519_key", "var/lib/ceph/osd/ceph-7/fsid"} - mine.keys()
        if unseen:
            raise Failed(f"{', '.join(sorted(unseen))} was written, but compares as the sealed tree's")
        phase.did(f"identity, a user, an OSD's directory: {len(mine)} paths")
        remark(f"{len(mine)} paths of the node now differ from the sealed tree: remembered for later.")
    return mine


def plan(session: Session, source: str) -> None:
    """What would happen, before it does."""
    with session.phase("plan 1.1", "What would an upgrade do? Asking changes nothing.") as phase:
        _show_packages(session)
        said = session.run(f"reprov plan base 1.1 --from {source} --root {NODE}", fine=(3,))
        phase.did(_found(r"paths +(.+)", said))


def upgrade(session: Session, source: str) -> None:
    """The next tree is staged beside the live one, checked, and exchanged with it."""
    with session.phase(
        "upgrade 1.1", "Staged beside the live tree, checked, exchanged; without scripts, so that every byte can be compared."
    ) as phase:
        said = session.run(f"reprov upgrade base 1.1 --no-post --from {source} --root {NODE}")
        _show_packages(session)
        phase.did(_found(r"is installed: (.+)", said))


def look(session: Session) -> None:
    """What the node says of itself."""
    with session.phase("verify") as phase:
        session.run(f"reprov status --root {NODE}")
        said = session.run(f"reprov verify --root {NODE}")
        remark("Why is the node's name still there?")
        session.run(f"reprov explain /etc/hostname --root {NODE}")
        session.run(f"cat {NODE}/etc/hostname {NODE}/{_NOTES}")
        if not _is_nodes_own(session, "etc/hostname"):
            raise Failed("/etc/hostname should be the node's, and reprov says that it is the image's")
        phase.did(said.strip())


def prove(session: Session, version: str, mine: Paths, disk: Disk) -> None:
    """Compare everything that must not have changed, and everything that must have."""
    with session.phase(f"proof {version}", "Bytes compared with bytes, without reprov:") as phase:
        found = _differences(version)
        # Updates of Debian may bring, one day, another default of what is the node's once it is there.
        for path in sorted(found.keys() - mine.keys()):
            if _is_nodes_own(session, path):
                show(f"note: /{path} is the node's by the lists: it stays, whichever release comes")
                del found[path]
        proof.require_same_paths(mine, found)
        show(f"ok: identity and data, {len(mine)} paths: content, owner, mode, time, attributes")
        show(f"ok: every other path is that of the sealed tree of {version}")
        _show_osd(session)
        now = proof.look_at_disk(DISK)
        proof.require_same("the OSD's partition, every byte", disk.osd, now.osd)
        proof.require_same("the partition table, every byte", disk.table, now.table)
        phase.did("as they should be: system, data, OSD, partition table")


def roll_back(session: Session, mine: Paths) -> Paths:
    """The previous tree comes back. Returns what is the node's then: also what was written meanwhile."""
    with session.phase("roll back", "What people write meanwhile stays theirs.") as phase:
        session.run(f"echo 'They have come.' >> {NODE}/{_NOTES}")
        written = proof.look(NODE / _NOTES)
        said = session.run(f"reprov rollback --root {NODE}")
        session.run(f"reprov status --root {NODE}")
        session.run(f"reprov verify --root {NODE}")
        session.run(f"cat {NODE}/{_NOTES}")
        session.run(f"reprov history --root {NODE}")
        phase.did(_found(r"(.+);", said))
    return {**mine, _NOTES: written}


def _differences(version: str) -> Paths:
    return proof.differences(STORE / "trees/base" / version, NODE)


def _is_nodes_own(session: Session, path: str) -> bool:
    said = session.quietly(f"reprov explain {shlex.quote(f'/{path}')} --root {NODE} --json")
    return bool(json.loads(said)["class"] != "image")


def _osd_uuid() -> str:
    return next(part.uuid for part in proof.partitions(DISK) if part.type == proof.OSD_TYPE).lower()


def _show_osd(session: Session) -> None:
    number, osd = next((at, part) for at, part in enumerate(proof.partitions(DISK), 1) if part.type == proof.OSD_TYPE)
    attached = session.quietly(f"losetup --noheadings --raw --output OFFSET,NAME --associated {DISK}")
    session.run(f"sha256sum {_found(rf'^{osd.offset_bytes} (.+)$', attached)}")
    session.run(f"sgdisk --info={number} {DISK} | head -n 4")


def _show_packages(session: Session) -> None:
    session.run(f"chroot {NODE} dpkg-query --show linux-image-cloud-amd64 openssl rsync")


def _found(pattern: str, said: str) -> str:
    """What a command said at the pattern's group."""
    found = re.search(pattern, said, re.MULTILINE)
    if found is None:
        raise Failed(f"it did not say {pattern!r}")
    return found[1]


def _free_port() -> int:
    """The usual port, or one that nobody has."""
    for port in (_USUAL_PORT, 0):
        with socket.socket() as listener:
            try:
                listener.bind((_HOST, port))
            except OSError:
                continue
            return int(listener.getsockname()[1])
    raise Failed(f"no port is free on {_HOST}")


def _wait_for(port: int, session: Session, log: Path) -> None:
    deadline = time.monotonic() + _SERVE_TIMEOUT_S
    while not session.has_died() and time.monotonic() < deadline:
        try:
            socket.create_connection((_HOST, port), 1.0).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise Failed(f"the server did not start: {log.read_text(errors='replace').strip()}")


if __name__ == "__main__":
    sys.exit(main())
