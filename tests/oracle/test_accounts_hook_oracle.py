"""The program that apt calls before scripts of packages run, with real packages made by dpkg-deb, on a copy of /etc."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from reprov.adapters.stable_ids import ACCOUNTS_HOOK

pytestmark = [pytest.mark.commands, pytest.mark.needs("dpkg-deb", "awk", "tar")]

ROWS = """\
mysql\tgroup\t113\tmysql:x:113:
mysql\tgshadow\t113\tmysql:!*::
mysql\tpasswd\t112\tmysql:x:112:113:MySQL Server,,,:/nonexistent:/bin/false
mysql\tshadow\t112\tmysql:!*:19518::::::
libvirt-qemu\tgroup\t104\tkvm:x:104:
libvirt-qemu\tgshadow\t104\tkvm:!*::
libvirt-qemu\tpasswd\t105\tlibvirt-qemu:x:105:104::/var/lib/libvirt:/bin/sh
libvirt-qemu\tshadow\t105\tlibvirt-qemu:!*:19518::::::
homeless\t\t106\tids.yaml:7: the home of user 'homeless' is missing: add `home: DIRECTORY`
mysql\tgroup\t113\tmysql:x:113:
mysql\tgshadow\t113\tmysql:!*::
kvm\tgroup\t104\tkvm:x:104:
kvm\tgshadow\t104\tkvm:!*::
"""
ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\nreprov-id-105:x:105:65534::/:/x\nreprov-id-112:x:112:65534::/:/x\n",
    "group": "root:x:0:\nreprov-id-104:x:104:\nreprov-id-113:x:113:\n",
    "shadow": "root:*:1::::::\n",
    "gshadow": "root:*::\n",
}
NAMED = {
    "as an argument": "adduser --system --ingroup mysql mysql\n",
    "in quotes": "USER='mysql'\n",
    "as a default": ': "${MYSQL_USER:-mysql}"\n',
    "as the value of an option": "addgroup --group=mysql\n",
    "as an owner": "chown mysql:adm /x\n",
}
NOT_NAMED = {
    "in a comment": "  # mysql is made elsewhere\n",
    "in a path": "rm -f /etc/mysql/my.cnf /etc/mysql\n",
    "in a longer word": "py3compile -p python3-mysql mysql-common mysql_x\n",
}


def deb(folder: Path, name: str, scripts: Mapping[str, str], files: Mapping[str, str] | None = None) -> Path:
    tree = folder / name
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n")
    for script, text in scripts.items():
        (tree / "DEBIAN" / script).write_text(f"#!/bin/sh\n{text}")
        (tree / "DEBIAN" / script).chmod(0o755)
    for path, text in (files or {}).items():
        (tree / path).parent.mkdir(parents=True)
        (tree / path).write_text(text)
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, folder / f"{name}.deb"], check=True, capture_output=True)
    return folder / f"{name}.deb"


class Etc:
    """A copy of /etc and the hook's folder."""

    def __init__(self, top: Path) -> None:
        self.folder = top / "etc"
        self.here = top / "here"
        self.folder.mkdir()
        self.here.mkdir()
        for name, text in ETC.items():
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o640)
        (self.here / "accounts.rows").write_text(ROWS)

    def call(self, *debs: Path) -> subprocess.CompletedProcess[str]:
        given = "".join(f"{path}\n" for path in debs)
        return subprocess.run(
            ["sh", "-euc", ACCOUNTS_HOOK, "hook", self.here, self.folder], input=given, text=True, capture_output=True, check=False
        )

    def lines(self, name: str) -> list[str]:
        return (self.folder / name).read_text().splitlines()


@pytest.fixture
def etc(tmp_path: Path) -> Etc:
    return Etc(tmp_path)


@pytest.mark.parametrize("text", NAMED.values(), ids=NAMED.keys())
@pytest.mark.parametrize("script", ["preinst", "postinst", "config"])
def test_an_account_that_a_script_names_is_made_in_place_of_its_reservation(etc: Etc, tmp_path: Path, script: str, text: str) -> None:
    done = etc.call(deb(tmp_path, "p", {script: text}))
    assert (done.returncode, done.stderr) == (0, "")
    assert etc.lines("passwd") == [
        "root:x:0:0:root:/root:/bin/sh",
        "reprov-id-105:x:105:65534::/:/x",
        "mysql:x:112:113:MySQL Server,,,:/nonexistent:/bin/false",
    ]
    assert etc.lines("group") == ["root:x:0:", "reprov-id-104:x:104:", "mysql:x:113:"]
    assert etc.lines("shadow") == ["root:*:1::::::", "mysql:!*:19518::::::"]
    assert etc.lines("gshadow") == ["root:*::", "mysql:!*::"]
    assert (etc.folder / "shadow").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("text", NOT_NAMED.values(), ids=NOT_NAMED.keys())
def test_a_word_that_only_looks_like_it_makes_nothing(etc: Etc, tmp_path: Path, text: str) -> None:
    assert etc.call(deb(tmp_path, "p", {"postinst": text})).returncode == 0
    assert {name: (etc.folder / name).read_text() for name in ETC} == ETC


def test_a_users_primary_group_is_made_with_it(etc: Etc, tmp_path: Path) -> None:
    etc.call(deb(tmp_path, "p", {"postinst": "adduser libvirt-qemu\n"}))
    assert etc.lines("group")[-1] == "kvm:x:104:"
    assert etc.lines("passwd")[-1].startswith("libvirt-qemu:x:105:104:")


def test_an_account_of_a_sysusers_file_is_made_when_a_script_uses_such_files(etc: Etc, tmp_path: Path) -> None:
    files = {"usr/lib/sysusers.d/p.conf": "u mysql - MySQL\n"}
    etc.call(deb(tmp_path, "unused", {"postinst": "true\n"}, files))
    assert {name: (etc.folder / name).read_text() for name in ETC} == ETC
    etc.call(deb(tmp_path, "used", {"postinst": "systemd-sysusers p.conf\n"}, files))
    assert etc.lines("passwd")[-1].startswith("mysql:x:112:113:")


def test_a_script_that_uses_a_sysusers_file_of_another_package_is_no_failure(etc: Etc, tmp_path: Path) -> None:
    done = etc.call(deb(tmp_path, "p", {"postinst": "systemd-sysusers basic.conf\n"}))
    assert (done.returncode, done.stderr) == (0, "")


def test_who_is_there_stays_as_it_is(etc: Etc, tmp_path: Path) -> None:
    there = "mysql:x:112:113:Our database:/srv/db:/bin/sh"
    (etc.folder / "passwd").write_text(f"{there}\n")
    (etc.folder / "group").write_text("mysql:x:113:jane\n")
    etc.call(deb(tmp_path, "p", {"postinst": "adduser mysql\n"}))
    assert (etc.lines("passwd"), etc.lines("group")) == ([there], ["mysql:x:113:jane"])


def test_several_packages_are_looked_at_and_each_account_is_made_once(etc: Etc, tmp_path: Path) -> None:
    debs = [deb(tmp_path, name, {"postinst": f"adduser {user}\n"}) for name, user in (("a", "kvm"), ("b", "mysql"), ("c", "mysql"))]
    etc.call(*debs, deb(tmp_path, "d", {}))
    assert etc.lines("group") == ["root:x:0:", "mysql:x:113:", "kvm:x:104:"]


def test_a_user_that_cannot_be_made_stops_apt_with_the_reason(etc: Etc, tmp_path: Path) -> None:
    done = etc.call(deb(tmp_path, "p", {"postinst": "adduser homeless\n"}))
    assert done.returncode == 1
    assert done.stderr == "E: ids.yaml:7: the home of user 'homeless' is missing: add `home: DIRECTORY`\n"
    assert {name: (etc.folder / name).read_text() for name in ETC} == ETC


def test_a_user_without_a_home_in_the_table_is_no_matter_when_it_is_there(etc: Etc, tmp_path: Path) -> None:
    (etc.folder / "passwd").write_text("homeless:x:106:0::/:/bin/sh\n")
    assert etc.call(deb(tmp_path, "p", {"postinst": "adduser homeless\n"})).returncode == 0
