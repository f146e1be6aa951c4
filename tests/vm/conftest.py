"""Nodes that boot, in a virtual machine that need not be a fast one: `make vm` runs these, `make test` does not."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rescue_lab import Image, make_image
from tests.system.conftest import nothing_stays_behind
from tests.system.install_lab import LISTS
from tests.system.node import Run, Store
from tests.system.servers import served
from tests.system.trees import make_library, role_trees
from tests.vm.cut_tally import Tally
from tests.vm.node_lab import NodeLab

__all__ = ["nothing_stays_behind"]

_TALLY = Path(__file__).parents[2] / "build/power-cuts.json"
_tally = pytest.StashKey[Tally]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """How often the power is cut."""
    parser.addoption("--cuts", type=int, default=10, metavar="N", help="power cuts of the VM tier, half of them at boot (default: 10)")
    parser.addoption("--cuts-minutes", type=float, default=240, metavar="N", help="begin no more power cuts after this time (default: 240)")
    parser.addoption("--cuts-seed", type=int, metavar="N", help="what the instants of the power cuts follow from (default: it is told)")


@pytest.fixture(scope="session")
def tally(pytestconfig: pytest.Config) -> Tally:
    """Takes what comes of every power cut; it is told at the end, and kept."""
    seed = pytestconfig.getoption("cuts_seed")
    made = Tally(_TALLY, random.SystemRandom().randrange(1_000_000) if seed is None else seed)
    pytestconfig.stash[_tally] = made
    return made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What has come of the power cuts."""
    if tally := config.stash.get(_tally, None):
        for line in tally.lines():
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory, nothing_stays_behind: None) -> Image:
    """A rescue image with the layouts of the tests."""
    return make_image(tmp_path_factory.mktemp("rescue"))


@pytest.fixture(scope="session")
def node_lab(tmp_path_factory: pytest.TempPathFactory, nothing_stays_behind: None) -> Iterator[NodeLab]:
    """A node that runs, and where its releases are."""
    lab = NodeLab(tmp_path_factory.mktemp("lab"), role_trees("base"))
    with served(lab.store) as source:
        lab.source = source.replace("127.0.0.1", "10.0.2.2")
        yield lab
    shutil.rmtree(lab.folder)  # pytest keeps what is below, for three runs


@pytest.fixture
def store(tmp_path: Path, reprov: Run) -> Store:
    """An empty store, with lists that keep a node's identity."""
    made = Store(tmp_path / "store", reprov)
    make_library(made.library, exclude=LISTS)
    return made
