"""The file of a layout: JSON everywhere, YAML where there is PyYAML."""

import sys
from pathlib import Path

import pytest

from reprov.adapters.layout_file import read_layout_file
from reprov.errors import InvalidInput

YAML = "disk: {serial: S}\npartitions: [{name: root, size: 1G, filesystem: ext4, mount: /}]\n"
JSON = '{"disk": {"serial": "S"}, "partitions": [{"name": "root", "size": "1G", "filesystem": "ext4", "mount": "/"}]}'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "layout"


@pytest.fixture
def no_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    monkeypatch.delitem(sys.modules, "reprov.domain.yaml_text", raising=False)


def test_both_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "y").write_text(YAML)
    (tmp_path / "j").write_text("\n" + JSON)
    assert read_layout_file(tmp_path / "y") == read_layout_file(tmp_path / "j")


@pytest.mark.usefixtures("no_yaml")
def test_json_needs_no_library(file: Path) -> None:
    file.write_text(JSON)
    assert read_layout_file(file).partitions[0].mount == "/"


@pytest.mark.usefixtures("no_yaml")
def test_yaml_without_its_library(file: Path) -> None:
    file.write_text(YAML)
    with pytest.raises(InvalidInput) as caught:
        read_layout_file(file)
    assert caught.value.message == f"{file}:1: no YAML can be read here: PyYAML is not installed"
    assert "makes JSON of it" in (caught.value.hint or "")


def test_a_file_that_is_not_there(file: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_layout_file(file)
    assert caught.value.message == f"{file}: No such file or directory"


def test_a_file_that_is_no_text(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInput) as caught:
        read_layout_file(file)
    assert caught.value.message == f"{file}:1: not a layout: it is not UTF-8"
