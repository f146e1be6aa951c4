"""import-edeploy on a server's directory of a few files: what it writes, says and refuses."""

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Reprov = Callable[..., Any]
HOP = "metadata/D7-1/mysql/D7-2"


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """An eDeploy server with one hop."""
    top = tmp_path / "edeploy"
    write(top, f"{HOP}/exclude", "/var/log/\n")
    write(top, f"{HOP}/add_only", "+ /var/\n+ /var/**\n- *\n")
    write(top, f"{HOP}/post", "#!/bin/sh\nexit 100\n").chmod(0o755)
    return top


def write(top: Path, name: str, text: str) -> Path:
    path = top / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def a_socket(path: Path) -> Path:
    """What nobody can open."""
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))
    return path


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_every_hop_is_imported_and_the_differences_are_said(server: Path, tmp_path: Path, reprov: Reprov) -> None:
    write(server, "conf", "VERS=D7-1\nROLE=mysql\n")
    write(server, "install/D7-2/ids.tables", "uids = {'mysql': (112, 120)}\ngids = {'mysql': (120, '')}\n")
    write(server, "install/D7-2/mysql/var/lib/edeploy/D7-2/pre", "#!/bin/sh\ngroupadd nova\n").chmod(0o755)
    write(server, f"{HOP}/README", "")
    (server / "metadata/.git").mkdir()
    ran = reprov("import-edeploy", server, "--output", tmp_path / "site")
    assert (ran.status, ran.stderr) == (0, "")
    assert files_in(tmp_path / "site") == [
        "edeploy.json",
        "excludes/edeploy-mysql.add-only",
        "excludes/edeploy-mysql.exclude",
        "ids/debian.yaml",
        "post-scripts/mysql/D7-1/D7-2/post",
        "post-scripts/mysql/D7-1/D7-2/pre",
        "roles/mysql/role.yaml",
    ]
    lines = ran.stdout.splitlines()
    assert lines[0] == f"imported mysql D7-1 to D7-2 into {tmp_path / 'site'}"
    assert any(line.startswith(f"- {HOP}/exclude:1 (/var/log/): where this keeps a directory") for line in lines)
    assert any(line.endswith("install/D7-2/mysql/var/lib/edeploy/D7-2/pre") for line in lines)
    assert lines[-5:] == [
        "Lines of the scripts to look at before they are published:",
        "- install/D7-2/mysql/var/lib/edeploy/D7-2/pre:2: groupadd nova: unless a list keeps /etc/passwd, the new tree's accounts are "
        "there by then, and it may fail: ask first (getent), or take it out",
        "Left out:",
        "- metadata/.git: eDeploy knows no such file",
        f"- {HOP}/README: eDeploy gives it no meaning; a script of the hop that uses it is named above",
    ]


def test_of_two_posts_that_of_the_hop_counts_as_with_edeploy(server: Path, tmp_path: Path, reprov: Reprov) -> None:
    of_role = "install/D7-2/mysql/var/lib/edeploy/D7-2/post"
    write(server, of_role, "#!/bin/sh\necho of the role\n").chmod(0o755)
    ran = reprov("import-edeploy", server, "--output", tmp_path / "site")
    assert (ran.status, ran.stderr) == (0, "")
    assert (tmp_path / "site/post-scripts/mysql/D7-1/D7-2/post").read_text() == "#!/bin/sh\nexit 100\n"
    assert ran.stdout.endswith(f"Left out:\n- {of_role}: eDeploy replaces it by {HOP}/post\n")


def test_json(server: Path, tmp_path: Path, reprov: Reprov) -> None:
    write(server, f"{HOP}/post", "#!/bin/sh\necho $VERS; exit 100\n")
    answer = json.loads(reprov("import-edeploy", server, "--output", tmp_path / "site", "--json").stdout)
    assert answer["hops"] == [{"role": "mysql", "from": "D7-1", "to": "D7-2"}]
    assert [file["name"] for file in answer["files"]] == [
        "excludes/edeploy-mysql.exclude",
        "excludes/edeploy-mysql.add-only",
        "roles/mysql/role.yaml",
        "post-scripts/mysql/D7-1/D7-2/post",
        "edeploy.json",
    ]
    assert len(answer["differences"]) == 5
    not_set = "VERS is not set: eDeploy did not export it, and reprov does not know it"
    assert answer["to_look_at"] == [f"{HOP}/post:2: echo $VERS; exit 100: {not_set}"]
    assert answer["left_out"] == []


def test_one_hop_of_several(server: Path, tmp_path: Path, reprov: Reprov) -> None:
    write(server, "metadata/D7-2/mysql/D7-3/exclude", "/other\n")
    (server / "metadata/D7-0").symlink_to("D7-1")
    ran = reprov("import-edeploy", server, "--from", "D7-1", "--role", "mysql", "--to", "D7-2", "--output", tmp_path / "site")
    assert (ran.status, ran.stderr) == (0, "")


def test_an_import_overwrites_nothing(server: Path, tmp_path: Path, reprov: Reprov) -> None:
    (tmp_path / "site").mkdir()
    ran = reprov("import-edeploy", server, "--output", tmp_path / "site")
    assert (ran.status, ran.stdout) == (4, "")
    assert ran.stderr.startswith(f"reprov: {tmp_path / 'site'} is there already, and an import overwrites nothing\n")
    assert files_in(tmp_path / "site") == []


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "a list that is missing": (
        lambda top: (top / HOP / "add_only").unlink(),
        f"{HOP}/add_only: missing, so eDeploy refuses the upgrade, and so does reprov",
    ),
    "a rule that is none": (lambda top: write(top, f"{HOP}/exclude", "/a\n+ \n"), f"{HOP}/exclude:2: a rule without a pattern"),
    "a list that is a link": (
        lambda top: (top / HOP / "exclude").rename(top / "real").parent.joinpath(HOP, "exclude").symlink_to("/etc/passwd"),
        f"{HOP}/exclude: a symbolic link, and an import follows none",
    ),
    "a further file that is a link": (
        lambda top: (top / HOP / "helper").symlink_to("post"),
        f"{HOP}/helper: a symbolic link, and an import follows none",
    ),
    "a post that leads out of the directory": (
        lambda top: (top / HOP / "post").rename(top / "real").parent.joinpath(HOP, "post").symlink_to("/usr/bin/env"),
        f"{HOP}/post: a symbolic link, and an import follows none",
    ),
    "a post that cannot be read": (
        lambda top: a_socket(top / "s").rename(top / HOP / "post"),
        f"{HOP}/post: cannot be read (No such device or address)",
    ),
    "a post without a first line": (
        lambda top: write(top, f"{HOP}/post", "exit 0\n"),
        f"{HOP}/post:1: not `#!` and the path of what runs the script",
    ),
    "a post that is a program": (lambda top: write(top, f"{HOP}/post", "\x7fELF\x02"), f"{HOP}/post: a program, not a script"),
    "a post from Windows": (
        lambda top: (top / HOP / "post").write_bytes(b"#!/bin/sh\nexit 0\r\n"),
        f"{HOP}/post:2: the line ends with CR LF, and the CR would count as a part of it",
    ),
    "a version that is a link": (
        lambda top: (top / "metadata/D7-0").symlink_to("D7-1"),
        "metadata/D7-0: a symbolic link, and an import follows none",
    ),
    "metadata that is a link": (
        lambda top: (top / "metadata").rename(top / "real").with_name("metadata").symlink_to("real"),
        "metadata: a symbolic link, and an import follows none",
    ),
    "a conf that runs something": (
        lambda top: write(top, "conf", "VERS=D7-1\nROLE=$(id)\n"),
        "conf:2: not NAME=value with a literal value; nothing in it is executed",
    ),
    "ids that run something": (lambda top: write(top, "ids.tables", "uids = __import__('os')\n"), "ids.tables:1: "),
    "a directory for a list": (lambda top: (top / HOP / "pre").mkdir(), f"{HOP}/pre: not a regular file"),
    "a folder that is no version": (
        lambda top: (top / "metadata/D7-1/My Role/D7-2").mkdir(parents=True),
        "metadata/D7-1/My Role/D7-2: 'My Role' is not a role name",
    ),
    "text that is not UTF-8": (lambda top: (top / "conf").write_bytes(b"VERS=1\nROLE=\xff\n"), "conf:2: not UTF-8 (invalid start byte)"),
}


@pytest.mark.parametrize(("breaks", "message"), [pytest.param(*case, id=name) for name, case in BROKEN.items()])
def test_bad_input_stops_the_import_and_nothing_is_written(
    breaks: Callable[[Path], object], message: str, server: Path, tmp_path: Path, reprov: Reprov
) -> None:
    breaks(server)
    ran = reprov("import-edeploy", server, "--output", tmp_path / "site")
    assert (ran.status, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"reprov: {message}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["edeploy"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["--from", "D7-1"], "--from, --role and --to go together: each hop needs all three", id="half a hop"),
        pytest.param(
            ["--from", "D7-1", "--role", "nova", "--to", "D7-2"], "metadata/D7-1/nova/D7-2: there is no such directory", id="an unknown hop"
        ),
        pytest.param(["--from", "../x", "--role", "mysql", "--to", "D7-2"], "'../x' is not a version", id="a way out of the directory"),
    ],
)
def test_a_hop_that_cannot_be(words: list[str], message: str, server: Path, tmp_path: Path, reprov: Reprov) -> None:
    ran = reprov("import-edeploy", server, *words, "--output", tmp_path / "site")
    assert (ran.status, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"reprov: {message}\n")


def test_a_directory_without_metadata(tmp_path: Path, reprov: Reprov) -> None:
    ran = reprov("import-edeploy", tmp_path, "--output", tmp_path / "site")
    assert (ran.status, ran.stderr.splitlines()[0]) == (2, "reprov: metadata: there is no such directory")
