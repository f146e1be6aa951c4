"""What dnf is told."""

import pytest

from reprov.domain.dnf import RepositorySource, configuration, database_of, is_release_package


def test_only_the_repositories_of_the_role_are_named() -> None:
    signed = RepositorySource("base", "https://mirror.example/$releasever/", "/library/roles/el/keys/a key.asc")
    text = configuration("rocky", "9.4", [signed, RepositorySource("local", "file:///srv/x", None)], recommends=False)
    assert "reposdir=/nonexistent\n" in text
    assert "install_weak_deps=0\n" in text
    assert "module_platform_id=platform:el9\n" in text
    assert text.endswith(
        "[base]\nname=base\nbaseurl=https://mirror.example/$releasever/\nenabled=1\ngpgcheck=1\n"
        "gpgkey=file:///library/roles/el/keys/a%20key.asc\n"
        "\n[local]\nname=local\nbaseurl=file:///srv/x\nenabled=1\ngpgcheck=0\n"
    )


@pytest.mark.parametrize(
    ("distribution", "suite", "folder"),
    [
        ("almalinux", "9", "var/lib/rpm"),
        ("rhel", "9.4", "var/lib/rpm"),
        ("centos", "10", "usr/lib/sysimage/rpm"),
        ("fedora", "42", "usr/lib/sysimage/rpm"),
        ("fedora", "rawhide", "usr/lib/sysimage/rpm"),
    ],
)
def test_where_the_database_of_a_distribution_is(distribution: str, suite: str, folder: str) -> None:
    assert database_of(distribution, suite) == folder


def test_which_package_says_what_distribution_it_is() -> None:
    names = ["almalinux-release", "fedora-release-server", "release-notes", "epel-release", "bash"]
    assert [name for name in names if is_release_package(name)] == ["almalinux-release", "fedora-release-server", "epel-release"]
