"""The node that the benchmark takes an inventory of."""

from bench.storage import OSDS, recording
from reprov.domain.assembly import assemble
from reprov.domain.inventory import OsdKind
from tests.inventory_layouts import facts_of


def test_every_osd_has_its_disk_and_its_db() -> None:
    found = assemble(facts_of(recording()))
    assert found.notes == ()
    assert [osd.id for osd in found.osds] == list(range(OSDS))
    assert {osd.kind for osd in found.osds} == {OsdKind.LVM}
    blocks, dbs = ([getattr(osd, role) for osd in found.osds] for role in ("block", "db"))
    assert len({device.path for device in (*blocks, *dbs)}) == 2 * OSDS
    assert (len({device.disks for device in blocks}), len({device.disks for device in dbs})) == (OSDS, 5)
