"""What the controller of a rollout costs: planning for a thousand hosts, deciding for ten thousand, and what it adds to Ansible."""

import json
import subprocess
import sys
import time
from pathlib import Path

from bench.measure import REPROV_PROGRAM, measure
from bench.trees import NEW, OLD, ROLE
from bench.values import Cost, FleetCosts, RolloutTimes
from reprov.adapters.rollout_directory import RolloutDirectory
from reprov.domain.course import Course, Spread, Stage, tag_name
from reprov.domain.rollout import Done
from reprov.domain.rollout_events import Outcome, StepBegan
from reprov.domain.rollout_file import Rollout
from reprov.domain.rollout_policy import Policy
from reprov.domain.rollout_state import RolloutState
from reprov.domain.simulation import simulate

PLANNED_HOSTS = 1_000
SIMULATED_HOSTS = 10_000
_REPEATS = 3
_PENDING = 3  # of `reprov rollout plan`: there is something to do
_TAGS = tuple(range(1, 10))
_HOSTS = 20
_STEP_S = 60.0


def measure_fleet(store: Path, folder: Path) -> FleetCosts:
    """All of it; `store` has both versions published, and the real snippets and package lists make the project."""
    folder.mkdir()
    plans = tuple(_plan(store, folder) for _ in range(_REPEATS))
    simulations = tuple(_simulate() for _ in range(_REPEATS))
    return FleetCosts(PLANNED_HOSTS, plans, SIMULATED_HOSTS, simulations, tuple(_roll_out(folder / str(run)) for run in range(_REPEATS)))


def _plan(store: Path, folder: Path) -> Cost:
    """The plan with its whole project on the disk, each time for another directory."""
    infra = folder / "infra.yaml"
    hosts = {f"node[0001:{PLANNED_HOSTS}]": {"profile": ROLE}}
    infra.write_text(json.dumps({"name": "bench", "profiles": {ROLE: {"arity": "n"}}, "hosts": hosts}))
    directory = folder / f"plan-{time.monotonic_ns()}"
    argv = (*REPROV_PROGRAM, "rollout", "plan", directory, f"{ROLE}={NEW}", "--now", f"{ROLE}={OLD}", "--infra", infra, "--store", store)
    cost = measure(argv, folder, fine=(_PENDING,)).cost
    if max(len(stage.hosts) for stage in RolloutDirectory(directory).rollout().course.stages) != PLANNED_HOSTS:
        raise RuntimeError("the plan does not have every host")
    return cost


class _Hosts:
    """Of which one in a hundred fails in the middle."""

    def outcome(self, stage: str, tag: int, host: str) -> Outcome:
        return Outcome.FAILED if tag == 5 and host.endswith("42") else Outcome.DONE

    def duration_s(self, step: object) -> float:
        return _STEP_S


def _simulate() -> float:
    """Seconds from a course without a host done to its end."""
    names = tuple(f"node{number}" for number in range(SIMULATED_HOSTS))
    course = Course((Stage("nodes", "nodes", names, _TAGS, Spread.EACH),), {name: f"rack{index % 100}" for index, name in enumerate(names)})
    policy = Policy.of({"batches": ("1%",), "max_failures": SIMULATED_HOSTS, "max_unavailable_per_domain": 20}, "bench")
    began_s = time.perf_counter()
    simulated = simulate(RolloutState(course), policy, _Hosts())
    took_s = time.perf_counter() - began_s
    if not isinstance(simulated.end, Done):
        raise RuntimeError(f"the simulation ended with {simulated.end}")
    return took_s


def _roll_out(folder: Path) -> RolloutTimes:
    """A rollout over hosts that are this machine, and the same steps on the same hosts by `ansible-playbook`, right after it.

    A step is a single command that does nothing: whatever a real one does is Ansible's own time.
    """
    directory = RolloutDirectory(folder)
    names = tuple(f"node{number}" for number in range(_HOSTS))
    stage = Stage("nodes", "nodes", names, _TAGS, Spread.EACH)
    _write_project(directory.project, stage)
    policy = Policy.of({"batches": ("100%",)}, "bench")
    directory.create(Rollout("re-image", "bench", {ROLE: NEW}, policy, Course((stage,), {})))
    reprov = measure((*REPROV_PROGRAM, "rollout", "run", folder), folder).cost
    steps = [event for event in directory.events().events if isinstance(event, StepBegan)]
    began_s = time.monotonic()
    for step in steps:
        _by_hand(directory.project, step)
    return RolloutTimes(_HOSTS, len(steps), reprov.wall_s, time.monotonic() - began_s)


def _write_project(project: Path, stage: Stage) -> None:
    (project / "stages").mkdir(parents=True)
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (project / "inventory.yaml").write_text(json.dumps({"all": {"hosts": dict.fromkeys(stage.hosts, local)}}))
    (project / "ansible.cfg").write_text("[defaults]\ninventory = inventory.yaml\nforks = 25\n")
    tasks = [{"name": tag_name(tag), "ansible.builtin.raw": "true", "changed_when": False, "tags": tag_name(tag)} for tag in stage.tags]
    play = {"name": stage.title, "hosts": "all", "gather_facts": False, "tasks": tasks}
    (project / "stages" / f"{stage.name}.yml").write_text(json.dumps([play]))


def _by_hand(project: Path, step: StepBegan) -> None:
    playbook = Path(sys.executable).with_name("ansible-playbook")
    limit, stage = ",".join(step.hosts), f"stages/{step.stage}.yml"
    subprocess.run((playbook, stage, "--limit", limit, "--tags", tag_name(step.tag)), cwd=project, check=True, stdout=subprocess.DEVNULL)
