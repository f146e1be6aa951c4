"""The order in which the members of a real etcd cluster are upgraded: one goes when all are in step, the next when it is back."""

from collections.abc import Iterator

import pytest

from tests.system import etcd_lab
from tests.system.etcd_lab import NAMES, EtcdCluster, etcd_cluster

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs(*etcd_lab.PROGRAMS)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    """Every test leaves it with all members in step."""
    with etcd_cluster(tmp_path_factory.mktemp("etcd")) as made:
        yield made


def test_one_after_the_other_goes_and_comes_back_and_no_value_is_lost(cluster: EtcdCluster) -> None:
    written = {f"/calico/{number}": "before" for number in range(100)}
    cluster.write("a", written)
    for name in ("c", "b", "a"):
        leaves = cluster.quorum("may_leave", name)
        assert leaves.values["reason"] == "a, b and c are in step, and 2 of them stay"
        assert leaves.changed, "it is noted"
        cluster.stop(name)
        meanwhile = {f"/calico/{name}{number}": "meanwhile" for number in range(100)}
        other = next(other for other in NAMES if other != name)
        cluster.write(other, meanwhile)
        written |= meanwhile
        cluster.start(name)
        back = cluster.quorum("back", name)
        assert back.values["reason"].startswith(f"{name} is in step with ")
        assert cluster.values(name, "/calico/") == written, "and has what it has missed"
        assert back.changed
        assert not cluster.note(name).exists()
    assert not cluster.quorum("back", "a").changed
    for name in NAMES:
        assert cluster.values(name, "/calico/") == written


def test_while_one_is_away_no_other_may_go_and_it_is_named(cluster: EtcdCluster) -> None:
    looked = cluster.quorum("may_leave", "c", "--check")
    assert (looked.changed, looked.values["move"]) == (True, "go")
    assert not cluster.note("c").exists()
    assert cluster.quorum("may_leave", "c").changed
    assert not cluster.quorum("may_leave", "c").changed, "a second run notes nothing else"
    cluster.stop("c")
    refused = cluster.quorum("may_leave", "b", timeout_s=1)
    assert not refused.is_fine
    assert refused.values["reason"] == "c does not answer at http://127.0.0.3:2379; never are two members away at once"
    assert refused.message.startswith("etcd: this host's member may not leave after ")
    assert "Look at etcdctl endpoint status --cluster" in refused.message
    assert not cluster.note("b").exists()
    assert "nothing is known of its cluster: etcdctl member list" in cluster.quorum("back", "c", timeout_s=1).message
    cluster.start("c")
    assert cluster.quorum("back", "c").is_fine


def test_a_host_without_a_member_is_refused_at_once(cluster: EtcdCluster) -> None:
    refused = cluster.quorum("may_leave", "a", member="d")
    assert "d is no member of the cluster " in refused.message
    assert "which has a, b and c. Waiting does not help" in refused.message
    assert refused.values["waited_for"] == []


def test_a_member_that_comes_up_in_a_cluster_of_its_own_is_not_back(cluster: EtcdCluster) -> None:
    assert cluster.quorum("may_leave", "c").is_fine
    cluster.stop("c")
    kept = cluster.data("c").rename(cluster.data("c").with_name("kept"))
    cluster.start("c", members=("c",))
    cluster.await_health("c")
    refused = cluster.quorum("back", "c")
    assert "c is in the cluster " in refused.message
    assert "Waiting does not help; stop it: it has begun a cluster of its own" in refused.message
    assert cluster.note("c").exists(), "it is not forgotten where it belongs"
    cluster.stop("c")
    cluster.forget_data("c")
    kept.rename(cluster.data("c"))
    cluster.start("c")
    assert cluster.quorum("back", "c").is_fine
