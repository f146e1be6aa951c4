"""The cluster of a ceph.conf."""

import pytest

from reprov.domain.ceph_conf import cluster_fsid

FSID = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
CASES = {
    "in [global]": (f"[global]\n\tfsid = {FSID}\n", FSID),
    "before any section": (f"fsid={FSID}\n[osd]\nx = 1\n", FSID),
    "upper case, in quotes, with a comment": (f'[global]\nfsid = "{FSID.upper()}" # ours\n', FSID),
    "the last one counts": (f"[global]\nfsid = {'0' * 8}{FSID[8:]}\n[osd]\nx = 1\n[ global ]\nfsid = {FSID}\n", FSID),
    "of another section": (f"[client.other]\nfsid = {FSID}\n", ""),
    "commented out": (f"[global]\n# fsid = {FSID}\n;fsid = {FSID}\n", ""),
    "of another setting": (f"[global]\nosd_fsid = {FSID}\n", ""),
    "no uuid": ("[global]\nfsid = ours\n", ""),
    "an empty file": ("", ""),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_the_cluster(text: str, expected: str) -> None:
    assert cluster_fsid(text) == expected
