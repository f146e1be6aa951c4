"""The text of an action and of a check: what is read, and the exact words for everything that is not accepted."""

import pytest

from reprov.domain.action_text import parse_action
from reprov.domain.snippet import Family
from reprov.errors import InvalidInput, problems_of

WHOLE = """\
title: Have the packages
tasks:
  debian:
    # Of Debian.
    - name: Install them
      ansible.builtin.apt:
        name: [a, b]

    - name: Look
      ansible.builtin.command: true
      changed_when: false
  all:
    - name: Make room
      ansible.builtin.file: {path: /x, state: directory}
"""
LOOK = "title: t\ntasks:\n  all:\n    - name: Look\n      ansible.builtin.command: look\n      changed_when: false\n"
GUARDED = "      changed_when: true\n      when: x\n"
CHANGES = (
    "a:4: a check changes nothing: `changed_when: false` and a module of ansible.builtin.assert, ansible.builtin.command,"
    " ansible.builtin.find, ansible.builtin.shell, ansible.builtin.slurp, ansible.builtin.uri,"
    " reprov_ceph_gate, reprov_database, reprov_probes, reprov_quorum"
)

BAD = {
    "nothing": ("", ["a:1: a check is a list of 'key: value' lines"]),
    "no title": (LOOK.replace("title: t\n", ""), ["a:1: 'title' is missing"]),
    "no task": ("title: t\ntasks: {all: []}\n", ["a:2: tasks: there is none"]),
    "a family that there is not": (LOOK.replace("all:", "suse:"), ["a:3: unknown key 'suse'"]),
    "an unknown key": (LOOK.replace("title", "titel"), ["a:1: 'title' is missing", "a:1: unknown key 'titel' (did you mean 'title'?)"]),
    "tasks that are not the last": ("tasks: {all: [{}]}\ntitle: t\n", ["a:2: tasks are the last of the file"]),
    "a task with tags": (
        LOOK + "      tags: step1\n",
        ["a:7: a task of an action has no tags: the stage that names the action gives it the stage's"],
    ),
    "a command that does not say whether it changed anything": (
        LOOK.replace("      changed_when: false\n", ""),
        ["a:4: a command says with `changed_when` whether it has changed anything"],
    ),
    "a check whose command changes something": (
        LOOK.replace("      changed_when: false\n", GUARDED),
        [CHANGES],
    ),
    "a check that makes probes": (
        "title: t\ntasks:\n  all:\n    - name: Look\n      reprov_probes: {state: created, record: /x}\n",
        [CHANGES],
    ),
    "a check that imports tasks which change something": (
        "title: t\ntasks:\n  all:\n    - name: Look\n      ansible.builtin.import_role: {name: reprov, tasks_from: stop}\n",
        [CHANGES],
    ),
    "a check that waits until a member may leave, which is noted": (
        "title: t\ntasks:\n  all:\n    - name: Look\n      reprov_quorum: {kind: etcd, state: may_leave, note: /x}\n",
        [CHANGES],
    ),
    "a check that copies a file": (
        "title: t\ntasks:\n  all:\n    - name: Write\n      ansible.builtin.copy: {dest: /x, content: y}\n",
        [CHANGES],
    ),
}


@pytest.mark.parametrize(("text", "said"), BAD.values(), ids=BAD.keys())
def test_what_is_wrong_with_a_check_is_said_with_its_line(text: str, said: list[str]) -> None:
    with pytest.raises(InvalidInput) as raised:
        parse_action(text, "a", "x", is_check=True)
    assert [problem.message for problem in problems_of(raised.value)] == said


def test_an_action_may_change_something() -> None:
    parse_action(LOOK.replace("      changed_when: false\n", GUARDED), "a", "x", is_check=False)


def test_tasks_keep_their_text_and_those_of_every_distribution_come_first() -> None:
    action = parse_action(WHOLE, "a", "x", is_check=False)
    assert [(task.name, task.family, task.module) for task in action.tasks] == [
        ("Make room", None, "ansible.builtin.file"),
        ("Install them", Family.DEBIAN, "ansible.builtin.apt"),
        ("Look", Family.DEBIAN, "ansible.builtin.command"),
    ]
    assert action.tasks[1].text == "# Of Debian.\n- name: Install them\n  ansible.builtin.apt:\n    name: [a, b]\n"
    assert action.tasks[2].text == "- name: Look\n  ansible.builtin.command: true\n  changed_when: false\n"
