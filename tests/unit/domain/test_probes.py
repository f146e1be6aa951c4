"""Probes: what a look before the upgrade and a look after it mean together."""

from collections.abc import Mapping
from typing import Any

import pytest

from reprov.domain.probes import LONG_SECONDS, SECONDS, Probe, Seen, Verdict, in_words, judge, read_probes, to_make, to_remove

A, B = "a" * 64, "b" * 64
WEB: dict[str, dict[str, str]] = {"1": {"name": "web", "status": "ACTIVE"}, "2": {"name": "", "status": "ERROR"}}


def of(kind: str, **options: Any) -> Probe:
    return Probe("x", kind, 1.0, options)


def servers(**changes: dict[str, str] | None) -> dict[str, Any]:
    """What an inventory has found: that of before, with changes by id (`_1`)."""
    found = {**WEB, **{key.lstrip("_"): item for key, item in changes.items()}}
    return {"found": {key: item for key, item in found.items() if item is not None}}


CASES: dict[str, tuple[Probe, Mapping[str, Any] | None, Mapping[str, Any], tuple[str, ...], tuple[str, ...]]] = {
    # name: probe, before, now, what is lost, what is new
    "a page that answers as before": (of("url"), {"status": 200}, {"status": 200}, (), ()),
    "a page that is answered by an error": (of("url"), {"status": 200}, {"status": 503}, ("answers with 503 instead of 200",), ()),
    "a page that wanted a password before, and still does": (of("url"), {"status": 401}, {"status": 401}, (), ()),
    "a page that wants no password any more": (of("url"), {"status": 401}, {"status": 200}, ("answers with 200 instead of 401",), ()),
    "a status that was declared goes before the one that was seen": (
        of("url", status=200),
        {"status": 503},
        {"status": 503},
        ("answers with 503 instead of 200",),
        (),
    ),
    "a page that nobody has looked at before must be fine": (of("url"), None, {"status": 404}, ("answers with 404 instead of 200",), ()),
    "a page without its text": (of("url", body="it"), {"status": 200}, {"status": 200, "has_body": False}, ("answers without 'it'",), ()),
    "a page with its text": (of("url", body="it"), None, {"status": 200, "has_body": True}, (), ()),
    "a port that answers": (of("port"), {}, {}, (), ()),
    "a name with the same addresses": (of("name"), {"addresses": ["1", "2"]}, {"addresses": ["1", "2"]}, (), ()),
    "a name that moved is news": (of("name"), {"addresses": ["1"]}, {"addresses": ["2"]}, (), ("resolved to 1, and now to 2",)),
    "a name that has lost a declared address": (
        of("name", addresses=["1", "2"]),
        {"addresses": ["1", "2"]},
        {"addresses": ["2"]},
        ("resolves to 2, and not to 1",),
        (),
    ),
    "a file as it was": (of("file"), {"sha256": A}, {"sha256": A}, (), ()),
    "a file with another content": (of("file"), {"sha256": A}, {"sha256": B}, (f"has the sha256 {B}, and not {A}",), ()),
    "a file without its declared content": (of("file", sha256=A), None, {"sha256": B}, (f"has the sha256 {B}, and not {A}",), ()),
    "a file that nobody has looked at before": (of("file"), None, {"sha256": B}, (), ()),
    "a program that ends well": (of("command"), None, {"status": 0, "said": "fine"}, (), ()),
    "a program that fails, with its last words": (
        of("command"),
        {"status": 0, "said": "fine"},
        {"status": 1, "said": "no leader"},
        ("ended with status 1: no leader",),
        (),
    ),
    "a program that should fail": (
        of("command", status=3),
        None,
        {"status": 0, "said": ""},
        ("ended with status 0 instead of 3: it said nothing",),
        (),
    ),
    "a program without its output": (
        of("command", output="up"),
        None,
        {"status": 0, "said": "", "has_output": False},
        ("its output is without 'up'",),
        (),
    ),
    "an inventory as it was, its server in error included": (of("inventory", of="server"), servers(), servers(), (), ()),
    "a server that is gone": (of("inventory", of="server"), servers(), servers(_1=None), ("server web (1) is gone",), ()),
    "a server without a name that is gone": (of("inventory", of="server"), servers(), servers(_2=None), ("server 2 is gone",), ()),
    "a server that is newly in error": (
        of("inventory", of="server"),
        servers(),
        servers(_1={"name": "web", "status": "ERROR"}),
        ("server web (1) is in ERROR and was in ACTIVE",),
        (),
    ),
    "a server that its user has stopped": (of("inventory", of="server"), servers(), servers(_1={"name": "w", "status": "SHUTOFF"}), (), ()),
    "a volume that is newly in error": (
        of("inventory", of="volume"),
        servers(_3={"name": "", "status": "in-use"}),
        servers(_3={"name": "", "status": "error_extending"}),
        ("volume 3 is in error_extending and was in in-use",),
        (),
    ),
    "servers that users have made since are fine, even in error": (
        of("inventory", of="server"),
        servers(),
        servers(_3={"name": "new", "status": "ERROR"}, _4={"name": "new", "status": "ACTIVE"}),
        (),
        ("2 more servers than before",),
    ),
    "an inventory that nobody has made before": (of("inventory", of="server"), None, servers(), (), ()),
    "a cloud that has lost everything is told in a few words": (
        of("inventory", of="image"),
        {"found": {str(number): {"name": "", "status": ""} for number in range(20)}},
        {"found": {}},
        (*(f"image {number} is gone" for number in range(8)), "and 12 more"),
        (),
    ),
    "a server that was made and moved to another host": (
        of("server"),
        {"status": "ACTIVE", "host": "cmpt1"},
        {"status": "ACTIVE", "host": "cmpt2"},
        (),
        ("ran on cmpt1, and now on cmpt2",),
    ),
    "a server that was made and broke": (
        of("server"),
        {"status": "ACTIVE"},
        {"status": "ERROR", "why": "No valid host was found."},
        ("is in ERROR: No valid host was found.",),
        (),
    ),
    "a resource that is not well when it is made": (of("volume"), None, {"status": "error"}, ("is in error",), ()),
    "a new server that becomes active": (of("new-server"), None, {"status": "ACTIVE", "host": "cmpt1"}, (), ()),
    "an image with its content": (of("image"), {"status": "active", "sha256": A}, {"status": "active", "sha256": A}, (), ()),
    "an image with another content": (
        of("image"),
        {"status": "active", "sha256": A},
        {"status": "active", "sha256": B},
        ("its content is not that of before",),
        (),
    ),
    "an object with another content": (of("object"), {"sha256": A}, {"sha256": B}, ("its content is not that of before",), ()),
}


@pytest.mark.parametrize(("probe", "before", "now", "lost", "news"), CASES.values(), ids=CASES.keys())
def test_a_look_before_and_a_look_after(
    probe: Probe, before: Mapping[str, Any] | None, now: Mapping[str, Any], lost: tuple[str, ...], news: tuple[str, ...]
) -> None:
    assert judge(probe, before, Seen(now, elapsed_s=0.5)) == Verdict("x", lost, news, 0.5)


def test_what_could_not_be_looked_at_is_lost() -> None:
    assert judge(of("inventory", of="server"), servers(), Seen({}, "Connection refused")).lost == ("Connection refused",)


def test_everything_that_does_not_hold_is_in_one_line() -> None:
    verdicts = [Verdict("page", ("answers with 503 instead of 200",)), Verdict("ok", (), ("new",)), Verdict("a", ("x", "y"))]
    assert in_words(verdicts) == "2 of 3 probes do not hold: page: answers with 503 instead of 200; a: x, y"
    assert in_words(verdicts[:1]) == "1 of 1 probe does not hold: page: answers with 503 instead of 200"
    assert in_words(verdicts[1:2]) == ""


def test_what_is_made_is_made_before_what_needs_it_and_removed_after_it() -> None:
    probes = [Probe(kind, kind, 1.0, {}) for kind in ("server", "url", "image", "volume", "network", "object")]
    assert [probe.name for probe in to_make(probes, ["object"])] == ["network", "image", "volume", "server"]
    kinds = {probe.name: probe.kind for probe in probes}
    assert to_remove(kinds) == ("server", "volume", "object", "image", "network")


def test_a_probe_has_the_time_of_its_kind_unless_it_says_so_itself() -> None:
    entries = [
        {"name": "a", "kind": "port", "host": "h", "port": 80},
        {"name": "b", "kind": "command", "argv": ["true"]},
        {"name": "c", "kind": "network", "timeout_s": 7},
    ]
    assert [probe.timeout_s for probe in read_probes(entries)] == [SECONDS, LONG_SECONDS, 7.0]


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        pytest.param(["a"], "probe 1: names and values are expected, as in {name: api, kind: url, url: ...}", id="a word"),
        pytest.param([{"kind": "url"}], "probe 1 has no name", id="no name"),
        pytest.param([{"name": "a", "kind": "network"}] * 2, "probe 2: there are two probes 'a'", id="twins"),
        pytest.param([{"name": "a"}], "probe 'a': there is no kind '' of probes (there is url, port, ", id="no kind"),
        pytest.param([{"name": "a", "kind": "urls"}], "probe 'a': there is no kind 'urls' of probes", id="an unknown kind"),
        pytest.param([{"name": "a", "kind": "url"}], "probe 'a': 'url' is missing", id="what a kind needs"),
        pytest.param([{"name": "a", "kind": "command", "argv": []}], "probe 'a': 'argv' is missing", id="a command without words"),
        pytest.param(
            [{"name": "a", "kind": "port", "host": "h", "prot": 1}],
            "probe 'a': 'prot' is nothing that a probe of kind port knows (it knows host, port)",
            id="an unknown option",
        ),
        pytest.param([{"name": "a", "kind": "port", "host": "h", "port": "1"}], "probe 'a': port: a number is expected", id="text"),
        pytest.param([{"name": "a", "kind": "url", "url": "u", "status": True}], "probe 'a': status: a number is expected", id="true"),
        pytest.param([{"name": "a", "kind": "inventory", "of": "servers"}], "probe 'a': of: there is no inventory of 'servers'", id="of"),
        pytest.param([{"name": "a", "kind": "image", "timeout_s": 0}], "probe 'a': timeout_s: a number of seconds is expected", id="0 s"),
    ],
)
def test_a_probe_that_is_written_wrong(entries: list[Any], said: str) -> None:
    with pytest.raises(ValueError) as raised:
        read_probes(entries)
    assert str(raised.value).startswith(said)
