"""RPM packages made in the test: rpmbuild writes them, createrepo_c makes them a repository, their programs are this machine's."""

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

DATABASE = "/usr/lib/sysimage/rpm"
CALLS = "var/log/calls.log"
"""Where the scripts of `log_body` and `log_lua` write."""

Content = str | bytes | Path


class Section(NamedTuple):
    """A scriptlet as a spec file says it: `%post -p <lua>`, and after its name what follows `--`."""

    kind: str
    body: str
    options: str = ""
    targets: str = ""


class Rpm(NamedTuple):
    """A package that is to be made."""

    name: str
    version: str = "1.0"
    files: Mapping[str, Content] = MappingProxyType({})
    """Absolute path to content; a Path is copied with its mode, a string that begins with "->" is a link, "/" a directory."""
    sections: tuple[Section, ...] = ()
    requires: tuple[str, ...] = ()
    epoch: int = 0
    attributes: Mapping[str, str] = MappingProxyType({})
    """What stands before a path in %files: `%ghost`, `%config(noreplace)`, `%attr(0600,root,mail)`."""
    tags: tuple[str, ...] = ()
    """Further lines of the preamble."""


_HEAD = """\
%global _binary_payload w1.gzdio
%global __os_install_post %{nil}
%global __spec_install_post %{nil}
%global debug_package %{nil}
%global _build_id_links none
%global _unpackaged_files_terminate_build 0
%global source_date_epoch_from_changelog 0
%global use_source_date_epoch_as_buildtime 1
%global clamp_mtime_to_source_date_epoch 1
"""


def build_packages(folder: Path, packages: Sequence[Rpm]) -> list[Path]:
    """Make the packages with one rpmbuild; returns the files, sorted by name."""
    folder.mkdir(parents=True)
    payload = folder / "payload"
    spec = [_HEAD]
    for number, package in enumerate(packages):
        spec += _preamble(package, is_first=number == 0)
        spec += [f"%description {_of(package, number)}\n{package.name}\n"]
        for section in package.sections:
            targets = f" -- {section.targets}" if section.targets else ""
            spec += [f"%{section.kind} {_of(package, number)} {section.options}{targets}\n{section.body}\n"]
        spec += [f"%files {_of(package, number)}"]
        spec += [f'{package.attributes.get(path, "")} {"%dir " if found == "/" else ""}"{path}"' for path, found in package.files.items()]
        _lay(payload, package.files)
    spec += ["%install", f"mkdir -p %{{buildroot}} && cp -a {payload}/. %{{buildroot}}"]
    payload.mkdir(exist_ok=True)
    (folder / "lab.spec").write_text("\n".join(spec) + "\n")
    done = subprocess.run(
        ["rpmbuild", "-bb", "--define", f"_topdir {folder}", folder / "lab.spec"],
        env={"PATH": os.environ["PATH"], "HOME": os.fspath(folder), "LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": "1700000000"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return sorted((folder / "RPMS").rglob("*.rpm"))


def make_repository(folder: Path, packages: Iterable[Path]) -> Path:
    """Make a folder with these packages a repository."""
    folder.mkdir(parents=True, exist_ok=True)
    for package in packages:
        if not (folder / package.name).exists():
            os.link(package, folder / package.name)
    subprocess.run(["createrepo_c", "--quiet", "--update", folder], check=True, capture_output=True)
    return folder


def programs(*names: str) -> dict[str, Content]:
    """Programs of this machine with the libraries that they need, by their paths in a merged /usr."""
    found: dict[str, Content] = {}
    for name in names:
        path = Path(subprocess.run(["which", name], check=True, capture_output=True, text=True).stdout.strip())
        found[_merged(path)] = path.resolve()
        said = subprocess.run(["ldd", path], check=False, capture_output=True, text=True).stdout
        for word in said.split():
            if word.startswith("/"):
                found[_merged(Path(word))] = Path(word).resolve()
    return found


def log_body(owner: str, kind: str) -> str:
    """A shell script that writes who it is, its arguments and what it reads to `CALLS`."""
    return f'{{ echo "{owner} {kind} $*"; while read -r line; do echo "  $line"; done; }} >>/{CALLS}'


def log_lua(owner: str, kind: str) -> str:
    """The same in Lua."""
    return f"""\
local log = io.open("/{CALLS}", "a")
log:write("{owner} {kind}")
for i = 2, #arg do log:write(" " .. arg[i]) end
log:write("\\n")
local path = rpm.next_file and rpm.next_file()
while path do log:write("  " .. path .. "\\n") path = rpm.next_file() end
log:close()"""


def _of(package: Rpm, number: int) -> str:
    return f"-n {package.name}" if number else ""


def _preamble(package: Rpm, *, is_first: bool) -> list[str]:
    lines = [f"Name: {package.name}" if is_first else f"%package -n {package.name}"]
    lines += [f"Version: {package.version}", f"Epoch: {package.epoch}", "Summary: made in a test", "AutoReqProv: no"]
    lines += ["Release: 1", "License: none"] if is_first else []
    lines += [f"Requires: {name}" for name in package.requires]
    return [*lines, *package.tags]


def _lay(payload: Path, files: Mapping[str, Content]) -> None:
    for path, content in files.items():
        place = payload / path.lstrip("/")
        if content == "/":
            place.mkdir(parents=True, exist_ok=True)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_symlink() or place.exists():
            continue
        if isinstance(content, Path):
            place.write_bytes(content.read_bytes())
            place.chmod(content.stat().st_mode & 0o7777)
        elif isinstance(content, str) and content.startswith("->"):
            place.symlink_to(content[2:])
        else:
            place.write_bytes(content if isinstance(content, bytes) else content.encode())


def _merged(path: Path) -> str:
    parts = path.parts
    return os.fspath(path) if parts[1] == "usr" else f"/usr{path}"
