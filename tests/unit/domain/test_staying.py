"""What stays while trees are exchanged, and only that: by a simulated commit and by cases of a word or two."""

from hypothesis import HealthCheck, given, settings

from reprov.domain.comparison import compare
from reprov.domain.entry import Entry, Kind, ancestors_of
from reprov.domain.scan import Scan
from reprov.domain.staying import Staying
from tests.builders import Case, a_dir, a_file, a_tree, cases, owning, scan_of
from tests.simulation import admissible, carried_out, exchange_all, walk

EXAMPLES = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


def covers(staying: Staying, path: str) -> bool:
    """Whether a search that begins at the tops and leaves out what is left out comes by a path."""
    for place in (path, *reversed(ancestors_of(path))):
        if place in staying.left_out:
            return False
        if place in staying.tops:
            return True
    return False


@EXAMPLES
@given(cases())
def test_after_a_commit_what_stays_is_what_it_was_and_the_rest_is_the_releases_or_gone(case: Case) -> None:
    planned = admissible(case)
    staying = Staying.in_upgrade(planned.scan, case.target, planned.comparison)
    before = {path: inode.entry for path, inode in walk(carried_out(case, planned)[0].live)}
    machine, journal = carried_out(case, planned)
    exchange_all(machine, journal)
    machine.set_directories(change.after for change in planned.swaps.directories if change.after is not None)
    after = {path: inode.entry for path, inode in walk(machine.live)}
    for path, entry in before.items():
        if covers(staying, path):
            assert owner_of(after[path]) == owner_of(entry), f"{path} did not stay"
        elif path in after:
            assert path in case.target, f"{path} is left out, and nobody made it"
    assert not any(path in staying.left_out for path in staying.tops)


def owner_of(entry: Entry) -> tuple[object, ...]:
    return entry.kind, entry.uid, entry.gid, entry.digest


KEEP = b"/srv/data/\n/etc/key\n/etc/gone/mine\n"
TARGET = a_tree(a_file("usr/bin/a"), a_file("etc/conf"), a_dir("srv"), a_dir("var/lib/app"), a_file("var/lib/dpkg/status"))


def the_scan() -> tuple[Scan, dict[str, Entry]]:
    live = a_tree(
        *TARGET.values(),
        *(a_file(path) for path in ("srv/data/x", "etc/key", "etc/gone/mine", "etc/stray", "var/lib/app/x", "unknown/file", "home/x")),
    )
    ownership = owning(KEEP, b"- /var/lib/dpkg/\n/var/\n")
    return scan_of(live, ownership, TARGET, fenced=("home",)), live


def test_an_upgrade_looks_at_what_is_the_nodes_and_at_what_nobody_brought() -> None:
    scan, _ = the_scan()
    staying = Staying.in_upgrade(scan, TARGET, compare(TARGET, scan, owning(KEEP, b"- /var/lib/dpkg/\n/var/\n")))
    assert staying.tops == ("etc/gone", "etc/key", "home", "srv/data", "unknown", "var")
    assert staying.left_out == {"var/lib/dpkg"}


def test_a_rollback_leaves_out_what_goes_with_a_tree_that_is_exchanged() -> None:
    scan, live = the_scan()
    staying = Staying.in_rollback(scan, TARGET, {"etc", "usr"})
    assert staying.tops == ("etc/gone", "etc/key", "home", "srv/data", "unknown", "var")
    assert not covers(staying, "etc/stray")
    assert covers(Staying.in_rollback(scan, TARGET, {"usr"}), "etc/stray")
    assert live["etc/gone"].kind is Kind.DIR
