"""Where the table is read from, and where new names go."""

from pathlib import Path

import pytest

from reprov.adapters.ids import IdFiles
from reprov.adapters.library import Library
from reprov.domain.ids import NewId
from reprov.domain.tree_accounts import TreeAccounts
from reprov.errors import InvalidInput

SHIPPED = "# shipped\nusers:\n  mysql: {id: 112, home: /nonexistent}\ngroups:\n  mysql: 112\n"
GROUP = b"mysql:x:112:\nnew:x:117:\n"


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    (tmp_path / "shipped/ids").mkdir(parents=True)
    (tmp_path / "shipped/ids/debian.yaml").write_text(SHIPPED)
    return tmp_path / "shipped"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "site/ids").mkdir(parents=True)
    (tmp_path / "site/ids/debian.yaml").write_text("# ours\ngroups:\n  mysql: 112\n")
    (tmp_path / "site/ids/debian.yaml").chmod(0o640)
    return tmp_path / "site"


def found(group: bytes) -> TreeAccounts:
    return TreeAccounts.parse(b"", group)


def test_a_new_name_goes_into_the_store_when_the_table_is_the_one_that_reprov_brings(tmp_path: Path, shipped: Path) -> None:
    store = tmp_path / "store"
    ids = IdFiles.of("debian", Library((shipped,)), store)
    assert ids.settle(found(GROUP)).new.new_ids == (NewId("group", "new", 117),)
    assert (store / "ids/debian.yaml").read_text() == "users:\ngroups:\n  new: 117\n"
    assert (shipped / "ids/debian.yaml").read_text() == SHIPPED
    assert sorted(ids.read().groups) == ["mysql", "new"]


def test_a_new_name_goes_into_the_sites_table(tmp_path: Path, shipped: Path, site: Path) -> None:
    ids = IdFiles.of("debian", Library((site, shipped)), tmp_path / "store")
    ids.settle(found(GROUP))
    table = site / "ids/debian.yaml"
    assert table.read_text() == "# ours\ngroups:\n  mysql: 112\n  new: 117\n"
    assert table.stat().st_mode & 0o777 == 0o640
    assert not (tmp_path / "store").exists()
    assert [file.name for file in table.parent.iterdir()] == ["debian.yaml"]


def test_a_link_to_the_sites_table_stays_one(tmp_path: Path, shipped: Path, site: Path) -> None:
    (site / "ids/debian.yaml").rename(site / "real.yaml")
    (site / "ids/debian.yaml").symlink_to("../real.yaml")
    IdFiles.of("debian", Library((site, shipped)), tmp_path / "store").settle(found(GROUP))
    assert (site / "ids/debian.yaml").is_symlink()
    assert (site / "real.yaml").read_text().endswith("  new: 117\n")


def test_the_second_build_that_meets_a_name_adds_nothing(tmp_path: Path, shipped: Path) -> None:
    ids = IdFiles.of("debian", Library((shipped,)), tmp_path / "store")
    ids.settle(found(GROUP))
    assert ids.settle(found(GROUP)).new.new_ids == ()


def test_a_number_that_another_build_gave_away_meanwhile_is_a_problem(tmp_path: Path, shipped: Path) -> None:
    ids = IdFiles.of("debian", Library((shipped,)), tmp_path / "store")
    ids.settle(found(GROUP))
    comparison = ids.settle(found(b"late:x:117:\n"))
    assert comparison.problems == (f"group late has id 117 in the tree, which {tmp_path}/store/ids/debian.yaml:3 gives to new",)
    assert "late" not in (tmp_path / "store/ids/debian.yaml").read_text()


def test_a_tree_with_a_problem_adds_nothing(tmp_path: Path, shipped: Path) -> None:
    ids = IdFiles.of("debian", Library((shipped,)), tmp_path / "store")
    assert ids.settle(found(b"mysql:x:113:\nnew:x:117:\n")).problems
    assert not (tmp_path / "store/ids/debian.yaml").exists()


def test_a_store_that_contradicts_the_library_is_named(tmp_path: Path, shipped: Path) -> None:
    (tmp_path / "store/ids").mkdir(parents=True)
    (tmp_path / "store/ids/debian.yaml").write_text("groups:\n  epmd: 112\n")
    with pytest.raises(InvalidInput) as raised:
        IdFiles.of("debian", Library((shipped,)), tmp_path / "store").read()
    assert raised.value.message == (
        f"{tmp_path}/store/ids/debian.yaml:2: group 'epmd' has id 112, which {shipped}/ids/debian.yaml:5 gives to 'mysql'"
    )


def test_a_family_without_a_table_is_refused(tmp_path: Path, shipped: Path) -> None:
    with pytest.raises(InvalidInput, match=r"^ids: there is no 'rpm.yaml'$"):
        IdFiles.of("rpm", Library((shipped,)), tmp_path)
