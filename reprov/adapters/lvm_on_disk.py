"""LVM read from its physical volumes themselves, where its tools cannot be asked: in disk images, in a small rescue system."""

import os
from collections.abc import Iterable
from pathlib import Path

from reprov.domain.lvm import Lvm
from reprov.domain.lvm_metadata import AREA_HEADER_BYTES, LABEL_BYTES, PhysicalLabel, is_empty, parse_label, text_places, volumes_of
from reprov.domain.probing import Place


def read_lvm_on_disk(places: Iterable[Place]) -> Lvm:
    """What the metadata on physical volumes says; a volume that cannot be read is left out. Raises `ReprovError` for damaged metadata."""
    labels: dict[str, PhysicalLabel] = {}
    texts: list[tuple[str, str]] = []
    free: set[str] = set()
    for place in places:
        fd = os.open(Path(place.path), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            label = parse_label(os.pread(fd, LABEL_BYTES, place.offset_bytes))
            if label is None:
                continue
            labels[place.name] = label
            for area in label.areas:
                header = os.pread(fd, AREA_HEADER_BYTES, place.offset_bytes + area[0])
                parts = [os.pread(fd, size, place.offset_bytes + offset) for offset, size in text_places(header, area)]
                if parts:
                    texts.append((b"".join(parts).decode("utf-8", "surrogateescape"), place.name))
                elif is_empty(header):
                    free.add(place.name)
        finally:
            os.close(fd)
    return volumes_of(texts, labels, free)
