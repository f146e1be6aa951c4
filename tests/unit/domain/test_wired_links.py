"""Which network device the rescue system configures."""

from collections.abc import Callable, Sequence

import pytest

from reprov.domain.wired_links import WiredLink, is_settled, link_to_set, links_to_ask
from reprov.errors import ReprovError

FIRST = WiredLink(2, "eno1", "52:54:00:00:00:01", True)
SECOND = WiredLink(3, "eno2", "52:54:00:00:00:02", True)
DOWN = WiredLink(4, "eno3", "52:54:00:00:00:03", False)


@pytest.mark.parametrize(
    ("links", "device", "asked"),
    [
        pytest.param([FIRST, SECOND, DOWN], "", (FIRST, SECOND), id="all that have a carrier"),
        pytest.param([FIRST, SECOND], "eno2", (SECOND,), id="the one that is named"),
        pytest.param([FIRST, SECOND], "52:54:00:00:00:01", (FIRST,), id="the one whose MAC address is named"),
        pytest.param([FIRST, DOWN], "eno3", (DOWN,), id="a named one even without carrier: some tell theirs late"),
    ],
)
def test_dhcp_is_asked_on(links: Sequence[WiredLink], device: str, asked: tuple[WiredLink, ...]) -> None:
    assert links_to_ask(links, device) == asked


@pytest.mark.parametrize(
    ("choose", "links", "device", "message", "hint"),
    [
        pytest.param(
            links_to_ask, [], "", "no wired network device has a carrier", "there is no wired network device at all", id="no device"
        ),
        pytest.param(
            links_to_ask,
            [DOWN],
            "",
            "no wired network device has a carrier",
            "there is eno3 (52:54:00:00:00:03, no carrier)",
            id="no carrier",
        ),
        pytest.param(
            link_to_set, [FIRST], "eth0", "there is no wired network device eth0", "there is eno1 (52:54:00:00:00:01)", id="another name"
        ),
        pytest.param(
            link_to_set,
            [FIRST, SECOND],
            "",
            "which network device gets the address? These have a carrier: eno1 (52:54:00:00:00:01), eno2 (52:54:00:00:00:02)",
            "reprov.ip=...,DEVICE",
            id="one address and two devices",
        ),
    ],
)
def test_nothing_can_be_chosen(
    choose: Callable[[Sequence[WiredLink], str], object], links: Sequence[WiredLink], device: str, message: str, hint: str
) -> None:
    with pytest.raises(ReprovError) as caught:
        choose(links, device)
    assert caught.value.message == message
    assert (caught.value.hint or "").startswith(hint)


def test_the_only_one_with_a_carrier_gets_the_address() -> None:
    assert link_to_set([DOWN, SECOND], "") == SECOND


@pytest.mark.parametrize(
    ("links", "device", "settled"),
    [
        pytest.param([], "", False, id="no device yet"),
        pytest.param([FIRST, SECOND], "", True, id="all have a carrier"),
        pytest.param([FIRST, DOWN], "", False, id="one may still get one"),
        pytest.param([FIRST, DOWN], "eno1", True, id="the one that matters has one"),
        pytest.param([FIRST, DOWN], "eno3", False, id="the one that matters has none"),
    ],
)
def test_waiting(links: Sequence[WiredLink], device: str, settled: bool) -> None:
    assert is_settled(links, device) is settled
