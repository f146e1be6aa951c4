"""The files beside infra.yaml that say whether the site works."""

from collections.abc import Mapping
from pathlib import Path

from reprov.adapters.text_file import read_text
from reprov.domain.check import Check, check_of
from reprov.domain.infra import Infra
from reprov.domain.site_stages import SITE_FOLDER
from reprov.domain.yaml_text import YamlText
from reprov.errors import InvalidInput, all_invalid


def load_site_checks(infra: Infra) -> Mapping[Check, str]:
    """The checks of an infra with their texts; their paths are those in a project. Raises `InvalidInput` with file:line."""
    found: dict[Check, str] = {}
    problems: list[InvalidInput] = []
    for number, name in enumerate(infra.checks):
        try:
            text = read_text(Path(infra.path).parent / name)
            found[check_of(name, f"{SITE_FOLDER}/{name}", {"": text.encode()})] = text
        except InvalidInput as error:
            written = YamlText(read_text(Path(infra.path)), infra.path, "an infra")
            problems.append(written.invalid(("checks", number), f"checks: {error.message}", hint=error.hint))
    if problems:
        raise all_invalid(problems)
    return found
