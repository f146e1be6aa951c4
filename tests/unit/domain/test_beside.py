"""Where the release's content lies that a conflict leaves out."""

import pytest

from reprov.domain.beside import original_of, place_beside

PLACES = {
    "usually beside the node's": ("etc/ssh/sshd_config", "etc/ssh/sshd_config.reprov-new"),
    "in the root": ("f", "f.reprov-new"),
    "not where logrotate reads": ("etc/logrotate.d/app", "etc/logrotate.d%app.reprov-new"),
    "not where AppArmor reads, however deep": ("etc/apparmor.d/local/usr.bin.x", "etc/apparmor.d%local%usr.bin.x.reprov-new"),
    "not in a directory that lies in such a one": ("etc/rc.d/rc3.d/S10x", "etc/rc.d%rc3.d%S10x.reprov-new"),
    "not where nginx reads": ("etc/nginx/sites-enabled/site", "etc/nginx/sites-enabled%site.reprov-new"),
    "not where useradd takes new homes from": ("etc/skel/.bashrc", "etc/skel%.bashrc.reprov-new"),
    "not where trusted certificates are": ("etc/pki/ca-trust/source/anchors/a", "etc/pki/ca-trust/source%anchors%a.reprov-new"),
    "a file of such a name is no such directory": ("etc/app.d", "etc/app.d.reprov-new"),
    "a directory at the top is where it was": ("app.d/x", "app.d/x.reprov-new"),
    "a percent sign that stands for itself": ("etc/a%b", "etc/a%b.reprov-new"),
    "names that are no UTF-8": ("etc/x.d/\udce9\n", "etc/x.d%\udce9\n.reprov-new"),
}


@pytest.mark.parametrize(("path", "place"), PLACES.values(), ids=PLACES)
def test_every_path_has_one_place_and_back(path: str, place: str) -> None:
    assert place_beside(path) == place
    assert original_of(place) == path


@pytest.mark.parametrize("path", ["etc/x.d/a%b", "etc/x.d%a", "etc/x.d%a%b"])
def test_a_name_that_could_belong_to_another_path_is_nobodys(path: str) -> None:
    assert place_beside(path) == ""


ORIGINALS = {
    "no such name": ("etc/f", ""),
    "nothing but the suffix": ("etc/.reprov-new", ""),
    "nothing but the suffix at the top": (".reprov-new", ""),
    "what somebody laid into such a directory": ("etc/x.d/f.reprov-new", "etc/x.d/f"),
    "a way out of the directory is none": ("etc/x.d%..%shadow.reprov-new", "etc/x.d%..%shadow"),
    "nor is nothing": ("etc/x.d%%f.reprov-new", "etc/x.d%%f"),
}


@pytest.mark.parametrize(("path", "original"), ORIGINALS.values(), ids=ORIGINALS)
def test_a_name_says_what_it_lies_beside(path: str, original: str) -> None:
    assert original_of(path) == original
