"""The drain of a compute host: the next move for every state that Nova shows, and the way back."""

from typing import Any

import pytest

from reprov.domain.drain import (
    Disable,
    Drained,
    Enable,
    Instance,
    Migrate,
    Migration,
    Policy,
    Refuse,
    Returned,
    Service,
    Space,
    Stuck,
    View,
    Wait,
    against_probe,
    begun,
    gone_since,
    homeless,
    in_error,
    mark,
    next_move,
    next_return,
)

OPEN = Service("c1", enabled=True, up=True)
CLOSED = OPEN._replace(enabled=False, reason=mark("reprov", "2026-11-22T08:00:00"))
BY_HAND = OPEN._replace(enabled=False, reason="bad memory")
DOWN = OPEN._replace(up=False)
OTHERS = ("c2", "c3")
WEB = Instance("1", "web", "ACTIVE")
DB = Instance("2", "db", "PAUSED")
CACHE = Instance("3", "cache", "ACTIVE")
MOVING = WEB._replace(status="MIGRATING", task="migrating")
HANGING = MOVING._replace(moving_s=900)
BROKEN = WEB._replace(status="ERROR", said="Broken pipe")
TRIED = WEB._replace(tries=2, said="No valid host was found.")
RESCUED = Instance("4", "sick", "RESCUE")


def record(status: str, number: int = 7, instance: str = "1", created: str = "2026-11-22T08:01:00.000000") -> Migration:
    return Migration(number, instance, "c1", "c2", status, created)


def view(*instances: Instance, service: Service = CLOSED, others: tuple[str, ...] = OTHERS, **more: Any) -> View:
    return View(service, others, instances)._replace(**more)


def first(*instances: Instance, service: Service = OPEN, **more: Any) -> View:
    return view(*instances, service=service, first=True, **more)


@pytest.mark.parametrize(
    ("seen", "policy", "expected"),
    [
        pytest.param(first(WEB), {}, Disable(), id="the scheduler comes first"),
        pytest.param(first(), {}, Disable(), id="also of a host that is empty"),
        pytest.param(view(WEB, DB, CACHE), {}, Migrate((WEB, DB)), id="then as many as may go at once"),
        pytest.param(view(MOVING, DB, CACHE), {}, Migrate((DB,)), id="one that somebody else has sent counts"),
        pytest.param(view(MOVING, DB), {"at_once": 1}, Wait("web (1) is MIGRATING"), id="and is waited for"),
        pytest.param(
            view(MOVING, gone={"1": record("running")}),
            {},
            Wait("web (1) is MIGRATING (migration 7 to c2 is running)"),
            id="with what Nova says of its migration",
        ),
        pytest.param(
            view(WEB._replace(status="REBOOT", task="rebooting"), Instance("5", "new", "BUILD")),
            {},
            Wait("web (1) is busy: REBOOT, rebooting, new (5) is busy: BUILD, no task"),
            id="one that is busy is waited for",
        ),
        pytest.param(
            view(WEB, gone={"1": record("running")}),
            {},
            Wait("migration 7 to c2 is running, of web (1)"),
            id="one that has come back from a migration that has not ended",
        ),
        pytest.param(
            view(WEB._replace(moving_s=900), gone={"1": record("running")}),
            {},
            Migrate((WEB._replace(moving_s=900),)),
            id="which is not waited for for ever: some records never end",
        ),
        pytest.param(view(coming=("late (9)",)), {}, Wait("late (9) is on its way here"), id="one that still comes is waited for"),
        pytest.param(view(WEB._replace(tries=1)), {}, Migrate((WEB._replace(tries=1),)), id="one that came back is told to go again"),
        pytest.param(view(WEB, service=BY_HAND), {}, Migrate((WEB,)), id="a host that somebody else has disabled is not disabled again"),
        pytest.param(first(WEB, service=CLOSED), {}, Migrate((WEB,)), id="an interrupted drain goes on"),
        pytest.param(first(service=CLOSED, others=()), {}, Drained(()), id="also on the last host, where nothing is left to be moved"),
        pytest.param(first(WEB, others=()), {"migrate": False}, Disable(), id="where nothing is migrated, nothing is refused"),
    ],
)
def test_the_next_move(seen: View, policy: dict[str, Any], expected: object) -> None:
    assert next_move(seen, Policy()._replace(**policy)) == expected


@pytest.mark.parametrize(
    ("seen", "policy", "stays"),
    [
        pytest.param(view(), {}, {}, id="an empty host is drained"),
        *(
            pytest.param(view(WEB._replace(status=status)), {}, {"web": f"{status} when the drain came"}, id=f"what is {status} stays")
            for status in ("SHUTOFF", "SUSPENDED", "SHELVED", "SOFT_DELETED")
        ),
        pytest.param(view(BROKEN, in_error_before=("1",)), {}, {"web": "in ERROR before the drain"}, id="what was in ERROR before stays"),
        pytest.param(view(RESCUED), {"may_stay": ("4",)}, {"sick": "the site lets it stay, RESCUE"}, id="what the site lets stay, by id"),
        pytest.param(view(WEB), {"may_stay": ("web",)}, {"web": "the site lets it stay, ACTIVE"}, id="or by name"),
        pytest.param(view(WEB), {"migrate": False}, {"web": "nothing is migrated"}, id="everything, where nothing is migrated"),
    ],
)
def test_what_may_stay_on_a_drained_host(seen: View, policy: dict[str, Any], stays: dict[str, str]) -> None:
    move = next_move(seen, Policy()._replace(**policy))
    assert isinstance(move, Drained)
    assert {stay.instance.name: stay.why for stay in move.stays} == stays


@pytest.mark.parametrize(
    ("seen", "whys"),
    [
        pytest.param(
            first(others=()),
            ["c1 is the last compute host that is up and enabled: nothing could take its instances"],
            id="the last compute host",
        ),
        pytest.param(
            first(WEB, service=CLOSED, others=()),
            ["c1 is the last compute host that is up and enabled: nothing could take its instances"],
            id="one whose drain cannot go on, the others having gone",
        ),
        pytest.param(first(WEB, service=DOWN), ["Nova sees nova-compute on c1 down: it can migrate nothing"], id="one that cannot migrate"),
        pytest.param(
            first(WEB, RESCUED, Instance("5", "big", "VERIFY_RESIZE")),
            ["sick (4) is in RESCUE, and cannot be live-migrated", "big (5) is in VERIFY_RESIZE, and cannot be live-migrated"],
            id="instances that run and cannot be moved",
        ),
        pytest.param(
            first(WEB, DB, space=Space({"1": {"VCPU": 4, "MEMORY_MB": 2048}, "2": {"VCPU": 2}}, iter([{"VCPU": 3, "MEMORY_MB": 9000}]))),
            ["no other host has room for web (1) MEMORY_MB=2048 VCPU=4"],
            id="instances that will not fit",
        ),
        pytest.param(
            first(BROKEN, service=CLOSED, gone={"1": record("error")}),
            ["web (1) has gone into ERROR since the drain began: Broken pipe"],
            id="one that an interrupted drain has left in ERROR",
        ),
    ],
)
def test_what_is_refused_at_the_first_look(seen: View, whys: list[str]) -> None:
    move = next_move(seen, Policy())
    assert isinstance(move, Refuse)
    assert [trouble.why for trouble in move.troubles] == whys
    assert all(trouble.hint for trouble in move.troubles)


@pytest.mark.parametrize(
    ("seen", "why", "hint"),
    [
        pytest.param(
            view(HANGING, gone={"1": record("running")}),
            "web (1) has been MIGRATING for 900 s (migration 7 to c2 is running)",
            "`openstack server migration abort 1 7` keeps it here",
            id="one that is MIGRATING for ever",
        ),
        pytest.param(
            view(BROKEN, gone={"1": record("error")}),
            "web (1) has gone into ERROR since the drain began: Broken pipe",
            "`openstack server set --state active 1`",
            id="one that went into ERROR on its way",
        ),
        pytest.param(
            view(BROKEN._replace(said="")),
            "web (1) has gone into ERROR since the drain began: Nova does not say why",
            "on c1 whether it runs",
            id="one that went into ERROR by itself",
        ),
        pytest.param(
            view(TRIED),
            "web (1) has not gone, told 2 times: No valid host was found.",
            "`openstack server stop 1`",
            id="one that has no host",
        ),
        pytest.param(
            view(TRIED._replace(said=""), gone={"1": record("error")}),
            "web (1) has not gone, told 2 times: migration 7 to c2 is error",
            "run this again",
            id="one of which Nova only has a record",
        ),
        pytest.param(
            view(WEB, gone={"1": record("completed")}),
            "migration 7 of web (1) to c2 is completed, and yet Nova lists it on c1",
            "correct its host and node in Nova's database",
            id="one that Nova lists where it is no more",
        ),
        pytest.param(
            view(RESCUED), "sick (4) is in RESCUE, and cannot be live-migrated", "`openstack server unrescue 4`", id="one rescued meanwhile"
        ),
        pytest.param(
            view(RESCUED._replace(status="UNKNOWN")),
            "sick (4) is in UNKNOWN, and cannot be live-migrated",
            "`openstack server stop 4`",
            id="one in a state that we do not know",
        ),
    ],
)
def test_what_a_human_has_to_look_at(seen: View, why: str, hint: str) -> None:
    move = next_move(seen, Policy())
    assert isinstance(move, Stuck)
    assert [trouble.why for trouble in move.troubles] == [why]
    assert hint in move.troubles[0].hint


def test_one_that_cannot_go_holds_up_nobody_else() -> None:
    assert next_move(view(TRIED, DB), Policy()) == Migrate((DB,))
    assert next_move(view(HANGING, DB), Policy()) == Migrate((DB,))


def test_none_is_sent_after_one_that_went_into_error_on_its_way() -> None:
    assert next_move(view(BROKEN, DB._replace(status="MIGRATING", task="migrating"), CACHE), Policy()) == Wait("db (2) is MIGRATING")
    move = next_move(view(BROKEN, CACHE), Policy())
    assert isinstance(move, Stuck)
    assert move.left == (CACHE,)


def test_one_that_hangs_has_its_place_until_somebody_ends_it() -> None:
    move = next_move(view(HANGING, DB), Policy(at_once=1))
    assert isinstance(move, Stuck)
    assert move.left == (DB,)


def test_a_migration_under_way_cannot_be_let_stay() -> None:
    assert next_move(view(MOVING), Policy(may_stay=("web",))) == Wait("web (1) is MIGRATING")


def test_a_long_wait_names_five_and_counts_the_rest() -> None:
    moving = [MOVING._replace(id=str(number), name=f"n{number}") for number in range(7)]
    move = next_move(view(*moving), Policy())
    assert isinstance(move, Wait)
    assert move.why.endswith("n4 (4) is MIGRATING and 2 more")


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        pytest.param(CLOSED, Enable(), id="what the drain has disabled is enabled"),
        pytest.param(CLOSED._replace(up=False), Wait("Nova does not see nova-compute on c1 up"), id="not before Nova sees it up"),
        pytest.param(OPEN, Returned(""), id="once"),
        pytest.param(BY_HAND, Returned("bad memory"), id="what somebody else has disabled stays so"),
        pytest.param(BY_HAND._replace(reason="reprov"), Returned("reprov"), id="also with a reason that looks like ours"),
        pytest.param(BY_HAND._replace(reason=""), Returned("somebody has disabled it, without a reason"), id="also without any reason"),
    ],
)
def test_the_way_back(service: Service, expected: object) -> None:
    assert next_return(service, "reprov") == expected


def test_a_host_that_was_forced_down_is_not_waited_for() -> None:
    move = next_return(CLOSED._replace(up=False, forced_down=True), "reprov")
    assert isinstance(move, Stuck)
    assert move.troubles[0].why == "somebody has forced nova-compute on c1 down"


def test_a_host_is_proved_by_an_instance_that_becomes_active_on_it() -> None:
    assert against_probe("c1", "ACTIVE", "") is None
    assert [trouble.why for said in ("No valid host was found.", "") if (trouble := against_probe("c1", "BUILD", said))] == [
        "a new instance on c1 is BUILD, and not ACTIVE: No valid host was found.",
        "a new instance on c1 is BUILD, and not ACTIVE: Nova does not say why",
    ]


def test_the_mark_of_a_drain_tells_when_it_began_and_whose_it_is() -> None:
    text = mark("may (2026)", "2026-11-22T08:00:00")
    assert text == "may (2026), since 2026-11-22T08:00:00Z"
    assert begun(text, "may (2026)") == "2026-11-22T08:00:00"
    assert begun(text, "june") == begun(f"{text}, and more", "may (2026)") == ""


def test_what_has_gone_is_told_by_the_last_migration_off_the_host_since_the_drain_began() -> None:
    before = record("completed", 1, "3", created="2026-11-22T07:59:59.000000")
    back = record("completed", 4)._replace(source="c2", target="c1")
    found = gone_since([record("error", 3), record("error", 2, "2"), record("running", 5, "2"), before, back], "c1", "2026-11-22T08:00:00")
    assert {instance: migration.number for instance, migration in found.items()} == {"1": 3, "2": 5}


def test_an_instance_was_in_error_before_unless_the_drain_has_moved_it() -> None:
    other = BROKEN._replace(id="9")
    assert in_error([WEB, BROKEN, other], {}) == {"1", "9"}
    assert in_error([BROKEN, other], {"1": record("error")}) == {"9"}


@pytest.mark.parametrize(
    ("rooms", "left"),
    [
        pytest.param([{"VCPU": 9, "MEMORY_MB": 7}], [], id="all into one room"),
        pytest.param([{"VCPU": 9, "MEMORY_MB": 4}, {"VCPU": 9, "MEMORY_MB": 3}], [], id="into two, the largest first"),
        pytest.param([{"VCPU": 9, "MEMORY_MB": 6}], ["cache"], id="all but the smallest"),
        pytest.param([{"VCPU": 1, "MEMORY_MB": 99}], ["db", "cache"], id="every resource counts"),
        pytest.param([{"MEMORY_MB": 99}], ["web", "db", "cache"], id="a host without a resource has no room for who needs it"),
        pytest.param([], ["web", "db", "cache"], id="no room at all"),
    ],
)
def test_room_is_looked_for(rooms: list[dict[str, int]], left: list[str]) -> None:
    needs = {"1": {"VCPU": 1, "MEMORY_MB": 4}, "2": {"VCPU": 1, "MEMORY_MB": 2}, "3": {"VCPU": 1, "MEMORY_MB": 1}}
    assert [instance.name for instance in homeless([CACHE, DB, WEB], Space(needs, rooms))] == left


def test_no_more_rooms_are_looked_at_than_are_needed() -> None:
    rooms = iter([{"VCPU": 1}, {"VCPU": 1}])
    assert homeless([WEB], Space({"1": {"VCPU": 1}}, rooms)) == []
    assert list(rooms) == [{"VCPU": 1}]


def test_an_instance_of_unknown_needs_fits_wherever_there_is_a_host() -> None:
    assert homeless([WEB], Space({}, [{}])) == []
