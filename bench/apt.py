"""A node that apt brings to the next release, offline: what a hop by reprov is held against.

apt gets the packages that differ between the two trees, from the .debs that building the newer one has left in the cache; so it ends with
the same versions as the tree, whatever the mirrors offer by now.
"""

import hashlib
import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from reprov.adapters.debs import cache_folder
from reprov.adapters.sandbox import Sandbox, sandbox
from reprov.domain.dpkg import StatusEntry, parse_status
from tests.system.snapshot import Seen, Snapshot, difference, snapshot

_LAB = "run/apt-lab"
_POLICY = "usr/sbin/policy-rc.d"
_CONF = f"""\
Dir::Etc::SourceList "/{_LAB}/sources.list";
Dir::Etc::SourceParts "/{_LAB}/none";
APT::Get::Assume-Yes "true";
APT::Get::AllowUnauthenticated "true";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Dpkg::Use-Pty "0";
DPkg::Options {{ "--force-unsafe-io"; "--force-confdef"; "--force-confold"; }};
"""
_ENVIRONMENT = {"APT_CONFIG": f"/{_LAB}/apt.conf", "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root"}


class Reason(NamedTuple):
    """Why a path may differ."""

    paths: str
    """A regular expression for all of a path."""
    why: str


NOT_COMPARED = (
    Reason(r"\.reprov(/.*)?|lost\+found", "reprov's own, and the filesystem's"),
    Reason(r"usr/lib/reprov(/.*)?", "the client, which comes with a build and is no package"),
    Reason(r"var/log/.*", "logs"),
    Reason(r"var/cache/.*", "caches"),
    Reason(r".*/__pycache__/.*", "caches: those of a build are valid by content, those that apt makes by time"),
    Reason(r"(tmp|var/tmp|run)/.*", "temporary"),
)
DIFFERENT = (
    Reason(r"var/lib/apt/(extended_states|lists.*)", "apt's own notes: the release has those of its build"),
    Reason(r"var/lib/dpkg/(.*-old|lock|lock-frontend|triggers/Lock)", "dpkg's backups and locks, which a build takes away"),
    Reason(r"boot/initrd\.img-.*", "made on the node, and no two runs of cpio give the same times"),
    Reason(r"etc/ca-certificates\.conf\.dpkg-old", "a backup that its script makes of the file that it writes anew"),
)


class Packages(NamedTuple):
    """What differs between the packages of two trees."""

    changed: Mapping[str, StatusEntry]
    """Added ones, too, as they are in the newer tree, by name and architecture."""
    removed: tuple[str, ...]


def packages_between(old_tree: Path, new_tree: Path) -> Packages:
    """What apt has to do."""
    old, new = _installed(old_tree), _installed(new_tree)
    changed = {key: entry for key, entry in new.items() if key not in old or old[key].version != entry.version}
    return Packages(changed, tuple(sorted(old.keys() - new.keys())))


def upgrade_by_apt(root: Path, wanted: Packages) -> float:
    """Bring a root that has the older release to the packages of the newer one, no service being there.

    Returns how long it took to unpack and configure them, in seconds. Raises `RuntimeError` when apt did something else.
    """
    with sandbox() as box:
        box.mount_system(root)
        view = box.view(root)
        for folder in ("var/lib/apt/lists", "var/cache/apt"):
            (view / folder).mkdir(parents=True, exist_ok=True)
            box.mount("tmpfs", root / folder, "mode=0755", "tmpfs")
        (view / "var/cache/apt/archives/partial").mkdir(parents=True)
        _make_repository(view / _LAB, wanted)
        policy = view / _POLICY
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        try:
            _apt(box, root, "update")
            names = [f"{key}={entry.version}" for key, entry in sorted(wanted.changed.items())]
            started_at = time.monotonic()
            _apt(box, root, "install", "--purge", "--allow-change-held-packages", *names, *(f"{key}-" for key in wanted.removed))
            elapsed_s = time.monotonic() - started_at
        finally:
            policy.unlink()
    done = _installed(root)
    missing = [key for key, entry in wanted.changed.items() if key not in done or done[key].version != entry.version]
    if missing:
        raise RuntimeError(f"apt did not install {', '.join(missing)}")
    return elapsed_s


def unexplained(by_reprov: Path, by_apt: Path) -> list[str]:
    """What differs between two roots and has no reason, a line each."""
    found = difference(_compared(snapshot(by_apt)), _compared(snapshot(by_reprov)))
    return [line for line in found if not any(re.match(rf"'(?:{reason.paths})'", line) for reason in DIFFERENT)]


def _compared(found: Snapshot) -> Snapshot:
    """Without what is not compared, and without times: a script that ran leaves its own."""
    left = re.compile("|".join(f"(?:{reason.paths})" for reason in NOT_COMPARED))
    return {path: _timeless(seen) for path, seen in found.items() if not left.fullmatch(path)}


def _timeless(seen: Seen) -> Seen:
    """What is compared of a path. The size of a directory is the filesystem's affair."""
    return seen._replace(mtime_ns=0, size=0 if seen.kind == "directory" else seen.size)


def _installed(tree: Path) -> dict[str, StatusEntry]:
    status = tree / "var/lib/dpkg/status"
    return {f"{entry.name}:{entry.arch}": entry for entry in parse_status(status.read_text(), str(status))}


def _apt(box: Sandbox, root: Path, *words: str) -> None:
    box.run(("sh", "-c", 'exec "$@" >&2', "sh", "chroot", str(root), "apt-get", *words), extra_environment=_ENVIRONMENT)


def _make_repository(folder: Path, wanted: Packages) -> None:
    """A flat repository of the packages that apt needs; those that are there in their version already are none of its business."""
    folder.mkdir()
    (folder / "none").mkdir()
    paragraphs = []
    for entry in wanted.changed.values():
        name = f"{entry.name}_{entry.version.replace(':', '%3a')}_{entry.arch}.deb"
        deb = shutil.copy(cache_folder() / name, folder / name.replace("%3a", "-"))
        control = subprocess.run(["dpkg-deb", "--field", str(deb)], check=True, capture_output=True, text=True).stdout
        content = Path(deb).read_bytes()
        paragraphs.append(
            f"{control.rstrip()}\nFilename: ./{Path(deb).name}\nSize: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n"
        )
    (folder / "Packages").write_text("\n".join(paragraphs))
    (folder / "sources.list").write_text(f"deb [trusted=yes] file:/{_LAB} ./\n")
    (folder / "apt.conf").write_text(_CONF)
