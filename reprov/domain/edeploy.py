"""What eDeploy knew of an upgrade from one version of a role to the next, as a site directory of reprov's.

`metadata/<from>/<role>/<to>/{exclude,add_only,pre,post}` on eDeploy's server becomes the concern `edeploy-<role>`, a role.yaml that
names it, the scripts as they are (`domain.hop_fragment`), and edeploy.json that says which belongs to which hop.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from reprov.domain.edeploy_conf import Conf
from reprov.domain.edeploy_hop import ADD_ONLY, EXCLUDE, IDS_NAME, HopFiles, HopName, Text, why_left_out
from reprov.domain.edeploy_lists import Translation, translate
from reprov.domain.edeploy_scripts import lines_to_look_at, not_as_edeploy
from reprov.domain.hop_fragment import HopPlace, library_folder, library_path
from reprov.domain.ids import IdTable, parse_ids_tables
from reprov.domain.script_file import check_script
from reprov.domain.step_end import WANTS_REBOOT
from reprov.errors import InvalidInput

CONF_NAME = "conf"
_FORMAT = 1
_SOURCE_PORT = 8730
_PARENT = "base"
_FAMILY_OF_PREFIX = {"D": "debian", "U": "debian", "RH": "rpm", "C": "rpm", "F": "rpm"}
"""eDeploy's versions begin with the distribution: D7-H.1.0.0, RH7.0-J.1.3.0."""


class SiteFile(NamedTuple):
    """A file of the site directory that the import writes."""

    name: str
    content: bytes
    mode: int
    origin: str
    """What it was made of."""


@dataclass(frozen=True, slots=True)
class Site:
    """All that an import writes and says."""

    hops: tuple[HopName, ...]
    files: tuple[SiteFile, ...]
    differences: tuple[str, ...]
    """What reprov does otherwise than eDeploy with these lists and scripts."""
    to_look_at: tuple[str, ...]
    """Lines of the scripts that count on what reprov does not give them."""
    left_out: tuple[str, ...]
    """What is not imported, and why."""


def ids_of(tables: Iterable[tuple[str, str]]) -> IdTable | None:
    """All tables, given as (source, text), in one; None without any. Raises `InvalidInput` where one is none or contradicts another."""
    found: IdTable | None = None
    for source, text in tables:
        table = parse_ids_tables(text, source)
        found = found.joined(table) if found else table
    return found


def family_of(hops: Iterable[HopName]) -> str:
    """The family that the versions of these hops say by their first letters. Raises `InvalidInput` where they do not."""
    families = set()
    for hop in hops:
        prefix = re.match(r"[A-Z]*", hop.new.version)
        family = _FAMILY_OF_PREFIX.get(prefix[0]) if prefix else None
        if family is None:
            raise InvalidInput(
                f"version {hop.new.version} does not say whose ids the {IDS_NAME} holds", hint="add --family debian or --family rpm"
            )
        families.add(family)
    if len(families) > 1:
        raise InvalidInput(f"the hops are of several families, and each has its own {IDS_NAME}", hint="import them one by one")
    return families.pop()


def site_of(
    hops: Sequence[HopFiles], conf: Conf | None = None, ids: tuple[str, IdTable] | None = None, unknown: Iterable[str] = ()
) -> Site:
    """The site directory of these hops, with the ids of a family.

    `unknown` are names elsewhere in the imported directory that were not read.

    Raises `InvalidInput` where eDeploy refuses the upgrade (no exclude, no or an empty add_only), for a list that rsync cannot read, for
    a file that is no script, and for hops of one role whose lists are not the same: a release has one set of lists.
    """
    translated = {hop.name: _translated(hop) for hop in hops}
    firsts = _one_for_each_role(hops)
    files = [file for hop in firsts for file in _list_files(hop, translated[hop.name])]
    files += [file for hop in firsts if hop.name.role != _PARENT for file in (_role_file(hop.name),)]
    files += [_script_file(hop.name, place, text) for hop in hops for place, text in hop.scripts.items()]
    if ids:
        files.append(SiteFile(f"ids/{ids[0]}.yaml", ids[1].render().encode(), 0o644, IDS_NAME))
    files.append(SiteFile("edeploy.json", _record(hops, conf), 0o644, "what belongs to which hop" + (", and conf" if conf else "")))
    differences = dict.fromkeys(said.text for hop in firsts for said in translated[hop.name].differences)
    places = {place for hop in hops for place in hop.scripts}
    return Site(
        hops=tuple(hop.name for hop in hops),
        files=tuple(files),
        differences=(*differences, *not_as_edeploy(places)),
        to_look_at=tuple(_to_look_at(hops)),
        left_out=tuple(_left_out(hops, conf, unknown)),
    )


def _translated(hop: HopFiles) -> Translation:
    for name, text in ((EXCLUDE, hop.exclude), (ADD_ONLY, hop.add_only)):
        if text is None:
            raise InvalidInput(
                f"{hop.name.folder}/{name}: missing, so eDeploy refuses the upgrade, and so does reprov",
                hint="a list that says nothing on purpose is the line '- *' in add_only; exclude must name what the node keeps",
            )
    assert hop.exclude is not None and hop.add_only is not None
    if not hop.add_only.content:
        raise InvalidInput(f"{hop.add_only.source}: empty, so eDeploy refuses the upgrade, and so does reprov", hint="write '- *' into it")
    return translate(hop.exclude[:2], hop.add_only[:2])


def _one_for_each_role(hops: Sequence[HopFiles]) -> list[HopFiles]:
    found: dict[str, HopFiles] = {}
    for hop in hops:
        first = found.setdefault(hop.name.role, hop)
        for one, other in ((first.exclude, hop.exclude), (first.add_only, hop.add_only)):
            if one is not None and other is not None and one.content != other.content:
                raise InvalidInput(
                    f"{other.source}: not the same as {one.source}, and a release has one set of lists",
                    hint=f"import one hop: --from {hop.name.old.version} --role {hop.name.role} --to {hop.name.new.version}",
                )
    return list(found.values())


def concern_of(role: str) -> str:
    """The concern of `excludes/` that holds the lists of a role."""
    return f"edeploy-{role}"


def _list_files(hop: HopFiles, lists: Translation) -> Iterable[SiteFile]:
    assert hop.exclude is not None and hop.add_only is not None
    concern = concern_of(hop.name.role)
    yield SiteFile(f"excludes/{concern}.exclude", lists.exclude, 0o644, hop.exclude.source)
    yield SiteFile(f"excludes/{concern}.add-only", lists.add_only, 0o644, hop.add_only.source)


def _role_file(hop: HopName) -> SiteFile:
    text = f"""\
# The role {hop.role} with the lists that eDeploy used for it. Its packages are still to be named.
# These lists are tried first, then those of {_PARENT}. For eDeploy's own lists and no others, publish the tree that eDeploy built:
#   reprov publish --tree DIR --role {hop.role} --version {hop.new.version} --lists {concern_of(hop.role)} --library THIS_DIRECTORY
# What eDeploy ran on a hop is in {library_folder(hop.role)}/FROM/TO/, and goes into the release TO when that is published.
extends: {_PARENT}
excludes: [{concern_of(hop.role)}]
"""
    return SiteFile(f"roles/{hop.role}/role.yaml", text.encode(), 0o644, "names the lists")


def _script_file(hop: HopName, place: HopPlace, text: Text) -> SiteFile:
    check_script(text.content.decode("utf-8", "surrogateescape"), text.source)
    return SiteFile(library_path(hop.old, hop.new, place), text.content, 0o755, text.source)


def _to_look_at(hops: Iterable[HopFiles]) -> Iterable[str]:
    for hop in hops:
        for place, text in hop.scripts.items():
            yield from lines_to_look_at(place, text.content, text.source, hop.unknown)


def _record(hops: Sequence[HopFiles], conf: Conf | None) -> bytes:
    listed = [
        {
            "role": hop.name.role,
            "from": hop.name.old.version,
            "to": hop.name.new.version,
            "lists": [concern_of(hop.name.role)],
            **{place: library_path(*hop.name, place) for place in hop.scripts},
            "reboot_status": WANTS_REBOOT,
        }
        for hop in hops
    ]
    record: dict[str, object] = {"format": _FORMAT, "hops": listed}
    if conf:
        record["node"] = {
            "role": conf.role,
            "version": conf.version,
            "edeploy_address": conf.address,
            "source": f"rsync://{conf.server}:{_SOURCE_PORT}" if conf.server else None,
        }
    return (json.dumps(record, indent=2) + "\n").encode()


def _left_out(hops: Sequence[HopFiles], conf: Conf | None, unknown: Iterable[str]) -> Iterable[str]:
    yield from (f"{name}: eDeploy knows no such file" for name in unknown)
    for hop in hops:
        for name in hop.unknown:
            yield f"{hop.name.folder}/{name}: eDeploy gives it no meaning; a script of the hop that uses it is named above"
        for text in (hop.pre, hop.post):
            if text is not None and (why := why_left_out(text)):
                yield f"{text.source}: {why}"
        yield from (f"{name}: eDeploy replaces it by {hop.name.folder}/{name.rpartition('/')[2]}" for name in hop.replaced)
    if any(hop.name.role == _PARENT for hop in hops):
        yield f"roles/{_PARENT}/role.yaml: not written, because reprov's own {_PARENT} has that name"
    yield from (f"{place}: no variable of eDeploy's" for place in (conf.unknown if conf else ()))
