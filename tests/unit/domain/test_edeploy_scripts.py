"""Which lines of eDeploy's scripts count on what reprov does otherwise."""

import pytest

from reprov.domain.edeploy_scripts import is_generated, lines_to_look_at
from reprov.domain.hop_fragment import HopPlace

ACCOUNTS = "unless a list keeps /etc/passwd, the new tree's accounts are there by then, and it may fail: ask first (getent), or take it out"
TWICE = "reprov runs the scripts of the packages that change: take it out, unless it is to run twice"
FOLDER = "eDeploy ran it in the folder of the hop, reprov runs it in /"
ENDS = "a script that ends the system fails the hop: status 100 asks for a reboot"
OWN = "eDeploy's own files, which reprov does not write"

LINES = {
    "a group": ("groupadd -g 806 manila", [ACCOUNTS]),
    "an account, by its path": ("  /usr/sbin/usermod -u 805 saslauth", [ACCOUNTS]),
    "the script of a package": ("/var/lib/dpkg/info/linux-image-3.16-amd64.postinst configure", [TWICE]),
    "eDeploy's conf": (". /var/lib/edeploy/conf", [OWN]),
    "a file beside": ("./fix-ids nova", [FOLDER]),
    "a file beside, read": (". functions", [FOLDER]),
    "a file above": ("cp ../x /etc", [FOLDER]),
    "another file of the hop": ("sh fix-up.sh", ["fix-up.sh is not imported: put what it does into this script"]),
    "a reboot": ("test -f /x && reboot", [ENDS]),
    "a reboot, by its path": ("if true; then /sbin/shutdown -r now; fi", [ENDS]),
    "a variable of eDeploy's": ("echo ${RSERV_PORT} $VERS", ["RSERV_PORT is not set", "VERS is not set"]),
    "a comment": ("# reboot; groupadd x", []),
    "a word that is said": ("echo 'reboot me'", []),
    "a name with another name in it": ("sh my-fix-up.sh; cat /etc/groupaddress", []),
    "an absolute path": ("cp /etc/./x /etc/x..y", []),
    "services": ("service memcached stop", []),
    "status 100": ("exit 100", []),
}


@pytest.mark.parametrize(("line", "said"), LINES.values(), ids=LINES.keys())
def test_a_line_that_counts_on_what_is_otherwise(line: str, said: list[str]) -> None:
    found = list(lines_to_look_at(HopPlace.POST, f"#!/bin/sh\n{line}\n".encode(), "m/post", ["fix-up.sh"]))
    assert [text.startswith(f"m/post:2: {line.strip()}: {why}") for text, why in zip(found, said, strict=True)] == [True] * len(said)


def test_a_variable_that_the_script_sets_is_its_own() -> None:
    assert list(lines_to_look_at(HopPlace.POST, b"#!/bin/sh\nROLE=x\necho $ROLE\n", "m/post", ())) == []


def test_status_100_of_pre_meant_something_else() -> None:
    assert list(lines_to_look_at(HopPlace.PRE, b"#!/bin/sh\nexit 100\n", "m/pre", ())) == [
        "m/pre:2: exit 100: eDeploy stopped the upgrade at any status but 0; here 100 asks for a reboot"
    ]


HEADER = b"#!/bin/sh\n\n# echo commands\nset -x\n\n"
SCRIPTLET = (
    b"# x-1\n(\n# put the scriptlet in upgrade mode by passing 2 (package count is 2\n# during upgrades) as the first argument.\nset 2\n"
)


@pytest.mark.parametrize(
    ("content", "generated"),
    [
        pytest.param(HEADER, True, id="a pre, which is always empty"),
        pytest.param(HEADER + SCRIPTLET, True, id="a post"),
        pytest.param(HEADER + b"# for installed libraries\n\n/sbin/ldconfig\n\n" + SCRIPTLET, True, id="a post with libraries"),
        pytest.param(HEADER + b"service x stop\n", False, id="one that somebody wrote below the same lines"),
        pytest.param(b"#!/bin/bash\nset -e\n", False, id="one that somebody wrote"),
    ],
)
def test_what_the_build_of_a_role_made(content: bytes, generated: bool) -> None:
    assert is_generated(content) is generated
