"""Asking a node's package database for its files: dpkg's is read, rpm's is asked of rpm."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from reprov.adapters.live_entries import LiveEntries
from reprov.adapters.package_database import read_text
from reprov.adapters.run import CommandFailed, run
from reprov.domain.dpkg import owned_paths, parse_diversions, parse_status
from reprov.domain.installed_files import RPM_QUERY, InstalledFiles, Recorded, parse_conffiles, parse_md5sums, parse_rpm_query, parse_ucf
from reprov.domain.package_databases import RPM_DATABASE_NAME, RPM_FOLDERS
from reprov.events import Monitor, Note, Progress

_DPKG = "var/lib/dpkg"
_UCF = "var/lib/ucf"
_RPM_DATABASES = tuple(f"{folder}/{name}" for folder in RPM_FOLDERS for name in (RPM_DATABASE_NAME, "Packages", "Packages.db"))
"""Older ones, too: a node that is adopted may be of any age."""


def read_installed_files(root: Path, root_fd: int, *, digests: bool, monitor: Monitor, progress: Progress) -> InstalledFiles:
    """What the package database of a node says; with `digests` of every file, else of configuration files only.

    A node whose database cannot be read has no packages, which is noted.
    """
    entries = LiveEntries(root_fd)
    if f"{_DPKG}/status" in entries:
        return _read_dpkg(root, root_fd, entries, digests, progress)
    if any(name in entries for name in _RPM_DATABASES):
        return _ask_rpm(root, entries, digests, monitor)
    monitor.emit(Note(f"{root}: neither dpkg nor rpm has a database here, so every path counts as owned by no package"))
    return InstalledFiles.none()


def _read_dpkg(root: Path, root_fd: int, entries: LiveEntries, digests: bool, progress: Progress) -> InstalledFiles:
    status = read_text(f"{_DPKG}/status", dir_fd=root_fd)
    diverted = read_text(f"{_DPKG}/diversions", dir_fd=root_fd) if f"{_DPKG}/diversions" in entries else ""
    diversions = parse_diversions(diverted, f"{root}/{_DPKG}/diversions")
    packages = parse_status(status, f"{root}/{_DPKG}/status")
    owners: dict[str, str] = {}
    files: list[Recorded] = []
    for package in packages:
        base = next((name for name in package.info_names if f"{_DPKG}/info/{name}.list" in entries), None)
        if base is not None:
            listed = read_text(f"{_DPKG}/info/{base}.list", dir_fd=root_fd).splitlines()
            for path in owned_paths(package.name, listed, diversions, entries):
                owners.setdefault(path, package.name)
            if digests and f"{_DPKG}/info/{base}.md5sums" in entries:
                sums = parse_md5sums(read_text(f"{_DPKG}/info/{base}.md5sums", dir_fd=root_fd), package.name)
                files += _located(sums, diversions, entries)
        progress.advance(files=1)
    conffiles = parse_conffiles(status)
    current = _located([conffile.recorded for conffile in conffiles if conffile.current], diversions, entries)
    if f"{_UCF}/hashfile" in entries and f"{_UCF}/registry" in entries:
        by_ucf = parse_ucf(read_text(f"{_UCF}/hashfile", dir_fd=root_fd), read_text(f"{_UCF}/registry", dir_fd=root_fd))
        current += _located(by_ucf, diversions, entries)
        for recorded in by_ucf:
            owners.setdefault(recorded.path, recorded.package)  # in no package's list
    left = _located([conffile.recorded for conffile in conffiles if not conffile.current], diversions, entries)
    return InstalledFiles(
        family="debian",
        packages=len(packages),
        owners=owners,
        conffiles=current,
        files=tuple(files),
        left_behind={recorded.path: recorded.package for recorded in left},
    )


def _located(recorded: Iterable[Recorded], diversions: Mapping[str, tuple[str, str]], entries: LiveEntries) -> tuple[Recorded, ...]:
    """The same with real paths; one that is not there keeps the name that its package gives it."""
    found = []
    for item in recorded:
        real = owned_paths(item.package, [f"/{item.path}"], diversions, entries)
        found.append(item._replace(path=real[0]) if real else item)
    return tuple(found)


def _ask_rpm(root: Path, entries: LiveEntries, digests: bool, monitor: Monitor) -> InstalledFiles:
    folder = next(name for name in _RPM_DATABASES if name in entries).rpartition("/")[0]
    # Named, because a program of another distribution expects the database elsewhere.
    where = ("--dbpath", f"/{folder}") if root == Path("/") else ("--root", os.fspath(root), "--dbpath", f"/{folder}")
    try:
        said = run(("rpm", *where, "-qa", "--queryformat", RPM_QUERY)).stdout
    except CommandFailed as error:
        monitor.emit(Note(f"{root}: its rpm database could not be asked ({error.message}), so every path counts as owned by no package"))
        return InstalledFiles.none()
    files = parse_rpm_query(said.decode("utf-8", "surrogateescape"))
    names: dict[str, list[str]] = {}
    for file in files:
        names.setdefault(file.recorded.package, []).append(f"/{file.recorded.path}")
    owners: dict[str, str] = {}
    for package, listed in names.items():
        for path in owned_paths(package, listed, {}, entries):
            owners.setdefault(path, package)
    plain = [file.recorded for file in files if file.recorded.digest and not file.is_conffile] if digests else []
    conffiles = [file.recorded for file in files if file.recorded.digest and file.is_conffile]
    return InstalledFiles("rpm", len(names), owners, _located(conffiles, {}, entries), _located(plain, {}, entries), {})
