"""What config-tools writes in short: `=` before a key, whose value then differs from host to host.

`=node1-3: {=ip: 10.0.0.11-13, =mac: [a, b, c], profile: compute}` are three hosts. Otherwise than there, a list that is too short or
too long is refused, and hosts do not depend on the order in which a dictionary gives its keys.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from reprov.domain.name_range import NameRange

MARK = "="


def each_host(fields: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """The fields of every host of a range of so many. Raises `ValueError` that names the key."""
    columns = {key.removeprefix(MARK): _values(key, value, count) for key, value in fields.items()}
    if len(columns) != len(fields):
        twins = [key for key in fields if f"{MARK}{key}" in fields]
        raise ValueError(f"{twins[0]!r} stands there with and without {MARK!r}")
    return [{key: column[number] for key, column in columns.items()} for number in range(count)]


def _values(key: str, value: object, count: int) -> Sequence[Any]:
    if not key.startswith(MARK):
        return [value] * count
    if isinstance(value, Mapping):
        return each_host(value, count)
    if isinstance(value, list):
        _refuse_other(key, len(value), count)
        return value
    if isinstance(value, str):
        values = NameRange.with_dashes(value)
        if values.is_one:
            return [value] * count
        _refuse_other(key, values.count, count)
        return list(values.names())
    return [value] * count


def _refuse_other(key: str, values: int, count: int) -> None:
    if values != count:
        raise ValueError(f"{key}: {values:,} values for {count:,} hosts")


def merged(under: Any, over: Any) -> Any:
    """Two values in one: mappings are merged key by key, lists are joined, and else the second one holds."""
    if isinstance(under, Mapping) and isinstance(over, Mapping):
        return {**under, **{key: merged(under[key], value) if key in under else value for key, value in over.items()}}
    if isinstance(under, list) and isinstance(over, list):
        return [*under, *over]
    return over
