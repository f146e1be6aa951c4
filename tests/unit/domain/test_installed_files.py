"""What package databases say of files."""

import pytest

from reprov.domain.installed_files import (
    Conffile,
    InstalledFiles,
    Recorded,
    RpmFile,
    parse_conffiles,
    parse_md5sums,
    parse_rpm_query,
    parse_ucf,
)
from reprov.errors import InvalidInput

ONE, TWO, THREE = "1" * 32, "2" * 32, "3" * 32
SHA = "a" * 64

STATUS = f"""\
Package: app
Status: install ok installed
Conffiles:
 /etc/app.conf {ONE}
 /etc/with space {TWO}
 /etc/dropped.conf {THREE} obsolete
 /etc/going.conf {THREE} remove-on-upgrade
 /etc/not-yet.conf newconffile
Description: an app
 /etc/no.conf {ONE}

Package: gone
Status: deinstall ok config-files
Conffiles:
 /etc/gone.conf {ONE}
"""


def test_the_configuration_files_of_dpkg() -> None:
    assert parse_conffiles(STATUS) == (
        Conffile(Recorded("etc/app.conf", "app", ONE), True),
        Conffile(Recorded("etc/with space", "app", TWO), True),
        Conffile(Recorded("etc/dropped.conf", "app", THREE), False),
        Conffile(Recorded("etc/going.conf", "app", THREE), False),
        Conffile(Recorded("etc/gone.conf", "gone", ONE), False),
    )


def test_the_digests_of_a_package() -> None:
    text = f"{ONE}  usr/bin/app\n{TWO}  usr/share/two  spaces\nnot a line\n"
    assert parse_md5sums(text, "app") == (Recorded("usr/bin/app", "app", ONE), Recorded("usr/share/two  spaces", "app", TWO))


def test_the_files_of_ucf_with_and_without_a_package() -> None:
    hashed = f"{ONE}  /etc/ssh/sshd_config\n{TWO}  /etc/lost.conf\n"
    assert parse_ucf(hashed, "openssh-server \t /etc/ssh/sshd_config\n") == (
        Recorded("etc/ssh/sshd_config", "openssh-server", ONE),
        Recorded("etc/lost.conf", "ucf", TWO),
    )


def test_the_files_of_rpm() -> None:
    text = f"(none)app\t17\t{SHA}\t/etc/app.conf\napp\t0\t\t/usr/share/app\napp\t2\t{SHA}\t/usr/share/doc/tab\there\n(none)(none)"
    assert parse_rpm_query(text) == (
        RpmFile(Recorded("etc/app.conf", "app", SHA), True),
        RpmFile(Recorded("usr/share/app", "app", ""), False),
        RpmFile(Recorded("usr/share/doc/tab\there", "app", SHA), False),
    )


def test_other_output_of_rpm_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_rpm_query("app\t0\t\t/a\nerror: rpmdb\n")
    assert caught.value.message == "rpm -qa:2: not a line of a file list: 'error: rpmdb'"


def test_a_package_holds_its_paths_and_the_directories_above() -> None:
    found = InstalledFiles("debian", 1, {"usr/bin/app": "app"}, (), (), {})
    assert found.held == {"", "usr", "usr/bin", "usr/bin/app"}
