"""The scripts of single hops, in the library."""

from pathlib import Path

import pytest

from reprov.adapters.hop_fragments import read_hop_fragments
from reprov.adapters.library import Library
from reprov.domain.hop_fragment import HopFragment, HopPlace
from reprov.domain.release import ReleaseId
from reprov.errors import InvalidInput

AFTER = ReleaseId("mysql", "2")


def write(folder: Path, name: str, text: str = "#!/bin/sh\n", mode: int = 0o755) -> None:
    file = folder / "post-scripts" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)


def test_those_of_the_hops_that_lead_there(tmp_path: Path) -> None:
    for name in ("mysql/1/2/post", "mysql/1/2/pre", "mysql/0/2/post", "mysql/2/3/post", "nova/1/2/post", "50-x.sh.j2", "mysql/README"):
        write(tmp_path, name, f"#!/bin/sh\n# {name}\n")
    one, zero = ReleaseId("mysql", "1"), ReleaseId("mysql", "0")
    found = read_hop_fragments(Library((tmp_path, tmp_path / "missing")), AFTER)
    assert found == (
        HopFragment(zero, AFTER, HopPlace.POST, "#!/bin/sh\n# mysql/0/2/post\n"),
        HopFragment(one, AFTER, HopPlace.PRE, "#!/bin/sh\n# mysql/1/2/pre\n"),
        HopFragment(one, AFTER, HopPlace.POST, "#!/bin/sh\n# mysql/1/2/post\n"),
    )
    assert [fragment.path for fragment in found] == [
        "post-scripts/mysql/0/2/post",
        "post-scripts/mysql/1/2/pre",
        "post-scripts/mysql/1/2/post",
    ]


def test_a_hop_of_an_earlier_folder_shadows_all_of_a_later_ones(tmp_path: Path) -> None:
    write(tmp_path / "mine", "mysql/1/2/post", "#!/bin/sh\n# mine\n")
    write(tmp_path / "site", "mysql/1/2/post")
    write(tmp_path / "site", "mysql/1/2/pre")
    (found,) = read_hop_fragments(Library((tmp_path / "mine", tmp_path / "site")), AFTER)
    assert found.text == "#!/bin/sh\n# mine\n"


WRONG = {
    "another name": ("mysql/1/2/post.sh", "#!/bin/sh\n", 0o755, ": neither pre nor post, which are what runs on a hop"),
    "not executable": ("mysql/1/2/post", "#!/bin/sh\n", 0o644, ": not executable"),
    "no script": ("mysql/1/2/post", "exit 0\n", 0o755, ":1: not `#!` and the path of what runs the script"),
    "no version": ("mysql/my one/2/post", "#!/bin/sh\n", 0o755, "'my one' is not a version"),
}


@pytest.mark.parametrize(("name", "text", "mode", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_is_none_is_refused(tmp_path: Path, name: str, text: str, mode: int, message: str) -> None:
    write(tmp_path, name, text, mode)
    with pytest.raises(InvalidInput) as raised:
        read_hop_fragments(Library((tmp_path,)), AFTER)
    assert raised.value.message.startswith(f"{tmp_path}/post-scripts/mysql/")
    assert raised.value.message.endswith(message)


def test_a_directory_in_the_place_of_a_script_is_refused(tmp_path: Path) -> None:
    (tmp_path / "post-scripts/mysql/1/2/pre").mkdir(parents=True)
    with pytest.raises(InvalidInput, match=r"/post-scripts/mysql/1/2/pre: cannot be read \(Is a directory\)$"):
        read_hop_fragments(Library((tmp_path,)), AFTER)
