"""YAML that people write, with every mistake reported by file and line."""

from contextlib import suppress
from typing import Any

import yaml
from yaml.composer import Composer

from reprov.errors import InvalidInput

Location = tuple[int | str, ...]
"""The keys and indexes that lead to a value."""

_MOST_VALUES = 1_000_000
"""With every alias written out: a few lines of aliases of aliases would fill the memory of whoever copies the data."""
_PREFIX = "tag:yaml.org,2002:"
_NO_TEXT = frozenset(f"{_PREFIX}{kind}" for kind in ("bool", "float", "int", "null", "timestamp"))


class _Loader(yaml.SafeLoader):
    """Python's own, which says best what is wrong."""


def _as_written(loader: Any, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


# A date would be the only value that JSON cannot say, and `2024-02-30` ends the constructor with a ValueError.
_Loader.add_constructor(f"{_PREFIX}timestamp", _as_written)
_LOADERS: tuple[type[Any], ...] = (_Loader,)
"""In the order in which they are tried."""

if hasattr(yaml, "CSafeLoader"):

    class _FastLoader(Composer, yaml.CSafeLoader):
        """libyaml's, several times as fast, with messages of its own.

        It is put together by Python's composer: libyaml's binding recurses in C, where a text of 100,000 brackets ends the process.
        """

        def __init__(self, text: str) -> None:
            yaml.CSafeLoader.__init__(self, text)
            Composer.__init__(self)

    _FastLoader.add_constructor(f"{_PREFIX}timestamp", _as_written)
    _LOADERS = (_FastLoader, _Loader)


class YamlText:
    """The data of a YAML text, a mapping without twins, and the line of each of its values.

    Keys are text as written, `no` and `010` too, and so are dates. Other values are what YAML 1.1 takes them for.
    """

    def __init__(self, text: str, source: str, what: str) -> None:
        """`what` it should be, "a role". Raises `InvalidInput` with file:line for what is no mapping."""
        self._source = source
        self._fields: dict[int, dict[str, tuple[yaml.Node, yaml.Node]]] = {}
        try:
            loader, self._node = _composed(text)
            if not isinstance(self._node, yaml.MappingNode):
                raise InvalidInput(f"{source}:1: {what} is a list of 'key: value' lines")
            self._sizes: dict[int, int] = {}
            if self._judge(self._node) > _MOST_VALUES:
                raise InvalidInput(f"{source}:1: not {what}: its aliases stand for more than {_MOST_VALUES:,} values")
            self.data: Any = loader.construct_document(self._node)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise InvalidInput(f"{source}:{mark.line + 1 if mark else 1}: not YAML: {error.problem or error.context}") from None
        except (yaml.YAMLError, ValueError) as error:
            raise InvalidInput(f"{source}:1: not YAML: {str(error).splitlines()[0]}") from None
        except RecursionError:
            raise InvalidInput(f"{source}:1: not {what}: nested too deep") from None

    def invalid(self, location: Location, message: str, *, hint: str | None = None) -> InvalidInput:
        """The error that says where."""
        return InvalidInput(f"{self.where(location)}: {message}", hint=hint)

    def where(self, location: Location) -> str:
        """The file and line of a value, by the keys and indexes that lead to it."""
        return f"{self._source}:{self.line(location)}"

    def line(self, location: Location) -> int:
        """The line of a value; of the nearest one that it would be in when there is no such value."""
        return self._find(location)[0]

    def written(self, location: Location) -> str:
        """A value as it is written, `010` for what YAML takes for 8; "" for one that is no scalar, or not there."""
        node = self._find(location)[1]
        return str(node.value) if isinstance(node, yaml.ScalarNode) else ""

    def _find(self, location: Location) -> tuple[int, yaml.Node | None]:
        node: yaml.Node | None = self._node
        line = 1
        for part in location:
            if isinstance(node, yaml.MappingNode):
                fields = self._fields.get(id(node)) or self._fields_of(node)
                key, value = fields.get(str(part), (node, None))
                line, node = key.start_mark.line + 1, value
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                line = node.start_mark.line + 1
        return line, node

    def _fields_of(self, node: yaml.MappingNode) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        self._fields[id(node)] = {str(key.value): (key, value) for key, value in node.value}
        return self._fields[id(node)]

    def _judge(self, node: yaml.Node) -> int:
        """How many values it holds with every alias written out. Raises `InvalidInput` for twins, and for what is within itself."""
        known = self._sizes.get(id(node))
        if known == 0:
            raise InvalidInput(f"{self._source}:{node.start_mark.line + 1}: what begins here has an alias of itself in it")
        if known is not None:
            return known
        self._sizes[id(node)] = 0
        children: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            self._refuse_twins(node)
            children = [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            children = node.value
        size = self._sizes[id(node)] = 1 + sum(map(self._judge, children))
        return size

    def _refuse_twins(self, node: yaml.MappingNode) -> None:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # which the constructor refuses
            if key.tag in _NO_TEXT:
                key.tag = f"{_PREFIX}str"
            line = key.start_mark.line + 1
            if key.value in seen:
                raise InvalidInput(f"{self._source}:{line}: {key.value!r} stands in line {seen[key.value]} already")
            seen[key.value] = line


def _composed(text: str) -> tuple[Any, yaml.Node | None]:
    """A loader that can construct what it composed, and the node of the text."""
    for make in _LOADERS[:-1]:
        with suppress(yaml.YAMLError):
            loader = make(text)
            return loader, loader.get_single_node()
    loader = _LOADERS[-1](text)
    return loader, loader.get_single_node()
