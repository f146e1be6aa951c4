"""Layouts of disks as their tools told them, recorded in tests/recordings/inventory/.

A recording is one sentence, then sections: `block` (devices with N: name, P: parent, B: what it lies on, S: links, A: sysfs's attributes,
E: udev's properties), the output of programs, `label` (what ceph-bluestore-tool prints), `directory`, `mounts` (path, filesystem, number).
"""

import json
import re
from collections import defaultdict
from pathlib import Path

from reprov.domain.assembly import NodeFacts, assemble
from reprov.domain.blkid import parse_probe
from reprov.domain.block_device import BlockDevice, block_device, is_storage
from reprov.domain.bluestore import parse_show_label
from reprov.domain.fstab import parse_fstab
from reprov.domain.inventory import Inventory
from reprov.domain.lvm import Lvm, parse_lvm
from reprov.domain.mounts import Mount
from reprov.domain.osd_directory import OsdDirectory, osd_directory, parse_simple
from reprov.domain.sfdisk import parse_sfdisk
from reprov.domain.swaps import parse_swaps

RECORDINGS = Path(__file__).parent / "recordings/inventory"
LAYOUTS = tuple(sorted(path.stem for path in RECORDINGS.glob("*.txt")))
_NOTHING = '{"report": [{"pv": [], "vg": [], "lv": []}]}'


def recorded(layout: str) -> str:
    """The text of a recording."""
    return (RECORDINGS / f"{layout}.txt").read_text()


def facts_of(text: str) -> NodeFacts:
    """What a recording tells."""
    sections: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for heading, body in re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", text, re.MULTILINE):
        kind, _, name = heading.partition(" ")
        sections[kind].append((name, body))
    only = {kind: found[0][1] for kind, found in sections.items()}
    tables = [parse_sfdisk(body, "sfdisk") for _, body in sections["sfdisk"]]
    labels = [parse_show_label(json.dumps({name: json.loads(body)}), name) for name, body in sections["label"]]
    return NodeFacts(
        devices=devices_of(only["block"]),
        tables={json.loads(body)["partitiontable"]["device"]: table for table, (_, body) in zip(tables, sections["sfdisk"], strict=True)},
        contents=parse_probe(only.get("blkid", ""), "blkid"),
        lvm=_lvm(only),
        labels={device: label for found in labels for device, label in found.items()},
        directories=(
            *(found for name, body in sections["directory"] if (found := _directory(name, body))),
            *(parse_simple(body, name) for name, body in sections["simple"]),
        ),
        mounts=tuple(_mount(line) for line in only.get("mounts", "").splitlines()),
        swaps=parse_swaps(only.get("swaps", "")),
        fstab=parse_fstab(only.get("fstab", "").encode()),
    )


def inventory_of(layout: str) -> Inventory:
    """The inventory of a recorded layout."""
    return assemble(facts_of(recorded(layout)))


def devices_of(text: str) -> tuple[BlockDevice, ...]:
    """The storage devices of a `block` section."""
    found = []
    for block in re.split(r"\n{2,}", text.strip()):
        lines: dict[str, list[str]] = defaultdict(list)
        for line in block.splitlines():
            lines[line[0]].append(line[3:])
        attributes = dict(line.removeprefix("device/").split("=", 1) for line in lines["A"])
        properties = dict(line.split("=", 1) for line in lines["E"])
        name = lines["N"][0]
        if is_storage(name, attributes):
            links = tuple(f"/dev/{link}" for link in lines["S"])
            parent = "".join(lines["P"])
            found.append(block_device(name, properties, attributes, links=links, parent=parent, below=tuple(lines["B"])))
    return tuple(found)


def _lvm(only: dict[str, str]) -> Lvm | None:
    return None if "no" in only else parse_lvm(*(only.get(name, _NOTHING) for name in ("pvs", "vgs", "lvs")))


def _directory(path: str, body: str) -> OsdDirectory | None:
    lines = body.splitlines()
    files = dict(line.split(": ", 1) for line in lines if ": " in line)
    links = dict(line.split(" -> ", 1) for line in lines if " -> " in line)
    return osd_directory(path, files, links, has_data="has data" in lines)


def _mount(line: str) -> tuple[Mount, str]:
    path, filesystem, number = line.split()
    return Mount(path[1:], filesystem, "none", False), number.removesuffix("-")
