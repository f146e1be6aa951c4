"""The hosts of infra.yaml: ranges expanded, a host's own lines laid over those of its range, twins refused."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from reprov.domain.config_tools import MARK, each_host, merged
from reprov.domain.infra import Host, JsonValue
from reprov.domain.infra_fields import HostFields, is_host, keys_at
from reprov.domain.known_keys import did_you_mean, unknown_key
from reprov.domain.name_range import NameRange
from reprov.domain.yaml_model import validated
from reprov.domain.yaml_text import Location, YamlText
from reprov.errors import InvalidInput, problems_of

MOST_HOSTS = 100_000
"""Of one infra: ten times the largest fleet that this is meant for."""


class Draft(NamedTuple):
    """What one entry says of one host."""

    name: str
    key: str
    """Of the entry, for its line."""
    profile: str | None
    address: str | None
    failure_domain: str | None
    variables: Mapping[str, JsonValue]
    is_of_range: bool

    def under(self, own: "Draft") -> "Draft":
        """What the range says, where the host's own entry says nothing."""
        return Draft(
            own.name,
            own.key,
            self.profile if own.profile is None else own.profile,
            self.address if own.address is None else own.address,
            self.failure_domain if own.failure_domain is None else own.failure_domain,
            merged(self.variables, own.variables),
            is_of_range=True,
        )


class HostReader:
    """Reads the entries one by one and collects everything that is wrong with them."""

    def __init__(self, text: YamlText, profiles: Iterable[str], *, is_config_tools: bool) -> None:
        self.problems: list[InvalidInput] = []
        self.kept_keys: dict[str, str] = {}
        """Keys of hosts that config-tools may have a use for: where the first one stands, by key."""
        self._text = text
        self._profiles = tuple(profiles)
        self._is_config_tools = is_config_tools
        self._drafts: dict[str, Draft] = {}
        self._refined: set[str] = set()

    def read(self, entries: Mapping[str, dict[str, Any] | None]) -> tuple[Host, ...]:
        """The hosts in the order of the file; only to be used when `problems` is empty."""
        for key, fields in entries.items():
            try:
                for draft in self._drafts_of(key, fields or {}):
                    self._add(draft)
            except InvalidInput as error:
                self.problems += problems_of(error)
        hosts = []
        by_address: dict[str, Draft] = {}
        without_profile: set[str] = set()
        for draft in self._drafts.values():
            address = draft.address or draft.name
            other = by_address.setdefault(address.lower(), draft)
            if other is not draft:
                self._refuse(draft.key, f"{draft.name} has the address of {other.name} ({self._place(other)}), {address}")
            if draft.profile not in self._profiles and draft.key not in without_profile:
                without_profile.add(draft.key)
                self._refuse_profile(draft)
            hosts.append(Host(draft.name, draft.profile or "", address, draft.failure_domain or draft.name, draft.variables))
        return tuple(hosts)

    def _drafts_of(self, key: str, fields: dict[str, Any]) -> Iterator[Draft]:
        at: Location = ("hosts", key)
        is_marked = key.startswith(MARK)
        try:
            names = NameRange.with_dashes(key.removeprefix(MARK)) if is_marked else NameRange.in_brackets(key)
            self._refuse_too_many(key, names.count)
            each_fields = each_host(fields, names.count) if is_marked else [fields]
        except ValueError as error:
            raise self._text.invalid(at, f"hosts.{key}: {error}") from None
        said = [validated(HostFields, self._text, own, keys_at, at) for own in each_fields]
        self._judge_keys(key, said[0])
        if is_marked:
            addresses, domains = [_address_of(own) for own in said], [own.failure_domain for own in said]
        else:
            addresses, domains = (self._spread(key, what, said[0], names.count) for what in ("address", "failure_domain"))
            said *= names.count
        for name, own, address, domain in zip(names.names(), said, addresses, domains, strict=True):
            if not is_host(name):
                raise self._text.invalid(at, f"{name!r} is no host name", hint="letters, digits and dashes, in labels that dots separate")
            if address is not None and not is_host(address):
                raise self._text.invalid((*at, _address_key(own)), f"{address!r} is neither an address nor a host name")
            kept = own.unknown if self._is_config_tools else {}
            variables = merged(merged(kept, own.config or {}), own.variables or {})
            yield Draft(name, key, own.profile, address, domain, variables, is_of_range=not names.is_one)

    def _spread(self, key: str, what: str, fields: HostFields, count: int) -> list[str | None]:
        """A value for each host of a range. Failure domains may be fewer: each then holds as many hosts, that follow each other."""
        field = _address_key(fields) if what == "address" else what
        written = getattr(fields, field)
        if written is None:
            return [None] * count
        try:
            values = NameRange.in_brackets(written)
        except ValueError as error:
            raise self._text.invalid(("hosts", key, field), f"hosts.{key}.{field}: {error}") from None
        if values.count > count or count % values.count or (what == "address" and values.count != count):
            raise self._text.invalid(("hosts", key, field), f"hosts.{key}.{field}: {values.count:,} for {count:,} hosts")
        each = count // values.count
        return [value for value in values.names() for _ in range(each)]

    def _add(self, draft: Draft) -> None:
        name = draft.name.lower()
        other = self._drafts.get(name)
        if other is None:
            self._drafts[name] = draft
            return
        if name in self._refined or other.is_of_range == draft.is_of_range:
            raise self._text.invalid(("hosts", draft.key), f"{draft.name} stands in {self._place(other)} already")
        of_range, own = (other, draft) if other.is_of_range else (draft, other)
        if own.profile not in (None, of_range.profile):
            raise self._text.invalid(
                ("hosts", own.key), f"{own.name} is a {own.profile} here, and a {of_range.profile} in {self._place(of_range)}"
            )
        self._refined.add(name)
        self._drafts[name] = of_range.under(own)

    def _judge_keys(self, key: str, fields: HostFields) -> None:
        for name in fields.unknown:
            if self._is_config_tools:
                self.kept_keys.setdefault(name, self._text.where(("hosts", key, name)))
            else:
                self.problems.append(self._text.invalid(("hosts", key, name), unknown_key(name, HostFields.model_fields)))
        if fields.address is not None and fields.ip is not None:
            self._refuse(key, f"hosts.{key}: 'address' and 'ip' are two words for the same")

    def _refuse_profile(self, draft: Draft) -> None:
        if draft.profile is None:
            self._refuse(draft.key, f"{draft.name} has no profile", hint=f"profile: {' or '.join(self._profiles)}")
        else:
            said = f"{draft.name} is a {draft.profile!r}, which is no profile of this infra{did_you_mean(draft.profile, self._profiles)}"
            self.problems.append(self._text.invalid(("hosts", draft.key, "profile"), said))

    def _refuse_too_many(self, key: str, count: int) -> None:
        if count + len(self._drafts) > MOST_HOSTS:
            raise self._text.invalid(("hosts", key), f"hosts.{key}: {count:,} hosts; an infra has {MOST_HOSTS:,} at most")

    def _refuse(self, key: str, message: str, *, hint: str | None = None) -> None:
        self.problems.append(self._text.invalid(("hosts", key), message, hint=hint))

    def _place(self, draft: Draft) -> str:
        return f"line {self._text.line(('hosts', draft.key))}"


def _address_key(fields: HostFields) -> str:
    return "address" if fields.address is not None else "ip"


def _address_of(fields: HostFields) -> str | None:
    return fields.address if fields.address is not None else fields.ip
