"""Probes: what was there and worked before an upgrade must be there and work after it, and what that means for each kind of them.

Generated projects take this file along as it is, for `reprov_probes` on hosts that need not have reprov and may have an older Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    _Facts = Mapping[str, Any]

MADE: Final = ("network", "image", "object", "volume", "server")
"""Kinds that are made before the upgrade, in the order in which they need each other, and are removed when it is over."""
RESOURCES: Final = ("server", "network", "router", "volume", "image", "container")
"""What an inventory can list of an OpenStack cloud."""
SECONDS: Final = 30.0
"""How long a probe may take that does not say so itself; one that makes something, or runs a program, may take `LONG_SECONDS`."""
LONG_SECONDS: Final = 300.0

HTTP_OK: Final = 200
ACTIVE: Final = ("active", "available", "in-use")
"""The states of a resource that is well."""

_SHOWN: Final = 8
_NAMES_IN_WORDS: Final = {list: "a list", dict: "a mapping", str: "text", int: "a number"}


class Option(NamedTuple):
    """What a kind of probe can be told."""

    type: type
    is_needed: bool = False


OPTIONS: Final[Mapping[str, Mapping[str, Option]]] = {
    "url": {"url": Option(str, True), "status": Option(int), "body": Option(str), "ca_file": Option(str)},
    "port": {"host": Option(str, True), "port": Option(int, True)},
    "name": {"dns": Option(str, True), "addresses": Option(list)},
    "file": {"path": Option(str, True), "sha256": Option(str)},
    "command": {"argv": Option(list, True), "status": Option(int), "output": Option(str), "folder": Option(str)},
    "inventory": {"of": Option(str, True)},
    "new-server": {"image": Option(str, True), "flavor": Option(str, True), "network": Option(str, True)},
    "network": {},
    "image": {},
    "object": {"container": Option(str)},
    "volume": {"size_gb": Option(int), "image": Option(str)},
    "server": {"image": Option(str, True), "flavor": Option(str, True), "network": Option(str, True)},
}
"""By kind."""


class Probe(NamedTuple):
    """One thing to look at."""

    name: str
    """In messages, in the record, and of what is made for it."""
    kind: str
    timeout_s: float
    options: Mapping[str, Any]

    @property
    def is_made(self) -> bool:
        """Whether it is a resource that has to be made."""
        return self.kind in MADE


class Seen(NamedTuple):
    """What a look at a probe has found."""

    facts: Mapping[str, Any]
    trouble: str = ""
    """Why nothing was found, in words; there are no facts then."""
    elapsed_s: float = 0.0


class Verdict(NamedTuple):
    """What a look means."""

    probe: str
    lost: tuple[str, ...] = ()
    """What does not hold any more, each in words. Anything here stops a rollout."""
    news: tuple[str, ...] = ()
    """What is otherwise than before, and may be."""
    elapsed_s: float = 0.0


def read_probes(entries: Iterable[Any]) -> tuple[Probe, ...]:
    """The probes as somebody has written them. Raises `ValueError` that says which one is wrong, and how."""
    found: dict[str, Probe] = {}
    for number, entry in enumerate(entries, 1):
        probe = _read(entry, f"probe {number}")
        if probe.name in found:
            raise ValueError(f"probe {number}: there are two probes {probe.name!r}")
        found[probe.name] = probe
    return tuple(found.values())


def to_make(probes: Iterable[Probe], recorded: Iterable[str]) -> tuple[Probe, ...]:
    """Those that have to be made, in the order in which they need each other; what the record has is not made again."""
    known = set(recorded)
    return tuple(sorted((probe for probe in probes if probe.is_made and probe.name not in known), key=lambda probe: MADE.index(probe.kind)))


def to_remove(kinds: Mapping[str, str]) -> tuple[str, ...]:
    """The names of what was made, by kind, in the order in which nothing is removed that something else still needs."""
    made = [name for name, kind in kinds.items() if kind in MADE]
    return tuple(sorted(made, key=lambda name: MADE.index(kinds[name]), reverse=True))


def judge(probe: Probe, before: Mapping[str, Any] | None, now: Seen) -> Verdict:
    """What a look means, where these facts were seen before the upgrade; None where nobody has looked."""
    if now.trouble:
        return Verdict(probe.name, (now.trouble,), (), now.elapsed_s)
    found = _JUDGES[probe.kind](probe.options, before or {}, now.facts)
    return Verdict(probe.name, tuple(found.lost), tuple(found.news), now.elapsed_s)


def in_words(verdicts: Sequence[Verdict]) -> str:
    """The probes that do not hold, in a line; "" when all do."""
    lost = [f"{verdict.probe}: {', '.join(verdict.lost)}" for verdict in verdicts if verdict.lost]
    if not lost:
        return ""
    nouns, verb = "probe" if len(verdicts) == 1 else "probes", "does" if len(lost) == 1 else "do"
    return f"{len(lost)} of {len(verdicts)} {nouns} {verb} not hold: {'; '.join(lost)}"


def _read(entry: Any, where: str) -> Probe:
    if not isinstance(entry, Mapping):
        raise ValueError(f"{where}: names and values are expected, as in {{name: api, kind: url, url: ...}}")
    options = dict(entry)
    name, kind, timeout_s = options.pop("name", ""), options.pop("kind", ""), options.pop("timeout_s", None)
    if not isinstance(name, str) or not name:
        raise ValueError(f"{where} has no name")
    where = f"probe {name!r}"
    if kind not in OPTIONS:
        raise ValueError(f"{where}: there is no kind {kind!r} of probes (there is {', '.join(OPTIONS)})")
    known = OPTIONS[kind]
    for key, value in options.items():
        if key not in known:
            raise ValueError(f"{where}: {key!r} is nothing that a probe of kind {kind} knows (it knows {', '.join(known) or 'none'})")
        if not isinstance(value, known[key].type) or isinstance(value, bool):
            raise ValueError(f"{where}: {key}: {_NAMES_IN_WORDS[known[key].type]} is expected")
    missing = [key for key, option in known.items() if option.is_needed and options.get(key) in (None, "", [])]
    if missing:
        raise ValueError(f"{where}: {missing[0]!r} is missing")
    if kind == "inventory" and options["of"] not in RESOURCES:
        raise ValueError(f"{where}: of: there is no inventory of {options['of']!r} (there is {', '.join(RESOURCES)})")
    if timeout_s is None:
        timeout_s = LONG_SECONDS if kind in MADE or kind in ("command", "inventory", "new-server") else SECONDS
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, (int, float)) or timeout_s <= 0:
        raise ValueError(f"{where}: timeout_s: a number of seconds is expected")
    return Probe(name, kind, float(timeout_s), options)


class _Found(NamedTuple):
    lost: Sequence[str] = ()
    news: Sequence[str] = ()


def _url(options: _Facts, before: _Facts, now: _Facts) -> _Found:
    wanted = options.get("status", before.get("status", HTTP_OK))
    if now["status"] != wanted:
        return _Found([f"answers with {now['status']} instead of {wanted}"])
    return _Found() if now.get("has_body", True) else _Found([f"answers without {options['body']!r}"])


def _port(options: _Facts, before: _Facts, now: _Facts) -> _Found:
    return _Found()  # that somebody answers is all


def _name(options: _Facts, before: _Facts, now: _Facts) -> _Found:
    is_now = now["addresses"]
    missing = sorted(set(options.get("addresses", ())) - set(is_now))
    if missing:
        return _Found([f"resolves to {', '.join(is_now)}, and not to {', '.join(missing)}"])
    was = before.get("addresses", is_now)
    return _Found() if was == is_now else _Found(news=[f"resolved to {', '.join(was)}, and now to {', '.join(is_now)}"])


def _file(options: _Facts, before: _Facts, now: _Facts) -> _Found:
    wanted = options.get("sha256", before.get("sha256", now["sha256"]))
    return _Found() if now["sha256"] == wanted else _Found([f"has the sha256 {now['sha256']}, and not {wanted}"])


def _command(options: _Facts, before: _Facts, now: _Facts) -> _Found:
    wanted = options.get("status", 0)
    if now["status"] != wanted:
        instead = f" instead of {wanted}" if wanted else ""
        return _Found([f"ended with status {now['status']}{instead}: {now['said'] or 'it said nothing'}"])
    return _Found() if now.get("has_output", True) else _Found([f"its output is without {options['output']!r}"])


def _inventory(options: _Facts, before: _Facts, now: _Facts) -> _Found:
    """What is gone, and what has an error that it had not; what users have made since is fine."""
    of, found = options["of"], now["found"]
    was = before.get("found", found)
    gone = [f"{of} {_called(was[key], key)} is gone" for key in was if key not in found]
    broken = [
        f"{of} {_called(item, key)} is in {item['status']} and was in {was[key]['status']}"
        for key, item in found.items()
        if key in was and _is_error(item) and not _is_error(was[key])
    ]
    new = len(found.keys() - was.keys())
    return _Found(_few([*gone, *broken]), [f"{new} more {of}{'' if new == 1 else 's'} than before"] if new else [])


def _resource(options: _Facts, before: _Facts, now: _Facts) -> _Found:
    """Of what was made: it is well, and has the content that it had. Where it runs may be another place."""
    lost = []
    if now.get("status", ACTIVE[0]).lower() not in ACTIVE:
        lost.append(f"is in {now['status']}{': ' + now['why'] if now.get('why') else ''}")
    if now.get("sha256") != before.get("sha256", now.get("sha256")):
        lost.append("its content is not that of before")
    was_at, is_at = before.get("host"), now.get("host")
    moved = was_at and is_at and was_at != is_at
    return _Found(lost, [f"ran on {was_at}, and now on {is_at}"] if moved else [])


def _called(item: Mapping[str, str], key: str) -> str:
    return f"{item['name']} ({key})" if item.get("name") and item["name"] != key else key


def _is_error(item: Mapping[str, str]) -> bool:
    return item.get("status", "").lower().startswith(("error", "killed"))


def _few(lines: list[str]) -> list[str]:
    return lines if len(lines) <= _SHOWN else [*lines[:_SHOWN], f"and {len(lines) - _SHOWN} more"]


_JUDGES: Final[Mapping[str, Callable[[_Facts, _Facts, _Facts], _Found]]] = {
    "url": _url,
    "port": _port,
    "name": _name,
    "file": _file,
    "command": _command,
    "inventory": _inventory,
    "new-server": _resource,
    **dict.fromkeys(MADE, _resource),
}
