"""eDeploy's two rsync passes and reprov leave the same tree, given the same lists, the same node and the same image.

The passes are eDeploy's own, run by the real rsync on scratch trees. Where the two differ, it is one of the differences that
`import-edeploy` says (`Difference`), and never to the node's loss.
"""

import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from reprov.domain.comparison import Comparison, compare
from reprov.domain.edeploy_lists import Topic, translate
from reprov.domain.entry import Entry, Kind, is_below, parent_of
from reprov.domain.ownership import Owner, Ownership
from reprov.domain.scan import Scan
from tests.builders import NEVER, a_dir, a_file, a_link, a_tree, scan_of

pytestmark = [pytest.mark.commands, pytest.mark.needs("rsync")]

BATCH = 10
EXAMPLES = 32
assert EXAMPLES * BATCH >= 300

FIRST = "rsync -a --numeric-ids --delete-after --exclude-from=exclude image/ node/"
SECOND = "rsync -a --numeric-ids --ignore-existing --include-from=add_only image/ node/"
EDEPLOY = f"{FIRST}; first=$?; {SECOND}; second=$?; exit $((first > second ? first : second))"
PARTIAL = 23
"""rsync's "some files could not be transferred": eDeploy stops there, with half of the new system in place."""

Look = tuple[Kind, str, int]
"""What is compared of a path: kind, content or link target, mode."""
Looks = dict[str, Look]
CONTENTS = {a_file("", content).digest: content for content in ("", "1", "22", "333", "image", "the node's")}


class Difference(StrEnum):
    """How reprov's result may differ from eDeploy's."""

    ADDED = "eDeploy's second pass made it in a directory that exclude keeps; reprov does not"
    MODE = "eDeploy's second pass set the image's mode on a directory that exclude keeps; reprov does not"
    OTHER_KIND = "the rule is for directories, node and image differ in kind, and eDeploy replaced or deleted the node's; reprov keeps it"
    THROUGH = "a link on the node that exclude keeps, a directory in the image: eDeploy's second pass wrote to where the link points"
    MADE = "exclude names it, the node lacks it, add_only does not name it: reprov makes it"
    ROOT = "in the root directory, and no release brought it: eDeploy deleted it, reprov does not"


TOPICS = {
    Difference.ADDED: Topic.ENTERED,
    Difference.MODE: Topic.ENTERED,
    Difference.OTHER_KIND: Topic.KIND,
    Difference.THROUGH: Topic.KIND,
    Difference.MADE: Topic.MADE,
    Difference.ROOT: Topic.ROOT,
}
"""How the import says it."""


class Case(NamedTuple):
    """A node, an image and eDeploy's lists."""

    live: Mapping[str, Entry]
    image: Mapping[str, Entry]
    exclude: bytes
    add_only: bytes
    knows_live: bool = True
    """The node's files came with the release before."""

    @property
    def ownership(self) -> Ownership:
        """What the imported lists say."""
        lists = translate(("exclude", self.exclude), ("add_only", self.add_only))
        return Ownership.parse([("edeploy.exclude", lists.exclude)], [("edeploy.add-only", lists.add_only)])

    @property
    def scan(self) -> Scan:
        """What a survey of the node finds."""
        return scan_of(self.live, self.ownership, self.image, base=self.live if self.knows_live else ())

    def __repr__(self) -> str:
        """What a person needs to see of a failure."""
        paths = sorted(path for path in self.live.keys() | self.image.keys() if path)
        said = (f"\n  {path}: node {look_at(self.live, path)}, image {look_at(self.image, path)}" for path in paths)
        return f"Case(exclude={self.exclude!r} add_only={self.add_only!r}{''.join(said)})"


class Outcome(NamedTuple):
    """What both made of a case."""

    theirs: Looks
    status: int
    """The worse one of the two passes."""
    ours: Looks
    comparison: Comparison


def outcomes(cases: Sequence[Case], scratch: Path) -> list[Outcome]:
    """rsync's processes spend most of their time waiting for each other: all cases run at once."""
    with tempfile.TemporaryDirectory(dir=scratch) as directory:
        folders = [Path(directory, str(number)) for number in range(len(cases))]
        running = []
        for case, folder in zip(cases, folders, strict=True):
            folder.mkdir()
            lay(case.image, folder / "image")
            lay(case.live, folder / "node")
            (folder / "exclude").write_bytes(case.exclude)
            (folder / "add_only").write_bytes(case.add_only)
            environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
            running.append(
                subprocess.Popen(["sh", "-c", EDEPLOY], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            )
        found = []
        for case, folder, process in zip(cases, folders, running, strict=True):
            _, complaint = process.communicate()
            assert process.returncode in (0, PARTIAL), complaint
            comparison = compare(case.image, case.scan, case.ownership)
            found.append(Outcome(looks_of(folder / "node"), process.returncode, after(comparison, case), comparison))
        return found


def after(comparison: Comparison, case: Case) -> Looks:
    """The node when the changes have been made."""
    found = dict(case.live)
    for change in comparison.changes:
        if change.after is None:
            del found[change.path]
        else:
            found[change.path] = change.after
    return {path: look for path in found if path and (look := look_at(found, path))}


def look_at(tree: Mapping[str, Entry], path: str) -> Look | None:
    """The path as it is in this tree."""
    entry = tree.get(path)
    if entry is None:
        return None
    content = CONTENTS[entry.digest] if entry.kind is Kind.FILE else entry.target
    return entry.kind, content, 0 if entry.kind is Kind.LINK else entry.mode


def lay(tree: Mapping[str, Entry], root: Path) -> None:
    for path, entry in tree.items():
        full = root / path
        if entry.kind is Kind.DIR:
            full.mkdir()
        elif entry.kind is Kind.LINK:
            full.symlink_to(entry.target)
        else:
            full.write_text(CONTENTS[entry.digest])
        if entry.kind is not Kind.LINK:
            full.chmod(entry.mode)
            os.utime(full, ns=(entry.mtime_ns, entry.mtime_ns))  # so that rsync, too, goes by the content: all sizes differ


def looks_of(root: Path) -> Looks:
    found: Looks = {}
    for directory, directories, files in os.walk(root):
        for full in (Path(directory, name) for name in directories + files):
            path, mode = str(full.relative_to(root)), full.lstat().st_mode & 0o7777
            if full.is_symlink():
                found[path] = (Kind.LINK, str(full.readlink()), 0)
            else:
                found[path] = (Kind.DIR, "", mode) if full.is_dir() else (Kind.FILE, full.read_text(), mode)
    return found


def differences(case: Case, outcome: Outcome) -> dict[str, Difference]:
    """Why the outcomes differ, by path. An AssertionError where none of the reasons holds."""
    scan = case.scan
    kept = [path for path, verdict in scan.verdicts.items() if verdict.owner is Owner.KEEP]
    found = {}
    for path in sorted(outcome.ours.keys() | outcome.theirs.keys()):
        ours, theirs, live, image = outcome.ours.get(path), outcome.theirs.get(path), look_at(case.live, path), look_at(case.image, path)
        if ours == theirs:
            continue
        top = next((top for top in kept if is_below(path, top)), None)
        if top is not None:
            assert ours == live, f"{path} is kept, and reprov makes {ours} of {live}"
            node_kind, image_kind = case.live[top].kind, case.image[top].kind if top in case.image else None
            if scan.verdicts[top].rule is None and theirs is None:
                found[path] = Difference.ROOT
            elif image_kind is not None and (node_kind is Kind.DIR) is not (image_kind is Kind.DIR):
                found[path] = Difference.OTHER_KIND
            elif live is None and theirs == image:
                found[path] = Difference.ADDED
            elif live and theirs and image and live[0] is Kind.DIR and theirs == image:
                found[path] = Difference.MODE
        elif live is None and theirs is None and ours == image and excluded(case, path):
            found[path] = Difference.MADE
        if theirs is not None and theirs in written_through_links(case, outcome.theirs, path):
            found.setdefault(path, Difference.THROUGH)
        assert path in found, f"{path}: node {live}, image {image}; eDeploy makes {theirs}, reprov {ours}"
    return found


def written_through_links(case: Case, theirs: Looks, path: str) -> list[Look | None]:
    """What the image has of the path where a link of the node's, a directory in the image, leads to it."""
    found = []
    for link, entry in case.live.items():
        if entry.kind is Kind.LINK and link in case.image and case.ownership.of(link, is_dir=True).owner is Owner.KEEP:
            end = link
            for _ in range(len(NAMES)):  # a link may lead to a link
                if end in theirs and theirs[end][0] is Kind.LINK:
                    end = f"{parent_of(end)}/{theirs[end][1]}"
            if is_below(path, end):
                found.append(look_at(case.image, link + path.removeprefix(end)))
    return found


def excluded(case: Case, path: str) -> bool:
    return case.ownership.of(path, is_dir=case.image[path].kind is Kind.DIR).owner is Owner.KEEP


def check(case: Case, outcome: Outcome) -> Counter[Difference]:
    if outcome.comparison.blockers:
        assert outcome.status == PARTIAL, f"reprov refuses what eDeploy can do: {outcome.comparison.blockers}"
    if outcome.status:
        return Counter()  # eDeploy stopped halfway: there is no result to compare with
    found = differences(case, outcome)
    unsaid = {path: difference for path, difference in found.items() if not is_said(case, path, difference)}
    assert not unsaid, f"the import does not say of the rule: {unsaid}"
    return Counter(found.values())


def is_said(case: Case, path: str, difference: Difference) -> bool:
    """True when the import names the rule that keeps the path as one that brings this difference."""
    said = translate(("exclude", case.exclude), ("add_only", case.add_only)).differences
    patterns = {rule.pattern for item in said if item.topic is TOPICS[difference] for rule in item.rules}
    if difference is Difference.THROUGH:
        return bool(patterns)  # it hits a path that no rule is about
    scan = case.scan
    verdicts = [verdict for top, verdict in scan.verdicts.items() if is_below(path, top)] or [case.ownership.of(path, is_dir=True)]
    verdicts += [case.ownership.of(path, is_dir=False)] if path not in case.live else []
    return difference is Difference.ROOT or any(verdict.rule and verdict.rule.pattern in patterns for verdict in verdicts)


# -- generated ------------------------------------------------------------------------------------------------------------

TOPS = ("etc", "usr", "var")
NAMES = ("a", "b", "c")
DEPTH = 4
FILES = [a_file("", content, mode) for content in ("1", "22", "333") for mode in (0o644, 0o600)]
DIRS = [*[a_dir("", 0o755)] * 4, *[a_dir("", 0o700)] * 2]
STATES: list[Entry | None] = [None, None, None, *FILES, a_link("", "a"), a_link("", "b"), *DIRS]
ADD_ONLY = (
    b"+ /var/\n+ /var/**\n- *\n",
    b"- *\n",
    b"+ /var/\n+ /var/a/\n+ /var/a/**\n- *\n",
    b"+ /etc/\n+ /var/\n+ *\n",
    b"/*/\n/*/**\n- *\n",
    b"+ /var/**\n",
)


class Tape:
    """Choices, one for each byte: far cheaper than a draw each."""

    def __init__(self, choices: bytes) -> None:
        self._choices = iter(choices)

    def below(self, bound: int) -> int:
        return next(self._choices, 0) % bound

    def one(self, of: Sequence[str]) -> str:
        return of[self.below(len(of))]

    def state(self) -> Entry | None:
        return STATES[self.below(len(STATES))]

    def trees(self) -> tuple[dict[str, Entry], dict[str, Entry]]:
        live = a_tree(*map(a_dir, TOPS))
        image = dict(live)
        waiting = [f"{top}/{name}" for top in TOPS for name in NAMES]
        while waiting:
            path = waiting.pop()
            here = self.state()
            there = here if self.below(5) < 3 else self.state()
            for tree, state in ((live, here), (image, there)):
                if state and holds(tree, path):
                    tree[path] = state._replace(path=path)
            if path.count("/") + 1 < DEPTH and (holds(live, f"{path}/") or holds(image, f"{path}/")):
                waiting += [f"{path}/{name}" for name in NAMES]
        return dict(sorted(live.items())), dict(sorted(image.items()))

    def pattern(self) -> str:
        parts = [self.one(TOPS), *(self.one((*NAMES, *NAMES, "*", "?", "[ab]")) for _ in range(self.below(4)))]
        floating = "/".join(parts[1:]) or self.one(NAMES)
        return ("/" + "/".join(parts) if self.below(5) else floating) + self.one(("", "", "/", "/", "/", "/*", "/**", "/***"))

    def rules(self, signs: str) -> bytes:
        return "".join(f"{self.one(signs)} {self.pattern()}\n" for _ in range(self.below(6))).encode()

    def case(self) -> Case:
        live, image = self.trees()
        add_only = ADD_ONLY[self.below(len(ADD_ONLY))]
        return Case(live, image, self.rules("---+") + NEVER, (self.rules("+++-") if self.below(2) else b"") + add_only)


def holds(tree: Mapping[str, Entry], path: str) -> bool:
    directory = tree.get(parent_of(path))
    return directory is not None and directory.kind is Kind.DIR


def fault(case: Case, scratch: Path) -> str:
    """What is wrong with a case; "" when nothing is."""
    try:
        check(case, *outcomes([case], scratch))
    except AssertionError as error:
        return str(error).splitlines()[0]
    return ""


def shrunk(case: Case, scratch: Path) -> Case:
    """The smallest case that still fails."""
    for field in ("exclude", "add_only"):
        for line in getattr(case, field).splitlines(keepends=True):
            shorter = case._replace(**{field: getattr(case, field).replace(line, b"", 1)})
            if shorter.exclude and shorter.add_only and fault(shorter, scratch):
                case = shorter
    for path in sorted((case.live.keys() | case.image.keys()) - {"", *TOPS}, reverse=True):
        live, image = ({other: tree[other] for other in tree if not is_below(other, path)} for tree in (case.live, case.image))
        for smaller in (case._replace(live=live, image=image), case._replace(live=live), case._replace(image=image)):
            if fault(smaller, scratch):
                case = smaller
                break
    return case


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("edeploy")


CHECKS = settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    phases=[Phase.reuse, Phase.generate],
)
TAPE_BYTES = 400
CASES = st.binary(min_size=TAPE_BYTES, max_size=TAPE_BYTES).map(lambda choices: Tape(choices).case())


@CHECKS
@given(cases=st.lists(CASES, min_size=BATCH, max_size=BATCH))
def test_both_leave_the_same_but_for_what_is_said(cases: list[Case], scratch: Path) -> None:
    for case, outcome in zip(cases, outcomes(cases, scratch), strict=True):
        try:
            check(case, outcome)
        except AssertionError:
            small = shrunk(case, scratch)
            pytest.fail(f"{small}\n{fault(small, scratch)}", pytrace=False)


# -- by hand --------------------------------------------------------------------------------------------------------------


class Known(NamedTuple):
    """A case and the paths on which the two differ."""

    case: Case
    differ: dict[str, Difference]


VAR = b"+ /var/\n+ /var/**\n- *\n"
MYSQL = b"/var/lib/mysql/\n"

KNOWN = {
    "what exclude does not name is updated and deleted, although add_only names it": Known(
        Case(
            a_tree(a_file("var/lib/dpkg/status", "1"), a_file("var/lib/old", "1")), a_tree(a_file("var/lib/dpkg/status", "22")), NEVER, VAR
        ),
        {},
    ),
    "a kept file is left alone": Known(
        Case(a_tree(a_file("etc/hostname", "the node's")), a_tree(a_file("etc/hostname", "image")), b"/etc/hostname\n", VAR), {}
    ),
    "a kept file that is missing is made when add_only names it": Known(
        Case(a_tree(a_dir("var/lib")), a_tree(a_file("var/lib/seed", "image")), b"/var/lib/seed\n", VAR), {}
    ),
    "a kept directory that is missing is made with its content when add_only names it": Known(
        Case(a_tree(a_dir("var/lib")), a_tree(a_file("var/lib/mysql/ibdata1", "image")), MYSQL, VAR), {}
    ),
    "nothing is added to a live data directory": Known(
        Case(
            a_tree(a_dir("var/lib/mysql", 0o755), a_file("var/lib/mysql/ibdata1", "the node's")),
            a_tree(a_dir("var/lib/mysql", 0o755), a_file("var/lib/mysql/ibdata1", "image"), a_file("var/lib/mysql/ib_logfile0", "image")),
            MYSQL,
            VAR,
        ),
        {"var/lib/mysql/ib_logfile0": Difference.ADDED},
    ),
    "the mode of a live data directory stays": Known(
        Case(a_tree(a_dir("var/log", 0o700)), a_tree(a_dir("var/log", 0o755)), b"/var/log/\n", VAR), {"var/log": Difference.MODE}
    ),
    "a link to a data disk stays": Known(
        Case(a_tree(a_link("var/lib/mysql", "/data/mysql")), a_tree(a_dir("var/lib"), a_dir("var/lib/mysql")), MYSQL, b"- *\n"),
        {"var/lib/mysql": Difference.OTHER_KIND},
    ),
    "nothing is written through a kept link": Known(
        Case(
            a_tree(a_link("var/b", "a")),
            a_tree(a_dir("var/a"), a_dir("var/b"), a_file("var/b/f", "image")),
            b"/var/b\n",
            VAR,
        ),
        {"var/a/f": Difference.THROUGH},
    ),
    "a kept file that is missing is made even when add_only does not name it": Known(
        Case(a_tree(a_dir("etc")), a_tree(a_file("etc/70-persistent-net.rules", "image")), b"/etc/*persistent*\n", VAR),
        {"etc/70-persistent-net.rules": Difference.MADE},
    ),
    "a directory of the operator's in / stays": Known(
        Case(a_tree(a_file("backup/f", "1"), a_dir("etc")), a_tree(a_dir("etc")), NEVER, VAR, knows_live=False),
        {"backup": Difference.ROOT, "backup/f": Difference.ROOT},
    ),
    "an empty line, comments, carriage returns and an exclamation mark": Known(
        Case(
            a_tree(a_file("etc/a", "1"), a_file("etc/b", "1"), a_file("etc/c", "1")),
            a_tree(a_file("etc/a", "22"), a_file("etc/b", "22"), a_file("etc/c", "22")),
            b"/etc/a\n# c\n\n!\r\n; c\r\n+ /etc/b\r\n/etc/[bc]\r\n",
            VAR,
        ),
        {},
    ),
}


@pytest.mark.parametrize("known", [pytest.param(known, id=name) for name, known in KNOWN.items()])
def test_by_hand(known: Known, scratch: Path) -> None:
    (outcome,) = outcomes([known.case], scratch)
    assert (outcome.status, outcome.comparison.blockers) == (0, ())
    assert differences(known.case, outcome) == known.differ


DEFAULT_EXCLUDE = b"""\
/dev/
/proc/
/sys/
/mnt/
/run/
/tmp/
/home/
/root/
/var/lib/edeploy/*
/var/log/
/var/cache/
/boot/grub/
/lost+found
/etc/hostname
/etc/rc.local*
/etc/network/
/etc/fstab
/etc/mtab
/etc/shadow
/etc/ld.so.cache
/etc/hosts
/etc/resolv.conf
/etc/ssh/*key
/etc/ssh/ssh_host*
/etc/udev/rules.d/*persistent*
"""
"""What eDeploy's upgrade-from writes."""


def test_a_node_with_the_default_lists(scratch: Path) -> None:
    node, image = "the node's", "image"
    case = Case(
        live=a_tree(
            *(a_dir(name) for name in ("dev", "proc", "sys", "run", "tmp", "mnt", "lost+found")),
            *(a_file(f"etc/{name}", node) for name in ("hostname", "fstab", "shadow", "hosts", "resolv.conf", "network/interfaces")),
            a_link("etc/mtab", "/proc/mounts"),
            a_file("etc/ssh/ssh_host_rsa_key", node, 0o600),
            a_file("etc/ssh/sshd_config", node),
            a_file("etc/udev/rules.d/70-persistent-net.rules", node),
            a_file("home/jane/notes", node),
            a_file("root/.ssh/authorized_keys", node),
            a_file("boot/grub/grub.cfg", node),
            a_file("boot/vmlinuz-1", "1"),
            a_file("usr/bin/mysqld", "1", 0o755),
            a_file("usr/lib/old.so", "1"),
            a_file("var/lib/dpkg/status", "1"),
            a_file("var/lib/mysql/ibdata1", node),
            a_file("var/lib/edeploy/conf", node),
            a_dir("var/log/mysql", 0o700),
            a_file("var/log/mysql/error.log", node),
        ),
        image=a_tree(
            *(a_dir(name) for name in ("dev", "proc", "sys", "run", "tmp", "mnt", "home", "root")),
            *(a_file(f"etc/{name}", image) for name in ("hostname", "fstab", "shadow", "hosts", "resolv.conf", "network/interfaces")),
            a_file("etc/rc.local", image),
            a_file("etc/ssh/sshd_config", image),
            a_file("boot/vmlinuz-2", "22"),
            a_file("boot/grub/grub.cfg", image),
            a_file("usr/bin/mysqld", "22", 0o755),
            a_file("usr/lib/new.so", "22"),
            a_file("var/lib/dpkg/status", "22"),
            a_file("var/lib/edeploy/conf", image),
            a_file("var/lib/new/state", image),
            a_dir("var/log/mysql", 0o755),
            a_file("var/log/dmesg", image),
        ),
        exclude=DEFAULT_EXCLUDE,
        add_only=VAR,
    )
    (outcome,) = outcomes([case], scratch)
    assert (outcome.status, outcome.comparison.blockers) == (0, ())
    assert differences(case, outcome) == {
        "etc/rc.local": Difference.MADE,
        "var/log/dmesg": Difference.ADDED,
        "var/log/mysql": Difference.MODE,
    }
    changed = {change.path for change in outcome.comparison.changes}
    assert "var/lib/mysql/ibdata1" in changed, "the default lists protect no database: eDeploy deleted it, and reprov's plan says so"
    kept = (
        "etc/hostname",
        "etc/shadow",
        "etc/ssh/ssh_host_rsa_key",
        "root/.ssh/authorized_keys",
        "boot/grub/grub.cfg",
        "var/log/mysql/error.log",
    )
    assert {path: outcome.ours[path][1] for path in kept} == dict.fromkeys(kept, node)
