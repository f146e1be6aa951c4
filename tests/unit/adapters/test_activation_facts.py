"""What is read of a node beside the inventory, in a made-up root."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from reprov.adapters import activation_facts
from reprov.adapters.activation_facts import read_facts
from reprov.domain.activation import Means
from reprov.domain.inventory import DeviceRef, Disk, Inventory, Osd, OsdKind

RAW = Osd(3, "f-3", "c-1", OsdKind.RAW, block=DeviceRef("/dev/sda"))
HOME = "var/lib/ceph/osd/ceph-3"


def test_the_node_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activation_facts, "running_osds", lambda: ())
    cluster, fsid = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", "3a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
    device = tmp_path / "device"
    device.write_bytes(b"bluestore block device\n" + fsid.encode() + b"\n")
    for name, text in {
        "etc/ceph/ceph.conf": f"[global]\nfsid = {cluster}\n",
        "etc/ceph/ceph.client.admin.keyring": "",
        "etc/ceph/osd/3-f-3.json": "{}",
        "etc/ceph/osd/33-f-3.json.bak": "{}",
        "etc/systemd/system/ceph-1a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9@.service": "",
        "var/lib/ceph/2a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9/osd.1/x": "",
        "usr/sbin/ceph-volume": "",
        "usr/bin/ceph": "",
        "run/systemd/system/x": "",
        f"{HOME}/whoami": "3",
        f"{HOME}/fsid": "f-3",
        f"{HOME}/keyring": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "usr/sbin/ceph-volume").chmod(0o755)
    (tmp_path / HOME / "block").symlink_to(device)
    (tmp_path / HOME / "block.db").symlink_to("/dev/not-here")
    path = str(device)
    facts = read_facts(tmp_path, Inventory((Disk(path, 0, 512),), osds=(replace(RAW, block=DeviceRef(path)),)))
    assert facts.means == Means(
        os.uname().nodename,
        cluster,
        frozenset({"1a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", "2a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"}),
        has_systemd=True,
        has_ceph_volume=True,
    )
    assert [(home.found.devices, home.has_keyring) for home in facts.homes] == [((("block", path), ("db", "")), True)]
    assert facts.labels[path].osd_fsid == fsid
    assert facts.descriptions == {"f-3": "/etc/ceph/osd/3-f-3.json"}
