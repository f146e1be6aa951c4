"""What eDeploy says of the node that it has left."""

from pathlib import Path

import pytest

from reprov.adapters.edeploy_node import release_by_edeploy
from reprov.domain.release import ReleaseId
from reprov.errors import InvalidInput


def conf(root: Path, text: str) -> Path:
    file = root / "var/lib/edeploy/conf"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return file


def test_the_version_that_its_conf_names(tmp_path: Path) -> None:
    conf(tmp_path, "VERS=D7-1\nROLE=mysql\nRSERV=10.0.0.1\nRSERV_PORT=873\nRPATH=install\n\n")
    assert release_by_edeploy(tmp_path) == ReleaseId("mysql", "D7-1")


def test_a_node_that_it_never_had(tmp_path: Path) -> None:
    assert release_by_edeploy(tmp_path) is None


WRONG = {
    "no version": ("ROLE=mysql\n", ": does not set VERS"),
    "something to run": ("VERS=$(id)\n", ":1: not NAME=value with a literal value; nothing in it is executed"),
    "a version that is none": ("VERS=../x\nROLE=mysql\n", "'../x' is not a version"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_conf_that_names_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = conf(tmp_path, text)
    with pytest.raises(InvalidInput) as raised:
        release_by_edeploy(tmp_path)
    assert raised.value.message.startswith(str(file))
    assert raised.value.message.endswith(message)
    assert raised.value.hint is not None
