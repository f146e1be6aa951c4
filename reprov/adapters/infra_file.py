"""The file of an infra."""

from pathlib import Path

from reprov.adapters.text_file import read_text
from reprov.domain.infra import Infra
from reprov.domain.infra_text import ReadInfra, parse_infra


def load_infra(path: Path) -> Infra:
    """The infra of a file. Raises `InvalidInput` with file:line for everything that is wrong with it."""
    return read_infra(path).infra


def read_infra(path: Path) -> ReadInfra:
    """The infra with the notes about its file. Raises `InvalidInput` as `load_infra` does."""
    return parse_infra(read_text(path), str(path))
