"""Whether the OSDs that are up are those that were there before."""

from dataclasses import replace

import pytest

from reprov.domain.activation import Decision, OsdProcess, State
from reprov.domain.activation_proof import missing_osds, proven_before, proven_now
from reprov.domain.inventory import Osd, OsdKind
from reprov.domain.proof import Proof, ProvenOsd

OSD = Osd(3, "f-3", "c-1", OsdKind.RAW)
RUNS = OsdProcess(9, 3, "f-3", "c-1")
CASES = {
    "it runs": (Decision(OSD, State.RUNNING), RUNS, []),
    "it is ready": (Decision(OSD, State.READY), None, []),
    "it is down": (Decision(OSD, State.DOWN), None, [("osd.3", "OSD", "f-3", "missing")]),
    "it is left alone": (Decision(OSD, State.LEFT_ALONE), None, [("osd.3", "OSD", "f-3", "missing")]),
    "it runs as another id": (Decision(OSD, State.RUNNING), replace(RUNS, id=4), [("osd.3", "OSD id", "3", "4")]),
    "it runs in another cluster": (
        Decision(OSD, State.RUNNING),
        replace(RUNS, cluster_fsid="c-2"),
        [("osd.3", "cluster fsid", "c-1", "c-2")],
    ),
}


@pytest.mark.parametrize(("decision", "process", "expected"), CASES.values(), ids=CASES)
def test_what_is_not_as_it_was(decision: Decision, process: OsdProcess | None, expected: list[tuple[str, ...]]) -> None:
    now = proven_now([decision], [process] if process else [])
    assert [tuple(item) for item in missing_osds(proven_before([OSD], None), now).differences] == expected


def test_an_osd_whose_id_nobody_knew_is_the_same_by_its_fsid() -> None:
    before = proven_before([replace(OSD, id=None, cluster_fsid="")], None)
    assert missing_osds(before, proven_now([Decision(OSD, State.READY)], ())).differences == ()


def test_an_earlier_proof_goes_before_what_is_here_and_a_new_one_is_a_remark() -> None:
    proof = Proof("", "", False, osds=(ProvenOsd(4, "f-4", "c-1", "raw"), ProvenOsd(5, "", "c-1", "cephadm")))
    found = missing_osds(proven_before([OSD], proof), proven_now([Decision(OSD, State.READY)], ()))
    assert [item.device for item in found.differences] == ["osd.4"]
    assert found.remarks == ("osd.3: new",)
