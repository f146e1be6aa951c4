"""From what was found on a node to a class for each path."""

from collections.abc import Mapping, Sequence

import pytest

from reprov.domain.installed_files import Changed
from reprov.domain.learn import Extent, Facts, Found, Proposal, Proposals, propose
from reprov.domain.ownership import Owner, Ownership, Verdict
from reprov.domain.rules import Rule
from reprov.domain.unit_files import UnitDirectory
from tests.builders import owning

SOME = Extent(2, 30, 1_700_000_000_000_000_000)
NOTHING = owning()


def unowned(path: str, *, is_dir: bool = True, made: Rule | None = None) -> Found:
    return Found(path, is_dir, SOME, Verdict(Owner.IMAGE, None), made)


def edited(path: str, *, is_conffile: bool = True, removed: bool = False) -> Changed:
    return Changed(path, "app", is_conffile, removed, 0 if removed else 10, 5)


def proposed(
    *,
    found: Sequence[Found] = (),
    changed: Sequence[Changed] = (),
    units: Sequence[UnitDirectory] = (),
    puppet: Sequence[str] = (),
    left_behind: Mapping[str, str] | None = None,
    lists: Ownership = NOTHING,
    others: Mapping[str, Ownership] | None = None,
) -> Proposals:
    managed = dict.fromkeys(puppet, ("var/lib/puppet/state/resources.txt", SOME))
    return propose(Facts(found, changed, [(unit, SOME) for unit in units], managed, left_behind or {}), lists, others or {})


def only(proposals: Proposals) -> Proposal:
    (proposal,) = proposals.open
    return proposal


STATE = UnitDirectory("app.service", "StateDirectory", "var/lib/app")

CLASSES = {
    "data that no package owns is kept": (proposed(found=[unowned("var/lib/app")]), "keep", "/var/lib/app/"),
    "programs of the node are kept": (proposed(found=[unowned("opt/app")]), "keep", "/opt/app/"),
    "an addition to packages is kept": (proposed(found=[unowned("usr/lib/site.so", is_dir=False)]), "keep", "/usr/lib/site.so"),
    "configuration that no package owns is merged": (proposed(found=[unowned("etc/site", is_dir=False)]), "merge", "/etc/site"),
    "logs are add-only": (proposed(found=[unowned("var/log/app")]), "add-only", "/var/log/app/"),
    "an edited configuration file is merged by line": (proposed(changed=[edited("etc/app.conf")]), "merge", "merge=text /etc/app.conf"),
    "a removed one is merged, and stays removed": (proposed(changed=[edited("etc/x", removed=True)]), "merge", "/etc/x"),
    "another changed file of a package is merged as a whole": (
        proposed(changed=[edited("usr/bin/x", is_conffile=False)]),
        "merge",
        "/usr/bin/x",
    ),
    "what a service keeps is kept": (proposed(units=[STATE]), "keep", "/var/lib/app/"),
    "its cache is add-only": (proposed(units=[STATE._replace(setting="CacheDirectory", path="var/cache/a")]), "add-only", "/var/cache/a/"),
    "its logs are add-only": (proposed(units=[STATE._replace(setting="LogsDirectory", path="var/log/a")]), "add-only", "/var/log/a/"),
    "what Puppet wrote is add-only": (proposed(puppet=["etc/ntp.conf"]), "add-only", "/etc/ntp.conf"),
    "so it is when the package's file was edited by it": (
        proposed(changed=[edited("etc/ntp.conf")], puppet=["etc/ntp.conf"]),
        "add-only",
        "/etc/ntp.conf",
    ),
    "what a removed package left is the image's": (
        proposed(found=[unowned("etc/old.conf", is_dir=False)], left_behind={"etc/old.conf": "old"}),
        "image",
        "/etc/old.conf",
    ),
    "a name with wildcards is escaped": (proposed(found=[unowned("srv/a*")]), "keep", "/srv/a\\*/"),
}


@pytest.mark.parametrize(("proposals", "owner", "line"), CLASSES.values(), ids=CLASSES)
def test_the_class_and_the_line(proposals: Proposals, owner: str, line: str) -> None:
    proposal = only(proposals)
    assert (proposal.owner.value, proposal.line) == (owner, line)


def test_one_path_has_the_evidence_of_all_who_know_it() -> None:
    proposal = only(proposed(found=[unowned("var/lib/app")], units=[STATE, STATE._replace(unit="b.service")]))
    assert proposal.evidence == ("systemd: StateDirectory= of app.service", "systemd: StateDirectory= of b.service")
    assert proposal.extent == SOME


def test_what_a_directory_covers_goes_into_it() -> None:
    proposal = only(proposed(found=[unowned("opt/app")], puppet=["opt/app/etc/app.conf"]))
    assert (proposal.line, proposal.evidence) == ("/opt/app/", ("puppet: /var/lib/puppet/state/resources.txt",))


def test_a_class_that_is_asked_earlier_stays_inside_a_directory() -> None:
    proposals = proposed(found=[unowned("etc/app")], puppet=["etc/app/app.conf"])
    assert [(proposal.owner, proposal.line) for proposal in proposals.open] == [
        (Owner.MERGE, "/etc/app/"),
        (Owner.ADD_ONLY, "/etc/app/app.conf"),
    ]


def test_what_the_lists_class_is_no_proposal() -> None:
    proposals = proposed(found=[unowned("var/lib/app")], lists=owning(add_only=b"/var/\n"))
    assert proposals.open == ()
    (already,) = proposals.already
    assert already.already is not None
    assert (already.already.owner, str(already.already.rule)) == (Owner.ADD_ONLY, "+ /var/")


def test_what_a_list_gives_to_the_image_is_classed() -> None:
    assert proposed(found=[unowned("var/lib/dpkg/x")], lists=owning(add_only=b"- /var/lib/dpkg/\n/var/\n")).open == ()


def test_a_list_that_says_nothing_on_purpose_classes_nothing() -> None:
    assert only(proposed(found=[unowned("srv/x")], lists=owning(add_only=b"- *\n"))).owner is Owner.KEEP


def test_the_accounts_are_classed_without_a_list() -> None:
    assert proposed(found=[unowned("etc/passwd", is_dir=False)]).open == ()


def test_another_concern_that_classes_a_path_is_named() -> None:
    others = {"ssh": owning(b"/etc/ssh/*key\n"), "ceph": owning(b"/var/lib/ceph/\n")}
    assert only(proposed(found=[unowned("var/lib/ceph")], others=others)).concern == "ceph"


def test_a_concern_that_keeps_more_than_the_lists_is_named() -> None:
    others = {"ceph": owning(b"/var/lib/ceph/\n")}
    proposals = proposed(found=[unowned("var/lib/ceph")], lists=owning(add_only=b"/var/\n"), others=others)
    assert [proposal.concern for proposal in proposals.already] == ["ceph"]


def test_a_concern_that_says_the_same_is_not() -> None:
    proposals = proposed(found=[unowned("srv/x")], lists=owning(b"/srv/x/\n"), others={"other": owning(b"/srv/**\n")})
    assert [proposal.concern for proposal in proposals.already] == [""]


def test_what_packages_made_is_summed_up_by_rule() -> None:
    rule = Rule("/usr/**/__pycache__/", include=False, source="byte code", line=0)
    proposals = proposed(found=[unowned("usr/lib/a/__pycache__", made=rule), unowned("usr/lib/b/__pycache__", made=rule)])
    assert proposals.open == ()
    (made,) = proposals.made
    assert (made.pattern, made.why, made.paths, made.extent.files) == ("/usr/**/__pycache__/", "byte code", 2, 4)


def test_the_day_of_an_extent_is_utc() -> None:
    assert SOME.newest_day == "2023-11-14"
