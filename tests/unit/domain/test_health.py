"""Whether a node is as well as before, in words; and what is kept of it."""

from dataclasses import replace

import pytest

from reprov.domain.health import Address, Baseline, Listener, Network, Route, problems
from reprov.errors import NeedsAttention

DEFAULT = Route(False, "", "192.0.2.1", "eth0", 100)
DEFAULT6 = Route(True, "", "fe80::1", "eth0", 1024)
TO_OTHERS = Route(False, "198.51.100.0/24", "192.0.2.9", "eth0")
ON_LINK = Route(True, "2001:db8:1::/64", "", "eth1", 256)
OWN = Address("eth0", "fe80::7", 64)
FIRST, SECOND = Address("eth0", "192.0.2.7", 24), Address("eth0", "2001:db8::7", 64)
WELL = Baseline(
    Network((FIRST, SECOND, OWN), (DEFAULT, TO_OTHERS, DEFAULT6, ON_LINK)),
    state="running",
    failed_units=("old.service",),
    services=("ssh.service",),
    ssh=(Listener("127.0.0.1", 22), Listener("::1", 22)),
    install_server=Listener("store.example", 8730),
    gateways=(DEFAULT, DEFAULT6),
)


def without(*routes: Route) -> Network:
    return Network(WELL.network.addresses, tuple(route for route in WELL.network.routes if route not in routes))


WORSE = {
    "nothing is worse": (WELL, ()),
    "more addresses and routes are no harm": (
        replace(WELL, network=Network((*WELL.network.addresses, Address("eth1", "10.0.0.1", 8)), (*WELL.network.routes, DEFAULT6))),
        (),
    ),
    "a metric is no matter": (replace(WELL, network=Network((FIRST, SECOND), (DEFAULT._replace(metric=0), *WELL.network.routes[1:]))), ()),
    "an address is gone": (replace(WELL, network=Network((SECOND,), WELL.network.routes)), ("192.0.2.7/24 on eth0 is gone",)),
    "an address has another length": (
        replace(WELL, network=Network((FIRST._replace(prefix_length=16), SECOND), WELL.network.routes)),
        ("192.0.2.7/24 on eth0 is gone",),
    ),
    "an interface has given itself another address": (replace(WELL, network=Network((FIRST, SECOND), WELL.network.routes)), ()),
    "a default route is gone, and its gateway is not asked": (
        replace(WELL, network=without(DEFAULT), gateways=(DEFAULT6,)),
        ("the default route through 192.0.2.1 on eth0 is gone",),
    ),
    "routes are gone": (
        replace(WELL, network=without(TO_OTHERS, DEFAULT6, ON_LINK), gateways=(DEFAULT,)),
        (
            "the route to 198.51.100.0/24 through 192.0.2.9 on eth0 is gone",
            "the IPv6 default route through fe80::1 on eth0 is gone",
            "the IPv6 route to 2001:db8:1::/64 on eth1 is gone",
        ),
    ),
    "a gateway is silent": (replace(WELL, gateways=(DEFAULT,)), ("the gateway fe80::1 on eth0 does not answer any more",)),
    "sshd is silent at one address": (replace(WELL, ssh=WELL.ssh[:1]), ("sshd does not answer on ::1 port 22 any more",)),
    "the install server is out of reach": (
        replace(WELL, install_server=None),
        ("the install server cannot be reached any more (store.example port 8730)",),
    ),
    "another unit has failed": (
        replace(WELL, state="degraded", failed_units=("new.service", "old.service")),
        ("new.service has failed",),
    ),
    "one that had failed runs": (replace(WELL, failed_units=()), ()),
    "a service runs no more, as the release may want": (replace(WELL, services=()), ()),
    "it still starts": (replace(WELL, state="starting"), ()),
    "it is in the emergency shell": (replace(WELL, state="maintenance"), ("systemd is maintenance, and was running",)),
    "systemd is silent": (replace(WELL, state=""), ("systemd does not answer any more",)),
}


@pytest.mark.parametrize("name", WORSE)
def test_what_is_worse_than_before_is_told(name: str) -> None:
    now, told = WORSE[name]
    assert problems(WELL, now) == told


def test_what_was_not_there_before_is_not_missed() -> None:
    bare = Baseline(Network(), state="degraded", failed_units=("a.service",))
    assert problems(bare, Baseline(Network(), state="degraded", failed_units=("a.service",))) == ()
    assert problems(Baseline(Network()), Baseline(Network())) == ()
    assert problems(replace(bare, state="maintenance"), replace(bare, state="maintenance")) == ()


def test_what_is_missing_can_be_put_back() -> None:
    assert WELL.network.missing_in(Network((SECOND,), (DEFAULT, TO_OTHERS))) == Network((FIRST, OWN), (DEFAULT6, ON_LINK))


@pytest.mark.parametrize("found", [WELL, Baseline(Network())], ids=["all of it", "nothing"])
def test_it_is_read_back_as_it_was_written(found: Baseline) -> None:
    assert Baseline.parse(found.to_json(), "baseline") == found


UNREADABLE = {
    "no JSON": ("{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
    "another format": (WELL.to_json().replace('"format": 1', '"format": 2'), "format 2"),
    "no routes": (WELL.to_json().replace('"network"', '"net"'), "'network'"),
    "a short route": (
        WELL.to_json().replace('[false, "198.51.100.0/24", "192.0.2.9", "eth0", 0]', "[false]"),
        "not enough values to unpack (expected 5, got 1)",
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_decides_nothing(name: str) -> None:
    text, reason = UNREADABLE[name]
    with pytest.raises(NeedsAttention) as caught:
        Baseline.parse(text, "/.reprov/post/baseline")
    assert caught.value.message == f"/.reprov/post/baseline: how the node was before cannot be read ({reason})"
