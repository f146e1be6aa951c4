"""reprov inventory: the tables and the JSON of recorded layouts."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reprov.cli.inventory_text import inventory_tables
from reprov.cli.tables import Table
from reprov.domain.inventory import Inventory
from reprov.domain.links import Address, Link, Network, Route
from reprov.domain.protected import protected
from reprov.workflows import inventory as workflow
from tests.inventory_layouts import LAYOUTS, inventory_of

NETWORK = Network(
    (
        Link("bond0", "bond", "52:54:00:00:00:01", 9000, True, "up", bond_mode="802.3ad"),
        Link("bond0.7", "vlan", "52:54:00:00:00:01", 9000, True, "up", parent="bond0", vlan_id=7),
        Link("eth0", "physical", "52:54:00:00:00:01", 9000, True, "up", master="bond0"),
        Link("eth1", "physical", "52:54:00:00:00:01", 9000, False, "down", master="bond0"),
    ),
    (Address("bond0.7", "192.0.2.7/24", "global"), Address("bond0.7", "fe80::1/64", "link")),
    (
        Route("default", "inet", "bond0.7", "192.0.2.1", metric=100),
        Route("default", "inet", "bond0", "192.0.2.9", table=7),
        Route("192.0.2.0/24", "inet", "bond0.7"),
    ),
)


@pytest.fixture
def listing(monkeypatch: pytest.MonkeyPatch, reprov: Callable[..., Any]) -> Callable[..., Any]:
    """Runs `reprov inventory` where this comes out."""

    def run(found: Inventory, *words: object) -> Any:
        monkeypatch.setattr(workflow, "take_inventory", lambda root, *, monitor: found)
        monkeypatch.setattr(workflow, "inventory_of_image", lambda image, *, monitor: replace(found, notes=(str(image),)))
        return reprov("inventory", *words)

    return run


def test_the_tables(listing: Callable[..., Any]) -> None:
    done = listing(replace(inventory_of("lvm-db"), network=NETWORK))
    assert (done.status, done.stdout.splitlines()) == (
        0,
        [
            "DISK         SIZE  TABLE  IDENTITY              MODEL",
            "nvme0n1  960.2 GB  gpt    eui.0025385b71b0c1d2  -",
            "sda        4.0 TB  -      0x5000c50000000001    -",
            "sdb        4.0 TB  -      0x5000c50000000002    -",
            "",
            "DEVICE         SIZE  TYPE   CONTENT      DATA  USE",
            "nvme0n1p1   64.4 GB  linux  -            yes   osd.1 db",
            "nvme0n1p2  895.8 GB  lvm    LVM2_member  yes   PV of osd.0",
            "sda          4.0 TB  disk   LVM2_member  yes   PV of osd.0",
            "sdb          4.0 TB  disk   LVM2_member  yes   PV of osd.1",
            "",
            "OSD    KIND           FSID                                  ON",
            "osd.0  lvm encrypted  a0a0a0a0-9d6a-4f26-8a4b-2b1a0a9f8e7d  sda, db nvme0n1p2",
            "osd.1  lvm            b1b1b1b1-9d6a-4f26-8a4b-2b1a0a9f8e7d  sdb, db nvme0n1p1, wal missing",
            "",
            "CLUSTER                               OSDS",
            "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9  2",
            "",
            "LINK     KIND          STATE  ON          ADDRESSES",
            "bond0    bond 802.3ad  up     eth0, eth1  -",
            "bond0.7  vlan 7        up     bond0       192.0.2.7/24",
            "eth0     physical      up     -           -",
            "eth1     physical      off    -           -",
            "",
            "DEFAULT ROUTE  LINK     METRIC",
            "192.0.2.1      bond0.7     100",
        ],
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_columns_but_the_last_leave_room_for_it_in_80_columns(layout: str) -> None:
    inventory = inventory_of(layout)
    for table in inventory_tables(inventory, protected(inventory)):
        without_last = Table(table.columns[:-1], [row[:-1] for row in table.rows])
        assert max(map(len, without_last.lines())) < 70


def test_the_json_has_a_format_and_says_what_is_data(listing: Callable[..., Any]) -> None:
    found = json.loads(listing(replace(inventory_of("sata"), network=NETWORK), "--json").stdout)
    assert found["format"] == 1
    assert [disk["wwn"] for disk in found["disks"]] == ["0x55cd2e414f6a1b2c", "0x5000c500a1b2c3d4"]
    assert found["disks"][1]["partitions"][0]["content"] == {
        "type": "xfs",
        "usage": "filesystem",
        "uuid": "8f1b7c66-4fb5-4d6e-9c13-77b8a3a5b0c1",
        "label": "srv/data",
    }
    assert found["protected"] == [
        {
            "device": {
                "path": "/dev/sdb1",
                "partuuid": "9a7b6a55-2f0e-4c39-8b6f-3f0a3b3d6a11",
                "volume": "",
                "volume_uuid": "",
                "disks": ["0x5000c500a1b2c3d4"],
            },
            "reasons": ["mounted at /srv/data", "fstab: /srv/data"],
        }
    ]
    assert found["network"]["links"][1]["vlan_id"] == 7
    assert found["fstab"][1]["entry"] == {
        "source": "UUID=3f6e8f43-3b7a-4f26-9a9c-1f8f6f2d6a02",
        "mount_point": "/boot",
        "filesystem": "ext4",
        "options": ["defaults"],
    }


def test_an_image(listing: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "disk.img").touch()
    assert json.loads(listing(Inventory(), "--image", tmp_path / "disk.img", "--json").stdout)["notes"] == [str(tmp_path / "disk.img")]


def test_an_image_has_no_root(listing: Callable[..., Any], tmp_path: Path) -> None:
    done = listing(Inventory(), "--image", tmp_path, "--root", tmp_path)
    assert (done.status, done.stderr.splitlines()) == (
        2,
        ["reprov: --image and --root do not go together", "hint: an image is listed without the node that it belongs to"],
    )


def test_nothing_at_all(listing: Callable[..., Any]) -> None:
    assert (listing(Inventory()).status, listing(Inventory()).stdout) == (0, "")
