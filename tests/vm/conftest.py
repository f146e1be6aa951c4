"""Nodes that boot, in a virtual machine that need not be a fast one: `make vm` runs these, `make test` does not."""

from pathlib import Path

import pytest

from tests.rescue_lab import Image, make_image
from tests.system.conftest import nothing_stays_behind
from tests.system.install_lab import LISTS
from tests.system.node import Run, Store
from tests.system.trees import make_library

__all__ = ["nothing_stays_behind"]


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory, nothing_stays_behind: None) -> Image:
    """A rescue image with the layouts of the tests."""
    return make_image(tmp_path_factory.mktemp("rescue"))


@pytest.fixture
def store(tmp_path: Path, reprov: Run) -> Store:
    """An empty store, with lists that keep a node's identity."""
    made = Store(tmp_path / "store", reprov)
    make_library(made.library, exclude=LISTS)
    return made
