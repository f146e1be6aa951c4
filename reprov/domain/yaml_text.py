"""YAML that people write, with every mistake reported by file and line."""

import yaml

from reprov.errors import InvalidInput


class YamlText:
    """The data of a YAML text, a mapping without twins, and the line of each of its values."""

    def __init__(self, text: str, source: str, what: str) -> None:
        """`what` it should be, "a role". Raises `InvalidInput` with file:line for what is no mapping."""
        self._source = source
        try:
            self._node = yaml.compose(text, Loader=yaml.SafeLoader)
            self.data = yaml.safe_load(text)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise InvalidInput(f"{source}:{mark.line + 1 if mark else 1}: not YAML: {error.problem or error.context}") from None
        except yaml.YAMLError as error:
            raise InvalidInput(f"{source}:1: not YAML: {str(error).splitlines()[0]}") from None
        except RecursionError:
            raise InvalidInput(f"{source}:1: not {what}: nested too deep") from None
        if not isinstance(self._node, yaml.MappingNode):
            raise InvalidInput(f"{source}:1: {what} is a list of 'key: value' lines")
        self._refuse_twins(self._node)

    def invalid(self, location: tuple[int | str, ...], message: str) -> InvalidInput:
        """The error that says where."""
        return InvalidInput(f"{self.where(location)}: {message}")

    def where(self, location: tuple[int | str, ...]) -> str:
        """The file and line of a value, by the keys and indexes that lead to it."""
        return f"{self._source}:{self._line_of(location)}"

    def _line_of(self, location: tuple[int | str, ...]) -> int:
        node: yaml.Node | None = self._node
        line = 1
        for part in location:
            if isinstance(node, yaml.MappingNode):
                key, value = next(((key, value) for key, value in node.value if key.value == str(part)), (node, None))
                line, node = key.start_mark.line + 1, value
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                line = node.start_mark.line + 1
        return line

    def _refuse_twins(self, node: yaml.Node) -> None:
        children: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            seen: dict[str, int] = {}
            for key, value in node.value:
                line = key.start_mark.line + 1
                if key.value in seen:
                    raise InvalidInput(f"{self._source}:{line}: {key.value!r} stands in line {seen[key.value]} already")
                seen[key.value] = line
                children.append(value)
        elif isinstance(node, yaml.SequenceNode):
            children = node.value
        for child in children:
            self._refuse_twins(child)
