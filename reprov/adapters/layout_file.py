"""The file of a layout: JSON anywhere, YAML where Python has PyYAML, which a rescue system need not have."""

from pathlib import Path

from reprov.domain.json_text import JsonText
from reprov.domain.layout import Layout
from reprov.domain.layout_reader import LocatedText, read_layout
from reprov.errors import InvalidInput

_AS_JSON = "python3 -c 'import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout, indent=2)' on a server makes JSON of it"


def read_layout_file(file: Path) -> Layout:
    """The layout of a file. A text that begins with a brace is JSON, whatever the file is called; other texts are YAML.

    Raises `InvalidInput` with file:line for anything that is none.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InvalidInput(f"{file}:1: not a layout: it is not UTF-8") from None
    except OSError as error:
        raise InvalidInput(f"{file}: {error.strerror}") from None
    return read_layout(_located(text, str(file)))


def _located(text: str, source: str) -> LocatedText:
    if text.lstrip().startswith("{"):
        return JsonText(text, source, "a layout")
    try:
        # Imported here: the node side must run without it.
        from reprov.domain.yaml_text import YamlText
    except ModuleNotFoundError:
        raise InvalidInput(f"{source}:1: no YAML can be read here: PyYAML is not installed", hint=_AS_JSON) from None
    return YamlText(text, source, "a layout")
