"""The runbook of a small procedure, as it is printed."""

from reprov.domain.course import Spread, Stage
from reprov.domain.packages import PackageChange
from reprov.domain.playbook import Gets
from reprov.domain.procedure import Action, Applied, HostRule, LeftOut, OwnTask, Procedure, StageRule, Take, Undo
from reprov.domain.release import ReleaseId
from reprov.domain.runbook import runbook
from reprov.domain.snippet import Derived, Family, Snippet, Task, Touched
from tests.fleet_samples import infra

NAMES = {Family.DEBIAN: ("etcd",), Family.RPM: ("etcd",)}
ETCD = Snippet(
    "etcd", "etcd", NAMES, {}, NAMES, True, (), {}, (Task("Stop what runs", 4, "", 1), Task("Start what ran", 6, "", 9)), "e.yaml"
)
HEALTHY = Action("healthy", "Every member is healthy", {}, (OwnTask("Ask", None, "ansible.builtin.command", "etcdctl health", ""),), "h")
INSTALL = Action(
    "install",
    "Install the packages",
    {},
    (
        OwnTask("Install", Family.DEBIAN, "ansible.builtin.apt", {"name": "{{ stage_packages }}"}, ""),
        OwnTask("Install", Family.RPM, "ansible.builtin.dnf", {"name": "{{ stage_packages }}"}, ""),
    ),
    "i",
)
SAVE = Action("save", "Save", {"folder": "/backups"}, (OwnTask("Save", None, "ansible.builtin.shell", "cd {{ folder }}\nsave\n", ""),), "s")
RULE = StageRule(
    name="etcd",
    title="Upgrade etcd, which is the first thing that has to be done here",
    hosts=HostRule(Take.EACH),
    impact="A member is away for seconds.",
    tags=(4, 5, 6),
    before=(HEALTHY,),
    touched=False,
    services=("etcd",),
    actions=((5, INSTALL),),
    after=(),
    undo=Undo("The packages go back.", (SAVE,)),
    line=1,
)
CHANGES = (PackageChange("etcd-server", "amd64", "upgraded", "3.4", "3.5"), PackageChange("etcd-new", "amd64", "added", "", "1"))

GOLDEN = """\
# Small: cloud

The procedure `small`, which follows: a document.

**Service impact.**
None.

## What hosts get

* db, 3 hosts: db 1 -> 2, the packages that change

## Before anything else

Every command below is typed in the directory `project` of the rollout. `reprov
rollout run` does the same, host by host, and remembers how far it is; by hand,
the next stage begins when the one before it has ended without a failure.

## The stages

1. Upgrade etcd, which is the first thing that has to be done here (`etcd`)

### 1. Upgrade etcd, which is the first thing that has to be done here

Hosts: db1, db2, db3; one after the other, never two at once.

Impact: A member is away for seconds.

Services that the release touches:

* etcd, because of etcd-server 3.4 -> 3.5, etcd-new nothing -> 1

Checked before:

* Every member is healthy (`healthy`)

```sh
# Ask
etcdctl health
```

Step 4, stop infrastructure services:

```sh
ansible-playbook stages/etcd.yml --tags step4 --limit db1
```

* etcd: stop what runs

Step 5, the new packages:

```sh
ansible-playbook stages/etcd.yml --tags step5 --limit db1
```

* Install the packages (`install`)

```sh
# Install
apt-get install etcd-new=1 etcd-server=3.5
```

Step 6, start infrastructure services:

```sh
ansible-playbook stages/etcd.yml --tags step6 --limit db1
```

* etcd: start what ran

Way back: The packages go back.

* Save (`save`)

```sh
# Save
cd /backups
save
```

```sh
ansible-playbook undo/etcd.yml
```

## What is left out

* `rest`: no release changes for all hosts.
"""


def test_a_runbook_says_what_is_typed_why_and_how_it_is_undone() -> None:
    small = infra({"db": 3})
    derived = Derived("db", (Touched("etcd", CHANGES),))
    applied = Applied(RULE, Stage("etcd", RULE.title, ("db1", "db2", "db3"), (4, 5, 6), Spread.ONE_BY_ONE), (derived,))
    procedure = Procedure("small", "Small", "a document", "None.", True, {}, (RULE,), "p")
    gets = {"db": Gets(Family.DEBIAN, ReleaseId.of("db", "2"), "x")}
    left_out = [LeftOut(RULE, "no release changes for all hosts")._replace(rule=_named("rest"))]
    assert runbook(procedure, small, [applied], left_out, gets, {"db": ReleaseId.of("db", "1")}, {"etcd": ETCD}) == GOLDEN


def test_services_are_stopped_in_the_reverse_of_the_order_in_which_they_are_started() -> None:
    api = Snippet("api", "api", NAMES, {}, NAMES, False, (), {}, ETCD.tasks, "a.yaml")
    derived = Derived("db", (Touched("etcd", CHANGES), Touched("api", CHANGES)))
    applied = Applied(RULE, Stage("etcd", "", ("db1",), (4, 6), Spread.EACH), (derived,))
    gets = {"db": Gets(Family.DEBIAN, ReleaseId.of("db", "2"), "x")}
    before = {"db": ReleaseId.of("db", "1")}
    text = runbook(
        Procedure("p", "P", "", "", False, {}, (RULE,), "p"), infra({"db": 1}), [applied], [], gets, before, {"etcd": ETCD, "api": api}
    )
    assert [line for line in text.splitlines() if line.endswith((": stop what runs", ": start what ran"))] == [
        "* api: stop what runs",
        "* etcd: stop what runs",
        "* etcd: start what ran",
        "* api: start what ran",
    ]


def _named(name: str) -> StageRule:
    return StageRule(name, "", HostRule(Take.EACH), "", (1,), (), True, (), (), (), Undo("", ()), 2)
