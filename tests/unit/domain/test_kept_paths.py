"""What of the node's is watched while scripts run."""

import pytest

from reprov.domain.entry import Entry, Kind
from reprov.domain.kept_paths import kept_tops
from tests.builders import a_dir, a_file, a_link, a_tree, owning, scan_of

KEEP = b"/etc/hostname\n/var/lib/ceph/\n/etc/link\n/var/log/site/\n/etc/x.lock\n/run/x\n"

PATHS = {
    "a kept file": (a_file("etc/hostname"), {"etc/hostname": Kind.FILE}),
    "a kept directory": (a_dir("var/lib/ceph"), {"var/lib/ceph": Kind.DIR}),
    "what is the release's": (a_file("etc/other"), {}),
    "a link, which may come and go": (a_link("etc/link"), {}),
    "a log": (a_dir("var/log/site"), {}),
    "a lock": (a_file("etc/x.lock"), {}),
    "what is there while the system runs": (a_file("run/x"), {}),
}


@pytest.mark.parametrize(("entry", "found"), PATHS.values(), ids=PATHS)
def test_a_path_by_itself(entry: Entry, found: dict[str, Kind]) -> None:
    above = [a_dir(path) for path in ("etc", "var", "var/lib", "var/log", "run")]
    assert kept_tops(scan_of(a_tree(*above, entry), owning(KEEP))) == found


def test_only_the_top_of_what_is_kept() -> None:
    live = a_tree(a_dir("var"), a_dir("var/lib"), a_dir("var/lib/ceph"), a_dir("var/lib/ceph/osd"), a_file("var/lib/ceph/osd/x"))
    assert kept_tops(scan_of(live, owning(KEEP))) == {"var/lib/ceph": Kind.DIR}
