"""What is known to be made by packages."""

import pytest

from reprov.domain.made_by_packages import made_by_packages


@pytest.mark.parametrize(
    ("path", "is_dir", "target"),
    [
        pytest.param("usr/lib/python3/dist-packages/x/__pycache__", True, "", id="byte code"),
        pytest.param("usr/lib/x86_64-linux-gnu/gconv/gconv-modules.cache", False, "", id="a cache of plug-ins at any depth"),
        pytest.param("usr/bin/awk", False, "/etc/alternatives/awk", id="a link to an alternative"),
        pytest.param("etc/alternatives/awk", False, "/usr/bin/mawk", id="the alternative"),
        pytest.param(
            "etc/ssl/certs/A.pem", False, "/usr/share/ca-certificates/mozilla/A.crt", id="a link to a certificate of the distribution"
        ),
        pytest.param("lib", False, "usr/lib", id="a link of a merged usr"),
        pytest.param("etc/x.conf.dpkg-old", False, "", id="what dpkg left"),
    ],
)
def test_it_is_known(path: str, is_dir: bool, target: str) -> None:
    assert made_by_packages(path, is_dir=is_dir, target=target) is not None


@pytest.mark.parametrize(
    ("path", "is_dir", "target"),
    [
        pytest.param("opt/app/__pycache__", True, "", id="byte code of the node's own programs"),
        pytest.param("lib64", True, "", id="a directory where a link would be"),
        pytest.param("libvirt-data", True, "", id="a directory that only starts like one"),
        pytest.param("etc/ssl/certs/site.pem", False, "", id="the site's own certificate"),
        pytest.param("usr/bin/site-tool", False, "/opt/app/tool", id="a link to something else"),
        pytest.param("etc/alternatives-site", False, "", id="a name that starts like one"),
    ],
)
def test_it_is_not(path: str, is_dir: bool, target: str) -> None:
    assert made_by_packages(path, is_dir=is_dir, target=target) is None
