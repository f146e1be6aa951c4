"""eDeploy's conf is read as literals, with the line of every mistake."""

import pytest

from reprov.domain.edeploy_conf import Conf
from reprov.errors import InvalidInput

WHOLE = """\
# written by edeploy
VERS='D7-H.1.0.0'
ROLE=mysql
RSERV="10.0.0.1"
RSERV_PORT=8873
export RPATH=install/old  # a path in the module
SERV=10.0.0.1
"""


def test_a_whole_conf() -> None:
    conf = Conf.parse(WHOLE, "conf")
    assert conf == Conf("D7-H.1.0.0", "mysql", "10.0.0.1", 8873, "install/old", ())
    assert conf.address == "rsync://10.0.0.1:8873/install/old"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("VERS=1\nROLE=r\n", Conf("1", "r", None, 873, "install", ()), id="the conf of a role tree names no server"),
        pytest.param("VERS=1\nROLE=r\nVERS=2\n", Conf("2", "r", None, 873, "install", ()), id="the last assignment counts"),
        pytest.param("VERS=1\nROLE=r\nRSERV=''\n", Conf("1", "r", None, 873, "install", ()), id="an empty value is none"),
        pytest.param("VERS=1\nROLE=r\nRSERV=[::1]\n", Conf("1", "r", "[::1]", 873, "install", ()), id="an IPv6 address"),
        pytest.param("VERS=1\nROLE=r\nX=1\n", Conf("1", "r", None, 873, "install", ("conf:3: X",)), id="what is not eDeploy's is named"),
    ],
)
def test_conf(text: str, expected: Conf) -> None:
    assert Conf.parse(text, "conf") == expected


def test_without_a_server_there_is_no_address() -> None:
    assert Conf.parse("VERS=1\nROLE=r\n", "conf").address is None


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("VERS=$(reboot)", id="a command"),
        pytest.param('VERS="$(reboot)"', id="a command in quotes"),
        pytest.param("VERS=`reboot`", id="backticks"),
        pytest.param("VERS=$OTHER", id="a variable"),
        pytest.param('VERS="a\\"', id="an escape"),
        pytest.param("VERS=1; reboot", id="a second command"),
        pytest.param("VERS=1 reboot", id="a command with a variable"),
        pytest.param("VERS=1#2", id="a mark that starts no comment"),
        pytest.param("VERS = 1", id="spaces"),
        pytest.param("reboot", id="a word"),
        pytest.param("VERS='1", id="an open quote"),
        pytest.param("VERS=~", id="a home directory"),
    ],
)
def test_what_a_shell_would_have_to_evaluate_is_refused(line: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Conf.parse(f"ROLE=r\n{line}\n", "conf")
    assert refused.value.message == "conf:2: not NAME=value with a literal value; nothing in it is executed"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("ROLE=r\n", "conf: does not set VERS", id="no version"),
        pytest.param("VERS=1\nROLE=\n", "conf: does not set ROLE", id="an empty role"),
        pytest.param("VERS=1\nROLE=r\nRSERV='a b'\n", "conf:3: RSERV is 'a b', which is not a host", id="no host"),
        pytest.param("VERS=1\nROLE=r\nRSERV=-oops\n", "conf:3: RSERV is '-oops', which is not a host", id="an option as a host"),
        pytest.param("VERS=1\nROLE=r\nRSERV_PORT=x\n", "conf:3: RSERV_PORT is 'x', which is not a port", id="no number"),
        pytest.param("VERS=1\nROLE=r\nRSERV_PORT=70000\n", "conf:3: RSERV_PORT is '70000', which is not a port", id="too high a port"),
        pytest.param("VERS=1\nROLE=r\nRPATH=../x\n", "conf:3: RPATH is '../x', which is not a module and a path in it", id="a way out"),
    ],
)
def test_a_wrong_value(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Conf.parse(text, "conf")
    assert refused.value.message == message
