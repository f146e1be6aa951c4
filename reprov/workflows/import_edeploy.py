"""What an eDeploy server knows of its upgrades becomes a site directory."""

from collections.abc import Sequence
from pathlib import Path

from reprov.adapters.edeploy import find_hops, read_hop, read_text, write_site
from reprov.domain.edeploy import CONF_NAME, Site, family_of, ids_of, site_of
from reprov.domain.edeploy_conf import Conf
from reprov.domain.edeploy_hop import IDS_NAME, METADATA, HopName
from reprov.errors import InvalidInput


def import_edeploy(top: Path, wanted: Sequence[HopName], family: str | None, output: Path) -> Site:
    """Read the wanted hops below `top` (none: all of them) and write the site directory `output`, which must not exist.

    `family` says whose ids an ids.tables holds; None: what the versions say.
    """
    unknown: tuple[str, ...] = ()
    if not wanted:
        wanted, unknown = find_hops(top)
    if not wanted:
        raise InvalidInput(f"{top / METADATA}: has no <from>/<role>/<to>/")
    hops = [read_hop(top, name) for name in dict.fromkeys(wanted)]
    text = read_text(top, CONF_NAME)
    conf = Conf.parse(text, CONF_NAME) if text is not None else None
    sources = dict.fromkeys((IDS_NAME, *(hop.name.ids_tables for hop in hops)))
    ids = ids_of((source, found) for source in sources if (found := read_text(top, source)) is not None)
    names = [hop.name for hop in hops]
    site = site_of(hops, conf, (family or family_of(names), ids) if ids else None, unknown)
    write_site(output, site.files)
    return site
